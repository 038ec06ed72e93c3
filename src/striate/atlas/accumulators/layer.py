"""All that an atlas keeps of one layer: the accumulators together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from striate.atlas.accumulators.by_class import ByClass
from striate.atlas.accumulators.histogram import Histogram
from striate.atlas.accumulators.law import Arrays
from striate.atlas.accumulators.moments import Moments
from striate.atlas.accumulators.topk import TopK

_PARTS = {"top": TopK, "moments": Moments, "histogram": Histogram, "by_class": ByClass}


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """What some images did to the units of one layer."""

    top: TopK
    moments: Moments
    histogram: Histogram
    by_class: ByClass

    @classmethod
    def empty(cls, units: int, k: int) -> "LayerSummary":
        """Return the summary of no images.

        >>> LayerSummary.empty(2, 9).moments.images
        array([0, 0])
        """
        return cls(
            TopK.empty(units, k), Moments.empty(units), Histogram.empty(units), ByClass.empty(units)
        )

    def merge(self, other: "LayerSummary") -> "LayerSummary":
        """Return the summary of both sets of images."""
        return type(self)(
            self.top.merge(other.top),
            self.moments.merge(other.moments),
            self.histogram.merge(other.histogram),
            self.by_class.merge(other.by_class),
        )

    def to_arrays(self) -> Arrays:
        """Return all arrays as ``part.field``."""
        return {
            f"{part}.{name}": np.ascontiguousarray(array)
            for part in _PARTS
            for name, array in getattr(self, part).to_arrays().items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LayerSummary":
        """Return the summary with this content."""
        parts = {}
        for part, kind in _PARTS.items():
            prefix = f"{part}."
            fields = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            parts[part] = kind.from_arrays(fields)  # type: ignore[attr-defined]
        return cls(**parts)
