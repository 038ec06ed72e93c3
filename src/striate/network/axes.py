"""Which axis of each tensor in the graph holds images, units, rows and columns.

Networks move their axes about: transformers flatten the map to tokens, ConvNeXt and Swin put the
units last, ShuffleNet splits them. We follow the axes from the image to every node.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from striate.network.operations import data_inputs, operation

Axes = tuple[str, ...]
IMAGE_AXES: Axes = ("images", "units", "rows", "columns")
SPATIAL = ("rows", "columns")

_REDUCTIONS = frozenset({
    "mean", "sum", "amax", "max", "var", "std", "linalg_vector_norm", "logsumexp", "norm", "argmax",
})  # fmt: skip


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of a node's value; the batch counts as traced (2)."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return ()
    kept: tuple[Tensor, tuple[int, ...]] | None = node.meta.get("shape")
    # Asking torch is slow, and receptive fields ask a million times.
    if kept is None or kept[0] is not value:
        sizes: list[Any] = list(value.shape)
        hints: list[Any] = [s.node.hint if isinstance(s, torch.SymInt) else s for s in sizes]
        kept = node.meta["shape"] = value, tuple(int(size) for size in hints)
    return kept[1]


def mark_axes(graph: fx.Graph) -> None:
    """Write ``node.meta["axes"]`` for each node of the graph that depends on the image."""
    batch: int | torch.SymInt = 0
    for node in graph.nodes:
        rank = len(shape_of(node))
        if node.op == "placeholder":
            node.meta["axes"] = IMAGE_AXES
            batch = node.meta["val"].shape[0]
        elif node.meta.get("depends") and rank:
            axes = _follow(node)
            axes = axes if len(axes) == rank else ("other",) * rank
            if axes[0] == "other" and "images" not in axes and _leads_with(node, batch):
                axes = ("images", *axes[1:])
            node.meta["axes"] = axes


def _leads_with(node: fx.Node, batch: int | torch.SymInt) -> bool:
    """Say whether a value's first axis counts the images again (windows put back together)."""
    first = node.meta["val"].shape[0]
    if isinstance(first, torch.SymInt) and isinstance(batch, torch.SymInt):
        return bool(first.node.expr == batch.node.expr)
    return bool(first == batch)


def axes_of(node: fx.Node) -> Axes:
    """Return what each axis of a node's value holds."""
    axes: Axes = node.meta.get("axes", ())
    return axes


def has_maps(node: fx.Node) -> bool:
    """Say whether each unit of a node's value has a map of rows and columns, and nothing else."""
    axes = axes_of(node)
    return len(axes) == len(IMAGE_AXES) and set(SPATIAL) <= set(axes)


def size_along(node: fx.Node, axis: str) -> int:
    """Return how many places a node's value has along an axis, which it must have."""
    return shape_of(node)[axes_of(node).index(axis)]


def _follow(node: fx.Node) -> Axes:
    name = operation(node)
    inputs = [source for source in data_inputs(node) if shape_of(source)]
    if not inputs:
        whole = [s for s in data_inputs(node) if isinstance(s.meta.get("val"), (tuple, list))]
        inputs = data_inputs(whole[0]) if whole else []
        if not inputs:
            return ("other",) * len(shape_of(node))
    first = inputs[0]
    axes = axes_of(first)
    rule = _RULES.get(name)
    if rule is not None:
        return rule(node, axes)
    if name in _REDUCTIONS:
        return _reduced(node, axes, len(shape_of(first)))
    if name in {"view", "_unsafe_view", "reshape", "flatten", "unflatten"}:
        return reshaped(axes, shape_of(first), shape_of(node))
    if name in {"matmul", "bmm", "scaled_dot_product_attention"}:
        last = axes_of(inputs[-1])
        return (*axes[:-1], last[-1] if last else "other")
    return _broadcast(node, inputs)


def _broadcast(node: fx.Node, inputs: Sequence[fx.Node]) -> Axes:
    """Follow an operation that keeps places: align at the last axis, believe the largest input."""
    shape = shape_of(node)
    best = max(
        inputs,
        key=lambda n: (len(shape_of(n)), math.prod(shape_of(n)), -axes_of(n).count("other")),
    )
    axes = axes_of(best)
    return ("other",) * (len(shape) - len(axes)) + axes[-len(shape) :] if shape else ()


def _reduced(node: fx.Node, axes: Axes, rank: int) -> Axes:
    dims = _dims(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim"), rank)
    if len(shape_of(node)) == rank:
        return axes
    return tuple(axis for index, axis in enumerate(axes) if index not in dims)


def _dims(value: Any, rank: int) -> set[int]:
    if value is None:
        return set(range(rank))
    dims = value if isinstance(value, (list, tuple)) else [value]
    return {int(dim) % rank for dim in dims}


def reshaped(axes: Axes, before: Sequence[int], after: Sequence[int]) -> Axes:
    """Follow axes through a reshape.

    An axis that stays whole keeps its name; the last part of split units, and units merged with
    others, stay units; split or merged rows and columns are lost.

    Args:
        axes: Names of the axes before.
        before: Sizes before.
        after: Sizes after; the same number of values.

    Returns:
        Names of the axes after.

    Example:
        >>> reshaped(("images", "units", "rows", "columns"), (2, 6, 5, 5), (2, 3, 2, 5, 5))
        ('images', 'other', 'units', 'rows', 'columns')
        >>> reshaped(("images", "units", "rows", "columns"), (2, 6, 5, 5), (2, 6, 25))
        ('images', 'units', 'other')
    """
    result: list[str] = []
    i = j = 0
    while i < len(before) or j < len(after):
        start_i, start_j = i, j
        left = right = 1
        while True:
            if left == right and i > start_i and j > start_j:
                break
            if i < len(before) and (left <= right or j >= len(after)):
                left *= before[i]
                i += 1
            elif j < len(after):
                right *= after[j]
                j += 1
            else:
                break
        group = [(axes[k], before[k]) for k in range(start_i, i)]
        result.extend(_regroup(group, list(after[start_j:j])))
    return tuple(_gridded(result, axes))


def _regroup(group: list[tuple[str, int]], after: list[int]) -> list[str]:
    real = [axis for axis, size in group if size > 1] or [axis for axis, _ in group]
    places = [k for k, size in enumerate(after) if size > 1] or ([0] if after else [])
    names = ["other"] * len(after)
    if len(real) == 1 and len(places) == 1:
        names[places[0]] = real[0]
    elif len(real) == 1 and real[0] == "units":
        names[places[-1]] = "units"
    elif len(places) == 1 and "units" in real and not {*SPATIAL, "images"} & set(real):
        names[places[0]] = "units"
    return names


def _gridded(names: list[str], before: Axes) -> list[str]:
    """Tokens that are laid out as a grid again (4 axes, two of them unnamed) are rows, columns."""
    free = [k for k, name in enumerate(names) if name == "other"]
    was = before.count("other")
    if len(names) == 4 and len(free) == 2 and was == 1 and {"images", "units"} <= set(names):
        names[free[0]], names[free[1]] = SPATIAL
    return names


def _linear(_node: fx.Node, axes: Axes) -> Axes:
    return (*("other" if axis == "units" else axis for axis in axes[:-1]), "units")


def _permute(node: fx.Node, axes: Axes) -> Axes:
    return tuple(axes[int(dim)] for dim in node.args[1])  # type: ignore[union-attr, arg-type]


def _transpose(node: fx.Node, axes: Axes) -> Axes:
    first, second = (int(dim) % len(axes) for dim in node.args[1:3])  # type: ignore[arg-type]
    swapped = list(axes)
    swapped[first], swapped[second] = axes[second], axes[first]
    return tuple(swapped)


def _unsqueeze(node: fx.Node, axes: Axes) -> Axes:
    at = int(node.args[1]) % (len(axes) + 1)  # type: ignore[arg-type]
    return (*axes[:at], "other", *axes[at:])


def _squeeze(node: fx.Node, axes: Axes) -> Axes:
    rank = len(axes)
    source = data_inputs(node)[0]
    dims = _dims(node.args[1] if len(node.args) > 1 else None, rank)
    sizes = shape_of(source)
    return tuple(axis for k, axis in enumerate(axes) if k not in dims or sizes[k] != 1)


def _select(node: fx.Node, axes: Axes) -> Axes:
    at = int(node.args[1]) % len(axes)  # type: ignore[arg-type]
    return axes[:at] + axes[at + 1 :]


def _stack(node: fx.Node, axes: Axes) -> Axes:
    at = int(node.args[1] if len(node.args) > 1 else 0) % (len(axes) + 1)  # type: ignore[arg-type]
    return (*axes[:at], "other", *axes[at:])


def _expand(node: fx.Node, axes: Axes) -> Axes:
    return ("other",) * (len(shape_of(node)) - len(axes)) + axes


def _getitem(node: fx.Node, axes: Axes) -> Axes:
    source = node.args[0]
    if isinstance(source, fx.Node) and operation(source) == "unbind":
        at = int(source.args[1] if len(source.args) > 1 else 0) % len(axes)  # type: ignore[arg-type]
        return axes[:at] + axes[at + 1 :]
    return axes


def _image_like(node: fx.Node, axes: Axes) -> Axes:
    """Operations on images give images, whatever is known of what came in."""
    return (axes[0], *IMAGE_AXES[1:]) if len(shape_of(node)) == 4 else axes


def _einsum(node: fx.Node, _axes: Axes) -> Axes:
    terms, _, result = str(node.args[0]).replace(" ", "").partition("->")
    operands: Any = node.args[1]
    names: dict[str, str] = {}
    for letters, operand in zip(terms.split(","), operands, strict=False):
        for letter, axis in zip(letters, axes_of(operand), strict=False):
            names[letter] = axis if names.get(letter, "other") == "other" else names[letter]
    return tuple(names.get(letter, "other") for letter in result)


_RULES: dict[str, Callable[[fx.Node, Axes], Axes]] = {
    **dict.fromkeys(("linear", "addmm", "mm"), _linear),
    "permute": _permute,
    "transpose": _transpose,
    "unsqueeze": _unsqueeze,
    "squeeze": _squeeze,
    "select": _select,
    "stack": _stack,
    "expand": _expand,
    "getitem": _getitem,
    "conv3d": lambda _node, axes: ("images", "units", "other", *axes[3:]),
    "einsum": _einsum,
    **dict.fromkeys(
        (
            "conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
            "_adaptive_avg_pool2d", "adaptive_max_pool2d", "upsample_nearest2d",
            "upsample_bilinear2d", "upsample_bicubic2d",
        ),
        _image_like,
    ),
}  # fmt: skip
