"""Simple mistakes are told before the network is loaded, which takes seconds."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.atlas.recipe import Recipe

MAXIMIZE = ["maximize", "demo", "relu1:0", "-o", "out.png"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a picture, where no network can be loaded."""

    def loaded(*_: object) -> None:
        pytest.fail("the network was loaded")

    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Recipe, "load", loaded)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ([*MAXIMIZE, "--preset", "best"], "no preset 'best'; there are modern"),
        ([*MAXIMIZE, "--atlas", "nowhere"], "nowhere"),
        ([*MAXIMIZE, "--search", "2", "--table", "a.txt"], "a .csv file"),
        (["invert", "demo", "nowhere.png", "--layer", "1", "-o", "b.png"], "nowhere.png"),
        (
            ["invert", "demo", "a.png", "--layer", "1", "-o", "b.png", "--preset", "best"],
            "no way to invert is called 'best'; there are cvpr2015",
        ),
        (["dream", "demo", "nowhere.png", "--layer", "1", "-o", "b.png"], "nowhere.png"),
        (
            ["dream", "demo", "a.png", "--layer", "1", "-o", "b.png", "--guide", "nowhere.png"],
            "nowhere.png",
        ),
        (["upconv", "invert", "demo", "demo", "nowhere.png", "-o", "b.png"], "nowhere.png"),
        (
            ["upconv", "invert", "demo", "demo", "a.png", "-o", "b.png", "--perturb", "blur"],
            "no change of features is called 'blur'; there are none, binarise",
        ),
        (["upconv", "train", "demo", "nowhere", "--layer", "1", "-o", "b.up"], "nowhere"),
    ],
)
def test_mistakes_are_told_before_the_network_is_loaded(
    striate_: Callable[..., tuple[int, str, str]], place: Path, command: list[str], said: str
) -> None:
    code, out, err = striate_(*command)
    assert code == 2
    assert out == ""
    assert said in re.sub(r"\s+", " ", err)
    assert {path.name for path in place.iterdir()} == {"a.png"}
