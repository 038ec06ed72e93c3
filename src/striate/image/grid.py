"""Pictures side by side, with their captions, titles and colour scales.

Text is set in the font that comes with Pillow (Aileron), so that a picture is the same on every
machine. It knows ASCII and little more: accents are taken off, and what remains unknown becomes a
question mark. The page and the atlas carry the full names; this is for pictures that travel alone.
"""

import bisect
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from striate.errors import ImageError
from striate.image.colormap import signed_colors, unsigned_colors
from striate.image.render import Picture, projection_levels

Color = tuple[int, int, int]

_WHITE: Color = (255, 255, 255)
_DARK: Color = (32, 33, 36)
_MUTED: Color = (95, 99, 104)
_CAPTION, _TITLE = 12, 15  # font sizes in pixels
_LEADING = 1.35  # height of a line over the size of its font
_MARGIN = 2  # pixels left and right of every text
_NARROWEST = 160  # a title over a small picture still needs room

_SCALES: dict[str, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    "signed": (-1.0, lambda values: signed_colors(values, 1.0)),
    "unsigned": (0.0, lambda values: unsigned_colors(values, 1.0)),
    "projection": (-1.0, lambda values: projection_levels(values)[:, None].repeat(3, axis=1)),
}

_BEYOND = "°±·©«»"  # what the font draws besides ASCII, and a caption may need
_REPLACED = str.maketrans({"−": "-", "–": "-", "—": "-", "×": "x", "‘": "'", "’": "'", "…": "..."})  # noqa: RUF001


def grid(
    pictures: Sequence[Picture],
    columns: int,
    *,
    gap: int = 2,
    background: Color = (255, 255, 255),
    captions: Sequence[str] | None = None,
) -> Picture:
    """Lay pictures out in rows, in reading order.

    Args:
        pictures: At least one; each cell has the size of the largest, and smaller pictures lie in
            the middle of theirs.
        columns: Cells in a row, at least 1; with fewer pictures the row is shorter.
        gap: Pixels between cells; there are none around the whole.
        background: Red, green and blue between and behind the pictures.
        captions: One for each picture, set below it on one line, cut with "..." if too wide.

    Returns:
        The one picture.

    Raises:
        ImageError: If there is no picture, no column, or another number of captions.

    Example:
        >>> dots = [np.full((1, 1, 3), level, np.uint8) for level in (10, 20, 30)]
        >>> grid(dots, 2, gap=1)[:, :, 0].tolist()
        [[10, 255, 20], [255, 255, 255], [30, 255, 255]]
    """
    if not pictures or columns < 1 or gap < 0:
        msg = f"cannot lay out {len(pictures)} pictures in {columns} columns, {gap} pixels apart"
        raise ImageError(msg)
    if captions is not None and len(captions) != len(pictures):
        msg = f"{len(captions)} captions for {len(pictures)} pictures; give one for each"
        raise ImageError(msg)
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    cells = [_centred(picture, height, width, background) for picture in pictures]
    if captions is not None:
        lines = [_line(text, width, _CAPTION, _ink(background), background) for text in captions]
        cells = [np.concatenate(pair) for pair in zip(cells, lines, strict=True)]
    across = min(columns, len(cells))
    rows = [
        _joined(cells[start : start + across], gap, 1, background)
        for start in range(0, len(cells), across)
    ]
    rows[-1] = _padded(rows[-1], rows[-1].shape[0], rows[0].shape[1], background)
    return _joined(rows, gap, 0, background)


def captioned(picture: Picture, title: str, *, lines: Sequence[str] = ()) -> Picture:
    """Put a title, and smaller lines, above a picture.

    Args:
        picture: What stands below; white is added right of it if it is narrower than 160 pixels.
        title: Wrapped at spaces to the picture's width; a word too wide is cut with "...".
        lines: Each likewise; numbers belong here.

    Returns:
        The picture with its text, on white.

    Example:
        >>> captioned(np.zeros((100, 200, 3), np.uint8), "layer1:3", lines=["reached 4.2"]).shape
        (140, 200, 3)
    """
    width = max(picture.shape[1], _NARROWEST)
    rows = [_line(part, width, _TITLE, _DARK, _WHITE) for part in _wrapped(title, width, _TITLE)]
    rows += [
        _line(part, width, _CAPTION, _MUTED, _WHITE)
        for text in lines
        for part in _wrapped(text, width, _CAPTION)
    ]
    space = np.full((4, width, 3), 255, np.uint8)
    return np.concatenate([*rows, space, _padded(picture, picture.shape[0], width, _WHITE)])


def side_by_side(pictures: Sequence[Picture], gap: int = 8, *, below: bool = False) -> Picture:
    """Put pictures in a row, on white.

    Args:
        pictures: At least one, of any sizes.
        gap: Pixels between them.
        below: Whether they are aligned at their lower edges (pictures under captions of unequal
            length), not at the upper ones.

    Returns:
        The one picture, as high as the highest.

    Raises:
        ImageError: If there is no picture or the gap is negative.

    Example:
        >>> side_by_side([np.zeros((2, 1, 3), np.uint8)] * 2, gap=1)[:, :, 0].tolist()
        [[0, 255, 0], [0, 255, 0]]
    """
    _check(pictures, gap)
    height = max(picture.shape[0] for picture in pictures)
    same = []
    for picture in pictures:
        white = _blank(height - picture.shape[0], picture.shape[1], _WHITE)
        same.append(np.concatenate([white, picture] if below else [picture, white]))
    return _joined(same, gap, 1, _WHITE)


def stack(pictures: Sequence[Picture], gap: int = 8) -> Picture:
    """Put pictures below each other, on white, aligned at their left sides.

    Args:
        pictures: At least one, of any sizes.
        gap: Pixels between them.

    Returns:
        The one picture, as wide as the widest.

    Raises:
        ImageError: If there is no picture or the gap is negative.

    Example:
        >>> stack([np.zeros((1, 2, 3), np.uint8)] * 2, gap=1)[:, :, 0].tolist()
        [[0, 0], [255, 255], [0, 0]]
    """
    _check(pictures, gap)
    width = max(picture.shape[1] for picture in pictures)
    same = [_padded(picture, picture.shape[0], width, _WHITE) for picture in pictures]
    return _joined(same, gap, 0, _WHITE)


def scale_legend(
    low_text: str,
    high_text: str,
    kind: Literal["signed", "unsigned", "projection"],
    width: int,
) -> Picture:
    """Draw a colour scale: a bar, and the numbers at its ends.

    Args:
        low_text: What the left end means; signed scales and projections have 0 in the middle.
        high_text: What the right end means.
        kind: The colours of `heat_picture`, signed or not, or of `projection_picture`.
        width: In pixels, at least 16.

    Returns:
        The legend, on white, `width` wide.

    Raises:
        ImageError: If the kind is another or the width below 16.

    Example:
        >>> legend = scale_legend("-1.0", "1.0", "projection", 101)
        >>> legend[4, [0, 50, 100], 0].tolist()
        [0, 128, 255]
    """
    if width < 16:
        msg = f"a scale {width} pixels wide cannot be read; take at least 16"
        raise ImageError(msg)
    if kind not in _SCALES:
        msg = f"there is no scale {kind!r}; the kinds are {', '.join(_SCALES)}"
        raise ImageError(msg)
    low, paint = _SCALES[kind]
    colors = paint(np.linspace(low, 1.0, width))
    bar = np.repeat(colors[None], 10, axis=0)
    middle = "" if kind == "unsigned" else "0"
    # Three equal parts, so that long numbers are cut and never run into each other.
    third = width // 3
    text = np.concatenate(
        [
            _line(low_text, third, _CAPTION, _DARK, _WHITE),
            _line(middle, width - 2 * third, _CAPTION, _DARK, _WHITE, align="middle"),
            _line(high_text, third, _CAPTION, _DARK, _WHITE, align="right"),
        ],
        axis=1,
    )
    return np.concatenate([bar, text])


def _check(pictures: Sequence[np.ndarray], gap: int) -> None:
    if not pictures or gap < 0:
        msg = f"cannot join {len(pictures)} pictures {gap} pixels apart"
        raise ImageError(msg)


def _blank(height: int, width: int, color: Color) -> np.ndarray:
    return np.tile(np.array(color, np.uint8), (height, width, 1))


def _padded(picture: np.ndarray, height: int, width: int, color: Color) -> np.ndarray:
    canvas = _blank(height, width, color)
    canvas[: picture.shape[0], : picture.shape[1]] = picture
    return canvas


def _centred(picture: np.ndarray, height: int, width: int, color: Color) -> np.ndarray:
    canvas = _blank(height, width, color)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def _joined(pictures: Sequence[np.ndarray], gap: int, axis: int, color: Color) -> np.ndarray:
    shape = list(pictures[0].shape)
    shape[axis] = gap
    between = _blank(shape[0], shape[1], color)
    parts = [part for picture in pictures for part in (between, picture)][1:]
    return np.concatenate(parts, axis=axis)


def _ink(background: Color) -> Color:
    """Dark on light, light on dark, by the usual weights of the three channels."""
    red, green, blue = background
    return _DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 128 else _WHITE


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _plain(text: str) -> str:
    """The text in letters that the font has: a file name may hold newlines, emoji, raw bytes."""
    split = unicodedata.normalize("NFKD", text.translate(_REPLACED))
    bare = "".join(letter for letter in split if not unicodedata.combining(letter))
    return "".join(letter if " " <= letter <= "~" or letter in _BEYOND else "?" for letter in bare)


def _clipped(text: str, width: int, size: int) -> str:
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    lengths = [font.getlength(text[:count] + "...") for count in range(len(text))]
    fitting = bisect.bisect_right(lengths, width)
    return text[: fitting - 1].rstrip() + "..." if fitting else ""


def _wrapped(text: str, width: int, size: int) -> list[str]:
    """The text in lines no wider than `width`, as far as spaces allow."""
    font, lines = _font(size), [""]
    for word in _plain(text).split():
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and font.getlength(longer) > width - 2 * _MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _line(
    text: str,
    width: int,
    size: int,
    ink: Color,
    paper: Color,
    *,
    align: Literal["left", "middle", "right"] = "left",
) -> np.ndarray:
    """One line of text, `width` pixels wide, cut with an ellipsis if it is longer."""
    image = Image.new("RGB", (width, round(size * _LEADING)), paper)
    shown = _clipped(_plain(text), width - 2 * _MARGIN, size)
    free = width - 2 * _MARGIN - _font(size).getlength(shown)
    left = _MARGIN + {"left": 0.0, "middle": free / 2, "right": free}[align]
    ImageDraw.Draw(image).text((left, 0), shown, fill=ink, font=_font(size))
    return np.array(image)
