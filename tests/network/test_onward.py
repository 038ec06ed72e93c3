"""Running on from a layer gives what the network with the layer's output replaced gives."""

import pytest
import torch
from torch import nn

import striate
from networks import HAND_MADE
from striate.errors import AddressError, MethodError
from striate.network.onward import Onward

CASES = [
    ("residual", "conv1"),
    ("concatenation", 3),
    ("squeeze-excite", 4),
    ("shuffles", 2),
    ("dense", -1),
]
"""Signals that go round the layer: sums, concatenations, gates; and the scores themselves."""


def loaded(name):
    module, size = HAND_MADE[name]()
    return striate.load(module.double(), image_size=size)


def noise(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def replaced(network, address, maps, images):
    """The scores with a layer's output replaced, by an edited graph that runs from the images."""
    changed = network.layers[address].unmaps(maps)
    edited = network.edit(address, lambda _: changed)
    return edited.record(images, [network.scores])[network.scores].flatten(1)


@pytest.mark.parametrize(("name", "layer"), CASES)
def test_scores_are_those_of_the_edited_network(name, layer):
    network = loaded(name)
    address = layer if isinstance(layer, str) else list(network.layers)[layer]
    onward = Onward(network, address)
    images = noise(3, *network.image_size)
    crossing = onward.reach(images)
    assert torch.equal(
        crossing.maps, network.layers[address].maps(network.record(images, [address])[address])
    )
    of = torch.tensor([2, 0, 0, 1, 2])
    maps = noise(5, *crossing.maps.shape[1:], seed=1)
    found = onward.scores(crossing, of, maps)
    torch.testing.assert_close(found, replaced(network, address, maps, images[of]))
    assert found.shape == (5, onward.classes)


def test_what_goes_round_is_handed_on_as_late_as_it_can_be():
    network = loaded("residual")
    onward = Onward(network, "conv2")
    images = noise(2, *network.image_size)
    (beside,) = onward.reach(images).beside
    assert torch.equal(beside, network.record(images, ["shortcut"])["shortcut"])
    assert onward.values == beside[0].numel()


class OneAtATime(nn.Module):
    """Code that bakes the batch size in."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        maps = self.conv(x).relu()
        return self.head(maps.reshape(1, 4, 36).amax(2) + x.mean())


def test_a_batch_size_that_is_baked_in_is_kept():
    network = striate.load(OneAtATime().double(), image_size=(8, 8))
    assert network.trace().batch == 1
    onward = Onward(network, "relu")
    images = noise(3, 3, 8, 8)
    of, maps = torch.tensor([1, 1, 0]), noise(3, 4, 6, 6, seed=1)
    found = onward.scores(onward.reach(images), of, maps)
    singly = [
        replaced(network, "relu", m[None], images[k][None]) for m, k in zip(maps, of, strict=True)
    ]
    torch.testing.assert_close(found, torch.cat(singly))


class Aside(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.aside = nn.Conv2d(3, 2, 8), nn.Conv2d(3, 2, 3)

    def forward(self, x):
        return self.body(x).flatten(1), self.aside(x)


def test_refusals_say_why():
    network = striate.load(Aside(), image_size=(8, 8))
    with pytest.raises(MethodError, match="do not depend on aside"):
        Onward(network, "aside")
    with pytest.raises(AddressError, match="nearest"):
        Onward(network, "bodi")
    maps = striate.load(nn.Conv2d(3, 2, 3), image_size=(8, 8))
    with pytest.raises(MethodError, match="scores of two classes"):
        Onward(maps, next(iter(maps.layers)))
    one = striate.load(nn.Conv2d(3, 1, 8), image_size=(8, 8))
    with pytest.raises(MethodError, match="scores of two classes"):
        Onward(one, next(iter(one.layers)))
