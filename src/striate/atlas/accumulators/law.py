"""The law that every accumulator obeys, so that any split of the work gives the same atlas.

An accumulator is a frozen value that summarizes what some images did to the units of one layer.

* ``merge`` is associative and commutative, and an empty accumulator is its unit;
* the summary of two disjoint sets of images is the merge of their summaries:
  ``of(a ++ b) == of(a).merge(of(b))``.

Bit for bit for top-k, counts and maxima. Sums are kept in float64 and merged in shard order, so
that a rerun is exact; in another order they differ by rounding.

Images have ids, the same in every run; equal activations are ordered by id.
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import numpy as np

Arrays: TypeAlias = dict[str, np.ndarray]


class Accumulator(Protocol):
    """A mergeable summary."""

    def merge(self, other: "Accumulator") -> "Accumulator":
        """Return the summary of both sets of images, which share none."""
        ...

    def to_arrays(self) -> Arrays:
        """Return the content by field name, to be stored."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Accumulator":
        """Return the accumulator with a stored content."""
        ...
