"""From features of images to vectors of concepts with their scores: full ones, and subsets.

What is said of both tasks: the full vector is learnt first; a subset has the units with the largest
weights in it, and is learnt anew with these alone; the single unit is the best on the training
images, not the first of the full vector.

Source:
    Fong & Vedaldi, "Net2Vec", CVPR 2018, https://arxiv.org/abs/1801.03454, section 3, and the
    authors' code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int64
from torch import Tensor

from striate.dissection.net2vec.classify import (
    RATE,
    balanced_accuracy,
    best_unit,
    classifiers,
    judged,
    unit_accuracy,
)
from striate.dissection.net2vec.loss import Training, first_weights
from striate.dissection.net2vec.probe import Examples, LinearProbe, Resizing, set_iou, train
from striate.dissection.net2vec.vectors import Task
from striate.errors import MethodError

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called with what is counted, how many are done and how many there are."""


_TRAINING = Training(bias=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be learnt in a layer.

    Attributes:
        task: "segmentation" or "classification".
        training: How.
        sizes: How many units the subsets have; None: the powers of 2 below the layer's number.
        train: Images that a concept needs to be learnt from.
        val: Held-out images that it needs.
    """

    task: Task = "segmentation"
    training: Training = _TRAINING
    sizes: tuple[int, ...] | None = None
    train: int = 10
    val: int = 5

    @classmethod
    def of(
        cls, task: str, *, loss: str | None = None, bias: bool | None = None,
        sizes: Sequence[int] | None = None, epochs: int = 30, seed: int = 0,
    ) -> "Wanted":  # fmt: skip
        """Return what a few words ask for, each left out as it is best.

        Args:
            task: "segmentation" or "classification".
            loss: "cross-entropy", or "published"; None: the first.
            bias: Whether a constant is learnt; None: not with the published loss.
            sizes: Of the subsets.
            epochs: How often each image is seen.
            seed: Of first weights and order.

        Raises:
            MethodError: If there is no such task or loss, or a number is out of range.

        Example:
            >>> Wanted.of("segmentation", loss="published").training.bias
            False
        """
        if task not in {"segmentation", "classification"}:
            msg = f"no task {task!r}; there are segmentation and classification"
            raise MethodError(msg)
        chosen = loss or "cross-entropy"
        if task == "classification":
            if loss == "published" or bias is False:
                msg = "classification has one loss, cross-entropy, and always a bias"
                raise MethodError(msg)
            training = Training(epochs=epochs, seed=seed, rate=RATE, momentum=0.0, bias=True)
            return cls("classification", training, tuple(sizes) if sizes else None)
        with_bias = chosen != "published" if bias is None else bias
        training = Training(loss=chosen, epochs=epochs, seed=seed, bias=with_bias)
        return cls("segmentation", training, tuple(sizes) if sizes else None)

    def sizes_for(self, units: int) -> tuple[int, ...]:
        """Return how many units the subsets of a layer have, ascending.

        Raises:
            MethodError: If one is not from 1 to the layer's number.

        >>> Wanted().sizes_for(9)
        (1, 2, 4, 8)
        """
        if self.sizes is None:
            return tuple(2**k for k in range(units.bit_length()) if 2**k < units)
        if not all(1 <= size <= units for size in self.sizes):
            msg = f"subsets of {', '.join(map(str, self.sizes))} units: the layer has {units}"
            raise MethodError(msg)
        return tuple(sorted(set(self.sizes)))


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What came out, concept by concept; scores of training images first, then held-out ones.

    Attributes:
        vectors: Weights of all units.
        biases: Theirs.
        subset_vectors: Weights of subsets; 0 for units that are left out.
        subset_biases: Theirs.
        chosen: Units of each subset, largest weight in the full vector first.
        units: Single units that are best on training images.
        unit_scores: What these reach.
        scores: What all units reach.
        subset_scores: What subsets reach.
    """

    vectors: Float32[np.ndarray, "concepts units"]
    biases: Float32[np.ndarray, " concepts"]
    subset_vectors: Float32[np.ndarray, "concepts subsets units"]
    subset_biases: Float32[np.ndarray, "concepts subsets"]
    chosen: list[list[tuple[int, ...]]]
    units: Int64[np.ndarray, " concepts"]
    unit_scores: Float64[np.ndarray, "2 concepts"]
    scores: Float64[np.ndarray, "2 concepts"]
    subset_scores: Float64[np.ndarray, "2 concepts subsets"]


def largest(
    vectors: Float[Tensor, "concepts units"], sizes: Sequence[int]
) -> tuple[Bool[Tensor, "concepts subsets units"], list[list[tuple[int, ...]]]]:
    """Return the units with the largest absolute weights.

    Args:
        vectors: Of each concept.
        sizes: How many units.

    Returns:
        Which units each subset has, and their indices, largest weight first (of equal ones the
        first).

    Example:
        >>> allowed, chosen = largest(torch.tensor([[1.0, -3.0, 2.0]]), [1, 2])
        >>> allowed.int().tolist(), chosen
        ([[[0, 1, 0], [0, 1, 1]]], [[(1,), (1, 2)]])
    """
    order = vectors.abs().argsort(dim=1, descending=True, stable=True)
    allowed = torch.zeros(len(vectors), len(sizes), vectors.shape[1], dtype=torch.bool)
    chosen = [[tuple(row[:size].tolist()) for size in sizes] for row in order]
    for concept, subsets in enumerate(chosen):
        for number, units in enumerate(subsets):
            allowed[concept, number, list(units)] = True
    return allowed.to(vectors.device), chosen


def learn_masks(
    examples: Examples,
    parts: Sequence[Sequence[int]],
    names: Sequence[str],
    alphas: Float64[np.ndarray, " concepts"],
    alone: Sequence[Float64[np.ndarray, "units concepts"]],
    resizing: Resizing,
    wanted: Wanted,
    *,
    like: Tensor | None = None,
    progress: Progress = lambda _what, _done, _total: None,
) -> Fitted:
    """Learn where concepts are.

    Args:
        examples: The images.
        parts: Those to learn from, and those that are held out.
        names: Of the concepts.
        alphas: What their pixels weigh; NaN for no weighting.
        alone: IoU of each unit alone with each concept, on both parts.
        resizing: From maps to the grid of labels.
        wanted: What is to be learnt.
        like: A tensor of the type and on the device to compute with; None: float32, on the CPU.
        progress: Called after each epoch.

    Returns:
        Vectors, and IoUs as scores.
    """
    like = torch.zeros(()) if like is None else like
    units, training = (
        alone[0].shape[0],
        wanted.training.on(len(resizing.rows) * len(resizing.columns)),
    )

    def fit(start: Tensor, allowed: Tensor, what: str) -> tuple[LinearProbe, np.ndarray]:
        biases = start.new_zeros(start.shape[:2])
        weight = torch.from_numpy(alphas)
        probe = LinearProbe(start, biases, allowed, weight, resizing, training)
        for epoch in train(probe, examples, parts[0], training):
            progress(what, epoch, training.epochs)
        return probe, np.stack([set_iou(probe, examples, part).numpy() for part in parts])

    start = first_weights(names, units, training).to(like)[:, None]
    whole, scores = fit(start, torch.ones_like(start, dtype=torch.bool), "epochs")
    allowed, chosen = largest(whole.weights[:, 0], wanted.sizes_for(units))
    some, some_scores = fit(start * allowed, allowed, "epochs of subsets")
    best = alone[0].argmax(axis=0)
    places = np.arange(len(names))
    return Fitted(
        _array(whole.weights[:, 0]),
        _array(whole.biases[:, 0]),
        _array(some.weights),
        _array(some.biases),
        chosen,
        best,
        np.stack([scores_of[best, places] for scores_of in alone]),
        scores[:, :, 0],
        some_scores,
    )


def learn_classes(
    means: Float32[np.ndarray, "images units"],
    shown: Bool[np.ndarray, "images concepts"],
    held: Bool[np.ndarray, " images"],
    names: Sequence[str],
    wanted: Wanted,
    *,
    progress: Progress = lambda _what, _done, _total: None,
) -> Fitted:
    """Learn whether images show concepts.

    Args:
        means: Mean activation of each unit on each image.
        shown: Whether each image shows each concept; in both parts some must, and some must not.
        held: Which images are held out.
        names: Of the concepts.
        wanted: What is to be learnt.
        progress: Called after each concept.

    Returns:
        Vectors, and balanced accuracies as scores.
    """
    units, training = means.shape[1], wanted.training
    sizes, parts = wanted.sizes_for(units), (~held, held)
    starts = first_weights(names, units, training).float()
    weights, biases, best, alone, scores, all_chosen = [], [], [], [], [], []
    for number, name in enumerate(names):
        own = shown[:, number]
        learning = means[~held], own[~held]
        start = starts[number : number + 1]
        every = torch.ones_like(start, dtype=torch.bool)
        whole, bias = classifiers(*learning, start, every, training, name)
        allowed, chosen = largest(whole, sizes)
        first = start.expand(len(sizes), -1)
        some, some_biases = classifiers(*learning, first, allowed[0], training, name)
        weights.append(torch.cat([whole, some]))
        biases.append(torch.cat([bias, some_biases]))
        all_chosen += chosen
        scores.append([
            balanced_accuracy(judged(means[p], weights[-1], biases[-1]) == own[p], own[p])
            for p in parts
        ])
        found = best_unit(*learning)
        best.append(found[0])
        alone.append([found[3], unit_accuracy(means[held], own[held], found)])
        progress("concepts", number + 1, len(names))
    vectors, constants, reached = torch.stack(weights), torch.stack(biases), np.array(scores)
    return Fitted(
        _array(vectors[:, 0]), _array(constants[:, 0]), _array(vectors[:, 1:]),
        _array(constants[:, 1:]), all_chosen, np.array(best, np.int64), np.array(alone).T.copy(),
        reached[:, :, 0].T.copy(), reached[:, :, 1:].transpose(1, 0, 2).copy(),
    )  # fmt: skip


def _array(values: Tensor) -> Float32[np.ndarray, "..."]:
    return values.detach().cpu().numpy().astype(np.float32)
