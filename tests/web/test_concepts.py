"""Concepts on the page: what the dissection found, told as it is, or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from striate.atlas.store.reader import Atlas
from striate.dissection.results import LEVEL, Dissection
from striate.web.tree import Tree
from web.labelled import LAYER, NAMES, PICTURES
from web.tiny import ask
from web.tiny_network import DEAD


@pytest.fixture(scope="module")
def results(dissected_atlas: Path) -> Dissection:
    return Dissection(Atlas(dissected_atlas))


def told(app: FastAPI, path: str) -> Any:
    found = ask(app, f"/data/{path}.json")
    assert found.status == 200
    return found.json()


def detections(results: Dissection) -> dict[int, dict[int, float]]:
    """Units of each concept that detect it, with their IoU: by the definition, one by one."""
    iou, every = results.layers[LAYER].iou, results.concepts
    found: dict[int, dict[int, float]] = {}
    for unit in range(len(iou)):
        for category in results.categories:
            own = [k for k, concept in enumerate(every) if concept.category == category]
            best = max(own, key=lambda k: (iou[unit, k], -k))
            if iou[unit, best] > LEVEL:
                found.setdefault(best, {})[unit] = float(iou[unit, best])
    return found


def test_the_set_has_what_the_tests_are_about(results: Dissection) -> None:
    found = detections(results)
    assert len(found) >= 3
    assert len({results.concepts[k].category for k in found}) == 2
    assert max(map(len, found.values())) >= 2
    detectors = results.layers[LAYER].detectors()
    assert detectors.any()
    assert not detectors.all()
    assert not detectors[DEAD]


def test_the_network_says_how_it_was_compared(dissected_app: FastAPI) -> None:
    page = told(dissected_app, "network")
    assert page["dissection"] == {
        "concepts": 14, "categories": ["object", "colour"], "images": PICTURES, "skipped": 0,
        "quantile": 0.2, "level": 0.04, "sides": [8, 8], "upsampling": "field",
    }  # fmt: skip


def test_layers_are_counted(dissected_app: FastAPI, results: Dissection) -> None:
    layer = results.layers[LAYER]
    lines = told(dissected_app, "network")["layers"]
    unique = sum(len(found) for found in layer.unique().values())
    assert [line["detectors"] for line in lines] == [int(layer.detectors().sum()), None, None]
    assert [line["detected"] for line in lines] == [unique, None, None]
    assert told(dissected_app, "concepts")["layers"] == [{
        "layer": 0, "address": LAYER, "units": 5, "detectors": int(layer.detectors().sum()),
        "unique": [len(layer.unique()[name]) for name in results.categories],
    }]  # fmt: skip


def test_a_layer_tells_each_unit_s_concept(dissected_app: FastAPI, results: Dissection) -> None:
    page, layer = told(dissected_app, "layers/0"), results.layers[LAYER]
    columns = page["columns"]["concept"]
    for unit in range(5):
        best = int(layer.best[unit])
        if best < 0:
            assert [columns[key][unit] for key in columns] == [None] * 4
            continue
        concept = results.concepts[best]
        assert [columns[key][unit] for key in ("index", "name", "category", "iou")] == [
            best, concept.name, concept.category, layer.iou[unit].max(),
        ]  # fmt: skip
    assert columns["index"][DEAD] is None
    other = told(dissected_app, "layers/1")
    assert (other["concepts"], other["columns"]["concept"]) == (None, None)


def test_a_layer_tells_what_it_detects(dissected_app: FastAPI, results: Dissection) -> None:
    page, wanted = told(dissected_app, "layers/0")["concepts"], detections(results)
    assert [each["category"] for each in page["categories"]] == list(results.categories)
    found = {}
    for category in page["categories"]:
        for concept in category["concepts"]:
            assert results.concepts[concept["concept"]].category == category["category"]
            assert results.concepts[concept["concept"]].name == concept["name"]
            ious = [unit["iou"] for unit in concept["units"]]
            assert ious == sorted(ious, reverse=True)
            found[concept["concept"]] = {unit["unit"]: unit["iou"] for unit in concept["units"]}
        counts = [len(concept["units"]) for concept in category["concepts"]]
        assert counts == sorted(counts, reverse=True)
    assert found == wanted
    assert page["unique"] == len(wanted)


def test_a_unit_tells_its_counts(dissected_app: FastAPI, results: Dissection) -> None:
    layer = results.layers[LAYER]
    for unit in range(5):
        found = told(dissected_app, f"layers/0/units/{unit}")["concepts"]
        assert found["threshold"] == pytest.approx(float(layer.thresholds[unit]))
        ious = [each["iou"] for each in found["in_categories"]]
        assert ious == sorted(ious, reverse=True)
        for each in found["in_categories"]:
            union = each["truth"] + each["activation"] - each["intersection"]
            assert each["iou"] == pytest.approx(each["intersection"] / union, abs=1e-12)
            own = [k for k, c in enumerate(results.concepts) if c.category == each["category"]]
            assert each["iou"] == layer.iou[unit, own].max()
        if unit == DEAD:
            assert (found["best"], found["in_categories"], found["images"]) == (None, [], [])
        else:
            assert found["best"] == found["in_categories"][0]
            values = [image["value"] for image in found["images"]]
            assert 0 < len(values) <= 5
            assert min(values) > found["threshold"]
            assert all(image["file"].startswith("set/images/") for image in found["images"])
    assert told(dissected_app, "layers/1/units/0")["concepts"] is None


def test_concepts_are_listed(dissected_app: FastAPI, results: Dissection) -> None:
    lines, wanted = told(dissected_app, "concepts")["concepts"], detections(results)
    iou = results.layers[LAYER].iou
    assert [line["name"] for line in lines[:3]] == list(NAMES)
    for index, line in enumerate(lines):
        assert line["concept"] == index
        assert line["pixels"] == results.pixels[index]
        assert line["detectors"] == len(wanted.get(index, {}))
        if iou[:, index].max() == 0:
            assert line["best"] is None
        else:
            best = int(iou[:, index].argmax())
            assert line["best"] == {
                "layer": 0, "address": f"{LAYER}:{best}", "unit": best, "iou": iou[best, index],
            }  # fmt: skip
    assert lines[2]["pixels"] == 0
    assert lines[2]["best"] is None


def test_a_concept_shows_its_units(dissected_app: FastAPI, results: Dissection) -> None:
    wanted, layer = detections(results), results.layers[LAYER]
    near = 0
    for index in range(len(results.concepts)):
        page = told(dissected_app, f"concepts/{index}")
        shown = page["layers"] or page["nearest"]
        assert not (page["layers"] and page["nearest"])
        units = (
            {each["unit"]: each["iou"] for each in page["layers"][0]["units"]}
            if page["layers"]
            else {}
        )
        assert units == wanted.get(index, {})
        if not page["layers"]:
            near += len(shown)
            best = layer.iou[:, index].max()
            assert [each["units"][0]["iou"] for each in shown] == ([best] if best > 0 else [])
        for each in shown[0]["units"] if shown else ():
            assert each["intersection"] == layer.both[each["unit"], index]
            assert each["truth"] == results.pixels[index]
            assert each["best_name"] == results.concepts[layer.best[each["unit"]]].name
    assert near > 0


def test_what_does_not_exist_is_said(dissected_app: FastAPI, tiny_app: FastAPI) -> None:
    found = ask(dissected_app, "/data/concepts/14.json")
    assert (found.status, found.json()["detail"]) == (
        404, "there is no concept 14: this atlas has concepts 0 to 13",
    )  # fmt: skip
    for path in ("concepts.json", "concepts/0.json"):
        refused = ask(tiny_app, f"/data/{path}")
        assert refused.status == 404
        assert "striate dissect" in refused.json()["detail"]


def test_an_atlas_that_nobody_dissected_shows_no_trace(tiny_app: FastAPI, tiny_atlas: Path) -> None:
    page = told(tiny_app, "network")
    assert page["dissection"] is None
    assert {(line["detectors"], line["detected"]) for line in page["layers"]} == {(None, None)}
    layer, unit = told(tiny_app, "layers/0"), told(tiny_app, "layers/0/units/1")
    assert layer["concepts"] is layer["columns"]["concept"] is unit["concepts"] is None
    paths = [leaf.path for leaf in Tree(Atlas(tiny_atlas)).data()]
    assert not any("concepts" in path for path in paths)


def test_the_answers_are_numbers_of_json(dissected_app: FastAPI, results: Dissection) -> None:
    assert isinstance(results.layers[LAYER].iou[0, 0], np.floating)
    unit = told(dissected_app, "layers/0/units/1")["concepts"]["best"]
    assert {type(unit[key]) for key in ("truth", "activation", "intersection")} == {int}
