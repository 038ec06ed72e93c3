"""What becomes of an inversion when the features are changed first: which part carries the image.

Pure functions on features (images, units, ...); each image is changed by itself.

    binarise:     x -> c sign(x),  c such that the norm (or the mean absolute value) stays
    drop:         x -> x m,        m zero at a given share of the places, drawn at random
    interpolate:  x, y -> (1 - t) x + t y
    only_top:     p -> p where p is among the k largest, else 0;  without_top: the rest

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016,
    the experiments on AlexNet. https://arxiv.org/abs/1506.02753

Differs from the source:
    How values are made up for after a change (norm, mean or sum) is an argument here; the paper's
    own choice could not be checked. Dropped values are not made up for.

Applies to:
    Features of every layer; the probabilities need one score a class.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError


def binarise(
    features: Float[Tensor, "images units *places"], *, keep: Literal["norm", "mean"] = "norm"
) -> Float[Tensor, "images units *places"]:
    """Keep of each value only its sign, and whether it is zero.

    Args:
        features: Of any layer.
        keep: What of each image stays as it was: the Euclidean norm, or the mean absolute value.

    Returns:
        Features whose values that are not zero all have one size in an image.

    Example:
        >>> binarise(torch.tensor([[3.0, 0.0, -1.0]]), keep="mean").tolist()
        [[2.0, 0.0, -2.0]]
    """
    flat = features.flatten(1)
    present = flat.ne(0).sum(1, keepdim=True).clamp(min=1)
    if keep == "norm":
        size = flat.norm(dim=1, keepdim=True) / present.to(flat.dtype).sqrt()
    else:
        size = flat.abs().sum(1, keepdim=True) / present
    signs: Tensor = flat.sign() * size
    return signs.reshape(features.shape)


def drop(
    features: Float[Tensor, "images units *places"],
    share: float,
    generator: torch.Generator,
    *,
    whole_units: bool = False,
) -> Float[Tensor, "images units *places"]:
    """Set a share of the values to zero, drawn at random for each image.

    Args:
        features: Of any layer.
        share: From 0 to 1; of an image's values (or units), ``round(share * count)`` are dropped.
        generator: Where the draw comes from, on the CPU.
        whole_units: Drop units with all their places, in place of single values.

    Returns:
        The features; what is not dropped is unchanged.

    Raises:
        MethodError: If the share is not from 0 to 1.

    Example:
        >>> drop(torch.ones(1, 10), 0.3, torch.Generator().manual_seed(0)).sum().item()
        7.0
    """
    if not 0 <= share <= 1:
        msg = f"share={share} of the values cannot be dropped; give a number from 0 to 1"
        raise MethodError(msg)
    images, units = features.shape[:2]
    count = units if whole_units else features[:1].numel()
    kept = torch.rand(images, count, generator=generator).argsort(1) >= round(share * count)
    shape = (images, units, *[1] * (features.ndim - 2)) if whole_units else features.shape
    return features * kept.reshape(shape).to(features.device)


def interpolate(
    first: Float[Tensor, "images units *places"],
    second: Float[Tensor, "images units *places"],
    share: float,
) -> Float[Tensor, "images units *places"]:
    """Go in a straight line from the features of one image to those of another.

    Args:
        first: Where share 0 is.
        second: Where share 1 is.
        share: May lie beyond 0 and 1: then the line goes on.

    Returns:
        ``(1 - share) * first + share * second``.

    Example:
        >>> interpolate(torch.zeros(1, 2), torch.ones(1, 2), 0.25).tolist()
        [[0.25, 0.25]]
    """
    return (1 - share) * first + share * second


def scale(
    features: Float[Tensor, "images units *places"], factor: float
) -> Float[Tensor, "images units *places"]:
    """Multiply all values.

    Args:
        features: Of any layer.
        factor: Any number.

    Returns:
        ``factor * features``.

    Example:
        >>> scale(torch.ones(1, 2), 2.0).tolist()
        [[2.0, 2.0]]
    """
    return factor * features


def probabilities(
    scores: Float[Tensor, "images classes *places"],
) -> Float[Tensor, "images classes *places"]:
    """Turn class scores into probabilities: the softmax over the classes.

    Args:
        scores: As the layer ``network.scores`` gives them.

    Returns:
        Values above 0 that sum to 1 over the classes.

    Example:
        >>> probabilities(torch.zeros(1, 4)).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return scores.softmax(1)


def only_top(
    values: Float[Tensor, "images classes *places"], k: int = 5, *, keep_sum: bool = True
) -> Float[Tensor, "images classes *places"]:
    """Keep the largest probabilities; the others become zero.

    Args:
        values: Probabilities.
        k: How many stay; among equal ones, one or the other.
        keep_sum: Scale what stays up to the sum of all.

    Returns:
        At most k values that are not zero, for each image (and place).

    Example:
        >>> only_top(torch.tensor([[0.5, 0.3, 0.2]]), 1).tolist()
        [[1.0, 0.0, 0.0]]
    """
    return _masked(values, _is_top(values, k), keep_sum=keep_sum)


def without_top(
    values: Float[Tensor, "images classes *places"], k: int = 5, *, keep_sum: bool = True
) -> Float[Tensor, "images classes *places"]:
    """Set the largest probabilities to zero: all but what `only_top` keeps.

    Args:
        values: Probabilities.
        k: How many go.
        keep_sum: Scale what stays up to the sum of all; where all of it is zero, it stays zero.

    Returns:
        The other probabilities.

    Example:
        >>> without_top(torch.tensor([[0.5, 0.25, 0.25]]), 1).tolist()
        [[0.0, 0.5, 0.5]]
    """
    return _masked(values, ~_is_top(values, k), keep_sum=keep_sum)


def _is_top(values: Tensor, k: int) -> Tensor:
    if k < 0:
        msg = f"k={k}: the number of largest probabilities cannot be below 0"
        raise MethodError(msg)
    places = values.topk(min(k, values.shape[1]), dim=1).indices
    return torch.zeros_like(values, dtype=torch.bool).scatter_(1, places, value=True)


def _masked(values: Tensor, kept: Tensor, *, keep_sum: bool) -> Tensor:
    left = torch.where(kept, values, torch.zeros_like(values))
    if not keep_sum:
        return left
    before, after = values.sum(1, keepdim=True), left.sum(1, keepdim=True)
    factor = before / after.clamp(min=torch.finfo(values.dtype).tiny)
    return left * torch.where(after > 0, factor, torch.zeros_like(after))


TRANSFORMS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({
    "none": lambda maps: maps,
    "probabilities": probabilities,
    "top5": lambda scores: only_top(probabilities(scores)),
    "rest": lambda scores: without_top(probabilities(scores)),
})
"""What a decoder may be trained on: a layer's output, its probabilities, the five largest of them,
or all but these."""

PERTURBATIONS: Mapping[str, Callable[[Tensor, torch.Generator], Tensor]] = MappingProxyType({
    "none": lambda maps, _: maps,
    "binarise": lambda maps, _: binarise(maps),
    "binarise-mean": lambda maps, _: binarise(maps, keep="mean"),
    "drop-quarter": lambda maps, generator: drop(maps, 0.25, generator),
    "drop": lambda maps, generator: drop(maps, 0.5, generator),
    "drop-units": lambda maps, generator: drop(maps, 0.5, generator, whole_units=True),
    "scale-half": lambda maps, _: scale(maps, 0.5),
    "scale-double": lambda maps, _: scale(maps, 2.0),
    "interpolate": lambda maps, _: interpolate(maps, maps.roll(-1, 0), 0.5),
    "top5": lambda values, _: only_top(values),
    "rest": lambda values, _: without_top(values),
})
"""Changes of the features of some images, by name. Halfway "interpolate" goes to the next image,
from the last to the first; "top5" and "rest" are for probabilities."""

COUNTED = tuple(name for name in PERTURBATIONS if name not in {"interpolate", "top5", "rest"})
"""Changes after which the guess should still be of the same image, for any layer."""


def perturbation(
    name: str, *, transform: str = "none"
) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return a change of features by its name.

    Args:
        name: A key of `PERTURBATIONS`.
        transform: Of the recipe: what the features are.

    Returns:
        From features of several images, and where chance comes from, to others.

    Raises:
        MethodError: If there is none of that name, or it is for probabilities alone.

    Example:
        >>> change = perturbation("scale-double")
        >>> change(torch.ones(1, 2), torch.Generator()).tolist()
        [[2.0, 2.0]]
    """
    check_change(name)
    if name in {"top5", "rest"} and transform != "probabilities":
        msg = f"{name!r} is for an UpconvNet that was trained on probabilities, not on {transform}"
        raise MethodError(msg)
    return PERTURBATIONS[name]


def check_change(name: str) -> None:
    """Refuse a name that no change of features has.

    Raises:
        MethodError: If so.
    """
    if name not in PERTURBATIONS:
        msg = f"no change of features is called {name!r}; there are {', '.join(PERTURBATIONS)}"
        raise MethodError(msg)
