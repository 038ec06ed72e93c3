"""Multifaceted visualization: the different things that excite one unit, an image of each.

    x_k = mean of the images nearest to centroid k of the codes of all images that excite the unit
    x_k <- denoised(clip(x_k + step g / mean|g|))           g = d/dx a(x_k)

phase after phase (`striate.optimize.octaves`). From one start an ascent finds one facet; from the
means of real images it finds those that the images have. `centre_bias` needs no images: it starts
from noise, smooths strongly at first, and ends in the middle.

Source:
    Nguyen, Yosinski & Clune, "Multifaceted Feature Visualization: Uncovering the Different Types
    of Features Learned By Each Neuron in Deep Neural Networks", ICML visualization workshop 2016,
    and its code, https://github.com/Evolving-AI-Lab/mfv, for both schedules.

Differs from the source:
    Clusters are found by k-means on up to 50 principal components; the paper first lays them out
    in two dimensions with t-SNE. Codes are means over places of the layer that the unit's own
    convolution or matrix reads (for the last layer of AlexNet that is the paper's, fc7). The paper
    takes all training images of a class; here it is whatever images are given. Images of a unit
    with a map are moved first, so that the place that excites it most lies at the centre; the mean
    fills the rest. The image has grown by a fifth at the end: what is returned and measured is its
    middle, of the network's size. See `striate.optimize.octaves` for the ascent.

Applies to:
    Every unit that a gradient comes back from. The images decide which facets there are: a unit
    has no facet of which no image is given, and always as many as are asked for. The step's length
    is the published one, a mean over the canvas: where only its middle matters, as to units of
    convolutions, steps are long there, and colours become garish.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.facets import grouped
from striate.optimize.octaves import (
    CENTRE_BIAS,
    FROM_MEANS,
    OctaveFrame,
    Phase,
    shortened,
    through,
)
from striate.optimize.presets import Preset
from striate.optimize.space import Space
from striate.optimize.update import MeanStep
from striate.shapes import Box, Image, Images

CANVAS = Preset("multifaceted", 1, MeanStep(1.0))
"""Says which neuron is meant and how large a canvas is; nothing else of it is used."""

_NOISE = (175.0, 8.0)
"""Mean and standard deviation, in bytes, of the noise that centre bias starts from."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Images of facets, with what they reached.

    Attributes:
        addresses: The unit of each image.
        images: In pixel space, [0, 1], of the network's own input size. Around the canvas they show
            the mean.
        activations: The largest activation of the unit on that very image; of a neuron, its own.
        ranks: How many units of the layer have a larger activation on the image, plus 1.
        boxes: Where the canvas lies in each image: (top, left, bottom, right).
        starts: What each ascent began with, likewise.
        start_activations: What the starts reach, likewise.
        members: Of each facet, the given images that belong to it, the most typical first; none
            with centre bias. An image whose codes are not finite belongs to no facet.
        averaged: The mean of so many of them, at most, is the start.
        failures: Units that have no image, because the network computed no number for theirs, and
            what happened.
        codes: The layer whose codes were clustered; "pixels" where the unit's own convolution reads
            the image; "" with centre bias.
        seed: Of the clustering, the windows and the noise.
        steps: How many.
        network: Name of the network.
    """

    addresses: tuple[Address, ...]
    images: Float[Tensor, "images channels height width"]
    activations: Float[Tensor, " images"]
    ranks: Int[Tensor, " images"]
    boxes: tuple[Box, ...]
    starts: Float[Tensor, "images channels height width"]
    start_activations: Float[Tensor, " images"]
    members: tuple[tuple[int, ...], ...]
    averaged: int
    failures: Mapping[Address, str]
    codes: str
    seed: int
    steps: int
    network: str

    def picture(self, index: int) -> Image:
        """Return one image without the mean around it, in pixel space."""
        top, left, bottom, right = self.boxes[index]
        return self.images[index, :, top:bottom, left:right]

    def start(self, index: int) -> Image:
        """Return what one ascent began with, without the mean around it, in pixel space."""
        top, left, bottom, right = self.boxes[index]
        return self.starts[index, :, top:bottom, left:right]

    def described(self, maxima: Mapping[str, float] | None = None) -> list[list[str]]:
        """Say of each image what it reached, in a few words.

        Args:
            maxima: Largest activation of units on real images, by address ("layer3:7").

        Returns:
            Lines for each image.
        """
        found = []
        for index, address in enumerate(self.addresses):
            value, rank = float(self.activations[index]), int(self.ranks[index])
            lines = maximize.in_words(address, value, rank, maxima)
            count, began = len(self.members[index]), float(self.start_activations[index])
            if count:
                used = min(count, self.averaged)
                lines.append(f"{count} images; the mean of {used} reaches {began:.4g}")
            found.append(lines)
        return found


@dataclass(frozen=True, slots=True)
class _Plan:
    """One job of an ascent: what it starts from, and how it came to it."""

    network: Network
    job: maximize.Job
    start: Images
    phases: tuple[Phase, ...]
    members: tuple[tuple[int, ...], ...]
    averaged: int
    codes: str
    seed: int


_Step = tuple[_Plan, OctaveFrame]


@dataclass(frozen=True, slots=True)
class _Made:
    """One image and its start, whole, with what `maximize.measured` says of them."""

    place: int
    address: Address
    image: Tensor
    reached: tuple[float, int, Tensor]
    start: Tensor
    began: tuple[float, int, Tensor]
    members: tuple[int, ...]
    box: Box


@dataclass(frozen=True, slots=True)
class FacetFrame:
    """The state of some of the images at one step.

    Attributes:
        octave: Step, windows, and the images so far, in network space.
        job: Which units, on which canvas.
        done: Steps that are done, of all jobs.
        total: Steps that there are to do.
        failures: Units that have no image, and what happened; it changes with the next step.
        last: What there is of each job so far; likewise.
    """

    octave: OctaveFrame
    job: maximize.Job
    done: int
    total: int
    failures: Mapping[Address, str]
    last: Mapping[maximize.Job, _Step]


def multifaceted(
    network: Network,
    address: str | Address,
    images: Images,
    *,
    facets: int = 4,
    codes: str | None = None,
    averaged: int = 15,
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
) -> Facets:
    """Make an image for each of some groups of the images that excite a unit.

    Args:
        network: From `striate.load`.
        address: A unit, such as "layer3:7", a class score, or a neuron, "layer3:7@2,5".
        images: What excites it, in network space, of the network's own size; a hundred, say.
        facets: How many groups.
        codes: Address of the layer whose activations, averaged over places, are grouped; None:
            the one that the unit's own convolution or matrix reads.
        averaged: The mean of so many images, the nearest to a group's centroid, is a start.
        seed: Of the clustering and the windows.
        size: Side of the canvas in pixels; None: what a neuron sees, plus a margin.
        steps: How many in all; the published 370 if None.

    Returns:
        An image for each facet, that of the largest group first.

    Raises:
        AddressError: If an address does not exist.
        MethodError: If there are fewer different images with finite codes than facets, their size
            is not the network's, the address is a whole layer, or the layer has no gradient.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> network = striate.load(module, image_size=(2, 2))
        >>> images = torch.rand(6, 3, 2, 2, generator=torch.Generator().manual_seed(0))
        >>> found = striate.multifaceted(network, "1:0", images, facets=2, steps=20)
        >>> found.images.shape, sum(map(len, found.members))
        (torch.Size([2, 3, 2, 2]), 6)
    """
    frames = multifaceted_frames(
        network, address, images, facets=facets, codes=codes, averaged=averaged, seed=seed,
        size=size, steps=steps,
    )  # fmt: skip
    return finished(deque(frames, maxlen=1).pop())


def multifaceted_frames(
    network: Network,
    address: str | Address,
    images: Images,
    *,
    facets: int = 4,
    codes: str | None = None,
    averaged: int = 15,
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
) -> Generator[FacetFrame, None, None]:
    """Do as `multifaceted` does, and yield each step; `finished` of the last is its result.

    Raises:
        MethodError: Besides, if no facet, no step or no mean is asked for, or no image given.
    """
    if min(facets, averaged, len(images)) < 1 or (steps is not None and steps < 1):
        msg = (
            f"facets={facets}, averaged={averaged}, steps={steps}, {len(images)} images: at least "
            "one of each is needed"
        )
        raise MethodError(msg)
    if tuple(images.shape[1:]) != network.image_size:
        msg = (
            f"images of {tuple(images.shape[1:])} for a network of {network.image_size}: "
            "read them with network.read"
        )
        raise MethodError(msg)
    (job,) = maximize.plan(network, [address] * facets, CANVAS, size=size, together=facets)
    with torch.inference_mode(mode=False):
        found = grouped(network, job, images, averaged=averaged, seed=seed, codes=codes)
    phases = shortened(FROM_MEANS, steps)
    made = _Plan(network, job, found.means, phases, found.members, averaged, found.codes, seed)
    yield from _made([job], lambda _: made)


def centre_bias(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
) -> Facets:
    """Make an image for each of some units from noise, one thing in its middle.

    Args:
        network: From `striate.load`.
        addresses: Units, class scores or neurons, of any layers.
        seed: Of the noise and the windows: other seeds may show other facets.
        size: Side of the canvas in pixels; None: what a neuron sees, plus a margin.
        steps: How many in all; the published 530 if None.

    Returns:
        Images in the order of the addresses.

    Raises:
        AddressError: If an address does not exist.
        MethodError: If an address is a whole layer, or a layer has no gradient.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> network = striate.load(module, image_size=(2, 2))
        >>> striate.centre_bias(network, ["1:0", "1:1"], steps=20).images.shape
        torch.Size([2, 3, 2, 2])
    """
    frames = centre_bias_frames(network, addresses, seed=seed, size=size, steps=steps)
    return finished(deque(frames, maxlen=1).pop())


def centre_bias_frames(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
) -> Generator[FacetFrame, None, None]:
    """Do as `centre_bias` does, and yield each step; batch after batch of units.

    Where an image of a batch fails, the others begin again without it.

    Raises:
        MethodError: Besides, if there are no addresses or no steps.
        DivergedError: If no image is left.
    """
    if not addresses or (steps is not None and steps < 1):
        msg = f"{len(addresses)} addresses, steps={steps}: at least one of each is needed"
        raise MethodError(msg)
    space, phases = Space.of(network), shortened(CENTRE_BIAS, steps)

    def planned(job: maximize.Job) -> _Plan:
        drawn = torch.stack([
            torch.randn(job.size, generator=generator, dtype=torch.float64)
            for generator in maximize.generators(seed, job)
        ])
        start = space.network(((_NOISE[0] + _NOISE[1] * drawn) / 255).to(space.mean))
        return _Plan(network, job, start, phases, ((),) * len(job.places), 0, "", seed)

    yield from _made(maximize.plan(network, addresses, CANVAS, size=size), planned)


def _made(
    jobs: Sequence[maximize.Job], planned: Callable[[maximize.Job], _Plan]
) -> Generator[FacetFrame, None, None]:
    def make(job: maximize.Job) -> Iterator[_Step]:
        plan = planned(job)
        generators = maximize.generators(plan.seed, job)
        for octave in through(plan.network, job, plan.start, plan.phases, generators):
            yield plan, octave

    made: maximize.Done[_Step] = maximize.Done()
    for job, (_, octave), before, count in made.through(jobs, make):
        done, total = before * octave.steps + octave.step + 1, count * octave.steps
        yield FacetFrame(octave, job, done, total, made.failures, made.last)


def finished(frame: FacetFrame) -> Facets:
    """Put the images as they are now into the network's own size, and measure what they reach.

    Args:
        frame: The last of them.

    Returns:
        Images in the order of their places.
    """
    found = list[_Made]()
    for plan, octave in frame.last.values():
        images, reached = maximize.measured(plan.network, plan.job, octave.middle)
        starts, began = maximize.measured(plan.network, plan.job, plan.start)
        found += map(
            _Made, plan.job.places, plan.job.asked, images, reached, starts, began, plan.members,
            [plan.job.box] * len(images),
        )  # fmt: skip
    found.sort(key=lambda one: one.place)
    return Facets(
        addresses=tuple(one.address for one in found),
        images=torch.stack([one.image for one in found]),
        activations=torch.tensor([one.reached[0] for one in found], dtype=torch.float64),
        ranks=torch.tensor([one.reached[1] for one in found]),
        boxes=tuple(one.box for one in found),
        starts=torch.stack([one.start for one in found]),
        start_activations=torch.tensor([one.began[0] for one in found], dtype=torch.float64),
        members=tuple(one.members for one in found),
        averaged=plan.averaged,
        failures=dict(frame.failures),
        codes=plan.codes,
        seed=plan.seed,
        steps=sum(phase.steps for phase in plan.phases),
        network=plan.network.name,
    )
