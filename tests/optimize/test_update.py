"""Steps against the papers retold in numpy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from striate.optimize.update import (
    Adam,
    Constant,
    ForgettingAdaGrad,
    MeanStep,
    Momentum,
    Progress,
    Update,
    rate_at,
)

RATES = ((0.4, 3), (0.1, 2), (0.02, 4))


def trajectory(
    update: Update, slope: Callable[[torch.Tensor], torch.Tensor], steps: int
) -> np.ndarray:
    values = torch.tensor([[1.0, -2.0, 0.5], [0.2, 0.1, 4.0]], dtype=torch.float64)
    step, seen = update.begin([values]), [values.numpy().copy()]
    for number in range(steps):
        step([slope(values)], number)
        seen.append(values.numpy().copy())
    return np.stack(seen)


def bowl(values: torch.Tensor) -> torch.Tensor:
    return -torch.tensor([1.0, 0.3, 2.0], dtype=torch.float64) * values


def rate(number: int) -> float:
    return 0.4 if number < 3 else 0.1 if number < 5 else 0.02


def test_momentum_is_lost_whenever_the_rate_changes() -> None:
    x = np.array([[1.0, -2.0, 0.5], [0.2, 0.1, 4.0]])
    m, seen = np.zeros_like(x), [x.copy()]
    for number in range(9):
        keep = 0.0 if number in {3, 5} else 0.9
        m = keep * m + rate(number) * (-np.array([1.0, 0.3, 2.0]) * x)
        x = x + m
        seen.append(x.copy())
    assert np.allclose(trajectory(Momentum(RATES), bowl, 9), np.stack(seen), rtol=1e-12)


def test_adagrad_forgets() -> None:
    x = np.array([[1.0, -2.0, 0.5], [0.2, 0.1, 4.0]])
    m, squares, seen = np.zeros_like(x), np.zeros_like(x), [x.copy()]
    for _ in range(9):
        g = -np.array([1.0, 0.3, 2.0]) * x
        squares = 0.9 * squares + g * g
        m = 0.9 * m + g / (1 / 0.4 + np.sqrt(squares))
        x = x + m
        seen.append(x.copy())
    assert np.allclose(trajectory(ForgettingAdaGrad(0.4), bowl, 9), np.stack(seen), rtol=1e-12)


def test_the_last_rate_holds_on() -> None:
    assert [rate_at(RATES, k)[0] for k in (0, 2, 3, 4, 5, 8, 9, 100)] == [
        0.4, 0.4, 0.1, 0.1, 0.02, 0.02, 0.02, 0.02,
    ]  # fmt: skip


def test_progress_raises_a_linear_objective_by_what_is_wanted() -> None:
    slope = torch.tensor([[3.0, 0.0, 4.0], [0.6, 0.8, 0.0]]).double()
    path = trajectory(Progress(1e8, 2.0), lambda _: slope, 1)
    gained = ((path[1] - path[0]) * slope.numpy()).sum(1)
    assert gained == pytest.approx([2.0, 2.0])
    bounded = trajectory(Progress(0.05, 2.0), lambda _: slope, 1)
    assert np.allclose(bounded[1] - bounded[0], 0.05 * slope.numpy())


def test_constant_steps_are_the_gradient_times_the_rate() -> None:
    path = trajectory(Constant(0.25), bowl, 2)
    assert np.allclose(path[2], path[0] * (1 - 0.25 * np.array([1.0, 0.3, 2.0])) ** 2)


def test_a_mean_step_has_its_size() -> None:
    path = trajectory(MeanStep(1.5), bowl, 3)
    assert np.allclose(np.abs(np.diff(path, axis=0)).mean(2), 1.5)


def test_adam_goes_uphill_by_its_rate() -> None:
    path = trajectory(Adam(0.05), bowl, 1)
    assert np.allclose(path[1] - path[0], 0.05 * np.sign(-path[0]), atol=1e-6)


@pytest.mark.parametrize(
    "update", [Progress(1e8), MeanStep(1.0), Momentum(RATES), ForgettingAdaGrad(0.4), Adam(0.1)]
)
def test_each_image_moves_as_if_it_were_alone(update: Update) -> None:
    both = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    alone = both[1:].clone()
    step, single = update.begin([both]), update.begin([alone])
    for number in range(6):
        step([-both.clone()], number)
        single([-alone.clone()], number)
    assert torch.equal(both[1:], alone)
