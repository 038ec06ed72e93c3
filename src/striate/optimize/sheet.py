"""Made images as pictures: side by side with what they reached, and as a moving picture."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from striate.image.grid import captioned, grid, side_by_side, stack
from striate.image.render import image_picture
from striate.optimize.maximize import Job
from striate.optimize.space import Space
from striate.shapes import Display, Image, Images

_SIDE = 192
"""Small canvases are enlarged to about so many pixels, each pixel to a square."""
_FAINT = 1.5
_OUTLIERS = 0.995


def sheet(
    images: Sequence[Tensor],
    titles: Sequence[str],
    lines: Sequence[Sequence[str]],
    space: Space,
    *,
    columns: int = 4,
) -> Display:
    """Lay images out, each with its title and numbers.

    What is faint is shown with more contrast around the mean, and says so.

    Args:
        images: (channels, height, width) each, in pixel space.
        titles: One for each.
        lines: Likewise.
        space: Of the network.
        columns: How many side by side.

    Returns:
        The picture.
    """
    cells = []
    for image, title, numbers in zip(images, titles, lines, strict=True):
        shown, factor = stretched(image, space)
        said = [*numbers, f"contrast x {factor:.1f}"] if factor > 1 else numbers
        cells.append(captioned(enlarged(image_picture(coloured(shown))), title, lines=said))
    return stack([
        side_by_side(cells[start : start + columns], below=True)
        for start in range(0, len(cells), columns)
    ])


def stretched(image: Image, space: Space) -> tuple[Image, float]:
    """Return an image with more contrast around the mean where it is faint, and how much more.

    Args:
        image: In pixel space.
        space: Of the network.
    """
    factor = contrast(image, space)
    return (image if factor == 1 else space.mean + (image - space.mean) * factor), factor


def contrast(image: Image, space: Space) -> float:
    """Return by how much an image's distance from the mean may grow before it is clipped.

    Args:
        image: In pixel space.
        space: Of the network.

    Returns:
        At least 1, and 1 where the image is not faint; one value in 200 may be clipped.
    """
    away = (image - space.mean).abs().flatten()
    room = torch.minimum(space.mean, 1 - space.mean).min()
    reach = torch.quantile(away.float(), _OUTLIERS)
    factor = float(room / reach.clamp(min=1e-6))
    return factor if factor > _FAINT else 1.0


def coloured(image: Image) -> Float[Tensor, "3 height width"]:
    """Return an image of three channels: grey has one, of others the first three are shown."""
    return image[:3] if len(image) >= 3 else image[:1].expand(3, -1, -1)


def enlarged(picture: Display) -> UInt8[np.ndarray, "rows columns 3"]:
    """Enlarge a small picture by a whole factor.

    >>> enlarged(np.zeros((50, 40, 3), np.uint8)).shape
    (150, 120, 3)
    """
    factor = max(_SIDE // max(picture.shape[:2]), 1)
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


class Film:
    """Collects frames of several jobs for one moving picture.

    Args:
        space: Of the network.
        every: One frame of so many is taken.
    """

    def __init__(self, space: Space, every: int = 1) -> None:
        self._space, self._every = space, every
        self._frames: dict[int, list[Display]] = {}

    def add(self, job: Job, step: int, images: Images) -> None:
        """Take the images of a job at a step, in network space."""
        if step % self._every:
            return
        for place, image in zip(job.places, self._space.pixels(images), strict=True):
            picture = enlarged(image_picture(coloured(image.clamp(0, 1))))
            self._frames.setdefault(place, []).append(picture)

    def pictures(self, columns: int = 4) -> list[Display]:
        """Return one picture a frame, in the images' order; the shortest job ends it."""
        rows = [self._frames[place] for place in sorted(self._frames)]
        count = min((len(frames) for frames in rows), default=0)
        return [grid([frames[k] for frames in rows], columns) for k in range(count)]
