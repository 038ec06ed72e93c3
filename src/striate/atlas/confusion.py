"""Which classes the network takes for which: its first guess beside the truth, image by image."""

from dataclasses import dataclass

import numpy as np

from striate.atlas.similarity import seriation
from striate.atlas.store.reader import Atlas

MOST_CLASSES = 2048
"""More classes keep the order of their indices: the work grows with the cube of their number."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of an atlas's images, as far as they were judged.

    Attributes:
        classes: Indices of the classes that are a truth or a first guess, ascending.
        order: The same classes, those that are taken for each other side by side; ascending where
            there are more than `MOST_CLASSES`.
        cells: True class, first guess, number of images; ascending, without empty cells.
        images: Ids of the images of each cell, by (true class, first guess).
    """

    classes: list[int]
    order: list[int]
    cells: list[tuple[int, int, int]]
    images: dict[tuple[int, int], list[int]]

    @classmethod
    def of(cls, atlas: Atlas) -> "Confusion":
        """Return the confusions of an atlas's network.

        Args:
            atlas: The atlas; finished or not.

        Returns:
            The confusions: empty where no image has both a known class and scores.
        """
        images: dict[tuple[int, int], list[int]] = {}
        for image in atlas.images:
            if image.label is not None and image.rank is not None and image.best:
                images.setdefault((image.label, image.best[0]), []).append(image.id)
        images = dict(sorted(images.items()))
        classes = sorted({index for cell in images for index in cell})
        cells = [(true, guess, len(ids)) for (true, guess), ids in images.items()]
        return cls(classes, _order(classes, cells), cells, images)


def _order(classes: list[int], cells: list[tuple[int, int, int]]) -> list[int]:
    if len(classes) > MOST_CLASSES:
        return classes
    place = {index: k for k, index in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)))
    for true, guess, count in cells:
        counts[place[true], place[guess]] = count
    return [classes[k] for k in seriation(counts)]
