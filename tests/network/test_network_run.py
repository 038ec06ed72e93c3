"""A network: calling, recording, editing and resuming it, against the module with hooks."""

import copy
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import striate
from networks import HAND_MADE, SIZE, randomized
from striate.errors import AddressError, NetworkError
from striate.network.address import Address
from striate.network.cut import cut
from striate.network.network import Network


class Plain(nn.Module):
    """Two stages without anything round them."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.stage2 = nn.Sequential(nn.Conv2d(4, 5, 3, stride=2), nn.ReLU())
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.stage1(x))
        return self.head(x.mean((2, 3)))


class Round(nn.Module):
    """A signal goes round ``conv``; nothing goes round ``relu``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.relu(x + self.conv(x)))


def plain() -> nn.Module:
    return randomized(Plain())


@functools.cache  # A network never changes, and tracing takes most of a test's time.
def plain_network() -> Network:
    return load(plain())


@functools.cache
def shared(name: str) -> tuple[nn.Module, Network, dict[str, Tensor]]:
    """A network made by hand, loaded in training mode, with the weights it had before."""
    module, size = HAND_MADE[name]()
    module.train()
    before = copy.deepcopy(module.state_dict())
    return module, load(module, size), before


def load(module: nn.Module, size: tuple[int, int] = (13, 11)) -> Network:
    return striate.load(module, image_size=size)


def pictures(count: int, size: tuple[int, int] = (13, 11), seed: int = 0) -> Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def hooked(
    module: nn.Module, images: Tensor, path: str, function: Callable[[Tensor], Tensor]
) -> Any:
    """Run the module with a function that changes one part's output, as it is used eagerly."""
    own = copy.deepcopy(module)
    own.get_submodule(path).register_forward_hook(lambda _m, _i, output: function(output))
    with torch.no_grad():
        return own(images)


def seen(module: nn.Module, images: Tensor, path: str) -> Tensor:
    kept: list[Tensor] = []
    own = copy.deepcopy(module)
    for part in own.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
    own.get_submodule(path).register_forward_hook(lambda _m, _i, output: kept.append(output))
    with torch.no_grad():
        own(images)
    return kept[0]


# --- calling and recording -----------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(HAND_MADE))
def test_a_network_is_the_module(name: str) -> None:
    """Bit for bit, in eval mode, for several batch sizes; and the module is as it was."""
    module, network, before = shared(name)
    images = pictures(3, SIZE)
    found, found_one = network(images), network(images[:1])
    assert all(part.training for part in module.modules())
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    state = module.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in before.items())
    own = copy.deepcopy(module).eval()
    # Not under no_grad: attention then takes another path, equal up to rounding.
    equal(found, own(images.clone()))
    equal(found_one, own(images[:1].clone()))


def equal(found: Any, wanted: Any) -> None:
    if isinstance(wanted, Tensor):
        assert torch.equal(found, wanted)
        return
    assert type(found) is type(wanted)
    for one, other in zip(found, wanted, strict=True):
        equal(one, other)


@pytest.mark.parametrize("name", sorted(HAND_MADE))
def test_fast_is_the_same_up_to_rounding(name: str) -> None:
    """What the atlas watches is every layer's output, also those that the next one overwrites."""
    _, network, _ = shared(name)
    images = pictures(2, SIZE)
    before = network.fingerprint()
    names = list(network.layers)
    nodes = [network.layers[layer].node for layer in names]
    wanted = network.record(images, names)
    flat = network(images)
    flat = [flat] if isinstance(flat, Tensor) else list(flat)
    for outputs, expected in (
        (lambda _: nodes, list(wanted.values())), (lambda trace: trace.outputs, flat)
    ):  # fmt: skip
        with torch.no_grad():
            found = network.fast(outputs, network.image_size)(images.clone())
        for one, other in zip(found, expected, strict=True):
            scale = other.abs().max().clamp(min=1)
            torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=1e-5)
    assert network.fingerprint() == before
    equal(list(network.record(images, names).values()), list(wanted.values()))


@pytest.mark.parametrize("name", sorted(HAND_MADE))
def test_every_name_names_one_layer(name: str) -> None:
    _, network, _ = shared(name)
    layers = [network.layers[address] for address in network.layers]
    assert len({layer.address for layer in layers}) == len(layers) == len(network.layers)
    assert len({layer.node for layer in layers}) == len(layers)
    for address in [*network.layers, *network.layers.aliases()]:
        assert str(Address.parse(address)) == address


def test_record_gives_each_parts_output() -> None:
    module = plain()
    network, images = load(module), pictures(3)
    paths = ["stage1.0", "stage1.1", "stage1", "stage2.0", "stage2", "head"]
    found = network.record(images, paths)
    assert list(found) == paths
    for path in paths:
        torch.testing.assert_close(found[path], seen(module, images, path), rtol=0, atol=0)
    with pytest.raises(AddressError, match="is a unit"):
        network.record(images, ["stage1.2:1"])


def test_record_stops_at_the_deepest_layer() -> None:
    network = load(plain())
    ran: list[str] = []

    def tell(name: str) -> Callable[[Tensor], Tensor]:
        def told(activation: Tensor) -> Tensor:
            ran.append(name)
            return activation

        return told

    watched = network
    for name in ("stage1.0", "stage2.0", "head"):
        watched = watched.edit(name, tell(name))
    watched.record(pictures(1), ["stage1.2"])
    assert ran == ["stage1.0"]
    watched.record(pictures(1), ["stage1.2", "stage2.1"])
    assert ran == ["stage1.0", "stage1.0", "stage2.0"]
    made = network.trace()
    few = cut(made, [network.layers["stage1.2"].node])
    assert len(few.graph.nodes) < len(made.graph.nodes)
    assert {n.meta.get("address") for n in few.graph.nodes} <= {
        None, "stage1.0", "stage1.1", "stage1.2",
    }  # fmt: skip


def test_record_without_layers_and_without_images() -> None:
    network = plain_network()
    assert network.record(pictures(2), []) == {}
    assert network.record(pictures(0), ["stage2"])["stage2"].shape[0] == 0
    assert network(pictures(0)).shape == (0, 3)


def test_other_image_sizes_are_traced_when_they_come() -> None:
    module = plain()
    network = load(module)
    for size in ((13, 11), (9, 20), (32, 32)):
        images = pictures(2, size)
        with torch.no_grad():
            assert torch.equal(network(images), module(images))
        assert torch.equal(network.record(images, ["stage2"])["stage2"],
                           seen(module, images, "stage2"))  # fmt: skip
    assert network.layers["stage1.0"].map_size == (11, 9)
    assert network.layers_at((3, 9, 20))["stage1.0"].map_size == (7, 18)


def test_images_of_another_shape_are_refused() -> None:
    network = load(plain())
    with pytest.raises(NetworkError, match="trace"):
        network(torch.zeros(1, 5, 13, 11))
    with pytest.raises(NetworkError, match="trace"):
        network(torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_kinds_of_numbers(dtype: torch.dtype) -> None:
    module = plain().to(dtype)
    network, images = load(module), pictures(2).to(dtype)
    assert network.dtype == dtype
    with torch.no_grad():
        assert torch.equal(network(images), module(images))
    assert network.record(images, ["stage1"])["stage1"].dtype == dtype


def test_two_threads_share_a_network() -> None:
    network = load(plain())
    sizes = [(13, 11), (9, 20), (17, 17), (12, 12)]
    jobs = [pictures(2, size, seed) for seed, size in enumerate(sizes * 5)]
    serial = load(plain())
    wanted = [(serial(images), serial.record(images, ["stage1"])["stage1"]) for images in jobs]

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        return network(images), network.record(images, ["stage1"])["stage1"]

    with ThreadPoolExecutor(2) as pool:
        tracing, traced = list(pool.map(run, jobs)), list(pool.map(run, jobs))
    for first, second, expected in zip(tracing, traced, wanted, strict=True):
        for a, b, c in zip(first, second, expected, strict=True):
            # While one thread traces, torch may compute by another kernel in the other: rounding.
            torch.testing.assert_close(a, c, rtol=1e-6, atol=1e-7)
            assert torch.equal(b, c)


# --- editing -------------------------------------------------------------------------------------


def without(unit: int) -> Callable[[Tensor], Tensor]:
    def ablate(activation: Tensor) -> Tensor:
        kept = torch.ones(activation.shape[1])
        kept[unit] = 0
        return activation * kept[None, :, None, None]

    return ablate


EDITS: dict[str, Callable[[Tensor], Tensor]] = {
    "ablate": without(2),
    "clamp": lambda a: a.clamp(0.1, 0.4),
    "replace": lambda a: torch.full_like(a, 0.25),
    "in place": lambda a: a.mul_(-1),
    "shift": lambda a: a.roll(1, dims=2),
}


@pytest.mark.parametrize("kind", sorted(EDITS))
@pytest.mark.parametrize("path", ["stage1.0", "stage1", "stage2.0", "stage2"])
def test_an_edit_is_a_hook(kind: str, path: str) -> None:
    module, images = plain(), pictures(3)
    network = plain_network()
    before = network(images)
    changed = network.edit(path, EDITS[kind])
    wanted = hooked(module, images.clone(), path, EDITS[kind])
    assert torch.equal(changed(images), wanted)
    recorded = changed.record(images, [path])[path]
    assert torch.equal(recorded, EDITS[kind](seen(module, images, path).clone()))
    assert torch.equal(network(images), before)
    assert torch.equal(network.record(images, [path])[path], seen(module, images, path))
    assert changed.fingerprint() != network.fingerprint()
    assert list(changed.layers) == list(network.layers)


def test_edits_follow_one_another() -> None:
    module, images = plain(), pictures(2)
    twice = load(module).edit("stage1", lambda a: a + 1).edit("stage1", lambda a: a * 3)
    assert torch.equal(twice(images), hooked(module, images, "stage1", lambda a: (a + 1) * 3))
    other = (13, 17)
    assert torch.equal(
        twice(pictures(2, other)),
        hooked(module, pictures(2, other), "stage1", lambda a: (a + 1) * 3),
    )


def test_an_edited_network_can_be_watched_and_projected() -> None:
    """Ablated, a unit passes nothing back: as if the next convolution had no weights for it."""
    module, image = plain(), pictures(1)[0]
    cut_off = plain()
    with torch.no_grad():
        cut_off.stage2[0].weight[:, 2] = 0
    found, wanted = (
        striate.deconvnet(network, image, "stage2:1@2,2").map
        for network in (load(module).edit("stage1", without(2)), load(cut_off))
    )
    assert wanted.abs().sum() > 0
    torch.testing.assert_close(found, wanted)


# --- resuming ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["stage1.0", "stage1.1", "stage1", "stage2.0", "stage2", "head"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_resuming_is_the_rest_of_the_network(path: str, count: int) -> None:
    network, images = plain_network(), pictures(count)
    activation = network.record(images, [path])[path]
    assert torch.equal(network.resume(activation, path), network(images))
    changed = activation * 0.5 - 1
    assert torch.equal(
        network.resume(changed, path), hooked(plain(), images, path, lambda _: changed.clone())
    )


def test_resuming_where_a_signal_goes_round_needs_the_images() -> None:
    module = randomized(Round())
    network, images = load(module), pictures(2)
    activation = network.record(images, ["conv"])["conv"]
    with pytest.raises(NetworkError, match="add also takes a signal that goes round it"):
        network.resume(activation, "conv")
    assert torch.equal(network.resume(activation, "conv", images=images), network(images))
    changed = activation - 1
    assert torch.equal(
        network.resume(changed, "conv", images=images),
        hooked(module, images, "conv", lambda _: changed),
    )
    relu = network.record(images, ["relu"])["relu"]
    assert torch.equal(network.resume(relu, "relu"), network(images))
    assert torch.equal(network.resume(relu, "relu", images=images), network(images))


@pytest.mark.parametrize("name", ["block used thrice", "attention", "shuffles", "two outputs"])
def test_resuming_awkward_networks(name: str) -> None:
    _, network, _ = shared(name)
    images = pictures(2, SIZE)
    wanted = network(images)
    resumed = 0
    for layer in network.layers:
        activation = network.record(images, [layer])[layer]
        equal(network.resume(activation, layer, images=images), wanted)
        try:
            found = network.resume(activation, layer)
        except NetworkError as refused:
            assert "goes round" in str(refused)  # noqa: PT017 - either is right
            continue
        equal(found, wanted)
        resumed += 1
    assert resumed > 1


class Baked(nn.Module):
    """``len(x)`` is a number when it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x)).reshape(len(x), 4 * 11 * 9).sum(1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_batch_size_that_is_baked_in(count: int) -> None:
    module = randomized(Baked())
    network, images = load(module), pictures(count)
    with torch.no_grad():
        torch.testing.assert_close(network(images), module(images))
    torch.testing.assert_close(
        network.record(images, ["conv"])["conv"], seen(module, images, "conv")
    )
    changed = network.edit("conv", lambda a: a + 1)
    torch.testing.assert_close(changed(images), hooked(module, images, "conv", lambda a: a + 1))
    activation = network.record(images, ["conv"])["conv"]
    torch.testing.assert_close(network.resume(activation, "conv"), network(images))
    torch.testing.assert_close(network.resume(activation, "conv", images=images), network(images))


def test_images_may_lie_in_memory_in_any_order() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    network, images = load(module, (8, 8)), pictures(2, (8, 8))
    assert torch.equal(network(images.to(memory_format=torch.channels_last)), network(images))
