"""L1, L3, L4, L5, L7, L11: whatever happens to a run, the next one makes the same atlas."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from building import Build, content, interrupted, memory_folder

from striate.atlas.store.ledger import Ledger
from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError


def crasher(*arguments: object) -> dict[str, Any]:
    script = Path(__file__).with_name("crasher.py")
    run = subprocess.run(
        [sys.executable, script, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def crashes(pictures_folder: Path) -> dict[str, Any]:
    """What became of five random kills and of one at each crash point: one process for all."""
    with memory_folder() as folder:
        return crasher(pictures_folder, folder, 5, 20131112, "points")


def test_killed_at_every_crash_point(crashes: dict[str, Any]) -> None:
    """L1: kill -9 at each step of writing in turn, then resume: byte for byte the same."""
    found = crashes["points"]
    assert found["points"] > 30, "some writing has no crash points"
    assert found["differ"] == []


def test_killed_at_random_times(crashes: dict[str, Any]) -> None:
    survived(crashes["random"], 5)


@pytest.mark.slow
def test_killed_fifty_times(pictures_folder: Path, tmp_path: Path) -> None:
    survived(crasher(pictures_folder, tmp_path, 50, 1966)["random"], 50)


def survived(found: dict[str, Any], kills: int) -> None:
    print(f"{found['hits']} of {found['kills']} kills hit a live run of {found['seconds']:.2f} s")  # noqa: T201
    assert found["differ"] == []
    assert found["kills"] >= kills
    assert found["hits"] > 0


@pytest.mark.parametrize(("done", "kept"), [(1, 0), (4, 0), (5, 4), (8, 4), (9, 8), (10, 8)])
def test_interrupted_and_resumed(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_atlas: Atlas, done: int, kept: int
) -> None:
    """L11: Ctrl-C keeps the shards that are done; the rest is as if nothing had happened."""
    interrupted(build, pictures_folder, tmp_path, done)
    with pytest.raises(AtlasError, match="not finished"):
        Atlas(tmp_path)
    seen: list[int] = []
    resumed = build(pictures_folder, tmp_path, progress=lambda p: seen.append(p.resumed_from))
    assert resumed.digest() == finished_atlas.digest()
    assert content(tmp_path) == content(finished_atlas.folder)
    assert set(seen) == {kept}


def test_no_scraps_are_left(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    build(pictures_folder, tmp_path)
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    arrays = ["0000.safetensors", "0001.safetensors", "0002.safetensors"]
    others = [".lock", "atlas.sha256", "atlas.sqlite", "recipe.json"]
    assert names == sorted([*others, *arrays, *arrays])
    assert sorted(path.name for path in (tmp_path / "responses").iterdir()) == arrays


def test_a_shard_committed_twice_counts_once(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, monkeypatch
) -> None:
    """L3."""
    commit = Ledger.commit

    def twice(self: Ledger, *arguments: Any) -> None:
        commit(self, *arguments)
        commit(self, *arguments)

    monkeypatch.setattr(Ledger, "commit", twice)
    assert build(pictures_folder, tmp_path).digest() == finished_digest


# --- L4: the disk is full ------------------------------------------------------------------------


def failing_nth(
    real: Callable[..., Any], count: int, error: int, when: Callable[..., bool] = lambda *_: True
) -> tuple[Callable[..., Any], list[int]]:
    """The real function, but for its n-th call, which fails; and how often it was called."""
    calls = [0]

    def call(*arguments: Any, **options: Any) -> Any:
        if when(*arguments):
            calls[0] += 1
            if calls[0] == count:
                raise OSError(error, os.strerror(error))
        return real(*arguments, **options)

    return call, calls


def refusal(build: Build, images: Path, folder: Path) -> str | None:
    """Return what an `AtlasError` says; None if the run succeeds."""
    try:
        build(images, folder)
    except AtlasError as error:
        return str(error)
    return None


def writing(_path: Path, mode: str = "r", *_rest: object) -> bool:
    return "w" in mode


POINTS = {
    "fsync": ("os.fsync", os.fsync, None),
    "open": ("pathlib.Path.open", Path.open, writing),
    "rename": ("pathlib.Path.replace", Path.replace, None),
    "mkdir": ("pathlib.Path.mkdir", Path.mkdir, None),
}


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("point", sorted(POINTS))
def test_disk_full_at_each_write(
    build: Build,
    pictures_folder: Path,
    tmp_path: Path,
    finished_digest: str,
    point: str,
    error: int,
) -> None:
    """Every write of a run fails once; each time one clear error, and the next run goes on."""
    name, real, when = POINTS[point]
    for count in range(1, 100):
        folder = tmp_path / str(count)
        call, calls = failing_nth(real, count, error, *([when] if when else []))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(name, call)
            refused = refusal(build, pictures_folder, folder)
        assert (refused is None) is (calls[0] < count)
        if refused is None:
            break
        assert os.strerror(error) in refused
        assert str(folder) in refused
        assert build(pictures_folder, folder).digest() == finished_digest
    assert count > 4


@pytest.mark.parametrize("pages", [1, 2, 3, 4])
def test_disk_full_in_the_ledger(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, pages: int
) -> None:
    real = sqlite3.connect

    def tight(path: Path, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = real(path, *arguments, **options)
        if "ledger" in str(path):
            connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", tight)
        refused = refusal(build, pictures_folder, tmp_path)
    assert refused is None or "make room" in refused
    assert build(pictures_folder, tmp_path).digest() == finished_digest


def test_a_finished_atlas_survives_a_full_disk(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, monkeypatch
) -> None:
    build(pictures_folder, tmp_path)
    call, _ = failing_nth(os.fsync, 1, errno.ENOSPC)
    monkeypatch.setattr("os.fsync", call)
    with pytest.raises(AtlasError, match="No space left"):
        build(pictures_folder, tmp_path)
    assert Atlas(tmp_path).digest() == finished_digest


# --- L5: damaged leavings ------------------------------------------------------------------------


def damages(content: bytes) -> Iterator[bytes]:
    """Truncated at several places, a byte flipped at several, replaced, emptied."""
    size = len(content)
    yield from (content[:length] for length in (0, 1, 7, 8, size // 3, size - 1))
    for place in (0, 9, size // 2, size - 1):
        yield content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]
    yield b"\0" * size
    yield content + b"more"


@pytest.mark.parametrize("what", ["shards/00001.safetensors", "ledger.sqlite"])
def test_damaged_leavings_are_computed_again(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, what: str
) -> None:
    interrupted(build, pictures_folder, tmp_path / "begun", 10)
    whole = (tmp_path / "begun" / what).read_bytes()
    for number, damaged in enumerate(damages(whole)):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "begun", folder)
        (folder / what).write_bytes(damaged)
        assert build(pictures_folder, folder).digest() == finished_digest, number


def test_a_missing_shard_is_computed_again(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str
) -> None:
    interrupted(build, pictures_folder, tmp_path, 10)
    (tmp_path / "shards" / "00000.safetensors").unlink()
    assert build(pictures_folder, tmp_path).digest() == finished_digest


@pytest.mark.parametrize("text", ["", "{torn", "[]", "null", '{"format": 0}'])
def test_a_plan_that_cannot_be_read_is_one_clear_error(
    build: Build, pictures_folder: Path, tmp_path: Path, text: str, finished_digest: str
) -> None:
    interrupted(build, pictures_folder, tmp_path, 5)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("UPDATE plan SET json = ?", (text,))
    connection.close()
    with pytest.raises(AtlasError, match="restart"):
        build(pictures_folder, tmp_path)
    assert build(pictures_folder, tmp_path, restart=True).digest() == finished_digest


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 6, 7])
def test_a_restart_that_is_killed_leaves_nothing_that_looks_finished(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, step: int
) -> None:
    """Killed while it throws the old atlas away, the next run must not take the rest for whole."""
    build(pictures_folder, tmp_path)
    steps = iter(range(1, step + 1))

    def count() -> None:
        if next(steps) == step:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.atlas.engines.local.crash_point", count)
        with pytest.raises(KeyboardInterrupt):
            build(pictures_folder, tmp_path, restart=True)
    assert build(pictures_folder, tmp_path).digest() == finished_digest


# --- L7: two runs --------------------------------------------------------------------------------


def test_a_second_run_on_the_same_folder_is_refused(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str
) -> None:
    refusals = []

    def another(_: object) -> None:
        with pytest.raises(AtlasError, match="another run") as refused:
            build(pictures_folder, tmp_path)
        refusals.append(str(refused.value))

    assert build(pictures_folder, tmp_path, progress=another).digest() == finished_digest
    assert refusals
    assert str(tmp_path) in refusals[0]


def test_a_lock_that_nobody_holds_is_taken_over(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str
) -> None:
    (tmp_path / ".lock").write_text("4711")
    assert build(pictures_folder, tmp_path).digest() == finished_digest
    assert build(pictures_folder, tmp_path).digest() == finished_digest
