"""Ways to maximize a unit, by name: the published settings, and our own default.

``yosinski-1`` to ``yosinski-4`` are the four settings of Yosinski et al. 2015, Table 1, with the
step sizes of the Deep Visualization Toolbox; ``erhan`` is the norm ball of Erhan et al. 2009;
``simonyan`` the class model of Simonyan et al. 2014; ``modern`` a spectrum under transforms, after
Olah et al. 2017, with fewer steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from striate.errors import MethodError
from striate.optimize import transform
from striate.optimize.ascend import Recipe
from striate.optimize.canvas import Canvas, Fourier, Pixels, Pyramid, noise
from striate.optimize.objective import Place
from striate.optimize.prior import (
    Ball,
    Blur,
    ClipContribution,
    ClipNorm,
    Decay,
    Penalty,
    Regularizer,
)
from striate.optimize.space import Space
from striate.optimize.transform import Transform
from striate.optimize.update import Adam, Constant, MeanStep, Progress, Update
from striate.shapes import Images


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to maximize units.

    Attributes:
        name: What it is called.
        steps: How many.
        update: From gradients to steps.
        canvas: What is optimized.
        counted: Whether pixels are counted in bytes around the mean, or as the network does.
        start: Standard deviation of the noise to start from, as the canvas counts; 0 starts at the
            mean.
        regularizers: In their order; of pixels only.
        penalties: Subtracted, with weights; of pixels, counted as the canvas does.
        bounded: Whether pixels stay between black and white.
        robust: Whether the image must survive small random changes, see `robust`.
        place: Which neuron of a unit with a map is maximized.
        margin: Pixels around a receptive field that is smaller than the image.
        widest: Side of the largest canvas, where a neuron sees more and crops can be made; None for
            no limit.
        redirected: For how many steps dead rectifiers are helped; None for all.
        slope: What the first gradient is scaled to, see `striate.optimize.ascend.Recipe`.
    """

    name: str
    steps: int
    update: Update
    canvas: Literal["pixels", "fourier", "pyramid"] = "pixels"
    counted: Literal["bytes", "network"] = "bytes"
    start: float = 10.0
    regularizers: tuple[Regularizer, ...] = ()
    penalties: tuple[tuple[float, Penalty], ...] = ()
    bounded: bool = True
    robust: bool = False
    place: Place = "centre"
    margin: int = 8
    widest: int | None = None
    redirected: int | None = None
    slope: float | None = None

    def make(
        self,
        size: tuple[int, int, int],
        space: Space,
        generators: Sequence[torch.Generator],
        start: Images | None = None,
    ) -> Canvas:
        """Return a canvas to start from.

        Args:
            size: (channels, height, width).
            space: Of the network.
            generators: One for each image.
            start: Images to start from instead of noise, in network space.

        Raises:
            MethodError: If a canvas that is not of pixels is to start from images, or their shape
                is not the canvas's.
        """
        if start is not None:
            if self.canvas != "pixels" or tuple(start.shape) != (len(generators), *size):
                msg = (
                    f"{self.name} starts on {self.canvas}, {len(generators)} x {size}, not on "
                    f"images of {tuple(start.shape)}; presets of pixels start on images"
                )
                raise MethodError(msg)
            return Pixels(start, self.space(space))
        if self.canvas == "fourier":
            return Fourier(size, space, generators, spread=self.start)
        if self.canvas == "pyramid":
            return Pyramid(size, space, generators, spread=self.start)
        counted = self.space(space)
        return Pixels(noise(size, counted, generators, spread=self.start), counted)

    def space(self, space: Space) -> Space:
        """Return how pixels are counted."""
        return space if self.counted == "bytes" else space.as_network()

    def recipe(self, space: Space, side: int, steps: int | None = None) -> Recipe:
        """Return how to ascend on a canvas of a side in pixels."""
        return Recipe(
            steps=self.steps if steps is None else steps,
            update=self.update,
            penalties=self.penalties,
            regularizers=self.regularizers,
            bounds=space.bounds if self.bounded and self.canvas == "pixels" else None,
            transforms=robust(side) if self.robust else (),
            redirected=self.redirected,
            slope=self.slope,
        )


def _squares(images: torch.Tensor) -> torch.Tensor:
    return images.square().flatten(1).sum(1)


def robust(side: int) -> tuple[Transform, ...]:
    """Return small shifts, scalings and rotations for images of a side in pixels.

    Shifts are a 24th of the side: Lucid's, for 128 pixels, are 4 and 8.
    """
    shift = side // 24
    angles = [*map(float, range(-10, 11)), 0.0, 0.0, 0.0, 0.0, 0.0]
    return (
        transform.pad(shift),
        transform.crop(2 * shift),
        transform.affine([1 + k / 50 for k in range(-5, 6)], angles),
        transform.jitter(shift),
    )


_CAFFENET = 0.06
"""Norm of a gradient on CaffeNet, for which the published step sizes are made.

The toolbox's documentation gives one run: with a rate of 100, the score of a class rises from -1.3
to 8.4 in 27 steps, so a step gains 0.36, and the squared norm of the gradient is 0.0036.
"""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("modern", 256, Adam(0.05), canvas="fourier", start=0.01, robust=True, widest=128),
        Preset("yosinski-1", 500, Progress(100.0), slope=_CAFFENET,
               regularizers=(Blur(0.5, 4), ClipNorm(50.0))),
        Preset("yosinski-2", 750, Constant(100.0), slope=_CAFFENET,
               regularizers=(Decay(0.3), ClipNorm(20.0))),
        Preset("yosinski-3", 1000, Constant(100.0), slope=_CAFFENET,
               regularizers=(Decay(1e-4), Blur(1.0, 4))),
        Preset("yosinski-4", 1000, Progress(1e8), slope=_CAFFENET,
               regularizers=(Blur(0.5, 4), ClipContribution(90.0))),
        Preset("erhan", 200, MeanStep(0.2), counted="network", start=1.0, bounded=False,
               regularizers=(Ball(1.0),)),
        Preset("simonyan", 300, Constant(2e4), start=0.0, slope=_CAFFENET,
               penalties=((2.5e-6, _squares),)),
    )
}  # fmt: skip
"""By name."""


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises:
        MethodError: If there is none of that name.
    """
    if name not in PRESETS:
        msg = f"no preset {name!r}; there are {', '.join(PRESETS)}"
        raise MethodError(msg)
    return PRESETS[name]
