"""L10: merging is associative and commutative, empty is its unit, any split makes the whole.

Values are dyadic (multiples of 1/8, small), so that sums are exact too and must agree bit for bit.
"""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.atlas_oracle import BINS, bin_of, lattice_of, selectivity, summarize, top_of
from striate.atlas.accumulators.by_class import ByClass
from striate.atlas.accumulators.histogram import Histogram, bins_of, edges, lattice
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.accumulators.moments import Moments
from striate.atlas.accumulators.topk import NOBODY, TopK

FEW = settings(max_examples=60, deadline=None)
K = 3
PARTS = {"top": TopK, "moments": Moments, "histogram": Histogram, "by_class": ByClass}


def equal(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def part(arrays: Mapping[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    fields = {k.partition(".")[2]: v for k, v in arrays.items() if k.startswith(f"{name}.")}
    return {k: fields[k] for k in PARTS[name].from_arrays(fields).to_arrays()}


@st.composite
def seen(draw: st.DrawFn) -> tuple[np.ndarray, list[int], list[int]]:
    """Maps of a few images (few distinct values: many ties), ids in any order, classes."""
    images, units = draw(st.integers(0, 9)), draw(st.just(2))
    values = draw(
        st.lists(
            st.integers(-3, 3).map(lambda n: n / 8) | st.just(float("nan")) | st.just(float("inf")),
            min_size=images * units * 4,
            max_size=images * units * 4,
        )
    )
    maps = np.array(values, np.float32).reshape(images, units, 2, 2)
    ids = draw(st.permutations(range(images)))
    labels = draw(st.lists(st.integers(-1, 2), min_size=images, max_size=images))
    return maps, list(ids), labels


def of(maps: np.ndarray, ids: list[int], labels: list[int]) -> LayerSummary:
    return LayerSummary.from_arrays(summarize(maps, ids, labels, K))


def cuts(data: st.DataObject, images: int) -> tuple[slice, slice, slice]:
    first, second = sorted(data.draw(st.tuples(st.integers(0, images), st.integers(0, images))))
    return slice(0, first), slice(first, second), slice(second, images)


@FEW
@given(seen(), st.data())
def test_any_split_in_any_order_is_the_whole(
    all_seen: tuple[np.ndarray, list[int], list[int]], data: st.DataObject
) -> None:
    maps, ids, labels = all_seen
    a, b, c = (of(maps[s], ids[s], labels[s]) for s in cuts(data, len(ids)))
    whole = summarize(maps, ids, labels, K)
    for merged in (
        a.merge(b).merge(c), a.merge(b.merge(c)), c.merge(a).merge(b), b.merge(c.merge(a)),
    ):  # fmt: skip
        equal({k: merged.to_arrays()[k] for k in whole}, whole)


@FEW
@given(seen(), st.sampled_from(sorted(PARTS)))
def test_empty_is_the_unit(all_seen: tuple[np.ndarray, list[int], list[int]], name: str) -> None:
    arrays = part(summarize(*all_seen, K), name)
    kind = PARTS[name]
    empty = TopK.empty(2, K) if kind is TopK else kind.empty(2)
    summary = kind.from_arrays(arrays)
    equal(summary.merge(empty).to_arrays(), arrays)
    equal(empty.merge(summary).to_arrays(), arrays)
    equal(empty.merge(empty).to_arrays(), empty.to_arrays())


@FEW
@given(seen(), seen(), st.sampled_from(sorted(PARTS)))
def test_each_accumulator_is_commutative(
    one: tuple[np.ndarray, list[int], list[int]],
    other: tuple[np.ndarray, list[int], list[int]],
    name: str,
) -> None:
    maps, ids, labels = other
    shifted = (maps, [image + 100 for image in ids], labels)
    a, b = (PARTS[name].from_arrays(part(summarize(*s, K), name)) for s in (one, shifted))
    equal(a.merge(b).to_arrays(), b.merge(a).to_arrays())


@FEW
@given(seen())
def test_arrays_round_trip(all_seen: tuple[np.ndarray, list[int], list[int]]) -> None:
    arrays = summarize(*all_seen, K)
    equal(LayerSummary.from_arrays(arrays).to_arrays(), arrays)
    for name, kind in PARTS.items():
        mine = part(arrays, name)
        equal(kind.from_arrays(mine).to_arrays(), mine)


@FEW
@given(
    st.lists(
        st.sampled_from([-np.inf, -2.5, -1.0, 0.0, 1.0, 1.0, 7.0, np.inf]), min_size=0, max_size=40
    ),
    st.integers(1, 60),
    st.data(),
)
def test_top_k_against_sorting_everything(values: list[float], k: int, data: st.DataObject) -> None:
    """Many equal values, both infinities, and a k often larger than the number of images."""
    column = np.array(values, np.float32)[:, None]
    places = data.draw(st.permutations(range(len(values)))), np.zeros(len(values))
    places = np.array(places, np.int64).T.reshape(len(values), 1, 2)
    order = data.draw(st.permutations(range(len(values))))
    merged = TopK.empty(1, k)
    for image in order:
        one = top_of(column[image : image + 1], [image], places[image : image + 1], k)
        merged = merged.merge(TopK.from_arrays(one))
    equal(merged.to_arrays(), top_of(column, list(range(len(values))), places, k))


def test_top_k_of_equals_keeps_the_lower_ids() -> None:
    ids = [5, 900_000_000_000, 0, 7, 3]
    parts = [top_of(np.full((1, 1), 0.5), [i], np.zeros((1, 1, 2), np.int64), 2) for i in ids]
    merged = TopK.empty(1, 2)
    for arrays in parts:
        merged = merged.merge(TopK.from_arrays(arrays))
    assert merged.image.tolist() == [[0, 3]]


def test_a_top_k_that_is_not_full_says_so() -> None:
    one = TopK.from_arrays(top_of(np.array([[-4.0]]), [8], np.zeros((1, 1, 2), np.int64), 3))
    assert one.image.tolist() == [[8, NOBODY, NOBODY]]
    assert one.value.tolist() == [[-4.0, -np.inf, -np.inf]]


@FEW
@given(st.lists(st.lists(st.integers(-4, 40), min_size=3, max_size=3), min_size=0, max_size=4))
def test_selectivity_against_loops(totals: list[list[int]]) -> None:
    images = np.full((len(totals), 3), 4, np.int64)
    total = np.array(totals, np.float64).reshape(len(totals), 3)
    found = ByClass(np.arange(len(totals)), images, total).selectivity
    wanted = [selectivity([row[unit] / 4 for row in totals]) for unit in range(3)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_class_on_which_a_unit_was_never_finite_is_no_class_of_mean_zero() -> None:
    """L8: unit 0 gave NaN on all of class 1, so there is one class mean, and no selectivity."""
    by_class = ByClass(
        np.array([0, 1]), np.array([[2, 2], [0, 2]]), np.array([[4.0, 4.0], [0.0, 2.0]])
    )
    assert np.isnan(by_class.selectivity[0])
    assert by_class.selectivity[1] == pytest.approx(1 / 3)


# --- the histogram's bins and lattice ------------------------------------------------------------


@FEW
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50)
)
def test_bins_against_frexp(values: list[float]) -> None:
    found = bins_of(torch.tensor(values, dtype=torch.float32)).tolist()
    assert found == [bin_of(value) for value in values]


def test_bins_lie_between_their_edges() -> None:
    ascending = edges()
    assert len(ascending) == BINS + 1
    assert (np.diff(ascending) > 0).all()
    lower = torch.from_numpy(ascending[BINS // 2 + 1 : -1]).float()
    assert bins_of(lower).tolist() == list(range(BINS // 2 + 1, BINS))
    assert bins_of(-lower).tolist() == list(range(BINS // 2 - 1, -1, -1))
    below = torch.nextafter(lower, torch.zeros(()))
    assert bins_of(below).tolist() == list(range(BINS // 2, BINS - 1))


@pytest.mark.parametrize("size", [*range(1, 40), 56, 112, 224, 1000])
def test_lattice(size: int) -> None:
    assert lattice(size) == lattice_of(size)
    assert len(set(lattice(size))) == min(size, 4)
    assert max(lattice(size)) < size
