"""The second pass: pixels at which units are active, counted by what the image shows there.

A concept of pixels is counted by looking up the labels at active pixels alone, one count for all
units of an image; one that covers the whole image adds the number of active pixels. A unit none of
whose values exceeds its threshold costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.topk import NOBODY, TopK
from striate.dissection.cells import Upsampling, active_parts
from striate.dissection.labels import Labels
from striate.dissection.watch import Watcher, are_finite
from striate.network.layers import Layer
from striate.shapes import Maps


def count(
    overlap: Overlap, active: Iterable[tuple[np.ndarray, np.ndarray]], labels: Labels
) -> None:
    """Add one image to an overlap, in place.

    Args:
        overlap: Of the images so far.
        active: Some units after others: of each active pixel, whose it is, and its place in the
            grid's scan order.
        labels: What the image shows.

    Example:
        >>> overlap = Overlap.empty(units=1, concepts=2, categories=1)
        >>> labels = Labels(*map(np.array, ([1, 4], [0], [[0, 1, 1, 1]], [1], [True])))
        >>> count(overlap, [(np.array([0, 0]), np.array([0, 1]))], labels)
        >>> overlap.both.tolist(), overlap.active.tolist()
        ([[1, 2]], [[2]])
    """
    overlap.pixels[...] += labels.pixels
    overlap.images[...] += labels.categories
    for unit, pixel in active:
        _count_units(overlap, unit, pixel, labels)


def _count_units(
    overlap: Overlap,
    unit: Int64[np.ndarray, " active"],
    pixel: Int64[np.ndarray, " active"],
    labels: Labels,
) -> None:
    by_unit = np.bincount(unit, minlength=len(overlap.both))
    units = np.flatnonzero(by_unit)
    overlap.active[np.ix_(units, np.flatnonzero(labels.categories))] += by_unit[units, None]
    overlap.both[np.ix_(units, labels.whole)] += by_unit[units, None]
    row = np.zeros(len(by_unit), np.int64)
    row[units] = np.arange(len(units))
    # One place more than there are concepts: that of pixels without a label.
    width = len(labels.present) + 1
    places = row[unit] * width + labels.planes[:, pixel]
    found = np.bincount(places.ravel(), minlength=len(units) * width).reshape(len(units), width)
    overlap.both[np.ix_(units, labels.present)] += found[:, :-1]


@dataclass(frozen=True, slots=True, eq=False)
class _Taken:
    """What was seen of some images, not yet counted: units that are active somewhere, with maps."""

    active: list[tuple[np.ndarray, np.ndarray]]
    peak: np.ndarray
    places: np.ndarray


class TallyWatcher(Watcher):
    """Counts where the units of a layer are active, and which images drive them most.

    Args:
        layer: The layer.
        basis: See `Watcher`.
        thresholds: Of each unit.
        how: How maps come to the grid.
        overlap: The counts so far; they go on in place.
        top: The strongest images so far.
    """

    def __init__(
        self,
        layer: Layer,
        basis: Float64[np.ndarray, "units units"] | None,
        thresholds: Float32[np.ndarray, " units"],
        how: Upsampling,
        overlap: Overlap,
        top: TopK,
    ) -> None:
        super().__init__(layer, basis)
        self.thresholds, self._how = thresholds, how
        self.overlap, self.top = overlap, top
        self._taken: list[_Taken] = []

    def undo(self) -> None:
        """Forget what was taken since the last `commit`."""
        self._taken = []

    def take(self, maps: Maps) -> None:
        """Look at the maps of some images."""
        flat = maps.flatten(2).contiguous()
        peak, finite = are_finite(flat)
        peak = torch.where(finite, peak, -torch.inf)
        thresholds = torch.from_numpy(self.thresholds).to(flat.device)
        floor = torch.from_numpy(self.top.value[:, -1]).to(flat.device)
        active = []
        for image, best in zip(maps, peak, strict=True):
            some = (best > thresholds).nonzero().flatten()
            active.append((some.cpu().numpy(), image[some].cpu().numpy()))
        places = torch.full(peak.shape, NOBODY, device=flat.device)
        image, unit = (peak > floor).nonzero(as_tuple=True)
        places[image, unit] = flat[image, unit].argmax(1)
        self._taken.append(_Taken(active, peak.cpu().numpy(), places.cpu().numpy()))

    def commit(self, ids: Sequence[int], labels: Sequence[Labels]) -> None:
        """Count what was taken since the last `commit`."""
        active = [image for taken in self._taken for image in taken.active]
        for (units, maps), shown in zip(active, labels, strict=True):
            parts = active_parts(maps, self.thresholds[units], self._how)
            count(self.overlap, ((units[unit], pixel) for unit, pixel in parts), shown)
        peak = np.concatenate([taken.peak for taken in self._taken]).T
        places = np.concatenate([taken.places for taken in self._taken]).T
        self._taken = []
        entering = places != NOBODY
        columns = self.layer.map_size[1]
        found = TopK(
            np.where(entering, peak, -np.inf).astype(np.float32),
            np.where(entering, np.array(ids, np.int64), NOBODY),
            (places // columns * entering).astype(np.int32),
            (places % columns * entering).astype(np.int32),
        )
        kept = self.top.value.shape[1]
        # A batch may hold more images than are kept of each unit.
        merged = TopK.empty(len(peak), max(kept, len(ids))).merge(found).merge(self.top)
        self.top = TopK(**{name: a[:, :kept] for name, a in merged.to_arrays().items()})
