"""What each ATen operation of a vision network does, as far as the other rooms must know.

An operation is named by its ATen base name (``conv2d``, ``relu``), whatever its overload. The sets
below answer three questions: does it move values about (`SHAPE`), is it a rectifier (`RECTIFIERS`),
is it a gate (`GATES`)? What stands in none of the sets is unknown, and is refused by name where
knowing matters.
"""

import operator
from collections.abc import Iterator

import torch
from torch.fx import Node

SHAPE = frozenset({
    "view", "_unsafe_view", "reshape", "permute", "transpose", "t", "clone", "contiguous", "expand",
    "unsqueeze", "squeeze", "slice", "select", "split", "split_with_sizes", "chunk", "unbind",
    "getitem", "alias", "detach", "flatten", "unflatten", "unfold", "roll", "flip", "repeat",
    "tile", "index", "index_select", "_to_copy", "type_as", "repeat_interleave", "sym_size", "copy",
    "im2col", "dropout", "lift_fresh_copy", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
    "native_channel_shuffle", "movedim", "gather", "narrow",
})  # fmt: skip
"""They only move values about (in evaluation mode)."""

RECTIFIERS = frozenset({"relu", "relu6", "hardtanh", "threshold", "clamp_min", "clamp"})
"""Cut the signal off below zero (`clamp_min`, `clamp`, `hardtanh`: only where the bound is 0)."""

SMOOTH_RECTIFIERS = frozenset({
    "leaky_relu", "prelu", "_prelu_kernel", "rrelu", "rrelu_with_noise", "elu", "selu", "celu",
    "softplus", "gelu", "silu", "mish", "hardswish",
})  # fmt: skip
"""Rectifier-like: the deconvnet's rule is extended to them, and said to be."""

GATES = frozenset({"sigmoid", "hardsigmoid", "softmax", "_softmax", "tanh", "log_sigmoid"})
"""Their output, where it multiplies a signal, is a gate."""

LINEAR = frozenset({
    "conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d", "conv_transpose1d", "linear",
    "addmm", "_native_batch_norm_legit_no_training", "batch_norm", "add", "sub", "rsub", "neg",
    "cat", "stack", "mean", "sum", "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d",
    "adaptive_avg_pool2d", "_adaptive_avg_pool2d", "pad", "constant_pad_nd", "reflection_pad2d",
    "replication_pad2d", "upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d",
    "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa", "slice_scatter", "select_scatter", "tril",
    "triu", "cumsum", "fill", "zeros_like", "ones_like", "diagonal",
})  # fmt: skip
"""Linear (or affine) in each tensor that depends on the image."""

SWITCHES = frozenset({
    "max_pool1d", "max_pool2d", "max_pool2d_with_indices", "max_pool3d", "adaptive_max_pool2d",
    "amax", "max",
})  # fmt: skip
"""Pass one of several values on: the switch says which."""

PRODUCTS = frozenset({
    "mul", "div", "matmul", "bmm", "mm", "einsum", "scaled_dot_product_attention", "addcmul",
    "baddbmm", "where", "maximum", "minimum", "outer", "glu",
})  # fmt: skip
"""Join two signals: one may gate the other."""

OWN_DERIVATIVE = frozenset({
    "layer_norm", "native_layer_norm", "group_norm", "native_group_norm", "rms_norm",
    "_native_batch_norm_legit", "instance_norm", "pow", "rsqrt", "sqrt", "var", "std", "var_mean",
    "square", "exp", "log", "log_softmax", "_log_softmax", "linalg_vector_norm", "norm", "abs",
    "sin", "cos", "erf", "lstm", "reciprocal", "_weight_norm_interface", "cosine_similarity",
    "softsign", "hardshrink", "softshrink", "logsumexp", "atan", "cdist", "expm1", "log1p",
})  # fmt: skip
"""Not linear, no rectifier: every rule uses the operation's own derivative."""

ELEMENTWISE = RECTIFIERS | SMOOTH_RECTIFIERS | frozenset({
    "sigmoid", "hardsigmoid", "tanh", "log_sigmoid", "add", "sub", "rsub", "neg", "mul", "div",
    "where", "maximum", "minimum", "addcmul", "pow", "rsqrt", "sqrt", "square", "exp", "log", "abs",
    "sin", "cos", "erf", "reciprocal", "softsign", "hardshrink", "softshrink", "clone", "alias",
    "detach", "dropout", "_to_copy", "type_as", "contiguous", "lift_fresh_copy", "gt", "lt", "ge",
    "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "bitwise_not", "zeros_like",
    "ones_like", "expm1", "log1p", "atan", "fill", "copy",
})  # fmt: skip
"""Each output value depends on the input values of its own place alone."""

COMPARISONS = frozenset({
    "gt", "lt", "ge", "le", "eq", "ne", "logical_and", "logical_or", "logical_not", "bitwise_not",
    "isnan", "argmax", "topk", "floor", "round", "ceil", "sign",
})  # fmt: skip
"""Piecewise constant: no signal passes back through them."""

SHAPE_ONLY = frozenset({
    "sym_size", "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones",
    "new_full", "new_empty", "scalar_tensor",
})  # fmt: skip
"""Look at the shape of their input alone: what they make does not depend on the image."""

KNOWN = (
    SHAPE | RECTIFIERS | SMOOTH_RECTIFIERS | GATES | LINEAR | SWITCHES | PRODUCTS | OWN_DERIVATIVE
    | ELEMENTWISE | COMPARISONS
)  # fmt: skip


def operation(node: Node) -> str:
    """Return the base name of a node's operation, such as ``conv2d``; "" if it computes nothing.

    >>> graph = torch.fx.Graph()
    >>> operation(graph.call_function(torch.ops.aten.relu.default, (graph.placeholder("x"),)))
    'relu'
    """
    if node.op != "call_function":
        return ""
    if node.meta.get("edit", False):
        return "edit"
    target = node.target
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - the class has no public name
        return str(target.overloadpacket.__name__)
    if target is operator.getitem:
        return "getitem"
    return getattr(target, "__name__", str(target))


def is_rectifier(node: Node) -> bool:
    """Say whether a node is a rectifier, plain or smooth: its rule differs between methods."""
    name = operation(node)
    if name in SMOOTH_RECTIFIERS or name in {"relu", "relu6"}:
        return True
    bounded = name in {"hardtanh", "clamp_min", "clamp", "threshold"}
    return bounded and len(node.args) > 1 and bool(node.args[1] == 0)


def data_inputs(node: Node) -> list[Node]:
    """Return the inputs of a node that depend on the image (as marked by the trace)."""
    return [source for source in node.all_input_nodes if source.meta.get("depends", False)]


def walk_back(node: Node, through: frozenset[str]) -> Iterator[Node]:
    """Yield a node and, as long as operations in ``through`` are met, the data it comes from."""
    seen, queue = set(), [node]
    while queue:
        current = queue.pop()
        if current in seen:
            continue
        seen.add(current)
        yield current
        if operation(current) in through:
            queue.extend(data_inputs(current))


def draws(node: Node) -> bool:
    """Say whether a node draws random numbers, as dropout does in training."""
    tags = getattr(node.target, "tags", ())
    if torch.Tag.nondeterministic_seeded not in tags:
        return False
    name = operation(node)
    if "dropout" in name or "rrelu" in name:
        return any(argument is True for argument in (*node.args, *node.kwargs.values()))
    if "scaled_dot_product" in name:
        share = node.args[4] if len(node.args) > 4 else node.kwargs.get("dropout_p", 0.0)
        return bool(share)
    return name.startswith(_CHANCE)


_CHANCE = ("rand", "normal", "bernoulli", "multinomial", "uniform", "poisson", "exponential")
