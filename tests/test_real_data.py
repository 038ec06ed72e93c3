"""Real weights on real photographs, where they are: known accuracies prove the whole way."""

import os
from pathlib import Path

import pytest
from examples.cifar_resnet20 import unpack

import striate

DATA = Path(os.environ.get("STRIATE_DATA", "/nonexistent"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="STRIATE_DATA names no folder"),
]


def test_squeezenet_on_photographs(tmp_path: Path) -> None:
    """Known for these weights: 62.3 and 83.7 % with the short side 256 and a crop of 227."""
    network = striate.load(
        "squeezenet1_0",
        weights=DATA / "weights" / "squeezenet1_0_deepcompressed.safetensors",
        resize=256,
        crop=227,
    )
    photographs = DATA / "imagenet-samples"
    atlas = striate.build_atlas(
        network, photographs / "images", tmp_path, labels=photographs / "labels.csv"
    )
    summary = atlas.summary()
    assert summary["seen"] == 1000
    assert summary["top1"] == pytest.approx(62.3, abs=0.4)
    assert summary["top5"] == pytest.approx(83.7, abs=0.4)
    strongest = atlas.units("features.12")[0]["top"]
    values = [entry["value"] for entry in strongest]
    assert len(strongest) == 9
    assert values == sorted(values, reverse=True)
    for entry in strongest[:3]:
        image = network.read(photographs / "images" / entry["file"])
        maps = network.record(image[None], ["features.12"])["features.12"]
        value = maps[0, 0, entry["row"], entry["column"]].item()
        assert value == pytest.approx(entry["value"], rel=1e-4)
        assert maps[0, 0].max().item() == pytest.approx(value, rel=1e-4)


def test_resnet20_on_cifar(tmp_path: Path) -> None:
    """81.0 % on all 10 000 of these lossy copies; 1000 of them are within 4 standard errors."""
    unpack(DATA / "cifar10" / "cifar10_test_jpeg.npz", tmp_path / "images", 1000)
    network = striate.load(
        "examples.cifar_resnet20:resnet20",
        weights=DATA / "weights" / "cifar10_resnet20.safetensors",
        resize=32,
        crop=32,
    )
    atlas = striate.build_atlas(network, tmp_path / "images", tmp_path / "atlas")
    assert atlas.summary()["top1"] == pytest.approx(81.0, abs=5.0)
