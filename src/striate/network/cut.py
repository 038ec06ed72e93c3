"""A graph with other inputs and outputs, edited, and made fast.

Every function here copies: the trace's own graph and tensors stay as they are.
"""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import torch
from torch import Tensor, fx

from striate.errors import NetworkError
from striate.network.axes import axes_of
from striate.network.operations import data_inputs, operation
from striate.network.trace import Edit, Trace

Wrap = Callable[[fx.Graph, fx.Node, fx.Node], fx.Node]
"""(new graph, node of the trace, its copy) -> the node that takes the copy's place."""


def cut(
    trace: Trace,
    outputs: Sequence[Any],
    *,
    inputs: Sequence[fx.Node] = (),
    wrap: Wrap | None = None,
) -> fx.GraphModule:
    """Return the part of a trace between some inputs and some outputs, dead code removed.

    Args:
        trace: The whole graph.
        outputs: Nodes whose values the module returns, as a tuple; other values pass as they are.
        inputs: Nodes that become inputs, in this order, before the images. The images are an
            input only if an output still depends on them.
        wrap: Called on each copied operation; what it returns takes its place.

    Returns:
        A module to be called with the inputs, positionally, and ``images=`` if needed.
    """
    keep = needed(outputs, set(inputs))
    graph, env = fx.Graph(), dict[fx.Node, Any]()
    for number, node in enumerate(inputs):
        env[node] = graph.placeholder(f"at_{number}")
    used: dict[str, Tensor] = {}
    for node in trace.graph.nodes:
        if node in env or node not in keep:
            continue
        if node.op == "placeholder":
            env[node] = graph.placeholder("images")
        elif node.op == "get_attr":
            used[str(node.target)] = trace.constants[str(node.target)]
            env[node] = graph.node_copy(node)
        elif operation(node) == "sym_size" and node.args[0] not in env:
            env[node] = graph.call_function(torch.ops.aten.sym_size.int, (env[inputs[0]], 0))
        else:
            copy = graph.node_copy(node, lambda n: env[n])
            env[node] = wrap(graph, node, copy) if wrap else copy
    graph.output(tuple(env[v] if isinstance(v, fx.Node) else v for v in outputs))
    graph.eliminate_dead_code()
    return fx.GraphModule(used, graph)


def needed(outputs: Sequence[Any], stops: AbstractSet[fx.Node] = frozenset()) -> set[fx.Node]:
    """Return all nodes that some values are made from, themselves included.

    Args:
        outputs: Nodes; other values need none.
        stops: Nodes whose own inputs do not count.
    """
    queue = [value for value in outputs if isinstance(value, fx.Node)]
    keep: set[fx.Node] = set()
    while queue:
        node = queue.pop()
        if node not in keep:
            keep.add(node)
            if node not in stops:
                queue.extend(_really_needs(node, stops))
    return keep


def _really_needs(node: fx.Node, stops: AbstractSet[fx.Node]) -> list[fx.Node]:
    """Return a node's inputs; a batch size can be had from any input, so images need not come."""
    if stops and operation(node) == "sym_size" and _counts_images(stops):
        return []
    return node.all_input_nodes


def _counts_images(inputs: AbstractSet[fx.Node]) -> bool:
    return all(axes_of(node)[:1] in {(), ("images",)} for node in inputs)


def check_resumable(trace: Trace, at: fx.Node, outputs: Sequence[Any]) -> None:
    """Refuse to resume where a signal goes round the layer.

    Raises:
        NetworkError: If an output depends on the image other than through ``at``.
    """
    keep = needed(outputs, {at})
    if trace.images not in keep:
        return
    behind = {at}
    for node in trace.graph.nodes:
        if node in keep and node is not at and any(n in behind for n in node.all_input_nodes):
            behind.add(node)
            if any(source not in behind for source in data_inputs(node)):
                break
    name = node.meta.get("address", node.name)
    msg = (
        f"cannot resume at {at.meta.get('address', at.name)} alone: {name} also takes a signal "
        "that goes round it; give the images too (images=...), or resume at a layer behind it"
    )
    raise NetworkError(msg)


def edited(trace: Trace, edits: Sequence[Edit], find: Callable[[str], fx.Node]) -> None:
    """Insert functions behind layers, in place, in a freshly made trace.

    Args:
        trace: The trace to change; its ``named`` nodes change with it.
        edits: Layer addresses and functions, applied in order.
        find: Node of an address.
    """
    for address, function in edits:
        node = find(address)
        with trace.graph.inserting_after(node):
            changed = trace.graph.call_function(_named(function), (node,))
        _take_over(node, changed)
        changed.meta = {**node.meta, "edit": True}
        for name, named in trace.named.items():
            if named is node:
                trace.named[name] = changed


def _take_over(node: fx.Node, changed: fx.Node) -> None:
    """Let all that uses a node use what was made from it."""
    node.replace_all_uses_with(changed, delete_user_cb=lambda user: user is not changed)


def _named(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a callable as a function: the graph's code refers to functions by name."""

    def edit(activation: Tensor) -> Tensor:
        return function(activation)

    return edit


class Fast(torch.nn.Module):
    """A cut graph with batch norm folded into convolutions and channels last.

    Equal to the graph up to rounding. On CPU, SqueezeNet takes half the time.

    Args:
        graph_module: From `cut`; its tensors are copied, not changed.
        device: Where it runs; channels-last is used on CPU only.
        gradients: Whether images are to be differentiated by: then nothing is overwritten.
        derived: Of the trace, where many cuts are kept: they share what they make of its tensors.
    """

    def __init__(
        self,
        graph_module: fx.GraphModule,
        device: torch.device,
        *,
        gradients: bool = False,
        derived: dict[object, Any] | None = None,
    ) -> None:
        super().__init__()
        derived = {} if derived is None else derived
        fold_batch_norm(graph_module, derived)
        if not gradients:
            overwrite(graph_module)
        _view_any_layout(graph_module)
        self._layout = torch.channels_last if device.type == "cpu" else torch.contiguous_format
        if device.type == "cpu":
            for name, value in list(graph_module.named_buffers()):
                if value.ndim == 4:
                    setattr(graph_module, name, _shared(derived, [value], _channels_last)[0])
        self._graph_module = graph_module

    def forward(self, images: Tensor) -> tuple[Any, ...]:
        """Run the graph on images (images, channels, height, width)."""
        result: tuple[Any, ...] = self._graph_module(images.contiguous(memory_format=self._layout))
        return result


def _channels_last(value: Tensor) -> tuple[Tensor]:
    return (value.to(memory_format=torch.channels_last),)


def _shared(
    derived: dict[object, Any],
    sources: Sequence[Tensor | None],
    make: Callable[..., tuple[Tensor, ...]],
    *numbers: float,
) -> tuple[Tensor, ...]:
    """Return what was made of some tensors; they are kept with it, so that none takes their id."""
    key = (make, *map(id, sources), *numbers)
    if key not in derived:
        derived[key] = sources, make(*sources, *numbers)
    found: tuple[Tensor, ...] = derived[key][1]
    return found


def _view_any_layout(graph_module: fx.GraphModule) -> None:
    """Let views take channels-last tensors: copy where a view cannot be had."""
    for node in graph_module.graph.nodes:
        if operation(node) in {"view", "_unsafe_view"}:
            node.target = torch.ops.aten.reshape.default
    graph_module.recompile()


_IN_PLACE = {
    torch.ops.aten.relu.default: torch.ops.aten.relu_.default,
    torch.ops.aten.hardtanh.default: torch.ops.aten.hardtanh_.default,
    torch.ops.aten.silu.default: torch.ops.aten.silu_.default,
    torch.ops.aten.hardswish.default: torch.ops.aten.hardswish_.default,
    torch.ops.aten.leaky_relu.default: torch.ops.aten.leaky_relu_.default,
    torch.ops.aten.add.Tensor: torch.ops.aten.add_.Tensor,
}
_FRESH = frozenset({"conv2d", "linear", "add", "mul", "matmul", "bmm", "relu"})


def overwrite(graph_module: fx.GraphModule) -> None:
    """Let operations overwrite an input that was made just before and that nothing else needs."""
    for node in graph_module.graph.nodes:
        if node.target not in _IN_PLACE or not isinstance(node.args[0], fx.Node):
            continue
        source = node.args[0]
        value, old = node.meta.get("val"), source.meta.get("val")
        same = (
            isinstance(value, Tensor)
            and isinstance(old, Tensor)
            and value.shape == old.shape
            and value.dtype == old.dtype
        )
        if same and operation(source) in _FRESH and len(source.users) == 1:
            node.target = _IN_PLACE[node.target]
    graph_module.recompile()


def fold_batch_norm(graph_module: fx.GraphModule, derived: dict[object, Any]) -> None:
    """Fold each batch norm that alone uses a convolution's output into that convolution."""
    graph = graph_module.graph
    for node in list(graph.nodes):
        if operation(node) != "_native_batch_norm_legit_no_training":
            continue
        convolution: Any = node.args[0]
        users = list(node.users)
        foldable = (
            operation(convolution) == "conv2d"
            and len(convolution.users) == 1
            and all(operation(user) == "getitem" and user.args[1] == 0 for user in users)
            and _is_constant(convolution.args[1])
        )
        if foldable:
            _fold(graph_module, convolution, node, derived)
            for user in users:
                user.replace_all_uses_with(convolution)
                graph.erase_node(user)
            graph.erase_node(node)
    graph.eliminate_dead_code()
    graph_module.delete_all_unused_submodules()
    graph_module.recompile()


def _is_constant(value: Any) -> bool:
    return isinstance(value, fx.Node) and value.op == "get_attr"


def _fold(
    graph_module: fx.GraphModule, convolution: fx.Node, norm: fx.Node, derived: dict[object, Any]
) -> None:
    def tensor(value: Any) -> Any:
        return getattr(graph_module, str(value.target)) if isinstance(value, fx.Node) else None

    # Without a bias the convolution's arguments may end at its weight.
    values, epsilon = [*convolution.args[1:3], None][:2] + list(norm.args[1:5]), norm.args[6]
    weight, bias = _shared(derived, [tensor(value) for value in values], _folded, float(epsilon))  # type: ignore[arg-type]
    name = f"folded_{convolution.name}"
    graph_module.register_buffer(f"{name}_weight", weight)
    graph_module.register_buffer(f"{name}_bias", bias)
    with graph_module.graph.inserting_before(convolution):
        new_weight = graph_module.graph.get_attr(f"{name}_weight")
        new_bias = graph_module.graph.get_attr(f"{name}_bias")
    rest = convolution.args[3:]
    convolution.args = (convolution.args[0], new_weight, new_bias, *rest)


def _folded(
    weight: Tensor,
    bias: Tensor | None,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    epsilon: float,
) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a convolution that does what its batch norm did."""
    scale = (variance.double() + epsilon).rsqrt()
    if gamma is not None:
        scale = scale * gamma.double()
    shift = -mean.double() * scale
    if bias is not None:
        shift = shift + bias.double() * scale
    if beta is not None:
        shift = shift + beta.double()
    folded = (weight.double() * scale[:, None, None, None]).to(weight.dtype)
    return folded, shift.to(weight.dtype)
