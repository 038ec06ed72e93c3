"""What was learnt of concepts in one layer: a vector each, its scores, neighbours and sums.

A concept's vector holds one weight for each unit of the layer. Vectors are compared by their
cosine, and added after each is brought to length 1.

Source:
    Fong & Vedaldi, "Net2Vec: Quantifying and Explaining How Concepts are Encoded by Filters in
    Deep Neural Networks", CVPR 2018, https://arxiv.org/abs/1801.03454, sections 3 and 5.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float32

from striate.errors import AddressError

Task: TypeAlias = Literal["segmentation", "classification"]

SCORES: Mapping[str, str] = {"segmentation": "iou", "classification": "accuracy"}
"""What a score is: an intersection over union, or a balanced accuracy; both in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Subset:
    """What some of a layer's units reach together.

    Attributes:
        units: Those with the largest weights in the full vector, largest first.
        score: On held-out images.
        train_score: On the images that it was learnt from.
    """

    units: tuple[int, ...]
    score: float
    train_score: float


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt of one concept; scores are explained at `SCORES`.

    Attributes:
        name: Of the concept.
        category: Likewise.
        train: Images that show it and that it was learnt from.
        val: Held-out images that show it.
        weight: What labelled pixels weigh, against one minus that for the others (alpha); None:
            both weigh 1. Of segmentation alone.
        unit: The single unit that is best on the training images.
        unit_score: What that unit reaches alone, on held-out images.
        unit_train_score: The same on the training images.
        score: What all units reach together, on held-out images.
        train_score: The same on the training images.
        everywhere: What one gets on held-out images who looks at none of them: the IoU of a mask of
            the whole image, or half.
        subsets: What some of them reach, from few to many.
    """

    name: str
    category: str
    train: int
    val: int
    weight: float | None
    unit: int
    unit_score: float
    unit_train_score: float
    score: float
    train_score: float
    everywhere: float
    subsets: tuple[Subset, ...] = ()

    @property
    def full_name(self) -> str:
        """The name with its category, which no other concept of a set has."""
        return f"{self.category}:{self.name}"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A concept that was not learnt, and why."""

    name: str
    category: str
    reason: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A concept and the cosine of its vector with another."""

    name: str
    category: str
    cosine: float


@dataclass(frozen=True, slots=True, eq=False)
class ConceptVectors:
    """The concepts of one layer.

    Attributes:
        layer: Address of the layer.
        task: "segmentation" or "classification".
        settings: How they were learnt, as JSON.
        learnt: One entry a concept.
        vectors: One row a concept, in that order.
        biases: Added to each weighted sum; 0 where none was learnt.
        subset_vectors: Of the subsets; weights of units that are left out are 0.
        subset_biases: Likewise.
        thresholds: Above which activation a unit counts as active.
        left_out: Concepts that were not learnt.
        skipped: Name and reason of each image that could not be read.
    """

    layer: str
    task: Task
    settings: Mapping[str, Any]
    learnt: tuple[Learnt, ...]
    vectors: Float32[np.ndarray, "concepts units"]
    biases: Float32[np.ndarray, " concepts"]
    subset_vectors: Float32[np.ndarray, "concepts subsets units"]
    subset_biases: Float32[np.ndarray, "concepts subsets"]
    thresholds: Float32[np.ndarray, " units"]
    left_out: tuple[LeftOut, ...] = ()
    skipped: tuple[tuple[str, str], ...] = field(default=())

    @property
    def scores(self) -> list[float]:
        """What all units together reach of each concept, on held-out images."""
        return [one.score for one in self.learnt]

    @property
    def iou(self) -> list[float]:
        """Likewise, of segmentation: intersection over union.

        Raises:
            AddressError: If these vectors were learnt by classification.
        """
        if self.task != "segmentation":
            msg = f"{self.layer}: {self.task} has no IoU; its scores are balanced accuracies"
            raise AddressError(msg)
        return self.scores

    def index(self, name: str) -> int:
        """Return the place of a concept.

        Args:
            name: "sky", or "thing:sky" where two categories have one of that name.

        Raises:
            AddressError: If there is none, or several.
        """
        found = [k for k, one in enumerate(self.learnt) if name in {one.name, one.full_name}]
        if len(found) == 1:
            return found[0]
        if found:
            which = " or ".join(self.learnt[k].full_name for k in found)
            msg = f"{name!r} is the name of {len(found)} concepts: write {which}"
            raise AddressError(msg)
        reasons = [one.reason for one in self.left_out if one.name == name]
        if reasons:
            msg = f"{name!r} was not learnt in {self.layer}: {reasons[0]}"
            raise AddressError(msg)
        known = [one.name for one in self.learnt]
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        msg = (
            f"no concept {name!r} among {len(known)} in {self.layer}; the nearest are "
            f"{', '.join(close)}"
        )
        raise AddressError(msg)

    def nearest(self, name: str, count: int = 5) -> list[Neighbour]:
        """Return the concepts whose vectors are most like one's own, most alike first.

        Args:
            name: See `index`.
            count: How many at most.

        Returns:
            Other concepts; none if the concept's vector is zero.

        Raises:
            AddressError: See `index`.
        """
        return self.combine({name: 1.0}, count)

    def combine(self, weights: Mapping[str, float], count: int = 5) -> list[Neighbour]:
        """Return the concepts that are nearest to a sum of concepts, nearest first.

        Args:
            weights: Factor of each concept; vectors have length 1 before they are added.
            count: How many at most.

        Returns:
            Concepts that are not in the sum; none if the sum is zero.

        Raises:
            AddressError: See `index`.

        Example:
            >>> names = ["grass", "sky", "blue", "green"]
            >>> vectors = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]], np.float32)
            >>> learnt = tuple(
            ...     Learnt(n, "all", 10, 5, None, 0, 0.0, 0.0, 0.0, 0.0, 0.0) for n in names
            ... )
            >>> found = ConceptVectors(
            ...     "layer3", "segmentation", {}, learnt, vectors, np.zeros(4, np.float32),
            ...     np.zeros((4, 0, 3), np.float32), np.zeros((4, 0), np.float32),
            ...     np.zeros(3, np.float32),
            ... )
            >>> found.combine({"grass": 1.0, "blue": 1.0, "green": -1.0}, 1)[0].name
            'sky'
        """
        unit = self.directions()
        places: dict[int, float] = {}
        for name, factor in weights.items():
            place = self.index(name)
            places[place] = places.get(place, 0.0) + factor
        total = np.zeros(unit.shape[1])
        for place, factor in places.items():
            total += factor * unit[place]
        length = float(np.linalg.norm(total))
        if length == 0:
            return []
        cosines = unit @ (total / length)
        order = np.argsort(-cosines, kind="stable")
        others = [int(k) for k in order if int(k) not in places][:count]
        return [
            Neighbour(self.learnt[k].name, self.learnt[k].category, float(cosines[k]))
            for k in others
        ]

    def directions(self) -> np.ndarray:
        """Return the vectors at length 1, float64; those that are zero stay zero."""
        wide = self.vectors.astype(np.float64)
        length = np.linalg.norm(wide, axis=1, keepdims=True)
        return np.asarray(wide / np.where(length == 0, 1.0, length))

    def shares_of(self, unit: int) -> list[tuple[Learnt, float]]:
        """Return the concepts that a unit takes part in, largest share of the vector first.

        Args:
            unit: Index of the unit.

        Returns:
            Each concept with the unit's weight in its vector of length 1, in [-1, 1]; the
            concepts whose vector is zero there are left out.
        """
        column = self.directions()[:, unit]
        order = np.argsort(-np.abs(column), kind="stable")
        return [(self.learnt[k], float(column[k])) for k in order if column[k] != 0]


_TERM = re.compile(r"(?:(\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?(.+)")


def parse_sum(text: str) -> dict[str, float]:
    """Read a sum of concepts.

    Args:
        text: Names with " + " or " - " between them, blanks around; "0.5*blue" has a factor.

    Returns:
        The factor of each name.

    Raises:
        AddressError: If a name is missing.

    Example:
        >>> parse_sum("grass + 0.5*blue - green")
        {'grass': 1.0, 'blue': 0.5, 'green': -1.0}
        >>> parse_sum("- zig-zag")
        {'zig-zag': -1.0}
    """
    found: dict[str, float] = {}
    stripped = text.strip()
    signed = stripped if stripped[:1] in {"+", "-"} else f"+ {stripped}"
    pieces = re.split(r"(?:^|\s)([+-])(?=\s|$)", signed)
    for sign, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        read = _TERM.fullmatch(piece.strip())
        if read is None:
            msg = f"{text!r} is no sum of concepts; write one such as 'grass + blue - green'"
            raise AddressError(msg)
        factor = float(read[1] or 1.0) * (1 if sign == "+" else -1)
        found[read[2]] = found.get(read[2], 0.0) + factor
    return found
