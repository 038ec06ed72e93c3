"""Dead rectifiers lead on what would revive them, on any way of writing a rectifier."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import striate
from striate.network.cut import cut
from striate.network.redirect import redirect, redirecting


def gradient(z: Tensor, signal: Tensor, low: float = 0.0, high: float = torch.inf) -> Tensor:
    z = z.clone().requires_grad_()
    redirect(z, z.clamp(low, high), low, high).backward(signal)
    assert z.grad is not None
    return z.grad


def test_an_image_with_any_gradient_keeps_its_own() -> None:
    z = torch.tensor([[-1.0, 2.0], [-1.0, -2.0]])
    signal = torch.tensor([[3.0, 5.0], [3.0, -5.0]])
    assert gradient(z, signal).tolist() == [[0.0, 5.0], [3.0, 0.0]]


def test_a_live_neuron_that_is_asked_for_nothing_does_not_count() -> None:
    z, signal = torch.tensor([[-1.0, 2.0]]), torch.tensor([[3.0, 0.0]])
    assert gradient(z, signal).tolist() == [[3.0, 0.0]]


def test_above_an_upper_bound_only_what_leads_down_passes() -> None:
    z, signal = torch.tensor([[7.0, 8.0, -1.0]]), torch.tensor([[-2.0, 2.0, -2.0]])
    assert gradient(z, signal, 0.0, 6.0).tolist() == [[-2.0, 0.0, 0.0]]


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "functional": functional.relu,
    "method": lambda x: x.relu(),
    "in place": lambda x: functional.relu(x + 0, inplace=True),
    "clamp": lambda x: x.clamp(min=0),
    "relu6": functional.relu6,
    "hardtanh": lambda x: functional.hardtanh(x, 0.0, 4.0),
    "threshold": lambda x: functional.threshold(x, 0.0, 0.0),
}


class Dead(nn.Module):
    """No neuron of it is active at the mean image."""

    def __init__(self, way: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.way = way
        with torch.no_grad():
            self.conv.weight.fill_(0.1)
            self.conv.bias.fill_(-1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.way(self.conv(x))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_a_rectifier_is_helped(way: str) -> None:
    network = striate.load(Dead(WAYS[way]), image_size=(6, 6))
    trace = network.trace()
    node = network.layers[network.scores].node

    def by_image(redirected: bool) -> Tensor:
        module = cut(trace, [node], wrap=redirecting(trace) if redirected else None)
        images = torch.zeros(2, 3, 6, 6, requires_grad=True)
        (output,) = module(images=images)
        assert float(output.detach().abs().max()) == 0
        return torch.autograd.grad(output.sum(), images)[0]

    assert float(by_image(redirected=False).abs().max()) == 0
    # All sixteen neurons of each of four units see the middle nine times over: 0.1 a weight.
    assert torch.allclose(by_image(redirected=True)[:, :, 2:4, 2:4], torch.tensor(4 * 9 * 0.1))


def test_smooth_rectifiers_keep_their_own_gradient() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU())
    network = striate.load(module, image_size=(6, 6))
    trace = network.trace()
    plain = cut(trace, [network.layers["1"].node])
    helped = cut(trace, [network.layers["1"].node], wrap=redirecting(trace))
    images = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    found = []
    for graph in (plain, helped):
        leaf = images.clone().requires_grad_()
        (output,) = graph(images=leaf)
        found.append(torch.autograd.grad(output.sum(), leaf)[0])
    assert torch.equal(*found)
