"""Which images are made at once, on which canvas, and where the canvas lies in the whole image.

The canvas is what a neuron sees and a margin, where that can be cut out of the image; else it is
the whole image. A canvas of a given side that cannot be cut out is embedded: the network sees the
whole image, the mean around the canvas.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from striate.errors import MethodError, NetworkError
from striate.network.address import Address
from striate.network.axes import has_maps
from striate.network.layers import Layer
from striate.network.neighbourhood import crop_plan
from striate.network.network import Network
from striate.optimize.objective import Place
from striate.optimize.presets import Preset
from striate.optimize.view import View
from striate.shapes import Box, Images, Maps

MOST = 16
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
        place: Which neuron of a unit is excited, where no neuron is named.
        facets: How many images in a row are of one address.
        embedded: Whether the network sees the whole image from the first step on, and neurons are
            counted there: where a canvas alone could not be seen.
    """

    places: tuple[int, ...]
    asked: tuple[Address, ...]
    neurons: tuple[Address, ...]
    size: tuple[int, int, int]
    corner: tuple[int, int]
    whole: tuple[int, int, int]
    place: Place = "centre"
    facets: int = 1
    embedded: bool = False

    @property
    def box(self) -> Box:
        """Where the canvas lies in the whole image."""
        top, left = self.corner
        return top, left, top + self.size[1], left + self.size[2]

    def without(self, lost: Collection[int]) -> "Job":
        """Return the job of the images that are left: what some do must not cost the others.

        Args:
            lost: Index of each that is left out.
        """
        kept = [k for k in range(len(self.places)) if k not in lost]
        return replace(
            self,
            places=tuple(self.places[k] for k in kept),
            asked=tuple(self.asked[k] for k in kept),
            neurons=tuple(self.neurons[k] for k in kept),
        )

    def view(self, network: Network, layers: Sequence[str]) -> View:
        """Return what shows canvases to a network."""
        return (
            _Embedded(network, layers, self) if self.embedded else View(network, layers, self.size)
        )

    def placed(self, images: Images) -> Float[Tensor, "images channels rows columns"]:
        """Put canvases into whole images, the mean around (network space)."""
        whole = images.new_zeros((len(images), *self.whole))
        top, left, bottom, right = self.box
        whole[:, :, top:bottom, left:right] = images
        return whole


class _Embedded(View):
    """Shows canvases in whole images."""

    def __init__(self, network: Network, layers: Sequence[str], job: Job) -> None:
        super().__init__(network, layers, job.whole)
        self._job = job

    def __call__(self, images: Images, *, redirected: bool = False) -> dict[str, Maps]:
        """Return the maps of each layer, of the whole images."""
        return super().__call__(self._job.placed(images), redirected=redirected)


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
        size: Side of the canvas in pixels; where the network's input is smaller, of the image that
            it sees. None: what the neurons see, at most the preset's widest.
        together: Consecutive images that must not be parted (facets of one unit).

    Returns:
        The jobs, layer by layer.

    Raises:
        AddressError: If an address does not exist.
        MethodError: If an address names a whole layer, or no image of that size can be made.
    """
    layers: dict[tuple[str, object], list[int]] = {}
    parsed = []
    for place, address in enumerate(addresses):
        layer, own = network.layers.resolve(address)
        if own.unit is None:
            msg = f"{address} is a layer; name a unit of it, such as {layer.address}:0"
            raise MethodError(msg)
        parsed.append(own)
        neuron: object = own.row is not None if size is None else (own.row, own.column)
        layers.setdefault((layer.address, neuron), []).append(place)
    jobs = []
    for places in layers.values():
        job = _job(network, parsed[places[0]], preset, size)
        most = MOST if network.device.type == "cpu" else _MOST_ON_GPU
        count = max(job.view(network, [job.asked[0].layer]).batch(most) // together, 1) * together
        for start in range(0, len(places), count):
            part = tuple(places[start : start + count])
            asked = tuple(parsed[place] for place in part)
            jobs.append(
                replace(
                    job,
                    places=part,
                    asked=asked,
                    neurons=tuple(_excited(address, job.neurons[0]) for address in asked),
                    facets=together,
                )
            )
    return jobs


def _excited(asked: Address, one: Address) -> Address:
    """Return the neuron to excite for an address: that of the job's first unit, of its own unit."""
    return asked if asked.row is not None else replace(one, unit=asked.unit)


def _job(network: Network, address: Address, preset: Preset, side: int | None) -> Job:
    """Return the job of one image."""
    layer, own = network.layers[address.layer], network.image_size
    _check_side(side)
    larger = side is not None and side > min(own[1:])
    whole = (own[0], side, side) if side is not None and larger else own
    if larger:
        layer = _layer_at(network, address, whole)
    spatial, neuron = has_maps(layer.node), address.row is not None
    # Tokens lie in no grid that is known: one in the middle of their list is anywhere.
    place = preset.place if spatial or preset.place != "centre" else "mean"
    named = neuron or place != "centre"

    def job(size: tuple[int, int, int], corner: tuple[int, int], centre: tuple[int, int]) -> Job:
        excited = address if named else address.at(*centre)
        return Job((0,), (address,), (excited,), size, corner, whole, place)

    middle = (_nearest(layer, 0, (whole[1] - 1) / 2), _nearest(layer, 1, (whole[2] - 1) / 2))
    if not larger and not neuron and _can_be_cut(network, layer, side):
        rows = _along(layer, 0, whole[1], side, preset)
        columns = _along(layer, 1, whole[2], side, preset)
        size = (whole[0], rows[0], columns[0])
        return job(size, (rows[1], columns[1]), (rows[2], columns[2]))
    if side is None or larger:
        return job(whole, (0, 0), middle)
    corner = _around(layer, (address.row, address.column) if neuron else middle, whole, side)
    return replace(job((whole[0], side, side), corner, middle), embedded=True)


def _check_side(side: int | None) -> None:
    """Refuse a canvas without pixels.

    Raises:
        MethodError: If so.
    """
    if side is not None and side < 1:
        msg = f"size={side}: a canvas has at least one pixel"
        raise MethodError(msg)


def _layer_at(network: Network, address: Address, size: tuple[int, int, int]) -> Layer:
    """Return a layer of a network for larger images than its own.

    Raises:
        MethodError: If a neuron is asked for, whose place is counted at the network's own size, or
            the network takes no such images.
    """
    own = " x ".join(map(str, network.image_size[1:]))
    if address.row is not None:
        msg = (
            f"{address} is a place at the network's own size, {own}, and no image of "
            f"{size[1]} x {size[2]} is made for it; leave the size out, or name the unit alone"
        )
        raise MethodError(msg)
    try:
        return network.layers_at(size)[address.layer]
    except NetworkError as error:
        msg = (
            f"{network.name} does not take images of {size[1]} x {size[2]}, only of {own}: give "
            f"{min(network.image_size[1:])} at most as the size"
        )
        raise MethodError(msg) from error


def _can_be_cut(network: Network, layer: Layer, side: int | None) -> bool:
    """Say whether neurons are the same on a canvas, and one of them is left on a side of pixels."""
    if crop_plan(network, layer, network.image_size) is None:
        return False
    return side is None or all(side >= _least(layer, axis, network) for axis in (0, 1))


def _least(layer: Layer, axis: int, network: Network) -> int:
    """Return how long a canvas is that one neuron is left on; without padding, what it sees."""
    stride = layer.receptive_field.stride
    jump = round(stride[axis]) if stride else 1
    return network.image_size[axis + 1] - (layer.map_size[axis] - 1) * jump


def _around(
    layer: Layer, neuron: tuple[int | None, int | None], whole: tuple[int, int, int], side: int
) -> tuple[int, int]:
    """Return the corner of a canvas in the middle of what a neuron sees, inside the image."""
    box = (0, 0, *whole[1:])
    if layer.receptive_field.size is not None:
        box = layer.box(neuron[0] or 0, neuron[1] or 0, clip=False)
    corner = [round((box[axis] + box[axis + 2] - side) / 2) for axis in (0, 1)]
    top, left = (
        max(0, min(first, length - side)) for first, length in zip(corner, whole[1:], strict=True)
    )
    return top, left


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
