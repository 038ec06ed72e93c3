"""Networks of other images than pictures: what they are told of their mean, and what of `read`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from striate.errors import NetworkError
from striate.image.preprocess import Preprocessing
from striate.optimize.space import Space


def small(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU())


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.full((9, 9, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_as_many_values_as_channels_are_the_networks_own(channels: int) -> None:
    mean = tuple(0.1 * (k + 1) for k in range(channels))
    network = striate.load(small(channels), image_size=8, mean=mean, std=[0.5])
    space = Space.of(network)
    assert space.mean.flatten().tolist() == pytest.approx(mean)
    assert space.std.flatten().tolist() == [0.5] * channels
    found = striate.activation_maximization(network, ["0:1"], steps=2)
    assert found.images.shape == (1, channels, 8, 8)


@pytest.mark.parametrize(
    ("channels", "count", "wanted"),
    [(4, 3, "1 value .*or 4"), (3, 4, "1 value .*or 3"), (1, 3, "1 value$")],
)
@pytest.mark.parametrize("what", ["mean", "std"])
def test_another_number_of_values_is_refused(
    channels: int, count: int, wanted: str, what: str
) -> None:
    told = f"{what} has {count} values, .*Sequential .*{channels} channels?: give {wanted}"
    with pytest.raises(NetworkError, match=told):
        striate.load(small(channels), image_size=8, **{what: (0.5,) * count})


@pytest.mark.parametrize("channels", [2, 4])
def test_imagenets_mean_is_for_three_channels_alone(channels: int) -> None:
    network = striate.load(small(channels), resize=8, crop=8)
    assert network.image_size == (channels, 8, 8)
    space = Space.of(network)
    assert (space.mean == 0).all()
    assert (space.std == 1).all()
    image = torch.rand(channels, 8, 8, generator=torch.Generator().manual_seed(0))
    assert striate.inversion(network, image, "0", steps=2).image.shape == image.shape
    assert striate.deep_dream(network, image, "0", octaves=1, steps=1).image.shape == image.shape


def test_metadata_that_does_not_fit_other_channels_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from striate.network import loading
    from striate.network.zoo import ZooEntry

    entry = ZooEntry(small(4), Preprocessing(resize=8, crop=8), None)
    monkeypatch.setattr(loading, "from_zoo", lambda *_a, **_k: entry)
    network = striate.load("resnet18")
    assert network.image_size == (4, 8, 8)
    assert Space.of(network).std.flatten().tolist() == [1.0] * 4


@pytest.mark.parametrize("said", [{}, {"resize": 8, "crop": 8}, {"mean": (0.5,) * 4}])
def test_a_picture_is_no_image_of_four_channels(picture: Path, said: dict[str, object]) -> None:
    network = striate.load(small(4), **{"image_size": 8, **said})
    with pytest.raises(NetworkError, match=r"3 channels.*Sequential takes 4.*yourself"):
        network.read(picture)


def test_grey_networks_take_one_value_and_pictures(picture: Path) -> None:
    network = striate.load(small(1), mean=[0.25], std=[0.5], resize=8, crop=8)
    assert network.read(picture).shape == (1, 8, 8)
    assert Space.of(network).mean.flatten().tolist() == [0.25]
