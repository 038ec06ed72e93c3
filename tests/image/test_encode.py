"""Writing: exact, the same each time, and never a part of a file."""

import io
import os
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from striate.errors import ImageError
from striate.image.decode import decode
from striate.image.encode import (
    checked_kind,
    encode,
    save,
    save_moving,
)

PICTURE = np.random.default_rng(3).integers(0, 256, (7, 5, 3), np.uint8)
SMOOTH = np.add.outer(np.arange(32), np.arange(32))[..., None].repeat(3, 2).astype(np.uint8)


def test_a_webp_of_full_quality_is_exact_and_of_less_is_smaller() -> None:
    assert np.array_equal(decode(encode(PICTURE, "webp", quality=100)), PICTURE)
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    sizes = [len(encode(noise, "webp", quality=quality)) for quality in (10, 60, 90)]
    assert sizes == sorted(sizes)
    grey = np.full((64, 64, 3), 128, np.uint8)
    for quality in (75, 85, 95):
        assert np.array_equal(decode(encode(grey, "webp", quality=quality)), grey)


@pytest.mark.parametrize(("kind", "quality"), [("png", 90), ("webp", -1), ("webp", 101)])
def test_a_quality_that_cannot_be_is_refused(kind: Literal["png", "webp"], quality: int) -> None:
    with pytest.raises(ImageError, match="only webp has a quality"):
        encode(PICTURE, kind, quality=quality)


def test_png_is_exact_and_the_same_each_time() -> None:
    assert np.array_equal(decode(encode(PICTURE)), PICTURE)
    assert encode(PICTURE) == encode(PICTURE.copy())
    with Image.open(io.BytesIO(encode(PICTURE))) as image:
        assert image.info == {}  # no time, no program, no machine


def test_webp_is_close_and_the_same_each_time() -> None:
    data = encode(SMOOTH, "webp")
    assert data[8:12] == b"WEBP"
    assert data == encode(SMOOTH, "webp")
    assert np.abs(decode(data).astype(int) - SMOOTH).max() <= 6


def test_a_view_with_strides_is_written_as_it_looks() -> None:
    turned = np.rot90(PICTURE)
    assert np.array_equal(decode(encode(turned)), turned)


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(ImageError, match="no pixels"):
        encode(np.zeros((0, 4, 3), np.uint8))


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("A.PNG", "PNG"), ("a.webp", "WEBP")])
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, kind: str) -> None:
    save(PICTURE, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == kind
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_suffixes_and_missing_folders_are_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "a", ".png"):
        with pytest.raises(ImageError, match="suffix"):
            save(PICTURE, tmp_path / name)
    with pytest.raises(ImageError, match="no folder"):
        save(PICTURE, tmp_path / "no" / "a.png")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    for ask in (checked_kind, lambda path: save(PICTURE, path)):
        with pytest.raises(ImageError, match="is a folder"):
            ask(tmp_path / "a.png")


@pytest.mark.parametrize("size", [(16384, 2), (2, 16384)])
def test_what_is_too_large_for_webp_is_said_before_and_after_the_work(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path, large = tmp_path / "a.webp", np.zeros((*size, 3), np.uint8)
    said = f"{size[0]} x {size[1]} pixels .* 16383"
    with pytest.raises(ImageError, match=said + r".*\.png.*more columns"):
        checked_kind(path, size)
    with pytest.raises(ImageError, match=said + r".*\.png.*more columns"):
        save(large, path)
    with pytest.raises(ImageError, match=said + ".*moving.*more columns"):
        checked_kind(path, size, moving=True)
    with pytest.raises(ImageError, match=said + ".*moving.*more columns"):
        save_moving([large], path)
    assert checked_kind(tmp_path / "a.png", size) == "png"
    assert list(tmp_path.iterdir()) == []


def test_the_largest_webp_is_written(tmp_path: Path) -> None:
    size = (16383, 1)
    assert checked_kind(tmp_path / "a.webp", size) == "webp"
    save(np.zeros((*size, 3), np.uint8), tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as image:
        assert image.size == size[::-1]


def test_a_moving_picture_takes_pictures_as_they_come(tmp_path: Path) -> None:
    frames = (np.full((6, 9, 3), level, np.uint8) for level in (0, 100, 200))
    save_moving(frames, tmp_path / "a.webp")
    with Image.open(tmp_path / "a.webp") as moving:
        assert (moving.n_frames, moving.size) == (3, (9, 6))
    with pytest.raises(ImageError, match="no picture"):
        save_moving([], tmp_path / "b.webp")
    with pytest.raises(ImageError, match=r"is a \.webp"):
        save_moving([PICTURE], tmp_path / "b.png")


def test_i3_a_name_of_255_bytes_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 125 + "a.png")
    assert len(os.fsencode(path.name)) == 255
    save(PICTURE, path)
    assert np.array_equal(decode(path), PICTURE)


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    path = tmp_path / "a.png"
    save(PICTURE, path)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if stage == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        save(np.zeros_like(PICTURE), path)
    assert np.array_equal(decode(path), PICTURE)
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_synced_before_it_takes_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("sync"), sync(handle))[1])
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1]
    )
    save(PICTURE, tmp_path / "a.png")
    assert order == ["sync", "replace", "sync"]


def test_a_saved_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    save(PICTURE, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode
