"""``striate illustrate --maximize``: synthetic images, once, and what a kill leaves to do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.cli.progress import ProgressLine

OWN = """
import torch
from torch import nn

class Counting(nn.Module):
    def forward(self, maps):
        return (maps > 0).float()

def make():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 5, 3), Counting())
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return net
"""
Run = Callable[..., tuple[int, str, str]]
FEW = ["illustrate", "built", "--maximize", "--preset", "erhan", "--steps", "3"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's own network and some images, where the command runs."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "images").mkdir()
    for number in range(4):
        levels = np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "images" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def built(striate_: Run, place: Path) -> Path:
    code, _, err = striate_(
        "atlas", "own:make", "images", "-o", "built", "--resize", "24", "--crop", "24",
        "--layers", "1", "--layers", "2", "--layers", "3.float",
    )  # fmt: skip
    assert code == 0, err
    return place / "built"


def test_images_are_made_once_and_what_cannot_be_is_said(striate_: Run, built: Path) -> None:
    code, out, err = striate_(*FEW)
    assert code == 0
    assert out.splitlines() == [
        f"14 units illustrated in {Path('built', 'pictures')}",
        "9 synthetic images made, 9 of 14 units have one (erhan, 3 steps, seed 0)",
    ]
    assert "no synthetic image of 3.float: no image can be made for 3.float: it only" in err
    assert "14 of 14 synthetic images" in err
    assert len(list((built / "pictures" / "synthetic").rglob("*.webp"))) == 9
    _, out, err = striate_(*FEW)
    assert "0 synthetic images made, 9 of 14 units" in out
    assert "no synthetic image of 3.float" in err
    _, out, err = striate_(*FEW, "--seed", "7", "--layers", "2")
    assert "5 synthetic images made, 5 of 5 units have one (erhan, 3 steps, seed 7)" in out
    assert "no synthetic image" not in err
    _, out, err = striate_(*FEW, "--seed", "7", "--layers", "2")
    assert "0 synthetic images made, 5 of 5 units" in out
    assert "synthetic images" not in err


def test_without_the_option_there_are_none(striate_: Run, built: Path) -> None:
    code, out, _ = striate_("illustrate", "built")
    assert (code, len(out.splitlines())) == (0, 1)
    assert not (built / "pictures" / "synthetic").exists()
    for option in (["--steps", "3"], ["--seed", "0"], ["--preset", "erhan"]):
        code, _, err = striate_("illustrate", "built", *option)
        assert code == 2
        assert "add --maximize" in err
    for seed in ("-1", "999999999999999999999"):
        code, _, err = striate_("illustrate", "built", "--maximize", "--seed", seed)
        assert code == 2
        assert "is no seed" in err
    code, _, err = striate_("illustrate", "built", "--maximize", "--preset", "best")
    assert code == 2
    assert "no preset 'best'; there are modern" in err


def test_images_are_looked_for_only_if_something_of_them_is_missing(
    striate_: Run, built: Path
) -> None:
    assert striate_("illustrate", "built")[0] == 0
    (built.parent / "images").rename(built.parent / "elsewhere")
    code, out, err = striate_(*FEW)
    assert code == 0, err
    assert "9 synthetic images made" in out
    (built / "pictures" / "units" / "0" / "1.webp").unlink()
    code, _, err = striate_(*FEW)
    assert code == 2
    assert "no longer at" in err


def test_an_atlas_that_is_moved_away_is_not_made_anew(
    striate_: Run, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.optimize.job.MOST", 2)
    shown = ProgressLine.counted

    def counted(line: ProgressLine, done: int, total: int) -> None:
        shown(line, done, total)
        if (built / "pictures" / "synthetic" / "0.json").exists():
            built.rename(built.with_name("moved"))

    with monkeypatch.context() as moving:
        moving.setattr(ProgressLine, "counted", counted)
        code, _, err = striate_(*FEW)
    assert code == 2
    assert "built is not there any more. If it was moved" in err
    assert not built.exists()
    code, out, _ = striate_(*[*FEW[:1], "moved", *FEW[2:]])
    assert code == 0
    assert "7 synthetic images made, 9 of 14 units have one" in out


def test_an_export_leaves_out_what_is_torn_and_says_how_it_is_made_again(
    striate_: Run, built: Path
) -> None:
    made_so = ["--preset", "erhan", "--seed", "7", "--steps", "3"]
    assert striate_("illustrate", "built", "--maximize", "--layers", "2", *made_so)[0] == 0
    folder = built / "pictures" / "synthetic" / "1"
    (folder / "3.webp").unlink()
    (folder / "4.webp").write_bytes((folder / "4.webp").read_bytes()[:50])
    code, out, err = striate_("export", "built", "site")
    assert code == 0, err
    command = "striate illustrate DIR --maximize --layers 2 --preset erhan --seed 7 --steps 3"
    said = [line for line in err.splitlines() if "no synthetic image" in line]
    assert said == [
        f"2:{unit} has no synthetic image: `{command}` makes it as the layer's others were made"
        for unit in (3, 4)
    ]
    there = {path.name for path in (built.parent / "site/pictures/synthetic/1").iterdir()}
    assert there == {"0.webp", "1.webp", "2.webp"}
    code, out, _ = striate_(*command.replace("DIR", "built").split()[1:])
    assert "2 synthetic images made, 5 of 5 units have one (erhan, 3 steps, seed 7)" in out
    code, _, err = striate_("export", "built", "site")
    assert code == 0
    assert "no synthetic image" not in err
    assert len(list((built.parent / "site/pictures/synthetic/1").iterdir())) == 5


def test_killed_it_goes_on(striate_: Run, built: Path) -> None:
    command = ["illustrate", "built", "--maximize", "--steps", "400", "--layers", "[12]"]
    process = subprocess.Popen(
        [sys.executable, "-m", "striate.cli.main", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": "."},
    )  # fmt: skip
    first = built / "pictures" / "synthetic" / "0.json"
    until = time.monotonic() + 240
    while not first.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    whole = first.read_bytes()
    code, out, _ = striate_(*command)
    assert code == 0
    assert "5 synthetic images made, 9 of 9 units have one (modern, 400 steps, seed 0)" in out
    assert first.read_bytes() == whole
