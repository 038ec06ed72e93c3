"""Where the places of a grid on a network's input lie in the original image.

A place is a point: row i and column j of a grid of one place every `ratio` pixels stand for the
point ((i + 0.5) ratio, (j + 0.5) ratio) of the input, where 0 is the outer edge of its first pixel.
The point is followed back through crop and resize, and labels are read there, from a picture of
labels of any size: labels themselves are never resized, which would smooth or shift their borders.

Where `ratio` does not divide a side, its last place may lie on the input's edge or behind it: it
stands for the middle of the last pixel, and not for padding.
"""

import numpy as np
from jaxtyping import Float64, Int64

from striate.errors import ImageError
from striate.image.concepts.concept_set import NOTHING
from striate.image.preprocess import Preprocessing

_EDGE = 1e-6
"""A place this near to the edge of a pixel, in pixels, is taken to lie on it: what rounding errors
amount to is far below, and what a place on an edge means must not depend on them."""


def grid_places(
    preprocessing: Preprocessing, size: tuple[int, int], ratio: int
) -> tuple[Float64[np.ndarray, " rows"], Float64[np.ndarray, " columns"]]:
    """Say where in an image the rows and columns of the grid lie.

    Args:
        preprocessing: From the image to the network's input.
        size: (height, width) of the original image in pixels.
        ratio: Pixels of the input from one place of the grid to the next.

    Returns:
        For each row how far down in the image it lies, and for each column how far across: 0 is
        one outer edge and 1 the other; below 0 or above 1 is padding.

    Raises:
        ImageError: If the ratio or a side of the image is below 1.

    Example:
        >>> down, across = grid_places(Preprocessing(resize=None, crop=4), (4, 8), ratio=2)
        >>> down.tolist(), across.tolist()
        ([0.25, 0.75], [0.375, 0.625])
    """
    if ratio < 1:
        msg = f"a grid has a place every ratio={ratio} pixels; 1 is the least"
        raise ImageError(msg)
    top, left, bottom, right = preprocessing.source_box((0, 0, 1, 1), size)
    down, across = bottom - top, right - left
    # A preprocessing without an input size follows the image.
    height, width = preprocessing.image_size or (round(size[0] / down), round(size[1] / across))
    return (
        _line(height, ratio, top, down) / size[0],
        _line(width, ratio, left, across) / size[1],
    )


def nearest(places: Float64[np.ndarray, " count"], length: int) -> Int64[np.ndarray, " count"]:
    """Find the pixel in which each place lies.

    Args:
        places: As `grid_places` gives them for one axis.
        length: Pixels along this axis; of the image, or of a picture of its labels.

    Returns:
        Which row, or column, of the picture; `NOTHING` in padding. A place on the edge of two
        pixels belongs to the latter.

    Example:
        >>> nearest(np.array([-0.1, 0.0, 0.5, 0.9, 1.0]), 4).tolist()
        [-1, 0, 2, 3, -1]
    """
    pixels = np.floor(places * length + _EDGE).astype(np.int64)
    return np.where((pixels >= 0) & (pixels < length), pixels, NOTHING)


def same_shape(mask: tuple[int, int], image: tuple[int, int]) -> bool:
    """Whether a picture of labels covers an image: both are alike but for their scale.

    Args:
        mask: (height, width) of the picture of labels in pixels.
        image: (height, width) of the image.

    Returns:
        Whether there is a scale at which both sides agree to less than one pixel of the mask.

    Example:
        >>> same_shape((113, 113), (227, 227)), same_shape((480, 360), (360, 480))
        (True, False)
    """
    lowest = max((side - 1) / whole for side, whole in zip(mask, image, strict=True))
    highest = min((side + 1) / whole for side, whole in zip(mask, image, strict=True))
    return lowest < highest


def _line(length: int, ratio: int, start: float, step: float) -> Float64[np.ndarray, " places"]:
    """Pixels of the original at which the places along one axis lie."""
    places = ratio * (np.arange(-(-length // ratio)) + 0.5)
    return start + step * places.clip(max=length - 0.5)
