"""One run of Net2Vec over one layer: the passes over the images, then what is learnt from them."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float32

from striate.atlas.accumulators.quantile import Tail, rank, shift_for
from striate.atlas.store.files import make_folder
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import Upsampling, sample_coordinates
from striate.dissection.net2vec.features import ExampleStore, FeatureWatcher
from striate.dissection.net2vec.learn import Fitted, Progress, Wanted, learn_classes, learn_masks
from striate.dissection.net2vec.probe import Resizing
from striate.dissection.net2vec.vectors import ConceptVectors, Learnt, LeftOut, Subset
from striate.dissection.plan import DissectionPlan
from striate.dissection.reading import LabelledReader
from striate.dissection.results import Dissection, folder_of, read_index
from striate.dissection.thresholds import TailWatcher
from striate.dissection.watch import Watched, Watcher
from striate.errors import MethodError
from striate.image.concepts.concept_set import ConceptSet, LabelledImage
from striate.network.layers import Layer
from striate.network.network import Network

__all__ = ["Progress", "Run", "part_of"]

_TRAIN_SHARE = 0.7
_PARTS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 1}


def part_of(image: LabelledImage) -> int:
    """Return 0 if an image is to learn from, 1 if it is held out.

    >>> from pathlib import Path
    >>> part_of(LabelledImage("a", Path("a"), part="train")), part_of(LabelledImage("b", Path("b")))
    (0, 0)
    """
    if image.part in _PARTS:
        return _PARTS[image.part]
    digest = hashlib.sha256(image.name.encode(errors="surrogateescape")).digest()
    return int(int.from_bytes(digest[:4], "big") >= _TRAIN_SHARE * 2**32)


class Run:
    """Learns one layer's concepts.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        concepts: Concepts and the images that show them.
        address: Of the layer.
        plan: How activations are compared with labels.
        wanted: What is to be learnt.
        progress: Called now and then.
    """

    def __init__(
        self,
        network: Network,
        atlas: Atlas,
        concepts: ConceptSet,
        address: str,
        plan: DissectionPlan,
        wanted: Wanted,
        progress: Progress,
    ) -> None:
        self._network, self._atlas, self._concepts = network, atlas, concepts
        self._plan, self._wanted, self._progress = plan, wanted, progress
        self._layer: Layer = network.layers_at(network.image_size)[address]
        self._units = self._layer.units or 0
        self._parts = [part_of(image) for image in concepts.images]
        self._skipped: dict[int, str] = {}

    def learnt(self) -> ConceptVectors:
        """Return the vectors, without their settings.

        Raises:
            MethodError: If no concept has enough images, or the layer has no maps to segment by.
        """
        return self._classes() if self._wanted.task == "classification" else self._masks()

    def _classes(self) -> ConceptVectors:
        thresholds = np.zeros(self._units, np.float32)
        watcher = self._watching(thresholds)
        self._see(watcher, "images")
        shown, held = watcher.shown, self._held(watcher)
        kept, left = self._enough(shown, held)
        fitted = learn_classes(
            watcher.means, shown[:, kept], held, self._names(kept), self._wanted,
            progress=self._progress,
        )  # fmt: skip
        nothing, half = np.full(len(kept), np.nan), np.full(len(kept), 0.5)
        return self._said(fitted, kept, left, nothing, half, shown, held, thresholds)

    def _masks(self) -> ConceptVectors:
        how = sample_coordinates(self._layer, self._plan.ratio, "resize")
        thresholds = self._thresholds()
        shape = (self._units, *self._layer.map_size)
        folder, device = self._atlas.home / "net2vec", self._network.device
        make_folder(folder, self._atlas.home)
        with ExampleStore(folder, shape, how.grid, device) as store:
            watcher = self._watching(thresholds, how, store)
            self._see(watcher, "images")
            shown, held = watcher.shown, self._held(watcher)
            kept, left = self._enough(shown, held)
            store.choose(kept)
            every = np.arange(len(self._concepts.concepts))
            everywhere = [
                overlap.pixels[kept]
                / (how.grid[0] * how.grid[1] * shown[part][:, kept].sum(axis=0))
                for overlap, part in zip(watcher.overlaps, (~held, held), strict=True)
            ]
            # Where all training images carry it everywhere, nothing is weighted.
            alphas = 1 - everywhere[0]
            alphas = np.where(alphas > 0, alphas, np.nan)
            parts = [[i for i in watcher.ids if self._parts[i] == part] for part in (0, 1)]
            fitted = learn_masks(
                store, parts, self._names(kept), alphas,
                [overlap.iou(every)[:, kept] for overlap in watcher.overlaps], Resizing.of(how),
                self._wanted, like=torch.zeros((), device=device), progress=self._progress,
            )  # fmt: skip
        return self._said(fitted, kept, left, alphas, everywhere[1], shown, held, thresholds)

    def _watching(
        self,
        thresholds: Float32[np.ndarray, " units"],
        how: Upsampling | None = None,
        store: ExampleStore | None = None,
    ) -> FeatureWatcher:
        count = len(self._concepts.concepts)
        return FeatureWatcher(
            self._layer, thresholds, how, store, concepts=count, parts=self._parts
        )

    def _held(self, watcher: FeatureWatcher) -> Bool[np.ndarray, " images"]:
        return np.array([self._parts[image] == 1 for image in watcher.ids], bool)

    def _said(
        self,
        fitted: Fitted,
        kept: Sequence[int],
        left: Sequence[LeftOut],
        alphas: np.ndarray,
        everywhere: np.ndarray,
        shown: np.ndarray,
        held: np.ndarray,
        thresholds: Float32[np.ndarray, " units"],
    ) -> ConceptVectors:
        """Say what came out, concept by concept."""
        learnt = []
        for k, number in enumerate(kept):
            concept, own = self._concepts.concepts[number], shown[:, number]
            reached = fitted.subset_scores[:, k]
            learnt.append(
                Learnt(
                    name=concept.name,
                    category=concept.category,
                    train=int(own[~held].sum()),
                    val=int(own[held].sum()),
                    weight=None if np.isnan(alphas[k]) else float(alphas[k]),
                    unit=int(fitted.units[k]),
                    unit_score=float(fitted.unit_scores[1, k]),
                    unit_train_score=float(fitted.unit_scores[0, k]),
                    score=float(fitted.scores[1, k]),
                    train_score=float(fitted.scores[0, k]),
                    everywhere=float(everywhere[k]),
                    subsets=tuple(
                        Subset(units, float(reached[1, s]), float(reached[0, s]))
                        for s, units in enumerate(fitted.chosen[k])
                    ),
                )
            )
        named = [(self._concepts.images[i].name, why) for i, why in sorted(self._skipped.items())]
        return ConceptVectors(
            self._layer.address, self._wanted.task, {}, tuple(learnt), fitted.vectors,
            fitted.biases, fitted.subset_vectors, fitted.subset_biases, thresholds, tuple(left),
            tuple(named),
        )  # fmt: skip

    # ------------------------------------------------------------------ over the images

    def _thresholds(self) -> Float32[np.ndarray, " units"]:
        """Return the dissection's thresholds if it had the same images, else count them."""
        index = read_index(folder_of(self._atlas.home))
        asked = {name: getattr(self._plan, name) for name in ("atlas", "concepts", "quantile")}
        if index is not None and all(index["settings"].get(n) == v for n, v in asked.items()):
            found = Dissection(self._atlas).layers.get(self._layer.address)
            if found is not None:
                return found.thresholds
        rows, columns = self._layer.map_size
        most = rank(self._plan.quantile, rows * columns * self._plan.images) + 1
        watcher = TailWatcher(
            self._layer, None, Tail.empty(self._units, most, shift_for(self._units, most))
        )
        self._see(watcher, "images for thresholds")
        return watcher.tail.threshold(self._plan.quantile)

    def _see(self, watcher: Watcher, what: str) -> None:
        """Let a watcher see all images that can be read."""
        watched, plan = Watched(self._network, self._atlas, [watcher]), self._plan
        with LabelledReader(
            self._network, self._concepts, ratio=plan.ratio, batch=plan.batch
        ) as reader:
            ids = range(plan.images)
            for group, (batch, skipped) in enumerate(reader.batches(ids, dict(self._skipped))):
                if batch is not None:
                    watched(batch)
                self._skipped |= {one.image: one.reason for one in skipped}
                self._progress(what, min((group + 1) * plan.batch, plan.images), plan.images)

    # ------------------------------------------------------------------ what there is enough of

    def _enough(
        self, shown: Bool[np.ndarray, "images concepts"], held: Bool[np.ndarray, " images"]
    ) -> tuple[list[int], list[LeftOut]]:
        """Return the concepts to learn, and the others with the reason.

        Raises:
            MethodError: If none is left.
        """
        wanted, kept, left = self._wanted, list[int](), list[LeftOut]()
        for number, concept in enumerate(self._concepts.concepts):
            own = shown[:, number]
            reason = self._too_few(own[~held], own[held])
            if reason is None:
                kept.append(number)
            else:
                left.append(LeftOut(concept.name, concept.category, reason))
        if not kept:
            msg = (
                f"no concept can be learnt in {self._layer.address}: of {len(left)}, none is shown "
                f"by {wanted.train} images to learn from and {wanted.val} held-out ones (and, to "
                f"classify, missing in as many); the first, {left[0].name!r}: {left[0].reason}"
            )
            raise MethodError(msg)
        return kept, left

    def _too_few(self, own: np.ndarray, held: np.ndarray) -> str | None:
        wanted = self._wanted
        if not own.any() and not held.any():
            return "no image shows it"
        if own.sum() < wanted.train or held.sum() < wanted.val:
            return (
                f"shown by {int(own.sum())} images to learn from and {int(held.sum())} held-out "
                f"ones; {wanted.train} and {wanted.val} are needed"
            )
        few = (~own).sum() < wanted.train or (~held).sum() < wanted.val
        if wanted.task == "classification" and few:
            return (
                f"missing in {int((~own).sum())} images to learn from and {int((~held).sum())} "
                f"held-out ones; {wanted.train} and {wanted.val} are needed"
            )
        return None

    def _names(self, kept: Sequence[int]) -> list[str]:
        concepts = [self._concepts.concepts[number] for number in kept]
        return [f"{concept.category}:{concept.name}" for concept in concepts]
