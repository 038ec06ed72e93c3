"""``striate maximize``: the picture, its numbers, and what a stop leaves behind."""

import csv
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.atlas.portraits import Originals
from striate.atlas.recipe import image_paths
from striate.atlas.store.reader import Atlas
from striate.cli.facets import _measured, _strongest
from striate.network.address import Address

OWN = """
import torch
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return net
"""
NETWORK = ["own:make", "--resize", "24", "--crop", "24"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's own network, where the command runs."""
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_sheet_with_what_each_unit_reached(striate_: Run, place: Path) -> None:
    code, out, _ = striate_("maximize", *NETWORK, "1:2", "3:0", "-o", "best.png", "--steps", "5")
    assert code == 0
    lines = out.splitlines()
    assert lines[2] == "best.png"
    for line, address in zip(lines[:2], ("1:2", "3:0"), strict=True):
        assert re.fullmatch(rf"{address}: reaches [\d.e+-]+, rank \d in its layer", line)
    with Image.open(place / "best.png") as opened:
        picture = np.asarray(opened)
    # Canvases of 3 + 16 and 7 + 16 pixels, enlarged by 10 and 8, a title and two or three lines.
    assert picture.shape[1] == 19 * 10 + 8 + 23 * 8
    assert picture.std() > 5


def test_facets_and_a_moving_picture(striate_: Run, place: Path) -> None:
    code, out, _ = striate_(
        "maximize", *NETWORK, "1:2", "-o", "best.webp", "--steps", "6", "--diversity", "3",
        "--video", "way.webp", "--columns", "3",
    )  # fmt: skip
    assert code == 0
    assert len(out.splitlines()) == 4
    with Image.open(place / "way.webp") as moving:
        assert moving.n_frames == 6
        assert moving.size == (3 * 190 + 2 * 2, 190)


def make_atlas(striate_: Run, place: Path, count: int) -> None:
    (place / "images").mkdir()
    for number in range(count):
        levels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(levels).save(place / "images" / f"{number}.png")
    assert striate_("atlas", *NETWORK, "images", "-o", "atlas")[0] == 0


def test_maxima_of_an_atlas_are_said(striate_: Run, place: Path) -> None:
    make_atlas(striate_, place, 4)
    code, out, _ = striate_(
        "maximize", *NETWORK, "1:2", "-o", "best.png", "--steps", "5", "--atlas", "atlas"
    )
    assert code == 0
    found = re.search(r"reaches ([\d.]+), ([\d.]+) of its maximum on images, ([\d.]+),", out)
    assert found
    reached, share, real = map(float, found.groups())
    assert share == pytest.approx(reached / real, abs=0.01)


def test_facets_come_from_the_atlas_s_strongest_images(striate_: Run, place: Path) -> None:
    make_atlas(striate_, place, 8)
    code, out, _ = striate_(
        "maximize", *NETWORK, "3:0", "-o", "facets.png", "--steps", "6", "--facets", "2",
        "--images", "6", "--atlas", "atlas",
    )  # fmt: skip
    assert code == 0
    lines = out.splitlines()
    assert lines[-1] == "facets.png"
    said = [re.match(r"facet \d: reaches .* images; the mean of \d reaches .*: (.*)", line)
            for line in lines[-3:-1]]  # fmt: skip
    names = [name for line in said if line for name in line.group(1).split()]
    responses = np.asarray(Atlas(place / "atlas").responses("3")[:, 0])
    assert {int(name.removesuffix(".png")) for name in names} == set(np.argsort(-responses)[:6])
    assert len(names) == 6
    with Image.open(place / "facets.png") as opened:
        assert np.asarray(opened).std() > 5


def test_facets_of_a_layer_that_the_atlas_has_not_kept(striate_: Run, place: Path) -> None:
    make_atlas(striate_, place, 8)
    whole = Atlas(place / "atlas")
    values = np.asarray(whole.responses("3")[:, 0])
    assert striate_("atlas", *NETWORK, "images", "-o", "some", "--layers", "1")[0] == 0
    some = Atlas(place / "some")
    network = striate.load("own:make", resize=24, crop=24)
    originals = Originals(some, image_paths(some))
    found = _measured(some, originals, network, Address("3", 0))
    assert np.allclose(found, values, rtol=1e-4)
    each = [
        _measured(some, originals, network, Address("3", 0).at(row, column))
        for row, column in np.ndindex(network.layers["3"].map_size)
    ]
    assert np.allclose(np.max(each, axis=0), values, rtol=1e-4)
    assert not np.allclose(each[0], values)


def test_facets_of_a_neuron_come_from_its_own_images(striate_: Run, place: Path) -> None:
    make_atlas(striate_, place, 8)
    atlas, network = Atlas(place / "atlas"), striate.load("own:make", resize=24, crop=24)
    originals = Originals(atlas, image_paths(atlas))
    own = _measured(atlas, originals, network, Address("3", 0).at(0, 0))
    assert not np.array_equal(np.argsort(-own), np.argsort(-atlas.responses("3")[:, 0]))
    found = _strongest(atlas, originals, network, "3:0@0,0", 3)
    assert [image for image, _ in found] == list(np.argsort(-own)[:3])


def test_centre_bias(striate_: Run, place: Path) -> None:
    code, out, _ = striate_(
        "maximize", *NETWORK, "1:2", "3:0", "-o", "best.png", "--preset", "centre-bias",
        "--steps", "6",
    )  # fmt: skip
    assert code == 0
    assert [line.partition(" ")[0] for line in out.splitlines()] == ["1:2:", "3:0:", "best.png"]


def test_a_search_writes_its_table(striate_: Run, place: Path) -> None:
    code, out, _ = striate_(
        "maximize", *NETWORK, "1:2", "3:0", "-o", "best.png", "--search", "3", "--steps", "4",
        "--table", "tried.csv",
    )  # fmt: skip
    assert code == 0
    with (place / "tried.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["address"] for row in rows] == ["1:2"] * 3 + ["3:0"] * 3
    assert {row["steps"] for row in rows} == {"4"}
    assert len(out.splitlines()) == 7
    for line, row in zip(out.splitlines(), rows, strict=False):
        assert line.startswith(f"{row['address']}, setting {row['number']}: reaches ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["9:1", "-o", "best.png"], "no layer '9'"),
        (["1:9", "-o", "best.png"], "units 0 to 3"),
        (["1:1", "-o", "best.gif"], "neither '.png' nor '.webp'"),
        (["1:1", "-o", "nowhere/best.png"], "no folder"),
        (["1:1", "-o", "best.png", "--preset", "best"], "there are modern"),
        (["1:1", "-o", "best.png", "--video", "way.png", "--steps", "2"], ".webp"),
        (["1:1", "-o", "best.png", "--facets", "2"], "needs --atlas"),
        (["1:1", "1:2", "-o", "a.png", "--facets", "2"], "one unit, not of 2"),
        (["1:1", "-o", "a.png", "--facets", "2", "--atlas", "x", "--search", "2"], "--facets"),
        (["1:1", "-o", "best.png", "--search", "2", "--table", "a.txt"], "a .csv file"),
        (["1:1", "-o", "best.png", "--search", "2", "--preset", "erhan"], "--preset cannot"),
        (["1:1", "-o", "best.png", "--table", "a.csv"], "--table cannot be given alone"),
        (["1:1", "-o", "a.png", "--preset", "centre-bias", "--diversity", "2"], "--diversity"),
    ],
)
def test_errors_say_what_would_work(
    striate_: Run, place: Path, arguments: list[str], said: str
) -> None:
    code, _, err = striate_("maximize", *NETWORK, *arguments)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(
    "options", [["--steps", "1000000"], ["--search", "100000", "--steps", "2"]], ids=["one", "many"]
)
def test_a_stop_keeps_the_best_so_far(place: Path, options: list[str]) -> None:
    command = [sys.executable, "-m", "striate.cli.main", "maximize", *NETWORK, "3:1"]
    with subprocess.Popen(
        [*command, "-o", "best.png", *options],
        cwd=place, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(place)},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        # The first line of progress comes when the first steps are done.
        assert "steps" in process.stderr.readline()
        time.sleep(0.5)
        process.terminate()
        assert process.wait(60) == 143
    with Image.open(place / "best.png") as picture:
        assert picture.size[0] > 100
