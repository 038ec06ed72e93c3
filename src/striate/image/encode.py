"""From a picture to the bytes of a file, and to a file that is never half written."""

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from PIL import Image

from striate.errors import ImageError
from striate.files import write_whole
from striate.shapes import Display

_OPTIONS: dict[str, dict[str, int | bool]] = {
    "png": {"compress_level": 6},
    "webp": {"quality": 90, "method": 4},
}
_EXACT: dict[str, int | bool] = {"lossless": True, "quality": 50, "method": 2}
_LONGEST = 16383
"""Pixels that a side of a WebP has at most: the format counts them in 14 bits."""


def encode(
    picture: Display,
    format: Literal["png", "webp"] = "png",  # noqa: A002
    *,
    quality: int | None = None,
) -> bytes:
    r"""Write a picture as the bytes of an image file.

    Args:
        picture: What to write.
        format: ``png`` keeps every pixel exactly; ``webp`` is a tenth to a third of the size and
            not exact.
        quality: Of ``webp``, from 0 to 100, 100 being exact; a given one is encoded in half the
            time. None: 90.

    Returns:
        The file's bytes: the same for the same picture and the same build of Pillow; nothing of
        the time or the machine is in them.

    Raises:
        ImageError: If the format is another, the picture is empty or too large for it, or the
            quality outside 0 to 100.

    Example:
        >>> import numpy as np
        >>> encode(np.zeros((2, 3, 3), np.uint8))[:4]
        b'\x89PNG'
    """
    if format not in _OPTIONS:
        msg = f"cannot write {format!r}; the formats are {', '.join(_OPTIONS)}"
        raise ImageError(msg)
    if picture.size == 0:
        msg = f"a picture of shape {picture.shape} has no pixels to write"
        raise ImageError(msg)
    if format == "webp":
        _check_sides(picture.shape[0], picture.shape[1])
    options = _OPTIONS[format]
    if quality is not None:
        if format != "webp" or not 0 <= quality <= 100:
            msg = f"quality={quality} for {format!r}: only webp has a quality, from 0 to 100"
            raise ImageError(msg)
        options = _EXACT if quality == 100 else {"quality": quality, "method": 2}
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format, **options)
    return buffer.getvalue()


def _check_sides(height: int, width: int, *, moving: bool = False) -> None:
    """Refuse what no WebP can hold.

    Raises:
        ImageError: If a side is too long.
    """
    if max(height, width) > _LONGEST:
        what, other = (
            ("moving picture", "make fewer images") if moving else ("picture", "write a .png")
        )
        msg = (
            f"{height} x {width} pixels are too many for a .webp, whose sides have {_LONGEST} at "
            f"most: {other}, or lay the {what} out in more columns (or fewer, if it is too wide)"
        )
        raise ImageError(msg)


def checked_kind(
    path: Path, size: tuple[int, int] | None = None, *, moving: bool = False
) -> Literal["png", "webp"]:
    """Say in which format `save` would write a file: to be asked before long work.

    Args:
        path: Where the picture is to go.
        size: Its height and width at least, where they are known.
        moving: Whether it is for `save_moving`.

    Returns:
        The format.

    Raises:
        ImageError: If the suffix is of no format (of a moving picture, not ``.webp``), the folder
            does not exist, a folder has the file's own name, or the picture is too large.

    Example:
        >>> checked_kind(Path("sheet.PNG"))
        'png'
    """
    kind: Literal["png", "webp"]
    match path.suffix.lower():
        case ".png":
            kind = "png"
        case ".webp":
            kind = "webp"
        case suffix:
            msg = f"cannot write {str(path)!r}: suffix {suffix!r} is neither '.png' nor '.webp'"
            raise ImageError(msg)
    if moving and kind != "webp":
        msg = f"cannot write {str(path)!r}: a moving picture is a .webp file"
        raise ImageError(msg)
    if not path.parent.is_dir():
        msg = f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first"
        raise ImageError(msg)
    if path.is_dir():
        msg = f"cannot write {str(path)!r}: it is a folder; name a file, in it or elsewhere"
        raise ImageError(msg)
    if size is not None and kind == "webp":
        _check_sides(*size, moving=moving)
    return kind


def save(picture: Display, path: Path) -> None:
    """Write a picture to a file, whole or not at all.

    A reader, or a crash at any moment, finds the old file or the new one, never a part.

    Args:
        picture: What to write.
        path: Where; its suffix, ``.png`` or ``.webp`` in any case, chooses the format.

    Raises:
        ImageError: If the suffix is another, the folder does not exist, a folder has the file's
            name, or the picture is too large for the format.
        OSError: If the system cannot write, for example because the disk is full.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(np.zeros((2, 3, 3), np.uint8), Path(folder, "black.png"))
        ...     print([file.name for file in Path(folder).iterdir()])
        ['black.png']
    """
    kind = checked_kind(path)
    write_whole(path, encode(picture, kind))


def save_moving(pictures: Iterable[Display], path: Path, *, milliseconds: int = 60) -> None:
    """Write pictures of one size as a moving one that starts again, whole or not at all.

    Args:
        pictures: At least one; taken as they come.
        path: Where; a ``.webp`` file.
        milliseconds: How long each is shown.

    Raises:
        ImageError: If the suffix is another, the folder does not exist, a folder has the file's
            name, there is no picture, or they are too large.
    """
    checked_kind(path, moving=True)
    frames = [Image.fromarray(picture) for picture in pictures]
    if not frames:
        msg = f"no picture for {str(path)!r}: a moving picture has one at least"
        raise ImageError(msg)
    first, *others = frames
    _check_sides(first.height, first.width, moving=True)
    buffer = io.BytesIO()
    first.save(
        buffer, "webp", save_all=True, append_images=others, duration=milliseconds, loop=0,
        quality=80, method=2,
    )  # fmt: skip
    write_whole(path, buffer.getvalue())
