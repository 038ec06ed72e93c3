"""What keeps a made image natural.

*Penalties* are differentiable values, one for each image, to be subtracted from an objective; their
derivative is written out, which costs half of what autograd's does. *Regularizers* change the image
after a step, as in Yosinski et al.; their order matters.

Source:
    Mahendran & Vedaldi, "Understanding Deep Image Representations by Inverting Them", CVPR 2015,
    section 3 (alpha-norm, total variation); Yosinski et al., "Understanding Neural Networks Through
    Deep Visualization", ICML DL workshop 2015, section 3 (decay, blur, clippings) and the code of
    the Deep Visualization Toolbox, ``optimize/gradient_optimizer.py``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from striate.optimize.known import known
from striate.shapes import Images

Penalty = Callable[[Images], Tensor]
"""From images to one value for each."""


def total_variation(images: Images, beta: float = 2.0, *, floor: float = 1e-6) -> Tensor:
    """Return how much neighbouring values differ.

        TV = sum ((right - here)^2 + (below - here)^2)^(beta / 2)

    for each channel, the last row and column repeated.

    Args:
        images: In any space.
        beta: Its exponent; below 2 its derivative is singular where nothing differs.
        floor: Squared differences count as no less in the derivative when beta is below 2.

    Returns:
        One value for each image.

    Example:
        >>> step = torch.zeros(1, 1, 4, 6)
        >>> step[..., 3:] = 2.0
        >>> total_variation(step, 1.0), total_variation(step, 2.0)
        (tensor([8.]), tensor([16.]))
    """
    with torch.no_grad():
        across, down = images.diff(dim=3), images.diff(dim=2)
        if beta == 2:
            value = sum(torch.linalg.vector_norm(d, dim=(1, 2, 3)).square() for d in (across, down))
            slope = 2.0
        else:
            squares = torch.zeros_like(images)
            squares[..., :-1] += across.square()
            squares[..., :-1, :] += down.square()
            value = squares.pow(beta / 2).flatten(1).sum(1)
            slopes = beta * squares.clamp(min=floor).pow(beta / 2 - 1)
            across, down = across * slopes[..., :-1], down * slopes[..., :-1, :]
            slope = 1.0
        derivative = torch.zeros_like(images)
        derivative[..., 1:].add_(across, alpha=slope)
        derivative[..., :-1].sub_(across, alpha=slope)
        derivative[..., 1:, :].add_(down, alpha=slope)
        derivative[..., :-1, :].sub_(down, alpha=slope)
    return known(images, value, derivative)


def alpha_norm(images: Images, alpha: float = 6.0, *, colours: bool = False) -> Tensor:
    """Return the sum of values to a power.

    Args:
        images: In any space.
        alpha: The power, 2 or more.
        colours: Take the length of each pixel's colour (IJCV 2016), not each value (CVPR 2015).

    Returns:
        One value for each image.

    Example:
        >>> alpha_norm(torch.full((1, 3, 1, 1), 2.0), 2.0)
        tensor([12.])
    """
    with torch.no_grad():
        squares = images.square()
        if colours:
            squares = squares.sum(1, keepdim=True)
        share = squares.pow_(alpha / 2 - 1)
        share = share * images if colours else share.mul_(images)
        value = torch.linalg.vecdot(share.flatten(1), images.flatten(1))
    return known(images, value, share, alpha)


@runtime_checkable
class Regularizer(Protocol):
    """What changes the image after a step."""

    def __call__(self, images: Images, gradient: Images, step: int, /) -> Images:
        """Return the changed images.

        Args:
            images: After the step, in bytes around the mean.
            gradient: Of the objective by ``images`` before the step.
            step: Its number, from 0.
        """
        ...


@dataclass(frozen=True, slots=True)
class Decay:
    """``(1 - share) x``: L2 decay."""

    share: float

    def __call__(self, images: Images, _gradient: Images, _step: int, /) -> Images:
        """Shrink all values."""
        return images * (1 - self.share)


@dataclass(frozen=True, slots=True)
class Blur:
    """A Gaussian blur every few steps, the first one included.

    Attributes:
        width: Standard deviation in pixels.
        every: Steps between two blurs.
    """

    width: float
    every: int = 1

    def __call__(self, images: Images, _gradient: Images, step: int, /) -> Images:
        """Blur each channel."""
        return gaussian_blur(images, self.width) if step % self.every == 0 else images


@dataclass(frozen=True, slots=True)
class ClipNorm:
    """Pixels whose colour is shorter than a percentile of the image's become 0 (the mean)."""

    percentile: float

    def __call__(self, images: Images, _gradient: Images, _step: int, /) -> Images:
        """Clip pixels of small norm."""
        return _clipped(images, images.norm(dim=1), self.percentile)


@dataclass(frozen=True, slots=True)
class ClipContribution:
    """Pixels that matter less to the objective than a percentile of the image's become 0.

    A pixel matters by ``|sum_c x_c g_c|``, with the gradient from before the step.
    """

    percentile: float

    def __call__(self, images: Images, gradient: Images, _step: int, /) -> Images:
        """Clip pixels of small contribution."""
        return _clipped(images, (images * gradient).sum(1).abs(), self.percentile)


def _clipped(images: Images, weight: Tensor, percentile: float) -> Images:
    bound = torch.quantile(weight.flatten(1), percentile / 100, dim=1)[:, None, None]
    return images.masked_fill((weight < bound)[:, None], 0)


@dataclass(frozen=True, slots=True)
class Ball:
    """Each image on a sphere around the mean: Erhan et al.'s constraint.

    Attributes:
        size: Root of the mean square of an image's values, as the canvas counts them; the radius is
            this times the root of their number.
    """

    size: float

    def __call__(self, images: Images, _gradient: Images, _step: int, /) -> Images:
        """Bring each image to the sphere."""
        size = images.flatten(1).square().mean(1).sqrt().clamp(min=1e-12)
        return images * (self.size / size)[:, None, None, None]


@dataclass(frozen=True, slots=True)
class ClipColour:
    """No pixel's colour is longer than a bound (IJCV 2016, by projection after each step)."""

    bound: float

    def __call__(self, images: Images, _gradient: Images, _step: int, /) -> Images:
        """Shorten colours that are too long."""
        norm = images.norm(dim=1, keepdim=True)
        factor: Tensor = (self.bound / norm.clamp(min=1e-12)).clamp(max=1)
        return images * factor


def gaussian_blur(images: Images, width: float) -> Images:
    """Blur each channel; the border is reflected, its pixels repeated.

    Equal to ``scipy.ndimage.gaussian_filter`` with its defaults.

    Args:
        images: In any space.
        width: Standard deviation in pixels.

    Returns:
        Images of the same shape.
    """
    radius = int(4 * width + 0.5)
    if radius == 0:
        return images
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(places.square() / (-2 * width * width))
    kernel = (kernel / kernel.sum()).to(images)
    channels = images.shape[1]
    for dim in (2, 3):
        padded = images.index_select(dim, _reflected(images.shape[dim], radius, images.device))
        shape = (channels, 1, -1, 1) if dim == 2 else (channels, 1, 1, -1)
        weight = kernel.view(*[1, 1, -1, 1] if dim == 2 else [1, 1, 1, -1]).expand(shape)
        images = functional.conv2d(padded, weight, groups=channels)
    return images


def _reflected(length: int, radius: int, device: torch.device) -> Tensor:
    """Return which row stands at each place of a reflected border: d c b a | a b c d | d c b a."""
    places = torch.arange(-radius, length + radius, device=device) % (2 * length)
    return torch.where(places < length, places, 2 * length - 1 - places)
