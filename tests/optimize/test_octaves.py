"""Phases on a growing image: the window, its margin, the length of a step, and the schedule."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import striate
from striate.network.network import Network
from striate.optimize import maximize, octaves
from striate.optimize.octaves import CENTRE_BIAS, FROM_MEANS, Phase, Window, through
from striate.optimize.presets import Preset
from striate.optimize.space import Space
from striate.optimize.update import Constant

HUGE = 1e9
"""A weight of nearness with which nothing is denoised."""


def planted(side: int = 20) -> nn.Sequential:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 4)).double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 10)
    return module


def linear(side: int = 20) -> Network:
    return striate.load(planted(side), resize=side, crop=side, mean=(0.5,) * 3, std=(0.25,) * 3)


def run(network: Network, phases: list[Phase], images: int = 1) -> list[octaves.OctaveFrame]:
    preset = Preset("any", 1, Constant(1.0))
    (job,) = maximize.plan(network, ["1:2"] * images, preset, together=images)
    start = torch.zeros((images, *job.size), dtype=torch.float64)
    return list(through(network, job, start, phases, maximize.generators(0, job)))


def in_bytes(network: Network, images: Tensor) -> Tensor:
    return Space.of(network).to_bytes(images)


def test_gradients_are_zero_outside_the_window_and_in_its_margin(seeded: torch.Generator) -> None:
    space = Space.of(linear())
    phase = Phase(1, (1.0, 1.0), (1.0, 1.0), margin=0.25)
    whole = torch.rand((2, 3, 30, 26), generator=seeded, dtype=torch.float64)
    windows = [torch.Generator().manual_seed(k) for k in (5, 6)]
    canvas = Window(whole, space, (20, 16), phase, windows)
    seen = canvas.images()
    for image, (top, left), shown in zip(whole, canvas.corners, seen, strict=True):
        assert torch.allclose(shown, image[:, top : top + 20, left : left + 16])
    (gradient,) = torch.autograd.grad(seen.square().sum(), canvas.parameters)
    for drawn, (top, left) in zip(gradient, canvas.corners, strict=True):
        inside = torch.zeros(30, 26, dtype=torch.bool)
        inside[top + 5 : top + 15, left + 4 : left + 12] = True
        assert (drawn[:, ~inside] == 0).all()
        assert (drawn[:, inside] != 0).all()


def test_windows_lie_around_the_middle_as_far_as_the_phase_says() -> None:
    space, whole = Space.of(linear()), torch.zeros((1, 3, 220, 220), dtype=torch.float64)
    spreads = []
    for share in (0.1, 0.3):
        generator = torch.Generator().manual_seed(0)
        phase = Phase(1, (1.0, 1.0), (1.0, 1.0), window=share)
        canvas = Window(whole, space, (20, 20), phase, [generator])
        places = []
        for _ in range(400):
            canvas.images()
            places += canvas.corners[0]
        rows = torch.tensor(places, dtype=torch.float64)
        assert 0 <= rows.min() <= rows.max() <= 200
        assert rows.mean() == pytest.approx(100, abs=6)
        spreads.append(float(rows.std()))
    # A normal distribution of deviation 60, cut at 0 and 200: 56.6 is left of it.
    assert spreads == [pytest.approx(20, rel=0.1), pytest.approx(56.6, rel=0.1)]


def test_a_step_is_as_long_as_the_phase_says() -> None:
    network = linear()
    frames = run(network, [Phase(4, (1.0, 3.0), (HUGE, HUGE))])
    images = [in_bytes(network, frame.middle) for frame in frames]
    moved = [float((b - a).abs().mean()) for a, b in pairwise(images)]
    assert moved == pytest.approx([1.0, 1.5, 2.0, 2.5])
    direction = (images[1] - images[0]).flatten()
    weight = planted()[1].weight.detach()[2]
    assert torch.cosine_similarity(direction, weight, dim=0) > 1 - 1e-9


def test_a_step_with_a_margin_leaves_it_and_is_longer_inside() -> None:
    network = linear()
    frames = run(network, [Phase(1, (2.0, 2.0), (HUGE, HUGE), margin=0.25)])
    moved = in_bytes(network, frames[1].middle - frames[0].middle).abs()
    assert float(moved.mean()) == pytest.approx(2.0)
    outside = moved.clone()
    outside[:, :, 5:15, 5:15] = 0
    assert float(outside.max()) < 1e-9
    assert float(moved[:, :, 5:15, 5:15].mean()) == pytest.approx(8.0)


def test_phases_grow_the_image_and_keep_it_between_black_and_white() -> None:
    network = linear()
    phases = [Phase(3, (60.0, 60.0), (1.0, 1.0)), Phase(3, (60.0, 60.0), (1.0, 1.0), scale=1.2)]
    frames = run(network, phases, images=2)
    assert [frame.step for frame in frames] == list(range(8))
    assert {frame.steps for frame in frames} == {8}
    values = [frame.frame.values for frame in frames]
    assert (values[3] > values[0]).all()
    low, high = Space.of(network).bounds
    for frame in frames:
        images = in_bytes(network, frame.frame.images)
        assert frame.middle.shape == frame.frame.images.shape == (2, 3, 20, 20)
        for shown in (images, in_bytes(network, frame.middle)):
            assert (shown >= low - 1e-9).all()
            assert (shown <= high + 1e-9).all()
    assert float(images.max()) == pytest.approx(float(high.max()))


def test_denoising_lowers_the_variation() -> None:
    network = linear()
    rough, smooth = (
        in_bytes(network, run(network, [Phase(5, (9.0, 9.0), (weight, weight))])[-1].middle)
        for weight in (HUGE, 0.05)
    )
    assert smooth.diff(dim=3).abs().mean() < 0.3 * rough.diff(dim=3).abs().mean()


def test_a_probability_s_step_is_that_of_its_logarithm() -> None:
    network = linear()
    first, second = run(network, [Phase(1, (1.0, 1.0), (HUGE, HUGE), probability=True)])
    moved = in_bytes(network, second.middle - first.middle).flatten()
    image = torch.zeros((1, *network.image_size), dtype=torch.float64, requires_grad=True)
    probability = planted()(image).softmax(1)[0, 2]
    (gradient,) = torch.autograd.grad(probability, image)
    assert torch.cosine_similarity(moved, gradient.flatten(), dim=0) > 1 - 1e-9


def test_the_only_score_has_no_probability_and_grows_itself() -> None:
    module = nn.Sequential(nn.Flatten(), planted()[1].requires_grad_(requires_grad=False))
    module.append(nn.Linear(4, 1, bias=False).double())
    network = striate.load(module, image_size=(20, 20))
    (job,) = maximize.plan(network, ["2:0"], Preset("any", 1, Constant(1.0)))
    start = torch.full((1, *job.size), 0.5, dtype=torch.float64)
    phase = Phase(3, (1.0, 1.0), (HUGE, HUGE), probability=True)
    values = [
        float(octave.frame.values)
        for octave in through(network, job, start, [phase], maximize.generators(0, job))
    ]
    assert all(before < after for before, after in pairwise(values))


@pytest.mark.parametrize("phases", [FROM_MEANS, CENTRE_BIAS])
def test_schedules_in_proportion(phases: tuple[Phase, ...]) -> None:
    assert octaves.shortened(phases, None) == phases
    few = octaves.shortened(phases, 53)
    assert abs(sum(phase.steps for phase in few) - 53) <= len(phases)
    assert min(phase.steps for phase in few) >= 1
    for phase, short in zip(phases, few, strict=True):
        assert phase.at(0) == short.at(0) == (phase.step[0], phase.weight[0])
        assert phase.at(phase.steps) == pytest.approx((phase.step[1], phase.weight[1]))
