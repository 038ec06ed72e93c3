"""The largest activations of each unit, of which the threshold of a small share is read off.

Of each unit the ``most`` largest values are kept as a multiset: distinct keys, largest first, each
with its count; the last key is kept with its whole count. A key is a float32's place in the order
of all floats, without its last ``shift`` bits. At shift 0 the quantile is exact. At shift 12 there
are 2048 keys an octave, and the threshold lies above the exact one by at most 2^-11 of it; then
what is kept of a unit does not grow with the images.

A summary is all that decides the others: below the key at which ``most`` values are reached, no
value can come back into a merge. So the law holds bit for bit.

Exact or coarse: on 96 street scenes and four layers of SqueezeNet the coarse pass took 0.82 to
0.87 of the exact one's time and kept two thirds of its entries; its thresholds were higher by at
most 4.8e-4 of themselves, IoU differed by at most 0.002, and no layer had another number of
detectors. So the exact one is taken where it fits, and the coarse one where memory would grow with
the images. A sketch as KLL bounds the rank instead of the value, is random, and depends on the
order.

Source:
    The quantile of Bau et al., "Network Dissection", CVPR 2017, section 2.2: P(a > T) = 0.005 over
    all positions of all images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float32, Int32, Int64

from striate.atlas.accumulators.law import Arrays

COARSE = 12
"""Bits that keys go without where exact ones would be too many."""

_EXACT_UP_TO = 1 << 22
"""Values of a layer that are kept exactly: 50 MB of keys and counts."""

_KEY_BITS = 32
_KEY_MASK = (1 << _KEY_BITS) - 1
_HIGHEST = (1 << (_KEY_BITS - 1)) - 1


@dataclass(frozen=True, slots=True)
class Tail:
    """The largest values of each unit; see the module.

    Attributes:
        counted: How many values were seen of each unit.
        offsets: Where each unit's keys begin; the last is how many there are.
        keys: Distinct keys, unit after unit, largest first.
        counts: How many values have each key.
        most: How many values are kept of each unit, at least.
        shift: Bits that keys go without.
    """

    counted: Int64[np.ndarray, " units"]
    offsets: Int64[np.ndarray, " units_and_one"]
    keys: Int32[np.ndarray, " entries"]
    counts: Int64[np.ndarray, " entries"]
    most: int
    shift: int

    @classmethod
    def empty(cls, units: int, most: int, shift: int = 0) -> "Tail":
        """Return the summary of no values.

        Args:
            units: How many.
            most: Values to keep of each.
            shift: Bits that keys go without.
        """
        nothing = np.zeros(0, np.int32), np.zeros(0, np.int64)
        return cls(np.zeros(units, np.int64), np.zeros(units + 1, np.int64), *nothing, most, shift)

    @classmethod
    def of(cls, values: Float32[np.ndarray, "units values"], most: int, shift: int = 0) -> "Tail":
        """Return the summary of finite values.

        Args:
            values: Of each unit, in any order.
            most: Values to keep of each.
            shift: Bits that keys go without.

        Example:
            >>> tail = Tail.of(np.array([[3, 1, 3, 2]], np.float32), most=3)
            >>> tail.values().tolist(), tail.counts.tolist()
            ([3.0, 2.0], [2, 1])
        """
        units, count = values.shape
        codes = codes_of(values, np.arange(units)[:, None], shift)
        counted = np.full(units, count, np.int64)
        return cls.of_codes(codes.ravel(), np.ones(codes.size, np.int64), counted, most, shift)

    @classmethod
    def of_codes(
        cls,
        codes: Int64[np.ndarray, " entries"],
        counts: Int64[np.ndarray, " entries"],
        counted: Int64[np.ndarray, " units"],
        most: int,
        shift: int,
    ) -> "Tail":
        """Return the summary of values that are coded already.

        Args:
            codes: From `codes_of`, in any order, also several times.
            counts: How many values each stands for.
            counted: How many values were seen of each unit, those that are not among the codes
                included.
            most: Values to keep of each unit.
            shift: Bits that keys go without.
        """
        # Runs that are sorted already, as two summaries are, are merged rather than sorted.
        order = np.argsort(codes, kind="stable")
        codes, counts = codes[order], counts[order]
        new = np.ones(len(codes), bool)
        np.not_equal(codes[1:], codes[:-1], out=new[1:])
        if not new.all():
            first = np.flatnonzero(new)
            codes, counts = codes[first], np.add.reduceat(counts, first)
        until = counts.cumsum()
        borders = np.arange(len(counted) + 1, dtype=np.int64) << _KEY_BITS
        starts = np.searchsorted(codes, borders)
        base = np.concatenate([np.zeros(1, np.int64), until])[starts]
        lengths = np.diff(starts)
        if (np.diff(base) > most).any():
            kept = until - counts < np.repeat(base[:-1] + most, lengths)
            codes, counts = codes[kept], counts[kept]
            starts = np.searchsorted(codes, borders)
        keys = (_HIGHEST - (codes & _KEY_MASK)).astype(np.int32)
        return cls(counted, starts, keys, counts, most, shift)

    def merge(self, other: "Tail") -> "Tail":
        """Return the summary of both sets of values; both keep equally many, of equal keys."""
        return self.of_codes(
            np.concatenate([self.codes(), other.codes()]),
            np.concatenate([self.counts, other.counts]),
            self.counted + other.counted,
            self.most,
            self.shift,
        )

    def codes(self) -> Int64[np.ndarray, " entries"]:
        """Return unit and key of each entry as one integer, ascending; see `codes_of`."""
        units = np.arange(len(self.counted), dtype=np.int64) << _KEY_BITS
        codes: np.ndarray = np.repeat(units + _HIGHEST, np.diff(self.offsets)) - self.keys
        return codes

    def values(self) -> Float32[np.ndarray, " entries"]:
        """Return the largest float of each key: at shift 0, the values themselves."""
        return floats_of(self.keys, self.shift)

    def floors(self) -> tuple[Float32[np.ndarray, " units"], Float32[np.ndarray, " units"]]:
        """Return the smallest and the largest value of each unit's last key, once it is final.

        Values below cannot enter a merge any more. Where fewer values were seen than are kept, all
        can: then they are infinity and minus infinity.
        """
        held = np.append(self.counts.cumsum(), 0)
        ends, starts = self.offsets[1:], self.offsets[:-1]
        total = np.where(ends > 0, held[ends - 1], 0) - np.where(starts > 0, held[starts - 1], 0)
        full = total >= self.most
        last = self.keys[np.maximum(ends - 1, 0)] if len(self.keys) else np.zeros(len(ends), int)
        lowest = _floats((last.astype(np.int64) << self.shift).astype(np.int32))
        lower = np.where(full, lowest, np.float32(np.inf))
        upper = np.where(full, floats_of(last.astype(np.int32), self.shift), np.float32(-np.inf))
        return lower.astype(np.float32), upper.astype(np.float32)

    def threshold(self, quantile: float) -> Float32[np.ndarray, " units"]:
        """Return the value that a share of each unit's values exceeds.

        Args:
            quantile: The share; as many values as `rank` says must be kept.

        Returns:
            The value with ``floor(quantile * counted)`` larger ones before it, or at most 2^-11 of
            it above at shift 12. At most that share of the values is larger. Infinity where nothing
            was counted.

        Example:
            >>> values = np.arange(1000, dtype=np.float32)[None]
            >>> Tail.of(values, most=6).threshold(0.005)
            array([994.], dtype=float32)
        """
        wanted = np.array([rank(quantile, int(count)) for count in self.counted], np.int64)
        after = np.append(0, self.counts.cumsum())
        place = np.searchsorted(after[1:], after[self.offsets[:-1]] + wanted, side="right")
        seen = self.counted > 0
        if not len(self.keys):
            return np.full(len(self.counted), np.inf, np.float32)
        found = self.values()[np.minimum(place, len(self.keys) - 1)]
        return np.where(seen, found, np.float32(np.inf)).astype(np.float32)

    def to_arrays(self) -> Arrays:
        """Return the arrays, and the two settings as one."""
        return {
            "counted": self.counted,
            "offsets": self.offsets,
            "keys": self.keys,
            "counts": self.counts,
            "settings": np.array([self.most, self.shift], np.int64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Tail":
        """Return the summary with this content."""
        most, shift = arrays["settings"].tolist()
        counted, offsets = arrays["counted"], arrays["offsets"]
        return cls(counted, offsets, arrays["keys"], arrays["counts"], most, shift)


def rank(quantile: float, count: int) -> int:
    """Return how many of some values may be larger than the threshold.

    >>> rank(0.005, 2000), rank(0.29, 100)
    (10, 29)
    """
    # 0.29 * 100 is 28.999999999999996: what was written is meant, not the nearest binary number.
    return int(Fraction(str(quantile)) * count)


def shift_for(units: int, most: int) -> int:
    """Return the shift of a layer: 0 where its largest values can be kept exactly.

    >>> shift_for(256, 3346), shift_for(256, 53493)
    (0, 12)
    """
    return 0 if units * most <= _EXACT_UP_TO else COARSE


def codes_of(values: np.ndarray, units: np.ndarray, shift: int) -> np.ndarray:
    """Return values as integers in the order of units, then of falling values.

    Args:
        values: float32, finite.
        units: Index of the unit of each, of a shape that broadcasts.
        shift: Bits that keys go without.

    Returns:
        int64, of the values' shape.
    """
    # Minus zero is zero: both are one value, but two patterns of bits.
    bits = (values + np.float32(0)).view(np.int32)
    keys = (bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> shift
    codes: np.ndarray = ((units.astype(np.int64) << _KEY_BITS) + _HIGHEST) - keys
    return codes


def floats_of(keys: Int32[np.ndarray, " keys"], shift: int) -> Float32[np.ndarray, " keys"]:
    """Return the largest float of each key."""
    return _floats((((keys.astype(np.int64) + 1) << shift) - 1).astype(np.int32))


def _floats(ordered: np.ndarray) -> np.ndarray:
    bits = ordered ^ ((ordered >> 31) & 0x7FFFFFFF)
    floats: np.ndarray = bits.astype(np.int32).view(np.float32)
    return floats
