"""What a product of signals means: a gate, an activation written by hand, or a normalization.

* A **gate** is the operand of a product that comes from a sigmoid, a softmax, a tanh or their like
  (through reshapes, sums and scalings), or the one that is broadcast; queries and keys gate the
  values of attention. Where both operands are alike there is no gate.
* A **self-gated activation** is ``x * g(x)`` with ``g`` elementwise: a SiLU, a Mish or a hard swish
  that somebody wrote out, ``where(x > 0, x, a x)``, ``maximum(x, 0)``.
* **Local response normalization** is ``x / (k + pooled squares of x) ** power``.
"""

import math

from torch import fx

from striate.network.axes import shape_of
from striate.network.operations import (
    COMPARISONS,
    ELEMENTWISE,
    GATES,
    SHAPE,
    data_inputs,
    is_rectifier,
    operation,
    walk_back,
)

_TO_GATE = SHAPE | {"add", "sub", "rsub", "neg", "div", "upsample_nearest2d", "upsample_bilinear2d"}
_SELF_GATED = frozenset({"mul", "where", "maximum", "minimum"})
_BENDING = GATES | COMPARISONS | {"erf", "exp"}
_IN_RESPONSE_NORM = frozenset({
    "pow", "add", "mul", "view", "squeeze", "unsqueeze", "pad", "constant_pad_nd", "avg_pool2d",
    "avg_pool3d", "clone", "_unsafe_view", "square",
})  # fmt: skip


def gates(node: fx.Node) -> list[fx.Node]:
    """Return the operands of a product that gate the others; none where they are alike."""
    name, operands = operation(node), data_inputs(node)
    if name == "scaled_dot_product_attention":
        query, key, value = node.args[:3]
        return [n for n in (query, key) if isinstance(n, fx.Node) and n is not value]
    if name not in {"mul", "matmul", "bmm", "mm", "einsum"} or len(operands) != 2:
        return []
    found = [operand for operand in operands if _is_gate(operand)]
    if len(found) == 1:
        return found
    sizes = [math.prod(shape_of(operand)) for operand in operands]
    if name == "mul" and sizes[0] != sizes[1]:
        return [operands[0] if sizes[0] < sizes[1] else operands[1]]
    return []


def _is_gate(node: fx.Node) -> bool:
    for current in walk_back(node, _TO_GATE):
        if operation(current) in GATES:
            return True
        if len(data_inputs(current)) > 1 and operation(current) in _TO_GATE:
            return False
    return False


def self_gated(node: fx.Node) -> int | None:
    """Return the position of ``x`` in ``x * g(x)``; None if a node is nothing like it."""
    if operation(node) not in _SELF_GATED:
        return None
    places = {
        k: arg
        for k, arg in enumerate(node.args)
        if isinstance(arg, fx.Node) and arg.meta.get("depends")
    }
    for place, candidate in places.items():
        others = [arg for arg in places.values() if arg is not candidate]
        if operation(node) in {"maximum", "minimum"} and len(places) == 1:
            return place
        root = _unscaled(candidate)
        if others and all(_bends(arg, root) for arg in others):
            return place
    return None


def inside_self_gated(graph: fx.Graph) -> set[fx.Node]:
    """Return the nodes that compute the ``g`` of self-gated activations ``x g(x)``."""
    inside: set[fx.Node] = set()
    for node in graph.nodes:
        place = self_gated(node)
        if place is None:
            continue
        root = _unscaled(node.args[place])
        for operand in data_inputs(node):
            if operand is not node.args[place]:
                inside.update(n for n in _between(operand, root) if n is not root)
    return inside


def _unscaled(node: fx.Node) -> fx.Node:
    """Follow a node back through multiplications by constants."""
    while operation(node) in {"mul", "div", "clone", "alias"} and len(data_inputs(node)) == 1:
        if any(isinstance(arg, fx.Node) for arg in node.args[1:]):
            break
        node = data_inputs(node)[0]
    return node


def _bends(node: fx.Node, root: fx.Node) -> bool:
    """Say whether a node is an elementwise function of ``root`` alone, and not a linear one."""
    between = [current for current in _between(node, root) if current is not root]
    if any(operation(current) not in ELEMENTWISE for current in between):
        return False
    return any(operation(current) in _BENDING or is_rectifier(current) for current in between)


def _between(node: fx.Node, root: fx.Node) -> list[fx.Node]:
    """Return a node and the data it comes from, down to ``root`` or to what is not elementwise."""
    seen: dict[fx.Node, None] = {}
    queue = [node]
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen[current] = None
        if current is not root and operation(current) in ELEMENTWISE:
            queue.extend(data_inputs(current))
    return list(seen)


def response_normed(node: fx.Node) -> int | None:
    """Return 0 if a division ends a local response normalization of its first operand."""
    operands = data_inputs(node)
    if operation(node) != "div" or len(operands) != 2 or node.args[0] is not operands[0]:
        return None
    signal, norm = operands
    if operation(norm) != "pow":
        return None
    names = set()
    queue, seen = [norm], {signal}
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        if operation(current) not in _IN_RESPONSE_NORM:
            return None
        names.add(operation(current))
        queue.extend(data_inputs(current))
    return 0 if names & {"avg_pool2d", "avg_pool3d"} else None


def inside_response_norm(node: fx.Node) -> bool:
    """Say whether a node is the power that a local response normalization divides by."""
    return any(response_normed(user) is not None for user in node.users)
