"""Layers whose axes stand in another order, or are cut up, still know where a value is from."""

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import striate
from networks import randomized
from striate.errors import AddressError, NetworkError
from striate.network.axes import reshaped


class Turned(nn.Module):
    """Rows and columns change places half way."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, (3, 1)), nn.Conv2d(4, 5, (1, 3), stride=(1, 2))

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.first(images).relu()).transpose(2, 3).contiguous().relu()


class Summed(nn.Module):
    """A running sum over columns."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).cumsum(3).relu()


class Windows(nn.Module):
    """Windows of the map become images of their own, as in Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        count, units, height, width = maps.shape
        windows = maps.reshape(count, units, 2, height // 2, 2, width // 2)
        windows = windows.permute(0, 2, 4, 3, 5, 1).reshape(count * 4, -1, units)
        inner = self.head(windows).relu()
        return inner.reshape(count, 4, -1, 2).mean((1, 2))


@pytest.mark.parametrize("make", [Turned, Summed])
def test_boxes_hold_everything_a_neuron_sees(
    make: type[nn.Module], seeded: torch.Generator
) -> None:
    network = striate.load(randomized(make()).double(), image_size=(13, 11))
    layer = network.layers["relu" if make is Summed else "relu_1"]
    rows, columns = layer.map_size
    image = torch.randn(1, 3, 13, 11, generator=seeded, dtype=torch.float64)
    before = layer.maps(network.record(image, [layer.address])[layer.address])
    assert before.shape[2:] == (rows, columns)
    for row, column in [(0, 0), (rows - 1, columns - 1), (rows // 2, 1)]:
        top, left, bottom, right = layer.box(row, column)
        changed = torch.randn(1, 3, 13, 11, generator=seeded, dtype=torch.float64)
        changed[:, :, top:bottom, left:right] = image[:, :, top:bottom, left:right]
        after = layer.maps(network.record(changed, [layer.address])[layer.address])
        assert torch.equal(after[..., row, column], before[..., row, column])
        map_ = striate.gradient(network, image[0], f"{layer.address}:1@{row},{column}").map
        outside = map_.clone()
        outside[:, top:bottom, left:right] = 0
        assert not outside.any()


def test_maps_and_back() -> None:
    network = striate.load(randomized(Turned()), image_size=(13, 11))
    layer = network.layers["relu_1"]
    output = network.record(torch.randn(2, 3, 13, 11), ["relu_1"])["relu_1"]
    assert torch.equal(layer.unmaps(layer.maps(output)), output)


def test_resuming_in_windows_is_refused() -> None:
    """Two images are eight windows there: the count of images cannot be told from them."""
    module = randomized(Windows())
    network = striate.load(module, image_size=(8, 8))
    images = torch.randn(2, 3, 8, 8)
    inner = network.record(images, ["head"])["head"]
    with pytest.raises(NetworkError, match="give the images too"):
        network.resume(inner, "head")
    assert torch.equal(network.resume(inner, "head", images=images), module(images))


def test_response_normalization_sees_its_place_alone() -> None:
    module = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.LocalResponseNorm(5))
    network = striate.load(module, image_size=(15, 15))
    assert network.layers["2"].receptive_field.size == (3, 3)


def test_a_unit_is_no_layer() -> None:
    network = striate.load(randomized(Turned()), image_size=(13, 11))
    with pytest.raises(AddressError, match="whole layer"):
        network.edit("first:1", lambda maps: maps * 0)


def test_weights_for_a_module(tmp_path) -> None:
    module, other = Turned(), randomized(Turned(), seed=3)
    save_file(other.state_dict(), tmp_path / "w.safetensors")
    network = striate.load(module, weights=tmp_path / "w.safetensors", image_size=(13, 11))
    images = torch.randn(1, 3, 13, 11)
    assert torch.equal(network(images), other(images))


def test_projections_in_inference_mode() -> None:
    network = striate.load(randomized(Turned()), image_size=(13, 11))
    image = torch.randn(3, 13, 11)
    expected = striate.deconvnet(network, image, "relu_1:2").map
    with torch.inference_mode():
        assert torch.equal(striate.deconvnet(network, image, "relu_1:2").map, expected)


@pytest.mark.parametrize(
    ("before", "after", "axes"),
    [
        ((2, 6, 5, 7), (2, 2, 3, 5, 7), ("images", "other", "units", "rows", "columns")),
        ((2, 6, 5, 7), (2, 6, 35), ("images", "units", "other")),
        ((2, 6, 1, 1), (2, 6), ("images", "units")),
        ((2, 6, 5, 7), (2, 210), ("images", "other")),
        ((2, 1, 5, 7), (2, 5, 7), ("images", "rows", "columns")),
    ],
)
def test_reshapes(before: tuple[int, ...], after: tuple[int, ...], axes: tuple[str, ...]) -> None:
    assert reshaped(("images", "units", "rows", "columns"), before, after) == axes
