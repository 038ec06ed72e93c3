"""What a dissection found: for each unit how well it agrees with each concept; read and written.

A dissection lies beside its atlas, in ``DIR/dissection``: ``dissection.json`` says what was asked
and which layers there are, ``images.json`` which images were looked at, and each layer is a file of
arrays, written before it is named. So what is named is whole.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, section 2: the IoU over
    the whole set; a detector has more than 0.04; unique detectors are counted as in the released
    results, category by category.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.topk import TopK
from striate.atlas.store.files import read_arrays, write, write_arrays
from striate.atlas.store.kept import REVISION_DIGITS
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError, AtlasError
from striate.image.concepts.concept_set import Concept
from striate.network.address import nearest

FORMAT = 1
LEVEL = 0.04
"""IoU above which a unit is called a detector."""

NO_CONCEPT = -1
"""Index of the best concept of a unit that overlaps with none."""

_KEPT = 4
"""Layers whose arrays are kept in memory."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How units were compared with concepts.

    Attributes:
        quantile: Share of a unit's activations that count as active.
        ratio: Pixels of the network's input, along an axis, for one place of the grid.
        upsampling: "field" (anchored at receptive fields' centres) or "resize".
        sources: Where the concepts came from, as they were asked for.
        images: How many images the set has.
        skipped: Name and reason of each image that was not looked at.
    """

    quantile: float
    ratio: int
    upsampling: str
    sources: tuple[str, ...]
    images: int
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class DissectedImages:
    """The images of the concept set, by id.

    Attributes:
        names: Unique in the set, without machine paths.
        paths: The files.
    """

    names: tuple[str, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class LayerDissection:
    """How well the units of a layer agree with the concepts.

    Attributes:
        address: The layer.
        concepts: All concepts of the set.
        thresholds: Above it a unit's activation counts as active.
        overlap: The counts of pixels.
        top: The images that drive each unit most, with the place of the strongest neuron.
        upsampling: How maps were brought to the grid: "field" or "resize".
        reason: Why that is not what was asked for; "" if it is.
    """

    address: str
    concepts: tuple[Concept, ...]
    thresholds: Float32[np.ndarray, " units"]
    overlap: Overlap
    top: TopK
    upsampling: str = "field"
    reason: str = ""

    @property
    def units(self) -> int:
        """How many units the layer has."""
        return len(self.thresholds)

    @property
    def active(self) -> Int64[np.ndarray, "units categories"]:
        """Active pixels of each unit, in the images that carry a label of each category."""
        return self.overlap.active

    @property
    def both(self) -> Int64[np.ndarray, "units concepts"]:
        """Pixels at which a unit is active and the concept is there."""
        return self.overlap.both

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """The categories, in the order in which concepts first name them."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))

    @cached_property
    def iou(self) -> Float64[np.ndarray, "units concepts"]:
        """Intersection over union of each unit with each concept."""
        return self.overlap.iou(categories_of(self.concepts))

    @cached_property
    def best(self) -> Int64[np.ndarray, " units"]:
        """Concept with which each unit agrees best; `NO_CONCEPT` where it overlaps with none."""
        return self._best(np.arange(len(self.concepts)))[0]

    @cached_property
    def best_iou(self) -> Float64[np.ndarray, " units"]:
        """IoU of each unit with its best concept; 0 where there is none."""
        return self._best(np.arange(len(self.concepts)))[1]

    def best_in(
        self, category: int
    ) -> tuple[Int64[np.ndarray, " units"], Float64[np.ndarray, " units"]]:
        """Return the best concept of each unit in a category, and their IoU.

        Args:
            category: Index into `categories`.

        Returns:
            Indices into `concepts`, `NO_CONCEPT` where the unit overlaps with none; and the IoU.
        """
        return self._best(np.flatnonzero(categories_of(self.concepts) == category))

    def _best(self, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(among):
            return np.full(self.units, NO_CONCEPT), np.zeros(self.units)
        iou = self.iou[:, among]
        place = iou.argmax(axis=1)
        value = iou[np.arange(self.units), place]
        return np.where(value > 0, among[place], NO_CONCEPT), value

    def detectors(self, level: float = LEVEL) -> Bool[np.ndarray, " units"]:
        """Return which units detect a concept: those with an IoU above a level."""
        return self.best_iou > level

    def unique(self, level: float = LEVEL) -> dict[str, tuple[int, ...]]:
        """Return the concepts that units detect, by category.

        In each category a unit stands for the concept of that category with which it agrees best,
        so that one unit may count in several categories: as the released results count.

        Args:
            level: IoU above which a unit is a detector.

        Returns:
            Indices of concepts, ascending, for each category.
        """
        found: dict[str, tuple[int, ...]] = {}
        for number, category in enumerate(self.categories):
            index, iou = self.best_in(number)
            found[category] = tuple(np.unique(index[iou > level]).tolist())
        return found


class Dissection:
    """The dissection of an atlas.

    Args:
        atlas: The atlas, finished.

    Raises:
        AtlasError: If there is no dissection, or it is damaged or another atlas's.

    Attributes:
        folder: Where it lies.
        revision: Short hash of ``dissection.json``: another content has another one.
        settings: How units were compared with concepts.
        concepts: The concepts; an index is a place here.
        pixels: Pixels of the grid that carry each concept, over all images.
        images: Names and files of the images.
        layers: What was found, by address, in execution order.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.folder = folder_of(atlas.home)
        content = _read(self.folder / "dissection.json")
        self.revision = hashlib.sha256(content).hexdigest()[:REVISION_DIGITS]
        try:
            found = json.loads(content)
            self._check(found, atlas)
            self.concepts = tuple(Concept(name, category) for name, category in found["concepts"])
            self.pixels: Int64[np.ndarray, " concepts"] = np.array(found["pixels"], np.int64)
            self.identity = str(found["identity"])
            images = json.loads(_read(self.folder / "images.json"))
            names = tuple(str(name) for name in images["names"])
            self.images = DissectedImages(names, tuple(Path(path) for path in images["paths"]))
            self.settings = _settings(found, names, images["sources"])
            rows = {row["address"]: row for row in found["layers"]}
            self.layers: Mapping[str, LayerDissection] = _Layers(self.folder, rows, self.concepts)
        except (ValueError, TypeError, KeyError, IndexError) as error:
            msg = f"{self.folder} is damaged ({error}): dissect again with --restart"
            raise AtlasError(msg) from error

    def _check(self, found: Mapping[str, Any], atlas: Atlas) -> None:
        if found["format"] != FORMAT:
            msg = f"{self.folder} was made by another striate: dissect again with --restart"
            raise AtlasError(msg)
        if found["atlas"] != atlas.revision:
            msg = (
                f"{self.folder} is of another atlas, which lay here before: dissect again with "
                "--restart"
            )
            raise AtlasError(msg)

    @staticmethod
    def there(atlas: Atlas) -> bool:
        """Return whether an atlas has a dissection that can be read."""
        try:
            Dissection(atlas)
        except AtlasError:
            return False
        return True

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, in the order in which concepts first name them."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))

    def layer(self, address: str) -> LayerDissection:
        """Return what was found in a layer.

        Raises:
            AddressError: If it was not dissected.
        """
        if address not in self.layers:
            close = ", ".join(nearest(address, list(self.layers)))
            msg = f"{address!r} is not dissected; the nearest of {len(self.layers)} are {close}"
            raise AddressError(msg)
        return self.layers[address]


class _Layers(Mapping[str, LayerDissection]):
    """Layers by address, read when they are looked at; the last few are kept."""

    def __init__(
        self, folder: Path, rows: dict[str, dict[str, Any]], concepts: tuple[Concept, ...]
    ) -> None:
        self._folder, self._rows, self._concepts = folder, rows, concepts
        self._read: OrderedDict[str, LayerDissection] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, address: str) -> LayerDissection:
        row = self._rows[address]
        with self._lock:
            if address not in self._read:
                arrays = read_arrays(self._folder / row["file"], row["sha256"])
                self._read[address] = LayerDissection(
                    address,
                    self._concepts,
                    arrays["thresholds"],
                    Overlap.from_arrays(_under(arrays, "overlap.")),
                    TopK.from_arrays(_under(arrays, "top.")),
                    row["upsampling"],
                    row["reason"],
                )
                if len(self._read) > _KEPT:
                    self._read.popitem(last=False)
            self._read.move_to_end(address)
            return self._read[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, address: object) -> bool:
        return address in self._rows


def folder_of(home: Path) -> Path:
    """Return where the dissection of an atlas lies."""
    return home / "dissection"


def categories_of(concepts: Sequence[Concept]) -> Int64[np.ndarray, " concepts"]:
    """Return the index of each concept's category, in the order in which concepts name them.

    >>> categories_of([Concept("car", "object"), Concept("red", "colour"), Concept("b", "object")])
    array([0, 1, 0])
    """
    order = {name: k for k, name in enumerate(dict.fromkeys(c.category for c in concepts))}
    return np.array([order[concept.category] for concept in concepts], np.int64)


def store_layer(folder: Path, number: int, layer: LayerDissection) -> dict[str, Any]:
    """Write what was found in a layer, whole or not at all.

    Args:
        folder: Of the dissection.
        number: The layer's number in the atlas.
        layer: What was found.

    Returns:
        The layer's entry for `store_index`.

    Raises:
        AtlasError: If it cannot be written.
    """
    file = f"layers/{number:04d}.safetensors"
    arrays = {"thresholds": layer.thresholds}
    arrays |= {f"overlap.{name}": array for name, array in layer.overlap.to_arrays().items()}
    arrays |= {f"top.{name}": array for name, array in layer.top.to_arrays().items()}
    return {
        "address": layer.address,
        "number": number,
        "file": file,
        "sha256": write_arrays(folder / file, arrays, within=folder.parent),
        "upsampling": layer.upsampling,
        "reason": layer.reason,
    }


def store_index(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``dissection.json``; what it names must lie there already.

    Raises:
        AtlasError: If it cannot be written.
    """
    said = json.dumps({"format": FORMAT, **content}, sort_keys=True, allow_nan=False, indent=1)
    write(folder / "dissection.json", said.encode(), within=folder.parent)


def read_index(folder: Path) -> dict[str, Any] | None:
    """Return what `store_index` wrote; None if there is nothing, or it cannot be read."""
    try:
        found = json.loads((folder / "dissection.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        return None
    parts = {"settings": dict, "layers": list, "skipped": list}
    whole = all(isinstance(found.get(name), kind) for name, kind in parts.items())
    return found if whole else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        msg = (
            f"{path.parent.parent} has no dissection: make one with `striate dissect DIR "
            "--concepts SET`"
        )
        raise AtlasError(msg) from error
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise AtlasError(msg) from error


def _settings(found: Mapping[str, Any], names: Sequence[str], sources: Sequence[str]) -> Settings:
    known = found["settings"]
    return Settings(
        float(known["quantile"]),
        int(known["ratio"]),
        str(known["upsampling"]),
        tuple(str(source) for source in sources),
        len(names),
        tuple((names[int(image)], str(reason)) for image, reason in found["skipped"]),
    )


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
