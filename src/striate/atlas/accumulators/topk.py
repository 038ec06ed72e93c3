"""The strongest images of each unit, one entry an image, with the place of its strongest neuron.

Source:
    Zeiler & Fergus, ECCV 2014, section 4.1: for each feature map the nine strongest activations
    over the set, each from another image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from striate.atlas.accumulators.law import Arrays

NOBODY = -1
"""The image id of an entry that is not taken."""


@dataclass(frozen=True, slots=True)
class TopK:
    """The k strongest images of each unit, strongest first; of equals the lower id first.

    Attributes:
        value: Activation of the strongest neuron; -inf where not taken.
        image: Id of the image; `NOBODY` where not taken.
        row: Row of that neuron in the unit's map (of equals the first in scan order).
        column: Its column.
    """

    value: Float32[np.ndarray, "units k"]
    image: Int64[np.ndarray, "units k"]
    row: Int32[np.ndarray, "units k"]
    column: Int32[np.ndarray, "units k"]

    @classmethod
    def empty(cls, units: int, k: int) -> "TopK":
        """Return the summary of no images."""
        shape = (units, k)
        nothing = np.full(shape, -np.inf, np.float32), np.full(shape, NOBODY, np.int64)
        return cls(*nothing, np.zeros(shape, np.int32), np.zeros(shape, np.int32))

    def merge(self, other: "TopK") -> "TopK":
        """Return the k strongest of both; ids must differ.

        >>> one = TopK(*(np.array([[v]], t) for v, t in
        ...     [(5.0, np.float32), (3, np.int64), (0, np.int32), (0, np.int32)]))
        >>> one.merge(TopK.empty(1, 1)).image
        array([[3]])
        """
        k = max(self.value.shape[1], other.value.shape[1])
        value, image, row, column = (
            np.concatenate([getattr(self, name), getattr(other, name)], axis=1)
            for name in ("value", "image", "row", "column")
        )
        order = np.lexsort((image, -value), axis=1)[:, :k]
        return type(self)(
            *(np.take_along_axis(a, order, axis=1) for a in (value, image, row, column))
        )

    def to_arrays(self) -> Arrays:
        """Return the four arrays."""
        return {n: getattr(self, n) for n in ("value", "image", "row", "column")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "TopK":
        """Return the summary with this content."""
        return cls(*(arrays[name] for name in ("value", "image", "row", "column")))
