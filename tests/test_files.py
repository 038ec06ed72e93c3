"""Files are whole or absent; `tests/image/test_encode.py` asks the same of pictures."""

import os
import threading
from pathlib import Path

import pytest

from striate.files import write_whole


def test_a_draft_with_a_name_takes_the_place_of_what_a_crash_left(tmp_path: Path) -> None:
    (tmp_path / ".a.part").write_bytes(b"what a crash left behind, longer than the rest")
    write_whole(tmp_path / "a", b"new", draft=".a.part")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"new"}


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    contents = [bytes([number]) * 2_000_000 for number in range(8)]
    threads = [
        threading.Thread(target=write_whole, args=(tmp_path / "a", content)) for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() in contents


@pytest.mark.parametrize("draft", [None, ".draft"])
def test_what_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draft: str | None
) -> None:
    write_whole(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "a", b"new", draft=draft)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"a": b"old"}
