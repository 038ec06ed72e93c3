"""Activation maximization: the image that excites a unit most.

    x* = argmax a(x) - R(x)

by gradient ascent from noise, where ``R`` (or what is done to ``x`` after each step, or how ``x``
is parameterised) keeps the image natural. Many units share each step; each image comes with the
activation that it reached, and with its unit's rank in the layer.

Source:
    Erhan, Bengio, Courville & Vincent, "Visualizing Higher-Layer Features of a Deep Network",
    Univ. de Montreal 1341, 2009 (``erhan``); Simonyan et al., ICLR workshop 2014, section 2
    (``simonyan``); Yosinski et al., "Understanding Neural Networks Through Deep Visualization",
    ICML DL workshop 2015, section 3, Table 1 (``yosinski-1`` to ``-4``); Olah et al., "Feature
    Visualization", Distill 2017 (``modern``).

Differs from the source:
    The canvas is as large as what the neuron sees, plus a margin, where that is smaller than the
    image; with ``modern`` it is 128 pixels wide at most, where the layer is convolutional all the
    way. A unit of a convolution is maximized at one place, as in Yosinski et al. Rectifiers that
    are dead lead on what would revive them, with every preset. Of Yosinski et al.'s images the best
    of the second half of the steps is kept: the noise of the start may excite a unit more than what
    emerges from it. Simonyan et al. do not publish their weight, nor Erhan et al. their radius:
    ours are in `striate.optimize.presets`.

Applies to:
    Every layer that a gradient comes back from. Class scores are taken before the softmax
    (`Network.scores`).
"""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.ascend import Frame
from striate.optimize.presets import preset_named
from striate.shapes import Box, Image


@dataclass(frozen=True, slots=True)
class Maximized:
    """Images that units like, with what they reached.

    Attributes:
        addresses: The unit or neuron of each image.
        images: In pixel space, [0, 1], of the network's own input size (or ``size``, if larger).
            Around the canvas they show the mean.
        activations: The largest activation of the unit on that very image; of a neuron, its own.
        ranks: How many units of the layer have a larger activation on the image, plus 1.
        peaks: The largest activation of each unit of the layer on that image.
        boxes: Where the canvas lies in each image: (top, left, bottom, right).
        failures: Units that have no image, because the network computed no number for theirs, and
            what happened; they are left out of the others.
        preset: How they were made.
        seed: Of the noise.
        steps: How many.
        network: Name of the network.
    """

    addresses: tuple[Address, ...]
    images: Float[Tensor, "images channels height width"]
    activations: Float[Tensor, " images"]
    ranks: Int[Tensor, " images"]
    peaks: tuple[Float[Tensor, " _"], ...]
    boxes: tuple[Box, ...]
    failures: Mapping[Address, str]
    preset: str
    seed: int
    steps: int
    network: str

    def picture(self, index: int) -> Image:
        """Return one image without the mean around it, in pixel space."""
        top, left, bottom, right = self.boxes[index]
        return self.images[index, :, top:bottom, left:right]

    def described(self, maxima: Mapping[str, float] | None = None) -> list[list[str]]:
        """Say of each image what it reached, in a few words.

        Args:
            maxima: Largest activation of units on real images, by address ("layer3:7").

        Returns:
            Lines for each image.
        """
        reached = zip(self.addresses, self.activations.tolist(), self.ranks.tolist(), strict=True)
        return [maximize.in_words(*one, maxima) for one in reached]


@dataclass(frozen=True, slots=True)
class MaximizationFrame:
    """The state of some of the images at one step.

    Attributes:
        places: Index of each of its images among all that are asked for.
        frame: Step, images of the canvas (network space), objective.
        job: Which units, on which canvas.
        done: Steps that are done, of all jobs.
        total: Steps that there are to do.
        last: The last frame of each job so far; it changes with the next step.
        failures: Units that have no image, and what happened; likewise.
    """

    places: tuple[int, ...]
    frame: Frame
    job: maximize.Job
    done: int
    total: int
    last: Mapping[maximize.Job, Frame]
    failures: Mapping[Address, str]


def activation_maximization(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    preset: str = "modern",
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
    diversity: int = 1,
) -> Maximized:
    """Make an image for each of some units that excites it as much as possible.

    Args:
        network: From `striate.load`.
        addresses: Units, such as "layer3:7", or neurons, "layer3:7@2,5"; of any layers.
        preset: "modern", "yosinski-1" to "yosinski-4", "erhan" or "simonyan".
        seed: Of the noise to start from and of the random changes. A unit's image does not depend
            on the units beside it, up to rounding.
        size: Side of the canvas in pixels; None: what a neuron sees, plus a margin.
        steps: How many; the preset's if None.
        diversity: How many images for each unit; more than one are made to differ in style.

    Returns:
        Images and what they reached, in the order of the addresses (facets of a unit together).

    Raises:
        AddressError: If an address does not exist.
        MethodError: If an address is a whole layer, there is no such preset, a layer has no
            gradient, or the network computes no number for any of the images.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 2))
        >>> network = striate.load(module, image_size=(2, 2))
        >>> found = striate.activation_maximization(network, ["1:0", "1:1"], preset="erhan")
        >>> found.images.shape, found.ranks.tolist()
        (torch.Size([2, 3, 2, 2]), [1, 1])
    """
    made = activation_maximization_frames(
        network, addresses, preset=preset, seed=seed, size=size, steps=steps, diversity=diversity
    )
    (found,) = deque(made, maxlen=1)
    taken = preset_named(preset).steps if steps is None else steps
    return finished(
        network, found.last, failures=found.failures, preset=preset, seed=seed, steps=taken
    )


def activation_maximization_frames(
    network: Network,
    addresses: Sequence[str | Address],
    *,
    preset: str = "modern",
    seed: int = 0,
    size: int | None = None,
    steps: int | None = None,
    diversity: int = 1,
) -> Generator[MaximizationFrame, None, None]:
    """Do as `activation_maximization` does, and yield each step; batch after batch of units.

    Where an image of a batch fails, the others begin again without it.

    Raises:
        MethodError: Besides, if there are no addresses, no steps, or no images a unit.
        DivergedError: If no image is left.
    """
    chosen = preset_named(preset)
    if not addresses or diversity < 1 or (steps is not None and steps < 1):
        msg = (
            f"{len(addresses)} addresses, {diversity} images each, steps={steps}: at least one of "
            "each is needed"
        )
        raise MethodError(msg)
    asked = [address for address in addresses for _ in range(diversity)]
    jobs = maximize.plan(network, asked, chosen, size=size, together=diversity)
    made: maximize.Done[Frame] = maximize.Done()

    def make(job: maximize.Job) -> Iterator[Frame]:
        extra = maximize.apart(job) if diversity > 1 else None
        return maximize.run(network, job, chosen, seed=seed, steps=steps, extra=extra)

    for job, frame, before, count in made.through(jobs, make):
        done, total = before * frame.steps + frame.step + 1, count * frame.steps
        yield MaximizationFrame(job.places, frame, job, done, total, made.last, made.failures)


def finished(
    network: Network,
    frames: Mapping[maximize.Job, Frame],
    *,
    failures: Mapping[Address, str] = MappingProxyType({}),
    preset: str,
    seed: int = 0,
    steps: int,
) -> Maximized:
    """Put the best images so far into the network's own size, and measure what they reach there.

    Args:
        network: The network.
        frames: The last frame of each job; jobs that are missing are left out.
        failures: Units that have no image, and why.
        preset: How they were made.
        seed: Likewise.
        steps: How many there were to be.

    Returns:
        Images in the order of their places.
    """
    found: list[tuple[int, Address, Tensor, float, int, Tensor, Box]] = []
    for job, frame in frames.items():
        pixels, reached = maximize.measured(network, job, frame.best)
        for place, neuron, image, (activation, rank, peaks) in zip(
            job.places, job.asked, pixels, reached, strict=True
        ):
            found.append((place, neuron, image, activation, rank, peaks, job.box))
    found.sort(key=lambda one: one[0])
    _, addresses, images, activations, ranks, all_peaks, boxes = zip(*found, strict=True)
    return Maximized(
        addresses=addresses,
        images=torch.stack(images),
        activations=torch.tensor(activations, dtype=torch.float64),
        ranks=torch.tensor(ranks),
        peaks=all_peaks,
        boxes=boxes,
        failures=dict(failures),
        preset=preset,
        seed=seed,
        steps=steps,
        network=network.name,
    )
