"""``striate maximize``, ``dream``: what cannot be written is refused first, no number is lost."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.image import encode

OWN = """
import torch
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 96, 3, stride=2), nn.ReLU())
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
    """A folder with the user's own network and a picture, where the command runs."""
    (tmp_path / "own.py").write_text(OWN)
    levels = np.random.default_rng(1).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def no_ascent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins the long work fails."""

    def begun(*_: object, **__: object) -> None:
        pytest.fail("the ascent began")

    for name in ("striate.optimize.maximize.ascend", "striate.optimize.octaves.ascend"):
        monkeypatch.setattr(name, begun)
    monkeypatch.setattr("striate.methods.deep_dream.ascend", begun)


UNITS = [f"1:{unit}" for unit in range(90)]


@pytest.mark.usefixtures("no_ascent")
@pytest.mark.parametrize(
    "options",
    [
        [*UNITS, "-o", "a.webp"],
        [*UNITS, "-o", "a.webp", "--preset", "centre-bias"],
        [*UNITS[:9], "-o", "a.webp", "--search", "10"],
        ["1:0", "-o", "a.webp", "--diversity", "90"],
        [*UNITS, "-o", "b.png", "--video", "a.webp"],
    ],
    ids=["sheet", "centre", "search", "diverse", "video"],
)
def test_a_sheet_too_large_for_webp_is_refused_before_the_work(
    striate_: Run, place: Path, options: list[str]
) -> None:
    code, out, err = striate_("maximize", *NETWORK, *options, "--columns", "1", "--steps", "1")
    assert code == 2
    assert out == ""
    assert "16383" in err
    assert "more columns" in err
    assert not (place / "a.webp").exists()


def test_numbers_are_said_though_the_sheet_cannot_be_written(
    striate_: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many lines captions take is known only at the end.
    monkeypatch.setattr("striate.optimize.sheet.least_size", lambda *_: (1, 1))
    monkeypatch.setattr(encode, "_LONGEST", 200)
    for preset in ("modern", "centre-bias"):
        code, out, err = striate_(
            "maximize", *NETWORK, "1:2", "-o", "a.webp", "--steps", "3", "--preset", preset
        )
        assert code == 2
        assert out.startswith("1:2: reaches ")
        assert "too many for a .webp" in err


@pytest.mark.usefixtures("no_ascent")
def test_files_that_cannot_be_are_refused_before_the_work(striate_: Run, place: Path) -> None:
    (place / "folder.webp").mkdir()
    dream = ["dream", *NETWORK[:1], "a.png", *NETWORK[1:], "--layer", "1"]
    for options, said in (
        (["-o", "x.webp", "--video", "./x.webp"], "one file"),
        (["-o", "folder.webp"], "is a folder"),
        (["-o", "a.png", "--video", "folder.webp"], "is a folder"),
        (["-o", "a.png", "--video", "b.png"], "a moving picture is a .webp"),
    ):
        code, _, err = striate_("maximize", *NETWORK, "1:0", *options)
        assert (code, said in err) == (2, True), err
    code, _, err = striate_(*dream, "-o", "folder.webp")
    assert (code, "is a folder" in err) == (2, True), err


@pytest.mark.usefixtures("no_ascent")
@pytest.mark.parametrize("seed", ["99999999999999999999", "-1", "9223372036854775808"])
def test_a_seed_that_no_generator_takes_is_refused(striate_: Run, place: Path, seed: str) -> None:
    dream = ["dream", *NETWORK[:1], "a.png", *NETWORK[1:], "--layer", "1"]
    for command in (["maximize", *NETWORK, "1:0"], dream):
        code, _, err = striate_(*command, "-o", "b.png", "--seed", seed)
        assert code == 2
        assert "--seed" in err
        assert seed in err
        assert "9223372036854775807" in err


def test_a_film_that_would_take_too_much_memory_is_shorter_and_says_so(
    striate_: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.optimize.sheet._MEMORY", 4 * 190 * (2 * 190 + 2) * 3)
    code, _, err = striate_(
        "maximize", *NETWORK, "1:0", "1:1", "-o", "b.png", "--video", "a.webp", "--steps", "12"
    )
    assert code == 0
    assert "--video shows one step in 3" in err
    with Image.open(place / "a.webp") as moving:
        assert moving.n_frames == 4


def test_what_has_no_image_is_named_and_has_no_part_in_the_film(striate_: Run, place: Path) -> None:
    broken = OWN.replace("    return net", "        net[0].bias[2] = torch.nan\n    return net")
    (place / "own.py").write_text(broken)
    options = ["-o", "b.png", "--video", "a.webp", "--steps", "5", "--columns", "3"]
    code, out, err = striate_("maximize", *NETWORK, "1:1", "1:2", "1:3", *options)
    assert code == 0
    assert [line.partition(":")[2][:2] for line in out.splitlines()] == ["1:", "3:", ""]
    assert "no image of 1:2: " in err
    with Image.open(place / "a.webp") as moving:
        assert (moving.n_frames, moving.size) == (5, (2 * 190 + 2, 190))
    code, out, err = striate_("maximize", *NETWORK, "1:2", *options)
    assert code == 2
    assert out == ""
    centred = ["-o", "b.png", "--steps", "5", "--preset", "centre-bias"]
    code, out, err = striate_("maximize", *NETWORK, "0:1", "0:2", *centred)
    assert code == 0
    assert [line.partition(":")[2][:2] for line in out.splitlines()] == ["1:", ""]
    assert "no image of 0:2: " in err
    code, out, err = striate_("maximize", *NETWORK, "0:2", *centred)
    assert (code, out) == (2, "")
    assert "the network itself computes no number" in err


def test_a_stopped_dream_keeps_what_there_is(place: Path) -> None:
    command = [sys.executable, "-m", "striate.cli.main", "dream", NETWORK[0], "a.png"]
    with subprocess.Popen(
        [*command, *NETWORK[1:], "--layer", "1", "-o", "b.png", "--octaves", "2",
         "--steps", "1000000"],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(place)},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert "steps" in process.stderr.readline()
        time.sleep(0.5)
        process.terminate()
        assert process.wait(60) == 143
        assert process.stdout is not None
        printed = process.stdout.read()
    assert "before" in printed
    assert "stopped in octave 1 of 2" in printed
    with Image.open(place / "b.png") as picture:
        assert picture.size == (24, 24)
