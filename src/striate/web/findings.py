"""What the answers share about an atlas, worked out once and kept.

Small numbers are kept for every layer; whole summaries (a megabyte or more each) for the last two.
"""

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, TypeVar

import numpy as np

from striate import __version__
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.confusion import Confusion
from striate.atlas.portraits import shown_entries
from striate.atlas.similarity import correlations, most_similar, seriation, spread
from striate.atlas.store.reader import Atlas, Entry, ImageRow, LayerRow
from striate.atlas.synthetic import SyntheticImages
from striate.dissection.newest import NewestDissection
from striate.errors import AddressError
from striate.web.dissected import Dissected
from striate.web.vectors import NewestVectors

Value = TypeVar("Value")

WHOLE_LAYERS = 2
MOST_UNITS = 2048
"""Layers of more units are not put in order of similarity: the matrices would take gigabytes."""
ALIKE = 8


@dataclass(frozen=True, slots=True)
class Alike:
    """How the units of a layer resemble one another.

    Attributes:
        order: Units, similar ones side by side; None where nobody worked that out.
        neighbours: Of each unit the most similar ones, with the correlation, which is positive.
    """

    order: list[int] | None
    neighbours: list[list[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Whole:
    """All that an atlas keeps of a layer; ``shown`` are the entries that have pictures."""

    summary: LayerSummary
    shown: list[list[Entry]]
    units: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Spread:
    """How a layer's units vary over the images, and which images excite each most.

    Attributes:
        usual: Mean and standard deviation of each unit, from `similarity.spread`.
        top: Ids of the strongest images, (units, k); -1 where there is none.
    """

    usual: tuple[np.ndarray, np.ndarray]
    top: np.ndarray


class Findings:
    """What is known of an atlas, at hand; any thread may ask.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.synthetic = SyntheticImages(atlas)
        self.vectors = NewestVectors(atlas)
        self._dissection = NewestDissection(atlas)
        self._dissected: Dissected | None = None
        self._lock = threading.RLock()
        self._columns: dict[int, dict[str, list[Any]]] = {}
        self._alike: dict[int, Alike] = {}
        self._spread: dict[int, Spread] = {}
        self._whole: OrderedDict[int, Whole] = OrderedDict()

    @property
    def revision(self) -> str:
        """What addresses carry so that a browser may keep the answers.

        The same atlas is told in other words by another striate, and may get synthetic images and
        be compared with concepts.
        """
        concepts = self.dissected
        told = "" if concepts is None else concepts.results.revision
        parts = [
            self.atlas.revision,
            __version__,
            self.synthetic.revision,
            told,
            self.vectors.revision,
        ]
        return "-".join(filter(None, parts))

    @property
    def dissected(self) -> Dissected | None:
        """What the units have in common with concepts, as it is now; None: nobody compared them."""
        results = self._dissection.now()
        with self._lock:
            kept = self._dissected
            if results is None or kept is None or kept.results is not results:
                kept = None if results is None else Dissected(results, self.layers)
                self._dissected = kept
            return kept

    @cached_property
    def layers(self) -> list[LayerRow]:
        """The layers by number."""
        return list(self.atlas.layers.values())

    def layer(self, number: int) -> LayerRow:
        """Return a layer.

        Raises:
            AddressError: If there is none of this number.
        """
        if not 0 <= number < len(self.layers):
            msg = f"there is no layer {number}: this atlas has layers 0 to {len(self.layers) - 1}"
            raise AddressError(msg)
        return self.layers[number]

    def unit(self, number: int, unit: int) -> LayerRow:
        """Return the layer of a unit.

        Raises:
            AddressError: If there is no such layer or unit.
        """
        row = self.layer(number)
        if not 0 <= unit < row.units:
            msg = f"there is no {row.address}:{unit}: the layer has units 0 to {row.units - 1}"
            raise AddressError(msg)
        return row

    def columns(self, number: int) -> dict[str, list[Any]]:
        """Return one value a unit, as `messages.UnitColumns`."""
        row = self.layer(number)
        return self._kept(self._columns, number, lambda: self.atlas.columns(row.address))

    def alike(self, number: int) -> Alike:
        """Return which units of a layer respond to the same images."""
        row = self.layer(number)
        return self._kept(self._alike, number, lambda: self._compare(row))

    def spread(self, number: int) -> Spread:
        """Return how the units of a layer vary over the images."""
        return self._kept(self._spread, number, lambda: self._measure(number))

    def whole(self, number: int) -> Whole:
        """Return all that the atlas keeps of a layer; the last few are at hand."""
        row = self.layer(number)
        with self._lock:
            if number not in self._whole:
                found = Whole(
                    self.atlas.summary_of(row.address),
                    shown_entries(self.atlas, row.address),
                    self.atlas.units(row.address),
                )
                self._whole[number] = found
                if len(self._whole) > WHOLE_LAYERS:
                    self._whole.popitem(last=False)
            self._whole.move_to_end(number)
            return self._whole[number]

    def _kept(self, kept: dict[int, Value], number: int, make: Callable[[], Value]) -> Value:
        with self._lock:
            if number not in kept:
                kept[number] = make()
            return kept[number]

    def _compare(self, row: LayerRow) -> Alike:
        if row.units > MOST_UNITS or self.atlas.seen < 3:
            return Alike(None, [[] for _ in range(row.units)])
        weights = correlations(self.atlas.responses(row.address))
        neighbours = [
            # Units that respond to opposite images are not alike, however few others there are.
            [(other, r) for other, r in most_similar(weights, unit, ALIKE) if r > 0]
            for unit in range(row.units)
        ]
        return Alike([int(unit) for unit in seriation(weights)], neighbours)

    def _measure(self, number: int) -> Spread:
        address = self.layer(number).address
        responses = self.atlas.responses(address)
        return Spread(spread(responses), self.atlas.summary_of(address).top.image)

    @cached_property
    def class_indices(self) -> list[int]:
        """Classes that have a name, a label or a place among the first guesses, in order."""
        labelled = {image.label for image in self.atlas.images if image.label is not None}
        guessed = {index for image in self.atlas.images for index in image.best}
        return sorted({*self.atlas.class_names, *labelled, *guessed})

    @cached_property
    def class_places(self) -> frozenset[int]:
        """The classes as a set."""
        return frozenset(self.class_indices)

    @cached_property
    def confusion(self) -> Confusion:
        """What the network takes for what."""
        return Confusion.of(self.atlas)

    @cached_property
    def selective(self) -> dict[int, list[tuple[float, int, int]]]:
        """Selectivity, layer and unit of those that respond most to each class, most first."""
        found: dict[int, list[tuple[float, int, int]]] = {}
        for row in self.layers:
            columns = self.columns(row.number)
            pairs = zip(columns["best_class"], numbers(columns["selectivity"]), strict=True)
            for unit, (index, selectivity) in enumerate(pairs):
                if index is not None and selectivity is not None:
                    found.setdefault(index, []).append((selectivity, row.number, unit))
        for ranked in found.values():
            ranked.sort(key=lambda unit: (-unit[0], unit[1], unit[2]))
        return found

    @cached_property
    def by_class(self) -> dict[str, Counter[int]]:
        """How many images of each class are labelled, judged, right, in the first five; guessed."""
        counts = {key: Counter[int]() for key in ("images", "judged", "correct", "top5", "guessed")}
        for image in self.atlas.images:
            if image.best:
                counts["guessed"][image.best[0]] += 1
            if image.label is None:
                continue
            counts["images"][image.label] += 1
            if image.rank is not None:
                counts["judged"][image.label] += 1
                counts["correct"][image.label] += image.rank == 0
                counts["top5"][image.label] += image.rank < 5
        return counts


def file_of(image: ImageRow) -> str:
    """Return the name of an image's file, relative to the probe set.

    A file outside has its full path for a name in the atlas; of that the end is told alone, as no
    reader needs to know where things lie on this machine.

    >>> file_of(ImageRow(0, "cats/tom.jpg", 9, None, (), None, True, None))
    'cats/tom.jpg'
    >>> file_of(ImageRow(0, "/pictures/tom.jpg", 9, None, (), None, True, None))
    'tom.jpg'
    """
    name = image.name
    outside = PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()
    return PurePosixPath(name).name if outside else name


def reason_of(image: ImageRow) -> str | None:
    """Return why an image was skipped; None: it was not."""
    if image.skipped is None:
        return None
    quoted = image.skipped.replace(repr(image.name), repr(file_of(image)))
    return quoted.replace(image.name, file_of(image))


def number(value: Any) -> float | None:
    """Return a finite number, or None.

    >>> number(1), number(float("nan")), number(None)
    (1.0, None, None)
    """
    if value is None:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def numbers(values: Iterable[Any]) -> list[float | None]:
    """Return the numbers, None for what is not finite.

    >>> numbers([2.5, float("inf")])
    [2.5, None]
    """
    return [number(value) for value in values]
