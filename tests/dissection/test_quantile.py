"""The largest values of each unit: against sorting all, in any split and order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.dissection import threshold
from striate.atlas.accumulators.quantile import COARSE, Tail, rank, shift_for

FEW = settings(max_examples=80, deadline=None)


def equal(one: Tail, other: Tail) -> None:
    for name, array in one.to_arrays().items():
        twin = other.to_arrays()[name]
        assert array.dtype == twin.dtype, name
        np.testing.assert_array_equal(array, twin, err_msg=name)


@st.composite
def values(draw: st.DrawFn) -> np.ndarray:
    """Few distinct values, so that many are equal; minus zero among them."""
    count = draw(st.integers(0, 30))
    few = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 1e-40, 0.5, 0.5001, 3.0, 7.0, 1e30])
    rows = [draw(st.lists(few, min_size=count, max_size=count)) for _ in range(2)]
    return np.array(rows, np.float32).reshape(2, count)


@FEW
@given(st.data(), st.integers(1, 12), st.sampled_from([0, 12]))
def test_the_law(data: st.DataObject, most: int, shift: int) -> None:
    """Any split in three, merged in any order and any grouping, is the whole, bit for bit."""
    seen = data.draw(values())
    first, second = sorted(data.draw(st.tuples(*[st.integers(0, seen.shape[1])] * 2)))
    parts = [seen[:, :first], seen[:, first:second], seen[:, second:]]
    a, b, c = (Tail.of(part, most, shift) for part in parts)
    whole = Tail.of(seen[:, data.draw(st.permutations(range(seen.shape[1])))], most, shift)
    equal(a.merge(b).merge(c), whole)
    equal(a.merge(b.merge(c)), whole)
    equal(c.merge(a).merge(b), whole)
    equal(whole.merge(Tail.empty(2, most, shift)), whole)
    equal(Tail.empty(2, most, shift).merge(whole), whole)
    equal(Tail.from_arrays(whole.to_arrays()), whole)


@pytest.mark.parametrize("quantile", ["0.005", "0.01", "0.05", "0.3", "0.29"])
@pytest.mark.parametrize("kind", ["normal", "sparse", "few"])
def test_the_threshold_is_that_of_sorting(quantile: str, kind: str) -> None:
    chance = np.random.default_rng(7)
    seen = chance.standard_normal((5, 2000)).astype(np.float32)
    if kind == "sparse":
        seen = np.where(chance.random(seen.shape) < 0.003, np.abs(seen), np.float32(0))
    if kind == "few":
        seen = np.round(seen * 4) / 4
    tail = Tail.of(seen, rank(float(quantile), 2000) + 1)
    found = tail.threshold(float(quantile))
    np.testing.assert_array_equal(found, [threshold(row, quantile) for row in seen])
    assert ((seen > found[:, None]).sum(1) <= rank(float(quantile), 2000)).all()


@pytest.mark.parametrize("quantile", [0.005, 0.05])
@pytest.mark.parametrize("sign", [1, -1])
def test_coarse_keys_keep_the_stated_error(quantile: float, sign: int) -> None:
    """Never below the exact threshold, above by at most 2^-11 of it: at most the share exceeds."""
    seen = np.random.default_rng(3).lognormal(0, 3, (4, 40_000)).astype(np.float32) * sign
    most = rank(quantile, seen.shape[1]) + 1
    parts = [Tail.of(part, most, COARSE) for part in np.split(seen, 5, axis=1)]
    tail = parts[0]
    for part in parts[1:]:
        tail = tail.merge(part)
    exact, found = Tail.of(seen, most).threshold(quantile), tail.threshold(quantile)
    assert (found >= exact).all()
    assert (found - exact <= np.abs(exact) * 2.0**-11).all()
    assert (found > exact).any()
    assert ((seen > found[:, None]).mean(1) <= quantile).all()


def test_what_is_kept_does_not_grow() -> None:
    """Coarse keys: a tail of a hundred times the values has hardly more entries."""
    chance = np.random.default_rng(0)
    sizes = []
    for count in (20_000, 2_000_000):
        most = rank(0.005, count) + 1
        seen = chance.standard_normal((1, count)).astype(np.float32)
        sizes.append(len(Tail.of(seen, most, COARSE).keys))
    assert sizes[1] < 2600
    assert sizes[0] > 90


def test_a_later_part_may_count_fewer() -> None:
    """Units that were not finite somewhere have fewer values; each has its own rank."""
    seen = np.arange(400, dtype=np.float32)
    one = Tail.of(seen[None], 100)
    tail = Tail(np.array([200]), one.offsets, one.keys, one.counts, 100, 0)
    assert tail.threshold(0.1).tolist() == [379.0]
    assert one.threshold(0.1).tolist() == [359.0]


def test_nothing_seen_is_never_exceeded() -> None:
    tail = Tail.of(np.ones((2, 3), np.float32), 2)
    half = Tail(np.array([3, 0]), np.array([0, 1, 1]), tail.keys[:1], tail.counts[:1], 2, 0)
    assert half.threshold(0.5).tolist() == [1.0, np.inf]
    assert Tail.empty(2, 5).threshold(0.5).tolist() == [np.inf, np.inf]


def test_floors() -> None:
    tail = Tail.of(np.array([[1, 2, 2, 3], [5, 5, 5, 5]], np.float32), most=2)
    assert [floor.tolist() for floor in tail.floors()] == [[2.0, 5.0], [2.0, 5.0]]
    few = Tail.of(np.array([[1, 2]], np.float32), most=3)
    assert [floor.tolist() for floor in few.floors()] == [[np.inf], [-np.inf]]


def test_which_layers_are_kept_exactly() -> None:
    assert shift_for(512, 776) == 0
    assert shift_for(2048, 53_493) == COARSE
