"""Cuts of a network that are kept: what they share, and in which mode they are made."""

import pytest
import torch
from torch import nn

import striate
from striate.optimize.view import View


def deep(levels: int = 6) -> nn.Module:
    """Convolutions with batch norm."""
    blocks: list[nn.Module] = []
    for level in range(levels):
        blocks += [nn.Conv2d(3 if level == 0 else 16, 16, 3, padding=1), nn.BatchNorm2d(16)]
        blocks += [nn.ReLU()]
    module = nn.Sequential(*blocks)
    for child in module:
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean.normal_(generator=torch.Generator().manual_seed(1))
            child.running_var.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(2))
    return module


def held(module: nn.Module) -> dict[int, int]:
    """Return the bytes of each storage that a module's buffers lie in."""
    storages = [buffer.untyped_storage() for buffer in module.buffers()]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


def test_views_of_all_layers_hold_the_weights_once() -> None:
    network = striate.load(deep(), image_size=(16, 16))
    layers = [layer.address for layer in network.layers.values()]
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found: dict[int, int] = {}
    for name in layers:
        view = View(network, [name], (3, 16, 16))
        expected = network.record(images, [name])[name]
        assert torch.allclose(view(images)[name], expected, atol=1e-5)
        found |= held(view._module(redirected=False))
    weights = sum(value.nbytes for value in network.trace().constants.values())
    # Folded and in the other layout besides; once for each layer would be ten times that.
    assert sum(found.values()) < 2.5 * weights


def test_a_network_on_another_device_shares_nothing_with_this_one() -> None:
    network = striate.load(deep(2), image_size=(16, 16))
    View(network, ["5"], (3, 16, 16))._module(redirected=False)
    assert network.trace().derived
    assert network.to("meta").trace().derived == {}


@pytest.mark.parametrize("inside", ["module", "load", "first"])
def test_what_is_made_in_inference_mode_can_be_differentiated_later(inside: str) -> None:
    image = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(mode=inside == "module"):
        module = deep(2).eval()
        image = image.clone()
    with torch.inference_mode(mode=inside in {"module", "load"}):
        network = striate.load(module, image_size=(16, 16))
    with torch.inference_mode():
        first = striate.activation_maximization(network, ["5:0"], steps=3)
    again = striate.activation_maximization(network, ["5:0"], steps=3)
    assert torch.equal(first.images, again.images)
    assert striate.inversion(network, image.clone(), "5", steps=3).error > 0
    assert striate.gradient(network, image.clone(), "5:0").patch.abs().max() > 0
