"""Small random changes that a made image must survive: they keep it from overfitting pixels.

All images of a batch are changed alike at a step, so that an image does not depend on its company.
Each transform takes images in network space, and a generator; zero, the mean, is padded with.

Source:
    Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017, and the code of Lucid,
    ``optvis/transform.py``.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from striate.shapes import Images

Transform = Callable[[Tensor, torch.Generator], Tensor]
"""The size of the images may change."""


def _below(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def jitter(pixels: int) -> Transform:
    """Roll by up to so many pixels, up or down and to either side; none is lost."""

    def function(images: Images, generator: torch.Generator) -> Images:
        shifts = [_below(2 * pixels + 1, generator) - pixels for _ in range(2)]
        return images.roll(shifts, (2, 3))

    return function


def crop(pixels: int) -> Transform:
    """Cut so many pixels off, at random shares from either side (Lucid's jitter)."""

    def function(images: Images, generator: torch.Generator) -> Tensor:
        top, left = _below(pixels + 1, generator), _below(pixels + 1, generator)
        height, width = images.shape[2] - pixels, images.shape[3] - pixels
        return images[:, :, top : top + height, left : left + width]

    return function


def pad(pixels: int) -> Transform:
    """Put the mean around."""
    return lambda images, _: functional.pad(images, (pixels,) * 4)


def affine(scales: Sequence[float], degrees: Sequence[float]) -> Transform:
    """Scale and rotate about the centre, by one of each; the size stays."""

    def function(images: Images, generator: torch.Generator) -> Images:
        factor = scales[_below(len(scales), generator)]
        angle = math.radians(degrees[_below(len(degrees), generator)])
        ratio = images.shape[2] / images.shape[3]
        cosine, sine = math.cos(angle) / factor, math.sin(angle) / factor
        rows = [[cosine, -sine * ratio, 0.0], [sine / ratio, cosine, 0.0]]
        matrix = images.new_tensor(rows).expand(len(images), 2, 3)
        grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)

    return function


def colour(spread: float) -> Transform:
    """Add a random value to each channel."""

    def function(images: Images, generator: torch.Generator) -> Images:
        drawn = torch.randn(images.shape[1], generator=generator, dtype=torch.float64)
        return images + (drawn * spread).to(images)[:, None, None]

    return function


def chain(transforms: Sequence[Transform]) -> Transform:
    """Apply transforms one after the other."""

    def function(images: Tensor, generator: torch.Generator) -> Tensor:
        for transform in transforms:
            images = transform(images, generator)
        return images

    return function
