"""What an atlas calls its images and layers, whatever they are called."""

import os
from pathlib import Path

import pytest
from building import Build, draw
from torch import nn

import striate
from striate.atlas.plan import chosen_layers


@pytest.mark.parametrize("name", [b"caf\xe9.png", b'it\'s "a".png', b"back\\slash.png"])
def test_the_reason_of_a_skipped_image_does_not_say_where_it_lies(
    build: Build, tmp_path: Path, name: bytes
) -> None:
    """The same images give the same atlas, byte for byte, wherever they lie."""
    digests = []
    for place in ("here", "elsewhere"):
        draw(tmp_path / place / "0.png", 0)
        (tmp_path / place / os.fsdecode(name)).write_bytes(b"no picture")
        atlas = build(tmp_path / place, tmp_path / f"{place}-atlas")
        ((skipped, reason),) = atlas.skipped()
        assert os.fsencode(skipped) == name
        assert repr(skipped) in reason
        assert str(tmp_path) not in reason
        digests.append(atlas.digest())
    assert digests[0] == digests[1]


def test_a_view_that_is_asked_for_keeps_its_place_in_the_order() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    )
    network = striate.load(module, image_size=(12, 12))
    assert "3" not in list(network.layers)
    assert chosen_layers(network, ["4", "3", "1"]) == ["1", "3", "4"]
