"""The loop: fixed points, the order of what is done, the best that is kept, and how it ends."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import striate
from striate.errors import MethodError
from striate.network.network import Network
from striate.optimize.ascend import Frame, Recipe, ascend
from striate.optimize.canvas import Fourier, Pixels
from striate.optimize.objective import Objective, Seen, custom, unit
from striate.optimize.prior import Decay
from striate.optimize.space import Space
from striate.optimize.transform import jitter
from striate.optimize.update import Constant
from striate.optimize.view import View

SIZE = (1, 2, 3)


def plain(dtype: torch.dtype = torch.float64) -> Space:
    """A space whose bytes are the network's own numbers."""
    return Space(torch.zeros(1, 1, 1, dtype=dtype), torch.full((1, 1, 1), 1 / 255, dtype=dtype))


def linear() -> tuple[Network, Tensor]:
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 2)).double()
    network = striate.load(module, image_size=SIZE)
    return network, module[1].weight.detach()[0].view(1, *SIZE)


def frames(recipe: Recipe, start: Tensor, objective: Objective | None = None) -> list[Frame]:
    network, _ = linear()
    canvas = Pixels(start, plain())
    return list(ascend(View(network, ["1"], SIZE), canvas, objective or unit("1:0"), recipe))


def test_decay_has_the_fixed_point_of_the_closed_form() -> None:
    network, weight = linear()
    canvas = Pixels(torch.zeros(1, *SIZE, dtype=torch.float64), plain())
    recipe = Recipe(2000, Constant(0.1), regularizers=(Decay(0.01),))
    *_, last = ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), recipe)
    assert torch.allclose(last.images, 9.9 * weight, rtol=1e-6)


def test_a_value_is_that_of_its_own_images_and_the_last_step_is_left_out() -> None:
    network, weight = linear()
    start = torch.zeros(1, *SIZE, dtype=torch.float64)
    canvas = Pixels(start, plain())
    recipe = Recipe(4, Constant(0.5))
    found = list(ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), recipe))
    assert [frame.step for frame in found] == [0, 1, 2, 3]
    for number, frame in enumerate(found):
        assert torch.allclose(frame.images, number * 0.5 * weight)
        assert frame.values.item() == pytest.approx(network(frame.images)[0, 0].item())
    assert torch.equal(canvas.values.detach(), found[-1].images)


def test_the_best_of_each_image_is_kept() -> None:
    peak = torch.tensor([0.0, 1.0]).double()

    def hill(_seen: Seen, images: Tensor) -> Tensor:
        return -(images.mean((1, 2, 3)) - peak).abs()

    start = torch.zeros(2, *SIZE, dtype=torch.float64)
    # Steps of 0.4 go past the peak at 1 and back; the image that starts at its peak leaves it.
    found = frames(Recipe(6, Constant(0.4 * 6)), start, custom([], hill))
    values = torch.stack([frame.values for frame in found])
    assert torch.equal(found[-1].best_values, values.amax(0))
    assert hill({}, found[-1].best).tolist() == found[-1].best_values.tolist()
    assert values[-1].tolist() != values.amax(0).tolist()


def test_the_noise_of_the_start_is_not_what_is_kept() -> None:
    def sign(_seen: Seen, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))

    def shrink(values: Tensor, _gradient: Tensor, _step: int) -> Tensor:
        return values / 2

    start = torch.ones(1, *SIZE, dtype=torch.float64)
    for regularizers, kept in (((), 1.0), ((shrink,), 1 / 8)):
        recipe = Recipe(6, Constant(0.0), regularizers=regularizers)
        found = frames(recipe, start, custom([], sign))
        assert found[-1].best_values.tolist() == [kept]
        assert found[2].best_values.tolist() == [1.0]


def test_stopping_early_loses_nothing() -> None:
    network, weight = linear()
    canvas = Pixels(torch.zeros(1, *SIZE, dtype=torch.float64), plain())
    run = ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), Recipe(1000, Constant(0.5)))
    third = [next(run) for _ in range(3)][-1]
    run.close()
    assert torch.allclose(third.best, weight)
    with pytest.raises(StopIteration):
        next(run)


def test_bounds_hold_at_each_step() -> None:
    network, weight = linear()
    low, high = torch.tensor([-0.2, 0.1], dtype=torch.float64).view(2, 1, 1, 1)
    canvas = Pixels(torch.zeros(1, *SIZE, dtype=torch.float64), plain())
    recipe = Recipe(30, Constant(1.0), bounds=(low, high))
    for frame in ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), recipe):
        assert float(frame.images.min()) >= -0.2 - 1e-12
        assert float(frame.images.max()) <= 0.1 + 1e-12
    assert torch.allclose(frame.images, torch.where(weight > 0, high, low))


def test_a_penalty_pulls_to_the_ridge() -> None:
    network, weight = linear()
    canvas = Pixels(torch.zeros(1, *SIZE, dtype=torch.float64), plain())
    recipe = Recipe(400, Constant(0.1), penalties=((0.25, lambda x: x.square().flatten(1).sum(1)),))
    last = list(ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), recipe))[-1]
    assert torch.allclose(last.images, weight / 0.5)
    # The value that is shown is the objective's own, without the penalty.
    assert last.values.item() == pytest.approx(network(last.images)[0, 0].item())


def test_what_is_not_finite_ends_the_ascent_and_says_when() -> None:
    def bad(_seen: Seen, images: Tensor) -> Tensor:
        return images.sum((1, 2, 3)) * math.inf

    with pytest.raises(MethodError, match="at step 0"):
        frames(Recipe(3), torch.ones(1, *SIZE, dtype=torch.float64), custom([], bad))


def test_regularizers_are_for_pixels() -> None:
    network, _ = linear()
    canvas = Fourier(SIZE, plain(), [torch.Generator()])
    run = ascend(
        View(network, ["1"], SIZE), canvas, unit("1:0"), Recipe(2, regularizers=(Decay(0.1),))
    )
    with pytest.raises(MethodError, match="pixels"):
        next(run)


def test_a_layer_that_only_compares_is_refused() -> None:
    class Compares(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.conv(x) > 0).to(x.dtype)

    network = striate.load(Compares(), image_size=SIZE)
    canvas = Pixels(torch.zeros(1, *SIZE), plain(torch.float32))
    run = ascend(
        View(network, [network.scores], SIZE), canvas, unit(f"{network.scores}:0"), Recipe(2)
    )
    with pytest.raises(MethodError, match="no gradient"):
        next(run)


def test_the_same_seed_gives_the_same_frames_whatever_the_caller_does_between() -> None:
    network, _ = linear()

    def values(*, meddle: bool) -> np.ndarray:
        canvas = Fourier(SIZE, plain(), [torch.Generator().manual_seed(2)])
        view = View(network, ["1"], SIZE)
        run = ascend(
            view, canvas, unit("1:1"), Recipe(5, transforms=(jitter(1),)),
            generator=torch.Generator().manual_seed(4),
        )  # fmt: skip
        found = []
        for frame in run:
            found.append(frame.values.item())
            if meddle:
                torch.rand(3)
                with torch.no_grad():
                    frame.images.zero_()
        return np.array(found)

    assert np.array_equal(values(meddle=False), values(meddle=True))


def test_it_runs_where_gradients_are_switched_off() -> None:
    network, weight = linear()
    with torch.inference_mode():
        canvas_start = torch.zeros(1, *SIZE, dtype=torch.float64)
    canvas = Pixels(canvas_start.clone(), plain())
    with torch.no_grad():
        run = ascend(View(network, ["1"], SIZE), canvas, unit("1:0"), Recipe(3, Constant(0.5)))
        assert torch.allclose(list(run)[-1].images, weight)
