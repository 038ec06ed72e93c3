"""What each unit says to each class of images, and how selective it is among classes.

    selectivity = (m - r) / (m + r)

with ``m`` the largest class mean of the unit's spatial mean response and ``r`` the mean of the
other class means: 0 where all classes get the same, 1 where one class gets everything.

Source:
    Morcos, Barrett, Rabinowitz & Botvinick, "On the importance of single directions for
    generalization", ICLR 2018, section 2.4 (class selectivity). https://arxiv.org/abs/1803.06959

Differs from the source:
    Undefined (NaN) where the unit has negative class means: the index was made for rectified units.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from striate.atlas.accumulators.law import Arrays


@dataclass(frozen=True, slots=True)
class ByClass:
    """Sums of spatial means by class, for the classes seen.

    Attributes:
        classes: Class indices, ascending.
        images: Images of each class and unit; without those on which the unit was not finite.
        total: Sum over images of the unit's mean over its map.
    """

    classes: Int64[np.ndarray, " classes"]
    images: Int64[np.ndarray, "classes units"]
    total: Float64[np.ndarray, "classes units"]

    @classmethod
    def empty(cls, units: int) -> "ByClass":
        """Return the summary of no images."""
        return cls(
            np.zeros(0, np.int64), np.zeros((0, units), np.int64), np.zeros((0, units), np.float64)
        )

    def merge(self, other: "ByClass") -> "ByClass":
        """Return the summary of both sets of images."""
        classes = np.union1d(self.classes, other.classes)
        images = np.zeros((len(classes), self.images.shape[1]), np.int64)
        total = np.zeros(images.shape, np.float64)
        for part in (self, other):
            rows = np.searchsorted(classes, part.classes)
            images[rows] += part.images
            total[rows] += part.total
        return type(self)(classes, images, total)

    @property
    def mean(self) -> Float64[np.ndarray, "classes units"]:
        """Mean response of each unit to each class."""
        mean: np.ndarray = self.total / np.maximum(self.images, 1)
        return mean

    @property
    def selectivity(self) -> Float64[np.ndarray, " units"]:
        """Class selectivity of each unit; NaN where undefined.

        >>> images, total = np.ones((2, 1), np.int64), np.array([[3.0], [1.0]])
        >>> ByClass(np.array([0, 1]), images, total).selectivity
        array([0.5])
        """
        seen = self.images > 0
        others = seen.sum(axis=0) - 1
        best = np.where(seen, self.mean, -np.inf).max(axis=0, initial=-np.inf)
        lowest = np.where(seen, self.mean, np.inf).min(axis=0, initial=np.inf)
        defined = (others > 0) & (lowest >= 0) & (best > 0)
        best = np.where(defined, best, 1.0)
        rest = (np.where(seen, self.mean, 0.0).sum(axis=0) - best) / np.maximum(others, 1)
        return np.where(defined, (best - rest) / np.where(defined, best + rest, 1.0), np.nan)

    def to_arrays(self) -> Arrays:
        """Return the arrays by field name."""
        return {"classes": self.classes, "images": self.images, "total": self.total}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "ByClass":
        """Return the summary with this content."""
        return cls(arrays["classes"], arrays["images"], arrays["total"])
