"""``striate upconv``: training, going on, and the picture of an inversion."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.atlas.engines.local import Progress
from striate.cli.progress import ProgressLine
from striate.demo.scenes import write_scenes
from striate.methods.upconvnet.net import UpconvNet

OWN = """
import torch
from torch import nn

def make(seed=1):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU())
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
    return net

def other():
    return make(2)

def half():
    return make().bfloat16()
"""
SIZE = ["--resize", "16", "--crop", "16"]
QUICK = ["--epochs", "2", "--batch", "4", "--width", "4"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's own network, and pictures."""
    folder = tmp_path_factory.mktemp("upconv with spaces")
    (folder / "own.py").write_text(OWN)
    (folder / "images").mkdir()
    for number in range(12):
        levels = np.random.default_rng(number).integers(0, 256, (18, 20, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / "images" / f"{number}.png")
    return folder


@pytest.fixture
def striate_(striate_: Run) -> Run:
    """Run `striate upconv ARGUMENTS` in ``place``."""
    return lambda *arguments: striate_("upconv", *arguments)


@pytest.fixture
def trained(striate_: Run, tmp_path: Path) -> Path:
    out = tmp_path / "net.safetensors"
    good(striate_, "train", "own:make", "images", "--layer", "1", "-o", out, *SIZE, *QUICK)
    return out


def good(run: Run, *arguments: object) -> str:
    code, out, err = run(*arguments)
    assert code == 0, err
    return out


def bad(run: Run, *arguments: object) -> str:
    code, out, err = run(*arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith("striate: ")
    assert err.count("\n") == 1
    return err


def test_train_says_what_it_made(striate_: Run, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    command = ["train", "own:make", "images", "--layer", "1", "-o", out, *SIZE, *QUICK]
    code, said, err = striate_(*command)
    assert code == 0, err
    assert said.startswith(f"{out}: 6 batches, loss ")
    assert said.endswith("of the mean distance between 2 held-out images\n")
    assert "6 of 6 batches" in err
    before = out.read_bytes()
    # Everything is done: the same command says the same, and writes nothing.
    assert good(striate_, *command, "--resume") == said
    assert out.read_bytes() == before
    assert good(striate_, *command, "--restart") == said
    assert out.read_bytes() == before  # a training is what its seed says


def test_another_training_needs_restart_or_another_file(striate_: Run, trained: Path) -> None:
    command = ["train", "own:make", "images", "--layer", "1", "-o", trained, *SIZE, *QUICK]
    assert "seed: 0, not 3" in bad(striate_, *command, "--seed", 3)
    before = trained.read_bytes()
    good(striate_, *command, "--seed", 3, "--flip", "--size", 8, "--restart")
    assert trained.read_bytes() != before


def test_what_cannot_be_read_is_named(striate_: Run, place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for path in (place / "images").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "net"
    said = good(striate_, "train", "own:make", folder, "--layer", "1", "-o", out, *SIZE, *QUICK)
    assert said.startswith("  skipped 'bad.png': cannot read ")


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_invert_draws_each_image_beside_its_guess(
    striate_: Run, place: Path, trained: Path, tmp_path: Path, suffix: str
) -> None:
    images = [place / "images" / f"{number}.png" for number in (3, 5)]
    out = tmp_path / f"pairs.{suffix}"
    said = good(striate_, "invert", trained, "own:make", *images, "-o", out, *SIZE).splitlines()
    assert [line.split(":")[0] for line in said[:2]] == ["'3.png'", "'5.png'"]
    for line in said[:2]:
        numbers = [float(part.split()[-1]) for part in line.split(": ")[1].split(", ")]
        assert len(numbers) == 2
        assert all(0 < number < 10 for number in numbers)
    assert said[2:] == [str(out)]
    with Image.open(out) as opened:
        picture = np.asarray(opened.convert("RGB"))
    if suffix == "png":
        # The first original, as the network reads it, stands at the left; its guess 8 pixels on.
        with Image.open(images[0]) as opened:
            shown = np.asarray(opened.resize((17, 16), Image.Resampling.BILINEAR))[:, :16]
        rows = [
            r for r in range(len(picture) - 15) if np.array_equal(picture[r : r + 16, :16], shown)
        ]
        assert len(rows) == 1
        guess = picture[rows[0] : rows[0] + 16, 24:40]
        assert (picture[rows[0] : rows[0] + 16, 16:24] == 255).all()
        assert len(np.unique(guess.reshape(-1, 3), axis=0)) > 50
        assert not np.array_equal(guess, shown)


def test_misfits_are_one_line(striate_: Run, place: Path, trained: Path, tmp_path: Path) -> None:
    image, out = place / "images" / "0.png", tmp_path / "x.png"
    said = bad(striate_, "invert", trained, "own:other", image, "-o", out, *SIZE)
    assert "weights or graph of own:other differ" in said
    size = ["--resize", 20, "--crop", 20]
    assert "(3, 20, 20)" in bad(striate_, "invert", trained, "own:make", image, "-o", out, *size)
    assert "is no UpconvNet" in bad(striate_, "invert", image, "own:make", image, "-o", out, *SIZE)
    train = ["train", "own:make", "images", *SIZE, *QUICK]
    assert "no layer '7'" in bad(striate_, *train, "--layer", 7, "-o", out)
    assert "taken for an image" in bad(striate_, *train, "--layer", 1, "-o", image)
    assert "is no UpconvNet" in bad(striate_, *train, "--layer", 1, "-o", place / "own.py")
    assert "it is a folder" in bad(striate_, *train, "--layer", 1, "-o", place)
    assert "no folder" in bad(striate_, *train, "--layer", 1, "-o", tmp_path / "a" / "b")
    later = tmp_path / "x.gif"
    assert "'.gif'" in bad(striate_, "invert", "nothing", "own:nobody", image, "-o", later)
    assert not out.exists()


def test_invert_guesses_from_changed_features_too(
    striate_: Run, place: Path, trained: Path, tmp_path: Path
) -> None:
    images = [place / "images" / f"{number}.png" for number in (3, 5)]
    out, plain = tmp_path / "changed.png", tmp_path / "plain.png"
    command = ["invert", trained, "own:make", *images, *SIZE, "-o"]
    before = good(striate_, *command, plain).splitlines()
    changes = ["--perturb", "binarise", "--perturb", "drop", "--seed", 4]
    said = good(striate_, *command, out, *changes).splitlines()
    assert said[0] == before[0]
    assert [line.split(":")[1] for line in said[1:3]] == [" binarise", " drop"]
    assert len({line.split("image error ")[1] for line in said[:3]}) == 3
    assert said == [*good(striate_, *command, out, *changes).splitlines()]
    # At the left the same pair as without; two more guesses at the right.
    with Image.open(out) as wide, Image.open(plain) as narrow:
        changed, pair = np.asarray(wide.convert("RGB")), np.asarray(narrow.convert("RGB"))
    assert np.array_equal(changed[-16:, :40], pair[-16:, :40])
    assert len(np.unique(changed[-16:, 48:64].reshape(-1, 3), axis=0)) > 50
    assert len(np.unique(changed[-16:, 72:88].reshape(-1, 3), axis=0)) > 50
    assert "no change of features is called 'blur'" in bad(
        striate_, *command, out, "--perturb", "blur"
    )
    alone = ["invert", trained, "own:make", images[0], *SIZE, "-o", out, "--perturb", "interpolate"]
    code, _, err = striate_(*alone)
    assert (code, "name two images or more" in err) == (2, True)


def test_a_network_in_half_precision(striate_: Run, tmp_path: Path) -> None:
    net, out = tmp_path / "net", tmp_path / "pairs.png"
    train = ["train", "own:half", "images", "--layer", "1", "-o", net, *SIZE, *QUICK]
    good(striate_, *train, "--size", 8)
    images = ["images/3.png", "images/5.png"]
    changes = ["--perturb", "binarise", "--perturb", "interpolate"]
    said = good(striate_, "invert", net, "own:half", *images, "-o", out, *SIZE, *changes)
    numbers = [float(number) for number in re.findall(r"error (\S+?),? ", said.replace("\n", " "))]
    assert len(numbers) == 2 * 2 * 3
    assert all(0 < number < 10 for number in numbers)
    with Image.open(out) as picture:
        assert picture.size[0] >= 4 * 8 + 3 * 8


def test_the_embedded_inverse_goes_by_the_name_demo(
    striate_: Run, place: Path, trained: Path, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "scenes", 2, 11)
    images = sorted((tmp_path / "scenes").rglob("*.png"))
    out = tmp_path / "pairs.png"
    said = good(striate_, "invert", "demo", "demo", *images, "-o", out).splitlines()
    errors = [float(line.split("image error ")[1].split(",")[0]) for line in said[:2]]
    assert all(0.1 < error < 0.6 for error in errors)
    assert "of own:make differ" in bad(
        striate_, "invert", "demo", "own:make", images[0], "-o", out, *SIZE
    )
    # A file of that name comes first.
    (place / "demo").write_bytes(trained.read_bytes())
    command = ["invert", "demo", "own:make", place / "images" / "0.png", "-o", out, *SIZE]
    assert "image error" in good(striate_, *command)
    (place / "demo").unlink()
    # A folder of that name does not.
    (place / "demo").mkdir()
    assert good(striate_, "invert", "demo", "demo", *images, "-o", out).splitlines() == said
    (place / "demo").rmdir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_done_is_kept(
    striate_: Run, trained: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    out, shown = trained.with_name("stopped"), ProgressLine.passed

    def passed(line: ProgressLine, progress: Progress) -> None:
        shown(line, progress)
        if progress.done == 2:
            signal.raise_signal(number)

    command = ["train", "own:make", "images", "--layer", "1", "-o", out, *SIZE, *QUICK]
    with monkeypatch.context() as stopping:
        stopping.setattr(ProgressLine, "passed", passed)
        stopping.setattr("striate.cli.main.leave", sys.exit)
        code, said, err = striate_(*command)
    assert (code, said) == (128 + number, "")
    assert err.endswith("stopped; what is done is kept, the same command goes on\n")
    assert UpconvNet.load(out).steps == 2
    assert "resumed from 2" in striate_(*command)[2]
    assert out.read_bytes() == trained.read_bytes()


@pytest.mark.parametrize("seed", [-1, 10**21])
def test_seeds_that_no_generator_takes(striate_: Run, trained: Path, seed: int) -> None:
    train = ["train", "own:make", "images", "--layer", "1", "-o", trained, *SIZE]
    invert = ["invert", trained, "own:make", "images/0.png", "-o", "x.png", *SIZE]
    for command in (train, invert):
        code, _, err = striate_(*command, "--seed", seed)
        assert code == 2
        assert "--seed" in err
        assert "Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_stopped_training_goes_on(striate_: Run, place: Path, trained: Path) -> None:
    command = ["train", "own:make", "images", "--layer", "1", *SIZE, *QUICK, "--epochs", "60"]
    path = trained.with_name("stopped")
    running = subprocess.Popen(
        [sys.executable, "-m", "striate.cli.main", "upconv", *command, "-o", str(path)],
        cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    until = time.monotonic() + 120
    while not path.exists() and running.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 143, out + err
    assert "the same command goes on" in err.splitlines()[-1]
    good(striate_, *command, "-o", path)
    good(striate_, *command, "-o", trained.with_name("whole"))
    assert path.read_bytes() == trained.with_name("whole").read_bytes()


@pytest.mark.parametrize("verb", ["train", "invert"])
def test_help(striate_: Run, verb: str) -> None:
    assert verb in good(striate_, "--help")
    assert "--out" in good(striate_, verb, "--help")
