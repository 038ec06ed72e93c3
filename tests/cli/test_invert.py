"""``striate invert`` and ``striate dream``: what they write, print and refuse."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import striate

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
            f"{found.layer}: error {one.shown_error:.3f}, image error {one.image_error:.2f}"
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


def test_every_layer_is_looked_up_before_the_first_is_inverted(striate_: Run) -> None:
    code, _, error = striate_(
        "invert", "own:make", "a.png", "--layer", "1", "--layer", "x", "-o", "s.png", *SIZE
    )
    assert code == 2
    assert "steps" not in error
