"""Arithmetic of concept vectors, planted; what is stored comes back, and damage is found."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from striate.atlas.store.reader import Atlas, LayerRow
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.net2vec.tables import csv_of, lines_of
from striate.dissection.net2vec.vectors import (
    ConceptVectors,
    Learnt,
    LeftOut,
    Subset,
    Task,
    parse_sum,
)
from striate.errors import AddressError, AtlasError


class FakeAtlas(Atlas):
    """What `StoredVectors` asks of an atlas."""

    def __init__(self, home: Path, revision: str = "r1") -> None:
        self.home, self.revision, self.finished = home, revision, True
        self.layers = {
            name: LayerRow(number, name, "relu", 3, (2, 2), None, "", "", "", "", None)
            for number, name in enumerate("ab")
        }
        self.aliases = {}


def vectors(
    rows: dict[str, list[float]], *, task: Task = "segmentation", layer: str = "b"
) -> ConceptVectors:
    count, units = len(rows), len(next(iter(rows.values())))
    learnt = tuple(
        Learnt(
            name, "thing" if name != "twin2" else "other", 12, 6, 0.75, 1, 0.125, 0.25, 0.5, 0.625,
            0.1875,
            (Subset((1,), 0.25, 0.375), Subset((1, 0), 0.4375, 0.5)),
        )
        for name in rows
    )  # fmt: skip
    values = np.array(list(rows.values()), np.float32)
    return ConceptVectors(
        layer, task, {"epochs": 3, "sources": ["here"]}, learnt, values,
        np.arange(count, dtype=np.float32), np.zeros((count, 2, units), np.float32),
        np.zeros((count, 2), np.float32), np.full(units, 0.5, np.float32),
        (LeftOut("rare", "thing", "shown by 2 images"),), (("x.png", "is empty"),),
    )  # fmt: skip


@pytest.fixture
def planted() -> ConceptVectors:
    """grass = ground + green, sky = ground + blue: on planted parts the analogy is exact."""
    return vectors({
        "grass": [3.0, 0.0, 3.0], "sky": [0.5, 0.5, 0.0], "blue": [0.0, 7.0, 0.0],
        "green": [0.0, 0.0, 2.0], "ground": [1.0, 0.0, 0.0],
    })  # fmt: skip


def test_the_nearest_are_those_with_the_largest_cosine(planted: ConceptVectors) -> None:
    found = planted.nearest("grass", 3)
    by_hand = {"green": 2**-0.5, "ground": 2**-0.5, "sky": 0.5}
    assert [one.name for one in found] == ["green", "ground", "sky"]
    assert all(one.cosine == pytest.approx(by_hand[one.name]) for one in found)


def test_a_planted_analogy_is_exact(planted: ConceptVectors) -> None:
    """ground/√2 + green/√2 - green/√2 + blue/√2 is sky's direction: the cosine is 1."""
    root = 2**-0.5
    first, *others = planted.combine({"grass": 1.0, "green": -root, "blue": root})
    assert (first.name, first.cosine) == ("sky", pytest.approx(1.0))
    assert {one.name for one in others} == {"ground"}
    assert others[0].cosine == pytest.approx(root)


def test_a_concept_may_be_named_in_two_ways(planted: ConceptVectors) -> None:
    half = planted.combine({"grass": 0.5, "thing:grass": 0.5, "green": -1.0})
    assert half == planted.combine({"grass": 1.0, "green": -1.0})
    assert planted.combine({"grass": 1.0, "thing:grass": -1.0}) == []


def test_a_sum_that_is_zero_has_no_neighbours(planted: ConceptVectors) -> None:
    assert planted.combine({"grass": 0.0}) == []
    assert vectors({"one": [0.0, 0.0], "two": [1.0, 0.0]}).nearest("one") == []


def test_what_a_unit_takes_part_in(planted: ConceptVectors) -> None:
    found = [(one.name, share) for one, share in planted.shares_of(1)]
    assert found == [("blue", 1.0), ("sky", pytest.approx(2**-0.5))]


def test_a_name_that_is_not_there_or_not_one(planted: ConceptVectors) -> None:
    with pytest.raises(AddressError, match=r"no concept 'gras'.*grass"):
        planted.index("gras")
    with pytest.raises(AddressError, match="'rare' was not learnt in b: shown by 2 images"):
        planted.nearest("rare")
    two = planted.learnt[:2]
    same = tuple(
        dataclasses.replace(one, name="x", category=c) for one, c in zip(two, "pq", strict=True)
    )
    twins = dataclasses.replace(planted, learnt=(*same, *planted.learnt[2:]))
    with pytest.raises(AddressError, match="p:x or q:x"):
        twins.index("x")
    assert twins.index("q:x") == 1


def test_iou_is_of_segmentation_alone(planted: ConceptVectors) -> None:
    assert planted.iou == [0.5] * 5
    with pytest.raises(AddressError, match="balanced"):
        _ = vectors({"one": [1.0]}, task="classification").iou


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("grass", {"grass": 1.0}),
        ("a - b", {"a": 1.0, "b": -1.0}),
        ("+ a + a", {"a": 2.0}),
        ("2*red car - zig-zag", {"red car": 2.0, "zig-zag": -1.0}),
        ("thing:a + .5 * b", {"thing:a": 1.0, "b": 0.5}),
    ],
)
def test_sums_are_read(text: str, expected: dict[str, float]) -> None:
    assert parse_sum(text) == expected


@pytest.mark.parametrize("text", ["", "a + ", "a - - b"])
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="no sum"):
        parse_sum(text)


def test_what_is_stored_comes_back(planted: ConceptVectors, tmp_path: Path) -> None:
    atlas = FakeAtlas(tmp_path)
    stored = StoredVectors(atlas)
    assert stored.revision == ""
    stored.store(planted)
    found = StoredVectors(atlas).of("b")
    for name in ("vectors", "biases", "subset_vectors", "subset_biases", "thresholds"):
        assert np.array_equal(getattr(found, name), getattr(planted, name))
    for name in ("layer", "task", "settings", "learnt", "left_out", "skipped"):
        assert getattr(found, name) == getattr(planted, name)
    assert stored.there() == [("b", "segmentation")]
    said = stored.described("b", "segmentation")
    assert said is not None
    assert said["concepts"][0]["neighbours"][0]["name"] == "green"
    assert said["concepts"][2]["largest"] == [{"unit": 1, "share": 1.0}]


def test_both_tasks_lie_side_by_side_and_change_the_revision(
    planted: ConceptVectors, tmp_path: Path
) -> None:
    stored = StoredVectors(FakeAtlas(tmp_path))
    seen = {stored.revision}
    for found in (planted, dataclasses.replace(planted, task="classification")):
        stored.store(found)
        seen.add(stored.revision)
    stored.store(dataclasses.replace(planted, biases=planted.biases + 1))
    seen.add(stored.revision)
    assert len(seen) == 4
    assert stored.of("b", "classification").scores == planted.scores
    assert len(list((tmp_path / "net2vec").iterdir())) == 4


def test_another_atlas_s_vectors_are_none(planted: ConceptVectors, tmp_path: Path) -> None:
    StoredVectors(FakeAtlas(tmp_path)).store(planted)
    other = StoredVectors(FakeAtlas(tmp_path, "r2"))
    assert other.there() == []
    with pytest.raises(AtlasError, match="no concept vectors of b by segmentation; it has: none"):
        other.of("b")


@pytest.mark.parametrize("damage", ["json", "field", "arrays", "gone"])
def test_damage_is_found(planted: ConceptVectors, tmp_path: Path, damage: str) -> None:
    stored = StoredVectors(FakeAtlas(tmp_path))
    stored.store(planted)
    numbers = tmp_path / "net2vec" / "0001-segmentation.json"
    arrays = next((tmp_path / "net2vec").glob("*.safetensors"))
    if damage == "json":
        numbers.write_text(numbers.read_text()[:-10])
    elif damage == "field":
        said = json.loads(numbers.read_text())
        del said["concepts"][0]["single"]
        numbers.write_text(json.dumps(said))
    elif damage == "arrays":
        arrays.write_bytes(arrays.read_bytes()[:-4])
    else:
        arrays.unlink()
    with pytest.raises(AtlasError, match=r"damaged|checksum|cannot read"):
        stored.of("b")


def test_tables_say_the_numbers(planted: ConceptVectors) -> None:
    lines = lines_of(planted)
    assert lines[2].split() == [
        "grass",
        "12",
        "6",
        "1",
        "0.125",
        "0.500",
        "0.188",
        "0.250",
        "0.438",
    ]
    assert lines[-3].startswith("learnt, held: images. alone: the best unit")
    assert lines[-4].split() == ["mean", "0.125", "0.500", "0.188", "0.250", "0.438"]
    assert lines[-2:] == [
        "not learnt: rare: shown by 2 images", "1 images skipped; the first, 'x.png': is empty",
    ]  # fmt: skip
    rows = csv_of(planted).splitlines()
    assert rows[0].split(",")[-2:] == ["iou", "train_iou"]
    assert rows[1] == "grass,thing,12,6,single,1,1,0.125,0.25"
    assert rows[3] == "grass,thing,12,6,subset,2,1 0,0.4375,0.5"
    assert rows[4:6] == ["grass,thing,12,6,blind,0,,0.1875,", "grass,thing,12,6,all,3,,0.5,0.625"]
