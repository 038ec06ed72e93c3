"""What a network guesses when some units of a layer are silenced.

A silenced unit has one value at all places of all images: 0, or its mean. Sets of silenced units
("masks") and images make pairs; pairs run behind the layer in batches, and those in which nothing
changes (the units had that value anyway) are not run at all: a dead unit costs nothing, and what it
changes is exactly nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, Num
from torch import Tensor

from striate.atlas.observe import Batch
from striate.network.onward import Crossing, Onward
from striate.shapes import Maps

LARGEST_TENSOR = 1 << 22
"""Numbers in the largest tensor of a batch of pairs, unless a single pair needs more."""

NO_CLASS = -1


@dataclass(frozen=True, slots=True)
class Guesses:
    """Counts over labelled images, for each mask and class.

    Attributes:
        images: Images of each class that were counted.
        hits: Those of them that the network guesses right.
        guessed: Images of any class for which the class is the first guess.
        margins: Sum over the images of a class of its score less the best other score.
        not_finite: Ids of images that were not counted: their scores are NaN or infinite with no
            unit silenced.
    """

    images: Int64[np.ndarray, " classes"]
    hits: Int64[np.ndarray, "masks classes"]
    guessed: Int64[np.ndarray, "masks classes"]
    margins: Float64[np.ndarray, "masks classes"]
    not_finite: tuple[int, ...] = ()

    @classmethod
    def empty(cls, masks: int, classes: int) -> "Guesses":
        """Return the counts over no images."""
        whole = np.zeros((masks, classes), np.int64)
        return cls(np.zeros(classes, np.int64), whole, whole, whole.astype(np.float64))

    def merge(self, other: "Guesses") -> "Guesses":
        """Return the counts over both sets of images."""
        names = [field.name for field in fields(self)]
        return Guesses(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def balanced_accuracy(self) -> Float64[np.ndarray, "masks classes"]:
        """Return (recall + true-negative rate) / 2 of one class against the rest.

        Returns:
            0 to 1; 0.5 says nothing of the class; NaN where there are no images of it or of others.

        Example:
            >>> images, hits, guessed = np.array([4, 6]), np.array([[3, 6]]), np.array([[3, 7]])
            >>> Guesses(images, hits, guessed, np.zeros((1, 2))).balanced_accuracy()
            array([[0.875, 0.875]])
        """
        others = self.images.sum() - self.images
        with np.errstate(invalid="ignore", divide="ignore"):
            recall = self.hits / self.images
            negatives = 1 - (self.guessed - self.hits) / others
            balanced: np.ndarray = (recall + negatives) / 2
        return balanced


def guesses_without(
    onward: Onward,
    batches: Iterable[Batch],
    masks: Bool[np.ndarray, "masks units"],
    value: Num[np.ndarray, " units"],
    *,
    largest: int = LARGEST_TENSOR,
) -> Guesses:
    """Count what the network guesses under each mask.

    Args:
        onward: The way from the layer to the scores.
        batches: Preprocessed images; labels are classes of the network.
        masks: The units that each mask silences.
        value: What a silenced unit's map is filled with.
        largest: Numbers in the largest tensor; bounds the memory.

    Returns:
        The counts over all images of the batches.
    """
    found = Guesses.empty(len(masks), onward.classes)
    silent = torch.from_numpy(masks)
    with torch.inference_mode():
        for batch in batches:
            found = found.merge(_of_batch(onward, batch, silent, value, largest))
    return found


def _of_batch(
    onward: Onward,
    batch: Batch,
    masks: Bool[Tensor, "masks units"],
    value: Num[np.ndarray, " units"],
    largest: int,
) -> Guesses:
    crossing = onward.reach(batch.images)
    maps = crossing.maps
    everyone = torch.arange(len(maps), device=maps.device)
    base = _read(onward.scores(crossing, everyone, maps), np.array(batch.labels))
    finite = base.guess != NO_CLASS
    fill = torch.from_numpy(np.asarray(value)).to(maps)
    masks = masks.to(maps.device)
    room = max(1, largest // onward.values)
    mask, image = _changed(maps, masks, fill, torch.from_numpy(finite).to(maps.device))
    counts = _Counts(len(masks), onward.classes, base, finite)
    for start in range(0, len(mask), room):
        some_masks, some = mask[start : start + room], image[start : start + room]
        silenced = _silenced(crossing, some, masks[some_masks], fill)
        which = some.cpu().numpy()
        scores = _read(onward.scores(crossing, some, silenced), base.label[which])
        counts.change(some_masks.cpu().numpy(), base.take(which), scores)
    left_out = np.array(batch.ids)[~finite].tolist()
    return counts.result(tuple(left_out))


def _changed(
    maps: Maps,
    masks: Bool[Tensor, "masks units"],
    fill: Float[Tensor, " units"],
    finite: Bool[Tensor, " images"],
) -> tuple[Int64[Tensor, " pairs"], Int64[Tensor, " pairs"]]:
    """Return the mask and the image of each pair in which silencing changes something."""
    differs = (maps != fill[:, None, None]).flatten(2).any(2) & finite[:, None]
    # A product of zeros and ones counts; in float32 it is exact up to 16 million units.
    touched = (masks.float() @ differs.float().T) > 0
    mask, image = touched.nonzero(as_tuple=True)
    return mask, image


def _silenced(
    crossing: Crossing,
    image: Int64[Tensor, " pairs"],
    masks: Bool[Tensor, "pairs units"],
    fill: Float[Tensor, " units"],
) -> Maps:
    maps = crossing.maps[image]
    return torch.where(masks[:, :, None, None], fill[None, :, None, None], maps)


@dataclass(frozen=True, slots=True)
class _Read:
    """Of each row of scores: its image's class, the first guess, and the class's margin."""

    label: Int64[np.ndarray, " rows"]
    guess: Int64[np.ndarray, " rows"]
    margin: Float64[np.ndarray, " rows"]

    def take(self, rows: Int64[np.ndarray, " some"]) -> "_Read":
        return _Read(self.label[rows], self.guess[rows], self.margin[rows])


def _read(scores: Float[Tensor, "rows classes"], label: Int64[np.ndarray, " rows"]) -> _Read:
    """Read scores; a row that is not finite guesses no class, and its margin counts as 0."""
    table = scores.cpu().double().numpy()
    finite = np.isfinite(table).all(axis=1)
    guess = np.where(finite, table.argmax(axis=1), NO_CLASS)
    rows = np.arange(len(table))
    own = table[rows, label]
    table[rows, label] = -np.inf
    with np.errstate(invalid="ignore"):
        margin = np.where(finite, own - table.max(axis=1), 0.0)
    return _Read(label, guess, margin)


class _Counts:
    """Counts of one batch: for each mask first those of the untouched network, then changed."""

    def __init__(
        self, masks: int, classes: int, base: _Read, finite: Bool[np.ndarray, " images"]
    ) -> None:
        label, guess = base.label[finite], base.guess[finite]
        self._images = np.bincount(label, minlength=classes)
        hits = np.bincount(label[label == guess], minlength=classes)
        margins = np.bincount(label, base.margin[finite], classes)
        self._hits = np.tile(hits, (masks, 1))
        self._guessed = np.tile(np.bincount(guess, minlength=classes), (masks, 1))
        self._margins = np.tile(margins, (masks, 1))

    def change(self, mask: Int64[np.ndarray, " rows"], old: _Read, new: _Read) -> None:
        """Put what masks do to some images in the place of what was guessed before."""
        right = (new.guess == new.label).astype(np.int64) - (old.guess == old.label)
        np.add.at(self._hits, (mask, old.label), right)
        np.add.at(self._guessed, (mask, old.guess), -1)
        some = new.guess != NO_CLASS
        np.add.at(self._guessed, (mask[some], new.guess[some]), 1)
        np.add.at(self._margins, (mask, old.label), new.margin - old.margin)

    def result(self, not_finite: tuple[int, ...]) -> Guesses:
        return Guesses(self._images, self._hits, self._guessed, self._margins, not_finite)
