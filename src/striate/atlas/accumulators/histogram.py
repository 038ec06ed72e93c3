"""How each unit's activations are distributed, on one scale for all networks.

Bins are quarters of an octave: a float's sign, exponent and two leading bits of its mantissa, from
2^-16 to 2^16, with one bin for what is smaller and the outermost for what is larger. So the bins
are known before the first image, and histograms of any two parts add up.

The activations counted are those of a lattice of at most 4 x 4 places of each map, the same for
every image: row ``i`` of the lattice is row ``floor((2 i + 1) h / 8)`` of a map with ``h`` rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from striate.atlas.accumulators.law import Arrays

_OCTAVES = 32
_HALF = 4 * _OCTAVES
BINS = 2 * _HALF + 1
_LOWEST = (127 - 16) * 4
LATTICE = 4


def lattice(size: int) -> list[int]:
    """Return the rows (or columns) of a map that are counted.

    >>> lattice(3), lattice(16)
    ([0, 1, 2], [2, 6, 10, 14])
    """
    if size <= LATTICE:
        return list(range(size))
    return [(2 * k + 1) * size // (2 * LATTICE) for k in range(LATTICE)]


def bins_of(values: Tensor, *, rectified: bool = False) -> Tensor:
    """Return the bin (int32) of each value (float32); ``rectified`` promises none is negative.

    >>> bins_of(torch.tensor([-1.0, 0.0, 1.0, 1.2, 1.25])) - BINS // 2
    tensor([-65,   0,  65,  65,  66], dtype=torch.int32)
    """
    bits = values.contiguous().view(torch.int32)
    if rectified:
        return (bits >> 21).sub_(_LOWEST - 1 - _HALF).clamp_(_HALF, 2 * _HALF)
    size = ((bits & 0x7FFFFFFF) >> 21).sub_(_LOWEST - 1).clamp_(0, _HALF)
    return torch.where(bits < 0, -size, size).add_(_HALF)


def edges() -> Float64[np.ndarray, " bins_and_one"]:
    """Return the edges between bins, ascending; the outermost bins are open.

    >>> edges()[BINS // 2], edges()[BINS // 2 + 1] == 2.0**-16
    (np.float64(-1.52587890625e-05), np.True_)
    """
    powers = np.arange(_OCTAVES)[:, None] - 16.0
    upper = (2.0**powers * (1 + np.arange(4) / 4)).ravel()
    positive = np.append(upper, 2.0**16)
    return np.concatenate([-positive[::-1], positive])


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of sampled activations by bin; see the module for bins and sampling."""

    counts: Int64[np.ndarray, "units bins"]

    @classmethod
    def empty(cls, units: int) -> "Histogram":
        """Return the summary of no images."""
        return cls(np.zeros((units, BINS), np.int64))

    def merge(self, other: "Histogram") -> "Histogram":
        """Return the summary of both sets of images."""
        return type(self)(self.counts + other.counts)

    def to_arrays(self) -> Arrays:
        """Return the counts."""
        return {"counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Histogram":
        """Return the summary with this content."""
        return cls(arrays["counts"])
