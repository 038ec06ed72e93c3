"""What the strongest images of a unit look like to it: crops, and their deconvnet projections.

Source:
    Zeiler & Fergus, ECCV 2014, figure 2: the nine strongest activations of a feature map, projected
    down to the pixels, beside the patches that caused them.
"""

import json
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from striate.atlas.sheets import GREY, scaled_to
from striate.atlas.store.reader import Atlas, Entry, LayerRow
from striate.errors import AtlasError, ImageError
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing
from striate.image.render import Picture, image_picture, projection_picture
from striate.network.network import Network
from striate.network.projection import Projection, Spot, project_each
from striate.shapes import Box, Display, Image

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 64
"""Units, and projections, that may wait to be drawn."""

_WRITERS = 4
_WAITING = 32


@dataclass(frozen=True, slots=True)
class UnitPictures:
    """A unit's strongest images as it sees them.

    Attributes:
        unit: Its index in the layer.
        entries: Its strongest images; empty for a unit that never fires.
        crops: What the strongest neuron sees of each, padded with grey where it looks past the
            border; at the size of the receptive field, or of the image where that is smaller.
        projections: The deconvnet projection of that neuron, at the same size; grey is zero. All
            grey where the activation is not positive: there is nothing to explain.
    """

    unit: int
    entries: Sequence[Entry]
    crops: Sequence[Display]
    projections: Sequence[Display]


class Originals:
    """The images of an atlas as its network gets them; the last ones used are kept.

    Any number of threads may ask.

    Args:
        atlas: The atlas.
        paths: File of each image, by id.
        keep: How many bytes to keep.
    """

    def __init__(self, atlas: Atlas, paths: Sequence[Path], keep: int = 1 << 28) -> None:
        self._atlas, self._paths = atlas, paths
        self.preprocessing = Preprocessing.from_json(json.loads(atlas.plan.preprocessing))
        self.size = atlas.plan.image_size
        self._room = keep
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def picture(self, image: int) -> np.ndarray:
        """Return an image by id: resized and cropped, 0 to 255, in colours still.

        Raises:
            AtlasError: If it cannot be read any more.
        """
        with self._lock:
            found = self._kept.get(image)
            if found is not None:
                self._kept.move_to_end(image)
                return found
        made = self._read(image)
        with self._lock:
            if image not in self._kept:
                self._room -= made.nbytes
            self._kept[image] = made
            while self._room < 0 and len(self._kept) > 1:
                self._room += self._kept.popitem(last=False)[1].nbytes
        return made

    def _read(self, image: int) -> np.ndarray:
        path, size = self._paths[image], self._atlas.images[image].bytes
        if size >= 0 and _size_of(path) not in {None, size}:
            msg = (
                f"image {image} of {self._atlas.home} is another one now: {path} had {size} bytes; "
                "put it back, or build the atlas again with --restart"
            )
            raise AtlasError(msg)
        try:
            return self.preprocessing.pixels(decode(path))
        except ImageError as error:
            msg = f"image {image} of {self._atlas.home} cannot be read any more: {error}"
            raise AtlasError(msg) from error

    def __getitem__(self, image: int) -> Image:
        """Return an image by id, in network space."""
        return self.preprocessing.from_picture(self.picture(image))

    def shown(self, image: int, box: Box | None = None) -> Display:
        """Return an image, or a box of it that may leave it, as the network sees it.

        Raises:
            AtlasError: If it cannot be read any more.
        """
        picture = self.picture(image)
        if box is not None:
            picture = _cut(picture, box, GREY)
        if self.preprocessing.channels == 3:
            return np.ascontiguousarray(picture)
        luma = self.preprocessing.to_pixels(self.preprocessing.from_picture(picture))
        return image_picture(luma.expand(3, -1, -1))


def _size_of(path: Path) -> int | None:
    """Return a file's size; None where there is none: decoding says why."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return None


def seen_box(row: LayerRow, entry: Entry, image_size: tuple[int, int, int]) -> Box:
    """Return the box to show: the receptive field, centred on the neuron, or the whole side.

    Where the field is larger than the image there is no use in showing what lies outside.

    Args:
        row: The layer.
        entry: Which neuron, with what it sees inside the image.
        image_size: (channels, height, width).
    """
    field = row.field or (image_size[1], image_size[2])
    spans = []
    for axis in (0, 1):
        low, high, whole = entry.box[axis], entry.box[axis + 2], image_size[axis + 1]
        if field[axis] >= whole:
            spans.append((0, whole))
        elif low > 0:
            spans.append((low, low + field[axis]))
        else:
            spans.append((high - field[axis], high))
    (top, bottom), (left, right) = spans
    return top, left, bottom, right


def shown_entries(atlas: Atlas, layer: str) -> list[list[Entry]]:
    """Return the images to show of each unit of a layer: none of a unit that never fires."""
    dead = atlas.columns(layer)["dead"]
    return [[] if gone else top for top, gone in zip(atlas.top(layer), dead, strict=True)]


def crop_picture(
    originals: Originals, row: LayerRow, entry: Entry, side: int | None = None
) -> Display:
    """Return what a neuron sees of an image, no larger than a side.

    Raises:
        AtlasError: If the image cannot be read any more.
    """
    return _within(originals.shown(entry.image, seen_box(row, entry, originals.size)), side)


def unit_pictures(
    network: Network | None,
    atlas: Atlas,
    originals: Originals,
    layer: str,
    units: Sequence[int],
    *,
    side: int | None = None,
) -> Iterator[UnitPictures]:
    """Make the pictures of some units of a layer.

    Args:
        network: The atlas's network; None will do where the deconvnet does not apply to the layer.
        atlas: The atlas.
        originals: Its images.
        layer: Address of the layer.
        units: Which units, each once.
        side: Make tiles no larger than this; None: as large as the receptive field.

    Yields:
        Each unit's pictures, as they are done: in any order. Projections are mid-grey where there
        is nothing to project, and where the deconvnet does not apply.

    Raises:
        AtlasError: If an image cannot be read any more.
    """
    row, every = atlas.layer(layer), shown_entries(atlas, layer)
    entries = {unit: every[unit] for unit in units}

    def drawn(unit: int, projections: Sequence[Future[Display] | None]) -> UnitPictures:
        crops = [crop_picture(originals, row, entry, side) for entry in entries[unit]]
        tiles = [
            np.full_like(crop, GREY) if made is None else made.result()
            for crop, made in zip(crops, projections, strict=True)
        ]
        return UnitPictures(unit, entries[unit], crops, tiles)

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        try:
            # A unit's projections were given to the pool before it: it never waits in vain.
            units_drawn = (
                pool.submit(drawn, unit, made)
                for unit, made in _projected(network, originals, row, entries, side, pool)
            )
            yield from in_order(units_drawn, _AHEAD)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def in_order(futures: Iterable[Future[Result]], ahead: int) -> Iterator[Result]:
    """Yield the results of futures in their order, and as they are ready.

    Args:
        futures: Begun one by one, as they are taken.
        ahead: How many may wait to be yielded.

    Yields:
        Each result.

    Example:
        >>> with ThreadPoolExecutor(2) as pool:
        ...     list(in_order((pool.submit(abs, k) for k in (-3, 2, -1)), ahead=1))
        [3, 2, 1]
    """
    waiting: deque[Future[Result]] = deque()
    for future in futures:
        waiting.append(future)
        while waiting and (waiting[0].done() or len(waiting) > ahead):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def in_threads(work: Callable[[Item], None], items: Iterable[Item]) -> Iterator[None]:
    """Work on items, a few at once; yield after each.

    Args:
        work: Called with each item.
        items: Taken one by one, not far ahead of the work.

    Yields:
        None, for each item that is done.

    Example:
        >>> found = []
        >>> len(list(in_threads(found.append, [1, 2, 3]))), sorted(found)
        (3, [1, 2, 3])
    """
    with ThreadPoolExecutor(_WRITERS) as pool:
        try:
            yield from in_order((pool.submit(work, item) for item in items), _WAITING)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _projected(
    network: Network | None,
    originals: Originals,
    row: LayerRow,
    entries: dict[int, list[Entry]],
    side: int | None,
    pool: ThreadPoolExecutor,
) -> Iterator[tuple[int, Sequence[Future[Display] | None]]]:
    """Project all entries that are positive; yield each unit when its last one is under way."""
    made: dict[int, list[Future[Display] | None]] = {u: [None] * len(e) for u, e in entries.items()}
    if network is None or row.unprojected is not None:
        yield from made.items()
        return
    wanted = [(u, k) for u in entries for k, entry in enumerate(entries[u]) if entry.value > 0]
    left = {unit: sum(entry.value > 0 for entry in entries[unit]) for unit in entries}
    yield from ((unit, made[unit]) for unit, count in left.items() if count == 0)
    drawing: deque[Future[Display]] = deque()
    spots = [entries[unit][k] for unit, k in wanted]
    owners = [unit for unit, _ in wanted]
    for number, projection in projections(network, originals, row, spots, owners):
        unit, k = wanted[number]
        box = seen_box(row, entries[unit][k], originals.size)
        future = pool.submit(projection_of, projection, box, side)
        made[unit][k] = future
        drawing.append(future)
        # What waits to be drawn lies in the device's memory.
        while len(drawing) > _AHEAD:
            drawing.popleft().result()
        left[unit] -= 1
        if left[unit] == 0:
            yield unit, made.pop(unit)


def projections(
    network: Network,
    originals: Originals,
    row: LayerRow,
    entries: Sequence[Entry],
    units: Sequence[int],
) -> Iterator[tuple[int, Projection]]:
    """Project neurons of a layer, each on one image; see `project_each` for their order.

    Args:
        network: The atlas's network.
        originals: The atlas's images.
        row: The layer.
        entries: Which image, row and column.
        units: Which unit.

    Raises:
        MethodError: If the deconvnet does not apply to the network.
        AtlasError: If an image cannot be read any more.
    """
    spots = [Spot(e.image, unit, e.row, e.column) for e, unit in zip(entries, units, strict=True)]

    def ready(image: int) -> Image:
        return originals[image].to(network.device, network.dtype)

    yield from project_each(network, ready, row.address, spots, "deconvnet", size=originals.size)


def projection_of(projection: Projection, box: Box, side: int | None = None) -> Display:
    """Draw a projection inside a box of the image, no larger than a side."""
    patch = projection.patch.permute(1, 2, 0).float().cpu().numpy()
    top, left = projection.corner
    shown = _cut(patch, (box[0] - top, box[1] - left, box[2] - top, box[3] - left), 0)
    colours = np.broadcast_to(shown, (*shown.shape[:2], 3))
    return _within(projection_picture(torch.from_numpy(colours.transpose(2, 0, 1).copy())), side)


def _cut(pixels: np.ndarray, box: Box, fill: int) -> np.ndarray:
    """Cut a box out of (rows, columns, channels), filled where it leaves them.

    As `striate.image.crop` does, but in numpy: where several threads call torch, each has threads
    of its own, and they wait for one another.
    """
    height, width = pixels.shape[:2]
    top, left, bottom, right = box
    cut = np.full((bottom - top, right - left, pixels.shape[2]), fill, pixels.dtype)
    rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
    part = pixels[rows, columns]
    if part.size:
        down, across = rows.start - top, columns.start - left
        cut[down : down + part.shape[0], across : across + part.shape[1]] = part
    return cut


def _within(picture: Picture, side: int | None) -> Picture:
    small = side is None or max(picture.shape[:2]) <= side
    return picture if small or side is None else scaled_to(picture, side)
