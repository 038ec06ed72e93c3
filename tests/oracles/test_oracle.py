"""The oracle itself is tested: by hand, in closed form, by numpy loops and by captum."""

import captum.attr
import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from networks import HAND_MADE, FunctionalReLU, randomized
from oracles.backward_rules import Method, oracle_map, project
from oracles.explicit_chain import climb, descend, ladder

METHODS: tuple[Method, ...] = ("gradient", "deconvnet", "guided")


def random_image(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    return torch.randn(1, 3, *size, generator=generator, dtype=torch.float64)


class HandNet(nn.Module):
    """Two inputs, two hidden units, one output: section A.6 of the methods reference."""

    def forward(self, x: Tensor) -> Tensor:
        first = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
        second = torch.tensor([[1.0, -2.0]])
        hidden = functional.relu(x[:, 0, 0, :2] @ first.T)
        return hidden @ second.T


@pytest.mark.parametrize(
    ("inputs", "method", "expected"),
    [
        ((2.0, 1.0), "gradient", (-1.0, -3.0)),
        ((2.0, 1.0), "deconvnet", (1.0, -1.0)),
        ((2.0, 1.0), "guided", (1.0, -1.0)),
        ((1.0, 2.0), "gradient", (-2.0, -2.0)),
        ((1.0, 2.0), "deconvnet", (1.0, -1.0)),
        ((1.0, 2.0), "guided", (0.0, 0.0)),
    ],
)
def test_hand_net(inputs, method, expected):
    image = torch.zeros(1, 3, 1, 2)
    image[0, 0, 0] = torch.tensor(inputs)
    assert tuple(oracle_map(HandNet(), image, method, 0)[0, 0].tolist()) == expected


def test_linear_net_has_one_map(seeded):
    net = randomized(
        nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2),
            nn.BatchNorm2d(5),
            nn.Conv2d(5, 4, 3, dilation=2, padding=1),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(60, 3),
        )
    ).double()
    image = random_image((17, 13), seeded)
    net[-1] = nn.Linear(net[:-1](image).shape[1], 3).double()
    one, other, third = (oracle_map(net, image, method, 1) for method in METHODS)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    torch.testing.assert_close(one, third, rtol=0, atol=0)
    difference = net(image) - net(torch.zeros_like(image))
    torch.testing.assert_close((one * image[0]).sum(), difference[0, 1])


def test_all_positive_net_has_one_map(seeded):
    net = FunctionalReLU().double()
    for parameter in net.parameters():
        parameter.data.abs_()
    image = random_image((15, 13), seeded).abs()
    one, other, third = (oracle_map(net, image, method, 2) for method in METHODS)
    torch.testing.assert_close(one, other, rtol=0, atol=0)
    torch.testing.assert_close(one, third, rtol=0, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_positive_homogeneity(method, seeded):
    net, size = HAND_MADE["residual"]()
    image, target = random_image(size, seeded), ("conv2", 0, 3, None, None)
    one = project(net.double(), image, method, target)
    strong = project(net, image, method, target, seed="activation")
    assert one.activation > 0
    torch.testing.assert_close(strong.map, one.activation * one.map, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", HAND_MADE)
@pytest.mark.parametrize("method", METHODS)
def test_the_rules_leave_the_forward_pass_alone(name, method, seeded):
    net, size = HAND_MADE[name]()
    image = random_image(size, seeded)
    weights = {key: value.clone() for key, value in net.double().state_dict().items()}
    with torch.no_grad():
        scores = net(image)
    scores = scores[0] if isinstance(scores, tuple) else scores
    found = project(net, image, method, 1)
    assert found.activation == pytest.approx(scores[0, 1].item(), rel=1e-13)
    assert found.map.abs().max() > 0
    assert all(torch.equal(weights[key], value) for key, value in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_every_spelling_of_a_rectifier_is_seen(method, seeded):
    groups = [
        ["functional relu", "in-place relu", "reused relu", "torch.relu", "Tensor.relu_",
         "threshold"],
        ["silu", "hand-written silu"],
    ]  # fmt: skip
    for group in groups:
        nets = [HAND_MADE[name]() for name in group]
        image = random_image(nets[0][1], seeded)
        maps = [oracle_map(net.double(), image, method, 0) for net, _ in nets]
        for found in maps[1:]:
            torch.testing.assert_close(found, maps[0], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("activation", [nn.ELU(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.PReLU()])
def test_smooth_rectifiers_in_closed_form(activation, seeded):
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), activation, nn.Linear(6, 2)).double()
    image = random_image((2, 2), seeded)
    below, above = net[1].weight.detach(), net[3].weight.detach()[1]
    z = net[:2](image)[0].detach()
    step = 1e-6
    slope = (activation(z + step) - activation(z - step)).detach() / (2 * step)
    expected = {
        "gradient": (above * slope) @ below,
        "deconvnet": above.clamp(min=0) @ below,
        "guided": (above.clamp(min=0) * slope) @ below,
    }
    for method, answer in expected.items():
        found = oracle_map(net, image, method, 1).flatten()
        torch.testing.assert_close(found, answer, rtol=1e-6, atol=1e-8)


class Gated(nn.Module):
    """The sum of ``signal * sigmoid(2 * mean)`` over space."""

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(2 * x.mean((2, 3), keepdim=True))
        return (x * gate).sum((2, 3))


def test_a_gate_is_constant_in_deconvnet_only(seeded):
    image = random_image((4, 3), seeded)
    mean = image[0, 1].mean()
    gate = torch.sigmoid(2 * mean)
    slope = gate + 12 * mean * gate * (1 - gate) * 2 / 12
    for method, level in (("gradient", slope), ("deconvnet", gate), ("guided", slope)):
        expected = torch.zeros(3, 4, 3, dtype=torch.float64)
        expected[1] = level
        torch.testing.assert_close(oracle_map(Gated(), image, method, 1), expected)


class Mixed(nn.Module):
    """Attention over the four pixels of each image, by the fused call or by hand."""

    def __init__(self, fused: bool):
        super().__init__()
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(tokens, 2 * tokens, tokens)
        else:
            weights = (tokens @ (2 * tokens).transpose(1, 2) / 3**0.5).softmax(-1)
            mixed = functional.dropout(weights, 0.5, training=False) @ tokens
        return mixed[:, 0]


def test_attention_carries_signal_through_values_only(seeded):
    image = random_image((2, 2), seeded)
    tokens = image.flatten(2).transpose(1, 2)[0]
    weights = (tokens @ (2 * tokens).T / 3**0.5).softmax(-1)
    expected = torch.zeros(3, 4, dtype=torch.float64)
    expected[2] = weights[0]
    for fused in (True, False):
        found = oracle_map(Mixed(fused), image, "deconvnet", 2)
        torch.testing.assert_close(found.flatten(1), expected)
        gradient = oracle_map(Mixed(fused), image, "gradient", 2)
        torch.testing.assert_close(oracle_map(Mixed(fused), image, "guided", 2), gradient)
        assert (gradient - found).abs().max() > 0.01


CHAINS = {
    "plain": [
        nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, 2, 0), nn.Conv2d(6, 5, 3),
        nn.ReLU(), nn.Conv2d(5, 4, 3),
    ],
    "overlapping": [
        nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3), nn.ReLU(),
        nn.MaxPool2d(3, 2, 0, ceil_mode=True), nn.ReLU(), nn.Conv2d(6, 4, 2),
    ],
    "normalized": [
        nn.Conv2d(3, 4, 4, stride=3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 8, 1, groups=2), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 1, 1),
        nn.Conv2d(8, 5, 2),
    ],
    "dense": [
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, 0), nn.Flatten(),
        nn.Linear(96, 10), nn.ReLU(), nn.Linear(10, 5),
    ],
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("method", METHODS)
def test_against_numpy_loops(chain, method, seeded):
    module = randomized(nn.Sequential(*CHAINS[chain]), seed=7).double()
    image = random_image((27, 19), seeded)
    rungs = ladder(module)
    top = climb(rungs, image[0].numpy())
    np.testing.assert_allclose(top, module(image)[0].detach().numpy(), rtol=1e-11, atol=1e-12)
    for unit in range(min(4, len(top))):
        place = np.unravel_index(top[unit].argmax(), top[unit].shape)
        signal = np.zeros_like(top)
        signal[(unit, *place)] = 1
        expected = descend(rungs, signal, method)
        last = str(len(module) - 1)
        found = project(module, image, method, (last, 0, unit, None, None))
        assert place in {(found.row, found.column), ()}
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.map.numpy(), expected, rtol=0, atol=1e-12 * scale)


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "alexnet"])
def test_against_captum_where_captum_is_right(name, seeded):
    module = randomized(torchvision.models.get_model(name, weights=None)).double()
    image = random_image((64, 64), seeded)
    for method, peer in (
        ("gradient", captum.attr.Saliency),
        ("deconvnet", captum.attr.Deconvolution),
        ("guided", captum.attr.GuidedBackprop),
    ):
        options = {"abs": False} if method == "gradient" else {}
        leaf = image.clone().requires_grad_()
        expected = peer(module).attribute(leaf, target=281, **options)[0].detach()
        found = oracle_map(module, image, method, 281)
        assert (found - expected).abs().max() < 1e-12 * expected.abs().max()


def test_a_later_call_of_a_reused_module(seeded):
    net, size = HAND_MADE["reused relu"]()
    image = random_image(size, seeded)
    first = project(net.double(), image, "gradient", ("relu", 0, 2, 5, 5))
    again = project(net, image, "gradient", ("relu", 1, 2, 5, 5))
    conv = project(net, image, "gradient", ("conv1", 0, 2, 5, 5))
    assert first.activation == max(conv.activation, 0)
    assert first.activation != again.activation
    assert (again.map != 0).sum() > (first.map != 0).sum()


def test_an_in_place_change_does_not_reach_the_target(seeded):
    net, size = HAND_MADE["in-place relu"]()
    image = random_image(size, seeded)
    with torch.no_grad():
        expected = net.double().conv1(image)[0, 1]
    row, column = divmod(int(expected.argmin()), expected.shape[1])
    found = project(net, image, "deconvnet", ("conv1", 0, 1, row, column))
    assert found.activation == pytest.approx(expected.min().item())
    assert found.activation < 0
    assert found.map.abs().max() > 0
