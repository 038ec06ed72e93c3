"""Restarts of an inversion: none depends on its company, each keeps its best."""

import weakref
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

import striate
from methods.inversion_building import (
    SIZE,
    STD,
    in_bytes,
    linear,
    noise,
    own,
    picture,
    with_slack,
)
from striate.methods.inversion import Inversion, finished, inversion_frames
from striate.network.network import Network
from striate.optimize import invert
from striate.optimize.ascend import DivergedError
from striate.optimize.invert import InversionFrame
from striate.optimize.preimage import Phase, Settings, settings_named
from striate.optimize.prior import alpha_norm
from striate.optimize.update import Constant, Momentum


def told_apart(seed: int) -> float:
    """How far from the mean each start is: with the prior of `uneven`, farther ones diverge."""
    return {2: 20.0, 3: 90.0, 4: 20.0, 5: 150.0, 6: 90.0}[seed]


def uneven_noise(size: tuple[int, int, int], generators: list[torch.Generator]) -> Tensor:
    return torch.stack([
        told_apart(g.initial_seed()) / 50 * one
        for g, one in zip(generators, noise(size, generators), strict=True)
    ])


def uneven(network: Network) -> Settings:
    """Settings that diverge from some starts, from some of these only when halved twice."""
    del network
    steps = Phase(30, Momentum(((1.0, 30),), keep=0.5), ((2e-9, partial(alpha_norm, alpha=6.0)),))
    return own(steps, 500.0, uneven_noise)


def jittered(network: Network) -> Settings:
    plan = settings_named("ijcv2016", network, "1", SIZE, weight=20.0, steps=21)
    return with_slack(plan, 3)


def published(network: Network) -> Settings:
    return settings_named("cvpr2015", network, "1", SIZE, steps=20)


@pytest.mark.parametrize("plan", [published, jittered, uneven])
@pytest.mark.parametrize("together", [1, 2, 5])
def test_a_restart_does_not_depend_on_its_company(
    monkeypatch: pytest.MonkeyPatch, plan: Callable[[Network], Settings], together: int
) -> None:
    network, _ = linear(20)
    alone = [made(network, plan(network), seed=2 + k) for k in range(5)]
    monkeypatch.setattr("striate.optimize.view.View.batch", lambda _, most: min(most, together))
    found = made(network, plan(network), seed=2, restarts=5)
    for k in range(5):
        one, wanted = found.restarts[k], alone[k].best
        assert torch.allclose(one.preimage, wanted.preimage, atol=1e-10)
        assert one.error == pytest.approx(wanted.error)
        assert (one.seed, one.slowed) == (2 + k, wanted.slowed)
    assert not torch.allclose(alone[0].image, alone[1].image)
    best = min(found.restarts, key=lambda one: one.energy)
    assert (found.error, found.slowed, found.seed) == (best.error, best.slowed, 2)
    if plan is uneven:
        slowed = [one.best.slowed for one in alone]
        assert slowed[0] == slowed[2] == 1
        assert 1 > slowed[1] > slowed[3], "some are to be slower than others"


def made(network: Network, settings: Settings, **knobs: int) -> Inversion:
    return striate.inversion(network, picture(), "1", preset=settings, **knobs)


def test_steps_are_counted_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = linear(20)
    monkeypatch.setattr("striate.optimize.view.View.batch", lambda _, most: min(most, 2))
    frames = list(
        inversion_frames(network, picture(), "1", preset=published(network), restarts=3, seed=2)
    )
    assert [(frame.step, frame.steps, frame.seeds) for frame in frames[20:22]] == [
        (20, 40, (2, 3)),
        (20, 40, (2, 3, 4)),
    ]
    assert (frames[-1].step, frames[-1].steps) == (40, 40)


def test_those_that_go_on_slower_are_counted_when_they_are_known() -> None:
    network, _ = linear(20)
    frames = list(
        inversion_frames(network, picture(), "1", preset=uneven(network), restarts=3, seed=2)
    )
    assert (frames[0].step, frames[0].steps, frames[0].seeds) == (0, 30, (2, 3, 4))
    last = frames[-1]
    assert (last.step, last.steps, last.seeds) == (60, 60, (2, 3, 4))
    assert last.slowed == (1.0, finished(last).restarts[1].slowed, 1.0)
    assert last.slowed[1] < 1
    halfway = next(frame for frame in frames if (frame.step, frame.steps) == (30, 60))
    assert halfway.seeds == (2, 4), "the one that diverged has not begun again"
    assert [one.seed for one in finished(halfway).restarts] == [2, 4]


def test_one_that_is_infinite_at_once_is_told_from_the_others() -> None:
    network, _ = linear(20)

    def start(size: tuple[int, int, int], generators: list[torch.Generator]) -> Tensor:
        images = noise(size, generators)
        images[0] *= 1e8
        return images

    steps = Phase(5, Constant(1.0), ((1.0, partial(alpha_norm, alpha=60.0)),))
    settings = own(steps, 500.0, start)
    with pytest.raises(DivergedError, match="objective became -inf") as error:
        made(network, settings, restarts=2)
    assert error.value.images == (0,)


def test_only_the_last_frame_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    network, _ = linear(20)
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0

    def watched(*args: object, **kwargs: object) -> Iterator[InversionFrame]:
        nonlocal most
        for frame in invert.descend(*args, **kwargs):  # type: ignore[arg-type]
            alive.add(frame.losses)
            most = max(most, len(alive))
            yield frame

    monkeypatch.setattr("striate.methods.inversion.descend", watched)
    striate.inversion(network, picture(), "1", steps=12)
    assert 0 < most <= 3
    most = 0
    striate.caricature(network, picture(), "1", steps=12)
    assert 0 < most <= 3


def test_the_best_image_is_kept_when_steps_overshoot() -> None:
    network, _ = linear(20)
    image = picture()
    phase = Phase(30, Momentum(((1.0, 30),)))
    settings = own(phase, 0.4 * (255 * STD) ** 2 * 500, noise)
    frames = list(inversion_frames(network, image, "1", preset=settings))
    energies = [float(frame.energies) for frame in frames]
    assert energies[-1] > min(energies)
    for k, frame in enumerate(frames):
        assert float(frame.best_energies) == min(energies[: k + 1])
    assert striate.inversion(network, image, "1", preset=settings).error == pytest.approx(
        min(energies)
    )


def test_rates_that_diverge_are_halved() -> None:
    network, _ = linear(60, spread=0.0)
    square = float(np.sum(in_bytes(picture()) ** 2))
    phase = Phase(400, Momentum(((200.0, 400),), keep=0.0))
    frames = list(inversion_frames(network, picture(), "1", preset=own(phase, square / 2, noise)))
    assert sum(frame.step == 0 for frame in frames) == 8
    assert [frame.step for frame in frames[-401:]] == list(range(401))
    assert frames[-1].settings.slowed == 2**-7
    assert float(frames[-1].losses) < 1e-3
    hopeless = own(Phase(400, Constant(200.0)), square / 2, noise)
    with pytest.raises(DivergedError, match="take smaller steps"):
        striate.inversion(network, picture(), "1", preset=hopeless)


def test_gradients_switched_off_by_the_caller_do_not_matter() -> None:
    network, _ = linear(20)
    wanted = striate.inversion(network, picture(), "1", steps=9)
    for off in (torch.no_grad, torch.inference_mode):
        with off():
            found = striate.inversion(network, picture(), "1", steps=9)
        assert torch.equal(found.image, wanted.image)
