"""Where a training is, as its checkpoint keeps it: compared, checked and taken up again.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    The checkpoint is our own.

Applies to:
    Every UpconvNet.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import MethodError
from striate.methods.upconvnet.recipe import Recipe

_MOMENTS = ("exp_avg", "exp_avg_sq")
_IN_WORDS = {
    "images": "the list of images differs",
    "fingerprint": "the weights or graph of the network differ",
}
"""What is compared by its hash, which would tell nobody anything."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a training must share with the checkpoint that it goes on from."""

    epochs: int
    batch: int
    rate: float
    drops: tuple[float, ...]
    flip: bool
    held_out: float
    seed: int
    images: str


@dataclass(slots=True)
class Place:
    """Where a training is: whole epochs, batches of the next one, updates, and what they gave."""

    epoch: int = 0
    batch: int = 0
    updates: int = 0
    loss: float = 0.0
    image_error: float | None = None


def check_knobs(counts: Mapping[str, int | None], rate: float, seed: int) -> None:
    """Refuse numbers that mean nothing.

    Args:
        counts: By name, what is at least 1; None is not asked for.
        rate: Of the optimizer.
        seed: Of the generator.

    Raises:
        MethodError: If one is out of its range.
    """
    if any(count is not None and count < 1 for count in counts.values()):
        told = ", ".join(f"{name}={count}" for name, count in counts.items())
        msg = f"{told}: each is at least 1"
        raise MethodError(msg)
    if not 0 < rate < math.inf:
        msg = f"rate={rate:g}: a finite number above 0 is needed, such as 0.001"
        raise MethodError(msg)
    if not -(2**63) <= seed < 2**64:
        msg = f"seed={seed}: generators take whole numbers of 64 bits, such as 0"
        raise MethodError(msg)


def differences(facts: Mapping[str, Any], recipe: Recipe, knobs: Knobs) -> str:
    """Say in what a checkpoint is of another training; nothing if it is of this one.

    Args:
        facts: Of the checkpoint.
        recipe: Of this training.
        knobs: Of this training.
    """
    kept = [facts.get(name) for name in ("recipe", "training", "place")]
    if not all(isinstance(part, dict) for part in kept):
        return "it holds no state of one"
    theirs = facts["recipe"] | facts["training"]
    ours = _plain(asdict(recipe)) | _plain(asdict(knobs))
    # What the network is called may change with where it was loaded from.
    wrong = [k for k in ours if theirs.get(k) != ours[k] and k != "network"]
    return "; ".join(_IN_WORDS.get(k) or f"{k}: {theirs.get(k)!r}, not {ours[k]!r}" for k in wrong)


def place_of(facts: Mapping[str, Any], epochs: int, batches: int) -> Place:
    """Read where a training is.

    Args:
        facts: Of its checkpoint.
        epochs: Of the training.
        batches: Of an epoch.

    Raises:
        MethodError: If it cannot be there.
    """
    said: dict[str, Any] = facts["place"]
    wanted = {field.name for field in fields(Place)}
    whole = [said.get(name) for name in ("epoch", "batch", "updates")]
    if (
        said.keys() != wanted
        or not all(isinstance(number, int) and number >= 0 for number in whole)
        or said["epoch"] > epochs
        or said["batch"] > batches
    ):
        raise MethodError(_torn(f"its place is {said}"))
    return Place(**said)


def take_up(
    place: Place,
    tensors: Mapping[str, Tensor],
    decoder: nn.Module,
    optimizer: torch.optim.Adam,
    *,
    own: bool,
) -> Tensor:
    """Give an optimizer the state that a checkpoint keeps.

    Args:
        place: Where the training is.
        tensors: Of the checkpoint.
        decoder: Whose weights the optimizer has.
        optimizer: Changed in place.
        own: Whether the decoder is the caller's own: then some weights may never have been used.

    Returns:
        The state of the generator at the beginning of the epoch.

    Raises:
        MethodError: If something is missing, or of another shape.
    """
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        first, _, rest = name.partition(".")
        index, _, what = rest.partition(".")
        if first == "optimizer" and index.isdecimal():
            state.setdefault(int(index), {})[what] = value
    weights = dict(enumerate(decoder.parameters()))
    wanted = set(weights) if place.updates and not own else set(state)
    for number in wanted:
        known = state.get(number, {})
        shapes = {what: tuple(value.shape) for what, value in known.items()}
        shape = tuple(weights[number].shape) if number in weights else None
        if shapes != {"step": (), **dict.fromkeys(_MOMENTS, shape)}:
            msg = f"the optimizer's state of weight {number} has the shapes {shapes}"
            raise MethodError(_torn(msg))
    try:
        torch.Generator().set_state(tensors["generator"])
    except (KeyError, TypeError, RuntimeError) as error:
        msg = f"the generator's state is missing or damaged ({type(error).__name__})"
        raise MethodError(_torn(msg)) from error
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return tensors["generator"]


def _torn(what: str) -> str:
    return f"the checkpoint cannot be gone on with, {what}: restart, or name another file"


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as JSON would give them back."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in facts.items()}
