"""What a graph does with the axis of images: do they meet, and does it stay where there is one.

A graph is traced for a batch whose size is a symbol. What depends on the images and has lost that
symbol, or has it twice, was computed from several of them: the mean of a batch, a batch norm
without running statistics, attention between images. They meet where what has the symbol is
computed from that. What mixes along the axis of images and keeps its length (a convolution along
it, a Fourier transform) is not found, but for the operations of `_AXIS`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from striate.network.operations import operation

_AXIS: dict[str, tuple[int, int | tuple[()] | None]] = {
    **dict.fromkeys(
        ("_softmax", "softmax", "_log_softmax", "log_softmax", "cumsum", "cumprod", "cummax",
         "cummin", "logcumsumexp", "flip"),
        (1, None),
    ),
    "sort": (1, -1), "argsort": (1, -1), "topk": (2, -1), "roll": (2, ()),
}  # fmt: skip
"""Operations that keep shapes and mix along axes: which argument names these, and its default."""


def where_images_meet(graph: fx.Graph) -> str | None:
    """Name the operation by which an image's values depend on the other images of the batch.

    Args:
        graph: With ``meta["depends"]``, of a batch of any size; of a fixed one nobody can say.

    Returns:
        The first one; None if there is none.
    """
    symbols = _symbols(graph)
    if not symbols:
        return None
    called = (node for node in graph.nodes if node.op == "call_function" and node.meta["depends"])
    return next((operation(node) for node in called if _mixes(node, symbols)), None)


def joined(values: Sequence[Any], output: Any, batch: int, missing: int) -> Any:
    """Put together what a node of a graph, or a constant, was for batch after batch.

    Args:
        values: Its value for each batch.
        output: The node, or the constant.
        batch: How many images are in each.
        missing: How many of the last batch are not wanted.

    Returns:
        Side by side along the axis that counts images; stacked where none does.
    """
    if not isinstance(output, fx.Node) or not output.meta.get("depends", False):
        return values[0]
    axis = _image_axis(output)
    if axis is None:
        return torch.stack(list(values))
    whole = torch.cat(list(values), axis)
    each = whole.shape[axis] // (batch * len(values))
    return whole.narrow(axis, 0, whole.shape[axis] - missing * each)


def _image_axis(node: fx.Node) -> int | None:
    symbols = _symbols(node.graph)
    if symbols:
        along = _along(node.meta["val"], symbols)
        return along[0] if along else None
    return 0 if node.meta["val"].ndim else None


def _symbols(graph: fx.Graph) -> set[Any]:
    images = next(node for node in graph.nodes if node.op == "placeholder")
    batch = images.meta["val"].shape[0]
    return set() if isinstance(batch, int) else batch.node.expr.free_symbols


def _mixes(node: fx.Node, symbols: set[Any]) -> bool:
    name = operation(node)
    values = [value for value in _tensors(node.meta.get("val")) if 0 not in value.shape]
    if any(len(_along(value, symbols)) != 1 for value in values):
        # A loss over the batch beside the scores says nothing of an image.
        return any(
            len(_along(value, symbols)) == 1
            for user in node.users
            for value in _tensors(user.meta.get("val"))
        )
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
        if all(isinstance(sizes[axis], int) for axis in listed):
            continue
        dropped = [axis for axis in listed if isinstance(sizes[axis], int) and sizes[axis] == 1]
        node.target, node.args = torch.ops.aten.squeeze.dims, (source, dropped)
