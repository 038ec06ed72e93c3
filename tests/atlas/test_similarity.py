"""Correlations, orders and deviations, against numpy's own and against loops."""

import math

import numpy as np
import pytest

from striate.atlas import similarity
from striate.atlas.similarity import correlations, deviations, most_similar, seriation, spread

CHANCE = np.random.default_rng(20131112)
_BEGIN = CHANCE.bit_generator.state


@pytest.fixture(autouse=True)
def again() -> None:
    """Each test draws the same numbers, whichever ran before it."""
    CHANCE.bit_generator.state = _BEGIN


def responses(images: int = 60, units: int = 7, *, holes: float = 0.0) -> np.ndarray:
    """Units with something in common; a share of holes anywhere."""
    common = CHANCE.normal(size=(images, 2))
    values = common @ CHANCE.normal(size=(2, units)) + 0.5 * CHANCE.normal(size=(images, units))
    values = np.maximum(values, 0).astype(np.float32)
    values[CHANCE.random(values.shape) < holes] = np.nan
    return values


# --- correlations --------------------------------------------------------------------------------


def test_correlations_are_those_of_numpy() -> None:
    values = responses()
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T), atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    values = responses(holes=0.1)
    whole = correlations(values), *spread(values)
    monkeypatch.setattr(similarity, "_ROWS", rows)
    for found, wanted in zip((correlations(values), *spread(values)), whole, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_images_that_were_not_seen_do_not_count() -> None:
    values = responses(40)
    with_gaps = np.full((60, 7), np.nan, np.float32)
    with_gaps[10:50] = values
    np.testing.assert_allclose(correlations(with_gaps), np.corrcoef(values.T), atol=1e-12)


def test_where_a_unit_was_not_finite_the_images_of_both_count() -> None:
    values = responses(holes=0.2)
    found = correlations(values)
    for a in range(7):
        for b in range(7):
            both = np.isfinite(values[:, a]) & np.isfinite(values[:, b])
            wanted = np.corrcoef(values[both][:, [a, b]].T)[0, 1]
            assert found[a, b] == pytest.approx(wanted, abs=1e-10)


def test_units_that_never_vary_have_none() -> None:
    values = responses()
    values[:, 2], values[:, 4], values[:, 5] = 0.0, 0.1, np.nan
    found, wanted = correlations(values), np.corrcoef(values[:, [0, 1, 3, 6]].T)
    for unit in (2, 4, 5):
        assert np.isnan(found[unit]).all()
        assert np.isnan(found[:, unit]).all()
    np.testing.assert_allclose(found[np.ix_([0, 1, 3, 6], [0, 1, 3, 6])], wanted, atol=1e-12)


def test_a_unit_that_varies_only_where_the_other_is_not_finite() -> None:
    values = np.array([[1, 2], [1, 3], [1, 5], [9, np.nan]], np.float32)
    found = correlations(values)
    assert np.isnan(found[0, 1])
    assert found[0, 0] == found[1, 1] == 1


def test_units_with_no_image_in_common() -> None:
    values = np.full((6, 2), np.nan, np.float32)
    values[:3, 0], values[3:, 1] = [1, 2, 3], [1, 2, 4]
    assert np.isnan(correlations(values)[0, 1])


@pytest.mark.parametrize("shift", [0.0, 1e4, -1e6])
def test_large_means_do_not_drown_what_varies(shift: float) -> None:
    values = CHANCE.normal(size=(200, 4)) @ CHANCE.normal(size=(4, 4)) + shift
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T), atol=1e-8)


def test_infinite_responses_count_as_none() -> None:
    values = responses()
    gaps = values.copy()
    values[3, 1], gaps[3, 1] = np.inf, np.nan
    np.testing.assert_array_equal(correlations(values), correlations(gaps))


def test_properties() -> None:
    found = correlations(responses(holes=0.1))
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1.0)
    assert np.abs(found).max() <= 1.0


def test_most_similar() -> None:
    found = correlations(responses(units=9))
    found[4], found[:, 4] = np.nan, np.nan
    for unit in range(9):
        others = [(-found[unit, k], k) for k in range(9) if k not in {unit, 4}]
        wanted = [(k, -r) for r, k in sorted(others)[:3]] if unit != 4 else []
        assert most_similar(found, unit, 3) == wanted
    assert len(most_similar(found, 0, 100)) == 7


def test_equals_come_in_order_of_units() -> None:
    assert [unit for unit, _ in most_similar(np.ones((6, 6)), 2, 4)] == [0, 1, 3, 4]


# --- deviations ----------------------------------------------------------------------------------


@pytest.mark.parametrize("holes", [0.0, 0.2])
def test_deviations(holes: float) -> None:
    values = responses(holes=holes)
    values[:, 3], values[:, 5] = 0.1, np.nan
    known = spread(values)
    for image in (0, 17, 59):
        found = deviations(values, image)
        np.testing.assert_array_equal(found, deviations(values, image, known))
        for unit in range(7):
            column = values[:, unit].astype(np.float64)
            column = column[np.isfinite(column)]
            if unit in {3, 5} or not np.isfinite(values[image, unit]):
                assert np.isnan(found[unit])
                continue
            mean = sum(column) / len(column)
            wide = math.sqrt(sum((v - mean) ** 2 for v in column) / len(column))
            assert found[unit] == pytest.approx((values[image, unit] - mean) / wide)


def test_an_image_that_was_not_seen_has_no_deviations() -> None:
    values = responses()
    values[4] = np.nan
    assert np.isnan(deviations(values, 4)).all()


# --- seriation -----------------------------------------------------------------------------------


def band(size: int, width: int) -> np.ndarray:
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    return np.maximum(1 - apart / width, 0.0)


def either_way(order: list[int], wanted: list[int]) -> bool:
    return order in (wanted, wanted[::-1])


@pytest.mark.parametrize(("size", "width"), [(3, 2), (10, 2), (25, 6), (80, 5), (200, 30)])
def test_a_shuffled_band_is_put_in_order_again(size: int, width: int) -> None:
    shuffle = CHANCE.permutation(size)
    order = seriation(band(size, width)[np.ix_(shuffle, shuffle)])
    assert either_way([int(shuffle[k]) for k in order], list(range(size)))
    assert order[0] < order[-1]


def test_groups_that_nothing_connects() -> None:
    """Bands of 9, 6 and 3, two things alone: the larger group first, each in its order."""
    sizes = [9, 6, 3, 1, 1]
    weights = np.zeros((20, 20))
    starts = np.cumsum([0, *sizes])
    for start, size in zip(starts, sizes, strict=False):
        weights[start : start + size, start : start + size] = band(size, 3)
    shuffle = CHANCE.permutation(20)
    order = [int(shuffle[k]) for k in seriation(weights[np.ix_(shuffle, shuffle)])]
    for start, size in zip(starts[:3], sizes[:3], strict=True):
        assert either_way(order[start : start + size], list(range(start, start + size)))
    assert sorted(order) == list(range(20))


@pytest.mark.parametrize("value", [0.0, 1.0, math.nan, -1.0])
def test_where_all_are_alike_the_order_is_any_but_whole(value: float) -> None:
    order = seriation(np.full((7, 7), value))
    assert sorted(order) == list(range(7))
    assert order == seriation(np.full((7, 7), value))
    if value != 1.0:
        assert order == list(range(7))


@pytest.mark.parametrize("size", [0, 1, 2])
def test_few_things(size: int) -> None:
    assert seriation(np.ones((size, size))) == list(range(size))


def test_weights_that_are_not_symmetric_count_both_ways() -> None:
    weights = CHANCE.random((12, 12))
    assert seriation(weights) == seriation(weights.T) == seriation((weights + weights.T) / 2)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_scale_does_not_matter(scale: float) -> None:
    shuffle = CHANCE.permutation(15)
    weights = band(15, 4)[np.ix_(shuffle, shuffle)]
    assert seriation(scale * weights) == seriation(weights)


def test_units_that_never_vary_stand_at_the_end() -> None:
    values = responses(units=6)
    values[:, 1] = 0
    assert seriation(correlations(values))[-1] == 1
    alone = np.eye(4)
    alone[1] = alone[:, 1] = np.nan
    assert seriation(alone) == [0, 2, 3, 1]


def test_nearly_nothing_between_things_is_no_division_by_zero() -> None:
    """Correlations of units that have nothing in common are often 1e-18, not 0."""
    weights = np.zeros((10, 10))
    weights[:9, :9] = 1.0
    weights[9, 8] = weights[8, 9] = 1e-18
    assert sorted(seriation(weights)) == list(range(10))
    for seed in range(200):
        generator = np.random.default_rng(seed)
        size = int(generator.integers(1, 30))
        spread_out = generator.random((size, size)) ** generator.integers(1, 60)
        sparse = spread_out * (generator.random((size, size)) < 0.3)
        assert sorted(seriation(sparse)) == list(range(size))
