"""The first pass: the largest activations of each unit, for its threshold."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from striate.atlas.accumulators.quantile import Tail, codes_of
from striate.dissection.labels import Labels
from striate.dissection.watch import Watcher, are_finite
from striate.network.layers import Layer
from striate.shapes import Maps

_TOGETHER = 1 << 22
"""Values that are looked at at once."""

_UNSORTED = 1 << 22
"""Candidates that are kept unsorted."""


class _State(NamedTuple):
    """What is known, and what is not sorted into it yet; never changed in place."""

    tail: Tail
    codes: tuple[np.ndarray, ...]
    ties: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, tail: Tail) -> "_State":
        nothing = np.zeros(len(tail.counted), np.int64)
        return cls(tail, (), nothing, nothing)

    @property
    def held(self) -> int:
        return sum(map(len, self.codes))

    def sorted_in(self) -> "_State":
        """Let the candidates in; what falls out is below every floor from now on."""
        tail = self.tail
        codes = np.sort(np.concatenate([np.zeros(0, np.int64), *self.codes]))
        tied = np.flatnonzero(self.ties)
        entering = Tail.of_codes(
            np.concatenate([codes, codes_of(tail.floors()[0][tied], tied, tail.shift)]),
            np.concatenate([np.ones(len(codes), np.int64), self.ties[tied]]),
            self.counted,
            tail.most,
            tail.shift,
        )
        return self.of(tail.merge(entering))


class TailWatcher(Watcher):
    """Keeps the largest activations of each unit of a layer.

    Only what exceeds the last value that is kept is looked at; what equals it is counted.

    Args:
        layer: The layer.
        basis: See `Watcher`.
        tail: What is known so far.
    """

    def __init__(
        self, layer: Layer, basis: Float64[np.ndarray, "units units"] | None, tail: Tail
    ) -> None:
        super().__init__(layer, basis)
        self._be(_State.of(tail))
        self._before = self._state

    def _be(self, state: _State) -> None:
        self._state = state
        lower, upper = state.tail.floors()
        self._full = bool(np.isfinite(lower).any())
        self._floors = torch.from_numpy(lower), torch.from_numpy(upper)

    def undo(self) -> None:
        """Forget what was taken since the last `commit`."""
        self._be(self._before)

    def commit(self, ids: Sequence[int], labels: Sequence[Labels]) -> None:
        """Make what was taken final; which images they were makes no difference."""
        del ids, labels
        self._before = self._state

    def take(self, maps: Maps) -> None:
        """Look at the maps of some images."""
        flat = maps.flatten(2)
        step = max(1, _TOGETHER // max(flat[0].numel(), 1))
        for start in range(0, len(flat), step):
            self._take(flat[start : start + step].contiguous())

    def _take(self, flat: Tensor) -> None:
        _, finite = are_finite(flat)
        if not bool(finite.all()):
            # NaN is neither above nor equal to anything.
            flat = torch.where(finite[:, :, None], flat, torch.nan)
        units, places = flat.shape[1:]
        lower, upper = (floor.to(flat.device)[:, None] for floor in self._floors)
        above = (flat > upper).flatten().nonzero().flatten()
        tail, codes, ties, counted = self._state
        if self._full:
            ties = ties + ((flat >= lower) & (flat <= upper)).sum((0, 2)).cpu().numpy()
        unit = (above // places % units).cpu().numpy()
        more = codes_of(flat.flatten()[above].cpu().numpy(), unit, tail.shift)
        counted = counted + finite.sum(0).cpu().numpy() * places
        self._state = _State(tail, (*codes, more), ties, counted)
        if self._state.held > _UNSORTED:
            self._be(self._state.sorted_in())

    @property
    def tail(self) -> Tail:
        """What is known: the largest values of all images so far."""
        if self._state.counted.any():
            self._be(self._state.sorted_in())
            self._before = self._state
        return self._state.tail
