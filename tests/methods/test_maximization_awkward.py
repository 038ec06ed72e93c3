"""Activation maximization of what is awkward: sizes, neurons, tokens, failures, half precision."""

import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import MethodError
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.presets import PRESETS


def network_of(*extra: nn.Module, side: int | tuple[int, int] = 48, **options: object) -> Network:
    generator = torch.Generator().manual_seed(1)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, padding=1),
        nn.ReLU(), *(extra or (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5))),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    size = (side, side) if isinstance(side, int) else side
    return striate.load(module.to(**options), image_size=size, mean=(0.5,), std=(0.25,))


@pytest.mark.parametrize("size", [1, 2, 3, 16, 32, 48])
def test_all_images_of_a_call_have_the_network_s_own_size(size: int) -> None:
    """Whether the canvas is cut out or embedded, what is told is reached by the image returned."""
    network = network_of()
    addresses = ["3:0", "7:1", "3:1@2,20", "4:2"]
    found = striate.activation_maximization(network, addresses, size=size, steps=3)
    assert found.images.shape == (4, 3, 48, 48)
    assert network.preprocessing is not None
    images = network.preprocessing.to_network(found.images)
    for index, (address, box) in enumerate(zip(found.addresses, found.boxes, strict=True)):
        assert (box[2] - box[0], box[3] - box[1]) == (size, size)
        maps = network.record(images[index : index + 1], [address.layer])[address.layer][0]
        own = maps[address.unit] if address.row is None else maps[address.unit, 2, 20]
        assert found.activations[index].item() == pytest.approx(float(own.max()), rel=1e-4)
        outside = torch.ones(48, 48, dtype=torch.bool)
        outside[box[0] : box[2], box[1] : box[3]] = False
        assert torch.equal(found.images[index][:, outside].unique(), torch.tensor([0.5])[
            : int(outside.any())
        ])  # fmt: skip


def test_the_canvas_of_a_neuron_lies_where_it_looks() -> None:
    network = network_of()
    for row, column in ((0, 0), (2, 20), (23, 11)):
        (job,) = maximize.plan(network, [f"3:1@{row},{column}"], PRESETS["modern"], size=16)
        top, left, bottom, right = job.box
        field = network.layers["3"].box(row, column)
        assert min(top, left) >= 0
        assert max(bottom, right) <= 48
        assert (top <= field[0], left <= field[1]) == (True, True)
        assert (bottom >= field[2], right >= field[3]) == (True, True)


def test_larger_canvases_are_larger_images_for_all() -> None:
    network = network_of()
    found = striate.activation_maximization(network, ["3:0", "7:1"], size=64, steps=2)
    assert found.images.shape == (2, 3, 64, 64)
    with pytest.raises(MethodError, match="leave the size out"):
        striate.activation_maximization(network, ["3:0", "3:1@2,2"], size=64, steps=2)
    dense = network_of(nn.Flatten(), nn.Linear(12 * 24 * 24, 3))
    with pytest.raises(MethodError, match="48 at most"):
        striate.activation_maximization(dense, ["3:0"], size=64, steps=2)
    with pytest.raises(MethodError, match="at least one pixel"):
        striate.activation_maximization(network, ["3:0"], size=0, steps=2)


@pytest.mark.parametrize("side", [(20, 60), (60, 20)])
def test_images_that_are_not_square(side: tuple[int, int]) -> None:
    network = network_of(side=side)
    small = striate.activation_maximization(network, ["3:0", "7:1"], size=20, steps=2)
    assert small.images.shape == (2, 3, *side)
    assert all((b[2] - b[0], b[3] - b[1]) == (20, 20) for b in small.boxes)
    large = striate.activation_maximization(network, ["3:0", "7:1"], size=60, steps=2)
    assert large.images.shape == (2, 3, 60, 60)


@pytest.mark.parametrize("preset", ["modern", "yosinski-3"])
def test_a_neuron_s_image_does_not_depend_on_its_company(preset: str) -> None:
    network = network_of()

    def made(*addresses: str) -> Tensor:
        return striate.activation_maximization(network, addresses, preset=preset, steps=5).images

    alone = made("3:1@2,2")[0]
    assert torch.allclose(made("3:1@5,5", "3:1@2,2")[1], alone, atol=1e-5)
    assert torch.allclose(made("3:0", "3:1@2,2", "3:1")[1], alone, atol=1e-5)
    many = made(*["3:1"] * 17)
    assert torch.allclose(many, made("3:1").expand_as(many), atol=1e-5)


def test_facets_are_unlike_those_of_their_own_unit_alone() -> None:
    network = network_of()
    options = {"preset": "modern", "steps": 20, "diversity": 2}
    alone = striate.activation_maximization(network, ["3:1"], **options)
    among = striate.activation_maximization(network, ["3:0", "3:1", "3:0"], **options)
    assert torch.allclose(among.images[2:4], alone.images, atol=1e-3)
    assert not torch.allclose(alone.images[0], alone.images[1], atol=1e-2)


class Tokens(nn.Module):
    """Patches in a row behind a token of the class, as vision transformers have them."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.first = nn.Parameter(torch.zeros(1, 1, 16))
        self.head = nn.Linear(16, 5)
        with torch.no_grad():
            self.patches.weight.copy_(torch.randn(16, 3, 8, 8, generator=generator) * 0.1)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.patches(x).flatten(2).transpose(1, 2)
        rows = torch.cat([self.first.expand(len(x), -1, -1), rows], 1)
        return self.head(rows.relu())[:, 0]


@pytest.mark.parametrize("preset", ["simonyan", "yosinski-3"])
def test_a_unit_of_tokens_is_excited_by_the_whole_image(preset: str) -> None:
    """A token in the middle of their list is a patch at the image's edge, if not elsewhere."""
    network = striate.load(Tokens().eval(), image_size=(56, 56), mean=(0.5,), std=(0.25,))
    (job,) = maximize.plan(network, ["relu:1"], PRESETS[preset])
    *_, last = maximize.run(network, job, PRESETS[preset], steps=6)
    drawn = last.images[0].abs().sum(0)
    patches = drawn.unfold(0, 8, 8).unfold(1, 8, 8).amax((2, 3))
    assert int((patches > 0.1 * patches.max()).sum()) == 49


def test_one_unit_s_failure_costs_no_other() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    with torch.no_grad():
        module[2].bias[2] = float("nan")
    network = striate.load(module, image_size=(24, 24), mean=(0.5,), std=(0.25,))
    alone = striate.activation_maximization(network, ["2:1"], steps=4)
    assert alone.failures == {}
    found = striate.activation_maximization(network, ["2:1", "2:2", "0:1", "2:3"], steps=4)
    assert [str(address) for address in found.addresses] == ["2:1", "0:1", "2:3"]
    assert torch.allclose(found.images[0], alone.images[0], atol=1e-5)
    ((address, reason),) = found.failures.items()
    assert str(address) == "2:2"
    assert "the network itself" in reason
    with pytest.raises(MethodError, match="the network itself"):
        striate.activation_maximization(network, ["2:2"], steps=4)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_networks_in_half_precision(preset: str, dtype: torch.dtype) -> None:
    found, same = (
        striate.activation_maximization(network, ["4:3", "7:1"], preset=preset, steps=6)
        for network in (network_of(dtype=dtype), network_of())
    )
    assert found.images.dtype == torch.float32
    # Steps in half precision would be lost: the images are those of single precision.
    halves, singles = ((one.images - 0.5).flatten(1) for one in (found, same))
    assert (torch.cosine_similarity(halves, singles) > 0.9).all()
    assert torch.allclose(found.activations, same.activations, rtol=0.05, atol=0.005)
