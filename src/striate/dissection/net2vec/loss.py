"""How concept vectors are learnt: settings, what is made small, and its derivative.

Source:
    Fong & Vedaldi, "Net2Vec", CVPR 2018, https://arxiv.org/abs/1801.03454, section 3.1, and the
    authors' code: its loss has no logarithm, is summed over pixels and averaged over images.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError

LOSSES = ("published", "cross-entropy")

_PIXELS = 112 * 112
"""For which the published rate is made."""


@dataclass(frozen=True, slots=True)
class Training:
    """How vectors are learnt; the defaults are the paper's, but for the loss.

    Attributes:
        loss: "published": the mean of ``-alpha M L - (1 - alpha) (1 - M) (1 - L)``, linear in M: a
            pixel that is hopelessly wrong no longer counts, and weights grow without end.
            "cross-entropy": the same with logarithms.
        epochs: How often each image is seen.
        batch: Images of a concept in a step.
        rate: Length of a step; of masks, on a grid of 112 x 112 (see `on`).
        momentum: Share of the last step in the next.
        l1: Weight of the sum of absolute weights.
        l2: Weight of half the sum of squared weights.
        positive: Whether weights stay at least 0.
        bias: Whether a constant is learnt too.
        seed: Of first weights and order.
    """

    loss: str = "cross-entropy"
    epochs: int = 30
    batch: int = 16
    rate: float = 1e-4
    momentum: float = 0.9
    l1: float = 0.0
    l2: float = 0.0
    positive: bool = False
    bias: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            msg = f"no loss {self.loss!r}; there are {', '.join(LOSSES)}"
            raise MethodError(msg)
        if self.epochs < 1 or self.batch < 1 or not self.rate > 0:
            msg = (
                f"epochs={self.epochs}, batch={self.batch}, rate={self.rate}: at least one epoch "
                "of one image, and a rate above 0, are needed"
            )
            raise MethodError(msg)

    def on(self, pixels: int) -> "Training":
        """Return the same for masks of so many pixels: the loss sums over them.

        >>> round(Training().on(56 * 56).rate, 6)
        0.0004
        """
        return replace(self, rate=self.rate * _PIXELS / pixels)


def losses(
    logits: Float[Tensor, "n ..."],
    masks: Float[Tensor, "n ..."],
    weight: Float[Tensor, " n"],
    loss: str,
) -> Float[Tensor, " n"]:
    """Return the loss of each mask, summed over its pixels.

    Args:
        logits: ``M`` before the sigmoid.
        masks: 1 where the concept is, else 0.
        weight: Of pixels of the concept: alpha; the others weigh one minus that. NaN: both 1.
        loss: See `Training`.

    Example:
        >>> logits, mask = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> losses(logits, mask, torch.tensor([0.75]), "published")
        tensor([-0.5000])
    """
    inside, outside = _weights(weight, logits)
    if loss == "published":
        shown = torch.sigmoid(logits)
        each = -(inside * shown * masks + outside * (1 - shown) * (1 - masks))
    else:
        yes = torch.nn.functional.logsigmoid(logits)
        no = torch.nn.functional.logsigmoid(-logits)
        each = -(inside * yes * masks + outside * no * (1 - masks))
    return each.flatten(1).sum(1)


def slopes(
    logits: Float[Tensor, "n ..."],
    masks: Float[Tensor, "n ..."],
    weight: Float[Tensor, " n"],
    loss: str,
) -> Float[Tensor, "n ..."]:
    """Return the derivative of `losses` by each logit.

    Args:
        logits: ``M`` before the sigmoid.
        masks: As in `losses`; axes of length 1 stand for any length.
        weight: As in `losses`.
        loss: Likewise.

    Example:
        >>> logits, mask = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> slopes(logits, mask, torch.tensor([0.75]), "cross-entropy")
        tensor([[-0.3750,  0.1250]])
    """
    inside, outside = _weights(weight, logits)
    shown = torch.sigmoid(logits)
    # Masks may be smaller than logits, one for several: what can be done on them alone is.
    if loss == "published":
        return (1 - shown).mul_(shown).mul_(outside - masks * (inside + outside))
    return shown.sub_(masks).mul_(outside + masks * (inside - outside))


def _weights(weight: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    shape = (-1, *[1] * (logits.ndim - 1))
    flat = weight.isnan()
    inside = torch.where(flat, 1.0, weight).to(logits).reshape(shape)
    outside = torch.where(flat, 1.0, 1 - weight).to(logits).reshape(shape)
    return inside, outside


def first_weights(
    names: Sequence[str], units: int, training: Training
) -> Float[Tensor, "concepts units"]:
    """Return the weights that vectors start from: uniform within ``1 / sqrt(units)`` of 0.

    Args:
        names: Of the concepts: what one starts from does not depend on the others.
        units: How many.
        training: How; weights that must stay positive start at half that bound, all of them.

    Example:
        >>> first_weights(["sky"], 4, Training()).abs().max() <= 0.5
        tensor(True)
    """
    bound = 1 / math.sqrt(units)
    if training.positive:
        return torch.full((len(names), units), bound / 2, dtype=torch.float64)
    found = []
    for name in names:
        generator = torch.Generator().manual_seed(seed_of(training.seed, name))
        found.append(torch.rand(units, generator=generator, dtype=torch.float64))
    return (torch.stack(found) * 2 - 1) * bound


def seed_of(seed: int, name: str) -> int:
    """Return a seed for what has a name."""
    digest = hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
