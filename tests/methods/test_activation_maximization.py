"""Units of which the best image is known; what a canvas reaches is reached in the whole image."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import striate
from networks import HAND_MADE
from striate.errors import AddressError, MethodError
from striate.methods.activation_maximization import activation_maximization_frames
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.presets import PRESETS, Preset, preset_named
from striate.optimize.space import Space
from striate.optimize.view import View


def convolutional(side: int = 40) -> Network:
    """Three layers of convolutions with padding and a ceil-mode pool, then a head."""
    torch.Generator().manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(12, 5),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    options = {"mean": (0.5, 0.4, 0.3), "std": (0.25, 0.2, 0.3)}
    return striate.load(module, resize=side, crop=side, **options)


def test_erhan_s_ball_is_the_filter_from_any_start() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).double()
    network = striate.load(module, image_size=(3, 4, 4))
    found = []
    for seed in (0, 1):
        (job,) = maximize.plan(network, ["1:2"], PRESETS["erhan"])
        *_, last = maximize.run(network, job, PRESETS["erhan"], seed=seed, steps=300)
        found.append(last.images.flatten())
    weight = module[1].weight.detach()[2]
    for image in found:
        assert torch.cosine_similarity(image, weight, dim=0).item() > 1 - 1e-6
        assert image.norm().item() == pytest.approx(math.sqrt(48))


def test_simonyan_s_class_model_is_the_closed_form() -> None:
    class Quadratic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(3)
            root = torch.randn(12, 12, generator=generator, dtype=torch.float64) / 4
            self.register_buffer("q", root @ root.T)
            self.register_buffer("b", torch.randn(12, generator=generator, dtype=torch.float64))
            self.head = nn.Linear(1, 1, bias=False).double()
            nn.init.ones_(self.head.weight)

        def forward(self, x: Tensor) -> Tensor:
            flat = x.flatten(1)
            score = flat @ self.b[:, None] - 0.5 * ((flat @ self.q) * flat).sum(1, keepdim=True)
            return self.head(score)

    from striate.optimize.ascend import Recipe, ascend
    from striate.optimize.canvas import Pixels
    from striate.optimize.objective import unit
    from striate.optimize.update import Constant

    module = Quadratic()
    network = striate.load(module, image_size=(3, 2, 2))
    space, weight = Space.of(network).as_network(), 0.3
    space = Space(space.mean.double(), space.std.double())
    canvas = Pixels(torch.zeros(1, 3, 2, 2, dtype=torch.float64), space)
    recipe = Recipe(
        400, Constant(0.1), penalties=((weight, lambda x: x.square().flatten(1).sum(1)),)
    )
    *_, last = ascend(View(network, [network.scores], (3, 2, 2)), canvas,
                      unit(f"{network.scores}:0"), recipe)  # fmt: skip
    closed = torch.linalg.solve(module.q + 2 * weight * torch.eye(12).double(), module.b)
    assert torch.allclose(last.images.flatten(), closed, rtol=1e-6)


@pytest.mark.parametrize("layer", ["0", "1", "2", "3", "4"])
def test_what_a_canvas_reaches_is_reached_in_the_whole_image(layer: str) -> None:
    network = convolutional()
    preset = PRESETS["yosinski-3"]
    (job,) = maximize.plan(network, [f"{layer}:1", f"{layer}:3"], preset)
    canvases = torch.randn(2, *job.size, generator=torch.Generator().manual_seed(2))
    neuron = job.neurons[0]
    on_canvas = View(network, [layer], job.size)(canvases)[layer]
    whole = View(network, [layer], job.whole)(job.placed(canvases))[layer]
    value = on_canvas[:, :, neuron.row, neuron.column]
    row, column = job.corner
    stride = network.layers[layer].receptive_field.stride
    assert stride is not None
    assert (row % stride[0], column % stride[1]) == (0, 0)
    there = whole[
        :, :, neuron.row + row // round(stride[0]), neuron.column + column // round(stride[1])
    ]
    assert torch.allclose(value, there, atol=1e-5)
    assert float(value.detach().abs().max()) > 0.01


def test_shallow_canvases_are_small_and_in_the_middle() -> None:
    network = convolutional(80)
    for address, side in (("0:0", 5 + 16), ("2:0", 9 + 16), ("3:0", 17 + 16), ("7:0", 80)):
        (job,) = maximize.plan(network, [address], PRESETS["yosinski-3"])
        assert job.size == (3, side, side)
        top, left, bottom, right = job.box
        assert abs((top + bottom) - 80) <= 8
        assert abs((left + right) - 80) <= 8
    assert maximize.plan(network, ["0:0"], PRESETS["modern"], size=64)[0].size == (3, 64, 64)


def test_canvases_of_deep_layers_are_as_wide_as_the_preset_allows() -> None:
    convolutions = [nn.Conv2d(3 if k == 0 else 4, 4, 5, stride=2, padding=2) for k in range(6)]
    network = striate.load(nn.Sequential(*convolutions), image_size=(200, 180))
    assert network.layers["5"].receptive_field.size == (253, 253)
    (job,) = maximize.plan(network, ["5:0"], PRESETS["modern"])
    assert job.size == (3, 128, 128)
    assert job.corner == (64, 0)
    assert maximize.plan(network, ["5:0"], PRESETS["yosinski-3"])[0].size == (3, 200, 180)
    assert maximize.plan(network, ["5:0"], PRESETS["modern"], size=150)[0].size == (3, 150, 150)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_inference_mode_changes_nothing(preset: str) -> None:
    network = convolutional(40)
    plain = striate.activation_maximization(network, ["2:1"], preset=preset, steps=4)
    with torch.inference_mode():
        again = striate.activation_maximization(network, ["2:1"], preset=preset, steps=4)
    assert torch.equal(again.images, plain.images)


def test_a_canvas_never_is_too_small_for_what_is_not_padded() -> None:
    convolutions = [nn.Conv2d(3 if k == 0 else 2, 2, 9, stride=1 + k % 2) for k in range(9)]
    network = striate.load(nn.Sequential(*convolutions), image_size=(480, 440))
    (field,) = {*network.layers["8"].receptive_field.size}
    (job,) = maximize.plan(network, ["8:1"], PRESETS["modern"])
    assert job.size[1] >= field > 128
    assert job.size[2] >= field
    # Units are alive on it, and on the whole image too.
    made = striate.activation_maximization(network, ["8:1"], steps=3)
    assert torch.isfinite(made.activations).all()


def test_a_unit_is_revived_however_deep_it_sleeps() -> None:
    module = nn.Sequential(nn.Conv2d(3, 2, 5), nn.ReLU())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([0.1, 0.1, 0.0, -0.1, -0.1]).expand(2, 3, 5, 5))
        module[0].bias.fill_(-1.0)
    network = striate.load(module, image_size=(24, 24))
    modern = PRESETS["modern"]
    (job,) = maximize.plan(network, ["1:1"], modern)
    for redirected, revived in ((0, False), (None, True)):
        preset = replace(modern, redirected=redirected)
        *_, last = maximize.run(network, job, preset, steps=200)
        assert bool(last.values[0] > 0) == revived


def test_a_returned_image_reaches_what_it_says() -> None:
    network = convolutional()
    addresses = ["0:2", "7:1", "3:7", "3:2@4,5", "7:0"]
    found = striate.activation_maximization(network, addresses, seed=3, steps=12)
    assert found.images.shape == (5, 3, 40, 40)
    assert float(found.images.min()) >= 0
    assert float(found.images.max()) <= 1
    assert [str(address) for address in found.addresses] == addresses
    assert network.preprocessing is not None
    for n, address in enumerate(found.addresses):
        image = network.preprocessing.to_network(found.images[n : n + 1])
        layer = network.layers[address.layer]
        maps = layer.maps(network.record(image, [address.layer])[address.layer])[0]
        peaks = maps.flatten(1).amax(1)
        if address.row is not None and address.column is not None:
            peaks = maps[:, address.row, address.column]
        assert found.activations[n].item() == pytest.approx(peaks[address.unit].item(), rel=1e-4)
        assert found.ranks[n].item() == 1 + int((peaks > peaks[address.unit]).sum())
        top, left, bottom, right = found.boxes[n]
        assert found.picture(n).shape == (3, bottom - top, right - left)


def test_maximizing_raises_each_unit_above_noise() -> None:
    network = convolutional()
    addresses = [f"4:{unit}" for unit in range(12)]
    for name, preset in PRESETS.items():
        (job,) = maximize.plan(network, addresses, preset)
        first, *_, last = maximize.run(network, job, preset, steps=60)
        raised = last.best_values > first.values
        # The second zeroes three tenths of the image at each step: it needs all its 750.
        assert int(raised.sum()) >= (3 if name == "yosinski-2" else 9), (name, raised)


def test_a_unit_s_image_does_not_depend_on_its_company() -> None:
    network = convolutional()
    many = striate.activation_maximization(network, [f"3:{u}" for u in (4, 1, 9)], steps=8)
    alone = striate.activation_maximization(network, ["3:9"], steps=8)
    assert torch.allclose(many.images[2], alone.images[0], atol=1e-4)
    other = striate.activation_maximization(network, ["3:9"], steps=8, seed=1)
    assert not torch.allclose(alone.images, other.images, atol=1e-2)


def test_two_templates_give_two_facets() -> None:
    class Either(nn.Module):
        """One unit that likes a bright left half or a bright right half, not both."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 1)
            nn.init.ones_(self.head.weight)

        def forward(self, x: Tensor) -> Tensor:
            left, right = x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))
            sides = torch.stack([left - right, right - left], 1).relu()
            return self.head(sides)

    network = striate.load(Either(), image_size=(8, 8))
    layer = network.scores
    found = striate.activation_maximization(network, [f"{layer}:0"], diversity=6, steps=40, seed=1)
    assert found.images.shape[0] == 6
    sides = {float(i[..., :4].mean()) > float(i[..., 4:].mean()) for i in found.images}
    assert sides == {True, False}


def test_facets_of_a_network_that_takes_so_many_images_at_once() -> None:
    class Baked(nn.Module):
        """Its graph is good for the number of images that it was traced with alone."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) * float(len(x))

    network = striate.load(Baked(), image_size=(8, 8))
    baked = network.trace().batch
    assert baked is not None
    found = striate.activation_maximization(network, ["conv:0"], diversity=baked + 1, steps=3)
    assert len(found.images) == baked + 1
    assert torch.isfinite(found.activations).all()


def test_frames_are_batch_after_batch_and_can_be_stopped() -> None:
    network = convolutional()
    run = activation_maximization_frames(network, ["0:0", "3:1", "0:2"], steps=3)
    first = next(run)
    assert first.places == (0, 2)
    assert (first.frame.step, first.frame.steps) == (0, 3)
    places = [found.places for found in run]
    assert places == [(0, 2), (0, 2), (1,), (1,), (1,)]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"addresses": ["3"]}, MethodError, "name a unit"),
        ({"addresses": ["3:99"]}, AddressError, "units 0 to 11"),
        ({"addresses": []}, MethodError, "0 addresses"),
        ({"addresses": ["3:1"], "steps": 0}, MethodError, "steps=0"),
        ({"addresses": ["3:1"], "preset": "lucid"}, MethodError, "there are modern"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, object], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        striate.activation_maximization(convolutional(), **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", HAND_MADE)
def test_awkward_networks(name: str) -> None:
    module, size = HAND_MADE[name]()
    network = striate.load(module, image_size=size)
    layers = [layer for layer in network.layers.values() if layer.units]
    chosen = {layers[0].address, layers[len(layers) // 2].address, network.scores}
    preset: Preset = preset_named("erhan")
    for address in sorted(chosen):
        found = striate.activation_maximization(
            network, [f"{address}:0"], preset=preset.name, steps=6
        )
        assert torch.isfinite(found.activations).all()
        assert found.images.shape[1:] == network.image_size
