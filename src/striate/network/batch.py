"""What a graph does with the axis of images: do they meet, and does it stay where there is one.

A graph is traced for a batch whose size is a symbol. What depends on the images and has lost that
symbol, or has it twice, was computed from several of them: the mean of a batch, a batch norm
without running statistics, attention between images.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from striate.network.operations import operation

_AXIS: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(
        ("_softmax", "softmax", "_log_softmax", "log_softmax", "cumsum", "cumprod", "cummax",
         "cummin", "logcumsumexp", "flip"),
        (1, None),
    ),
    "sort": (1, -1), "argsort": (1, -1), "topk": (2, -1), "roll": (2, None),
}  # fmt: skip
"""Operations that keep shapes and mix along axes: which argument names these, and its default."""


def images_meet(graph: fx.Graph) -> bool:
    """Say whether what a graph computes for an image depends on the other images of the batch.

    Args:
        graph: With ``meta["depends"]``, of a batch of any size; of a fixed one nobody can say.
    """
    images = next(node for node in graph.nodes if node.op == "placeholder")
    batch = images.meta["val"].shape[0]
    if isinstance(batch, int):
        return False
    symbols = batch.node.expr.free_symbols
    return any(
        _mixes(node, symbols)
        for node in graph.nodes
        if node.op == "call_function" and node.meta["depends"]
    )


def _mixes(node: fx.Node, symbols: set[Any]) -> bool:
    name = operation(node)
    values = [value for value in _tensors(node.meta.get("val")) if 0 not in value.shape]
    if any(len(_along(value, symbols)) != 1 for value in values):
        return True
    source = node.args[0] if node.args else None
    given = source.meta.get("val") if isinstance(source, fx.Node) else None
    if not isinstance(given, Tensor):
        return False
    along = _along(given, symbols)
    if "scaled_dot_product" in name:
        return given.ndim - 2 in along
    if name not in _AXIS:
        return False
    place, default = _AXIS[name]
    axes: Any = node.args[place] if len(node.args) > place else node.kwargs.get("dim", default)
    listed = axes if isinstance(axes, Sequence) else [axes]
    return not listed or any(int(axis) % given.ndim in along for axis in listed if axis is not None)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)


def _along(value: Tensor, symbols: set[Any]) -> list[int]:
    """Return the axes whose length is counted in images."""
    sizes: list[Any] = list(value.shape)
    return [
        axis
        for axis, size in enumerate(sizes)
        if isinstance(size, torch.SymInt) and symbols & size.node.expr.free_symbols
    ]


def keep_axis(graph: fx.Graph) -> None:
    """Let ``squeeze`` drop the axes that it dropped when traced, and not that of a single image."""
    for node in graph.nodes:
        if node.op != "call_function" or operation(node) != "squeeze":
            continue
        source = node.args[0]
        sizes: list[Any] = list(source.meta["val"].shape)
        asked: Any = node.args[1] if len(node.args) > 1 else range(len(sizes))
        listed = [int(a) % len(sizes) for a in ([asked] if isinstance(asked, int) else asked)]
        dropped = [axis for axis in listed if isinstance(sizes[axis], int) and sizes[axis] == 1]
        node.target, node.args = torch.ops.aten.squeeze.dims, (source, dropped)
