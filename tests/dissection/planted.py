"""Concept sets on disk, small atlases, and what the engine saw: what these tests build on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import striate
from striate.atlas.engines.local import build_atlas
from striate.atlas.store.reader import Atlas
from striate.dissection.labels import Labels
from striate.dissection.reading import LabelledReader
from striate.dissection.watch import Watched, Watcher
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage, MaskFile
from striate.network.network import Network
from striate.shapes import Maps

CONCEPTS = (
    Concept("car", "object"), Concept("road", "object"), Concept("wheel", "part"),
    Concept("dots", "texture"), Concept("street", "scene"), Concept("stripes", "texture"),
    Concept("never", "scene"),
)  # fmt: skip
"""The last one is nowhere."""

CATEGORIES = (0, 0, 1, 2, 3, 2, 3)


def load(module: nn.Module, side: int | tuple[int, int]) -> Network:
    """A network that takes pictures of one size as they are, in [0, 1]."""
    return striate.load(
        module.eval(), resize=side, crop=side, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
        name="planted",
    )  # fmt: skip


def write_picture(path: Path, levels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels.astype(np.uint8)).save(path)
    return path


def make_atlas(network: Network, folder: Path, layers: Sequence[str] | None = None) -> Atlas:
    """An atlas over two pictures of noise."""
    height, width = network.image_size[1:]
    for number in range(2):
        levels = np.random.default_rng(number).integers(0, 256, (height, width, 3))
        write_picture(folder / "probe" / f"{number}.png", levels)
    return build_atlas(network, folder / "probe", folder / "atlas", layers=layers, workers=1)


def mixed_set(folder: Path, count: int, size: tuple[int, int], seed: int = 0) -> ConceptSet:
    """Images of blurred noise: pixels and whole images labelled, categories missing here and there.

    A code 0 in a mask means nothing, code k the concept k - 1. The second mask is of parts.
    """
    chance = np.random.default_rng(seed)
    images = []
    for number in range(count):
        coarse = chance.integers(0, 256, (size[0] // 3 + 1, size[1] // 3 + 1, 3))
        levels = coarse.repeat(3, 0).repeat(3, 1)[: size[0], : size[1]]
        path = write_picture(folder / "images" / f"{number:03d}.png", levels)
        masks = []
        if chance.random() < 0.7:
            codes = chance.integers(0, 3, size) * (chance.random(size) < 0.8)
            file = write_picture(folder / "objects" / f"{number:03d}.png", codes)
            masks.append(MaskFile(file, np.array([-1, 0, 1], np.int32)))
        if chance.random() < 0.4:
            codes = chance.integers(0, 2, size)
            file = write_picture(folder / "parts" / f"{number:03d}.png", codes)
            masks.append(MaskFile(file, np.array([-1, 2], np.int32)))
        whole = tuple(c for c in (3, 4, 5) if chance.random() < 0.3)
        images.append(LabelledImage(f"images/{number:03d}.png", path, tuple(masks), whole))
    return ConceptSet(CONCEPTS, tuple(images))


class Recorder(Watcher):
    """Keeps all maps, as any watcher gets them."""

    def __init__(self, network: Network, address: str) -> None:
        super().__init__(network.layers[address], None)
        self._new: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []
        self.labels: list[Labels] = []

    def take(self, maps: Maps) -> None:
        self._new += list(maps.cpu().numpy().copy())

    def undo(self) -> None:
        self._new = []

    def commit(self, ids: Sequence[int], labels: Sequence[Labels]) -> None:
        assert len(ids) == len(self._new)
        self.maps += self._new
        self.labels += labels
        self.undo()


def recorded(
    network: Network, atlas: Atlas, concepts: ConceptSet, layer: str, ratio: int, batch: int
) -> Recorder:
    """What the engine sees of a layer, batch by batch."""
    recorder = Recorder(network, layer)
    watched = Watched(network, atlas, [recorder])
    with LabelledReader(network, concepts, ratio=ratio, batch=batch, workers=1) as reader:
        for found, _ in reader.batches(range(len(concepts.images))):
            assert found is not None
            watched(found)
    return recorder


def scene_of(labels: Labels, grid: tuple[int, int]) -> tuple[np.ndarray, list[int]]:
    """The labels as the oracle takes them."""
    names = np.append(labels.present, -1)
    return names[labels.planes].reshape(-1, *grid), labels.whole.tolist()


def colour_units(weights: Sequence[Sequence[float]]) -> nn.Sequential:
    """Units that see one pixel each: the given sums of its red, green and blue, rectified."""
    convolution = nn.Conv2d(3, len(weights), 1, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor(weights)[:, :, None, None])
    return nn.Sequential(
        convolution, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(len(weights), 2)
    )


def small() -> nn.Sequential:
    """Two layers with maps, weights that are the same in each run."""
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip
    chance = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=chance))
    return module
