"""Networks in half precision: their gradients are those of single precision, whatever the scale."""

import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import MethodError
from striate.network.network import Network
from striate.optimize.view import View

HALVES = [torch.float16, torch.bfloat16]
SIZE = (3, 12, 11)


class Positive(nn.Module):
    """Says which numbers are positive, which has no gradient."""

    def forward(self, maps: Tensor) -> Tensor:
        return (maps > 0).to(maps.dtype)


class Counting(nn.Module):
    """Two convolutions, and beside them which numbers are positive."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 5, 3)
        self.positive = Positive()
        for conv in (self.first, self.second):
            for parameter in conv.parameters():
                nn.init.normal_(parameter, std=0.3, generator=generator)
        self.first.weight.data *= factor

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = torch.relu(self.first(images))
        return self.second(maps), self.positive(maps)


class Baked(nn.Module):
    """Its graph is good for the number of images that it was traced with alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images) * float(len(images))


def network_of(dtype: torch.dtype, factor: float = 1.0) -> Network:
    module = Counting(factor).to(dtype)
    return striate.load(module, image_size=SIZE, mean=(0.5,), std=(0.25,))


def images_of(count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.randn(count, *SIZE, generator=torch.Generator().manual_seed(1))
    return drawn.to(dtype).float()


def gradients(network: Network, layers: list[str], weights: Tensor, images: Tensor) -> Tensor:
    images = images.clone().requires_grad_()
    maps = View(network, layers, SIZE)(images)
    each = sum(maps[name].square().flatten(1).sum(1) for name in layers)
    (found,) = torch.autograd.grad((weights * each).sum(), images)
    return found


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("layers", [["second"], ["relu", "second"]])
def test_gradients_neither_overflow_nor_vanish(dtype: torch.dtype, layers: list[str]) -> None:
    """Beside one another, too: what one image asks for leaves the others' numbers alone."""
    weights, images = torch.tensor([1e9, 1.0, 1e-12, 0.0]), images_of(4, dtype)
    single, half = network_of(torch.float32), network_of(dtype)
    wanted = gradients(single, layers, weights, images)
    found = gradients(half, layers, weights, images)
    assert found.dtype == torch.float32
    assert not found[3].any()
    for one, other in zip(found[:3], wanted[:3], strict=True):
        apart = (one - other).norm() / other.norm()
        assert apart < (3e-3 if dtype == torch.float16 else 3e-2)


@pytest.mark.parametrize("preset", ["cvpr2015", "ijcv2016"])
@pytest.mark.parametrize("dtype", HALVES)
def test_inversions_are_those_of_single_precision(preset: str, dtype: torch.dtype) -> None:
    """With activations whose squares are over what half precision can hold."""
    image = images_of(1, dtype)[0] / 2
    found, wanted = (
        striate.inversion(network_of(kind, 300.0), image, "relu", preset=preset, steps=40)
        for kind in (dtype, torch.float32)
    )
    assert found.target_square > 1e6
    assert found.image.dtype == torch.float32
    assert found.slowed == wanted.slowed
    assert found.error == pytest.approx(wanted.error, rel=0.05, abs=1e-3)
    halves, singles = found.best.preimage.flatten(), wanted.best.preimage.flatten()
    assert torch.cosine_similarity(halves, singles, dim=0) > 0.98


@pytest.mark.parametrize("dtype", HALVES)
def test_layers_without_a_gradient_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(MethodError, match="has no gradient"):
        striate.inversion(network_of(dtype), images_of(1)[0], "positive")


def test_what_has_no_gradient_has_none_beside_what_has_one() -> None:
    images = images_of(2).requires_grad_()
    maps = View(network_of(torch.float16), ["relu", "positive"], SIZE)(images)
    assert maps["relu"].requires_grad
    assert not maps["positive"].requires_grad
    torch.autograd.grad(maps["relu"].sum(), images)


def test_a_baked_batch() -> None:
    module, images, weights = Baked(), images_of(3, torch.float16), torch.tensor([1e9, 1.0, 1e-12])
    wanted, found = (
        gradients(striate.load(module.to(dtype), image_size=SIZE), ["conv"], weights, images)
        for dtype in (torch.float32, torch.float16)
    )
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).norm() < 2e-3 * other.norm()


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_a_dense_gradient_through_many_units(scale: float) -> None:
    """A third of a million numbers come back, and each step on the way sums thousands of them."""
    module = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.Conv2d(64, 256, 3, padding=1),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, 0, 0.2, generator=generator)
    size, found = (3, 36, 36), []
    images = torch.rand(2, *size, generator=generator).half().float() / 50
    for dtype in (torch.float32, torch.float16):
        network = striate.load(module.to(dtype), image_size=size)
        given = images.clone().requires_grad_()
        (maps,) = View(network, ["4"], size)(given).values()
        found.append(torch.autograd.grad(scale * maps.sum(), given)[0])
    assert torch.isfinite(found[1]).all()
    assert (found[1] - found[0]).norm() < 0.01 * found[0].norm()


def test_second_derivatives_are_refused() -> None:
    images = images_of(1).requires_grad_()
    maps = View(network_of(torch.float16), ["second"], SIZE)(images)["second"]
    (gradient,) = torch.autograd.grad(maps.pow(3).sum(), images, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiated"):
        torch.autograd.grad(gradient.square().sum(), images)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("guided", [False, True])
def test_dreams_are_those_of_single_precision(dtype: torch.dtype, guided: bool) -> None:
    image, guide = images_of(2, dtype)
    found, wanted = (
        striate.deep_dream(
            network_of(kind, 300.0), image, "relu", octaves=1, steps=4,
            guide=guide if guided else None,
        )
        for kind in (dtype, torch.float32)
    )  # fmt: skip
    assert found.image.dtype == torch.float32
    assert found.before == pytest.approx(wanted.before, rel=0.02)
    assert found.after == pytest.approx(wanted.after, rel=0.02)
    halves, singles = (found.image - 0.5).flatten(), (wanted.image - 0.5).flatten()
    assert torch.cosine_similarity(halves, singles, dim=0) > 0.99
