"""Total variation taken out: closed forms, the condition of a minimum, and what never happens."""

import numpy as np
import pytest
import torch
from torch import Tensor

from striate.optimize.denoise import denoised


def cost(images: Tensor, near: Tensor, weight: float) -> float:
    """What is minimized, pixel by pixel."""
    total = 0.0
    for channel, other in zip(images[0].numpy(), near[0].numpy(), strict=True):
        rows, columns = channel.shape
        for r in range(rows):
            for c in range(columns):
                right = channel[r, c + 1] - channel[r, c] if c + 1 < columns else 0.0
                below = channel[r + 1, c] - channel[r, c] if r + 1 < rows else 0.0
                total += float(np.hypot(right, below))
        total += weight / 2 * float(((channel - other) ** 2).sum())
    return total


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("weight", "moved"), [(2.0, 0.125), (0.5, 0.5), (0.05, 1.5)])
def test_an_edge_stays_and_its_sides_come_nearer(axis: int, weight: float, moved: float) -> None:
    step = torch.zeros(1, 2, 8, 8, dtype=torch.float64)
    step.narrow(axis, 4, 4).fill_(3.0)
    found = denoised(step, weight, steps=4000)
    expected = torch.full_like(step, moved)
    expected.narrow(axis, 4, 4).fill_(3.0 - moved)
    # Four rows or columns on each side: each side moves by 1 / (4 weight), until they meet.
    assert torch.allclose(found, expected, atol=1e-3)


def test_it_is_the_minimum(seeded: torch.Generator) -> None:
    """What is minimized is convex: where no direction leads down, nothing lies lower."""
    noisy = torch.rand((1, 1, 3, 4), generator=seeded, dtype=torch.float64)
    found = denoised(noisy, 3.0, steps=20000)
    best = cost(found, noisy, 3.0)
    assert best < cost(noisy, noisy, 3.0) - 0.05
    for length in (1.0, 0.1, 0.01):
        for _ in range(50):
            aside = torch.randn(noisy.shape, generator=seeded, dtype=torch.float64) * length
            assert cost(found + aside, noisy, 3.0) > best
    for pixel in torch.eye(12, dtype=torch.float64).view(12, 1, 1, 3, 4):
        assert cost(found + 0.01 * pixel, noisy, 3.0) > best
        assert cost(found - 0.01 * pixel, noisy, 3.0) > best


def test_few_steps_are_near_the_minimum_where_the_schedule_ends(seeded: torch.Generator) -> None:
    noisy = torch.rand((1, 3, 24, 24), generator=seeded, dtype=torch.float64) * 255
    for weight in (0.4, 2.0):
        near, exact = denoised(noisy, weight), denoised(noisy, weight, steps=3000)
        assert (near - exact).abs().max() < 0.1 * (noisy - exact).abs().mean()


def test_means_stay_and_images_do_not_meet(seeded: torch.Generator) -> None:
    images = torch.rand((2, 3, 9, 7), generator=seeded, dtype=torch.float64) * 100
    found = denoised(images, 0.1)
    assert torch.allclose(found.mean((2, 3)), images.mean((2, 3)))
    assert torch.equal(found[1:], denoised(images[1:], 0.1))
    assert found.std((2, 3)).max() < images.std((2, 3)).min()
