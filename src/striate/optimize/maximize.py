"""Images that units of a network like best, many units in a batch.

Units of one layer share the graph up to that layer, and a canvas that is no larger than what their
neurons see, plus a margin. The finished canvas is put into an image of the network's own size, the
mean around it, on the grid of the layer's neurons: what was reached on the canvas is reached there,
unless the neurons see more than the canvas.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.axes import SPATIAL, axes_of
from striate.network.layers import Layer
from striate.network.neighbourhood import crop_plan
from striate.network.network import Network
from striate.optimize.ascend import Frame, ascend
from striate.optimize.objective import Objective, Place, Seen, custom, diversity, units
from striate.optimize.presets import Preset
from striate.optimize.space import Space
from striate.optimize.view import View
from striate.shapes import Box, Images

_MOST = 16
"""Images at once on a CPU: more is not faster there."""
_MOST_ON_GPU = 256


@dataclass(frozen=True, slots=True)
class Job:
    """Images to be made at once.

    Attributes:
        places: Index of each image among all that are asked for.
        asked: The unit or neuron of each image, as it was asked for.
        neurons: The one that it is to excite, on the canvas.
        size: (channels, height, width) of the canvas.
        corner: (top, left) of the canvas in the whole image.
        whole: (channels, height, width) of the whole image.
    """

    places: tuple[int, ...]
    asked: tuple[Address, ...]
    neurons: tuple[Address, ...]
    size: tuple[int, int, int]
    corner: tuple[int, int]
    whole: tuple[int, int, int]

    @property
    def box(self) -> Box:
        """Where the canvas lies in the whole image."""
        top, left = self.corner
        return top, left, top + self.size[1], left + self.size[2]

    def part(self, chosen: slice) -> "Job":
        """Return the job of some of the images: what one of them does must not cost the others."""
        return replace(
            self,
            places=self.places[chosen],
            asked=self.asked[chosen],
            neurons=self.neurons[chosen],
        )

    def placed(self, images: Images) -> Float[Tensor, "images channels rows columns"]:
        """Put canvases into whole images, the mean around (network space)."""
        whole = images.new_zeros((len(images), *self.whole))
        top, left, bottom, right = self.box
        whole[:, :, top:bottom, left:right] = images
        return whole


def plan(
    network: Network,
    addresses: Sequence[str | Address],
    preset: Preset,
    *,
    size: int | None = None,
    together: int = 1,
) -> list[Job]:
    """Say which images are made at once, and on which canvas.

    Args:
        network: The network.
        addresses: Units or neurons, of any layers.
        preset: How.
        size: Side of the canvas in pixels; None: what the neurons see, at most the preset's widest.
        together: Consecutive images that must not be parted (facets of one unit).

    Returns:
        The jobs, layer by layer.

    Raises:
        AddressError: If an address does not exist.
        MethodError: If an address names a whole layer, or no image of that size can be made.
    """
    layers: dict[tuple[str, bool], list[int]] = {}
    parsed = []
    for place, address in enumerate(addresses):
        layer, own = network.layers.resolve(address)
        if own.unit is None:
            msg = f"{address} is a layer; name a unit of it, such as {layer.address}:0"
            raise MethodError(msg)
        parsed.append(own)
        layers.setdefault((layer.address, own.row is not None), []).append(place)
    jobs = []
    for (name, placed), places in layers.items():
        canvas = _canvas(network, name, preset, size, whole=placed)
        view = View(network, [name], canvas.size)
        most = _MOST if network.device.type == "cpu" else _MOST_ON_GPU
        count = max(view.batch(most) // together, 1) * together
        for start in range(0, len(places), count):
            part = tuple(places[start : start + count])
            asked = tuple(parsed[place] for place in part)
            neurons = tuple(canvas.neuron(address) for address in asked)
            jobs.append(Job(part, asked, neurons, canvas.size, canvas.corner, canvas.whole))
    return jobs


@dataclass(frozen=True, slots=True)
class _Canvas:
    """Sizes are (channels, height, width); ``centre`` is None where not one neuron is meant."""

    size: tuple[int, int, int]
    corner: tuple[int, int]
    whole: tuple[int, int, int]
    centre: tuple[int, int] | None

    def neuron(self, address: Address) -> Address:
        if address.row is not None or self.centre is None:
            return address
        return address.at(*self.centre)


def _canvas(
    network: Network, name: str, preset: Preset, side: int | None, *, whole: bool
) -> _Canvas:
    """Choose the canvas for a layer: what a neuron sees and a margin, where that can be cut out."""
    layer, own = network.layers[name], network.image_size
    one = preset.place == "centre" and set(SPATIAL) <= set(axes_of(layer.node))
    cropped = crop_plan(network, layer, own) is not None and not whole
    other = side is not None and not whole and side != own[1]
    if side is not None and other and (not cropped or side > min(own[1:])):
        own = (own[0], side, side)
        layer, cropped = network.layers_at(own)[name], False
    if not cropped:
        middle = (_nearest(layer, 0, (own[1] - 1) / 2), _nearest(layer, 1, (own[2] - 1) / 2))
        return _Canvas(own, (0, 0), own, middle if one else None)
    rows = _along(layer, 0, own[1], side, preset)
    columns = _along(layer, 1, own[2], side, preset)
    size = (own[0], rows[0], columns[0])
    centre = (rows[2], columns[2]) if one else None
    return _Canvas(size, (rows[1], columns[1]), own, centre)


def _along(
    layer: Layer, axis: int, length: int, side: int | None, preset: Preset
) -> tuple[int, int, int]:
    """Return, along an axis, the canvas's length, its corner, and the neuron at its centre."""
    field, stride = layer.receptive_field.size, layer.receptive_field.stride
    extent = int(field[axis]) if field else length
    jump = round(stride[axis]) if stride else 1
    wished = side
    if wished is None:
        # Without padding, a canvas that is much smaller than a field has no neuron left.
        least = length - (layer.map_size[axis] - 1) * jump
        wished = min(extent + 2 * preset.margin, max(preset.widest or length, least))
    chosen = min(wished, length)
    centre = _nearest(layer, axis, (chosen - 1) / 2)
    middle = _nearest(layer, axis, (length - 1) / 2)
    first = max(min(middle - centre, (length - chosen) // jump), 0)
    return chosen, first * jump, centre


def _nearest(layer: Layer, axis: int, pixel: float) -> int:
    """Return the row (or column) whose neurons look nearest to a pixel."""
    length = layer.map_size[axis]
    if layer.receptive_field.size is None:
        return length // 2

    def distance(index: int) -> float:
        box = layer.box(index if axis == 0 else 0, index if axis == 1 else 0, clip=False)
        return abs((box[axis] + box[axis + 2] - 1) / 2 - pixel)

    return min(range(length), key=distance)


def generators(seed: int, job: Job) -> list[torch.Generator]:
    """Return one generator for each image: of the seed, its unit, and which facet of it it is."""
    count: dict[tuple[str, int | None], int] = {}
    made = []
    for neuron in job.neurons:
        key = neuron.layer, neuron.unit
        count[key] = count.get(key, 0) + 1
        text = f"{seed} {neuron.layer}:{neuron.unit} {count[key]}".encode()
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
    objective = units(job.neurons, preset.place)
    if extra is not None:
        objective = objective + extra
    view = View(network, list(objective.layers), job.size)
    transforms = torch.Generator().manual_seed(seed)
    yield from ascend(
        view,
        canvas,
        objective,
        preset.recipe(space, min(job.size[1:]), steps),
        generator=transforms,
    )


def apart(job: Job, place: Place, *, strength: float = 1.0) -> Objective:
    """Keep the facets of each unit unlike: minus the value times how alike the layer's styles are.

    A factor without unit: at strength 1, facets of the same style are worth nothing.

    Args:
        job: With the facets of a unit side by side.
        place: Which neuron of a unit is maximized.
        strength: Factor.
    """
    layer = job.neurons[0].layer
    own, style = units(job.neurons, place), diversity(layer)
    facets = sum(neuron == job.neurons[0] for neuron in job.neurons)

    def function(seen: Seen, images: Images) -> Tensor:
        value = own(seen, images).detach().abs()
        maps, canvases = torch.split(seen[layer], facets), torch.split(images, facets)
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
        for part in torch.split(images, view.batch(_MOST)):
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
    real = (maxima or {}).get(f"{address.layer}:{address.unit}")
    if real is not None and real > 0:
        lines[0] += f", {activation / real:.2f} of its maximum on images, {real:.4g}"
    return lines
