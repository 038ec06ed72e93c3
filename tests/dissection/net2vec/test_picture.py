"""An image made along a concept's vector: what it must look like where units are colours."""

import numpy as np
import pytest
import torch
from torch import nn

import striate
from striate.dissection.net2vec.picture import concept_frames, pictured, vector_of
from striate.dissection.net2vec.vectors import ConceptVectors, Learnt
from striate.errors import AddressError, MethodError
from striate.network.network import Network

SIDE = 16


@pytest.fixture(scope="module")
def colours() -> Network:
    """Its units are red, green and blue."""
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU())
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(3)[:, :, None, None])
        net[0].bias.zero_()
    return striate.load(
        net, image_size=(SIDE, SIDE), resize=SIDE, crop=SIDE, mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found() -> ConceptVectors:
    learnt = tuple(Learnt(n, "o", 1, 1, None, 0, 0.0, 0.0, 0.0, 0.0, 0.0) for n in ("warm", "cold"))
    rows = np.array([[1, 1, -0.5], [-0.2, -0.2, 1]], np.float32)
    return ConceptVectors(
        "1", "segmentation", {}, learnt, rows, np.zeros(2, np.float32),
        np.zeros((2, 0, 3), np.float32), np.zeros((2, 0), np.float32), np.zeros(3, np.float32),
    )  # fmt: skip


def test_the_image_turns_to_the_concept(colours: Network, found: ConceptVectors) -> None:
    steps = list(concept_frames(colours, found, "cold", steps=120))
    first, last = (pictured(colours, found, "cold", frame) for frame in (steps[0], steps[-1]))
    red, green, blue = last.image.mean((1, 2)).tolist()
    assert blue > 1.4 * max(red, green)
    assert (last.nearer, last.concepts) == (0, 2)
    assert last.cosine > first.cosine + 0.2
    maps = last.image.double()
    vector = vector_of(found, "cold")
    by_hand = torch.cosine_similarity(maps, vector[:, None, None], dim=0).mean()
    assert last.cosine == pytest.approx(float(by_hand), abs=1e-5)
    assert last.length == pytest.approx(float((maps.mean((1, 2)) * vector).sum()), abs=1e-5)


def test_seeds_reproduce_images(colours: Network, found: ConceptVectors) -> None:
    one, again, other = (
        list(concept_frames(colours, found, "cold", seed=seed, steps=3))[-1].best
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_sums_are_directions_too(colours: Network, found: ConceptVectors) -> None:
    unit = found.directions()
    total = torch.from_numpy(2 * unit[1] - unit[0])
    assert torch.allclose(vector_of(found, "2*cold - warm"), total / total.norm())
    with pytest.raises(MethodError, match="'cold - cold' is zero"):
        vector_of(found, "cold - cold")
    with pytest.raises(AddressError, match="no concept 'cool'"):
        next(concept_frames(colours, found, "cool"))
