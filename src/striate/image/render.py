"""Maps and tensors to pictures: projections, heat maps, overlays and boxes.

A *projection* (what a method draws in the image plane) is signed RGB: mid-grey is zero. A *heat
map* has one value a pixel. Scales are symmetric about zero, so that zero never changes its colour
from picture to picture, and robust: the percentile of the absolute values, since a single
outlier must not turn the rest grey. A picture without its scale says little: `display_limit` gives
the number to print beside it.
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Real, UInt8
from PIL import Image
from torch import Tensor

from striate.errors import ImageError
from striate.image.colormap import signed_colors, unsigned_colors
from striate.shapes import Box, Display

Picture: TypeAlias = UInt8[np.ndarray, "_ _ 3"]
"""A `Display` whose size need not be that of the other pictures in the same call."""


def display_limit(
    values: Real[Tensor, "*shape"] | Real[np.ndarray, "*shape"], percentile: float = 99.5
) -> float:
    """Find the limit of a symmetric scale: a percentile of the absolute values.

    Args:
        values: A map of any shape; entries that are not finite are left out.
        percentile: From 0 to 100; 100 takes the largest.

    Returns:
        The limit, in the unit of the map. If the percentile is zero, as in a map that is zero
        nearly everywhere, the largest absolute value; 0 only if all values are zero.

    Raises:
        ImageError: If the percentile is outside [0, 100].

    Example:
        >>> display_limit(np.array([-4.0, 1.0, 2.0]), percentile=100.0)
        4.0
    """
    if not 0 <= percentile <= 100:
        msg = f"a percentile lies in [0, 100], not at {percentile}"
        raise ImageError(msg)
    sizes = np.abs(_numbers(values))
    sizes = sizes[np.isfinite(sizes)]
    if sizes.size == 0:
        return 0.0
    limit = float(np.percentile(sizes, percentile))
    return limit if limit > 0 else float(sizes.max())


def projection_picture(
    map: Float[Tensor, "3 height width"],  # noqa: A002
    *,
    percentile: float = 99.5,
    limit: float | None = None,
) -> Display:
    """Show a signed RGB map: mid-grey is zero.

    Args:
        map: Signed values, in any unit.
        percentile: The scale's limit is this percentile of the absolute values.
        limit: The limit itself, to show several maps on one scale; `percentile` is then unused.

    Returns:
        ``rint(127.5 + 127.5 * value / limit)``, clipped: -limit is 0, zero is 128 (127.5 rounded
        to even), limit is 255. A map of zeros is all 128, and so is what is not a number.

    Raises:
        ImageError: If the limit is negative or not finite, or the percentile outside [0, 100].

    Example:
        >>> import torch
        >>> map = torch.tensor([-1.0, 0.0, 2.0]).reshape(3, 1, 1)
        >>> projection_picture(map, limit=2.0).tolist()
        [[[64, 128, 255]]]
    """
    bound = _limit(map, percentile, limit)
    values = np.nan_to_num(_numbers(map), nan=0.0)
    scaled = np.sign(values) if bound == 0 else np.clip(values, -bound, bound) / bound
    return np.ascontiguousarray(projection_levels(scaled).transpose(1, 2, 0))


def projection_levels(
    values: Float[np.ndarray, "*shape"],
) -> UInt8[np.ndarray, "*shape"]:
    """Turn signed values into levels of grey, as `projection_picture` and its scale do.

    Args:
        values: In [-1, 1].

    Returns:
        ``rint(127.5 + 127.5 * value)``.

    Example:
        >>> projection_levels(np.array([-1.0, 0.0, 1.0])).tolist()
        [0, 128, 255]
    """
    return np.asarray(np.rint(127.5 + 127.5 * values), np.uint8)


def heat_picture(
    map: Float[Tensor, "height width"],  # noqa: A002
    *,
    signed: bool = True,
    percentile: float = 99.5,
    limit: float | None = None,
) -> Display:
    """Show a map of one value a pixel in colours.

    Args:
        map: Values in any unit.
        signed: Blue, light grey at zero, red; otherwise black at zero (and below) to white.
        percentile: The scale's limit is this percentile of the absolute values.
        limit: The limit itself, to show several maps on one scale; `percentile` is then unused.

    Returns:
        Entry ``[r, c]`` is the colour of the map's entry ``[r, c]``.

    Raises:
        ImageError: If the limit is negative or not finite, or the percentile outside [0, 100].

    Example:
        >>> import torch
        >>> heat_picture(torch.tensor([[0.0, 3.0]])).tolist()
        [[[241, 241, 241], [134, 15, 30]]]
    """
    bound = _limit(map, percentile, limit)
    return (signed_colors if signed else unsigned_colors)(_numbers(map), bound)


def overlay(image: Picture, heat: Picture, alpha: float = 0.5) -> Picture:
    """Lay a heat map over an image.

    Args:
        image: The image below.
        heat: The picture above, of the same size.
        alpha: How much of the heat map is seen: 0 none, 1 nothing else.

    Returns:
        ``(1 - alpha) * image + alpha * heat``, rounded.

    Raises:
        ImageError: If the sizes differ or alpha is outside [0, 1].

    Example:
        >>> black, white = np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8)
        >>> overlay(black, white, alpha=0.2).tolist()
        [[[51, 51, 51]]]
    """
    if image.shape != heat.shape:
        msg = (
            f"the image is {image.shape[:2]} and the heat map {heat.shape[:2]}; bring them to one "
            "size with resize_picture"
        )
        raise ImageError(msg)
    if not 0 <= alpha <= 1:
        msg = f"alpha lies in [0, 1], not at {alpha}"
        raise ImageError(msg)
    mixed = (1 - alpha) * image.astype(np.float64) + alpha * heat.astype(np.float64)
    return np.asarray(np.rint(mixed), np.uint8)


def image_picture(pixels: Float[Tensor, "3 height width"]) -> Display:
    """Show an image of pixel space.

    Args:
        pixels: In [0, 1]; what lies beyond is clipped, what is not a number is black.

    Returns:
        ``rint(255 * pixels)``.

    Example:
        >>> import torch
        >>> image_picture(torch.tensor([0.0, 0.5, 1.2]).reshape(3, 1, 1)).tolist()
        [[[0, 128, 255]]]
    """
    values = np.clip(np.nan_to_num(_numbers(pixels), nan=0.0), 0.0, 1.0)
    return np.ascontiguousarray(np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0))


def draw_box(
    image: Display,
    box: Box,
    *,
    color: tuple[int, int, int] = (255, 176, 0),
    thickness: int = 1,
) -> Display:
    """Draw the outline of a box; sides that leave the image are not drawn.

    Args:
        image: The picture, which is not changed.
        box: (top, left, bottom, right) in pixels, half-open.
        color: Red, green and blue of the line; amber by default.
        thickness: Of the line, in pixels, inwards from the box's outermost pixels.

    Returns:
        A copy with the outline.

    Raises:
        ImageError: If the box is empty or the thickness below 1.

    Example:
        >>> draw_box(np.zeros((4, 4, 3), np.uint8), (0, 0, 3, 3))[:, :, 0].tolist()
        [[255, 255, 255, 0], [255, 0, 255, 0], [255, 255, 255, 0], [0, 0, 0, 0]]
    """
    top, left, bottom, right = box
    if bottom <= top or right <= left or thickness < 1:
        msg = f"cannot draw box {box} with a line of {thickness}: both must have a size"
        raise ImageError(msg)
    rows = np.arange(image.shape[0])[:, None]
    columns = np.arange(image.shape[1])[None, :]

    def inside(inset: int) -> np.ndarray:
        return (
            (rows >= top + inset)
            & (rows < bottom - inset)
            & (columns >= left + inset)
            & (columns < right - inset)
        )

    drawn = image.copy()
    drawn[inside(0) & ~inside(thickness)] = color
    return drawn


def resize_picture(picture: Picture, size: tuple[int, int], *, smooth: bool) -> Picture:
    """Bring a picture to a size.

    Args:
        picture: What to resize.
        size: (height, width) in pixels.
        smooth: Lanczos, for photographs; otherwise the nearest pixel, for maps whose single
            values should be seen.

    Returns:
        The picture of that size.

    Raises:
        ImageError: If the size is below 1 x 1, or the picture is empty.

    Example:
        >>> row = np.array([[[0, 0, 0], [9, 9, 9]]], np.uint8)
        >>> resize_picture(row, (1, 4), smooth=False)[0, :, 0].tolist()
        [0, 0, 9, 9]
    """
    height, width = size
    if min(size) < 1 or picture.size == 0:
        msg = f"cannot resize a picture of {picture.shape[:2]} to {size}: both need a pixel"
        raise ImageError(msg)
    method = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return np.array(Image.fromarray(picture).resize((width, height), method))


def _limit(values: Tensor, percentile: float, limit: float | None) -> float:
    if limit is None:
        return display_limit(values, percentile)
    if not (np.isfinite(limit) and limit >= 0):
        msg = f"the limit of a scale must be a finite number from 0 up, not {limit}"
        raise ImageError(msg)
    return limit


def _numbers(values: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, Tensor):
        return np.asarray(values.detach().double().cpu().numpy())
    return np.asarray(values, np.float64)
