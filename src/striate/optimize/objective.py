"""What to make large: an immutable algebra of terms over the layers of a network.

>>> objective = unit("layer3:7") + 0.5 * unit("layer3:8") - 2.0 * diversity("layer3")
>>> objective.layers
('layer3',)

An objective gives one value for each image of a batch; an ascent makes their sum larger. Terms with
several addresses give each image its own: `units` is one canvas for each of many units.

Source:
    Erhan et al. 2009 (units), Simonyan et al. 2014 (scores before the softmax), Mordvintsev et al.
    2015 (deep dream), Olah et al., "Feature Visualization", Distill 2017 (directions, diversity,
    alignment) and the code of Lucid, ``optvis/objectives.py``.

Differs from the source:
    Lucid's objectives are numbers of a whole batch; here each image has its own share of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from striate.errors import MethodError
from striate.network.address import Address
from striate.network.network import Network
from striate.optimize.known import known
from striate.shapes import Images, Maps

Seen = Mapping[str, Maps]
"""Activation maps by the address of their layer."""

Place = Literal["mean", "centre", "max"]
"""Which of a unit's neurons: all of them, the one at the centre, the strongest."""


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to make large.

    Attributes:
        name: What it is called in reports.
        layers: Layers whose maps it looks at.
        function: From the maps and the images (network space) to one value for each image.
    """

    name: str
    layers: tuple[str, ...]
    function: Callable[[Seen, Images], Tensor]


@dataclass(frozen=True, slots=True)
class Objective:
    """A weighted sum of terms; ``+ - * /`` make new ones and change none.

    Attributes:
        terms: Pairs of a weight and a term.
        constant: Added to the sum.
    """

    terms: tuple[tuple[float, Term], ...] = ()
    constant: float = 0.0

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that any term looks at, each once."""
        return tuple(dict.fromkeys(name for _, term in self.terms for name in term.layers))

    def __call__(self, seen: Seen, images: Images) -> Tensor:
        """Return one value for each image."""
        total = torch.full_like(images[:, 0, 0, 0], self.constant)
        for weight, term in self.terms:
            total = total + weight * term.function(seen, images)
        return total

    def __add__(self, other: "Objective | float") -> "Objective":
        if isinstance(other, Objective):
            return Objective(self.terms + other.terms, self.constant + other.constant)
        return replace(self, constant=self.constant + other)

    __radd__ = __add__

    def __mul__(self, factor: float) -> "Objective":
        scaled = tuple((weight * factor, term) for weight, term in self.terms)
        return Objective(scaled, self.constant * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Objective":
        return self * (1 / divisor)

    def __neg__(self) -> "Objective":
        return self * -1.0

    def __sub__(self, other: "Objective | float") -> "Objective":
        return self + -other

    def __rsub__(self, other: float) -> "Objective":
        return -self + other

    def __str__(self) -> str:
        parts = [
            term.name if weight == 1 else f"{weight:g} {term.name}" for weight, term in self.terms
        ]
        return " + ".join([*parts, f"{self.constant:g}"] if self.constant else parts)


def custom(
    layers: Sequence[str], function: Callable[[Seen, Images], Tensor], name: str = "custom"
) -> Objective:
    """Make an objective of any function.

    Args:
        layers: Addresses of the layers that it looks at.
        function: From maps by address, and images in network space, to one value for each image.
        name: What to call it.

    Returns:
        The objective.
    """
    return Objective(((1.0, Term(name, tuple(layers), function)),))


def unit(address: str | Address, place: Place = "mean") -> Objective:
    """Make one unit active, in every image; a neuron ("layer:3@2,5") where the address has one."""
    return units([address], place)


def units(addresses: Sequence[str | Address], place: Place = "mean") -> Objective:
    """Make units active, each in an image of its own; one address stands for all images.

    Args:
        addresses: Units or neurons of one layer, as many as there are images, or one.
        place: Which neuron of a unit, where the address does not say.

    Returns:
        The objective.

    Raises:
        MethodError: If the addresses are of several layers, or name no unit.
    """
    parsed = [Address.parse(address) for address in addresses]
    layers = sorted({address.layer for address in parsed})
    if len(layers) != 1 or any(address.unit is None for address in parsed):
        msg = f"units of one layer are asked for together, not {', '.join(map(str, parsed[:4]))}"
        raise MethodError(msg)
    index = [address.unit or 0 for address in parsed]

    def function(seen: Seen, _images: Images) -> Tensor:
        maps = seen[layers[0]]
        images = torch.arange(len(maps), device=maps.device)
        chosen = maps[images, torch.tensor(index, device=maps.device).expand(len(maps))]
        return torch.stack([
            _at(own, address, place)
            for own, address in zip(chosen, parsed * (len(maps) // len(parsed)), strict=True)
        ])

    name = str(parsed[0]) if len(parsed) == 1 else f"{len(parsed)} units of {layers[0]}"
    return custom(layers, function, name)


def _at(own: Tensor, address: Address, place: Place) -> Tensor:
    """Return the value of one unit's map, (rows, columns), at the place that is asked for."""
    if address.row is not None and address.column is not None:
        return own[address.row, address.column]
    if place == "centre":
        return own[own.shape[0] // 2, own.shape[1] // 2]
    return own.mean() if place == "mean" else own.amax()


def score(network: Network, index: int) -> Objective:
    """Make a class's score large, before the softmax: a probability also grows as others fall."""
    return unit(Address(network.scores, index))


def layer(address: str) -> Objective:
    """Make a whole layer active: half the mean of its squares (deep dream)."""
    return custom([address], lambda seen, _: seen[address].square().flatten(1).mean(1) / 2, address)


def direction(address: str, vector: Tensor, *, power: float = 0.0) -> Objective:
    """Make the activation long along a direction of a layer's units, in the mean over places.

    Args:
        address: The layer.
        vector: One value for each of its units.
        power: The dot product is multiplied by the cosine to this power (not below 0.1).

    Returns:
        The objective.
    """

    def function(seen: Seen, _images: Images) -> Tensor:
        maps = seen[address]
        dots = torch.einsum("nuhw,u->nhw", maps, vector.to(maps))
        if power:
            lengths = maps.norm(dim=1) * vector.to(maps).norm()
            dots = dots * (dots / lengths.clamp(min=1e-6)).clamp(min=0.1) ** power
        return dots.flatten(1).mean(1)

    return custom([address], function, f"direction in {address}")


def features(address: str, target: Tensor, *, mask: Tensor | None = None) -> Objective:
    """Bring a layer close to given maps: minus the squared distance over the target's square.

    Args:
        address: The layer.
        target: (units, rows, columns), or with an axis of images before.
        mask: Of that shape: which of the activations count; all if None.

    Returns:
        The objective; 0 at best.

    Raises:
        MethodError: If the target is zero: nothing is to be normalised by.
    """
    weight = None if mask is None else mask.to(target)
    wanted = target if weight is None else target * weight
    size = wanted.square().sum(dim=(-3, -2, -1))
    if not bool((size > 0).all()):
        msg = f"the target in {address} is zero everywhere: its error cannot be normalised"
        raise MethodError(msg)

    def function(seen: Seen, _images: Images) -> Tensor:
        maps = seen[address]
        with torch.no_grad():
            apart = maps - wanted if weight is None else maps * weight - wanted
            value = torch.linalg.vector_norm(apart, dim=(1, 2, 3)).square() / size
            if weight is not None:
                apart *= weight
        return known(maps, -value, apart, -2 / size)

    return custom([address], function, f"features of {address}")


def diversity(address: str) -> Objective:
    """Measure how alike the images of a batch are in style: to be subtracted.

    For each image, the sum over the others of the cosine between their Gram matrices, over the
    number of images.
    """

    def function(seen: Seen, _images: Images) -> Tensor:
        flat = seen[address].flatten(2)
        gram = torch.einsum("nup,nvp->nuv", flat, flat).flatten(1)
        gram = gram / gram.norm(dim=1, keepdim=True).clamp(min=1e-10)
        alike = gram @ gram.T
        share: Tensor = (alike.sum(1) - alike.diagonal()) / len(alike)
        return share

    return custom([address], function, f"diversity in {address}")


def alignment(address: str, *, reach: float = 2.0) -> Objective:
    """Keep neighbouring images of a batch alike in a layer: minus their squared distance.

    For each image, minus the mean over the others of ``reach ** -(steps between) * distance**2``.
    """

    def function(seen: Seen, _images: Images) -> Tensor:
        flat = seen[address].flatten(1)
        apart = (flat[:, None] - flat[None]).square().mean(2)
        places = torch.arange(len(flat), device=flat.device)
        weight = reach ** -(places[:, None] - places[None]).abs().to(flat)
        return -(apart * weight).sum(1) / max(len(flat) - 1, 1)

    return custom([address], function, f"alignment in {address}")
