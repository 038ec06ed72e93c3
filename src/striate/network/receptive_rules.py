"""Which interval of its input each operation makes an interval of its output from.

One rule an operation; `receptive_field` walks through the graph with them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import fx

from striate.network.axes import SPATIAL, axes_of, shape_of, size_along
from striate.network.operations import ELEMENTWISE, operation

Interval: TypeAlias = tuple[int | float, int | float]
"""[low, high) in places along one axis; infinite where everything is seen."""

EVERYTHING: Interval = (-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Query:
    """What a rule is asked: which places of an input do these places of the output need?

    Attributes:
        node: The operation.
        source: The input of it that is asked about; the axis is one of its axes.
        axis: "rows" or "columns".
        span: The places of the output.
        size: How many places the input has along the axis.
        clip: Whether borders count; if not, mirrored and repeated borders are plain places.
    """

    node: fx.Node
    source: fx.Node
    axis: str
    span: Interval
    size: int
    clip: bool

    @property
    def at(self) -> int:
        """Which of the input's axes it is."""
        return axes_of(self.source).index(self.axis)

    @property
    def rank(self) -> int:
        """How many axes the input has."""
        return len(axes_of(self.source))

    def argument(self, position: int, name: str, default: Any) -> Any:
        """Return an argument of the operation, given by position or by name."""
        args, kwargs = self.node.args, self.node.kwargs
        value = args[position] if len(args) > position else kwargs.get(name, default)
        return default if value is None else value

    def along(self, value: Any) -> Any:
        """Return an argument's value for this axis, where it has one an axis."""
        if not isinstance(value, (list, tuple)):
            return value
        return value[SPATIAL.index(self.axis) if len(value) == 2 else 0]


Rule: TypeAlias = Callable[[Query], Interval]


def _slide(span: Interval, kernel: int, stride: int, padding: int, dilation: int) -> Interval:
    low, high = span
    return low * stride - padding, (high - 1) * stride - padding + dilation * (kernel - 1) + 1


def _kernel(query: Query) -> int:
    weight: Any = query.node.args[1]
    return shape_of(weight)[2 + SPATIAL.index(query.axis)]


def _convolution(query: Query) -> Interval:
    kernel = _kernel(query)
    stride = query.along(query.argument(3, "stride", 1))
    dilation = query.along(query.argument(5, "dilation", 1))
    padding = query.argument(4, "padding", 0)
    if padding == "same":
        padding = dilation * (kernel - 1) // 2
    elif padding == "valid":
        padding = 0
    return _slide(query.span, kernel, stride, query.along(padding), dilation)


def _transposed(query: Query) -> Interval:
    stride = query.along(query.argument(3, "stride", 1))
    padding = query.along(query.argument(4, "padding", 0))
    dilation = query.along(query.argument(7, "dilation", 1))
    low = math.ceil((query.span[0] + padding - dilation * (_kernel(query) - 1)) / stride)
    return low, math.floor((query.span[1] - 1 + padding) / stride) + 1


def _pooling(query: Query) -> Interval:
    kernel = query.along(query.node.args[1])
    stride = query.along(query.argument(2, "stride", None) or query.node.args[1])
    padding = query.along(query.argument(3, "padding", 0))
    is_max = operation(query.node).startswith("max")
    dilation = query.along(query.argument(4, "dilation", 1)) if is_max else 1
    return _slide(query.span, kernel, stride, padding, dilation)


def _adaptive(query: Query) -> Interval:
    out = query.along(query.node.args[1])
    if out == 1:
        return EVERYTHING
    low, high = query.span
    return math.floor(low * query.size / out), math.ceil(high * query.size / out)


def _reduction(query: Query) -> Interval:
    dims = query.argument(1, "dim", None)
    if dims is None:
        return EVERYTHING
    dims = dims if isinstance(dims, (list, tuple)) else [dims]
    return EVERYTHING if query.at in {int(dim) % query.rank for dim in dims} else query.span


def _over_axis(query: Query) -> Interval:
    """Softmax and its like: mixes the axis it runs over."""
    dim: Any = query.node.args[1]
    return EVERYTHING if int(dim) % query.rank == query.at else query.span


def _layer_norm(query: Query) -> Interval:
    normalized: Any = query.node.args[1]
    return EVERYTHING if query.at >= query.rank - len(normalized) else query.span


def _linear(query: Query) -> Interval:
    return EVERYTHING if query.at == query.rank - 1 else query.span


def _everything(_query: Query) -> Interval:
    return EVERYTHING


def _padding(query: Query) -> Interval:
    pads: Any = query.node.args[1]
    from_end = query.rank - 1 - query.at
    before = int(pads[2 * from_end]) if 2 * from_end < len(pads) else 0
    size, (low, high) = query.size, (query.span[0] - before, query.span[1] - before)
    mode = query.argument(2, "mode", "constant")
    mode = {"reflection_pad2d": "reflect", "replication_pad2d": "replicate"}.get(
        operation(query.node), mode if isinstance(mode, str) else "constant"
    )
    if mode == "circular":
        return EVERYTHING
    if not query.clip:
        return low, high
    if mode == "reflect":
        return _mirrored((low, high), size)
    if mode == "replicate":
        return min(max(low, 0), size - 1), max(min(high, size), 1)
    return low, high


def _mirrored(span: Interval, size: int) -> Interval:
    """Fold the parts of an interval that lie outside back into the map, about its border places."""
    low, high = span
    parts = [(max(low, 0), min(high, size))]
    if low < 0:
        parts.append((1 - min(high, 0), 1 - low))
    if high > size:
        parts.append((2 * size - 1 - high, 2 * size - 1 - max(low, size)))
    real = [part for part in parts if part[0] < part[1]]
    return min(part[0] for part in real), max(part[1] for part in real)


def _slice(query: Query) -> Interval:
    if int(query.argument(1, "dim", 0)) % query.rank != query.at:
        return query.span
    start, step = int(query.argument(2, "start", 0)), int(query.argument(4, "step", 1))
    start = max(start + query.size, 0) if start < 0 else start
    return start + query.span[0] * step, start + (query.span[1] - 1) * step + 1


def _concatenation(query: Query) -> Interval:
    dim = int(query.argument(1, "dim", 0)) % query.rank
    return EVERYTHING if dim == query.at else query.span


def _nearest(query: Query) -> Interval:
    ratio = query.size / size_along(query.node, query.axis)
    return math.floor(query.span[0] * ratio), math.floor((query.span[1] - 1) * ratio) + 1


def _bilinear(query: Query) -> Interval:
    return _interpolated(query, before=0, after=1)


def _bicubic(query: Query) -> Interval:
    return _interpolated(query, before=1, after=2)


def _interpolated(query: Query, *, before: int, after: int) -> Interval:
    span, size, out = query.span, query.size, size_along(query.node, query.axis)
    if query.argument(2, "align_corners", default=False):
        ratio = (size - 1) / max(out - 1, 1)
        places = [span[0] * ratio, (span[1] - 1) * ratio]
    else:
        places = [(place + 0.5) * size / out - 0.5 for place in (span[0], span[1] - 1)]
    low, high = math.floor(places[0]) - before, math.floor(places[1]) + after + 1
    exact = after == 1 and places[1] == math.floor(places[1])
    return min(max(low, 0), size - 1) if places[0] < 0 else low, high - exact


def _shuffle(query: Query) -> Interval:
    factor: Any = query.node.args[1]
    return math.floor(query.span[0] / factor), math.floor((query.span[1] - 1) / factor) + 1


def _unshuffle(query: Query) -> Interval:
    factor: Any = query.node.args[1]
    return query.span[0] * factor, query.span[1] * factor


def _reshape(query: Query) -> Interval:
    node, axis = query.node, query.axis
    stays = axis in axes_of(node) and size_along(node, axis) == query.size
    return query.span if stays else EVERYTHING


def _flip(query: Query) -> Interval:
    flipped: Any = query.node.args[1]
    low, high = query.span
    turned = query.at in {int(dim) % query.rank for dim in flipped}
    return (query.size - high, query.size - low) if turned else query.span


KEEPS_PLACES = ELEMENTWISE | {
    "permute", "transpose", "expand", "unsqueeze", "squeeze", "split", "split_with_sizes", "chunk",
    "_native_batch_norm_legit_no_training", "stack", "unbind", "getitem"
}  # fmt: skip
"""Operations without a rule of their own: an output place needs the same place of each input."""


def _across_units(query: Query) -> Interval:
    """Pool over neighbouring units (as local response normalization does), place by place."""
    kernel: Any = query.node.args[1]
    same = isinstance(kernel, (list, tuple)) and all(size == 1 for size in kernel[1:])
    return query.span if same and len(kernel) > 1 else EVERYTHING


RULES: dict[str, Rule] = {
    **dict.fromkeys(("conv2d", "convolution"), _convolution),
    "conv_transpose2d": _transposed,
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"), _pooling),
    **dict.fromkeys(
        ("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"), _adaptive
    ),
    **dict.fromkeys(
        ("mean", "sum", "amax", "max", "var", "std", "linalg_vector_norm", "logsumexp"), _reduction
    ),
    **dict.fromkeys(
        ("softmax", "_softmax", "log_softmax", "_log_softmax", "glu", "cumsum"), _over_axis
    ),
    **dict.fromkeys(("layer_norm", "rms_norm"), _layer_norm),
    "avg_pool3d": _across_units,
    "linear": _linear,
    **dict.fromkeys(
        (
            "group_norm", "_native_batch_norm_legit", "matmul", "bmm", "einsum", "roll",
            "scaled_dot_product_attention", "select", "index", "im2col", "unfold", "flatten",
            "linalg_norm",
        ),
        _everything,
    ),
    **dict.fromkeys(
        ("pad", "constant_pad_nd", "reflection_pad2d", "replication_pad2d"), _padding
    ),
    "slice": _slice,
    "cat": _concatenation,
    "upsample_nearest2d": _nearest,
    "upsample_bilinear2d": _bilinear,
    "upsample_bicubic2d": _bicubic,
    "pixel_shuffle": _shuffle,
    "pixel_unshuffle": _unshuffle,
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), _reshape),
    "flip": _flip,
}  # fmt: skip
