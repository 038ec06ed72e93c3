"""From one neuron, unit or map back to the pixels: what the backward methods share.

One neuron is computed on the crop that it sees wherever that is exact (see `neighbourhood`), many
neurons of a layer in one batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.backward import Rule, backward_graph, propagate, propagate_each
from striate.network.layers import Layer
from striate.network.neighbourhood import CropPlan, crop_plan
from striate.network.network import Network
from striate.shapes import Box, Image, Images

Seed = Literal["one", "activation"]

_ROUNDS = 8
"""How many ways back share one way forward at most: more would save hardly more time."""


@dataclass(frozen=True, slots=True)
class Projection:
    """What explains one activation, at the pixels.

    Attributes:
        patch: The part of the map that is not zero by geometry; see ``map``.
        corner: (top, left) pixel of the patch.
        size: (height, width) of the image.
        neuron: The neuron it starts from; without a place if it starts from the unit's whole map.
        activation: That neuron's activation on this image; the map's largest for a whole map.
        box: (top, left, bottom, right): what the neuron can see of the image.
        method: "gradient", "deconvnet" or "guided".
        seed: "one" or "activation": the value that the way back starts with.
        extended: Operations at which the method goes beyond its source; empty: as published.
        network: Name of the network.
    """

    patch: Image
    corner: tuple[int, int]
    size: tuple[int, int]
    neuron: Address
    activation: float
    box: Box
    method: Rule
    seed: Seed
    extended: tuple[str, ...]
    network: str

    @property
    def map(self) -> Tensor:
        """The whole map: (channels, height, width) in network space, signed; zero off the patch."""
        whole = self.patch.new_zeros((self.patch.shape[0], *self.size))
        (top, left), (height, width) = self.corner, self.patch.shape[1:]
        whole[:, top : top + height, left : left + width] = self.patch
        return whole


@dataclass(frozen=True, slots=True)
class Spot:
    """A neuron on one image of a batch: image index, unit, row, column."""

    image: int
    unit: int
    row: int
    column: int


def project(
    network: Network,
    image: Image,
    target: str | Address,
    rule: Rule,
    *,
    seed: Seed = "one",
    whole_map: bool = False,
) -> Projection:
    """Project one unit's strongest neuron, a given neuron, or a unit's whole map to the pixels.

    Args:
        network: The network.
        image: (channels, height, width), preprocessed.
        target: A unit (its strongest neuron; the first of equals) or a neuron.
        rule: The rule at rectifiers.
        seed: Start with 1, or with the activation.
        whole_map: Start from all places of the unit's map at once.

    Returns:
        The projection.

    Raises:
        AddressError: If the target does not exist.
        MethodError: If the target is a whole layer, or the method does not apply.
    """
    if image.ndim != 3:
        msg = f"one image has shape (channels, height, width), not {tuple(image.shape)}"
        raise MethodError(msg)
    size = (int(image.shape[0]), int(image.shape[1]), int(image.shape[2]))
    layer, address = network.layers_at(size).resolve(target)
    if address.unit is None:
        msg = f"{target} is a layer; name a unit of it, such as {address.layer}:0"
        raise MethodError(msg)
    images = image[None]
    if whole_map:
        if address.row is not None:
            msg = f"{target} is one neuron; for the whole map name the unit, {address.layer}:"
            raise MethodError(f"{msg}{address.unit}")
        return _project_map(network, images, layer, address, rule, seed)
    if address.row is None or address.column is None:
        address = _strongest(network, images, layer, address)
    spot = Spot(0, int(address.unit or 0), int(address.row or 0), int(address.column or 0))
    return project_spots(network, images, layer.address, [spot], rule, seed=seed)[0]


def _strongest(network: Network, images: Images, layer: Layer, address: Address) -> Address:
    with torch.no_grad():
        maps = layer.maps(network.record(images, [layer.address])[layer.address])
    place = int(maps[0, address.unit].flatten().argmax())
    return address.at(*divmod(place, int(maps.shape[3])))


def _project_map(
    network: Network, images: Images, layer: Layer, address: Address, rule: Rule, seed: Seed
) -> Projection:
    def start(output: Tensor) -> Tensor:
        maps = layer.maps(output)
        signal = torch.zeros_like(maps)
        signal[:, address.unit] = 1.0 if seed == "one" else maps[:, address.unit]
        return layer.unmaps(signal)

    size = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    maps, output = propagate(network, layer.address, images, rule, start, size=size)
    strongest = float(layer.maps(output)[0, address.unit].max())
    extended = backward_graph(network, layer.address, rule, size).extended
    box = (0, 0, size[1], size[2])
    return Projection(
        maps[0], (0, 0), size[1:], address, strongest, box, rule, seed, extended, network.name
    )


def project_spots(
    network: Network,
    images: Images,
    layer: str,
    spots: Sequence[Spot],
    rule: Rule,
    *,
    seed: Seed = "one",
    crop: bool = True,
    batch: int = 16,
) -> list[Projection]:
    """Project many neurons of one layer.

    Args:
        network: The network.
        images: (images, channels, height, width), preprocessed.
        layer: Address of the layer.
        spots: The neurons, each on one of the images.
        rule: The rule at rectifiers.
        seed: Start with 1, or with the activation.
        crop: Compute on crops where that is exact; False: always on whole images.
        batch: How many neurons to compute at once.

    Returns:
        One projection a spot, maps of the whole image's size.
    """
    size = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    made = dict(
        project_each(
            network,
            images.__getitem__,
            layer,
            spots,
            rule,
            size=size,
            seed=seed,
            crop=crop,
            batch=batch,
        )
    )
    return [made[k] for k in range(len(spots))]


def project_each(
    network: Network,
    image_of: Callable[[int], Image],
    layer: str,
    spots: Sequence[Spot],
    rule: Rule,
    *,
    size: tuple[int, int, int],
    seed: Seed = "one",
    crop: bool = True,
    batch: int = 16,
) -> Iterator[tuple[int, Projection]]:
    """Project many neurons of one layer, one batch after the other.

    Neurons that look at the whole of one image share its way forward. Their projections come when
    that image's turn is, not in the order of ``spots``.

    Args:
        network: The network.
        image_of: Gives an image, preprocessed, by the number that the spots call it.
        layer: Address of the layer.
        spots: The neurons.
        rule: The rule at rectifiers.
        size: (channels, height, width) of the images.
        seed: Start with 1, or with the activation.
        crop: Compute on crops where that is exact; False: always on whole images.
        batch: How many neurons to compute at once.

    Yields:
        Index into ``spots``, and that neuron's projection.
    """
    found = network.layers_at(size)[layer]
    plan = crop_plan(network, found, size) if crop else None
    if plan is not None and plan.size == size[1:]:
        plan = None
    batch = min(batch, network.trace(size).batch or batch)
    inputs = [[k] for k in range(len(spots))] if plan is not None else _shared(spots)
    for start in range(0, len(inputs), batch):
        part = _Part(network, found, size, spots, inputs[start : start + batch], plan)
        yield from part.projections(image_of, rule, seed)


def _shared(spots: Sequence[Spot]) -> list[list[int]]:
    """Group spots that share an image, at most `_ROUNDS` together; groups of one size side by side.

    Each round of a batch goes back through all its images, so that they should have work equally
    long.
    """
    by_image: dict[int, list[int]] = {}
    for k, spot in enumerate(spots):
        by_image.setdefault(spot.image, []).append(k)
    groups = [
        group[start : start + _ROUNDS]
        for group in by_image.values()
        for start in range(0, len(group), _ROUNDS)
    ]
    return sorted(groups, key=len, reverse=True)


class _Part:
    """A batch of inputs (crops or whole images), each with the spots that start from it."""

    def __init__(
        self,
        network: Network,
        layer: Layer,
        size: tuple[int, int, int],
        spots: Sequence[Spot],
        inputs: Sequence[Sequence[int]],
        plan: CropPlan | None,
    ) -> None:
        self._network, self._layer, self._size = network, layer, size
        self._spots, self._inputs = spots, inputs
        self._extent, self._jump = size[1:], (1, 1)
        self._starts = [(0, 0)] * len(inputs)
        if plan is not None:
            first = [spots[group[0]] for group in inputs]
            self._starts = [plan.start(layer.box(s.row, s.column), size[1:]) for s in first]
            self._extent, self._jump = plan.size, plan.jump

    def projections(
        self, image_of: Callable[[int], Image], rule: Rule, seed: Seed
    ) -> Iterator[tuple[int, Projection]]:
        height, width = self._extent
        images = torch.stack([
            image_of(self._spots[group[0]].image)[:, top : top + height, left : left + width]
            for group, (top, left) in zip(self._inputs, self._starts, strict=True)
        ])
        network, layer, size = self._network, self._layer.address, self._size
        extended = backward_graph(network, layer, rule, size).extended
        # Round r takes the r-th spot of each input that has so many.
        rounds = [
            [(k, group[r]) for k, group in enumerate(self._inputs) if r < len(group)]
            for r in range(max(map(len, self._inputs)))
        ]
        signals = [self._signal(part, seed) for part in rounds]
        sent = propagate_each(network, layer, images, rule, signals, size=size)
        for part, (maps, output) in zip(rounds, sent, strict=True):
            activations = self._layer.maps(output)[self._places(part, output)].tolist()
            for (k, number), activation in zip(part, activations, strict=True):
                spot = self._spots[number]
                yield (
                    number,
                    Projection(
                        maps[k],
                        self._starts[k],
                        size[1:],
                        Address(layer, spot.unit, spot.row, spot.column),
                        activation,
                        self._layer.box(spot.row, spot.column),
                        rule,
                        seed,
                        extended,
                        network.name,
                    ),
                )

    def _signal(self, part: Sequence[tuple[int, int]], seed: Seed) -> Callable[[Tensor], Tensor]:
        def signal(output: Tensor) -> Tensor:
            maps = self._layer.maps(output)
            where = self._places(part, output)
            start = torch.zeros_like(maps)
            start[where] = 1.0 if seed == "one" else maps[where]
            return self._layer.unmaps(start)

        return signal

    def _places(self, part: Sequence[tuple[int, int]], output: Tensor) -> tuple[Tensor, ...]:
        """Return where the spots are in the layer's maps of these inputs."""
        places = []
        for k, number in part:
            spot, (top, left) = self._spots[number], self._starts[k]
            down, across = top // self._jump[0], left // self._jump[1]
            places.append((k, spot.unit, spot.row - down, spot.column - across))
        return tuple(torch.tensor(places, device=output.device).unbind(1))
