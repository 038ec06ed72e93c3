"""How small pictures lie together in larger ones: strips of a unit, sheets of many units or images.

A page fetches one sheet for 64 units rather than 64 files. Grey (128) stands where there is nothing
to show: beside a picture that is not square, and in the tile of a unit that never fires. It is the
grey that means zero in a projection.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from striate.image.render import Picture, resize_picture
from striate.shapes import Display

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas

GREY = 128

VIEWS = ("crop", "mean", "projection")
"""What a layer's sheets show of a unit: the crop of its strongest image, the mean of all its crops,
or the projection of its strongest neuron."""

SYNTHETIC = "synthetic"
"""A further view, of layers whose units have synthetic images."""

_WIDEST = 16383

_MAGNIFIED = 4
"""Pictures that fit a tile this many times are enlarged by whole factors, so that the pixels of a
small receptive field can be told apart; enlarged less, squares look coarse and smoothing does not
hide anything."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A kind of sheet: item k lies on page k // each, in reading order.

    Attributes:
        tile: Side of a tile, in pixels.
        columns: Tiles in a row.
        rows: Rows of a full page; the last page ends with its last item's row.
    """

    tile: int
    columns: int
    rows: int

    @property
    def each(self) -> int:
        """How many items are on a page."""
        return self.columns * self.rows

    def pages(self, count: int) -> int:
        """Return how many pages there are of so many items.

        >>> UNITS.pages(64), UNITS.pages(65), UNITS.pages(0)
        (1, 2, 0)
        """
        return -(-count // self.each)

    def items(self, page: int, count: int) -> range:
        """Return which of so many items are on a page.

        >>> UNITS.items(1, 100)
        range(64, 100)
        """
        return range(page * self.each, min((page + 1) * self.each, count))

    def draw(self, tiles: Mapping[int, Picture], count: int) -> Display:
        """Lay pictures out on a page.

        Args:
            tiles: Pictures by their place on the page, of any sizes; what is missing is grey.
            count: How many places the page has.

        Returns:
            The page: as wide as a full row, as high as its rows.
        """
        rows = max(1, -(-count // self.columns))
        page = np.full((rows * self.tile, self.columns * self.tile, 3), GREY, np.uint8)
        for place, picture in tiles.items():
            row, column = divmod(place, self.columns)
            top, left = row * self.tile, column * self.tile
            page[top : top + self.tile, left : left + self.tile] = fitted(picture, self.tile)
        return page


UNITS = Sheet(tile=96, columns=8, rows=8)
"""The units of a layer."""

SAMPLES = Sheet(tile=64, columns=8, rows=64)
"""Some units of each layer, one row a layer."""

THUMBNAILS = Sheet(tile=64, columns=10, rows=10)
"""The images."""


def fitted(picture: Picture, side: int) -> Display:
    """Bring a picture into a square tile, in its middle.

    Args:
        picture: Of any size. Much smaller than the tile, it is enlarged by a whole factor, pixel by
            pixel; otherwise it is brought to the tile's side smoothly.
        side: Of the tile.

    Returns:
        The tile, grey beside the picture.

    Example:
        >>> fitted(np.zeros((1, 2, 3), np.uint8), 9)[:, :, 0].max(axis=0).tolist()
        [128, 128, 128, 128, 128, 128, 128, 128, 128]
        >>> fitted(np.zeros((1, 2, 3), np.uint8), 9)[4, :, 0].tolist()
        [0, 0, 0, 0, 0, 0, 0, 0, 128]
    """
    longest = max(picture.shape[:2])
    factor = side // longest
    if factor >= _MAGNIFIED:
        scaled = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    else:
        scaled = scaled_to(picture, side)
    tile = np.full((side, side, 3), GREY, np.uint8)
    height, width = scaled.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    tile[top : top + height, left : left + width] = scaled
    return tile


def scaled_to(picture: Picture, side: int) -> Picture:
    """Bring the longer side of a picture to a length, smoothly."""
    height, width = picture.shape[:2]
    if max(height, width) == side:
        return picture
    scale = side / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return resize_picture(picture, size, smooth=True)


def strip_tile(entries: int) -> int:
    """Return the largest side of a strip's tiles: they lie in one row, and WebP ends at 16383.

    Args:
        entries: How many tiles the strip may have.

    Example:
        >>> strip_tile(9), strip_tile(200)
        (96, 81)
    """
    return min(UNITS.tile, _WIDEST // entries)


def strip(crops: Sequence[Picture], projections: Sequence[Picture]) -> Display:
    """Join a unit's pictures, all of one size: crops above, projections below.

    WebP keeps colours coarsely: those of the crops would stain the grey of what lies right below.
    So the projections begin at the next multiple of 16 that leaves two rows of grey between.

    Args:
        crops: One an image; none for a unit that never fires.
        projections: As many.

    Returns:
        The strip; one grey pixel where there is nothing to show.

    Example:
        >>> tile = np.zeros((4, 3, 3), np.uint8)
        >>> strip([tile, tile], [tile, tile]).shape, strip([], []).shape
        ((20, 6, 3), (1, 1, 3))
    """
    if not crops:
        return np.full((1, 1, 3), GREY, np.uint8)
    above, below = (np.concatenate(list(row), axis=1) for row in (crops, projections))
    height, width = above.shape[:2]
    between = np.full((-(height + 2) % 16 + 2, width, 3), GREY, np.uint8)
    return np.concatenate([above, between, below], axis=0)


def parts(joined: Display, entries: int) -> tuple[list[Picture], list[Picture]]:
    """Take a strip apart again.

    Args:
        joined: What `strip` returned.
        entries: How many images it shows; 0 for a unit that never fires.

    Returns:
        The crops and the projections.

    Example:
        >>> tile = np.zeros((31, 3, 3), np.uint8)
        >>> crops, projections = parts(strip([tile], [tile + 1]), 1)
        >>> crops[0].shape, np.unique(projections[0]).tolist()
        ((31, 3, 3), [1])
    """
    if entries == 0:
        return [], []
    start = 16 * -(-(len(joined) + 2) // 32)
    above, below = joined[: len(joined) - start], joined[start:]
    return np.split(above, entries, axis=1), np.split(below, entries, axis=1)


def mean_picture(pictures: Sequence[Picture]) -> Picture:
    """Return the mean of pictures of one size.

    It is the plain mean of the numbers 0 to 255, channel by channel, rounded: no gamma is undone,
    no contrast stretched. Networks see these numbers, and are linear in them at first.

    Example:
        >>> mean_picture([np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 5, np.uint8)]).tolist()
        [[[2, 2, 2]]]
    """
    return np.asarray(np.rint(np.mean(np.stack(list(pictures)), axis=0)), np.uint8)


def samples_of(atlas: "Atlas", layer: str, count: int = SAMPLES.columns) -> list[int]:
    """Choose units that show what a layer is about.

    Args:
        atlas: The atlas.
        layer: Address of the layer.
        count: How many at most.

    Returns:
        The units with the highest class selectivity, highest first; without labels, units spread
        over the layer. Never one that never fires, so that there may be fewer.
    """
    columns = atlas.columns(layer)
    alive = [unit for unit, dead in enumerate(columns["dead"]) if not dead]
    selectivity = columns["selectivity"]
    if any(selectivity[unit] is not None for unit in alive):
        return sorted(alive, key=lambda unit: (-(selectivity[unit] or 0.0), unit))[:count]
    count = min(count, len(alive))
    return [alive[k * len(alive) // count] for k in range(count)]
