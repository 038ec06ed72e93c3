"""The network as nodes and edges: nothing lost, nothing twice, nothing on top of another."""

import itertools
import random
import time

import pytest
import torch
from torch import Tensor, fx, nn

import striate
from networks import HAND_MADE, randomized
from striate.network.drawing import Drawing, drawing
from striate.network.network import Network
from striate.network.operations import data_inputs

SIZE = (32, 32)


def conv(inputs: int, outputs: int, size: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU())


class Block(nn.Module):
    """A residual block, with a convolution in its shortcut where the width changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return (self.conv2(self.conv1(x)) + self.shortcut(x)).relu()


class Inception(nn.Module):
    """Four branches side by side, joined; the last starts with a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1 = conv(3, 2)
        self.branch2 = nn.Sequential(conv(3, 2), conv(2, 2, 3))
        self.branch3 = nn.Sequential(conv(3, 2), conv(2, 2, 5))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class Densely(nn.Module):
    """Each convolution gets the image and all that the earlier ones made."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(3 + 2 * k, 2, 3) for k in range(4)])

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for each in self.convs:
            made.append(each(torch.cat(made, 1)))
        return torch.cat(made, 1)


class HourGlass(nn.Module):
    """Down and up again, with connections across."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([conv(3, 4, 3), conv(4, 4, 3)])
        self.up = nn.ModuleList([conv(4, 4, 3), conv(8, 4, 3)])

    def forward(self, x: Tensor) -> Tensor:
        first = self.down[0](x)
        second = self.down[1](torch.max_pool2d(first, 2))
        up = nn.functional.interpolate(self.up[0](second), scale_factor=2)
        return self.up[1](torch.cat([up, first], 1))


def drawn(module: nn.Module) -> tuple[Network, Drawing]:
    network = striate.load(randomized(module), image_size=SIZE)
    return network, drawing(network)


def named(found: Drawing) -> set[tuple[str, str]]:
    names = [node.address for node in found.nodes]
    return {(names[a], names[b]) for a, b in found.edges}


def reached(found: Drawing) -> dict[str, set[str]]:
    """Which nodes each node can be reached from, by following the edges."""
    above: list[set[int]] = [set() for _ in found.nodes]
    for target in range(len(found.nodes)):
        for source, to in found.edges:
            if to == target:
                above[target] |= above[source] | {source}
    names = [node.address for node in found.nodes]
    return {names[k]: {names[a] for a in before} for k, before in enumerate(above)}


def reached_in_graph(network: Network) -> dict[str, set[str]]:
    """The same from the traced graph alone: a node's ancestors, those that are layers."""
    names = {network.layers[name].node: name for name in network.layers}
    names[network.trace().images] = "images"
    above: dict[fx.Node, set[str]] = {}
    for node in network.trace().graph.nodes:
        above[node] = set()
        for source in data_inputs(node):
            above[node] |= above[source] | ({names[source]} if source in names else set())
    return {name: above[node] for node, name in names.items()}


def check(network: Network, found: Drawing) -> None:
    """What holds of every drawing."""
    assert [node.address for node in found.nodes[1:]] == sorted(
        network.layers, key=lambda name: list(network.trace().graph.nodes).index(
            network.layers[name].node
        )
    )  # fmt: skip
    assert found.nodes[0].operation == "input"
    assert (found.nodes[0].rank, found.nodes[0].column) == (0, 0)
    assert found.edges == sorted(set(found.edges))
    for source, target in found.edges:
        assert found.nodes[source].rank < found.nodes[target].rank, "lines lead down"
    for node in range(1, len(found.nodes)):
        incoming = [found.nodes[a].rank for a, b in found.edges if b == node]
        assert found.nodes[node].rank == 1 + max(incoming), "the longest path"
    places = [(node.rank, node.column) for node in found.nodes]
    assert len(set(places)) == len(places), "two nodes at one place"
    assert reached(found) == reached_in_graph(network)
    for node in found.nodes[1:]:
        layer = network.layers[node.address]
        assert (node.units, node.map_size) == (layer.units, layer.map_size)
        assert node.operation == layer.operation


def crossings(found: Drawing) -> int:
    """Pairs of lines between the same two rows that cross, counted one by one."""
    lines = [(found.nodes[a], found.nodes[b]) for a, b in found.edges]
    short = [(a, b) for a, b in lines if b.rank == a.rank + 1]
    return sum(
        (a.column - c.column) * (b.column - d.column) < 0
        for (a, b), (c, d) in itertools.combinations(short, 2)
        if a.rank == c.rank
    )


def test_a_chain_is_straight() -> None:
    network, found = drawn(nn.Sequential(conv(3, 4), nn.MaxPool2d(2), conv(4, 4), nn.Flatten()))
    check(network, found)
    assert [node.column for node in found.nodes] == [0] * 6
    assert [node.rank for node in found.nodes] == list(range(6))
    assert found.edges == [(k, k + 1) for k in range(5)]


def test_what_only_moves_values_is_no_node() -> None:
    module = nn.Sequential(conv(3, 4), nn.Flatten(), nn.Linear(4 * 32 * 32, 2))
    network, found = drawn(module)
    check(network, found)
    assert named(found) == {("images", "0.0"), ("0.0", "0.1"), ("0.1", "2")}


def test_a_residual_block() -> None:
    network, found = drawn(nn.Sequential(conv(3, 4), Block(4, 4)))
    check(network, found)
    assert {("0.1", "1.add"), ("1.conv2", "1.add"), ("0.1", "1.conv1.0")} <= named(found)
    assert {node.column for node in found.nodes} == {0}


def test_a_shortcut_with_a_convolution_stands_beside_the_trunk() -> None:
    network, found = drawn(nn.Sequential(conv(3, 4), Block(4, 6), Block(6, 6)))
    check(network, found)
    beside = [node.address for node in found.nodes if node.column]
    assert beside == ["1.shortcut"]
    assert {("0.1", "1.shortcut"), ("1.shortcut", "1.add")} <= named(found)


def test_branches_stand_side_by_side_and_do_not_cross() -> None:
    network, found = drawn(nn.Sequential(conv(3, 3), Inception(), conv(8, 3), Inception()))
    check(network, found)
    for block in ("1", "3"):
        for branch in range(1, 5):
            inside = [n for n in found.nodes if n.address.startswith(f"{block}.branch{branch}")]
            assert len({node.column for node in inside}) == 1, "a branch is a straight line"
        cat = next(node for node in found.nodes if node.address == f"{block}.cat")
        assert cat.column == 0
    width = [node.column for node in found.nodes]
    assert max(width) - min(width) == 3
    assert crossings(found) == 0


def test_a_dense_block() -> None:
    network, found = drawn(Densely())
    check(network, found)
    joins = [node for node in found.nodes if node.operation == "cat"]
    sources = [sum(b == k for _, b in found.edges) for k, n in enumerate(found.nodes) if n in joins]
    assert sources == [1, 2, 3, 4, 5][-len(joins) :]


def test_connections_across_an_hour_glass() -> None:
    network, found = drawn(HourGlass())
    check(network, found)
    assert ("down.0.1", "cat") in named(found)
    assert {node.column for node in found.nodes} == {0}


@pytest.mark.parametrize("name", sorted(HAND_MADE))
def test_awkward_networks(name: str) -> None:
    module, size = HAND_MADE[name]()
    network = striate.load(module, image_size=size)
    check(network, drawing(network))


class Random(nn.Module):
    """A random acyclic network: each layer takes one to three of those before it."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        chance = random.Random(seed)  # noqa: S311
        self.sources = [
            [chance.randrange(k + 1) for _ in range(chance.randint(1, 3))] for k in range(25)
        ]
        self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in self.sources])

    def forward(self, x: Tensor) -> Tensor:
        made = [x]
        for each, sources in zip(self.convs, self.sources, strict=True):
            made.append(each(torch.stack([made[k] for k in sources]).sum(0)))
        return torch.cat(made, 1)


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int) -> None:
    network, found = drawn(Random(seed))
    check(network, found)
    assert drawing(network) == found


def test_the_same_network_gives_the_same_drawing() -> None:
    assert drawn(Inception())[1] == drawn(Inception())[1]


def test_an_edited_network() -> None:
    network = striate.load(randomized(conv(3, 4)), image_size=SIZE).edit("0", torch.neg)
    found = drawing(network)
    assert "edit" in [node.operation for node in found.nodes]
    assert len(found.nodes) == len(found.edges) + 1


@pytest.mark.slow
def test_resnet_50_is_drawn_at_once() -> None:
    network = striate.load("resnet50", weights=None)
    network.trace()
    began = time.perf_counter()
    found = drawing(network)
    seconds = time.perf_counter() - began
    check(network, found)
    assert seconds < 1
    sums = [k for k, node in enumerate(found.nodes) if node.operation == "add"]
    assert len(sums) == 16
    assert all(sum(b == k for _, b in found.edges) == 2 for k in sums)
    assert sum(node.column != 0 for node in found.nodes) == 8, "four shortcuts with batch norm"
