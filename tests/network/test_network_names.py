"""Addresses: how they are written, what they name, and that names are torchvision's."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import striate
from striate.errors import AddressError, NetworkError
from striate.network.address import Address, nearest

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "addresses.json").read_text())
FEW = settings(max_examples=80, deadline=None)


def load(module: nn.Module, size: int | tuple[int, int] = 16) -> striate.Network:
    return striate.load(module, image_size=size)


# --- how they are written ------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["valid"], ids=lambda v: v["text"])
def test_vectors(vector: dict[str, Any]) -> None:
    address = Address.parse(vector["text"])
    fields = ("layer", "unit", "row", "column")
    assert [getattr(address, name) for name in fields] == [vector[name] for name in fields]
    assert str(address) == vector.get("printed", vector["text"])
    assert Address.parse(str(address)) == address
    assert Address.parse(address) is address


@pytest.mark.parametrize("text", VECTORS["invalid"], ids=repr)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(AddressError, match="is no address") as refused:
        Address.parse(text)
    assert "LAYER:UNIT@ROW,COLUMN" in str(refused.value)
    assert "\n" not in str(refused.value)


NAMES = st.text(
    st.characters(exclude_characters=":@", exclude_categories=["Z", "C"]), min_size=1, max_size=20
)
NUMBERS = st.integers(0, 10**9)


@FEW
@given(NAMES, st.none() | NUMBERS, st.none() | st.tuples(NUMBERS, NUMBERS))
def test_round_trip(layer: str, unit: int | None, place: tuple[int, int] | None) -> None:
    address = Address(layer, unit)
    if unit is not None and place is not None:
        address = address.at(*place)
    assert Address.parse(str(address)) == address


@FEW
@given(st.text(max_size=30))
def test_any_text_is_an_address_or_one_clear_error(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address


@FEW
@given(st.text(max_size=9), st.lists(st.text(min_size=1, max_size=9), unique=True, max_size=9))
def test_nearest_gives_three_where_there_are(name: str, names: list[str]) -> None:
    found = nearest(name, names)
    assert len(found) == min(3, len(names))
    assert set(found) <= set(names)
    if name in names:
        assert found[0] == name


@pytest.mark.parametrize("place", [(-1, None, None), (0, -1, 0), (0, 0, -1)])
def test_nothing_is_counted_from_the_end(place: tuple[int | None, ...]) -> None:
    with pytest.raises(AddressError, match="count from 0"):
        Address("3", *place)
    with pytest.raises(AddressError, match="count from 0"):
        Address("3", 0).at(-1, 2)


# --- what they name ------------------------------------------------------------------------------


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer1 = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.relu = nn.ReLU()
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.layer1(x) - 1)
        x = self.relu(x * 2)
        return self.fc(x.flatten(2).sum(-1))


@functools.cache
def blocks() -> striate.Network:
    return load(Blocks())


def test_modules_are_aliases_and_calls_are_numbered() -> None:
    network = blocks()
    assert list(network.layers) == [
        "layer1.0", "layer1.1", "layer1.2", "sub", "relu", "mul", "relu_1", "sum", "fc",
    ]  # fmt: skip
    assert network.layers.aliases()["layer1"] == "layer1.2"
    assert "layer1" in network.layers
    assert network.layers["layer1"] is network.layers["layer1.2"]
    images = torch.randn(2, 3, 16, 16)
    found = network.record(images, ["relu", "mul", "relu_1"])
    assert torch.equal(found["relu_1"], found["mul"].relu())
    assert torch.equal(found["mul"], found["relu"] * 2)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("layer1.0:4", "layer1.0 has units 0 to 3"), ("layer1:99", "layer1.2 has units 0 to 3"),
        ("layer1.0:0@14,0", "maps of layer1.0 are 14 x 14"),
        ("layer1.0:0@0,14", "maps of layer1.0 are 14 x 14"), ("fc:0@0,1", "maps of fc are 1 x 1"),
        ("layr1.0", "the nearest are layer1.0, layer1."), ("relu_2", "relu_1, relu"),
    ],
)  # fmt: skip
def test_what_does_not_exist(address: str, said: str) -> None:
    with pytest.raises(AddressError) as refused:
        blocks().layers.resolve(address)
    assert said in str(refused.value)
    assert address.partition(":")[0] in str(refused.value)


def test_units_and_neurons_are_checked_by_every_method() -> None:
    network, image = blocks(), torch.zeros(3, 16, 16)
    for address in ("layer1.0:4", "layer1.0:0@14,0", "layr1:0"):
        with pytest.raises(AddressError):
            striate.deconvnet(network, image, address)
    with pytest.raises(AddressError):
        network.edit("layr1", lambda a: a)
    with pytest.raises(AddressError):
        network.record(image[None], ["layr1"])
    with pytest.raises(AddressError):
        network.resume(image[None], "layr1")


# --- torchvision's names -------------------------------------------------------------------------

MOVES = {"flatten", "view", "permute", "transpose", "contiguous", "reshape", "size", "getattr"}
"""Names of nodes that only move values about, or give sizes: ours are in the table of aliases."""


def torchvisions(name: str) -> tuple[nn.Module, list[str]]:
    import torchvision
    from torchvision.models.feature_extraction import get_graph_node_names

    more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)  # noqa: TID251 - torchvision draws from this one
        module = torchvision.models.get_model(name, weights=None, **more).eval()
    return module, get_graph_node_names(module, suppress_diff_warning=True)[1]


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "googlenet"])
def test_names_and_values_are_torchvisions(name: str) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor

    module, names = torchvisions(name)
    network = load(module, 64)
    known = {*network.layers, *network.layers.aliases()}
    theirs = [n for n in names if n != "x" and n.rsplit(".", 1)[-1] not in MOVES]
    dropouts = {n for n, part in module.named_modules() if isinstance(part, nn.Dropout)}
    assert {n for n in theirs if n not in known} <= dropouts, "in eval mode, there is no dropout"
    assert [n for n in network.layers if n not in names] == []
    shared = [n for n in theirs if n in known]
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    extractor = create_feature_extractor(module, shared, suppress_diff_warning=True)
    for part in extractor.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
    for node in extractor.graph.nodes:
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()
    with torch.no_grad():
        wanted = extractor(images)
    found = network.record(images, shared)
    for layer in shared:
        assert torch.equal(found[layer], wanted[layer]), layer


# --- what cannot be traced, and what is left alone -----------------------------------------------


class Depends(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.sum() > 0:  # THIS LINE
            return x.relu()
        return x


class Counts(Depends):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[:, : int(x.max().item())]  # THIS LINE


class Numpy(Depends):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * torch.from_numpy(x.numpy()).mean()  # THIS LINE


class Two(Depends):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.conv(x) + y


@pytest.mark.parametrize("kind", [Depends, Counts, Numpy])
def test_what_cannot_be_traced_is_named_with_its_line(kind: type[nn.Module]) -> None:
    with pytest.raises(NetworkError) as refused:
        load(kind())
    said = str(refused.value)
    lines = Path(__file__).read_text().splitlines()
    place = said.partition(f"{__file__}:")[2].partition(":")[0]
    assert place.isdigit(), said
    assert "THIS LINE" in lines[int(place) - 1]
    assert kind.__name__ in said
    assert "3x16x16" in said


def test_a_network_that_takes_more_than_images() -> None:
    with pytest.raises(NetworkError, match="Two"):
        load(Two())


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.register_buffer("shift", torch.tensor(1, dtype=torch.int64))
        self.register_buffer("empty", torch.zeros(0))

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) * self.scale + self.shift


def test_scalar_parameters(tmp_path: Path) -> None:
    module, images = Scaled().eval(), torch.randn(2, 3, 16, 16)
    network = load(module)
    assert torch.equal(network(images), module(images))
    other = Scaled().eval()
    other.load_state_dict(module.state_dict())
    assert load(other).fingerprint() == network.fingerprint()
    with torch.no_grad():
        other.scale += 1
    assert load(other).fingerprint() != network.fingerprint()


def test_the_module_is_left_alone() -> None:
    module = Blocks().train()
    module.layer1[0].weight.requires_grad_(requires_grad=False)
    module.fc.register_forward_hook(lambda _m, _i, output: output)
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    facts = [(part.training, len(part._forward_hooks)) for part in module.modules()]
    grads = [parameter.requires_grad for parameter in module.parameters()]
    network, images = load(module), torch.randn(
        2, 3, 16, 16, generator=torch.Generator().manual_seed(1)
    )  # fmt: skip
    network.record(images, ["layer1"])
    network.edit("layer1", lambda a: a.zero_())(images)
    network.fast(lambda trace: trace.outputs, network.image_size)(images)
    striate.deconvnet(network, images[0], "layer1:1")
    striate.guided_backprop(network, images[0], "relu_1:1")
    assert [(part.training, len(part._forward_hooks)) for part in module.modules()] == facts
    assert [parameter.requires_grad for parameter in module.parameters()] == grads
    assert all(parameter.grad is None for parameter in module.parameters())
    assert all(torch.equal(before[n], value) for n, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    with torch.no_grad():
        module.fc.weight.zero_()
    assert network.trace().constants
    assert not torch.equal(network(images), module.eval()(images))
