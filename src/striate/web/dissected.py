"""What the answers share about an atlas's dissection, worked out once and kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from striate.atlas.store.reader import LayerRow
from striate.dissection.masked import shown_images
from striate.dissection.newest import layer_of
from striate.dissection.results import (
    LEVEL,
    NO_CONCEPT,
    Dissection,
    LayerDissection,
    categories_of,
)


@dataclass(frozen=True, slots=True)
class Strongest:
    """How a layer does with one concept: how many units detect it, and which comes nearest.

    Attributes:
        detectors: How many units detect it.
        unit: The unit of the largest IoU, the first of equals; None: all are zero.
        iou: That IoU.
    """

    detectors: int
    unit: int | None
    iou: float


class Detected:
    """What the units of a layer detect, in short: the whole counts of a wide layer are large.

    Attributes:
        best: The concept of the largest IoU, (units,); `NO_CONCEPT` where all are zero.
        best_iou: That IoU.
        detectors: Whether it is above the level.
        choice: The concept of the largest IoU in each category, (units, categories).
        iou: That IoU.
        detects: Whether it is above the level.
        strongest: By concept.
        images: How many images there are to show of each unit.
    """

    def __init__(self, found: LayerDissection) -> None:
        self.best, self.best_iou = found.best, found.best_iou
        self.detectors = found.detectors(LEVEL)
        pairs = [found.best_in(category) for category in range(len(found.categories))]
        self.choice = np.stack([index for index, _ in pairs], axis=1)
        self.iou = np.stack([value for _, value in pairs], axis=1)
        self.detects = (self.choice != NO_CONCEPT) & (self.iou > LEVEL)
        self.images = [len(shown_images(found, unit)) for unit in range(found.units)]
        counts = np.bincount(self.choice[self.detects], minlength=len(found.concepts))
        first, most = found.iou.argmax(axis=0), found.iou.max(axis=0)
        self.strongest = [
            Strongest(int(count), int(unit) if value > 0 else None, float(value))
            for count, unit, value in zip(counts, first, most, strict=True)
        ]

    def detecting(self, concept: int, category: int) -> list[int]:
        """Return the units that detect a concept of a category, largest IoU first."""
        found = np.flatnonzero(self.detects[:, category] & (self.choice[:, category] == concept))
        order = np.argsort(-self.iou[found, category], kind="stable")
        return [int(unit) for unit in found[order]]

    def unique(self, category: int) -> list[int]:
        """Return the concepts of a category that units detect, in order."""
        found = self.choice[self.detects[:, category], category]
        return [int(concept) for concept in np.unique(found)]


class Dissected:
    """The results of a dissection, at hand; any thread may ask.

    Args:
        results: The results.
        rows: All layers of the atlas.
    """

    def __init__(self, results: Dissection, rows: list[LayerRow]) -> None:
        self.results = results
        self._rows = rows

    @cached_property
    def layers(self) -> dict[int, Detected]:
        """The layers that were dissected, by their number."""
        whole = {row.number: self.whole(row.number) for row in self._rows}
        return {number: Detected(found) for number, found in whole.items() if found is not None}

    def whole(self, number: int) -> LayerDissection | None:
        """Return all counts of a layer; None: it was not dissected, or its file is damaged."""
        return layer_of(self.results, self._rows[number])

    @cached_property
    def category_of(self) -> list[int]:
        """Index of each concept's category."""
        return [int(index) for index in categories_of(self.results.concepts)]
