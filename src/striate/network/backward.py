"""One backward pass, with another rule at each rectifier: gradient, deconvnet, guided backprop.

For a rectifier ``f`` with input ``z`` and the signal ``R`` that comes back to it, what goes on is

    gradient   f'(z) R
    deconvnet  max(R, 0)             whatever ``z`` was
    guided     f'(z) max(R, 0)

Everything else is the gradient of the graph: convolutions and linear layers transposed (no bias),
batch norm as its linear part, sums and concatenations as their adjoint, max-pooling through its
switches (accumulating where windows overlap; the first of equal values wins).

The deconvnet besides holds gates constant (the factor that a sigmoid, a softmax or a broadcast
makes of a product; queries and keys of attention), and lets local response normalization pass the
signal unchanged. Where it meets a rectifier other than ReLU, a gate or a normalization, it is
*extended* beyond its source, and says so.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx

from striate.errors import MethodError
from striate.network.cut import cut
from striate.network.network import Network
from striate.network.operations import (
    KNOWN,
    OWN_DERIVATIVE,
    PRODUCTS,
    data_inputs,
    is_rectifier,
    operation,
)
from striate.network.patterns import (
    gates,
    inside_response_norm,
    inside_self_gated,
    response_normed,
    self_gated,
)
from striate.network.trace import Trace, filled
from striate.shapes import Images

Rule = Literal["gradient", "deconvnet", "guided"]


class _RectifySignal(torch.autograd.Function):
    """Identity; the signal that comes back is rectified."""

    @staticmethod
    def forward(_ctx: Any, output: Tensor) -> Tensor:
        return output.view_as(output)

    @staticmethod
    def backward(_ctx: Any, signal: Tensor) -> Tensor:
        return signal.clamp(min=0)


class _Bypass(torch.autograd.Function):
    """Return the output; the signal that comes back goes to the input as it is."""

    @staticmethod
    def forward(_ctx: Any, _source: Tensor, output: Tensor) -> Tensor:
        return output.view_as(output)

    @staticmethod
    def backward(_ctx: Any, signal: Tensor) -> tuple[Tensor, None]:
        return signal, None


def rectify_signal(output: Tensor) -> Tensor:
    """Pass a tensor on and rectify the signal that comes back."""
    return _RectifySignal.apply(output)  # type: ignore[no-any-return]


def bypass(source: Tensor, output: Tensor) -> Tensor:
    """Pass ``output`` on and give the signal that comes back to ``source``, unchanged."""
    return _Bypass.apply(source, output)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Backward:
    """A graph from images to one layer whose backward pass follows a rule.

    Attributes:
        module: To be called with ``images=``; returns a tuple with the layer's output.
        extended: Operations at which the rule goes beyond its source, by name; empty where the
            method is exactly the published one.
    """

    module: fx.GraphModule
    extended: tuple[str, ...]


def backward_graph(
    network: Network, layer: str, rule: Rule, size: tuple[int, int, int]
) -> Backward:
    """Return the graph from images to a layer with a backward rule, made once.

    Args:
        network: The network.
        layer: Address of the layer to start from.
        rule: The rule at rectifiers.
        size: (channels, height, width) of the images.

    Returns:
        The graph and what is extended in it.

    Raises:
        MethodError: If an operation on the way is unknown: it may be a rectifier, and a map drawn
            without its rule would be wrong.
    """
    node = network.layers_at(size)[layer].node
    made: Backward = network.cut(
        size, ("backward", node.name, rule), lambda trace: _build(trace, node, rule)
    )
    return made


def _build(trace: Trace, node: fx.Node, rule: Rule) -> Backward:
    if rule == "gradient":
        return Backward(cut(trace, [node]), ())
    extended: dict[str, None] = {}
    inside = inside_self_gated(trace.graph)

    def wrap(graph: fx.Graph, old: fx.Node, new: fx.Node) -> fx.Node:
        if not old.meta.get("depends"):
            return new
        _refuse_unknown(old, rule)
        if old in inside:
            return new
        gated = self_gated(old)
        if gated is not None:
            extended["self-gated activation"] = None
            return _rectified(graph, rule, source=new.args[gated], output=new)
        if is_rectifier(old):
            if operation(old) not in {"relu", "clamp_min", "threshold"}:
                extended[operation(old)] = None
            return _rectified(graph, rule, source=new.args[0], output=new)
        return _other(graph, old, new, extended) if rule == "deconvnet" else new

    return Backward(cut(trace, [node], wrap=wrap), tuple(extended))


def refusals(trace: Trace) -> dict[fx.Node, str]:
    """Say why the deconvnet does not apply to nodes, without running anything.

    Args:
        trace: The graph, marked by `Layers`.

    Returns:
        The reason by node; it applies to nodes that are missing.
    """
    unknown: dict[fx.Node, str] = {}
    passes = {trace.images}
    for node in trace.graph.nodes:
        if not node.meta.get("depends") or node is trace.images:
            continue
        sources = data_inputs(node)
        names = [unknown[source] for source in sources if source in unknown]
        if _is_unknown(node) or names:
            unknown[node] = names[0] if names else operation(node)
        value = node.meta.get("val")
        whole = isinstance(value, Tensor) and not value.is_floating_point()
        if not whole and operation(node) != "detach" and any(s in passes for s in sources):
            passes.add(node)
    dead = "it only compares or counts: no signal comes back through it"
    return {
        node: f"nothing is known of operation {unknown[node]!r}, its rule could be missing"
        if node in unknown
        else dead
        for node in trace.graph.nodes
        if node.meta.get("depends") and (node in unknown or node not in passes)
    }


def _is_unknown(node: fx.Node) -> bool:
    return operation(node) not in KNOWN and not node.meta.get("edit", False)


def _refuse_unknown(node: fx.Node, rule: Rule) -> None:
    if _is_unknown(node):
        msg = (
            f"{rule} does not apply: nothing is known of operation {operation(node)!r}, and a map "
            "drawn without its rule could be wrong; the gradient works on any operation"
        )
        raise MethodError(msg)


def _rectified(graph: fx.Graph, rule: Rule, *, source: Any, output: fx.Node) -> fx.Node:
    """Give a rectifier's copy the rule: its own derivative or none, of the rectified signal."""
    if rule == "deconvnet":
        output = graph.call_function(bypass, (source, output))
    return graph.call_function(rectify_signal, (output,))


def _other(graph: fx.Graph, old: fx.Node, new: fx.Node, extended: dict[str, None]) -> fx.Node:
    """Apply the deconvnet's decisions to an operation that is no rectifier."""
    name = operation(old)
    if name == "edit":
        extended[name] = None
    if name in OWN_DERIVATIVE and not inside_response_norm(old):
        extended[name] = None
    if name == "glu":
        extended["gate"] = None
        with graph.inserting_before(new):
            return graph.call_function(held_glu, new.args, new.kwargs)
    if name not in PRODUCTS:
        return new
    normed = response_normed(old)
    if normed is not None:
        return graph.call_function(bypass, (new.args[normed], new))
    held_places = gates(old)
    if held_places:
        extended["attention" if name == "scaled_dot_product_attention" else "gate"] = None
        return _hold(graph, new, held_places)
    if len(data_inputs(old)) > 1:
        extended[name] = None
    return new


def held_glu(source: Tensor, dim: int = -1) -> Tensor:
    """Gated linear unit with its gate held constant."""
    signal, gate = source.chunk(2, dim)
    return signal * gate.sigmoid().detach()


def _hold(graph: fx.Graph, new: fx.Node, held: Sequence[fx.Node]) -> fx.Node:
    """Hold some operands of a copied node constant; they are given as in the trace, by name."""
    names = {node.name for node in held}

    def constant(operand: fx.Node) -> fx.Node:
        if operand.name not in names:
            return operand
        with graph.inserting_before(new):
            return graph.call_function(torch.ops.aten.detach.default, (operand,))

    new.args = fx.map_arg(new.args, constant)
    return new


Signal = Callable[[Tensor], Tensor]
"""From the layer's output to the signal that starts the way back, of the same shape."""


def propagate(
    network: Network,
    layer: str,
    images: Images,
    rule: Rule,
    signal: Signal,
    *,
    size: tuple[int, int, int],
) -> tuple[Tensor, Tensor]:
    """Send a signal from a layer back to the images.

    Args:
        network: The network.
        layer: Address of the layer.
        images: Preprocessed images, or crops of them (see `neighbourhood`); no more than the batch
            size where one is baked into the graph.
        rule: The rule at rectifiers.
        signal: Makes the starting signal from the layer's output.
        size: (channels, height, width) of the whole images.

    Returns:
        What arrives at the images (same shape), and the layer's output.

    Raises:
        MethodError: If no signal can pass from the layer to the image.
    """
    return next(propagate_each(network, layer, images, rule, [signal], size=size))


def propagate_each(
    network: Network,
    layer: str,
    images: Images,
    rule: Rule,
    signals: Sequence[Signal],
    *,
    size: tuple[int, int, int],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Send several signals, one after the other, back to the same images; these run forward once.

    Args:
        network: The network.
        layer: Address of the layer.
        images: As `propagate` takes them.
        rule: The rule at rectifiers.
        signals: Each makes a starting signal from the layer's output.
        size: (channels, height, width) of the whole images.

    Yields:
        For each signal, what `propagate` returns.

    Raises:
        MethodError: If no signal can pass from the layer to the image.
    """
    module = backward_graph(network, layer, rule, size).module
    count, images = len(images), filled(images, network.trace(size).batch)
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaf = images.detach().clone().requires_grad_()
        (output,) = module(images=leaf)
    if not output.requires_grad:
        msg = f"no signal can pass from {layer} to the image: it only compares or counts"
        raise MethodError(msg)
    last = len(signals) - 1
    for number, signal in enumerate(signals):
        # The modes are the caller's again at each yield: a generator must not hold them open.
        with torch.inference_mode(mode=False), torch.enable_grad():
            found: tuple[Tensor | None, ...] = torch.autograd.grad(
                output,
                leaf,
                signal(output.detach()),
                allow_unused=True,
                retain_graph=number < last,
            )
        maps = found[0] if found[0] is not None else torch.zeros_like(images)
        yield maps[:count], output.detach()[:count]
