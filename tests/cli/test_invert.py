"""``striate invert`` and ``striate dream``: what they write, print and refuse."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate
from striate.demo.job import demo_recipe
from striate.errors import MethodError
from striate.image.decode import decode
from striate.optimize import invert
from striate.optimize.preimage import Settings

OWN = """
import torch
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return net

def silent():
    dead = nn.Conv2d(8, 2, 1)
    with torch.no_grad():
        dead.weight.zero_()
        dead.bias.zero_()
    return nn.Sequential(*make(), dead)

def dense():
    return nn.Sequential(*make(), nn.Flatten(), nn.Linear(8 * 14 * 14, 3))
"""
SIZE = ["--resize", "40", "--crop", "40"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's own network, and two pictures."""
    folder = tmp_path_factory.mktemp("invert with spaces")
    (folder / "own.py").write_text(OWN)
    for number, name in enumerate(("a.png", "b.png")):
        small = np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(small).resize((50, 44), Image.Resampling.BICUBIC).save(folder / name)
    return folder


def own_network(place: Path, monkeypatch: pytest.MonkeyPatch) -> "striate.Network":
    monkeypatch.syspath_prepend(str(place))
    return striate.load("own:make", resize=40, crop=40)


def bytes_of(image: object) -> np.ndarray:
    return np.rint(np.asarray(image) * 255).astype(np.uint8).transpose(1, 2, 0)


def test_a_sheet_shows_the_original_and_each_layers_images_with_their_errors(
    striate_: Run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "sheet.png"
    code, printed, error = striate_(
        "invert", "own:make", "a.png", "--layer", "1", "--layer", "3", "-o", out, *SIZE,
        "--steps", 8, "--restarts", 2, "--seed", 5, "--weight", 1,
    )  # fmt: skip
    assert code == 0, error
    network = own_network(place, monkeypatch)
    image = network.read(place / "a.png")
    wanted = [
        striate.inversion(network, image, layer, steps=8, restarts=2, seed=5, weight=1.0)
        for layer in ("1", "3")
    ]
    assert printed.splitlines() == [
        *(
            f"{found.layer}: error {one.shown_error:.3f} of |F0|^2 as shown, "
            f"{one.error:.3f} before clipping, image error {one.image_error:.2f} of |x0|"
            for found in wanted
            for one in found.restarts
        ),
        str(out),
    ]
    sheet = np.asarray(Image.open(out))
    cells = [bytes_of(network.how_to_read().to_pixels(image))]
    cells += [bytes_of(one.image) for found in wanted for one in found.restarts]
    assert sheet.shape[1] == 4 * 160 + 3 * 8
    height = (sheet.shape[0] - 8) // 2
    for number, cell in enumerate(cells):
        bottom, left = (number // 4) * (height + 8) + height, (number % 4) * 168
        assert np.array_equal(sheet[bottom - 40 : bottom, left : left + 40], cell)
        assert (sheet[bottom - height : bottom - 44, left : left + 160] < 128).any(), "a caption"


def test_a_dream_is_the_librarys(
    striate_: Run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    knobs = ["--octaves", 2, "--scale", 1.3, "--steps", 3, "--step", 4, "--jitter", 2, "--seed", 6]
    out = tmp_path / "dream.png"
    code, printed, error = striate_(
        "dream", "own:make", "a.png", "--layer", "3", "-o", out, *SIZE, *knobs
    )
    assert code == 0, error
    network = own_network(place, monkeypatch)
    image, guide = (network.read(place / name) for name in ("a.png", "b.png"))
    plan = {"octaves": 2, "scale": 1.3, "steps": 3, "step": 4.0, "jitter": 2, "seed": 6}
    wanted = striate.deep_dream(network, image, "3", **plan)
    assert np.array_equal(np.asarray(Image.open(out)), bytes_of(wanted.image))
    numbers = f"{wanted.before:.4g} before, {wanted.after:.4g} after"
    assert printed.splitlines() == [f"3: {numbers}", str(out)]
    code, printed, error = striate_(
        "dream", "own:make", "a.png", "--layer", "3", "-o", out, *SIZE, *knobs, "--guide", "b.png"
    )
    assert code == 0, error
    led = striate.deep_dream(network, image, "3", guide=guide, **plan)
    assert np.array_equal(np.asarray(Image.open(out)), bytes_of(led.image))
    assert not np.array_equal(bytes_of(led.image), bytes_of(wanted.image))


def test_a_network_that_takes_one_size_dreams_of_larger_pictures(
    striate_: Run, place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "large.png"
    knobs = ["--octaves", 2, "--steps", 2, "--jitter", 4]
    large = ["--resize", 100, "--crop", 96, "--interpolation", "bicubic"]
    code, printed, error = striate_(
        "dream", "demo", "a.png", "--layer", "relu1", "-o", out, *knobs, *large, "--guide", "b.png"
    )
    assert code == 0, error
    home = demo_recipe().load("cpu")
    reads = replace(home.how_to_read(), resize=100, crop=96, interpolation="bicubic")
    image, guide = (reads(decode(place / name)) for name in ("a.png", "b.png"))
    wanted = striate.deep_dream(home, image, "relu1", octaves=2, steps=2, jitter=4, guide=guide)
    assert wanted.image.shape == (3, 96, 96)
    assert np.array_equal(np.asarray(Image.open(out)), bytes_of(wanted.image))
    assert f"{wanted.before:.4g} before, {wanted.after:.4g} after" in printed


def test_where_no_size_is_the_networks_own_it_must_take_the_one_asked_for(striate_: Run) -> None:
    command = ["dream", "own:dense", "a.png", "--layer", "1", "-o", "d.png", "--steps", 1]
    fits = ["--resize", 16, "--crop", 16, "--octaves", 1]
    code, _, error = striate_(*command, *fits)
    assert code == 0, error
    code, out, error = striate_(*command, *SIZE)
    assert (code, out) == (2, "")
    assert "Does it take 3 x 40 x 40?" in error


@pytest.mark.parametrize("verb", ["invert", "dream"])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"--layer": "conv7"}, "no layer 'conv7'"),
        ({"-o": "sheet.gif"}, "'.gif' is neither '.png' nor '.webp'"),
        ({"-o": "nowhere/sheet.png"}, "there is no folder 'nowhere'"),
        ({"image": "c.png"}, "c.png"),
    ],
)
def test_what_is_wrong_is_one_line_before_any_work(
    striate_: Run, verb: str, changed: dict[str, str], said: str
) -> None:
    given = {"image": "a.png", "--layer": "3", "-o": "sheet.png", **changed}
    code, out, error = striate_(
        verb, "own:make", given["image"], "--layer", given["--layer"], "-o", given["-o"], *SIZE
    )
    assert (code, out) == (2, "")
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("last", "said"), [("x", "no layer 'x'"), ("4", "4 is 0 everywhere")])
def test_every_layer_is_checked_before_the_first_is_inverted(
    striate_: Run, last: str, said: str
) -> None:
    code, out, error = striate_(
        "invert", "own:silent", "a.png", "--layer", "1", "--layer", last, "-o", "s.png", *SIZE
    )
    assert (code, out) == (2, "")
    assert said in error
    assert "steps" not in error
    assert not Path("s.png").exists()


def test_a_stop_keeps_the_best_so_far(place: Path) -> None:
    command = [sys.executable, "-m", "striate.cli.main", "invert", "own:make", "a.png", *SIZE]
    with subprocess.Popen(
        [*command, "--layer", "1", "--layer", "3", "-o", "best.png", "--steps", "1000000"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(place)},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stdout is not None
        assert "of 2000000 steps" in process.stderr.readline()
        process.terminate()
        assert process.wait(60) == 143
        printed = process.stdout.read().splitlines()
    assert [line.split(":")[0] for line in printed] == ["1", "best.png"]
    with Image.open(place / "best.png") as picture:
        assert picture.size == (2 * 160 + 8, picture.size[1])


def test_what_fails_in_a_later_layer_leaves_the_picture_of_those_before(
    striate_: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def descend(goal: invert.Goal, settings: Settings, **knobs: int) -> Iterator[object]:
        if goal.layer == "3":
            raise MethodError("it diverged")
        yield from invert.descend(goal, settings, **knobs)

    monkeypatch.setattr("striate.methods.inversion.descend", descend)
    code, out, error = striate_(
        "invert", "own:make", "a.png", "--layer", "1", "--layer", "3", "-o", "part.png", *SIZE,
        "--steps", 2,
    )  # fmt: skip
    assert (code, out.splitlines()[1:]) == (2, ["part.png"])
    assert out.startswith("1: error ")
    assert error.splitlines()[-1] == "striate: it diverged"
    with Image.open("part.png") as picture:
        assert picture.size[0] == 2 * 160 + 8


def test_a_descent_that_was_slowed_says_so(striate_: Run) -> None:
    code, out, error = striate_(
        "invert", "own:make", "a.png", "--layer", "3", "-o", "s.png", *SIZE, "--steps", 20,
        "--weight", 300,
    )  # fmt: skip
    assert code == 0, error
    assert re.search(r"of \|x0\|, slowed to 1/(2|4|8) of the rates", out), out


def test_a_picture_that_is_the_mean_has_no_image_error(striate_: Run, place: Path) -> None:
    Image.new("RGB", (50, 50), (51, 51, 51)).save(place / "mean.png")
    code, out, error = striate_(
        "invert", "own:make", "mean.png", "--layer", "0", "-o", "s.png", *SIZE, "--steps", 2,
        "--mean", "0.2,0.2,0.2", "--std", "1,1,1",
    )  # fmt: skip
    assert code == 0, error
    assert "before clipping, no image error: x0 is the mean" in out
