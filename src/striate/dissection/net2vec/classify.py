"""Whether an image shows a concept, from the mean activations of a layer's units.

    f(x; w) = sigmoid(b + sum_k w_k mean(a_k(x)))

learnt by cross-entropy, from all images with the concept and, anew in each epoch, as many without.

Source:
    Fong & Vedaldi, "Net2Vec", CVPR 2018, https://arxiv.org/abs/1801.03454, section 3.2.

Differs from the source:
    The score is the balanced accuracy over all held-out images, the mean of the shares that are
    right among those with and those without the concept; the authors' code draws as many images
    without it. While vectors are learnt, each unit's mean over the images to learn from is
    subtracted, and all are divided by their common standard deviation, so that one rate suits
    layers of any scale; what comes out is for activations as they are.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor

from striate.dissection.net2vec.loss import Training, seed_of

RATE = 0.1
"""Published; a tenth of it from half of the epochs on."""


def classifiers(
    means: Float32[np.ndarray, "images units"],
    shown: Bool[np.ndarray, " images"],
    weights: Float[Tensor, "vectors units"],
    allowed: Bool[Tensor, "vectors units"],
    training: Training,
    name: str,
) -> tuple[Float[Tensor, "vectors units"], Float[Tensor, " vectors"]]:
    """Learn vectors that tell images with a concept from images without.

    Args:
        means: Mean activation of each unit on each image.
        shown: Whether the image shows the concept; some must, and some must not.
        weights: To start from.
        allowed: Units that each vector may use.
        training: How; its ``loss`` and ``bias`` do not matter, a bias is always learnt.
        name: Of the concept: the images that are drawn depend on it.

    Returns:
        Weights and biases.
    """
    values = torch.from_numpy(means).to(weights)
    middle = values.mean(0)
    spread = (values - middle).square().mean().sqrt().clamp(min=1e-12)
    values = (values - middle) / spread
    positive, negative = (torch.from_numpy(np.flatnonzero(s)) for s in (shown, ~shown))
    generator = torch.Generator().manual_seed(seed_of(training.seed, f"images {name}"))
    weights, biases = weights * allowed, weights.new_zeros(len(weights))
    moving = torch.zeros_like(weights), torch.zeros_like(biases)
    for epoch in range(training.epochs):
        rate = training.rate * (0.1 if 2 * epoch >= training.epochs else 1.0)
        drawn = negative[torch.randperm(len(negative), generator=generator)[: len(positive)]]
        own = torch.cat([positive, drawn])
        wanted = (torch.arange(len(own)) < len(positive)).to(weights)
        order = torch.randperm(len(own), generator=generator)
        for part in torch.split(order, training.batch):
            batch = values[own[part].to(values.device)]
            wrong = torch.sigmoid(batch @ weights.T + biases) - wanted[part, None]
            gradient = wrong.T @ batch / len(part)
            gradient += training.l1 * weights.sign() + training.l2 * weights
            moving[0].mul_(training.momentum).add_(gradient)
            moving[1].mul_(training.momentum).add_(wrong.mean(0))
            weights = (weights - rate * moving[0]) * allowed
            weights = weights.clamp(min=0) if training.positive else weights
            biases = biases - rate * moving[1]
    weights = weights / spread
    return weights, biases - weights @ middle


def balanced_accuracy(
    right: Bool[np.ndarray, "*vectors images"], shown: Bool[np.ndarray, " images"]
) -> Float64[np.ndarray, "*vectors"]:
    """Return the mean of the shares that are right with the concept and without.

    Args:
        right: Whether an image was judged rightly.
        shown: Whether it shows the concept; some must, and some must not.

    Example:
        >>> right = np.array([True, True, False, True])
        >>> float(balanced_accuracy(right, np.array([True, False, False, False])))
        0.8333333333333333
    """
    return np.asarray((right[..., shown].mean(-1) + right[..., ~shown].mean(-1)) / 2)


def judged(
    means: Float32[np.ndarray, "images units"],
    weights: Float[Tensor, "vectors units"],
    biases: Float[Tensor, " vectors"],
) -> Bool[np.ndarray, "vectors images"]:
    """Return which images each vector says to show its concept."""
    values = torch.from_numpy(means).to(weights)
    return np.asarray((weights @ values.T + biases[:, None] > 0).cpu().numpy())


def best_unit(
    means: Float32[np.ndarray, "images units"], shown: Bool[np.ndarray, " images"]
) -> tuple[int, float, bool, float]:
    """Return the single unit, and the level, that tell images apart best.

    Args:
        means: Mean activation of each unit on each image.
        shown: Whether the image shows the concept; some must, and some must not.

    Returns:
        The unit; the level; whether images above it show the concept, or those at or below; and
        the balanced accuracy. Of equal ones the first unit and the lowest level.

    Example:
        >>> means = np.array([[0, 5], [1, 2], [0, 1]], np.float32)
        >>> best_unit(means, np.array([True, False, False]))
        (1, 3.5, True, 1.0)
    """
    order = np.argsort(means, axis=0, kind="stable")
    ranked = np.take_along_axis(means.astype(np.float64), order, axis=0)
    inside = shown[order]
    # After place i: the share of each kind that lies at or below.
    below_with = inside.cumsum(0) / shown.sum()
    below_without = (~inside).cumsum(0) / (~shown).sum()
    above_is_with = (1 - below_with + below_without) / 2
    cut = np.ones(ranked.shape, bool)
    cut[:-1] = ranked[1:] > ranked[:-1]
    score = np.where(cut, np.maximum(above_is_with, 1 - above_is_with), 0)
    unit = int(score.max(axis=0).argmax())
    place = int(score[:, unit].argmax())
    following = ranked[min(place + 1, len(ranked) - 1), unit]
    level = float((ranked[place, unit] + following) / 2)
    return unit, level, bool(above_is_with[place, unit] >= 0.5), float(score[place, unit])


def unit_accuracy(
    means: Float32[np.ndarray, "images units"],
    shown: Bool[np.ndarray, " images"],
    found: tuple[int, float, bool, float],
) -> float:
    """Return the balanced accuracy of what `best_unit` found, on other images."""
    unit, level, above, _ = found
    said = (means[:, unit].astype(np.float64) > level) == above
    return float(balanced_accuracy(said == shown, shown))
