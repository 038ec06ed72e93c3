"""A rectifier's gradient that is not dead at the start: Lucid's redirected ReLU, on any network.

A neuron that rests below its rectifier's bound has gradient 0: an ascent that starts there never
moves. For a rectifier with input ``z`` and the signal ``R`` that comes back to it, what goes on is

    f'(z) R              if that is not 0 all over the image
    R where it leads     else: at z below the bound if R > 0, at z above an upper bound if R < 0

``R`` is the signal of something to be made larger.

Source:
    Olah, Mordvintsev & Schubert, "Feature Visualization", Distill 2017; the code of Lucid,
    ``misc/redirected_relu_grad.py``, which is written for something to be made smaller.

Applies to:
    ReLU, ReLU6 and clamps with a bound, as module, function or method. Smooth rectifiers have a
    gradient everywhere, and hand-written ones keep theirs.
"""

import math
from typing import Any

import torch
from torch import Tensor, fx

from striate.network.cut import Wrap
from striate.network.operations import operation
from striate.network.patterns import inside_self_gated
from striate.network.trace import Trace

_BOUNDED = frozenset({"hardtanh", "clamp", "clamp_min"})


class _Redirect(torch.autograd.Function):
    """Return the output; the signal goes to the source by the rule above."""

    @staticmethod
    def forward(ctx: Any, source: Tensor, output: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(source)
        ctx.bounds = low, high
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None, None, None]:
        (source,) = ctx.saved_tensors
        low, high = ctx.bounds
        if low == 0 and high == math.inf:
            own = torch.ops.aten.threshold_backward(signal, source, 0)
        else:
            own = signal.masked_fill((source <= low) | (source >= high), 0)
        blocked = _all_zero(own)
        if bool(blocked.any()):
            dead = ((source <= low) & (signal < 0)) | ((source >= high) & (signal > 0))
            blocked = blocked.view(-1, *[1] * (signal.ndim - 1))
            own = torch.where(blocked, signal.masked_fill(dead, 0), own)
        return own, None, None, None


def _all_zero(signal: Tensor) -> Tensor:
    """Say of each image whether a signal is 0 all over it; most are not in their middle row."""
    middle = signal[:, :, signal.shape[2] // 2] if signal.ndim == 4 else signal
    zero = ~middle.flatten(1).any(1)
    if signal.ndim == 4 and bool(zero.any()):
        zero = zero & ~signal.ne(0).any(3).any(2).any(1)
    return zero


def redirect(source: Tensor, output: Tensor, low: float = 0.0, high: float = math.inf) -> Tensor:
    """Pass a rectifier's output on; what comes back goes to its input by the redirected rule.

    Args:
        source: The rectifier's input; the first axis counts images.
        output: What the rectifier made of it.
        low: Below it the rectifier is flat.
        high: Above it the rectifier is flat.

    Returns:
        The output.

    Example:
        >>> z = torch.tensor([[-1.0, -2.0]], requires_grad=True)
        >>> redirect(z, z.relu()).sum().backward()
        >>> z.grad
        tensor([[1., 1.]])
    """
    return _Redirect.apply(source, output, low, high)  # type: ignore[no-any-return]


def redirecting(trace: Trace) -> Wrap:
    """Return what gives the rectifiers of a cut their redirected gradient."""
    inside = inside_self_gated(trace.graph)

    def wrap(graph: fx.Graph, old: fx.Node, new: fx.Node) -> fx.Node:
        bounds = _bounds(old)
        if bounds is None or old in inside or not old.meta.get("depends"):
            return new
        return graph.call_function(redirect, (new.args[0], new, *bounds))

    return wrap


def _bounds(node: fx.Node) -> tuple[float, float] | None:
    """Return between which values a rectifier is not flat; None for any other operation."""
    name = operation(node)
    if name in {"relu", "relu6"}:
        return 0.0, 6.0 if name == "relu6" else math.inf
    if name == "threshold" and node.args[1] == node.args[2]:
        return float(node.args[1]), math.inf  # type: ignore[arg-type]
    if name not in _BOUNDED:
        return None
    given = [*node.args[1:3], None, None][:2]
    if any(isinstance(value, fx.Node) for value in given):
        return None
    low = -1.0 if name == "hardtanh" and len(node.args) < 2 else given[0]
    high = 1.0 if name == "hardtanh" and len(node.args) < 3 else given[1]
    return (
        -math.inf if low is None else float(low),  # type: ignore[arg-type]
        math.inf if high is None else float(high),  # type: ignore[arg-type]
    )
