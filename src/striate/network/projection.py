"""From one neuron, unit or map back to the pixels: what the backward methods share.

One neuron is computed on the crop that it sees wherever that is exact (see `neighbourhood`), many
neurons of a layer in one batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.backward import Rule, backward_graph, propagate
from striate.network.layers import Layer
from striate.network.neighbourhood import CropPlan, crop_plan
from striate.network.network import Network
from striate.shapes import Box, Image, Images

Seed = Literal["one", "activation"]


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
    found = network.layers_at(size)[layer]
    plan = crop_plan(network, found, size) if crop else None
    if plan is not None and plan.size == size[1:]:
        plan = None
    results: list[Projection] = []
    batch = min(batch, network.trace(size).batch or batch)
    for start in range(0, len(spots), batch):
        results += _project_batch(
            network, images, found, spots[start : start + batch], rule, seed, plan
        )
    return results


def _project_batch(
    network: Network,
    images: Images,
    layer: Layer,
    spots: Sequence[Spot],
    rule: Rule,
    seed: Seed,
    plan: CropPlan | None,
) -> list[Projection]:
    height, width = int(images.shape[2]), int(images.shape[3])
    boxes = [layer.box(spot.row, spot.column) for spot in spots]
    starts = [(0, 0)] * len(spots)
    extent, jump = (height, width), (1, 1)
    if plan is not None:
        starts = [plan.start(box, (height, width)) for box in boxes]
        extent, jump = plan.size, plan.jump
    inputs = torch.stack([
        images[spot.image, :, top : top + extent[0], left : left + extent[1]]
        for spot, (top, left) in zip(spots, starts, strict=True)
    ])
    index = torch.arange(len(spots), device=images.device)
    unit = torch.tensor([spot.unit for spot in spots], device=images.device)
    row = torch.tensor(
        [s.row - t // jump[0] for s, (t, _) in zip(spots, starts, strict=True)],
        device=images.device,
    )
    column = torch.tensor(
        [s.column - left // jump[1] for s, (_, left) in zip(spots, starts, strict=True)],
        device=images.device,
    )

    def signal(output: Tensor) -> Tensor:
        maps = layer.maps(output)
        where = (index, unit, row, column)
        start = torch.zeros_like(maps)
        start[where] = 1.0 if seed == "one" else maps[where]
        return layer.unmaps(start)

    size = (int(images.shape[1]), height, width)
    maps, output = propagate(network, layer.address, inputs, rule, signal, size=size)
    activations = layer.maps(output)[index, unit, row, column].tolist()
    extended = backward_graph(network, layer.address, rule, size).extended
    projections = []
    for k, spot in enumerate(spots):
        neuron = Address(layer.address, spot.unit, spot.row, spot.column)
        projections.append(
            Projection(
                maps[k],
                starts[k],
                (height, width),
                neuron,
                activations[k],
                boxes[k],
                rule,
                seed,
                extended,
                network.name,
            )
        )
    return projections
