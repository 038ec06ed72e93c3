"""How many pixels each unit and each concept have, and how many they share, over a set of images.

    IoU = I / (A + T - I)

I are the pixels at which the unit is active and the concept is there, T those of the concept, and A
those at which the unit is active, counted only in images that carry a label of the concept's
category: elsewhere nobody said whether the concept is there.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, section 2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float64, Int64

from striate.atlas.accumulators.law import Arrays


@dataclass(frozen=True, slots=True)
class Overlap:
    """Counts of pixels of the grid, summed over images.

    Attributes:
        pixels: T, those that carry each concept.
        active: A, those at which a unit is active, in images with a label of each category.
        both: I, those at which a unit is active and the concept is there.
        images: How many images carry a label of each category.
    """

    pixels: Int64[np.ndarray, " concepts"]
    active: Int64[np.ndarray, "units categories"]
    both: Int64[np.ndarray, "units concepts"]
    images: Int64[np.ndarray, " categories"]

    @classmethod
    def empty(cls, units: int, concepts: int, categories: int) -> "Overlap":
        """Return the summary of no images."""
        return cls(
            np.zeros(concepts, np.int64),
            np.zeros((units, categories), np.int64),
            np.zeros((units, concepts), np.int64),
            np.zeros(categories, np.int64),
        )

    def merge(self, other: "Overlap") -> "Overlap":
        """Return the summary of both sets of images."""
        merged = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**merged)

    def iou(
        self, categories: Int64[np.ndarray, " concepts"]
    ) -> Float64[np.ndarray, "units concepts"]:
        """Return the intersection over union of each unit and each concept.

        Args:
            categories: Index of each concept's category.

        Returns:
            In [0, 1]; 0 where both are empty.

        Example:
            The wheel detector of the released AlexNet results, conv5 unit 198:

            >>> counts = Overlap(*map(np.array, ([1540612], [[1584597]], [[561458]], [1])))
            >>> counts.iou(np.array([0]))
            array([[0.21899865]])
        """
        union = self.active[:, categories] + self.pixels - self.both
        iou: np.ndarray = self.both / np.maximum(union, 1)
        return iou

    def to_arrays(self) -> Arrays:
        """Return the four arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Overlap":
        """Return the summary with this content."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})
