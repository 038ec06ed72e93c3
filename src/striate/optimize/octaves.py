"""An ascent in phases, on an image that grows: the schedule of multifaceted visualization.

    x <- denoised(clip(x + step g / mean|g|))

on a window of the network's size, cut out anew at each step; where a phase has a margin, the
gradient outside it is zero, so that what is drawn is drawn in the middle.

Source:
    Nguyen, Yosinski & Clune, "Multifaceted Feature Visualization", ICML visualization workshop
    2016, and the code of https://github.com/Evolving-AI-Lab/mfv (both schedules).

Differs from the source:
    Denoising is `striate.optimize.denoise`. Step and weight go linearly from the first to the last
    value (a misplaced bracket in the code lets the weight end at the sum of both). The image grows
    by bicubic interpolation, not by splines. The margin is the same share of the side on canvases
    of all sizes. A phase for probabilities takes their logarithm: the gradient points the same
    way, and the step does not depend on its length; where a unit is no class score, or the only
    one, it takes the activation. In the first steps dead rectifiers lead on.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from striate.errors import NetworkError
from striate.network.network import Network
from striate.optimize.ascend import REDIRECTED_STEPS, Frame, Recipe, ascend
from striate.optimize.canvas import Pixels
from striate.optimize.denoise import denoised
from striate.optimize.job import Job
from striate.optimize.objective import Objective, Seen, custom, units
from striate.optimize.space import Space
from striate.optimize.update import Step
from striate.shapes import Images

_Sized = Float[Tensor, "images channels _ _"]


@dataclass(frozen=True, slots=True)
class Phase:
    """Some steps of one kind.

    Attributes:
        steps: How many.
        step: Mean change of a value in the window, in bytes, at the first step and behind the last.
        weight: Of nearness when denoising, see `striate.optimize.denoise`; likewise.
        scale: How much larger the image is than in the phase before.
        window: Standard deviation of the window's place around the middle, as a share of the room
            that it has.
        margin: Border of the window that is not drawn in, as a share of its side.
        probability: Whether a class's probability is made large, not its score.
    """

    steps: int
    step: tuple[float, float]
    weight: tuple[float, float]
    scale: float = 1.0
    window: float = 0.3
    margin: float = 0.0
    probability: bool = False

    def at(self, number: int) -> tuple[float, float]:
        """Return step and weight of a step of the phase, from 0.

        >>> Phase(4, (1.0, 2.0), (0.4, 0.4)).at(2)
        (1.5, 0.4)
        """
        share = number / self.steps
        return _between(self.step, share), _between(self.weight, share)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


_MARGIN = 50 / 227
"""The published 50 pixels, on the published network's images."""

FROM_MEANS = (
    Phase(190, (1.0, 2.0), (0.4, 0.4)),
    Phase(150, (1.0, 1.0), (0.01, 2.0), scale=1.2),
    Phase(20, (2.0, 2.0), (0.1, 2.0), window=0.2, margin=_MARGIN),
    Phase(10, (2.0, 2.0), (0.4, 2.0)),
)
"""From the mean of real images."""

CENTRE_BIAS = (
    Phase(190, (11.0, 11.0), (0.001, 0.05), probability=True),
    Phase(150, (6.0, 6.0), (0.01, 0.08), scale=1.2, probability=True),
    Phase(150, (1.0, 1.0), (0.01, 2.0), scale=1.2),
    Phase(30, (3.0, 3.0), (0.1, 2.0), window=0.1, margin=_MARGIN),
    Phase(10, (6.0, 3.0), (0.01, 2.0)),
)
"""From noise, strong smoothing first, so that one thing grows from the middle."""


class Window(Pixels):
    """A part of a larger image, cut out anew at each look.

    Args:
        whole: The larger images, in network space; copied.
        space: Of the network.
        size: (height, width) of the window.
        phase: Says where the window may be, and its margin.
        generators: One for each image, for its place.
    """

    def __init__(
        self,
        whole: Images,
        space: Space,
        size: tuple[int, int],
        phase: Phase,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__(whole, space)
        self._low, self._high = space.bounds
        with torch.no_grad():
            # Enlarging overshoots beside edges.
            self.values.clamp_(self._low, self._high)
        self.size, self._phase, self._generators = size, phase, generators
        self.corners = [(0, 0)] * len(whole)
        height, width = size
        rows, columns = round(phase.margin * height), round(phase.margin * width)
        self._inside = torch.zeros(size, dtype=torch.bool, device=whole.device)
        self._inside[rows : height - rows, columns : width - columns] = True

    def images(self) -> _Sized:
        """Move each window, and return what is in it, in network space; the margin held fast."""
        room = [self.values.shape[axis + 2] - self.size[axis] for axis in (0, 1)]
        self.corners = [
            (_drawn(room[0], self._phase.window, generator),
             _drawn(room[1], self._phase.window, generator))
            for generator in self._generators
        ]  # fmt: skip
        seen = torch.stack([values[:, rows, columns] for values, rows, columns in self._parts()])
        return self._space.from_bytes(torch.where(self._inside, seen, seen.detach()))

    @torch.no_grad()
    def smooth(self, weight: float) -> None:
        """Clip and denoise what is in each window."""
        low, high = self._low, self._high
        seen = torch.stack([values[:, rows, columns] for values, rows, columns in self._parts()])
        smoothed = denoised(seen.clamp(low, high), weight).clamp(low, high)
        for (values, rows, columns), part in zip(self._parts(), smoothed, strict=True):
            values[:, rows, columns] = part

    def _parts(self) -> list[tuple[Tensor, slice, slice]]:
        return [
            (values, slice(top, top + self.size[0]), slice(left, left + self.size[1]))
            for values, (top, left) in zip(self.values, self.corners, strict=True)
        ]


def _drawn(room: int, spread: float, generator: torch.Generator) -> int:
    """Return a place between 0 and ``room``, normally distributed around the middle."""
    number = float(torch.randn((), generator=generator, dtype=torch.float64))
    return int(min(max(room / 2 + number * room * spread, 0), room))


@dataclass(frozen=True, slots=True)
class _Ramp:
    """The phase's step, its length the mean over the window, not over the larger image."""

    phase: Phase
    pixels: int

    def begin(self, parameters: Sequence[Tensor]) -> Step:
        def step(gradients: Sequence[Tensor], number: int) -> None:
            size, _ = self.phase.at(number)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                total = gradient.abs().sum((1, 2, 3), keepdim=True)
                mean = total / (self.pixels * gradient.shape[1])
                parameter.add_(size * gradient / mean.clamp(min=1e-30))

        return step


@dataclass(frozen=True, slots=True)
class _Smooth:
    """The phase's denoising, of the window alone."""

    phase: Phase
    canvas: Window

    def __call__(self, images: Images, _gradient: Images, step: int, /) -> Images:
        self.canvas.smooth(self.phase.at(step)[1])
        return images


@dataclass(frozen=True, slots=True)
class OctaveFrame:
    """The state at one step.

    Attributes:
        step: Its number, from 0, over all phases.
        steps: How many there will be.
        frame: Of the phase: the windows, in network space, and the objective.
        middle: The windows in the middle of the images as they are now, in network space.
    """

    step: int
    steps: int
    frame: Frame
    middle: Images


def through(
    network: Network,
    job: Job,
    start: Images,
    phases: Sequence[Phase],
    generators: Sequence[torch.Generator],
) -> Generator[OctaveFrame, None, None]:
    """Make images from a start, phase after phase.

    Args:
        network: The network.
        job: From `striate.optimize.job.plan`: the units, and the size of the windows.
        start: In network space, of the job's size.
        phases: In their order.
        generators: One for each image.

    Yields:
        A frame for each step, and one behind the last of each phase.

    Raises:
        MethodError: If the layer has no gradient, or the objective stops being finite.
    """
    space, whole, done = Space.of(network), start, 0
    pixels = job.size[1] * job.size[2]
    total = sum(phase.steps + 1 for phase in phases)
    for number, phase in enumerate(phases):
        with torch.inference_mode(mode=False), torch.no_grad():
            canvas = Window(grown(whole, phase.scale), space, job.size[1:], phase, generators)
        objective = _objective(network, job, phase)
        view = job.view(network, list(objective.layers))
        recipe = Recipe(
            phase.steps + 1,
            update=_Ramp(phase, pixels),
            regularizers=(_Smooth(phase, canvas),),
            redirected=0 if number else REDIRECTED_STEPS,
        )
        for frame in ascend(view, canvas, objective, recipe):
            with torch.no_grad():
                whole = space.from_bytes(canvas.values.detach())
                middle = centred(whole, job.size[1:])
            yield OctaveFrame(done, total, frame, middle)
            done += 1


def _objective(network: Network, job: Job, phase: Phase) -> Objective:
    layer, chosen = job.neurons[0].layer, units(job.neurons, job.place)
    if not phase.probability or layer != _scores(network):
        return chosen

    def function(seen: Seen, images: Images) -> Tensor:
        maps = seen[layer]
        # The probability of the only class is 1, whatever the image.
        return chosen({layer: maps.log_softmax(1) if maps.shape[1] > 1 else maps}, images)

    return custom([layer], function, "log-probabilities")


def _scores(network: Network) -> str | None:
    try:
        return network.scores
    except NetworkError:
        return None


def shortened(phases: Sequence[Phase], steps: int | None) -> tuple[Phase, ...]:
    """Return phases of so many steps in all, in proportion and at least one each; None: as is.

    >>> [phase.steps for phase in shortened(FROM_MEANS, 37)]
    [19, 15, 2, 1]
    """
    if steps is None:
        return tuple(phases)
    share = steps / sum(phase.steps for phase in phases)
    return tuple(replace(phase, steps=max(round(phase.steps * share), 1)) for phase in phases)


def grown(images: _Sized, scale: float) -> _Sized:
    """Return images enlarged by a factor, their sides rounded.

    >>> grown(torch.zeros(1, 3, 10, 15), 1.2).shape
    torch.Size([1, 3, 12, 18])
    """
    if scale == 1:
        return images
    size = [round(side * scale) for side in images.shape[2:]]
    return functional.interpolate(images, size, mode="bicubic", align_corners=True)


def centred(images: _Sized, size: tuple[int, int]) -> _Sized:
    """Return the middle of images.

    >>> centred(torch.arange(5.0)[None, None, None], (1, 3)).flatten().tolist()
    [1.0, 2.0, 3.0]
    """
    top, left = ((images.shape[axis + 2] - size[axis]) // 2 for axis in (0, 1))
    return images[:, :, top : top + size[0], left : left + size[1]].clone()
