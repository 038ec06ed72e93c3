"""Receptive fields by experiment: change pixels, look which neurons change.

Outside a neuron's box nothing may matter, inside each border row and column must. No gradient is
used; all in float64 with random weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import striate
from networks import HAND_MADE, randomized
from striate.network.layers import Layer

TRIES = 8
BATCH = 32
TORCHVISION = {
    "alexnet": (131, 99),
    "vgg11": (51, 43),
    "resnet18": (75, 65),
    "squeezenet1_0": (97, 75),
    "googlenet": (97, 75),
    "densenet121": (65, 51),
    "mobilenet_v2": (65, 51),
    "shufflenet_v2_x0_5": (97, 75),
}
GAPS = {"dilation and groups", "dilated pool", "strides", "transposed convolution", "shuffles"}
"""Nets that skip pixels: at the image's border the first pixel of a box may fall into a gap."""


@dataclass(frozen=True)
class Probe:
    """All neurons (layer, row, column) that are said to see the same box of the image."""

    box: tuple[int, int, int, int]
    neurons: tuple[tuple[str, int, int], ...]
    sides: frozenset[str]


DEEP, MOST_LAYERS = 40, 24
"""Of a network with more layers than that so many are asked, evenly: its blocks repeat."""


def asked(network: striate.Network) -> list[tuple[str, Layer]]:
    partial = [
        (address, layer)
        for address, layer in network.layers.items()
        if layer.units is not None and not layer.receptive_field.whole
    ]
    return partial[:: -(-len(partial) // MOST_LAYERS)] if len(partial) > DEEP else partial


def probes(network: striate.Network, *, gaps: bool) -> list[Probe]:
    """Neurons at the corners, edges and centre of layers that do not see everything."""
    found: dict[tuple[tuple[int, int, int, int], frozenset[str]], list[tuple[str, int, int]]] = {}
    height, width = network.image_size[1:]
    for address, layer in asked(network):
        rows, columns = layer.map_size
        for row, column in product({0, 1, rows // 2, rows - 1}, {0, columns // 2, columns - 1}):
            if row >= rows:
                continue
            box = layer.box(row, column)
            regular = layer.box(row, column, clip=False)
            if box == (0, 0, height, width):
                continue
            names = ("top", "left", "bottom", "right")
            sides = frozenset(
                name
                for name, edge, free in zip(names, box, regular, strict=True)
                if edge == free or not gaps
            )
            found.setdefault((box, sides), []).append((address, row, column))
    return [Probe(box, tuple(neurons), sides) for (box, sides), neurons in found.items()]


def neurons_of(
    network: striate.Network, images: Tensor, chosen: list[Probe]
) -> Iterator[list[Tensor]]:
    """For each image and its probe: the activations (neuron, unit) of the probe's neurons."""
    # The same layers each time: one cut of the graph serves all batches.
    addresses = [address for address, _ in asked(network)]
    for start in range(0, len(images), BATCH):
        part, probed = images[start : start + BATCH], chosen[start : start + BATCH]
        with torch.no_grad():
            recorded = network.record(part, addresses)
        maps = {name: network.layers[name].maps(value) for name, value in recorded.items()}
        for k, probe in enumerate(probed):
            yield [maps[name][k, :, row, column] for name, row, column in probe.neurons]


def check_nothing_outside_matters(network: striate.Network, generator: torch.Generator) -> int:
    chosen = probes(network, gaps=False)
    base = noise(network.image_size, generator)
    images = []
    for probe in chosen:
        image = 3 * noise(network.image_size, generator)
        top, left, bottom, right = probe.box
        image[:, top:bottom, left:right] = base[:, top:bottom, left:right]
        images.append(image)
    before = dict(zip(chosen, neurons_of(network, base.expand(len(chosen), -1, -1, -1), chosen),
                      strict=True))  # fmt: skip
    wrong = []
    for probe, after in zip(chosen, neurons_of(network, torch.stack(images), chosen), strict=True):
        for neuron, old, new in zip(probe.neurons, before[probe], after, strict=True):
            scale = max(1.0, float(old.abs().max()))
            if not (old - new).abs().max() <= 1e-12 * scale:
                wrong.append((*neuron, probe.box))
    assert not wrong, f"{len(wrong)} neurons see more than their box, the first: {wrong[:3]}"
    return len(chosen)


def check_each_border_matters(
    network: striate.Network, generator: torch.Generator, *, gaps: bool
) -> None:
    waiting = dict.fromkeys(
        (probe, side, neuron)
        for probe in probes(network, gaps=gaps)
        for side in sorted(probe.sides)
        for neuron in range(len(probe.neurons))
    )
    for attempt in range(TRIES):
        if not waiting:
            return
        base = noise(network.image_size, generator)
        pairs = list(dict.fromkeys((probe, side) for probe, side, _ in waiting))
        chosen = [probe for probe, _ in pairs]
        images = torch.stack([
            disturbed(base, probe.box, side, generator, 10.0 ** (attempt % 4))
            for probe, side in pairs
        ])
        before = neurons_of(network, base.expand(len(chosen), -1, -1, -1), chosen)
        after = neurons_of(network, images, chosen)
        for (probe, side), old, new in zip(pairs, before, after, strict=True):
            for k, (was, now) in enumerate(zip(old, new, strict=True)):
                if (was - now).abs().max() > 1e-11 * max(1e-3, float(was.abs().max())):
                    waiting.pop((probe, side, k), None)
    shown = [(*probe.neurons[k], side, probe.box) for probe, side, k in waiting]
    assert not shown, f"{len(shown)} boxes are too large, for example {sorted(shown)[:3]}"


def noise(size: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(size, generator=generator, dtype=torch.float64)


def disturbed(
    base: Tensor, box: tuple[int, int, int, int], side: str, generator: torch.Generator, by: float
) -> Tensor:
    """Change one row or column of pixels along the inner border of the box."""
    top, left, bottom, right = box
    row = {"top": slice(top, top + 1), "bottom": slice(bottom - 1, bottom)}
    column = {"left": slice(left, left + 1), "right": slice(right - 1, right)}
    rows, columns = row.get(side, slice(top, bottom)), column.get(side, slice(left, right))
    image = base.clone()
    image[:, rows, columns] += by * noise(image[:, rows, columns].shape, generator)
    return image


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made(name, seeded):
    module, size = HAND_MADE[name]()
    network = striate.load(module.double(), image_size=size)
    check_nothing_outside_matters(network, seeded)
    check_each_border_matters(network, seeded, gaps=name in GAPS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name, seeded):
    options: dict[str, Any] = {
        "googlenet": {"init_weights": False},
        # As deep as all its kinds of blocks ask for: of 430 layers the last ones cost minutes.
        "densenet121": {"block_config": (2, 3, 3, 2), "growth_rate": 8, "num_init_features": 16},
    }.get(name, {})
    make = (
        torchvision.models.DenseNet
        if "dense" in name
        else torchvision.models.get_model_builder(name)
    )
    module = randomized(make(**options)).double()
    network = striate.load(module, image_size=TORCHVISION[name])
    assert check_nothing_outside_matters(network, seeded) > 10
    check_each_border_matters(network, seeded, gaps=True)


def columns(
    *kernels: tuple[str, int, int, int],
) -> nn.Sequential:
    """Build a thin net from (name, kernel, stride, padding); names with "pool" are max-pools."""
    net = nn.Sequential()
    units = 3
    for name, kernel, stride, padding in kernels:
        if "pool" in name:
            net.add_module(name, nn.MaxPool2d(kernel, stride, padding, ceil_mode=True))
        else:
            net.add_module(name, nn.Conv2d(units, 2, kernel, stride, padding))
            net.add_module(f"relu{name}", nn.ReLU(inplace=True))
            units = 2
    return net


CAFFENET = columns(
    ("conv1", 11, 4, 0), ("pool1", 3, 2, 0), ("conv2", 5, 1, 2), ("pool2", 3, 2, 0),
    ("conv3", 3, 1, 1), ("conv4", 3, 1, 1), ("conv5", 3, 1, 1), ("pool5", 3, 2, 0),
)  # fmt: skip
ZFNET = columns(
    ("conv1", 7, 2, 1), ("pool1", 3, 2, 0), ("conv2", 5, 2, 0), ("pool2", 3, 2, 0),
    ("conv3", 3, 1, 1), ("conv4", 3, 1, 1), ("conv5", 3, 1, 1), ("pool5", 3, 2, 0),
)  # fmt: skip
VGG16 = columns(*[
    (name, 3, 1, 1) if name.startswith("conv") else (name, 2, 2, 0)
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1)
    for name in [f"conv{block}_{k}" for k in range(1, convolutions + 1)] + [f"pool{block}"]
])
GOLDEN = {
    "CaffeNet": (CAFFENET, 227, {
        "conv1": (11, 4, 5), "pool1": (19, 8, 9), "conv2": (51, 8, 9), "pool2": (67, 16, 17),
        "conv3": (99, 16, 17), "conv4": (131, 16, 17), "conv5": (163, 16, 17),
        "reluconv5": (163, 16, 17), "pool5": (195, 32, 33),
    }),
    "ZFNet": (ZFNET, 224, {
        "conv1": (7, 2, 2), "pool1": (11, 4, 4), "conv2": (27, 8, 12), "pool2": (43, 16, 20),
        "conv3": (75, 16, 20), "conv4": (107, 16, 20), "conv5": (139, 16, 20),
        "pool5": (171, 32, 36),
    }),
    "VGG16": (VGG16, 224, {
        "conv1_1": (3, 1, 0), "conv5_1": (132, 16, 7.5), "conv5_2": (164, 16, 7.5),
        "conv5_3": (196, 16, 7.5), "pool5": (212, 32, 15.5),
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_published_geometry(name):
    """Size, stride and centre of the first neuron, from section 0.1 of the methods reference."""
    module, side, expected = GOLDEN[name]
    network = striate.load(module.eval(), image_size=(side, side))
    for address, (size, stride, centre) in expected.items():
        field = network.layers[address].receptive_field
        assert not field.whole
        assert field.size == (size, size), address
        assert field.stride == (stride, stride), address
        assert field.centre == (centre, centre), address


def test_the_crop_of_alexnet_conv5():
    """Unit (6, 6) of conv5 sees 163 pixels from pixel 32 on, as published with DGN-AM."""
    network = striate.load(CAFFENET.eval(), image_size=(227, 227))
    assert network.layers["conv5"].box(6, 6) == (32, 32, 195, 195)


@pytest.mark.parametrize(
    ("name", "address"),
    [("dense", "classifier.0"), ("squeeze-excite", "conv"), ("attention", "mlp.0")],
)
def test_what_sees_the_whole_image_says_so(name, address):
    module, size = HAND_MADE[name]()
    layer = striate.load(module, image_size=size).layers[address]
    assert layer.receptive_field.whole
    assert layer.receptive_field.size is None
    assert layer.box(0, 0) == (0, 0, *size)
