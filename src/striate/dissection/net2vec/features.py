"""What probes learn from: of each labelled image which units are active where, bit by bit.

One pass over the images writes two files that vanish with the process: the active neurons of each
image, and where its concepts are. Memory does not grow with the images, but for one row of means an
image. The same pass counts how each unit does alone (`Overlap`).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from striate.atlas.accumulators.overlap import Overlap
from striate.dissection.cells import Upsampling, active_parts
from striate.dissection.labels import Labels
from striate.dissection.tally import count
from striate.dissection.watch import Watcher, are_finite
from striate.network.layers import Layer
from striate.shapes import Maps


class ExampleStore:
    """Active neurons and concepts of images, on disk; a context manager that removes them.

    Args:
        folder: Where there is room for them.
        shape: (units, rows, columns) of the layer.
        grid: (rows, columns) of the grid of labels.
        device: Where examples are wanted.
    """

    def __init__(
        self,
        folder: Path,
        shape: tuple[int, int, int],
        grid: tuple[int, int],
        device: torch.device | None = None,
    ) -> None:
        self._shape, self._grid, self._device = shape, grid, device or torch.device("cpu")
        self._active: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by exit
        self._masks: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._places: dict[int, int] = {}
        self._present: list[np.ndarray] = []
        self._whole: list[np.ndarray] = []
        self._offsets: list[int] = [0]
        self._row: dict[int, int] | None = None

    def __enter__(self) -> "ExampleStore":  # noqa: PYI034 - beartype cannot check Self in a method
        return self

    def __exit__(self, *trouble: object) -> None:
        self._active.close()
        self._masks.close()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def images(self) -> list[int]:
        """Ids of the images that are stored, in their order."""
        return list(self._places)

    def add(
        self, image: int, active: Bool[np.ndarray, "units rows columns"], labels: Labels
    ) -> None:
        """Store one image.

        Args:
            image: Its id, a new one.
            active: Which neurons exceed the threshold of their unit.
            labels: What it shows.
        """
        masks = (labels.planes == np.arange(len(labels.present))[:, None, None]).any(1)
        packed = np.packbits(masks, axis=1)
        self._active.write(np.packbits(active).tobytes())
        self._masks.write(packed.tobytes())
        self._places[image] = len(self._places)
        self._present.append(labels.present)
        self._whole.append(labels.whole)
        self._offsets.append(self._offsets[-1] + len(packed))

    def choose(self, concepts: Sequence[int]) -> None:
        """Show examples of some concepts alone, and call each by its place among them."""
        self._active.flush()
        self._masks.flush()
        self._row = {concept: row for row, concept in enumerate(concepts)}

    def example(self, image: int) -> tuple[Tensor, list[int], Tensor]:
        """Return one image; see `striate.dissection.net2vec.probe.Examples`."""
        place = self._places[image]
        size = -(-int(np.prod(self._shape)) // 8)
        bits = self._read(self._active, place * size, size)
        active = np.unpackbits(bits, count=int(np.prod(self._shape))).reshape(self._shape)
        present, whole = self._present[place].tolist(), self._whole[place].tolist()
        row = self._row
        if row is None:
            row = {concept: concept for concept in (*present, *whole)}
        wanted = [k for k, concept in enumerate(present) if concept in row]
        masks = self._masks_of(place)[wanted]
        covering = [concept for concept in whole if concept in row]
        full = np.ones((len(covering), *self._grid), np.uint8)
        concepts = [row[present[k]] for k in wanted] + [row[concept] for concept in covering]
        return (
            torch.from_numpy(active).to(self._device, torch.float32),
            concepts,
            torch.from_numpy(np.concatenate([masks, full])).to(self._device),
        )

    def _masks_of(self, place: int) -> np.ndarray:
        pixels = self._grid[0] * self._grid[1]
        width = -(-pixels // 8)
        rows = self._offsets[place + 1] - self._offsets[place]
        packed = self._read(self._masks, self._offsets[place] * width, rows * width)
        masks = np.unpackbits(packed.reshape(rows, width), axis=1, count=pixels)
        return masks.reshape(rows, *self._grid)

    @staticmethod
    def _read(file: IO[bytes], start: int, size: int) -> np.ndarray:
        file.seek(start)
        return np.frombuffer(file.read(size), np.uint8)


class FeatureWatcher(Watcher):
    """Stores what probes learn from, and counts how each unit does alone.

    Args:
        layer: The layer.
        thresholds: Above which each unit is active.
        how: How maps come to the grid; None: there is no segmentation, only means are kept.
        store: Where examples go; None likewise.
        concepts: How many there are.
        parts: Of each image, 0 if it is learnt from and 1 if it is held out.
    """

    def __init__(
        self,
        layer: Layer,
        thresholds: Float32[np.ndarray, " units"],
        how: Upsampling | None,
        store: ExampleStore | None,
        *,
        concepts: int,
        parts: Sequence[int],
    ) -> None:
        super().__init__(layer, None)
        self._thresholds, self._how, self._store = thresholds, how, store
        self._parts, self._concepts = parts, concepts
        units = len(thresholds)
        single = concepts if store is not None else 0
        self.overlaps = tuple(Overlap.empty(units, single, single) for _ in range(2))
        self.ids: list[int] = []
        self._shown: list[np.ndarray] = []
        self._means: list[np.ndarray] = []
        self._taken: list[np.ndarray] = []

    def undo(self) -> None:
        """Forget what was taken since the last `commit`."""
        self._taken = []

    def take(self, maps: Maps) -> None:
        """Look at the maps of some images."""
        _, finite = are_finite(maps.flatten(2))
        known = torch.where(finite[:, :, None, None], maps, torch.full_like(maps, -torch.inf))
        self._taken += list(known.cpu().numpy())

    def commit(self, ids: Sequence[int], labels: Sequence[Labels]) -> None:
        """Store what was taken since the last `commit`."""
        for image, maps, shown in zip(ids, self._taken, labels, strict=True):
            carried = np.zeros(self._concepts, bool)
            carried[shown.present] = carried[shown.whole] = True
            self.ids.append(image)
            self._shown.append(carried)
            means = maps.mean(axis=(1, 2))
            self._means.append(np.where(np.isfinite(means), means, 0).astype(np.float32))
            if self._store is not None and self._how is not None:
                active = maps > self._thresholds[:, None, None]
                self._store.add(image, active, shown)
                some = np.flatnonzero(active.any(axis=(1, 2)))
                parts = active_parts(maps[some], self._thresholds[some], self._how)
                alone = replace(shown, categories=carried)
                active_of = ((some[unit], pixel) for unit, pixel in parts)
                count(self.overlaps[self._parts[image]], active_of, alone)
        self._taken = []

    @property
    def means(self) -> Float32[np.ndarray, "images units"]:
        """Mean activation of each unit on each image that was seen, in the order of ``ids``."""
        units = len(self._thresholds)
        return np.stack(self._means) if self._means else np.zeros((0, units), np.float32)

    @property
    def shown(self) -> Bool[np.ndarray, "images concepts"]:
        """Whether each image that was seen shows each concept, in the order of ``ids``."""
        return np.stack(self._shown) if self._shown else np.zeros((0, self._concepts), bool)
