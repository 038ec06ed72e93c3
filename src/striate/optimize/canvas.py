"""What is optimized, and the image that it stands for.

* `Pixels`: the image itself, counted in bytes around the mean (see `space`).
* `Fourier`: its spectrum, scaled by one over the frequency, so that a step changes coarse and fine
  structure alike; colours decorrelated; squashed into [0, 1].
* `Pyramid`: a sum of images of falling size, squashed likewise.

Source:
    Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017, and the code of Lucid,
    ``optvis/param/spatial.py`` and ``color.py``.

Differs from the source:
    Lucid starts all images of a batch from one generator; here each image has its own, so that an
    image does not depend on its company.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional

from striate.optimize.space import Space
from striate.shapes import Images

_COLOURS = ((0.26, 0.09, 0.02), (0.27, 0.0, -0.05), (0.27, -0.09, 0.03))
"""Square root of the covariance of ImageNet's colours: rows are red, green, blue."""


@runtime_checkable
class Canvas(Protocol):
    """What is optimized.

    Attributes:
        parameters: The tensors that an ascent changes in place; their first axis counts images.
    """

    parameters: list[Tensor]

    def images(self) -> Images:
        """Return the images in network space, differentiable by the parameters.

        Frames keep them: they must be new tensors, no views of parameters that change in place.
        """
        ...


class Pixels:
    """The image itself.

    Args:
        start: In network space; copied.
        space: Of the network.
    """

    def __init__(self, start: Images, space: Space) -> None:
        self._space = space
        self.values = space.to_bytes(start.detach()).clone().requires_grad_()
        self.parameters = [self.values]

    def images(self) -> Images:
        """Return the images in network space."""
        return self._space.from_bytes(self.values)


class Fourier:
    """The spectrum of an image.

    Args:
        size: (channels, height, width).
        space: Of the network.
        generators: One for each image.
        spread: Standard deviation of the spectrum at the start.
        decay: Power of the frequency that the spectrum is divided by.
        decorrelated: Whether the colours are; three channels only.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        space: Space,
        generators: Sequence[torch.Generator],
        *,
        spread: float = 0.01,
        decay: float = 1.0,
        decorrelated: bool = True,
    ) -> None:
        channels, height, width = size
        like = space.mean
        shape = (channels, height, width // 2 + 1, 2)
        drawn = [torch.randn(shape, generator=g, dtype=torch.float64) for g in generators]
        spectrum = (torch.stack(drawn) * spread).to(like)
        self._scale = _falling(height, width, decay).to(like)[..., None]
        self._size, self._space = size, space
        self._decorrelated = decorrelated and channels == 3
        self.spectrum = spectrum.requires_grad_()
        self.parameters = [self.spectrum]

    def images(self) -> Images:
        """Return the images in network space."""
        return self._space.network(squashed(self.plane(), decorrelated=self._decorrelated))

    def plane(self) -> Images:
        """Return what the spectrum stands for, before colours and squashing."""
        values = torch.view_as_complex(self.spectrum * self._scale)
        plane: Tensor = torch.fft.irfft2(values, s=self._size[1:], norm="ortho") / 4
        return plane


def _falling(height: int, width: int, decay: float) -> Tensor:
    rows = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    columns = torch.fft.rfftfreq(width, dtype=torch.float64)[None]
    frequency = (rows.square() + columns.square()).sqrt()
    # Lucid scales by sqrt(wh) before an inverse transform that divides by wh: norm="ortho" is both.
    scale: Tensor = frequency.clamp(min=1 / max(height, width)) ** -decay
    return scale


class Pyramid:
    """A sum of images, each half the size of the one before, enlarged.

    Args:
        size: (channels, height, width).
        space: Of the network.
        generators: One for each image.
        levels: How many; fewer where the image is small.
        spread: Standard deviation of each level at the start.
        decorrelated: Whether the colours are; three channels only.
    """

    def __init__(
        self,
        size: tuple[int, int, int],
        space: Space,
        generators: Sequence[torch.Generator],
        *,
        levels: int = 4,
        spread: float = 0.1,
        decorrelated: bool = True,
    ) -> None:
        channels, height, width = size
        self._size, self._space = size, space
        self._decorrelated = decorrelated and channels == 3
        self.parameters = []
        for level in range(levels):
            rows, columns = height >> level, width >> level
            if level and min(rows, columns) < 2:
                break
            shape = (channels, max(rows, 1), max(columns, 1))
            drawn = [torch.randn(shape, generator=g, dtype=torch.float64) for g in generators]
            values = (torch.stack(drawn) * spread).to(space.mean)
            self.parameters.append(values.requires_grad_())

    def images(self) -> Images:
        """Return the images in network space."""
        whole = sum(
            functional.interpolate(v, self._size[1:], mode="bilinear", align_corners=False)
            for v in self.parameters
        )
        return self._space.network(squashed(whole, decorrelated=self._decorrelated))  # type: ignore[arg-type]


def squashed(plane: Images, *, decorrelated: bool) -> Images:
    """Bring unbounded values into [0, 1], three colours decorrelated if asked.

    >>> squashed(torch.zeros(1, 3, 1, 1), decorrelated=True).flatten().tolist()
    [0.5, 0.5, 0.5]
    """
    if decorrelated:
        matrix = plane.new_tensor(_COLOURS)
        matrix = matrix / matrix.norm(dim=0).max()
        plane = torch.einsum("nchw,dc->ndhw", plane, matrix)
    return plane.sigmoid()


def noise(
    size: tuple[int, int, int],
    space: Space,
    generators: Sequence[torch.Generator],
    *,
    spread: float = 10.0,
) -> Images:
    """Return normal noise around the mean, the start of Yosinski et al.

    Args:
        size: (channels, height, width).
        space: Of the network.
        generators: One for each image.
        spread: Standard deviation in bytes.

    Returns:
        In network space.
    """
    drawn = [torch.randn(size, generator=g, dtype=torch.float64) for g in generators]
    return space.from_bytes((torch.stack(drawn) * spread).to(space.mean))
