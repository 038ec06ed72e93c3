"""Transforms change all images of a batch alike, keep what they say, and repeat with the seed."""

import pytest
import torch

from striate.optimize.transform import affine, chain, colour, crop, jitter, pad


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.fixture
def images() -> torch.Tensor:
    one = torch.rand(1, 3, 12, 9, generator=generator()).double()
    return torch.cat([one, one])


def test_jitter_rolls_and_can_be_undone(images: torch.Tensor) -> None:
    shifts = set()
    source = generator()
    for _ in range(60):
        rolled = jitter(2)(images, source)
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(rolled.roll((-dy, -dx), (2, 3)), images)
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) > 15


def test_crops_come_from_all_places(images: torch.Tensor) -> None:
    source, tops = generator(), set()
    for _ in range(40):
        cut = crop(2)(images, source)
        assert cut.shape == (2, 3, 10, 7)
        tops |= {t for t in range(3) if any(
            torch.equal(cut, images[:, :, t : t + 10, s : s + 7]) for s in range(3)
        )}  # fmt: skip
    assert tops == {0, 1, 2}


def test_padding_is_the_mean(images: torch.Tensor) -> None:
    padded = pad(2)(images, generator())
    assert padded.shape == (2, 3, 16, 13)
    assert torch.equal(padded[:, :, 2:-2, 2:-2], images)
    assert float(padded[:, :, :2].abs().max()) == 0


def test_a_quarter_turn_and_no_change(images: torch.Tensor) -> None:
    assert torch.allclose(affine([1.0], [0.0])(images, generator()), images)
    square = images[:, :, :9]
    turned = affine([1.0], [90.0])(square, generator())
    ways = [torch.rot90(square, k, (2, 3)) for k in (1, 3)]
    assert any(torch.allclose(turned, way, atol=1e-9) for way in ways)


def test_scaling_by_two_shows_the_middle_twice_as_large() -> None:
    image = torch.zeros(1, 1, 16, 16).double()
    image[..., 6:10, 6:10] = 1
    assert affine([2.0], [0.0])(image, generator()).sum().item() == pytest.approx(64, rel=0.15)
    tall = torch.zeros(1, 1, 32, 16).double()
    tall[..., 12:20, 6:10] = 1
    turned = affine([1.0], [90.0])(tall, generator())
    inside = turned[0, 0] > 0.5
    rows, columns = inside.any(1).sum().item(), inside.any(0).sum().item()
    assert (rows, columns) == (4, 8), "turning a picture that is no square does not stretch it"


@pytest.mark.parametrize(
    "transform", [jitter(2), crop(3), pad(1), affine([0.9, 1.1], [-5.0, 5.0]), colour(0.5)]
)
def test_a_batch_changes_alike_and_again_with_the_seed(
    transform: object, images: torch.Tensor
) -> None:
    changed = chain([transform])(images, generator())  # type: ignore[list-item]
    assert torch.equal(changed[0], changed[1])
    assert torch.equal(chain([transform])(images, generator()), changed)  # type: ignore[list-item]
    leaf = images.clone().requires_grad_()
    assert torch.autograd.grad(chain([transform])(leaf, generator()).sum(), leaf)[0].abs().sum() > 0  # type: ignore[list-item]
