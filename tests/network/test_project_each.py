"""Neurons that share an image's way forward are projected as each would be alone."""

from collections import Counter

import pytest
import torch
from torch import nn

import striate
from striate.network.backward import Rule
from striate.network.network import Network
from striate.network.projection import Spot, project_each, project_spots


@pytest.fixture(scope="module")
def network() -> Network:
    generator = torch.Generator().manual_seed(3)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Conv2d(5, 6, 2), nn.ReLU(),
    )  # fmt: skip
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.4, generator=generator)
    return striate.load(module.eval(), image_size=(3, 16, 16))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize("rule", ["deconvnet", "gradient"])
@pytest.mark.parametrize("batch", [1, 2, 16])
def test_whole_images_go_forward_once_for_eight_neurons(
    network: Network, images: torch.Tensor, rule: Rule, batch: int
) -> None:
    on = [0] * 19 + [1] * 3 + [3]
    spots = [Spot(image, k % 6, 0, 0) for k, image in enumerate(on)]
    fetched: Counter[int] = Counter()

    def image_of(number: int) -> torch.Tensor:
        fetched[number] += 1
        return images[number]

    found = dict(project_each(network, image_of, "7", spots, rule, size=(3, 16, 16), batch=batch))
    assert sorted(found) == list(range(len(spots)))
    assert fetched == {0: 3, 1: 1, 3: 1}
    for k, spot in enumerate(spots):
        alone = project_spots(network, images, "7", [spot], rule)[0]
        # How many images go together changes how sums are rounded, and nothing else.
        assert torch.allclose(found[k].map, alone.map, rtol=1e-5, atol=1e-6)
        assert found[k].neuron == alone.neuron
        assert found[k].activation == pytest.approx(alone.activation, rel=1e-5)


def test_neurons_that_see_a_part_come_in_order(network: Network, images: torch.Tensor) -> None:
    spots = [Spot(k % 4, k % 5, k % 6, k % 5) for k in range(20)]
    found = list(
        project_each(network, images.__getitem__, "4", spots, "deconvnet", size=(3, 16, 16))
    )
    assert [k for k, _ in found] == list(range(20))
    whole = project_spots(network, images, "4", spots, "deconvnet", crop=False)
    for k, projection in found:
        assert torch.allclose(projection.map, whole[k].map, atol=1e-6)


def test_nothing_asked_is_nothing_done(network: Network) -> None:
    def image_of(_number: int) -> torch.Tensor:
        raise AssertionError

    assert not list(project_each(network, image_of, "7", [], "deconvnet", size=(3, 16, 16)))
