"""Concept vectors on the page: a unit's share, a concept's scores, the newest ones or none."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from striate.atlas.store.reader import Atlas
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.net2vec.vectors import ConceptVectors, Learnt
from striate.web.app import create_app
from web.labelled import LAYER, NAMES
from web.tiny import ask

SQUARE, RING = NAMES[:2]


def vectors(*rows: list[int], score: float = 0.5) -> ConceptVectors:
    learnt = [
        Learnt(name, "object", 6, 2, None, 3, 0.25, 0.3, score, 0.6, 0.1)
        for name in (SQUARE, RING, "elsewhere")
    ]
    return ConceptVectors(
        LAYER, "segmentation", {}, tuple(learnt), np.array(rows, np.float32),
        np.zeros(3, np.float32), np.zeros((3, 0, 5), np.float32), np.zeros((3, 0), np.float32),
        np.zeros(5, np.float32),
    )  # fmt: skip


@pytest.fixture
def folder(dissected_atlas: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(dissected_atlas, tmp_path / "atlas"))
    found = vectors([0, 3, 0, -4, 0], [0, 1, 0, 0, 0], [1, 0, 0, 1, 0])
    StoredVectors(Atlas(folder)).store(found)
    return folder


def told(folder: Path, path: str) -> Any:
    app = create_app(folder)
    found = ask(app, f"/data/{path}.json")
    app.state.stop()
    assert found.status == 200
    return found.json()


def test_a_unit_tells_its_shares(folder: Path) -> None:
    found = told(folder, "layers/0/units/3")["shares"]
    assert [each["name"] for each in found] == [SQUARE, "elsewhere"]
    assert [each["concept"] for each in found] == [0, None]
    assert [each["share"] for each in found] == pytest.approx([-0.8, 0.5**0.5])
    assert found[0] | {"share": 0} == {
        "name": SQUARE, "category": "object", "concept": 0, "task": "segmentation", "share": 0,
        "measure": "iou", "score": 0.5, "unit": 3, "unit_score": 0.25,
    }  # fmt: skip
    assert told(folder, "layers/0/units/2")["shares"] == []
    assert told(folder, "layers/1/units/2")["shares"] == []


def test_a_concept_tells_what_was_learnt_of_it(folder: Path) -> None:
    assert told(folder, "concepts/0")["learnt"] == [{
        "layer": 0, "address": LAYER, "task": "segmentation", "measure": "iou", "score": 0.5,
        "unit": 3, "unit_score": 0.25, "blind": 0.1, "nearest": [RING],
    }]  # fmt: skip
    assert told(folder, "concepts/2")["learnt"] == []


def test_what_is_learnt_meanwhile_appears(folder: Path) -> None:
    app = create_app(folder)
    before = ask(app, "/data/status.json").json()["revision"]
    changed = vectors([0, 3, 0, -4, 0], [0, 1, 0, 0, 0], [1, 0, 0, 1, 0], score=0.75)
    StoredVectors(Atlas(folder)).store(changed)
    assert ask(app, "/data/status.json").json()["revision"] != before
    found = ask(app, "/data/layers/0/units/3.json").json()["shares"]
    assert [each["score"] for each in found] == [0.75, 0.75]
    app.state.stop()


def test_damaged_vectors_do_not_break_the_page(folder: Path) -> None:
    paths = sorted((folder / "net2vec").iterdir())
    assert len(paths) == 2
    for path in paths:
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content[:50])
        assert told(folder, "layers/0/units/3")["shares"] == []
        assert told(folder, "status")["finished"] is True
        path.write_bytes(content)
    assert len(told(folder, "layers/0/units/3")["shares"]) == 2


def test_vectors_need_no_dissection(folder: Path) -> None:
    shutil.rmtree(folder / "dissection")
    found = told(folder, "layers/0/units/3")
    assert found["concepts"] is None
    assert [each["concept"] for each in found["shares"]] == [None, None]
