"""How much and how often each unit responds: sums, maximum, and how many fire."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float32, Float64, Int64

from striate.atlas.accumulators.law import Arrays


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over all neurons of each unit and all images.

    Attributes:
        images: Images counted; without those on which the unit was not finite.
        places: Neurons counted, over all images.
        total: Sum of the activations.
        squares: Sum of their squares.
        maximum: The largest; -inf if there is none.
        fired_images: Images with a positive activation somewhere.
        fired_places: Neurons with a positive activation.
        not_finite: Images on which the unit gave NaN or infinity; they count nowhere else.
    """

    images: Int64[np.ndarray, " units"]
    places: Int64[np.ndarray, " units"]
    total: Float64[np.ndarray, " units"]
    squares: Float64[np.ndarray, " units"]
    maximum: Float32[np.ndarray, " units"]
    fired_images: Int64[np.ndarray, " units"]
    fired_places: Int64[np.ndarray, " units"]
    not_finite: Int64[np.ndarray, " units"]

    @classmethod
    def empty(cls, units: int) -> "Moments":
        """Return the summary of no images."""
        whole, real = np.zeros(units, np.int64), np.zeros(units, np.float64)
        lowest = np.full(units, -np.inf, np.float32)
        return cls(whole, whole, real, real, lowest, whole, whole, whole)

    def merge(self, other: "Moments") -> "Moments":
        """Return the summary of both sets of images."""
        merged = {}
        for field in fields(self):
            join = np.maximum if field.name == "maximum" else np.add
            merged[field.name] = join(getattr(self, field.name), getattr(other, field.name))
        return type(self)(**merged)

    @property
    def mean(self) -> Float64[np.ndarray, " units"]:
        """Mean activation over all neurons and images; 0 where nothing was counted."""
        mean: np.ndarray = self.total / np.maximum(self.places, 1)
        return mean

    @property
    def variance(self) -> Float64[np.ndarray, " units"]:
        """Population variance of the activations.

        >>> two = Moments.empty(1).to_arrays()
        >>> two |= {"places": np.array([2]), "total": np.array([4.0]), "squares": np.array([10.0])}
        >>> Moments.from_arrays(two).variance
        array([1.])
        """
        raw = self.squares / np.maximum(self.places, 1) - self.mean**2
        variance: np.ndarray = np.maximum(raw, 0.0)
        return variance

    def to_arrays(self) -> Arrays:
        """Return the arrays by field name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Moments":
        """Return the summary with this content."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})
