"""Inversion against closed forms and the papers retold in numpy."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

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
from oracles import inverting
from striate.methods.inversion import feature_spread, group, inversion_frames, neighbourhood
from striate.network.network import Network
from striate.optimize.invert import InversionFrame
from striate.optimize.preimage import Phase, settings_named
from striate.optimize.prior import alpha_norm
from striate.optimize.update import Constant, Momentum

# --- closed forms --------------------------------------------------------------------------------


def test_an_orthogonal_layer_is_inverted_exactly() -> None:
    network, _ = linear(60, spread=0.0)
    image = picture()
    square = float(np.sum(in_bytes(image) ** 2))
    found = striate.inversion(
        network, image, "1", preset=own(Phase(1, Constant(1.0)), square / 2, noise)
    )
    assert torch.allclose(found.best.preimage, image, atol=1e-12)
    assert torch.allclose(found.image, image * STD + 0.5, atol=1e-12)
    assert found.error < 1e-24
    assert found.image_error < 1e-12
    assert found.best.similarity == pytest.approx(1)


def test_a_wide_layer_from_zero_gives_the_moore_penrose_solution() -> None:
    network, matrix = linear(20)
    image = picture()
    target = matrix @ in_bytes(image).ravel()
    phase = Phase(600, Momentum(((1.0, 600),)))
    scale = float(np.sum(target**2)) * (255 * STD) ** 2 / 8
    found = striate.inversion(network, image, "1", preset=own(phase, scale))
    wanted = np.linalg.pinv(matrix) @ target
    assert np.allclose(in_bytes(found.best.preimage).ravel(), wanted, rtol=0, atol=1e-8)
    assert found.error < 1e-18
    assert found.target_square == pytest.approx(np.sum(target**2))
    away = np.linalg.norm(wanted - in_bytes(image).ravel())
    assert found.image_error == pytest.approx(away / np.linalg.norm(in_bytes(image)), rel=1e-3)


def test_an_l2_prior_gives_the_ridge_solution_from_any_start() -> None:
    network, matrix = linear(20)
    image = picture()
    target = matrix @ in_bytes(image).ravel()
    scale, weight = 5000.0, 0.02
    phase = Phase(1500, Momentum(((1.0, 1500),)), ((weight, lambda x: alpha_norm(x, 2.0)),))
    found = striate.inversion(
        network, image, "1", preset=own(phase, scale, noise), restarts=2, seed=3
    )
    factor = scale / np.sum(target**2)
    wanted = np.linalg.solve(
        factor * matrix.T @ matrix + weight * np.eye(60), factor * matrix.T @ target
    )
    error = np.sum((matrix @ wanted - target) ** 2) / np.sum(target**2)
    energy = error + weight * np.sum(wanted**2) / scale
    for one in found.restarts:
        assert np.allclose(in_bytes(one.preimage).ravel(), wanted, rtol=0, atol=1e-5)
        assert one.error == pytest.approx(error)
        assert one.root_error == pytest.approx(np.sqrt(error))
        assert one.energy == pytest.approx(energy)


def test_what_a_layer_throws_away_comes_out_otherwise() -> None:
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    network = striate.load(module.double(), image_size=(6, 6), mean=(0.5,), std=(STD,))
    image = picture((3, 6, 6)).float() + torch.tensor([1.0, -0.5, 0.2])[:, None, None]
    found = striate.inversion(network, image, "0", preset="cvpr2015", weight=1.0)
    assert found.error < 1e-4
    assert found.image_error > 0.5


# --- the papers ----------------------------------------------------------------------------------


def test_cvpr_2015_is_the_authors_descent() -> None:
    network, matrix = linear(20)
    image, generator = picture(), torch.Generator().manual_seed(8)
    start = torch.randn(SIZE, generator=generator, dtype=torch.float64).numpy()
    start *= 27098.116 * np.sqrt(60 / (3 * 227**2)) / np.linalg.norm(start)
    target = matrix @ in_bytes(image).ravel()
    told = list(inverting.cvpr2015(matrix, target, start, 10.0, [10, 20, 10]))
    frames = list(inversion_frames(network, image, "1", seed=8, steps=40, weight=10.0))
    assert [frame.step for frame in frames] == list(range(41))
    for frame, (x, error, energy) in zip(frames, told, strict=True):
        assert np.allclose(in_bytes(frame.images[0]), x, rtol=1e-9, atol=1e-9)
        assert float(frame.losses) == pytest.approx(error, rel=1e-9)
        assert float(frame.energies) == pytest.approx(energy, rel=1e-9)
    best = min(told, key=lambda one: one[2])
    found = striate.inversion(network, image, "1", seed=8, steps=40, weight=10.0)
    assert np.allclose(in_bytes(found.best.preimage), best[0])
    assert found.error == pytest.approx(best[1])
    assert (found.steps, found.seed, found.weight, found.slowed) == (40, 8, 10.0, 1.0)


def test_cvpr_2015_has_the_published_schedules() -> None:
    network, _ = linear(20)
    assert settings_named("cvpr2015", network, "1", SIZE).phases[0].update == Momentum((
        (0.004, 100),
        (0.0004, 200),
        (0.00004, 100),
    ))
    shallow = settings_named("cvpr2015-shallow", network, "1", SIZE)
    assert shallow.steps == 800
    assert shallow.weight == 1
    ijcv = settings_named("ijcv2016", network, "1", SIZE)
    assert [phase.steps for phase in ijcv.phases] == [300, 50]


@pytest.mark.parametrize("slack", [0, 3])
def test_ijcv_2016_is_the_authors_descent(slack: int) -> None:
    network, matrix = linear(20)
    image, generator = picture(), torch.Generator().manual_seed(4)
    settings = settings_named("ijcv2016", network, "1", SIZE, weight=20.0, steps=21)
    if slack:
        settings = with_slack(settings, slack)
    sides = SIZE[0], SIZE[1] + slack, SIZE[2] + slack
    start = (2 * torch.rand(sides, generator=generator, dtype=torch.float64) - 1).numpy()
    start *= 80 / np.sqrt(3) / np.quantile(start, 0.95)
    jitter = torch.Generator().manual_seed(4)

    def offset() -> tuple[int, int]:
        return tuple(int(torch.randint(slack + 1, (), generator=jitter)) for _ in range(2))

    target = matrix @ in_bytes(image).ravel()
    told = inverting.ijcv2016(matrix, target, start, 20.0, (18, 3), offset, slack)
    frames = list(inversion_frames(network, image, "1", preset=settings, seed=4))
    for frame, canvas in zip(frames, told, strict=True):
        seen = slack if canvas.shape[1] > SIZE[1] else 0
        first = seen // 2
        middle = canvas[:, first : first + SIZE[1], first : first + SIZE[2]]
        assert np.allclose(in_bytes(frame.images[0]), middle, rtol=1e-9, atol=1e-9)
        if seen:
            assert torch.equal(frame.best, frame.images), "energies under jitter do not compare"


def test_no_colour_is_longer_than_the_bound_at_any_step() -> None:
    network, _ = linear(60, spread=0.0)
    frames = inversion_frames(network, 3 * picture(), "1", preset="ijcv2016", weight=1e6)
    lengths = [np.linalg.norm(in_bytes(frame.images[0]), axis=0).max() for frame in frames]
    assert max(lengths) <= 160 * (1 + 1e-12)
    assert lengths[-1] == pytest.approx(160)


def test_jitter_is_a_quarter_of_the_stride() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=4), nn.Conv2d(4, 4, 3, stride=3), nn.Flatten(), nn.Linear(36, 2)
    )
    network = striate.load(module, image_size=(3, 36, 36))
    first = [settings_named("ijcv2016", network, name, (3, 36, 36)).phases[0] for name in "013"]
    assert [phase.slack for phase in first] == [0, 2, 2]
    assert first[1].penalties[0][0] == pytest.approx((6.5 / 80) ** 2 / 38**2)


def test_the_weight_goes_by_depth_as_in_the_papers_network_of_20_layers() -> None:
    module = nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(20)])
    network = striate.load(module, image_size=SIZE)
    cvpr = [settings_named("cvpr2015", network, str(k), SIZE).weight for k in range(20)]
    assert cvpr == [1.0] * 6 + [10.0] * 6 + [100.0] * 8
    ijcv = [settings_named("ijcv2016", network, str(k), SIZE).weight for k in range(20)]
    assert ijcv == [300.0] * 6 + [100.0] * 6 + [20.0] * 8


def test_the_error_of_another_image_is_n_over_n_minus_1_relative_to_the_spread() -> None:
    network, matrix = linear(20)
    count = 7
    images = torch.stack([picture() * (k + 1) + k % 3 for k in range(count)])
    flat = np.stack([matrix @ in_bytes(image).ravel() for image in images])
    spread = feature_spread(network, images, "1")
    others = [np.sum((a - b) ** 2) for a, b in itertools.permutations(flat, 2)]
    assert np.mean(others) / spread == pytest.approx(count / (count - 1))
    found = striate.inversion(network, images[1], "1", steps=3)
    error = found.error * np.sum(flat[1] ** 2)
    assert found.relative_to(spread) == pytest.approx(error / spread)
    assert feature_spread(network, images.float(), "1") == pytest.approx(spread, rel=1e-6)


# --- what else is promised -----------------------------------------------------------------------


def grouped() -> Network:
    conv = nn.Conv2d(2, 4, 3, groups=2).double()
    nn.init.normal_(conv.weight, generator=torch.Generator().manual_seed(1))
    return striate.load(conv, image_size=(2, 9, 9), mean=(0.5,), std=(STD,))


@pytest.mark.parametrize("loss", ["l2", "inner"])
def test_a_mask_counts_only_its_neurons(loss) -> None:
    network = grouped()
    image = picture((2, 9, 9))
    mask = group(network, "output", [0, 1]) * neighbourhood(network, "output", 3)
    assert mask.shape == (4, 7, 7)
    assert mask.nonzero()[:, 1:].unique().tolist() == [2, 3, 4]
    frames: list[InversionFrame] = list(
        inversion_frames(
            network, image, "output", mask=mask, loss=loss,
            preset=own(Phase(3, Constant(10.0)), 500.0, noise),
        )
    )  # fmt: skip
    moved = (frames[-1].images - frames[0].images)[0].abs() > 0
    assert not moved[1].any(), "the second group sees the second channel"
    rows, columns = moved[0].nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)
    maps = network.record(torch.stack([image, frames[-1].images[0]]), ["output"])["output"] * mask
    if loss == "l2":
        wanted = (maps[1] - maps[0]).square().sum() / maps[0].square().sum()
    else:
        wanted = -(maps[1] * maps[0]).sum() / maps[0].square().sum()
    assert float(frames[-1].losses) == pytest.approx(float(wanted))


def test_a_caricature_is_stronger_in_what_was_positive() -> None:
    network, matrix = linear(20)
    image = picture()
    target = np.maximum(matrix @ in_bytes(image).ravel(), 0)
    found = striate.caricature(network, image, "1", weight=300.0, steps=60)
    assert (found.loss, found.steps, found.preset) == ("inner", 60, "ijcv2016-caricature")
    assert found.target_square == pytest.approx(np.sum(target**2))
    shown = in_bytes(found.image - 0.5) / STD
    similarity = np.sum((matrix @ shown.ravel()) * target) / np.sum(target**2)
    assert found.best.similarity == pytest.approx(similarity)
    first = striate.caricature(network, image, "1", weight=300.0, steps=1)
    assert 0.9 < first.best.similarity < found.best.similarity
    assert found.best.similarity > 1.2


def test_mid_grey_stands_for_a_mean_that_a_network_does_not_subtract() -> None:
    network = striate.load(nn.Sequential(nn.Conv2d(3, 4, 1)).double(), image_size=(40, 40))
    first = next(inversion_frames(network, torch.rand(3, 40, 40).double(), "0"))
    assert first.images.mean().item() == pytest.approx(0.5, abs=0.02)
    assert first.images.std().item() == pytest.approx(27098.116 / 227 / 3**0.5 / 255, rel=0.01)
    space = first.goal.space
    assert torch.allclose(space.to_bytes(first.images), 255 * (first.images - 0.5))
    assert torch.allclose(space.from_bytes(space.to_bytes(first.images)), first.images)
    assert [bound.unique().item() for bound in space.bounds] == [-127.5, 127.5]
