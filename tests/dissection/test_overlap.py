"""Counts of shared pixels: the merge law, the golden row, unique detectors."""

import numpy as np
import pytest

from oracles.dissection import iou, unique
from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.topk import TopK
from striate.dissection.results import NO_CONCEPT, LayerDissection, categories_of
from striate.dissection.table import summary, table
from striate.image.concepts.concept_set import Concept

CONCEPTS = (
    Concept("car", "object"), Concept("red", "colour"), Concept("tree", "object"),
    Concept("green", "colour"), Concept("street", "scene"),
)  # fmt: skip


def some(seed: int, units: int = 6) -> Overlap:
    chance = np.random.default_rng(seed)
    both = chance.integers(0, 30, (units, 5)) * (chance.random((units, 5)) < 0.6)
    active = np.stack([both[:, k].max(1) for k in ([0, 2], [1, 3], [4])], 1)
    active = active + chance.integers(0, 90, active.shape)
    pixels = both.max(0) + chance.integers(1, 90, 5)
    return Overlap(pixels, active, both, chance.integers(1, 9, 3))


def dissected(overlap: Overlap) -> LayerDissection:
    units = len(overlap.both)
    return LayerDissection(
        "conv", CONCEPTS, np.ones(units, np.float32), overlap, TopK.empty(units, 9)
    )


def test_the_golden_row() -> None:
    """AlexNet conv5, unit 198: a wheel detector of the released results."""
    counts = Overlap(*map(np.array, ([1540612], [[1584597]], [[561458]], [1])))
    assert counts.iou(np.array([0]))[0, 0] == 0.21899864690447707
    assert iou(1540612, 1584597, 561458) == 0.21899864690447707


def test_the_law() -> None:
    a, b, c = some(0), some(1), some(2)
    empty = Overlap.empty(6, 5, 3)
    for one, other in (
        (a.merge(b).merge(c), a.merge(b.merge(c))), (a.merge(b), b.merge(a)), (a.merge(empty), a),
        (Overlap.from_arrays(a.to_arrays()), a),
    ):  # fmt: skip
        for name, array in one.to_arrays().items():
            assert array.dtype == np.int64
            np.testing.assert_array_equal(array, other.to_arrays()[name])


def test_nothing_over_nothing_is_zero() -> None:
    assert Overlap.empty(2, 3, 1).iou(np.zeros(3, np.int64)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("seed", range(5))
def test_scores_and_unique_detectors_are_those_of_loops(seed: int) -> None:
    overlap = some(seed)
    layer = dissected(overlap)
    categories = categories_of(CONCEPTS)
    scores = np.array([
        [iou(overlap.pixels[c], overlap.active[u, categories[c]], overlap.both[u, c])
         for c in range(5)]
        for u in range(6)
    ])  # fmt: skip
    np.testing.assert_array_equal(layer.iou, scores)
    for level in (0.04, 0.15):
        wanted = unique(scores, [(c.name, c.category) for c in CONCEPTS], level)
        found = layer.unique(level)
        assert {k: {CONCEPTS[c].name for c in v} for k, v in found.items()} == wanted
        np.testing.assert_array_equal(layer.detectors(level), scores.max(1) > level)
    np.testing.assert_array_equal(layer.best_iou, scores.max(1))


def test_a_unit_counts_in_several_categories_and_a_concept_once() -> None:
    """As the released results count: units 0 and 1 both say "car", and unit 0 says "red" too."""
    both = np.array([[50, 50, 0, 0, 0], [60, 0, 40, 0, 0], [0, 0, 0, 0, 0]])
    overlap = Overlap(np.full(5, 100), np.full((3, 3), 100), both, np.ones(3, np.int64))
    layer = dissected(overlap)
    assert layer.unique() == {"object": (0,), "colour": (1,), "scene": ()}
    assert layer.detectors().tolist() == [True, True, False]
    assert layer.best.tolist() == [0, 0, NO_CONCEPT]
    assert layer.best_in(1)[0].tolist() == [1, NO_CONCEPT, NO_CONCEPT]
    # Just at the level is not above it: 50 / 150.
    assert layer.unique(50 / 150)["colour"] == ()


def test_the_table_has_the_released_columns() -> None:
    both = np.array([[0, 0, 0, 0, 0], [60, 10, 40, 0, 0]])
    overlap = Overlap(np.full(5, 100), np.array([[7, 7, 7], [90, 80, 70]]), both, np.ones(3, int))
    rows = [line.split(",") for line in table(dissected(overlap)).splitlines()]
    assert rows[0][:9] == [
        "unit", "category", "label", "score", "object-label", "object-truth", "object-activation",
        "object-intersect", "object-iou",
    ]  # fmt: skip
    assert rows[1][:4] == ["2", "object", "car", repr(60 / 130)]
    assert rows[1][4:9] == ["car", "100", "90", "60", repr(60 / 130)]
    assert rows[1][9:14] == ["red", "100", "80", "10", repr(10 / 170)]
    assert rows[1][14:] == ["", "0", "70", "0", "0.0"]
    assert rows[2][:4] == ["1", "", "", "0.0"]
    said = summary(dissected(overlap))
    assert said["units"][1] == {"unit": 1, "concept": "car", "category": "object", "iou": 60 / 130}
    assert said["units"][0] == {"unit": 0, "concept": None, "category": None, "iou": 0.0}
    assert (said["detectors"], said["unique"]) == (1, {"object": 1, "colour": 1, "scene": 0})
