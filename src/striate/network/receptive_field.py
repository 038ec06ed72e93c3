"""What part of the image a neuron can see: box algebra, backwards through the graph.

A neuron's box is an interval of rows and one of columns. Each operation says which interval of its
input an interval of its output is made from; walking back from the neuron and joining what the
branches need gives the interval on the image:

    convolution, pooling   [lo, hi)  ->  [lo s - p, (hi - 1) s - p + d (k - 1) + 1)

Clipped at each layer to the places that exist, this is exact for dense kernels, also with ceil mode
and at borders. What mixes all places (global pooling, attention, squeeze-and-excite, group norm)
says "whole image"; an operation without a rule says so by name.

Source:
    The interval form of the recursion in Araujo, Norris & Sim, "Computing Receptive Fields of
    Convolutional Neural Networks", Distill 2019. https://distill.pub/2019/computing-receptive-fields
"""

import math
from dataclasses import dataclass

from torch import fx

from striate.network.axes import SPATIAL, axes_of, shape_of, size_along
from striate.network.operations import data_inputs, operation
from striate.network.receptive_rules import EVERYTHING, KEEPS_PLACES, RULES, Interval, Query

_PROBES = 64


class NoRuleError(Exception):
    """An operation on the way to the image has no rule; the argument is its name."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """How large the patch is that a neuron of a layer sees, and how patches are laid out.

    Attributes:
        size: (height, width) in pixels, borders aside; None if ``whole``.
        stride: (rows, columns) in pixels between the patches of neighbouring neurons.
        centre: (row, column) in pixels of the middle of the first neuron's patch.
        whole: Whether each neuron sees the whole image.
        reason: Why it is the whole image, where that is not plain geometry; else "".
    """

    size: tuple[int, int] | None
    stride: tuple[float, float] | None
    centre: tuple[float, float] | None
    whole: bool
    reason: str = ""

    def __str__(self) -> str:
        if self.size is None:
            return "whole image" + (f" ({self.reason})" if self.reason else "")
        return f"{self.size[0]} x {self.size[1]}"


def receptive_field(node: fx.Node) -> ReceptiveField:
    """Return the geometry of the receptive fields of a node's neurons, borders aside."""
    try:
        rows, columns = [_geometry(node, axis) for axis in SPATIAL]
    except NoRuleError as error:
        return ReceptiveField(None, None, None, whole=True, reason=f"no rule for {error}")
    if rows is None or columns is None:
        return ReceptiveField(None, None, None, whole=True)
    (size_r, stride_r, centre_r), (size_c, stride_c, centre_c) = rows, columns
    return ReceptiveField((size_r, size_c), (stride_r, stride_c), (centre_r, centre_c), whole=False)


def _geometry(node: fx.Node, axis: str) -> tuple[int, float, float] | None:
    """Return size, stride and centre of the first neuron along an axis; None: sees everything."""
    first = image_interval(node, axis, 0, clip=False)
    last = image_interval(node, axis, _PROBES, clip=False)
    middle = [image_interval(node, axis, k, clip=False) for k in range(1, 5)]
    if any(math.isinf(edge) for span in (first, last, *middle) for edge in span):
        return None
    size = max(span[1] - span[0] for span in (first, last, *middle))
    return int(size), (last[0] - first[0]) / _PROBES, (first[0] + first[1] - 1) / 2


def image_interval(node: fx.Node, axis: str, index: int, *, clip: bool) -> Interval:
    """Return the interval of the image that place ``index`` of a node's axis sees.

    Args:
        node: The layer's node.
        axis: "rows" or "columns".
        index: The place along that axis.
        clip: Whether to cut at the borders of every map on the way (exact), or not (regular).

    Returns:
        [low, high) in pixels; infinite for "everything" where not clipped.

    Raises:
        NoRuleError: If an operation on the way has no rule.
    """
    if axis not in axes_of(node):
        return _end(EVERYTHING, _image(node), axis, clip=clip)
    needed: dict[fx.Node, Interval] = {node: (index, index + 1)}
    result: Interval | None = None
    for current in _upstream(node):
        span = needed.get(current)
        if span is None:
            continue
        if clip:
            span = _clipped(span, size_along(current, axis))
            if span[0] >= span[1] and current is not node:
                continue
        if current.op == "placeholder":
            result = span
            break
        for source, wanted in _sources(current, axis, span, clip=clip):
            if wanted is EVERYTHING and axis not in axes_of(source):
                return _end(EVERYTHING, _image(node), axis, clip=clip)
            known = needed.get(source, wanted)
            needed[source] = (min(known[0], wanted[0]), max(known[1], wanted[1]))
    if result is None:
        return _end(EVERYTHING, _image(node), axis, clip=clip)
    return result


def _upstream(node: fx.Node) -> list[fx.Node]:
    """Return the node and all it depends on, last computed first (cached on the node)."""
    cached: list[fx.Node] | None = node.meta.get("upstream")
    if cached is None:
        keep = {node}
        cached = []
        for current in reversed(node.graph.nodes):
            if current in keep:
                cached.append(current)
                keep.update(data_inputs(current))
        node.meta["upstream"] = cached
    return cached


def _image(node: fx.Node) -> fx.Node:
    return _upstream(node)[-1]


def _end(span: Interval, image: fx.Node, axis: str, *, clip: bool) -> Interval:
    return _clipped(span, size_along(image, axis)) if clip else span


def _clipped(span: Interval, size: int) -> Interval:
    return (max(span[0], 0), min(span[1], size))


def _sources(
    node: fx.Node, axis: str, span: Interval, *, clip: bool
) -> list[tuple[fx.Node, Interval]]:
    """Return each input of a node with the interval of it that an interval of the output needs."""  # noqa: DOC501 - private
    name = operation(node)
    if name == "getitem":
        parent = node.args[0]
        if not isinstance(parent, fx.Node):
            raise NoRuleError(name)
        if not shape_of(parent):
            return _sources(parent, axis, span, clip=clip)
    rule = RULES.get(name)
    if rule is None and name not in KEEPS_PLACES:
        raise NoRuleError(name)
    result = []
    for source in data_inputs(node):
        if axis not in axes_of(source):
            result.append((source, EVERYTHING))
            continue
        size = size_along(source, axis)
        wanted = span
        if rule is not None and not math.isinf(span[0]):
            wanted = rule(Query(node, source, axis, span, size, clip))
        elif rule is None and size == 1 and axis in axes_of(node) and size_along(node, axis) > 1:
            wanted = (0, 1)
        result.append((source, wanted))
    return result
