"""From images of a canvas to the maps of some layers: the graph cut at the deepest, made fast."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from striate.errors import MethodError
from striate.network.axes import shape_of
from striate.network.cut import Fast, cut
from striate.network.layers import Layer
from striate.network.neighbourhood import crop_plan
from striate.network.network import Network
from striate.network.redirect import redirecting
from striate.network.trace import Trace, filled
from striate.optimize.half import Range
from striate.shapes import Images, Maps

_FREE_SHARE = 0.25
_CPU_BYTES = 1 << 30
"""What the activations of one batch may take where nobody can say how much memory is free."""


class View:
    """Layers of a network as functions of images of one size.

    Args:
        network: The network.
        layers: Addresses of layers.
        size: (channels, height, width) of the images.

    Raises:
        AddressError: If a layer does not exist, or has no units.
        MethodError: If no gradient can come back from a layer.
    """

    def __init__(self, network: Network, layers: Sequence[str], size: tuple[int, int, int]) -> None:
        self.network, self.size = network, size
        self.names = tuple(layers)
        # Where a crop of an image is as good as an image, one graph serves all sizes.
        home = [network.layers.whole(name) for name in layers]
        anywhere = all(crop_plan(network, layer, network.image_size) for layer in home)
        self.trace_size = network.image_size if anywhere else size
        table = network.layers_at(self.trace_size)
        self.layers: list[Layer] = [table.whole(name) for name in layers]
        for layer in self.layers:
            if layer.units is None:
                layer.maps(torch.zeros(()))
        self._trace = network.trace(self.trace_size)
        self._nodes = [layer.node for layer in self.layers]

    def __call__(self, images: Images, *, redirected: bool = False) -> dict[str, Maps]:
        """Return the maps of each layer, differentiable by the images.

        Args:
            images: In network space.
            redirected: Whether dead rectifiers lead on what would revive them.
        """
        module = self._module(redirected=redirected)
        count, baked = len(images), self._trace.batch
        if baked is not None and count > baked:
            parts = [self(part, redirected=redirected) for part in torch.split(images, baked)]
            return {name: torch.cat([part[name] for part in parts]) for name in self.names}
        given, range_ = filled(images, baked), None
        if images.requires_grad and self.network.dtype.itemsize < images.dtype.itemsize == 4:
            range_ = Range()
            given = range_.images(given)
        outputs = module(given.to(self.network.dtype))
        maps = [layer.maps(output) for layer, output in zip(self.layers, outputs, strict=True)]
        maps = [each.to(images.dtype) for each in maps] if range_ is None else range_.maps(maps)
        # Even a slice that keeps all would cost the gradient its memory layout, and time.
        real = [each if len(each) == count else each[:count] for each in maps]
        return dict(zip(self.names, real, strict=True))

    def _module(self, *, redirected: bool) -> Any:
        names = tuple(node.name for node in self._nodes)

        def make(trace: Trace) -> Fast:
            wrap = redirecting(trace) if redirected else None
            graph = cut(trace, self._nodes, wrap=wrap)
            return Fast(graph, self.network.device, gradients=True, derived=trace.derived)

        return self.network.cut(self.trace_size, ("view", names, redirected), make)

    def batch(self, most: int) -> int:
        """Return how many images at once fit into memory: up to ``most``, at least one."""
        if self._trace.batch is not None:
            return self._trace.batch
        scale = (self.size[1] * self.size[2]) / (self.trace_size[1] * self.trace_size[2])
        needed = _bytes_each(self._trace, self._nodes) * scale
        return max(1, min(most, int(self._free() / max(needed, 1))))

    def _free(self) -> float:
        if self.network.device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(self.network.device)
            return free * _FREE_SHARE
        return float(_CPU_BYTES)


def _bytes_each(trace: Trace, ends: Sequence[fx.Node]) -> float:
    """Return the bytes that the activations of one image take on the way to some nodes."""
    total, left = 0, set(ends)
    for node in trace.graph.nodes:
        value = node.meta.get("val")
        if node.meta.get("depends") and isinstance(value, Tensor) and left:
            total += math.prod(shape_of(node)) * value.element_size()
        left.discard(node)
    # Each activation is kept for the way back, where it meets a signal of its size.
    return 2.0 * total / shape_of(trace.images)[0]


def check_reachable(maps: Maps, name: str) -> None:
    """Refuse a layer that no gradient comes back from.

    Raises:
        MethodError: If so.
    """
    if not maps.requires_grad:
        msg = f"no image can be made for {name}: it only compares or counts, it has no gradient"
        raise MethodError(msg)
