"""The part of an image that is enough to compute one neuron, exactly.

A neuron needs only its receptive field. Cut out on the grid of its layer's stride, with the image's
own border kept where the field touches it, the crop gives the same activation and the same maps as
the whole image. Crops of one layer share one size, so that many neurons make one batch: with jump J
and image side H, the size S is a multiple of J away from H, so that the last crop ends at the
border, and the first neuron of a crop that starts at t is neuron t / J of the image.
"""

import math
from dataclasses import dataclass

from torch import fx

from striate.network.axes import SPATIAL, axes_of, shape_of
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.operations import data_inputs, operation

_PER_PLACE = frozenset({
    "conv2d", "max_pool2d", "avg_pool2d", "_native_batch_norm_legit_no_training", "getitem", "relu",
    "hardtanh", "leaky_relu", "elu", "gelu", "silu", "hardswish", "mish", "prelu", "softplus",
    "sigmoid", "hardsigmoid", "tanh", "add", "sub", "mul", "cat", "permute", "clone", "linear",
    "layer_norm", "clamp_min", "clamp", "dropout", "alias", "pad", "_prelu_kernel", "selu", "celu",
})  # fmt: skip
"""Operations that do at a place of a crop what they do at that place of the image."""


@dataclass(frozen=True, slots=True)
class CropPlan:
    """How to cut crops for the neurons of a layer.

    Attributes:
        size: (height, width) of every crop, in pixels.
        jump: (rows, columns) in pixels between neighbouring neurons.
    """

    size: tuple[int, int]
    jump: tuple[int, int]

    def start(self, box: tuple[int, int, int, int], image: tuple[int, int]) -> tuple[int, int]:
        """Return the top-left pixel of the crop for a neuron with a (clipped) box."""
        top = min(box[0] // self.jump[0] * self.jump[0], image[0] - self.size[0])
        left = min(box[1] // self.jump[1] * self.jump[1], image[1] - self.size[1])
        return top, left


def crop_plan(network: Network, layer: Layer, size: tuple[int, int, int]) -> CropPlan | None:
    """Return how to crop for neurons of a layer, or None where a crop would not be exact.

    Args:
        network: The network.
        layer: The layer, of the trace for ``size``.
        size: (channels, height, width) of the images.
    """
    made: CropPlan | None = network.cut(
        size, ("crop", layer.node.name), lambda trace: _plan(layer, size, trace.batch)
    )
    return made


def _plan(layer: Layer, size: tuple[int, int, int], batch: int | None) -> CropPlan | None:
    field = layer.receptive_field
    if field.size is None or field.stride is None:
        return None
    if batch is not None or not _exact_on_crops(layer.node):
        return None
    sizes, jumps = [], []
    for extent, stride, side in zip(field.size, field.stride, size[1:], strict=True):
        jump = round(stride)
        if jump < 1 or not math.isclose(jump, stride):
            return None
        needed = extent + jump - 1
        sizes.append(side - max((side - needed) // jump, 0) * jump)
        jumps.append(jump)
    return CropPlan((sizes[0], sizes[1]), (jumps[0], jumps[1]))


def _exact_on_crops(node: fx.Node) -> bool:
    seen, queue = set(), [node]
    while queue:
        current = queue.pop()
        if current in seen or current.op == "placeholder":
            continue
        seen.add(current)
        axes = axes_of(current)
        if operation(current) not in _PER_PLACE or (axes and not set(SPATIAL) <= set(axes)):
            return False
        if operation(current) == "pad" and len(current.args) > 2 and current.args[2] != "constant":
            return False
        if operation(current) == "pad" and any(int(p) < 0 for p in current.args[1]):  # type: ignore[union-attr, arg-type]
            return False
        if operation(current) == "layer_norm" and len(current.args[1]) > 1:  # type: ignore[arg-type]
            return False
        joins = operation(current) in {"add", "sub", "mul", "cat"}
        if joins and any(_varies_over_space(s, axes) for s in current.all_input_nodes):
            return False
        queue.extend(data_inputs(current))
    return True


def _varies_over_space(source: fx.Node, axes: tuple[str, ...]) -> bool:
    """Say whether a constant operand (a position embedding) has a value for each place."""
    shape = shape_of(source)
    if source.meta.get("depends", False):
        return False
    aligned = zip(reversed(axes), reversed(shape), strict=False)
    return any(axis in SPATIAL and size > 1 for axis, size in aligned)
