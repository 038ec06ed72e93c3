"""Run on from one layer many times over; what goes round the layer is computed once an image.

`Network.resume` needs the images wherever a residual connection goes round a layer, and then runs
the network again from its first node. Here the graph is cut at the layer and at all signals that
cross over beside it, so that each run costs only what lies behind.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, fx

from striate.errors import AddressError, MethodError
from striate.network.axes import axes_of, shape_of
from striate.network.cut import cut, needed
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.operations import data_inputs
from striate.network.trace import Trace, filled
from striate.shapes import Images, Maps


@dataclass(frozen=True, slots=True)
class Crossing:
    """All that crosses a layer on the way from some images to their scores.

    Attributes:
        maps: The layer's own maps.
        beside: What goes round the layer, image by image.
    """

    maps: Maps
    beside: tuple[Tensor, ...]


class Onward:
    """The way from a layer to the class scores.

    Args:
        network: The network.
        layer: Address of a layer with units.

    Raises:
        AddressError: If there is no such layer, or it has no units.
        MethodError: If the network has no class scores, or they do not depend on the layer.

    Attributes:
        layer: The layer.
        units: How many units it has.
        classes: How many class scores there are.

    Example:
        >>> import striate
        >>> head = torch.nn.Linear(2, 2, bias=False)
        >>> head.weight.data = torch.eye(2)
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 8), torch.nn.Flatten(), head)
        >>> onward = Onward(striate.load(module, image_size=(8, 8)), "0")
        >>> crossing = onward.reach(torch.ones(1, 3, 8, 8))
        >>> maps = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
        >>> onward.scores(crossing, torch.tensor([0]), maps)
        tensor([[3., 4.]])
    """

    def __init__(self, network: Network, layer: str) -> None:
        self._network = network
        self.layer: Layer = network.layers.whole(layer)
        if self.layer.units is None:
            msg = f"{self.layer.address} has no units: none of its axes counts them"
            raise AddressError(msg)
        self.units: int = self.layer.units
        trace = network.trace()
        self._scores: Layer = network.layers[network.scores]
        count = network.class_count
        if count is None or count < 2:
            msg = (
                f"{network.name} does not end in scores of two classes or more; what a unit does "
                "for a class can only be told from such scores"
            )
            raise MethodError(msg)
        self.classes: int = count
        behind = _behind(trace, self.layer.node)
        if self._scores.node not in behind:
            msg = f"the class scores of {network.name} do not depend on {self.layer.address}"
            raise MethodError(msg)
        self._behind = behind & needed([self._scores.node])
        self._beside = _crossing(trace, self._behind, self.layer.node)

    @cached_property
    def values(self) -> int:
        """The size of the largest tensor that one image needs from the layer on."""
        images = shape_of(self._network.trace().images)[0]
        nodes = [*self._behind, *self._beside]
        return max(math.prod(shape_of(node)) // images for node in nodes)

    def reach(self, images: Images) -> Crossing:
        """Run up to the layer.

        Args:
            images: In *network* space, of the size that the network is traced for.
        """
        nodes = [self.layer.node, *self._beside]
        key = ("onward, to", self.layer.node.name)
        module = self._network.cut(self._size, key, lambda trace: cut(trace, nodes))
        first, *beside = self._run(module, {"images": images})
        return Crossing(self.layer.maps(first), tuple(beside))

    def scores(
        self,
        crossing: Crossing,
        of: Int64[Tensor, " runs"],
        maps: Float[Tensor, "runs units rows columns"],
    ) -> Float[Tensor, "runs classes"]:
        """Run on from maps that take the place of the layer's own.

        Args:
            crossing: Of some images.
            of: Which of these images each of the maps belongs to.
            maps: The layer's output for each.

        Returns:
            The class scores of each, before softmax.
        """
        inputs = [self.layer.node, *self._beside]
        key = ("onward, from", self.layer.node.name)
        module = self._network.cut(
            self._size, key, lambda trace: cut(trace, [self._scores.node], inputs=inputs)
        )
        given = {"at_0": self.layer.unmaps(maps)}
        given |= {f"at_{k}": v[of] for k, v in enumerate(crossing.beside, start=1)}
        (found,) = self._run(module, given)
        return self._scores.maps(found).flatten(1)

    @property
    def _size(self) -> tuple[int, int, int]:
        return self._network.image_size

    def _run(self, module: fx.GraphModule, given: dict[str, Tensor]) -> Sequence[Any]:
        """Run a cut, in batches of a size that is baked into the graph, if one is."""
        batch = self._network.trace().batch
        if batch is None:
            return list(module(**given))
        parts = []
        for start in range(0, len(next(iter(given.values()))), batch):
            part = {name: value[start : start + batch] for name, value in given.items()}
            here = len(next(iter(part.values())))
            full = {name: filled(value, batch) for name, value in part.items()}
            parts.append([value[:here] for value in module(**full)])
        return [torch.cat(values) for values in zip(*parts, strict=True)]


def _behind(trace: Trace, at: fx.Node) -> set[fx.Node]:
    """Return a node and all that is made from it."""
    found = {at}
    for node in trace.graph.nodes:
        if any(source in found for source in data_inputs(node)):
            found.add(node)
    return found


def _crossing(trace: Trace, behind: set[fx.Node], at: fx.Node) -> list[fx.Node]:
    """Return the nodes beside a layer whose values are needed behind it, in execution order.

    Only what has one row an image can be handed on; where something else crosses over (images cut
    into windows, say), what it is made from is handed on in its place.
    """
    queue = [s for node in behind if node is not at for s in data_inputs(node) if s not in behind]
    found = set[fx.Node]()
    while queue:
        node = queue.pop()
        if node in found:
            continue
        if node.op == "placeholder" or (axes_of(node)[:1] == ("images",) and shape_of(node)):
            found.add(node)
        else:
            queue.extend(data_inputs(node))
    return [node for node in trace.graph.nodes if node in found]
