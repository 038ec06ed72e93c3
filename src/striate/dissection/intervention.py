"""What single units do for a class: silence them, and see what the network still tells apart.

A unit is ablated by filling its map with 0 (or with its mean over an atlas) on every image. The
class is one against the rest, by the network's first guess, and is judged by

    balanced accuracy = (recall + true-negative rate) / 2

which is 0.5 for a network that says nothing of the class. On one half of the labelled images each
unit is ablated alone, and the units are ranked by the drop of that number; where drops are equal
(over few images they often are), by the mean drop, over the images of the class, of its score less
the best other score; then by number. The other half judges the ranking: balanced accuracy with the
first n units of it ablated, with the last n, with n drawn at random, and with all but the first n.

Example:
    >>> import striate
    >>> from striate.dissection.ablation import ablate_atlas
    >>> atlas = striate.Atlas("photos-atlas")  # doctest: +SKIP
    >>> network = striate.load("squeezenet1_1")  # doctest: +SKIP
    >>> ablate_atlas(network, atlas, "features.12.cat").classes[0].without  # doctest: +SKIP

Source:
    Bau, Zhu, Strobelt, Lapedriza, Zhou & Torralba, "Understanding the role of individual units in
    a deep neural network", PNAS 117 (2020), section "Emergence of object detectors in a scene
    classifier" and the code that goes with it (github.com/davidbau/dissect).
Differs from the source:
    Ranks on one half of the labelled images that are at hand, not on a training set, breaks ties by
    the margin, and sets controls beside it: the last n units, and random ones.
Applies to:
    Networks that end in class scores; layers with units on which the scores depend.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64, Int64, Num

from striate.atlas.observe import Batch
from striate.atlas.reading import ImageReader
from striate.dissection.ablated import Guesses, guesses_without
from striate.dissection.roles import ClassRole, Intervention
from striate.errors import MethodError
from striate.image.folder import ImageFile
from striate.network.network import Network
from striate.network.onward import Onward

COUNT = 20
"""Units that are ablated together, where the layer has four times as many."""

DRAWS = 5
"""Random choices of units that are averaged."""

LEAST = 4
"""Labelled images that a class must have: two in each half."""

Progress = Callable[[int, int], None]


def halves(
    names: Sequence[str], labels: Sequence[int | None], seed: int = 0
) -> tuple[list[int], list[int]]:
    """Part labelled images in two, class by class.

    The images of a class are put in the order of a hash of seed and name, and dealt in turn: which
    half an image is in does not depend on the machine, nor on the images of other classes.

    Args:
        names: The images' names, all different.
        labels: Class of each image; None: not known, in neither half.
        seed: Another one parts them otherwise.

    Returns:
        Places of the images that rank units, and of those that judge, ascending; of an odd number
        the first has one more.

    Example:
        >>> halves(["a", "b", "c", "d", "e"], [0, 0, 1, None, 0])
        ([0, 2, 4], [1])
    """
    members: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        if label is not None:
            members.setdefault(label, []).append(place)
    dealt: tuple[list[int], list[int]] = ([], [])
    for places in members.values():
        for turn, place in enumerate(sorted(places, key=lambda k: _hash(seed, names[k]))):
            dealt[turn % 2].append(place)
    return sorted(dealt[0]), sorted(dealt[1])


def intervene(  # noqa: PLR0913 - keyword-only knobs
    network: Network,
    layer: str,
    images: Sequence[ImageFile],
    labels: Sequence[int | None],
    *,
    classes: Sequence[int] | None = None,
    count: int | None = None,
    value: Num[np.ndarray, " units"] | None = None,
    seed: int = 0,
    batch: int = 32,
    names: Mapping[int, str] | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Intervention:
    """Rank the units of a layer by what they do for each class, and judge the ranking.

    Args:
        network: The network, on the device to run on.
        layer: Address of the layer.
        images: Pictures; those that cannot be read are skipped and named.
        labels: The class score that each picture's class is; None, or none of the network's: the
            picture is not used.
        classes: Classes to rank units for; None for all that have enough images.
        count: Units to ablate together; None for 20, or a quarter of the units if that is fewer.
        value: What each ablated unit is set to; None for 0.
        seed: Of the halves and of random units.
        batch: Images in a batch.
        names: Names of classes that the network does not know.
        progress: Called now and then with the images done and their total.

    Returns:
        The ranking and how it was judged, class by class.

    Raises:
        AddressError: If there is no such layer, or it has no units.
        MethodError: If the network has no class scores, a class has too few images, or ``count``
            is no number of units of this layer.
    """
    onward = Onward(network, layer)
    together = _together(count, onward.units, onward.layer.address)
    fill = np.zeros(onward.units) if value is None else value
    known = [k if k is not None and 0 <= k < onward.classes else None for k in labels]
    called = {**(names or {}), **dict(enumerate(network.class_names or ()))}
    asked, left_out = _asked(classes, known, called, onward.classes)
    ranking, judging = halves([image.name for image in images], known, seed)
    run = _Run(onward, ImageReader(network, images, known, batch=batch), fill, progress)
    with run.reader:
        run.total = len(ranking) + len(judging)
        nothing, each = np.zeros((1, onward.units), bool), np.eye(onward.units, dtype=bool)
        ranked = _Ranking.of(run.guesses(ranking, np.concatenate([nothing, each])))
        sets = _sets(ranked, asked, together, seed)
        judged = run.guesses(judging, np.concatenate([nothing, sets]))
    roles = _roles(ranked, judged, asked, called)
    left_out |= dict.fromkeys({*asked} - {*roles}, "too few of its images can be read")
    if not roles or (classes is not None and left_out):
        raise MethodError(_too_few(left_out, called))
    return Intervention(
        network.name, onward.layer.address, onward.units, together,
        "zero" if value is None else "mean", seed, DRAWS, int(ranked.images.sum()),
        int(judged.images.sum()), tuple(roles.values()),
        tuple((_name(called, index), left_out[index]) for index in sorted(left_out)),
        tuple((images[place].name, why) for place, why in sorted(run.skipped.items())),
    )  # fmt: skip


def _hash(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()


def _name(names: Mapping[int, str], index: int) -> str:
    return names.get(index, str(index))


def _together(count: int | None, units: int, address: str) -> int:
    """Return how many units are ablated together."""  # noqa: DOC501 - private
    if count is None:
        return max(1, min(COUNT, units // 4))
    if not 1 <= count < units:
        msg = (
            f"{count} of the {units} units of {address} cannot be ablated while others stay: "
            f"choose 1 to {units - 1}"
        )
        raise MethodError(msg)
    return count


def _asked(
    classes: Sequence[int] | None,
    labels: Sequence[int | None],
    names: Mapping[int, str],
    scores: int,
) -> tuple[list[int], dict[int, str]]:
    """Return the classes that have images enough, and the others with the reason."""  # noqa: DOC501 - private
    images = Counter(label for label in labels if label is not None)
    wanted = sorted(images) if classes is None else sorted(set(classes))
    wrong = [index for index in wanted if not 0 <= index < scores]
    if wrong:
        msg = f"there is no class {wrong[0]}: the network has scores of classes 0 to {scores - 1}"
        raise MethodError(msg)
    few = {
        index: f"{images[index]} labelled images, {LEAST} are needed"
        for index in wanted
        if images[index] < LEAST
    }
    others = sum(images[index] >= LEAST for index in images)
    if not wanted or len(few) == len(wanted) or (classes is not None and few):
        raise MethodError(_too_few(few, names))
    if others < 2:
        msg = f"a class is told from others, and only one class here has {LEAST} labelled images"
        raise MethodError(msg)
    return [index for index in wanted if index not in few], few


def _too_few(left_out: Mapping[int, str], names: Mapping[int, str]) -> str:
    if not left_out:
        return (
            "no image has a label that is one of the network's classes: give labelled images "
            "(--images, and --labels or a folder for each class)"
        )
    index, reason = next(iter(left_out.items()))
    more = f", and {len(left_out) - 1} other classes" if len(left_out) > 1 else ""
    return (
        f"too few images of {_name(names, index)!r} ({reason}){more}: half of a class's images "
        "rank the units and the other half judges them, so that one image of the second half "
        "moves the recall by a whole step; some dozens are better than four"
    )


@dataclass(slots=True)
class _Run:
    """Both passes over the images."""

    onward: Onward
    reader: ImageReader
    fill: Num[np.ndarray, " units"]
    progress: Progress
    total: int = 0
    done: int = 0
    skipped: dict[int, str] = field(default_factory=dict)

    def guesses(self, ids: Sequence[int], masks: Bool[np.ndarray, "masks units"]) -> Guesses:
        found = guesses_without(self.onward, self._counted(ids), masks, self.fill)
        self.skipped |= dict.fromkeys(found.not_finite, "its class scores are not finite")
        return found

    def _counted(self, ids: Sequence[int]) -> Iterator[Batch]:
        before = self.done
        for batch in self.reader.batches(ids):
            yield batch
            self.done = before + ids.index(batch.ids[-1]) + 1
            self.progress(self.done, self.total)
        self.skipped |= {image.image: image.reason for image in self.reader.skipped}
        self.done = before + len(ids)
        self.progress(self.done, self.total)


@dataclass(frozen=True, slots=True)
class _Ranking:
    """The units in the order of what they do for each class, with the two numbers behind it."""

    images: Int64[np.ndarray, " classes"]
    units: Int64[np.ndarray, "classes units"]
    drops: Float64[np.ndarray, "classes units"]
    margins: Float64[np.ndarray, "classes units"]

    @classmethod
    def of(cls, found: Guesses) -> "_Ranking":
        """Rank; the first mask silences nothing, mask k + 1 unit k."""
        others = found.images.sum() - found.images
        wrong = found.guessed - found.hits
        # In whole numbers: equal drops must be equal, however they come about.
        steps = (found.hits[0] - found.hits[1:]) * others + (wrong[1:] - wrong[0]) * found.images
        possible = np.maximum(2 * found.images * others, 1)
        margins = (found.margins[0] - found.margins[1:]) / np.maximum(found.images, 1)
        orders = [
            np.lexsort((np.arange(len(steps)), -margin, -step))
            for step, margin in zip(steps.T, margins.T, strict=True)
        ]
        return cls(found.images, np.stack(orders), (steps / possible).T, margins.T)


def _sets(
    ranked: _Ranking, asked: Sequence[int], count: int, seed: int
) -> Bool[np.ndarray, "masks units"]:
    """Return what is silenced to judge: random units, and for each class first, last, all but."""
    units = ranked.units.shape[1]
    generator = np.random.default_rng(seed)
    chosen = [generator.choice(units, count, replace=False) for _ in range(DRAWS)]
    for index in asked:
        order = ranked.units[index]
        chosen += [order[:count], order[-count:], order[count:]]
    masks = np.zeros((len(chosen), units), bool)
    for mask, silent in zip(masks, chosen, strict=True):
        mask[silent] = True
    return masks


def _roles(
    ranked: _Ranking, judged: Guesses, asked: Sequence[int], names: Mapping[int, str]
) -> dict[int, ClassRole]:
    """Return the classes that could be judged; the first mask silences nothing."""
    accuracy = judged.balanced_accuracy()
    enough = np.minimum(ranked.images, judged.images) >= LEAST // 2
    told = np.flatnonzero(enough & ~np.isnan(accuracy[0]))
    roles = {}
    for place, index in enumerate(asked):
        if index not in told:
            continue
        first = 1 + DRAWS + 3 * place
        order, others = ranked.units[index], told[told != index]
        roles[index] = ClassRole(
            index=index,
            name=_name(names, index),
            ranked_on=int(ranked.images[index]),
            judged_on=int(judged.images[index]),
            units=tuple(order.tolist()),
            drops=tuple(ranked.drops[index, order].tolist()),
            margins=tuple(ranked.margins[index, order].tolist()),
            before=float(accuracy[0, index]),
            without=float(accuracy[first, index]),
            without_last=float(accuracy[first + 1, index]),
            without_random=float(accuracy[1 : 1 + DRAWS, index].mean()),
            only=float(accuracy[first + 2, index]),
            others_before=float(accuracy[0, others].mean()) if len(others) else None,
            others_without=float(accuracy[first, others].mean()) if len(others) else None,
        )
    return roles
