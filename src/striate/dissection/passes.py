"""Both passes of a dissection over the images of a concept set; killed at any point, they go on.

The first pass keeps the largest activations of each unit, from which its threshold follows; the
second counts the pixels at which it exceeds that. What is found does not depend on where the passes
were interrupted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from striate.atlas.accumulators.law import Arrays
from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.quantile import Tail, rank, shift_for
from striate.atlas.accumulators.topk import TopK
from striate.atlas.engines.local import Progress
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import sample_coordinates
from striate.dissection.checkpoint import Checkpoint
from striate.dissection.plan import DissectionPlan
from striate.dissection.reading import LabelledReader
from striate.dissection.results import LayerDissection
from striate.dissection.tally import TallyWatcher
from striate.dissection.thresholds import TailWatcher
from striate.dissection.watch import Watched
from striate.image.concepts.concept_set import ConceptSet
from striate.network.layers import Layer
from striate.network.network import Network

TOP = 9
"""Strongest images that are kept of each unit."""


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What is compared with the concepts: the units of a layer, or a basis made of them.

    Attributes:
        layer: Its address.
        basis: Row k says how unit k is mixed from the layer's; None: the units themselves.
        name: What tells it from other probes of a run.
    """

    layer: str
    basis: Float64[np.ndarray, "units units"] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What both passes found.

    Attributes:
        layers: For each probe.
        skipped: Ids of images that could not be read, with the reason.
    """

    layers: list[LayerDissection]
    skipped: dict[int, str]


class Passes:
    """One run over what is not done yet.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        concepts: Concepts and the images that show them.
        plan: What is compared with what.
        probes: What is compared with the concepts.
        checkpoint: Where what is done is written down.
        progress: Called now and then, with images counted once a pass.
    """

    def __init__(
        self,
        network: Network,
        atlas: Atlas,
        concepts: ConceptSet,
        plan: DissectionPlan,
        probes: Sequence[Probe],
        checkpoint: Path,
        progress: Callable[[Progress], None],
    ) -> None:
        self._network, self._atlas, self._concepts = network, atlas, concepts
        self._plan, self._probes, self._progress = plan, probes, progress
        self._path = checkpoint
        self._layers = [network.layers_at(network.image_size)[probe.layer] for probe in probes]
        self._key = [probe.layer + probe.name for probe in probes]
        self._began = time.monotonic()
        self._skipped: dict[int, str] = {}
        self._new = 0

    def run(self) -> Found:
        """Do what is left of both passes.

        Raises:
            AtlasError: If what is done cannot be written down.
        """
        at = Checkpoint.read(self._path)
        if at is None or at.plan != self._plan.to_json() or at.layers != self._key:
            at = Checkpoint(self._plan.to_json(), self._key, 0, 0, {}, {})
        self._skipped = dict(at.skipped)
        self._resumed = at.passing * self._plan.images + self._images_before(at.done)
        plan = self._plan
        with LabelledReader(
            self._network, self._concepts, ratio=plan.ratio, batch=plan.batch
        ) as reader:
            if not at.passing:
                at = self._thresholds(at, reader)
            arrays = self._tally(at, reader)
        found = [self._found(k, layer, arrays) for k, layer in enumerate(self._layers)]
        return Found(found, self._skipped)

    def _thresholds(self, at: Checkpoint, reader: LabelledReader) -> Checkpoint:
        """Do the first pass, from a shard on."""
        tails = [self._tail(k, layer, at.arrays) for k, layer in enumerate(self._layers)]
        watchers = [
            TailWatcher(layer, probe.basis, tail)
            for layer, probe, tail in zip(self._layers, self._probes, tails, strict=True)
        ]
        watched = Watched(self._network, self._atlas, watchers)
        for number in range(at.done, self._plan.shards):
            self._shard(number, 0, watched, reader)
            if number + 1 < self._plan.shards:
                known = [_named(k, w.tail.to_arrays()) for k, w in enumerate(watchers)]
                self._written(0, number + 1, _joined(known))
        found = [w.tail.threshold(self._plan.quantile) for w in watchers]
        return self._written(1, 0, {f"{k}.thresholds": a for k, a in enumerate(found)})

    def _tail(self, number: int, layer: Layer, arrays: Arrays) -> Tail:
        known = _of(number, arrays)
        if known:
            return Tail.from_arrays(known)
        rows, columns = layer.map_size
        units = layer.units or 0
        most = rank(self._plan.quantile, rows * columns * self._plan.images) + 1
        return Tail.empty(units, most, shift_for(units, most))

    def _tally(self, at: Checkpoint, reader: LabelledReader) -> Arrays:
        """Do the second pass, from a shard on."""
        arrays = at.arrays
        if at.done == self._plan.shards:
            return arrays
        watchers = [self._counting(k, layer, arrays) for k, layer in enumerate(self._layers)]
        watched = Watched(self._network, self._atlas, watchers)
        for number in range(at.done, self._plan.shards):
            self._shard(number, 1, watched, reader)
            known = [
                _named(k, {
                    "thresholds": watcher.thresholds,
                    **_named("overlap", watcher.overlap.to_arrays()),
                    **_named("top", watcher.top.to_arrays()),
                })
                for k, watcher in enumerate(watchers)
            ]  # fmt: skip
            arrays = self._written(1, number + 1, _joined(known)).arrays
        return arrays

    def _counting(self, number: int, layer: Layer, arrays: Arrays) -> TallyWatcher:
        known, units = _of(number, arrays), layer.units or 0
        overlap, top = _of("overlap", known), _of("top", known)
        sizes = len(self._concepts.concepts), len(self._concepts.categories)
        return TallyWatcher(
            layer,
            self._probes[number].basis,
            known["thresholds"],
            sample_coordinates(layer, self._plan.ratio, self._plan.upsampling),
            Overlap.from_arrays(overlap) if overlap else Overlap.empty(units, *sizes),
            TopK.from_arrays(top) if top else TopK.empty(units, TOP),
        )

    def _found(self, number: int, layer: Layer, arrays: Arrays) -> LayerDissection:
        known = _of(number, arrays)
        how = sample_coordinates(layer, self._plan.ratio, self._plan.upsampling)
        return LayerDissection(
            layer.address,
            self._concepts.concepts,
            known["thresholds"],
            Overlap.from_arrays(_of("overlap", known)),
            TopK.from_arrays(_of("top", known)),
            how.kind,
            how.reason,
        )

    def _shard(self, number: int, passing: int, watched: Watched, reader: LabelledReader) -> None:
        ids = self._plan.shard_range(number)
        start = passing * self._plan.images + self._images_before(number)
        for group, (batch, skipped) in enumerate(reader.batches(ids, dict(self._skipped))):
            if batch is not None:
                watched(batch)
            self._skipped |= {image.image: image.reason for image in skipped}
            self._new += len(skipped)
            self._say(start + min((group + 1) * self._plan.batch, len(ids)))

    def _say(self, done: int) -> None:
        seconds = time.monotonic() - self._began
        total = 2 * self._plan.images
        self._progress(Progress(done, total, self._new, self._resumed, seconds))

    def _images_before(self, shard: int) -> int:
        return min(shard * self._plan.shard, self._plan.images)

    def _written(self, passing: int, done: int, arrays: Arrays) -> Checkpoint:
        plan = self._plan.to_json()
        at = Checkpoint(plan, self._key, passing, done, dict(self._skipped), arrays)
        at.write(self._path, self._atlas.home)
        return at


def _named(name: str | int, arrays: Mapping[str, np.ndarray]) -> Arrays:
    return {f"{name}.{key}": array for key, array in arrays.items()}


def _of(name: str | int, arrays: Mapping[str, np.ndarray]) -> Arrays:
    prefix = f"{name}."
    return {key.removeprefix(prefix): a for key, a in arrays.items() if key.startswith(prefix)}


def _joined(parts: Sequence[Arrays]) -> Arrays:
    return {name: array for part in parts for name, array in part.items()}
