"""Images that units of a network like best, many units in a batch.

Units of one layer share the graph up to that layer, and a canvas that is no larger than what their
neurons see, plus a margin. The finished canvas is put into an image of the network's own size, the
mean around it, on the grid of the layer's neurons: what was reached on the canvas is reached there,
unless the neurons see more than the canvas.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from striate.network.address import Address
from striate.network.network import Network
from striate.optimize.ascend import DivergedError, Frame, ascend
from striate.optimize.job import MOST, Job, plan
from striate.optimize.objective import Objective, Seen, custom, diversity, units
from striate.optimize.presets import Preset
from striate.optimize.space import Space
from striate.optimize.view import View
from striate.shapes import Images


def generators(seed: int, job: Job) -> list[torch.Generator]:
    """Return one generator for each image: of the seed, its address, and which facet it is."""
    made = []
    for place, address in zip(job.places, job.asked, strict=True):
        text = f"{seed} {address} {place % job.facets + 1}".encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big", signed=True)
        made.append(torch.Generator().manual_seed(number))
    return made


def run(
    network: Network,
    job: Job,
    preset: Preset,
    *,
    seed: int = 0,
    steps: int | None = None,
    start: Images | None = None,
    extra: Objective | None = None,
) -> Generator[Frame, None, None]:
    """Make the images of a job.

    Args:
        network: The network.
        job: From `plan`.
        preset: How.
        seed: Of the noise to start from, and of the transforms.
        steps: How many; the preset's if None.
        start: Canvases to start from, in network space; noise if None. Pixels only.
        extra: Added to the objective.

    Yields:
        A frame for each step.

    Raises:
        MethodError: If the layer has no gradient, or the objective stops being finite.
    """
    with torch.inference_mode(mode=False), torch.no_grad():
        space = Space.of(network)
        canvas = preset.make(job.size, space, generators(seed, job), start)
    objective = units(job.neurons, job.place)
    if extra is not None:
        objective = objective + extra
    view = job.view(network, list(objective.layers))
    transforms = torch.Generator().manual_seed(seed)
    yield from ascend(
        view,
        canvas,
        objective,
        preset.recipe(space, min(job.size[1:]), steps),
        generator=transforms,
    )


F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Done(Generic[F]):
    """What there is of some jobs, one after another; it changes while they run.

    Attributes:
        last: The last frame of each job that has begun.
        failures: Units that have no image, and what happened.
    """

    last: dict[Job, F] = field(default_factory=dict)
    failures: dict[Address, str] = field(default_factory=dict)

    def through(
        self, jobs: Sequence[Job], make: Callable[[Job], Iterator[F]]
    ) -> Generator[tuple[Job, F, int, int], None, None]:
        """Run jobs; where an image of one fails, the others of it begin again without that unit.

        Args:
            jobs: From `plan`.
            make: Yields a frame for each step of a job.

        Yields:
            The job at work, its frame, how many jobs are done, and how many there are.

        Raises:
            DivergedError: If no image is left.
        """
        left = deque(jobs)
        while left:
            job, before = left.popleft(), len(self.last)
            try:
                for frame in make(job):
                    self.last[job] = frame
                    yield job, frame, before, before + 1 + len(left)
            except DivergedError as error:
                lost = {job.asked[k]: str(error) for k in error.images}
                rest = job.without([k for k, own in enumerate(job.asked) if own in lost])
                if not rest.places and not left and self.last.keys() <= {job}:
                    # Its last frame stays: there is nothing else to show.
                    raise
                self.last.pop(job, None)
                self.failures.update(lost)
                if rest.places:
                    left.appendleft(rest)


def apart(job: Job, *, strength: float = 1.0) -> Objective:
    """Keep the facets of each unit unlike: minus the value times how alike the layer's styles are.

    A factor without unit: at strength 1, facets of the same style are worth nothing.

    Args:
        job: With the facets of a unit side by side.
        strength: Factor.
    """
    layer = job.neurons[0].layer
    own, style = units(job.neurons, job.place), diversity(layer)

    def function(seen: Seen, images: Images) -> Tensor:
        value = own(seen, images).detach().abs()
        maps, canvases = torch.split(seen[layer], job.facets), torch.split(images, job.facets)
        shares = [style({layer: m}, part) for m, part in zip(maps, canvases, strict=True)]
        return -strength * value * torch.cat(shares)

    return custom([layer], function, "facets apart")


def judged(
    network: Network, job: Job, images: Images
) -> Iterator[tuple[float, int, Float[Tensor, " units"]]]:
    """Measure what whole images reach.

    Args:
        network: The network.
        job: Whose units are measured.
        images: In network space, of the job's whole size.

    Yields:
        For each image, its unit's largest activation (a neuron's own, if it was asked for); how
        many units of the layer have a larger one, plus 1; and that of each unit of the layer.
    """
    layer = job.neurons[0].layer
    view = View(network, [layer], job.whole)
    with torch.no_grad():
        neurons = iter(job.asked)
        for part in torch.split(images, view.batch(MOST)):
            for maps in view(part)[layer]:
                neuron = next(neurons)
                peaks = maps.flatten(1).amax(1)
                if neuron.row is not None and neuron.column is not None:
                    peaks = maps[:, neuron.row, neuron.column]
                own = peaks[neuron.unit or 0]
                yield float(own), int((peaks > own).sum()) + 1, peaks


def measured(
    network: Network, job: Job, canvases: Images
) -> tuple[
    Float[Tensor, "images channels rows columns"],
    list[tuple[float, int, Float[Tensor, " units"]]],
]:
    """Put canvases into images of the network's own size, as they are shown, and measure these.

    Args:
        network: The network.
        job: Whose canvases they are.
        canvases: In network space.

    Returns:
        Whole images in pixel space, clipped to [0, 1]; and of each what `judged` says.
    """
    space = Space.of(network)
    pixels = space.pixels(job.placed(canvases)).clamp(0, 1)
    return pixels, list(judged(network, job, space.network(pixels)))


def in_words(
    address: Address, activation: float, rank: int, maxima: Mapping[str, float] | None = None
) -> list[str]:
    """Say what an image reached, in a few words.

    Args:
        address: The unit or neuron.
        activation: What it reached.
        rank: In its layer.
        maxima: Largest activation of units on real images, by address ("layer3:7").

    Example:
        >>> in_words(Address.parse("layer3:7"), 3.0, 1, {"layer3:7": 2.0})
        ['reaches 3, 1.50 of its maximum on images, 2', 'rank 1 in its layer']
    """
    lines = [f"reaches {activation:.4g}", f"rank {rank} in its layer"]
    real = (maxima or {}).get(str(address))
    if real is not None and real > 0:
        lines[0] += f", {activation / real:.2f} of its maximum on images, {real:.4g}"
    return lines


__all__ = ["Job", "plan"]
