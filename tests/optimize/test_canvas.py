"""What is optimized stands for every image, and starts as natural images do."""

import math

import pytest
import torch

import striate
from striate.optimize.canvas import Fourier, Pixels, Pyramid, noise, squashed
from striate.optimize.space import Space


def space(channels: int = 3) -> Space:
    shape = (channels, 1, 1)
    mean = torch.tensor([0.48, 0.45, 0.41]).double().view(3, 1, 1)[:channels].expand(shape)
    return Space(mean, torch.full(shape, 0.25).double())


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (6, 5), (1, 4), (5, 1)])
def test_a_spectrum_can_be_any_image(size: tuple[int, int]) -> None:
    canvas = Fourier((1, *size), space(1), generators(1))
    columns = []
    flat = canvas.spectrum.detach().view(-1)
    for k in range(len(flat)):
        with torch.no_grad():
            flat.zero_()
            flat[k] = 1
        columns.append(canvas.plane().detach().flatten())
    assert torch.linalg.matrix_rank(torch.stack(columns)) == math.prod(size)


def test_the_plane_is_linear_in_the_spectrum() -> None:
    canvas = Fourier((3, 6, 7), space(), generators(2))
    before = canvas.plane().detach()
    with torch.no_grad():
        canvas.spectrum.mul_(-2.5)
    assert torch.allclose(canvas.plane(), -2.5 * before)


def test_coarse_waves_are_stronger_by_their_wavelength() -> None:
    size = 64
    canvas = Fourier((1, size, size), space(1), generators(24), decay=1.0)
    power = torch.fft.rfft2(canvas.plane().detach(), norm="ortho").abs().square().mean((0, 1))
    row = power[0, 2 : size // 2]
    frequency = torch.arange(2, size // 2).double()
    x, y = frequency.log(), row.log()
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    assert slope == pytest.approx(-2, abs=0.25)


@pytest.mark.parametrize("kind", [Fourier, Pyramid])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_pixels_between_black_and_white(kind: type, channels: int) -> None:
    canvas = kind((channels, 9, 6), space(channels), generators(2), spread=50.0)
    pixels = space(channels).pixels(canvas.images())
    assert pixels.shape == (2, channels, 9, 6)
    assert pixels.dtype == torch.float64
    assert float(pixels.detach().min()) >= 0
    assert float(pixels.detach().max()) <= 1
    assert all(
        torch.autograd.grad(pixels.sum(), p, retain_graph=True)[0].abs().max() > 0
        for p in canvas.parameters
    )


@pytest.mark.parametrize("kind", [Fourier, Pyramid])
def test_an_image_does_not_depend_on_its_company(kind: type) -> None:
    both = kind((3, 8, 8), space(), generators(2)).images()
    alone = kind((3, 8, 8), space(), generators(2)[1:]).images()
    assert torch.equal(both[1:], alone)


def test_colours_are_decorrelated_by_the_published_matrix() -> None:
    plane = torch.zeros(1, 3, 1, 1).double()
    plane[0, 0] = 1.0
    logits = squashed(plane, decorrelated=True).logit().flatten()
    published = torch.tensor([0.26, 0.27, 0.27]).double()
    assert torch.allclose(logits, published / published.norm())


def test_pixels_are_counted_in_bytes_around_the_mean() -> None:
    start = noise((3, 4, 4), space(), generators(1))
    canvas = Pixels(start, space())
    assert torch.allclose(canvas.images(), start)
    with torch.no_grad():
        canvas.values.fill_(0)
    assert torch.allclose(space().pixels(canvas.images()), space().mean.expand(1, 3, 4, 4))
    lowest, highest = space().bounds
    assert torch.allclose(
        space().pixels(space().from_bytes(lowest[None])), torch.zeros(1, 3, 1, 1).double()
    )
    assert torch.allclose(
        space().pixels(space().from_bytes(highest[None])), torch.ones(1, 3, 1, 1).double()
    )


def test_noise_has_ten_bytes() -> None:
    values = space().to_bytes(noise((3, 64, 64), space(), generators(2)))
    assert values.std().item() == pytest.approx(10, rel=0.05)


def test_a_network_says_how_it_counts() -> None:
    module = torch.nn.Conv2d(3, 2, 1)
    told = striate.load(module, resize=8, crop=8, mean=(0.5, 0.4, 0.3), std=(0.2,))
    assert Space.of(told).mean.flatten().tolist() == pytest.approx([0.5, 0.4, 0.3])
    assert Space.of(told).std.flatten().tolist() == pytest.approx([0.2] * 3)
    images = torch.rand(2, 3, 4, 4)
    assert torch.allclose(Space.of(told).network(Space.of(told).pixels(images)), images, atol=1e-6)
    assert torch.equal(Space.of(told).as_network().from_bytes(images), images)
