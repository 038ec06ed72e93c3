"""HOG and dense SIFT as networks: against plain loops, in closed form, and by finite differences.

All in float64 unless the small numbers of float32 are the point.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import striate
from oracles import hog as oracle
from striate.errors import NetworkError
from striate.image.preprocess import Preprocessing
from striate.network.descriptors import DESCRIPTORS, DenseSift, Hog
from striate.network.operations import KNOWN

F64 = torch.float64
MADE: dict[str, Callable[..., nn.Module]] = {
    "hog": Hog,
    "hog-bilinear": lambda **options: Hog(bilinear=True, **options),
    "dense-sift": DenseSift,
}
ORACLES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "hog": lambda grey: oracle.hog(grey, bilinear=False),
    "hog-bilinear": lambda grey: oracle.hog(grey, bilinear=True),
    "dense-sift": oracle.dense_sift,
}
LAST = {"hog": "cells", "hog-bilinear": "cells", "dense-sift": "renormalised"}
SIZE = (57, 48)
names = pytest.mark.parametrize("name", list(MADE))


@cache
def loaded(name: str) -> striate.Network:
    """The descriptor in float64, for colour images of `SIZE`."""
    return striate.load(MADE[name](dtype=F64), image_size=SIZE)


def noise(generator: torch.Generator, channels: int = 1, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand((1, channels, *size), generator=generator, dtype=F64)


def picture() -> Tensor:
    """A disc, a bar and a slope in whole grey levels: straight edges, flat places, few angles."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    levels = np.where(rows > 35, 3 * columns, 40)
    levels = np.where((rows - 20) ** 2 + (columns - 17) ** 2 < 120, 200, levels)
    levels = np.where((columns > 34) & (columns < 41) & (rows < 30), 255, levels)
    return torch.from_numpy(levels / 255)[None, None]


def slope(degrees: float, steepness: float, size: tuple[int, int] = SIZE) -> Tensor:
    """A plane that rises towards an angle, clockwise from rightwards."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    across, down = (round(f(math.radians(degrees)), 15) for f in (math.cos, math.sin))
    return torch.from_numpy(0.5 + steepness * (across * columns + down * rows))[None, None]


# --- against the oracle ----------------------------------------------------------------------


@names
@pytest.mark.parametrize("kind", ["noise", "picture"])
def test_equal_to_plain_loops(name: str, kind: str, seeded: torch.Generator) -> None:
    image = noise(seeded) if kind == "noise" else picture()
    expected = ORACLES[name](image[0, 0].numpy())
    found = MADE[name](dtype=F64)(image)[0].permute(1, 2, 0).numpy()
    assert found.shape == expected.shape
    assert expected.max() > 0.15
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_sift_before_the_last_step_is_the_sources(seeded: torch.Generator) -> None:
    image = noise(seeded)
    images = image.expand(-1, 3, -1, -1)
    found = loaded("dense-sift").record(images, ["clipped"])["clipped"][0].permute(1, 2, 0).numpy()
    expected = oracle.dense_sift(image[0, 0].numpy(), renormalise=False)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("degrees", "bilinear", "shares"),
    [
        (23, True, {1: 0.85, 2: 0.15}),
        (23, False, {1: 1.0}),
        (31, False, {2: 1.0}),
        (90, True, {4: 0.5, 5: 0.5}),
        (90, False, {4: 1.0}),
        (270, False, {13: 1.0}),
        (180, True, {9: 1.0}),
        (180, False, {9: 1.0}),
        (344, True, {17: 0.8, 0: 0.2}),
        (344, False, {17: 1.0}),
    ],
)
@pytest.mark.parametrize("steepness", [0.004, 1e-6])
def test_hog_of_a_plane(
    degrees: float, bilinear: bool, shares: dict[int, float], steepness: float
) -> None:
    """Within, all four cells of each block are alike, so that each has half of the norm."""
    directed = np.zeros(18)
    for o, share in shares.items():
        directed[o] = share
    undirected = directed[:9] + directed[9:]
    norm = 2 * np.linalg.norm(undirected)
    texture = np.minimum(undirected / norm, 0.2).sum() / math.sqrt(18)
    expected = np.concatenate([
        2 * np.minimum(directed / norm, 0.2), 2 * np.minimum(undirected / norm, 0.2), [texture] * 4,
    ])  # fmt: skip
    found = Hog(bilinear=bilinear, dtype=F64)(slope(degrees, steepness))[0, :, 3, 2]
    # At a contrast of one millionth the norms' floor shows, but not in the directions.
    tolerance = 1e-6 if steepness == 0.004 else 0.02
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=1e-8)


@pytest.mark.parametrize(
    ("degrees", "shares"),
    [(20, {0: 25 / 45, 1: 20 / 45}), (90, {2: 1.0}), (340, {7: 20 / 45, 0: 25 / 45})],
)
def test_sift_of_a_plane(degrees: float, shares: dict[int, float]) -> None:
    bell = np.exp(-((np.arange(4) - 1.5) ** 2) / 4.5)
    expected = np.zeros((4, 4, 8))
    for o, share in shares.items():
        expected[:, :, o] = np.outer(bell, bell) * share
    expected = np.minimum(expected / np.linalg.norm(expected), 0.2)
    assert expected.max() == 0.2
    expected /= np.linalg.norm(expected)
    found = DenseSift(dtype=F64)(slope(degrees, 0.004))
    for place in found[0].flatten(1).T:
        np.testing.assert_allclose(place.numpy(), expected.ravel(), rtol=0, atol=1e-6)


# --- what must change nothing ----------------------------------------------------------------


@names
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_a_flat_image_is_zero_and_so_is_its_gradient(name: str, dtype: torch.dtype) -> None:
    for colour in ((1.0, 1.0, 1.0), (0.1, 0.2, 0.777)):
        images = torch.tensor(colour, dtype=dtype)[None, :, None, None].repeat(1, 1, *SIZE)
        images.requires_grad_()
        found = MADE[name](dtype=dtype)(images)
        assert torch.equal(found, torch.zeros_like(found))
        found.sum().backward()
        assert images.grad is not None
        assert torch.equal(images.grad, torch.zeros_like(images))


@names
@pytest.mark.parametrize("contrast", [1.0, 1e-3, 1e-6, 1e-9, 1e-12, 1e-20, 1e-38])
def test_gradients_are_finite_at_any_contrast(
    name: str, contrast: float, seeded: torch.Generator
) -> None:
    images = picture().float() * contrast
    images[:, :, :20] += contrast * noise(seeded)[:, :, :20].float()
    images.requires_grad_()
    found = MADE[name]()(images)
    (found * torch.rand(found.shape, generator=seeded)).sum().backward()
    assert images.grad is not None
    assert found.isfinite().all()
    assert images.grad.isfinite().all()
    assert found.max() <= (0.4 if name != "dense-sift" else 1.0) + 1e-6


def test_renormalising_does_not_blow_up_what_has_no_contrast(seeded: torch.Generator) -> None:
    images = 1e-12 * noise(seeded, 3)
    recorded = loaded("dense-sift").record(images, ["clipped", "renormalised"])
    clipped, renormalised = recorded["clipped"], recorded["renormalised"]
    assert 0 < clipped.max() < 1e-5
    assert torch.allclose(renormalised, clipped / 0.2, rtol=1e-12)


@names
def test_contrast_and_brightness_change_nothing(name: str, seeded: torch.Generator) -> None:
    describe = MADE[name](dtype=F64)
    image = noise(seeded)
    expected = describe(image)
    for contrast, brightness in ((0.5, 0.0), (0.02, 0.3), (7.0, -1.0)):
        assert (describe(contrast * image + brightness) - expected).abs().max() < 1e-6


@names
def test_half_a_turn_permutes_directions(name: str, seeded: torch.Generator) -> None:
    size = (57, 42) if name == "dense-sift" else (56, 48)
    if name == "dense-sift":
        order = [
            8 * (4 * (3 - row) + (3 - column)) + (o + 4) % 8
            for row in range(4)
            for column in range(4)
            for o in range(8)
        ]
    else:
        order = [*range(9, 18), *range(9), *range(18, 27), 30, 29, 28, 27]
    describe = MADE[name](dtype=F64)
    for image in (noise(seeded, size=size), picture()[:, :, : size[0], : size[1]]):
        turned = describe(image.flip(2, 3))
        expected = describe(image).flip(2, 3)[:, order]
        assert (turned - expected).abs().max() < 1e-9
        assert (turned - describe(image)).abs().max() > 0.01


@names
def test_grey_is_that_of_the_preprocessing(name: str) -> None:
    levels = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    grey = Preprocessing(None, None, mean=(0.0,), std=(1.0,), channels=1)(levels)[None]
    colour = Preprocessing(None, None, mean=(0.0,), std=(1.0,))(levels)[None]
    describe = MADE[name](dtype=F64)
    assert (describe(grey.double()) - describe(colour.double())).abs().max() < 1e-4


# --- gradients and receptive fields ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "neuron"),
    [
        ("hog", "cells:3@2,2"),
        ("hog", "cells:20@3,1"),
        ("hog", "cells:30@0,0"),
        ("hog-bilinear", "cells:13@2,4"),
        ("hog-bilinear", "cells:30@2,2"),
        ("hog-bilinear", "orientation:4"),
        ("dense-sift", "renormalised:77@0,0"),
        ("dense-sift", "clipped:5@1,1"),
        ("dense-sift", "pooling:6"),
    ],
)
def test_gradient_is_the_finite_difference(name: str, neuron: str, seeded: torch.Generator) -> None:
    network = loaded(name)
    image = noise(seeded, 3)[0]
    projected = striate.gradient(network, image, neuron)
    address = projected.neuron
    top, left, bottom, right = projected.box
    shape = (bottom - top, right - left)
    chosen = torch.randperm(3 * shape[0] * shape[1], generator=seeded)[:40].tolist()
    places = [(k % 3, top + k // 3 // shape[1], left + k // 3 % shape[1]) for k in chosen]
    step = 1e-6
    pairs = image.repeat(2 * len(places), 1, 1, 1)
    for k, place in enumerate(places):
        pairs[2 * k][place] += step
        pairs[2 * k + 1][place] -= step
    values = network.record(pairs, [address.layer])[address.layer]
    values = values[:, address.unit, address.row, address.column].reshape(-1, 2)
    expected = (values[:, 0] - values[:, 1]) / (2 * step)
    found = torch.stack([projected.map[place] for place in places])
    scale = float(projected.map.abs().max())
    assert scale > 1e-3
    assert float((found - expected).abs().max()) < 1e-6 * max(scale, 1.0)


@pytest.mark.parametrize(
    ("name", "geometry"),
    [
        ("hog", {"gradient": (3, 1), "orientation": (3, 1), "pooling": (18, 8), "blocks": (26, 8),
                 "normalised": (26, 8), "clipped": (26, 8), "cells": (34, 8)}),
        ("hog-bilinear", {"grey": (1, 1), "orientation": (3, 1), "cells": (34, 8)}),
        ("dense-sift", {"gradient": (3, 1), "orientation": (3, 1), "pooling": (12, 5),
                        "blocks": (27, 15), "normalised": (27, 15), "clipped": (27, 15),
                        "renormalised": (27, 15)}),
    ],
)  # fmt: skip
def test_stages_and_what_they_see(
    name: str, geometry: dict[str, tuple[int, int]], seeded: torch.Generator
) -> None:
    """Each pixel inside the border of a neuron's box matters, none outside of it."""
    network = loaded(name)
    images = noise(seeded, 3).requires_grad_()
    recorded = network.record(images, list(geometry))
    for address, (side, stride) in geometry.items():
        layer = network.layers[address]
        field = layer.receptive_field
        assert (field.size, field.stride) == ((side, side), (stride, stride)), address
        maps = recorded[address]
        for row, column in {(0, 0), (layer.map_size[0] // 2, layer.map_size[1] - 1)}:
            weights = torch.rand(layer.units, generator=seeded, dtype=F64)
            start = (maps[0, :, row, column] * weights).sum()
            (found,) = torch.autograd.grad(start, images, retain_graph=True)
            rows, columns = found[0].abs().sum(0).nonzero().T
            seen = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
            assert tuple(map(int, seen)) == layer.box(row, column), address


# --- as networks of striate ------------------------------------------------------------------


@names
def test_loads_by_name(name: str, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    network = striate.load(name)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert network.name == name
    assert network.image_size == (3, 224, 224)
    assert network.preprocessing == Preprocessing(mean=(0.0,) * 3, std=(1.0,) * 3)
    assert (network.class_count, network.class_names) == (None, None)
    assert network.scores == network.layers[LAST[name]].address
    layer = network.layers[LAST[name]]
    assert (layer.units, layer.map_size) == {
        "cells": (31, (28, 28)),
        "renormalised": (128, (14, 14)),
    }[LAST[name]]
    levels = np.random.default_rng(0).integers(0, 256, (300, 260, 3), dtype=np.uint8)
    Image.fromarray(levels).save(tmp_path / "picture.png")
    image = network.read(tmp_path / "picture.png")
    assert 0 <= float(image.min()) < 0.1
    assert 0.9 < float(image.max()) <= 1
    assert torch.equal(network(image[None]), MADE[name]()(image[None]))


@names
def test_loads_for_other_images(name: str, seeded: torch.Generator) -> None:
    network = striate.load(name, weights=None, image_size=(1, *SIZE), crop=None)
    images = noise(seeded).float()
    assert torch.equal(network(images), MADE[name]()(images))
    assert network.preprocessing is not None
    assert network.preprocessing.channels == 1


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("hog@weights.pth", {}, "hog has weights of its own"),
        ("dense-sift", {"weights": "weights.pth"}, "dense-sift has weights of its own"),
        ("hog", {"image_size": (15, 40)}, "16 x 16 pixels or more, not of 3 channels and 15 x 40"),
        ("dense-sift", {"image_size": 26}, "27 x 27 pixels or more"),
        ("hog-bilinear", {"image_size": (4, 40, 40)}, "1 or 3 channels"),
    ],
)
def test_what_it_refuses(source: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        striate.load(source, **options)


@names
def test_nothing_trains_it_and_nothing_in_it_is_unknown(name: str) -> None:
    module = DESCRIPTORS[name]()
    assert list(module.parameters()) == []
    assert {buffer.dtype for buffer in module.buffers()} == {torch.float32}
    assert {layer.operation for layer in loaded(name).layers.values()} <= KNOWN


@names
def test_directions_are_symmetric_bit_for_bit(name: str) -> None:
    """Else what lies halfway between two bins would fall to one or the other by rounding."""
    weight = MADE[name](dtype=F64).gradient.weight[:, :, 0, 0]
    half = len(weight) // 2
    angles = 2 * math.pi * torch.arange(2 * half, dtype=F64) / (2 * half)
    assert torch.allclose(weight, torch.stack((angles.cos(), angles.sin()), 1), atol=1e-15)
    assert torch.equal(weight[half:], -weight[:half])
    assert torch.equal(weight[1:half].flip(0), weight[1:half] * torch.tensor([-1.0, 1.0]))
