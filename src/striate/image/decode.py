"""From a file or its bytes to an upright RGB picture, within a size limit.

What comes out is what ``PIL.Image.open(file).convert("RGB")`` gives for an ordinary RGB or grey
file, so that a network sees what torchvision's loaders would show it. Where that call goes wrong
we differ, on purpose:

- EXIF orientation is applied.
- Transparent pixels lie on white; Pillow drops the alpha channel and shows what hides below it.
- 16-bit greys are divided by 257; Pillow clips them at 255, which makes nearly all of them white.
- 32-bit integers run from their smallest (black) to their largest value (white).
- Floats in [0, 1] are taken as such; others run from their smallest to their largest value, and
  a value that is not finite becomes black.

Colour profiles are not applied (torchvision's loader does not either): a Display-P3 photograph
comes out with its numbers unchanged, slightly less vivid than it was meant. Pillow itself keeps
only the high byte of 16-bit colour files.

Only the formats below are opened, each by its own reader chosen from the first bytes: a file name
proves nothing, and formats that need a program to draw them (EPS, SVG, PDF) never reach one.
"""

import io
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias, TypeVar

import numpy as np
from jaxtyping import UInt
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from striate.errors import ImageError
from striate.shapes import Display

_Stream: TypeAlias = io.BytesIO | io.BufferedReader

# Each format's own reader, not `Image.open`: that one warns above 89 million pixels and refuses
# above 179, by a limit which is a global of Pillow's. Ours is an argument.
_READERS: dict[str, Callable[[IO[bytes]], Image.Image]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}

_SIGNATURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
} | {b"P" + kind: "PPM" for kind in (b"1", b"2", b"3", b"4", b"5", b"6", b"f")}

_REFUSED = {
    b"%!ps": "EPS or PostScript",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"%pdf": "PDF",
    b"8bps": "PSD (Photoshop)",
    b"<!doctype html": "HTML, a web page",
    b"<html": "HTML, a web page",
    b"<svg": "SVG",
    b"<?xml": "XML or SVG",
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cjxl ": "JPEG XL",
    b"\0\0\0\x0cjp  ": "JPEG 2000",
}

_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: Path | str | bytes, *, max_pixels: int = 100_000_000) -> Display:
    """Read a picture: upright, RGB, its first frame or page.

    Args:
        source: The path of a file, or the bytes of one, in JPEG, PNG, WebP, GIF, BMP, TIFF, PPM
            (PBM, PGM, PFM) or AVIF.
        max_pixels: Height times width may not be above this; the header is asked before any
            pixel is decoded, which would take about 4 bytes for each. Inside TIFF, WebP and GIF
            Pillow looks as well, warns from 89 million on (TIFF) and refuses from 179 million on.

    Returns:
        Entry ``[r, c]`` is the red, green and blue (0 to 255) of the pixel at row r, column c.

    Raises:
        ImageError: If the file is missing, empty, damaged, too large or in another format. The
            message says what was found and what would work.

    Example:
        >>> decode(b"P3 2 1 255  255 0 0  0 0 255").tolist()
        [[[255, 0, 0], [0, 0, 255]]]
    """
    return _from(source, lambda stream: _read(stream, max_pixels))


def decode_labels(
    source: Path | str | bytes, *, two_bytes: bool = False, max_pixels: int = 100_000_000
) -> UInt[np.ndarray, "height width"]:
    """Read a picture of labels: the numbers as they stand in a PNG file, never as colours.

    Args:
        source: The path of a PNG file, or the bytes of one.
        two_bytes: Whether a label is red + 256 green of an RGB picture (blue and alpha are not
            looked at), as Broden has it. Else there is one channel: grey of 1 to 16 bits, or the
            index into a palette.
        max_pixels: As for `decode`.

    Returns:
        The label of the pixel at row r and column c in entry ``[r, c]``; uint8 or uint16.

    Raises:
        ImageError: As `decode`, or if the file is no PNG or has other channels.

    Example:
        >>> import io
        >>> file = io.BytesIO()
        >>> Image.fromarray(np.array([[7, 200]], np.uint8)).save(file, "PNG")
        >>> decode_labels(file.getvalue()).tolist()
        [[7, 200]]
    """
    return _from(source, lambda stream: _read_labels(stream, two_bytes, max_pixels))


_Read = TypeVar("_Read")


def _from(source: Path | str | bytes, read: Callable[[_Stream], _Read]) -> _Read:
    """Open and read, and say of what went wrong with which file it did.

    Raises:
        ImageError: Whatever goes wrong.
    """
    name = f"{len(source)} bytes" if isinstance(source, bytes) else repr(str(source))
    try:
        with _stream(source) as stream:
            return read(stream)
    except ImageError as error:
        msg = f"cannot read {name}: {error}"
        raise ImageError(msg) from None
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        msg = (
            f"cannot read {name}: the file is damaged or cut short, or uses a feature that Pillow "
            f"lacks ({type(error).__name__}: {error}); open and save it anew in an image editor"
        )
        raise ImageError(msg) from error


def _stream(source: Path | str | bytes) -> _Stream:
    if isinstance(source, bytes):
        return io.BytesIO(source)
    path = Path(source)
    try:
        # Opening a named pipe would wait for ever, so the kind of file is asked first.
        if not stat.S_ISREG(path.stat().st_mode):
            msg = "it is not a regular file; give the path of one picture"
            raise ImageError(msg)
        return path.open("rb")
    except FileNotFoundError:
        msg = "there is no such file; check the path"
        raise ImageError(msg) from None
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        msg = f"it cannot be opened ({error}); check the path and its permissions"
        raise ImageError(msg) from error


def _read(stream: _Stream, max_pixels: int) -> Display:
    kind = _sniff(stream.read(64))
    picture = _loaded(stream, kind, max_pixels)
    # After loading, because a PNG may carry its EXIF behind the pixels, and because a TIFF is
    # turned upright by Pillow while it loads and then has no orientation left.
    turn = _ORIENTATIONS.get(_orientation(picture))
    if turn is not None:
        picture = picture.transpose(turn)
    return _rgb(picture, wide=kind == "PPM")


def _read_labels(
    stream: _Stream, two_bytes: bool, max_pixels: int
) -> UInt[np.ndarray, "height width"]:
    head = stream.read(64)
    kind = _sniff(head)
    if kind != "PNG":
        msg = f"it is {kind}, and labels are kept exactly, as PNG; save it as PNG from its source"
        raise ImageError(msg)
    picture = _loaded(stream, kind, max_pixels)
    depth, mode = head[24], picture.mode
    if two_bytes:
        if mode not in {"RGB", "RGBA", "P"} or depth > 8:
            msg = f"its labels should be red + 256 green, but it has no 8-bit colours (mode {mode})"
            raise ImageError(msg)
        colours = np.asarray(picture.convert("RGB")).astype(np.uint16)
        return np.asarray(colours[:, :, 0] + 256 * colours[:, :, 1])
    if mode not in {"1", "L", "P", "I", "I;16"}:
        msg = (
            f"it holds colours (mode {mode}), and a colour does not say which label it means; "
            "labels are one channel of whole numbers: save the index of the label at each pixel"
        )
        raise ImageError(msg)
    codes = np.asarray(picture)
    if mode == "L" and depth in {2, 4}:
        # Pillow stretches such greys to 0..255.
        codes = codes // (255 // (2**depth - 1))
    return codes.astype(np.uint16 if mode.startswith("I") else np.uint8)


def _loaded(stream: _Stream, kind: str, max_pixels: int) -> Image.Image:
    stream.seek(0)
    try:
        picture = _READERS[kind](stream)
    except (SyntaxError, struct.error) as error:
        msg = f"it begins like {kind}, but its header is damaged ({error}); save it anew"
        raise ImageError(msg) from error
    width, height = picture.size
    if width * height > max_pixels:
        msg = (
            f"it is {height} x {width} pixels ({kind}), more than the limit of {max_pixels}; "
            "make it smaller, or raise max_pixels"
        )
        raise ImageError(msg)
    picture.load()
    return picture


def _sniff(head: bytes) -> str:
    """The format that the first bytes of a file show.

    Raises:
        ImageError: If it is none of those that can be read.
    """
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head[4:8] == b"ftyp" and head[8:12] in {b"avif", b"avis", b"mif1", b"msf1"}:
        return "AVIF"
    found = f"begins with {head[:16]!r}, which is no format known here" if head else "is empty"
    if head[4:8] == b"ftyp":
        found = f"is a film or an HEIC picture (brand {head[8:12]!r})"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, kind in _REFUSED.items():
        if text.startswith(signature):
            found = f"is {kind}"
    msg = f"it {found}; what can be read is {', '.join(_READERS)}"
    raise ImageError(msg)


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # whatever is wrong with the EXIF, the pixels are fine
        return 1


def _rgb(picture: Image.Image, *, wide: bool) -> Display:
    """Convert any of Pillow's modes; `wide` says that mode I holds 16-bit values."""
    mode = picture.mode
    if mode.startswith("I;16") or (mode == "I" and wide):
        values = np.asarray(picture).astype(np.uint32)
        # Integer rounding of v / 257: exact, and half the memory of floats.
        return _grey(((values + 128) // 257).astype(np.uint8))
    if mode in {"I", "F"}:
        return _grey(_stretched(np.asarray(picture).astype(np.float64), unit=mode == "F"))
    if mode in {"LA", "PA", "RGBA", "RGBa"} or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        below = Image.new("RGB", layer.size, (255, 255, 255))
        below.paste(layer, mask=layer.getchannel("A"))
        return np.array(below)
    return np.array(picture.convert("RGB"))


def _stretched(values: np.ndarray, *, unit: bool) -> np.ndarray:
    """Scale to 0..255: from [0, 1] if `unit` and all lie there, else from smallest to largest."""
    finite = np.isfinite(values)
    known = values[finite]
    if known.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = float(known.min()), float(known.max())
    if unit and low >= 0.0 and high <= 1.0:
        low, high = 0.0, 1.0
    # Halved first, so that the distance between the two largest floats is still a float.
    span = max(high / 2 - low / 2, np.finfo(np.float64).tiny)
    scaled = (np.where(finite, values, low) / 2 - low / 2) / span
    return np.rint(scaled * 255).astype(np.uint8)


def _grey(values: np.ndarray) -> Display:
    return np.repeat(values[:, :, None], 3, axis=2)
