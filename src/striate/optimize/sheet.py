"""Made images as pictures: side by side with what they reached, and as a moving picture."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from striate.image.grid import captioned, grid, side_by_side, stack
from striate.image.render import image_picture
from striate.optimize.job import Job
from striate.optimize.space import Space
from striate.shapes import Display, Image, Images

_SIDE = 192
"""Small canvases are enlarged to about so many pixels, each pixel to a square."""
FRAMES = 60
"""Of a moving picture, at most."""
_MEMORY = 1 << 28
"""Bytes that a moving picture may take before it is written."""
_GAPS = 8, 2
"""Pixels between the images of a sheet, and of a moving picture."""
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
    rows = [
        side_by_side(cells[start : start + columns], _GAPS[0], below=True)
        for start in range(0, len(cells), columns)
    ]
    return stack(rows, _GAPS[0])


def sizes_of(jobs: Sequence[Job]) -> list[tuple[int, int]]:
    """Return (height, width) of each canvas of some jobs, in the images' order.

    Args:
        jobs: All that there are.
    """
    sizes = {place: (job.size[1], job.size[2]) for job in jobs for place in job.places}
    return [sizes[place] for place in sorted(sizes)]


def least_size(sizes: Sequence[tuple[int, int]], columns: int = 4) -> tuple[int, int]:
    """Say how large a sheet will be at least: its captions may take more lines than two.

    Args:
        sizes: (height, width) of each image.
        columns: How many side by side.

    Returns:
        The sheet's height and width.

    Example:
        >>> least_size([(30, 30)] * 5, columns=2)
        (724, 368)
    """
    cells = [_cell(size) for size in sizes]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    height = sum(max(cell[0] for cell in row) for row in rows)
    width = max(sum(cell[1] for cell in row) + _GAPS[0] * (len(row) - 1) for row in rows)
    return height + _GAPS[0] * (len(rows) - 1), width


@cache
def _cell(size: tuple[int, int]) -> tuple[int, int]:
    blank = enlarged(np.zeros((*size, 3), np.uint8))
    height, width, _ = captioned(blank, "title", lines=["reaches", "rank"]).shape
    return height, width


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
    """Collects frames of several jobs for one moving picture, as many as there is memory for.

    Args:
        space: Of the network.
        jobs: All that there will be.
        steps: How many each job takes.
        columns: How many images side by side.

    Attributes:
        size: (height, width) of the moving picture.
        every: One step of so many is shown.
        thinned: Whether more steps would be shown if memory had no end.
    """

    def __init__(self, space: Space, jobs: Sequence[Job], steps: int, *, columns: int = 4) -> None:
        self._space, self._columns = space, columns
        self._frames: dict[int, list[Display]] = {}
        sides = [enlarged(np.zeros((*size, 3), np.uint8)).shape for size in set(sizes_of(jobs))]
        count, cell = sum(len(job.places) for job in jobs), np.max(sides, axis=0)
        across = min(columns, count)
        tall, wide = (
            int(number * side + _GAPS[1] * (number - 1))
            for number, side in zip((-(-count // across), across), cell, strict=False)
        )
        self.size = tall, wide
        # One picture would be the noise of the start.
        room = max(_MEMORY // (tall * wide * 3), 2)
        self.every = -(-steps // min(FRAMES, room))
        self.thinned = self.every > -(-steps // FRAMES)

    def add(self, job: Job, step: int, images: Images) -> None:
        """Take the images of a job at a step, in network space."""
        if step % self.every:
            return
        for place, image in zip(job.places, self._space.pixels(images), strict=True):
            picture = enlarged(image_picture(coloured(image.clamp(0, 1))))
            if step == 0:
                # Or again: a job whose images failed in part starts anew without these.
                self._frames[place] = []
            self._frames[place].append(picture)

    def pictures(self, jobs: Iterable[Job]) -> Iterator[Display]:
        """Yield one picture a frame, in the images' order; the shortest job ends it.

        Args:
            jobs: Whose images are shown.
        """
        rows = [self._frames[place] for place in sorted(p for job in jobs for p in job.places)]
        for frames in zip(*rows, strict=False):
            yield grid(frames, self._columns, gap=_GAPS[1])
