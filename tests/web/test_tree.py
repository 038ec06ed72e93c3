"""What the page is told is what the atlas knows."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from striate import __version__
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError
from striate.web.tree import Tree, to_json
from web.tiny import BROKEN, BYTES_NAME, IMAGES, Answer, ask, opened
from web.tiny_network import CLASSES, DEAD


@pytest.fixture(scope="module")
def atlas(tiny_atlas: Path) -> Atlas:
    return opened(tiny_atlas)


@pytest.fixture(scope="module")
def tree(atlas: Atlas) -> Tree:
    return Tree(atlas)


def test_the_network_page(tree: Tree, atlas: Atlas) -> None:
    page, summary = tree.network(), atlas.summary()
    assert page["name"] == summary["network"]
    assert page["status"] == tree.status()
    # Another striate tells the same atlas in other words: what a browser keeps is not that.
    assert tree.revision == f"{atlas.revision}-{__version__}"
    assert page["status"] == {
        "revision": tree.revision, "finished": True, "seen": IMAGES, "images": IMAGES + 1,
    }  # fmt: skip
    assert (page["skipped"], page["skipped_images"][0]["image"]) == (1, BROKEN)
    assert page["skipped_images"][0]["reason"] == summary["skipped_images"][0]["reason"]
    assert (page["top1"], page["top5"]) == (summary["top1"], summary["top5"])
    assert page["judged"] == 7
    assert page["classes"] == len(CLASSES)
    assert page["preprocessing"].startswith("short side to 16 (bilinear")
    assert [line["address"] for line in page["layers"]] == list(atlas.layers)
    assert [line["dead"] for line in page["layers"]] == [
        layer["dead"] for layer in summary["layers"]
    ]
    assert DEAD not in page["layers"][0]["samples"]
    assert page["sample_sheets"]["pages"] == page["thumbnails"]["pages"] == 1


def test_a_layer_page(tree: Tree, atlas: Atlas) -> None:
    for number, address in enumerate(atlas.layers):
        page, units = tree.layer(number), atlas.units(address)
        assert page["units"] == len(units)
        columns: Any = page["columns"]
        for name, key in (("maximum", "max"), ("mean", "mean"), ("dead", "dead"),
                          ("fires", "fires"), ("selectivity", "selectivity")):  # fmt: skip
            assert columns[name] == [unit[key] for unit in units]
        assert sorted(page["similarity"] or []) == list(range(page["units"]))
        named = {str(k): atlas.class_names[k] for k in columns["best_class"] if k is not None}
        assert page["class_names"] == named
    assert tree.layer(1)["sheets"] == {"tile": 96, "columns": 8, "rows": 8, "pages": 2}


def test_a_unit_page(tree: Tree, atlas: Atlas) -> None:
    page: Any = tree.unit(1, 7)
    known = atlas.unit("3:7")
    for name in ("mean", "deviation", "fires", "not_finite", "images", "places", "selectivity"):
        assert page[name] == known[name]
    assert [(top["image"], top["value"], list(top["box"])) for top in page["top"]] == [
        (top["image"], top["value"], top["box"]) for top in known["top"]
    ]
    assert sum(count for _, _, count in page["histogram"]) == sum(
        count for _, _, count in known["histogram"]
    )
    means = sorted((c["mean"] for c in known["class_means"]), reverse=True)
    assert [c["mean"] for c in page["class_means"]] == means
    assert page["classes"] == len(CLASSES)


def test_a_units_neighbours_are_those_of_numpys_correlation(tree: Tree, atlas: Atlas) -> None:
    responses = atlas.responses("3")
    seen = np.isfinite(responses).all(axis=1)
    with np.errstate(invalid="ignore"):
        matrix = np.corrcoef(np.asarray(responses[seen], np.float64), rowvar=False)
    row = np.where(np.isfinite(matrix[7]), matrix[7], -np.inf)
    row[7] = -np.inf
    similar = tree.unit(1, 7)["similar"]
    assert [s["unit"] for s in similar] == np.argsort(-row, kind="stable")[:8].tolist()
    np.testing.assert_allclose([s["correlation"] for s in similar], np.sort(row)[::-1][:8])


def test_opposites_are_not_called_similar(tree: Tree, atlas: Atlas) -> None:
    responses = np.asarray(atlas.responses("6"), np.float64)
    matrix = np.corrcoef(responses[np.isfinite(responses).all(axis=1)], rowvar=False)
    found = [[s["unit"] for s in tree.unit(2, unit)["similar"]] for unit in range(3)]
    assert found == [
        sorted(np.flatnonzero((row > 0) & (np.arange(3) != unit)), key=lambda k: -row[k])
        for unit, row in enumerate(matrix)
    ]
    assert sum(map(len, found)) < 6, "no two units are opposites: this test tests nothing"


def test_every_class_that_an_image_names_has_a_page(tree: Tree, atlas: Atlas) -> None:
    for image in atlas.images:
        for guess in tree.image(image.id)["best"]:
            assert tree.class_page(guess["class_index"])["class_index"] == guess["class_index"]


def test_a_dead_unit_has_no_pictures(tree: Tree) -> None:
    page = tree.unit(0, DEAD)
    assert page["dead"]
    assert page["top"] == []
    assert "never fires" in page["python"]


def test_the_lines_of_python_run(tree: Tree, monkeypatch: pytest.MonkeyPatch, tiny_atlas) -> None:
    page = tree.unit(1, 7)
    monkeypatch.chdir(tiny_atlas.parent / "images")
    names: dict[str, Any] = {}
    exec(page["python"], names)  # noqa: S102
    projection = names["projection"]
    assert projection.activation == pytest.approx(page["maximum"], rel=1e-4)
    top, left, bottom, right = page["top"][0]["box"]
    assert tuple(projection.box) == (top, left, bottom, right)


def test_an_image_page(tree: Tree, atlas: Atlas) -> None:
    page = tree.image(3)
    row = atlas.images[3]
    assert (page["file"], page["bytes"], page["label"], page["rank"]) == (
        row.name, row.bytes, row.label, row.rank,
    )  # fmt: skip
    assert page["class_name"] == CLASSES[0]
    assert [c["class_index"] for c in page["best"]] == list(row.best)
    assert page["size"] == (16, 16)
    for layer in page["layers"]:
        responses = np.asarray(atlas.responses(layer["address"]), np.float64)
        mean, deviation = np.nanmean(responses, axis=0), np.nanstd(responses, axis=0)
        assert len(layer["units"]) <= 6
        with np.errstate(invalid="ignore"):
            apart = (responses[3] - mean) / deviation
        best = max(value for value in apart if math.isfinite(value))
        assert layer["units"][0]["deviations"] == pytest.approx(best)
        for excited in layer["units"]:
            assert excited["value"] == responses[3, excited["unit"]]
            tops = [top.image for top in atlas.top(layer["address"])[excited["unit"]]]
            place = tops.index(3) + 1 if 3 in tops and excited["value"] > 0 else None
            assert excited["place"] == place


def test_a_skipped_image_says_why(tree: Tree) -> None:
    page = tree.image(BROKEN)
    assert not page["seen"]
    assert page["skipped"]
    assert page["layers"] == []


def test_names(tree: Tree, atlas: Atlas) -> None:
    page = tree.names(0)
    assert page["names"] == atlas.image_names
    assert page["skipped"] == [k == BROKEN for k in range(IMAGES + 1)]
    assert page["correct"] == [None if r.rank is None else r.rank == 0 for r in atlas.images]


def test_classes_add_up(tree: Tree, atlas: Atlas) -> None:
    page = tree.classes()
    assert [line["name"] for line in page["classes"]] == list(CLASSES)
    assert sum(line["images"] for line in page["classes"]) == 8
    assert sum(line["judged"] for line in page["classes"]) == 7
    assert sum(count for _, _, count in page["cells"]) == 7
    assert sum(line["predicted"] for line in page["classes"]) == IMAGES
    right = sum(count for true, guess, count in page["cells"] if true == guess)
    assert right == sum(line["correct"] for line in page["classes"])
    for line in page["classes"]:
        one = tree.class_page(line["class_index"])
        taken = sum(len(cell["images"]) for cell in one["taken_for"])
        assert (taken, one["correct"]) == (line["judged"], line["correct"])
        assert taken + len(one["unjudged"]) == line["images"]
        for unit in one["units"]:
            known = atlas.unit(unit["address"])
            assert known["best_class"] == line["class_index"]
            assert unit["selectivity"] == known["selectivity"]


@pytest.mark.parametrize(
    "ask_for",
    [
        lambda tree: tree.layer(3), lambda tree: tree.unit(0, 5), lambda tree: tree.unit(9, 0),
        lambda tree: tree.image(IMAGES + 1), lambda tree: tree.names(1),
        lambda tree: tree.class_page(3),
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_with_what_is(tree: Tree, ask_for: Any) -> None:
    with pytest.raises(AddressError, match=r"0 to \d+|from 0"):
        ask_for(tree)


def test_every_file_of_the_tree_is_strict_json(tree: Tree) -> None:
    def refuse(text: str) -> None:
        raise AssertionError(text)

    leaves = list(tree.data())
    assert len({leaf.path for leaf in leaves}) == len(leaves)
    for leaf in leaves:
        json.loads(leaf.make().decode("utf-8"), parse_constant=refuse)


def test_a_file_name_that_is_no_text_still_gives_valid_json(
    tiny_app: FastAPI, atlas: Atlas
) -> None:
    number = atlas.image_names.index(BYTES_NAME)
    answers: list[Answer] = [
        ask(tiny_app, f"/data/images/{number}.json"), ask(tiny_app, "/data/images/names/0.json"),
    ]  # fmt: skip
    for found in answers:
        assert b"04-?.png" in found.body
        assert b"\\ud" not in found.body
        found.body.decode("utf-8")


def test_not_a_number_is_refused_rather_than_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        to_json({"mean": float("nan")})
