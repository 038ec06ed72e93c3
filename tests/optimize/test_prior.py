"""Penalties against finite differences, regularizers against scipy's and numpy's words."""

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.optimize.prior import (
    Ball,
    Blur,
    ClipColour,
    ClipContribution,
    ClipNorm,
    Decay,
    alpha_norm,
    gaussian_blur,
    total_variation,
)


def drawn(*shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(shape).normal(size=shape) * 3)


def tv_loops(image: np.ndarray, beta: float) -> float:
    total = 0.0
    for channel in image:
        for y in range(channel.shape[0]):
            for x in range(channel.shape[1]):
                right = channel[y, min(x + 1, channel.shape[1] - 1)] - channel[y, x]
                below = channel[min(y + 1, channel.shape[0] - 1), x] - channel[y, x]
                total += (right**2 + below**2) ** (beta / 2)
    return total


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 6), (7, 3)])
def test_total_variation_is_what_the_paper_writes(beta: float, size: tuple[int, int]) -> None:
    images = drawn(2, 3, *size)
    expected = [tv_loops(image.numpy(), beta) for image in images]
    assert torch.allclose(total_variation(images, beta), torch.tensor(expected).double())


def test_a_step_of_two_over_four_rows() -> None:
    step = torch.zeros(1, 1, 4, 6, dtype=torch.float64)
    step[..., 3:] = 2
    assert total_variation(step, 1.0).item() == 8
    assert total_variation(step, 2.0).item() == 16


@pytest.mark.parametrize("beta", [1.0, 2.0, 3.0])
def test_total_variation_has_the_derivative_it_says(beta: float) -> None:
    images = drawn(2, 2, 4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total_variation(x, beta, floor=1e-12), images)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("alpha", [2.0, 6.0])
def test_alpha_norm_has_the_derivative_it_says(alpha: float, colours: bool) -> None:
    images = drawn(2, 3, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: alpha_norm(x, alpha, colours=colours), images)


def test_alpha_norm_of_colours_and_of_values() -> None:
    images = torch.tensor([3.0, 4.0]).double().view(1, 2, 1, 1)
    assert alpha_norm(images, 6.0).item() == pytest.approx(3**6 + 4**6)
    assert alpha_norm(images, 6.0, colours=True).item() == pytest.approx(5**6)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (16, 11)])
@pytest.mark.parametrize("width", [0.3, 1.0, 2.5])
def test_blur_is_a_gaussian_whose_border_is_reflected(size: tuple[int, int], width: float) -> None:
    image = drawn(1, 2, *size)
    radius = int(4 * width + 0.5)
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * width**2))
    kernel /= kernel.sum()
    expected = np.empty(image.shape)
    for c, channel in enumerate(image[0].numpy()):
        padded = np.pad(channel, radius, mode="symmetric")
        rows = np.stack([np.convolve(row, kernel, "valid") for row in padded])
        expected[0, c] = np.stack([np.convolve(col, kernel, "valid") for col in rows.T]).T
    assert np.allclose(gaussian_blur(image, width).numpy(), expected, atol=1e-12)


def test_a_blur_of_no_width_changes_nothing() -> None:
    image = drawn(1, 1, 3, 3)
    assert gaussian_blur(image, 0.1) is image


def test_blur_comes_at_the_first_step_and_every_few() -> None:
    image = drawn(1, 1, 5, 5)
    changed = [
        step for step in range(9) if not torch.equal(Blur(1.0, 4)(image, image, step), image)
    ]
    assert changed == [0, 4, 8]


@pytest.mark.parametrize("percentile", [0.0, 20.0, 50.0, 90.0, 100.0])
def test_small_pixels_are_clipped_below_numpys_percentile(percentile: float) -> None:
    image = drawn(3, 3, 4, 5)
    clipped = ClipNorm(percentile)(image, image, 0)
    for one, found in zip(image, clipped, strict=True):
        norm = np.linalg.norm(one.numpy(), axis=0)
        stays = norm >= np.percentile(norm, percentile)
        assert np.array_equal(found.numpy(), one.numpy() * stays)
        assert stays.sum() == {0.0: 20, 100.0: 1}.get(percentile, stays.sum())


def test_contribution_of_a_linear_unit_is_what_removing_a_pixel_costs() -> None:
    weight, image = drawn(1, 3, 4, 4), drawn(2, 3, 4, 4)[:1]
    cost = torch.empty(4, 4).double()
    for y in range(4):
        for x in range(4):
            removed = image.clone()
            removed[:, :, y, x] = 0
            cost[y, x] = ((image - removed) * weight).sum().abs()
    stays = cost >= np.percentile(cost.numpy(), 75)
    found = ClipContribution(75.0)(image, weight, 0)
    assert torch.equal(found != 0, stays.expand(1, 3, 4, 4))


def test_decay_then_clipping_is_not_clipping_then_decay() -> None:
    # What matters is x g with the g of before: halving x halves all alike, a blur does not.
    image = torch.tensor([[1.0, 0.0, 3.0]]).double().view(1, 1, 1, 3)
    gradient = torch.ones_like(image)
    clip, blur = ClipContribution(60.0), Blur(0.8)
    one = clip(blur(image, gradient, 0), gradient, 0)
    other = blur(clip(image, gradient, 0), gradient, 0)
    assert not torch.allclose(one, other)
    assert torch.equal(Decay(0.5)(image, gradient, 0), image / 2)


def test_balls_and_colours_are_bounded() -> None:
    image = drawn(2, 3, 4, 5) * 100
    sphere = Ball(2.0)(image, image, 0)
    assert torch.allclose(sphere.flatten(1).norm(dim=1), torch.tensor(2 * 60**0.5).double())
    colours = ClipColour(160.0)(image, image, 0)
    assert float(colours.norm(dim=1).max()) <= 160 + 1e-9
    short = image.norm(dim=1) <= 160
    assert torch.equal(colours.movedim(1, -1)[short], image.movedim(1, -1)[short]), (
        "short colours stay as they are"
    )
