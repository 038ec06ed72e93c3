"""Patches of an image, by the box of a receptive field."""

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from striate.errors import ImageError
from striate.shapes import Box


def crop(
    image: Shaped[Tensor, "channels _height _width"],
    box: Box,
    *,
    fill: float | Sequence[float] = 0.5,
) -> Shaped[Tensor, "channels _rows _columns"]:
    """Cut a box out of an image, padded where the box leaves it.

    Args:
        image: Any number of channels, in any of the three spaces.
        box: (top, left, bottom, right) in pixels, half-open; any part may lie outside.
        fill: What stands outside the image, in the image's own space: one value, or one for each
            channel. The default is mid-grey in pixel space.

    Returns:
        A new tensor (channels, bottom - top, right - left) of the same dtype and device; entry
        ``[:, r, c]`` is the image at row top + r, column left + c. Gradients flow to the image.

    Raises:
        ImageError: If the box is empty, or `fill` has another length than there are channels.

    Example:
        >>> crop(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), (1, 0, 3, 2), fill=0.0).tolist()
        [[[3.0, 4.0], [0.0, 0.0]]]
    """
    top, left, bottom, right = box
    if bottom <= top or right <= left:
        msg = (
            f"box {box} is empty; it must be (top, left, bottom, right), top < bottom, left < right"
        )
        raise ImageError(msg)
    channels, height, width = image.shape
    values = [float(fill)] * channels if isinstance(fill, (int, float)) else list(fill)
    if len(values) != channels:
        msg = f"fill has {len(values)} values for {channels} channels; give one, or {channels}"
        raise ImageError(msg)
    outside = torch.tensor(values, dtype=torch.float64).to(image)
    patch = outside[:, None, None].repeat(1, bottom - top, right - left)
    rows = slice(max(top, 0), min(bottom, height))
    columns = slice(max(left, 0), min(right, width))
    if rows.start < rows.stop and columns.start < columns.stop:
        into_rows = slice(rows.start - top, rows.stop - top)
        into_columns = slice(columns.start - left, columns.stop - left)
        patch[:, into_rows, into_columns] = image[:, rows, columns]
    return patch
