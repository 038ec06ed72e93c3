"""``striate dissect``: from labelled images to what units stand for, as text, JSON and CSV."""

import csv
import io
import json
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.atlas.store.reader import Atlas
from striate.dissection.results import Dissection

OWN = """
import torch
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[:, :, None, None])
        net[0].bias.zero_()
    return net
"""
SIDE, SQUARE = 16, 4
NETWORK = ["own:make", "--resize", str(SIDE), "--crop", str(SIDE), "--mean", "0,0,0",
           "--std", "1,1,1"]  # fmt: skip
DISSECT = ["--quantile", "0.0625", "--ratio", "1", "--no-pictures"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Squares of one colour, red or green; masks that call red warm and green cold."""
    (tmp_path / "own.py").write_text(OWN)
    for folder in ("images", "masks"):
        (tmp_path / "labelled" / folder).mkdir(parents=True)
    for number in range(4):
        picture = np.zeros((SIDE, SIDE, 3), np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        box = slice(number, number + SQUARE), slice(5, 5 + SQUARE)
        picture[(*box, number % 2)] = 255
        mask[box] = 1 + number % 2
        Image.fromarray(picture).save(tmp_path / "labelled" / "images" / f"{number}.png")
        Image.fromarray(mask).save(tmp_path / "labelled" / "masks" / f"{number}.png")
    (tmp_path / "labelled" / "labels.csv").write_text("index,name\n0,unlabelled\n1,warm\n2,cold\n")
    return tmp_path


@pytest.fixture
def built(striate_: Run, place: Path) -> Path:
    code, _, err = striate_("atlas", *NETWORK, "labelled/images", "-o", "built")
    assert code == 0, err
    return place / "built"


def test_from_labels_to_concepts(striate_: Run, built: Path, place: Path) -> None:
    code, out, err = striate_("dissect", "built", "--concepts", "labelled", *DISSECT)
    assert code == 0, err
    assert "1: 2 of 3 units are detectors, of 2 different concepts" in out
    assert "warm (object)" in out
    assert "1:0  IoU 1.0000" in out
    found = Dissection(Atlas(built))
    code, out, err = striate_("dissect", "show", "built", "--json")
    assert code == 0, err
    (layer,) = json.loads(out)["layers"]
    assert layer["name"] == "1"
    assert layer["units"][:2] == [
        {"unit": 0, "concept": "warm", "category": "object", "iou": 1.0},
        {"unit": 1, "concept": "cold", "category": "object", "iou": 1.0},
    ]
    assert layer["units"][2]["concept"] is None
    assert (layer["detectors"], layer["unique"]) == (2, {"object": 2})
    code, out, err = striate_("dissect", "show", "built", "--layers", "1", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["unit"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["label"] == "warm"
    assert int(rows[0]["object-truth"]) == int(found.pixels[0]) == 2 * SQUARE * SQUARE
    assert float(rows[0]["object-iou"]) == found.layers["1"].iou[0, 0]
    assert striate_("dissect", "show", "built", "--csv", "-o", "tables")[0] == 0
    assert (place / "tables" / "1.csv").read_text() == out
    code, out, _ = striate_("dissect", "show", "built", "--level", "1")
    assert code == 0
    assert "0 of 3 units are detectors" in out


@pytest.mark.parametrize(
    "asked",
    [
        ["built", "--concepts", "labelled", "colours"],
        ["built", "--concepts", "labelled", "--concepts", "colours"],
        ["built", "--layers", "1", "--concepts", "labelled", "colours"],
    ],
)
def test_sets_are_given_together_or_one_by_one(
    striate_: Run, built: Path, asked: list[str]
) -> None:
    code, _, err = striate_("dissect", *asked, *DISSECT)
    assert code == 0, err
    assert Dissection(Atlas(built)).categories == ("object", "colour")


def test_beginning_anew_spares_the_studies(striate_: Run, built: Path) -> None:
    assert striate_("dissect", "built", "--concepts", "labelled", *DISSECT)[0] == 0
    study = built / "dissection" / "ablation-0001.json"
    study.write_text("{}")
    assert striate_("dissect", "built", "--concepts", "labelled", *DISSECT, "--restart")[0] == 0
    assert study.read_text() == "{}"


def test_again_and_with_other_settings(striate_: Run, built: Path) -> None:
    assert striate_("dissect", "built", "--concepts", "labelled", *DISSECT)[0] == 0
    revision = Dissection(Atlas(built)).revision
    assert striate_("dissect", "built", "--concepts", "labelled", *DISSECT)[0] == 0
    assert Dissection(Atlas(built)).revision == revision
    code, _, err = striate_("dissect", "built", "--concepts", "labelled", "--no-pictures")
    assert code == 2
    assert "quantile: 0.0625 before, 0.005 now" in err
    assert "--restart" in err
    code, _, err = striate_(
        "dissect", "built", "--concepts", "labelled", "--no-pictures", "--restart"
    )
    assert code == 0, err
    assert Dissection(Atlas(built)).revision != revision


def test_rotate(striate_: Run, built: Path) -> None:
    asked = ["rotate", "built", "--concepts", "labelled", "--layer", "1", *DISSECT[:-1]]
    code, out, err = striate_("dissect", *asked, "--alpha", "0", "--alpha", "1", "--json")
    assert code == 0, err
    steps = json.loads(out)["steps"]
    assert [step["alpha"] for step in steps] == [0, 1]
    assert steps[0]["unique"] == {"object": 2}
    code, out, err = striate_("dissect", *asked, "--alpha", "0")
    assert "alpha 0" in out
    assert "2 unique (2 object)" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "built"], "striate dissect DIR --concepts SET"),
        (["built", "--concepts", "nowhere"], "nowhere"),
        (["built", "--concepts", "labelled", "--layers", "9"], "no layer"),
        (["built"], "--concepts"),
        (["show", "built", "--json", "--csv"], "not both"),
        (["show", "built", "-o", "x"], "--csv"),
    ],
)
def test_what_is_wrong_is_said(striate_: Run, built: Path, arguments: list[str], said: str) -> None:
    if arguments[-1] in {"--csv", "x"}:
        assert striate_("dissect", "built", "--concepts", "labelled", *DISSECT)[0] == 0
    code, _, err = striate_("dissect", *arguments)
    assert code == 2
    assert said in err


@pytest.mark.parametrize("more", [[], ["--restart"]])
def test_a_stopped_run_says_what_goes_on(
    striate_: Run, built: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr("striate.dissection.run.dissect", stopped)
    monkeypatch.setattr("striate.cli.main.leave", leave)
    code, _, err = striate_("dissect", built, "--concepts", "labelled", *DISSECT, *more)
    assert code == 130
    said = err.splitlines()[-1]
    assert "what is done is kept" in said
    assert said.endswith("the same command" + " without --restart" * len(more) + " goes on")
