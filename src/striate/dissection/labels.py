"""The labels of one image, laid out for counting: made once, used by every layer."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from striate.image.concepts.concept_set import NOTHING, Segments


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What one image shows on the grid.

    Attributes:
        pixels: Pixels of the grid that carry each concept.
        present: Concepts that some pixels carry, ascending.
        planes: Place in ``present`` of what each pixel carries; as many as there are: nothing.
        whole: Concepts that all pixels carry.
        categories: Whether the image carries a label of each category.
    """

    pixels: Int64[np.ndarray, " concepts"]
    present: Int64[np.ndarray, " present"]
    planes: Int64[np.ndarray, "planes pixels"]
    whole: Int64[np.ndarray, " whole"]
    categories: Bool[np.ndarray, " categories"]

    @classmethod
    def of(
        cls, segments: Segments, categories: Int64[np.ndarray, " concepts"], count: int
    ) -> "Labels":
        """Lay out the labels of an image.

        Args:
            segments: On the grid.
            categories: Index of each concept's category.
            count: How many categories there are.

        Example:
            >>> planes = np.array([[[2, -1]]], np.int32)
            >>> segments = Segments(planes, np.array([0], np.int32))
            >>> labels = Labels.of(segments, np.array([0, 0, 1]), 2)
            >>> labels.pixels.tolist(), labels.planes.tolist(), labels.categories.tolist()
            ([2, 0, 1], [[0, 1]], [True, True])
        """
        count_of, rows, columns = segments.planes.shape
        planes = segments.planes.reshape(count_of, rows * columns).astype(np.int64) - NOTHING
        concepts = len(categories)
        pixels = np.bincount(planes.ravel(), minlength=concepts + 1)[1:]
        present = np.flatnonzero(pixels)
        place = np.full(concepts + 1, len(present), np.int64)
        place[present - NOTHING] = np.arange(len(present))
        whole = segments.whole.astype(np.int64)
        pixels[whole] += planes.shape[1]
        carried = np.zeros(count, bool)
        carried[categories[np.concatenate([present, whole])]] = True
        return cls(pixels, present, place[planes], whole, carried)
