"""Rotations: the laws of powers, the network's function kept, planted detectors lost."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dissection.planted import colour_units, load, make_atlas, write_picture
from striate.dissection.results import folder_of
from striate.dissection.rotation import power, rotate, rotation, rotation_of
from striate.dissection.run import dissect
from striate.errors import AtlasError, MethodError
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage, MaskFile

SIZES = [2, 3, 7, 64, 256]


@pytest.mark.parametrize("units", SIZES)
def test_powers(units: int) -> None:
    whole = rotation(units, 1.0, 5)
    identity = np.eye(units)
    for alpha, beta in ((0.2, 0.4), (0.5, 0.5), (1.0, -1.0), (0.3, 1.1)):
        one, other = rotation(units, alpha, 5), rotation(units, beta, 5)
        np.testing.assert_allclose(one @ other, rotation(units, alpha + beta, 5), atol=1e-10)
        np.testing.assert_allclose(one @ one.T, identity, atol=1e-10)
        np.testing.assert_allclose(np.linalg.det(one), 1, atol=1e-9)
    np.testing.assert_array_equal(rotation(units, 0.0, 5), identity)
    np.testing.assert_allclose(power(whole, 1.0), whole, atol=1e-9)
    np.testing.assert_allclose(power(whole, 3.0), whole @ whole @ whole, atol=1e-9)
    assert np.abs(rotation(units, 1.0, 6) - whole).max() > 0.1


def test_a_plane_turns_by_its_angle() -> None:
    def turn(angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])

    for angle in (0.3, 3.0, -2.0):
        np.testing.assert_allclose(power(turn(angle), 0.25), turn(angle / 4), atol=1e-12)


def test_rotations_are_drawn_evenly() -> None:
    """The first column of a matrix drawn evenly from all rotations has mean 0 and variance 1/n."""
    columns = np.array([rotation(4, 1.0, seed)[:, 0] for seed in range(800)])
    assert np.abs(columns.mean(0)).max() < 0.08
    np.testing.assert_allclose((columns**2).mean(0), 0.25, atol=0.04)


def test_the_function_is_kept() -> None:
    network = load(colour_units([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]]), 12)
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    maps = network.record(images, ["1"])["1"]
    turn = torch.from_numpy(rotation(3, 0.6, 2)).float()
    turned = torch.einsum("vu,nuhw->nvhw", turn, maps)
    assert (turned - maps).abs().max() > 0.1
    back = torch.einsum("uv,nuhw->nvhw", turn, turned)
    torch.testing.assert_close(network.resume(back, "1"), network(images))


COLOURS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]])


def coloured_squares(folder: Path) -> ConceptSet:
    """Images of one colour each, in a square, more or less bright; the concepts are the colours."""
    images = []
    for number, colour in enumerate(COLOURS):
        levels = np.zeros((20, 20), np.uint8)
        levels[2:12, 3:13] = 155 + np.random.default_rng(number).permutation(100).reshape(10, 10)
        path = write_picture(folder / f"{number}.png", levels[:, :, None] * colour)
        mask = write_picture(folder / f"mask-{number}.png", (levels > 0).astype(np.uint8))
        concept = MaskFile(mask, np.array([-1, number], np.int32))
        images.append(LabelledImage(f"{number}.png", path, (concept,)))
    return ConceptSet(tuple(Concept(f"colour {n}", "object") for n in range(6)), tuple(images))


def one_for_each_colour() -> nn.Sequential:
    """Unit k is the brightness of colour k less a half, and 0 elsewhere."""
    module = colour_units(np.where(COLOURS, COLOURS / COLOURS.sum(1, keepdims=True), -1.0).tolist())
    lower = nn.Conv2d(6, 6, 1)
    with torch.no_grad():
        lower.weight.copy_(torch.eye(6)[:, :, None, None])
        lower.bias.fill_(-0.5)
    return nn.Sequential(module[0], lower, *module[1:])


def test_planted_detectors_are_lost_as_the_rotation_says(tmp_path: Path) -> None:
    """A rotated unit stands for the colour of its largest weight, if that is positive.

    So several stand for one colour, and some for none.
    """
    network = load(one_for_each_colour(), 20)
    atlas = make_atlas(network, tmp_path)
    concepts = coloured_squares(tmp_path / "set")
    alphas, seed = [1.0, 0.0, 0.3], 2
    curve = rotate(network, atlas, concepts, "2", alphas, seed, ratio=1, quantile=1 / 96)
    assert [step.alpha for step in curve.steps] == sorted(alphas)
    assert (curve.layer, curve.units, curve.images, curve.seed) == ("2", 6, 6, seed)
    for step in curve.steps:
        turned = rotation(6, step.alpha, seed)
        positive = turned.max(1) > 0
        assert step.detectors == positive.sum()
        assert step.unique == {"object": len(set(turned.argmax(1)[positive].tolist()))}
    assert curve.steps[0].total == 6
    assert curve.steps[-1].total < 5
    assert rotation_of(atlas, "2") == curve
    assert not list(folder_of(atlas.home).glob("*.safetensors"))


def test_alpha_0_is_the_units_themselves(tmp_path: Path) -> None:
    """Also where one of them is never finite, which leaves no other direction anything."""
    planted = one_for_each_colour()
    with torch.no_grad():
        planted[1].bias[5] = torch.inf
    network = load(planted, 20)
    atlas = make_atlas(network, tmp_path)
    concepts = coloured_squares(tmp_path / "set")
    how = {"ratio": 1, "quantile": 1 / 96}
    found = dissect(network, atlas, concepts, layers=["2"], **how).layers["2"]
    curve = rotate(network, atlas, concepts, "2", [0.0, 0.5], **how)
    assert curve.steps[0].detectors == found.detectors().sum() == 5
    assert curve.steps[1].detectors == 0


def test_what_is_stored_is_checked(tmp_path: Path) -> None:
    network = load(colour_units([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), 20)
    atlas = make_atlas(network, tmp_path)
    assert rotation_of(atlas, "1") is None
    concepts = coloured_squares(tmp_path / "set")
    curve = rotate(network, atlas, concepts, "1", [0.0], 1)
    path = next(folder_of(atlas.home).glob("rotation-*.json"))
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "atlas": "another"}))
    assert rotation_of(atlas, "1") is None
    path.write_text(json.dumps({**said, "steps": 7}))
    with pytest.raises(AtlasError, match="rotate"):
        rotation_of(atlas, "1")
    path.write_text(json.dumps(said))
    assert rotation_of(atlas, "1") == curve
    with pytest.raises(MethodError, match="alphas"):
        rotate(network, atlas, concepts, "1", [])
    with pytest.raises(MethodError, match="rows and columns"):
        rotate(network, atlas, concepts, "4")
