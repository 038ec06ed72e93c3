"""Masks of weighted units: derivatives, planted truth, what one unit provably cannot."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.dissection.cells import Upsampling, axis_of
from striate.dissection.net2vec.loss import Training, first_weights, losses, slopes
from striate.dissection.net2vec.probe import LinearProbe, Resizing, set_iou, train
from striate.errors import MethodError

SIDE, UNITS = 6, 5
EVERY = "published", "cross-entropy"


class Planted:
    """Images whose concepts are where a rule says; the grid is the map."""

    def __init__(
        self,
        rules: list[Callable[[Tensor], Tensor]],
        *,
        images: int = 20,
        units: int = UNITS,
        share: float = 0.3,
        side: int = SIDE,
    ) -> None:
        generator = torch.Generator().manual_seed(3)
        values = torch.rand(images, units, side, side, generator=generator, dtype=torch.float64)
        self.active = (values < share).double()
        self.masks = torch.stack([
            torch.stack([rule(active) for rule in rules]) for active in self.active
        ]).double()

    def __len__(self) -> int:
        return len(self.active)

    def example(self, image: int) -> tuple[Tensor, list[int], Tensor]:
        masks = self.masks[image]
        shown = [k for k, mask in enumerate(masks) if bool(mask.any())]
        return self.active[image], shown, masks[shown]

    @property
    def alphas(self) -> Tensor:
        shown = self.masks.flatten(2).any(2)
        return 1 - self.masks.mean((2, 3)).sum(0) / shown.sum(0)


def same(side: int = SIDE) -> Resizing:
    axis = axis_of(side, side, 0.0, 1.0)
    return Resizing.of(Upsampling(axis, axis, "resize"))


def learnt(
    planted: Planted, training: Training, allowed: Tensor | None = None
) -> tuple[LinearProbe, Tensor]:
    """Learn from all images but the last six; IoU is that of those."""
    count = planted.masks.shape[1]
    start = first_weights([f"c{k}" for k in range(count)], planted.active.shape[1], training)
    allowed = torch.ones(start.shape, dtype=torch.bool) if allowed is None else allowed
    probe = LinearProbe(
        start[:, None], torch.zeros(count, 1, dtype=torch.float64), allowed[:, None],
        planted.alphas, same(planted.active.shape[-1]), training,
    )  # fmt: skip
    images = list(range(len(planted)))
    for _ in train(probe, planted, images[:-6], training):
        pass
    return probe, set_iou(probe, planted, images[-6:])[:, 0]


def only(*units: int) -> Tensor:
    allowed = torch.zeros(1, UNITS, dtype=torch.bool)
    allowed[0, list(units)] = True
    return allowed


@pytest.mark.parametrize("loss", EVERY)
def test_slopes_are_finite_differences_of_the_loss(loss: str, seeded: torch.Generator) -> None:
    logits = torch.randn(3, 4, 5, generator=seeded, dtype=torch.float64)
    masks = (torch.rand(3, 4, 5, generator=seeded) < 0.4).double()
    weight = torch.tensor([0.8, 0.3, np.nan], dtype=torch.float64)
    found, step = slopes(logits, masks, weight, loss), 1e-6
    for k in range(3):
        for place in range(20):
            moved = torch.zeros(3, 20, dtype=torch.float64)
            moved[k, place] = step
            up, down = (
                losses(logits + sign * moved.reshape(3, 4, 5), masks, weight, loss)[k]
                for sign in (1, -1)
            )
            assert found[k].flatten()[place] == pytest.approx(
                float(up - down) / (2 * step), abs=1e-8
            )


@pytest.mark.parametrize("loss", EVERY)
def test_alpha_weighs_as_copies_of_pixels_would(loss: str, seeded: torch.Generator) -> None:
    """alpha = 3/4: three copies of each pixel of the concept, one of each other, over four."""
    logits = torch.randn(1, 7, generator=seeded, dtype=torch.float64)
    mask = torch.tensor([[1, 0, 0, 1, 0, 1, 0]], dtype=torch.float64)
    copies = torch.where(mask[0] == 1, 3, 1)
    flat = torch.tensor([torch.nan], dtype=torch.float64)
    copied = losses(
        logits.repeat_interleave(copies, 1), mask.repeat_interleave(copies, 1), flat, loss
    )
    weighted = losses(logits, mask, torch.tensor([0.75], dtype=torch.float64), loss)
    assert torch.allclose(weighted, copied / 4)


@pytest.mark.parametrize("loss", EVERY)
@pytest.mark.parametrize("bias", [False, True])
def test_a_step_is_autograd_through_bilinear_interpolation(loss: str, bias: bool) -> None:
    """One batch, no momentum: the step is the gradient that torch finds on its own way."""
    generator = torch.Generator().manual_seed(8)
    active = (torch.rand(3, UNITS, 3, 4, generator=generator) < 0.4).double()
    masks = (torch.rand(3, 1, 9, 12, generator=generator) < 0.4).double()

    class Three:
        def __len__(self) -> int:
            return 3

        def example(self, image: int) -> tuple[Tensor, list[int], Tensor]:
            return active[image], [0], masks[image]

    axes = axis_of(3, 9, 1.0, 3.0), axis_of(4, 12, 1.0, 3.0)
    training = Training(loss=loss, bias=bias, batch=3, rate=0.01, l1=0.02, l2=0.03)
    weights = torch.randn(1, 1, UNITS, generator=generator, dtype=torch.float64)
    alphas = torch.tensor([0.7], dtype=torch.float64)
    probe = LinearProbe(
        weights, torch.full((1, 1), 0.1, dtype=torch.float64), torch.ones(1, 1, UNITS).bool(),
        alphas, Resizing.of(Upsampling(*axes, "resize")), training,
    )  # fmt: skip
    own = weights.clone().requires_grad_()
    constant = torch.full((1, 1), 0.1, dtype=torch.float64, requires_grad=True)
    up = torch.nn.functional.interpolate(active, (9, 12), mode="bilinear", align_corners=False)
    shown = torch.sigmoid(torch.einsum("k,nkhw->nhw", own[0, 0], up) + constant)
    mask = masks[:, 0]
    if loss == "published":
        each = 0.7 * shown * mask + 0.3 * (1 - shown) * (1 - mask)
    else:
        each = 0.7 * shown.log() * mask + 0.3 * (1 - shown).log() * (1 - mask)
    total = -each.sum() / 3 + 0.02 * own.abs().sum() + 0.03 / 2 * own.square().sum()
    total.backward()
    probe.epoch(Three(), range(3))
    assert own.grad is not None
    assert constant.grad is not None
    assert torch.allclose(probe.weights, weights - 0.01 * own.grad)
    moved = 0.01 * constant.grad if bias else 0
    assert torch.allclose(probe.biases, torch.full((1, 1), 0.1, dtype=torch.float64) - moved)


@pytest.mark.parametrize("loss", EVERY)
def test_a_planted_combination_is_recovered(loss: str) -> None:
    """The concept is where w . A > 0; signs come back, and the IoU on other images is 1."""
    truth = torch.tensor([2.0, 1.0, -1.5, -3.0, 0.6], dtype=torch.float64)
    planted = Planted([lambda active: torch.einsum("k,khw->hw", truth, active) > 0], images=40)
    training = Training(loss=loss, epochs=50, rate=0.05)
    probe, iou = learnt(planted, training)
    assert torch.equal(probe.weights[0, 0].sign(), truth.sign())
    assert float(iou[0]) == 1.0


def test_one_unit_that_is_the_concept_is_enough() -> None:
    planted = Planted([lambda active: active[2]])
    training = Training(epochs=25, rate=0.05)
    whole, iou = learnt(planted, training)
    assert int(whole.weights[0, 0].abs().argmax()) == 2
    _, one = learnt(planted, training, only(2))
    assert float(iou[0]) == float(one[0]) == 1.0


def test_or_needs_both_units() -> None:
    """|A u B| pixels are right at best; one unit alone marks |A| of them, and no more."""
    planted = Planted([lambda active: (active[0] + active[1]) > 0])
    training = Training(epochs=40, rate=0.05, batch=7)
    _, both = learnt(planted, training, only(0, 1))
    assert float(both[0]) == 1.0
    held = planted.active[-6:]
    for unit in (0, 1):
        _, one = learnt(planted, training, only(unit))
        bound = float(held[:, unit].sum() / planted.masks[-6:].sum())
        assert bound < 0.7
        assert float(one[0]) == pytest.approx(bound)


def test_and_needs_both_units_and_a_bias() -> None:
    """Without a bias, M > 0.5 where both are active means that it is where one of them is."""
    planted = Planted([lambda active: active[0] * active[1]])
    training = Training(epochs=80, rate=0.1, batch=7)
    held = planted.active[-6:]
    truth = held[:, 0] * held[:, 1]
    possible = [held[:, 0], held[:, 1], ((held[:, 0] + held[:, 1]) > 0).double()]
    bound = max(float((truth * p).sum() / ((truth + p) > 0).sum()) for p in possible)
    assert bound < 0.5
    _, without = learnt(planted, training, only(0, 1))
    assert float(without[0]) <= bound
    _, alone = learnt(planted, Training(epochs=80, rate=0.1, batch=7, bias=True), only(0))
    assert float(alone[0]) <= bound
    probe, with_bias = learnt(
        planted, Training(epochs=80, rate=0.1, batch=7, bias=True), only(0, 1)
    )
    assert float(with_bias[0]) == 1.0
    assert float(probe.biases[0, 0]) < 0


def test_one_but_not_another_needs_a_negative_weight() -> None:
    planted = Planted([lambda active: active[0] * (1 - active[1])])
    training = Training(epochs=40, rate=0.05, batch=7)
    probe, iou = learnt(planted, training, only(0, 1))
    assert float(iou[0]) == 1.0
    assert float(probe.weights[0, 0, 1]) < -float(probe.weights[0, 0, 0]) < 0
    positive = Training(epochs=40, rate=0.05, batch=7, positive=True)
    kept, less = learnt(planted, positive, only(0, 1))
    assert bool((kept.weights >= 0).all())
    assert float(less[0]) < 0.8


def test_the_published_loss_lets_weights_grow_and_l2_holds_them() -> None:
    planted = Planted([lambda active: active[2]])
    lengths = []
    for epochs, l2 in ((20, 0.0), (80, 0.0), (80, 0.5)):
        training = Training(loss="published", epochs=epochs, rate=0.05, l2=l2)
        lengths.append(float(learnt(planted, training)[0].weights.norm()))
    assert lengths[1] > 1.1 * lengths[0]
    assert lengths[2] < 0.8 * lengths[1]


def test_a_concept_does_not_depend_on_those_beside_it() -> None:
    rules = [lambda active: active[2], lambda active: (active[0] + active[1]) > 0]
    training = Training(epochs=5, rate=0.02)
    both, _ = learnt(Planted(rules), training)
    alone, _ = learnt(Planted(rules[:1]), training)
    assert torch.allclose(both.weights[0], alone.weights[0], rtol=1e-12, atol=1e-14)


def test_seeds_reproduce_bit_for_bit() -> None:
    planted = Planted([lambda active: active[2]])
    one, again, other = (
        learnt(planted, Training(epochs=3, seed=seed))[0].weights for seed in (5, 5, 6)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_first_weights_are_uniform_within_their_bound() -> None:
    found = first_weights(["a", "b"], 10_000, Training())
    assert float(found.abs().max()) <= 0.01
    assert float(found.abs().mean()) == pytest.approx(0.005, rel=0.03)
    assert not torch.equal(found[0], found[1])
    assert float(first_weights(["a"], 4, Training(positive=True)).unique()) == 0.25


@pytest.mark.parametrize("wrong", [{"loss": "hinge"}, {"epochs": 0}, {"batch": 0}, {"rate": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(MethodError, match=r"loss|epochs"):
        Training(**wrong)
