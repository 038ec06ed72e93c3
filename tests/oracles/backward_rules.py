"""Gradient, DeconvNet and guided backprop a second time: on the eager module, with no graph.

The oracle runs ``module(image)`` as it stands under a ``TorchFunctionMode``. The mode sees each
call of a rectifier, whatever its spelling (``nn.ReLU``, ``F.relu``, ``torch.relu_``,
``Tensor.relu``, in place or not), and gives it another backward rule; autograd does the rest.

The rules, with ``z`` the input of a rectifier ``f`` and ``R`` the signal that comes down to it:

=============  ==========================
gradient       ``R * f'(z)``
deconvnet      ``max(R, 0)``
guided         ``max(R, 0) * f'(z)``
=============  ==========================

In deconvnet what multiplies another signal is a constant if it is a gate (a sigmoid, hard sigmoid,
softmax or tanh, perhaps reshaped, or an operand broadcast over space; queries and keys of an
attention), and local response normalization passes the signal unchanged. All else keeps its own
derivative. A gate of ``x`` that multiplies ``x`` itself (SiLU or Mish written by hand) is a
rectifier.

It shares no code with striate. It may be slow; it must be plain.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

Method = Literal["gradient", "deconvnet", "guided"]
Target = int | tuple[str, int, int, int | None, int | None]
Pointwise = Callable[[Tensor], Tensor]

RECTIFIERS = frozenset({
    "relu", "relu6", "hardtanh", "leaky_relu", "prelu", "rrelu", "elu", "selu", "celu",
    "softplus", "gelu", "silu", "mish", "hardswish",
})  # fmt: skip
GATES = frozenset({"sigmoid", "hardsigmoid", "softmax", "tanh"})
PRODUCTS = frozenset({"mul", "multiply", "imul", "rmul"})
CONTRACTIONS = frozenset({"matmul", "bmm", "imatmul", "einsum"})
SAME_NUMBERS = frozenset({
    "view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "transpose", "permute",
    "swapaxes", "swapdims", "movedim", "contiguous", "clone", "to", "float", "double", "type_as",
    "dropout", "dropout1d", "dropout2d", "getitem", "narrow", "select", "chunk", "split", "unbind",
    "expand", "expand_as", "broadcast_to", "repeat", "interpolate",
})  # fmt: skip


@dataclass(frozen=True)
class Projection:
    """What the oracle found."""

    map: Tensor
    activation: float
    row: int
    column: int


@dataclass(frozen=True)
class Mark:
    """What the oracle remembers of a tensor: is it a gate, and whose?"""

    gate: bool = False
    spread: bool = False
    source: Tensor | None = None
    version: int = -1
    recompute: Pointwise | None = None

    def is_of(self, x: Tensor) -> bool:
        return self.source is x and self.version == x._version


NO_MARK = Mark()


def oracle_map(module: nn.Module, image: Tensor, method: Method, target: Target) -> Tensor:
    """Return the map (3, H, W) of ``target`` on ``image`` (1, 3, H, W), seeded with 1."""
    return project(module, image, method, target).map


def project(
    module: nn.Module,
    image: Tensor,
    method: Method,
    target: Target,
    *,
    seed: Literal["one", "activation"] = "one",
    channels_last: bool = False,
) -> Projection:
    """Return the map of ``target``, with the activation and place of the neuron.

    ``channels_last`` says that the target's output is (N H W C).
    """
    leaf = image.detach().clone().requires_grad_()
    with torch.enable_grad(), frozen(module), watched(module, target) as seen:
        if method == "gradient":
            output = module(leaf.clone())
        else:
            with BackwardRule(method):
                output = module(leaf.clone())
        seen.append(output[0] if isinstance(output, tuple) else output)
        layer, unit, row, column = seen[0], target, None, None
        if not isinstance(target, int):
            _, _, unit, row, column = target
        if channels_last and layer.dim() == 4:
            layer = layer.permute(0, 3, 1, 2)
        neuron, row, column = pick(layer, unit, row, column)
        start = neuron.detach() if seed == "activation" else torch.ones_like(neuron)
        (found,) = torch.autograd.grad(neuron, leaf, start, allow_unused=True)
    found = torch.zeros_like(leaf) if found is None else found
    return Projection(found[0].detach(), neuron.item(), row, column)


def pick(layer: Tensor, unit: int, row: int | None, column: int | None) -> tuple[Tensor, int, int]:
    """Return one neuron and its place; (N C H W), (N tokens C) or (N C)."""
    maps = layer[0]
    if maps.dim() == 3:
        activations = maps[unit]
    elif maps.dim() == 2:
        activations = maps[:, unit][None]
    else:
        activations = maps[unit][None, None]
    if row is None or column is None:
        row, column = divmod(int(activations.detach().flatten().argmax()), activations.shape[1])
    return activations[row, column], row, column


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Weights are constants, so that only what depends on the image is a signal."""
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in learnt:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learnt:
            parameter.requires_grad_(True)


@contextmanager
def watched(module: nn.Module, target: Target) -> Iterator[list[Tensor]]:
    """Keep the output of the n-th call of a module, out of reach of later in-place changes."""
    seen: list[Tensor] = []
    if isinstance(target, int):
        yield seen
        return
    path, call, *_ = target
    calls = 0

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call + 1:
            return None
        if isinstance(output, tuple):
            seen.append(output[0])
            return (output[0].clone(), *output[1:])
        seen.append(output)
        return output.clone()

    handle = module.get_submodule(path).register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


class Rectifier(torch.autograd.Function):
    """A pointwise function whose signal is rectified on the way down."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, function: Pointwise, derivative: bool) -> Tensor:
        ctx.function, ctx.derivative = function, derivative
        ctx.save_for_backward(z.clone())
        return function(z.clone())

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor | None, ...]:
        signal = signal.clamp(min=0)
        if ctx.derivative:
            (z,) = ctx.saved_tensors
            with torch.enable_grad():
                z = z.detach().requires_grad_()
                (signal,) = torch.autograd.grad(ctx.function(z.clone()), z, signal)
        return signal, None, None


class PassThrough(torch.autograd.Function):
    """Any value forward, the signal unchanged backward."""

    @staticmethod
    def forward(_ctx: Any, _x: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(_ctx: Any, signal: Tensor) -> tuple[Tensor | None, ...]:
        return signal, None


class BackwardRule(TorchFunctionMode):
    """Run a module so that its backward pass is deconvnet's or guided backprop's."""

    def __init__(self, method: Literal["deconvnet", "guided"]) -> None:
        super().__init__()
        self.guided = method == "guided"

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "").strip("_")
        if not args and isinstance(kwargs.get("input"), Tensor):
            args = (kwargs.pop("input"),)
        if args and is_signal(args[0]) and is_rectifier(name, args, kwargs):
            return self.rectifier(func, name, args, kwargs)
        if name in PRODUCTS and len(args) == 2 and is_signal(args[0]) and is_signal(args[1]):
            return self.product(func, *args)
        if not self.guided:
            args, answer = self.constants(func, name, args, kwargs)
            if answer is not None:
                return answer
        result = func(*args, **kwargs)
        remember(name, args, result, func, kwargs)
        return result

    def rectifier(self, func: Any, name: str, args: tuple[Any, ...], kwargs: Any) -> Tensor:
        x, rest = args[0], args[1:]
        result = self.rectified(x, lambda z: func(z, *rest, **kwargs))
        if name == "softplus":
            result.oracle_softplus = Mark(source=x, version=x._version)
        return result

    def rectified(self, x: Tensor, function: Pointwise) -> Tensor:
        probe = x.detach().clone()
        in_place = function(probe) is probe
        result = Rectifier.apply(x, function, self.guided)
        if in_place:
            x.copy_(result)
            x.oracle_mark = NO_MARK
            return x
        return result

    def product(self, func: Any, a: Tensor, b: Tensor) -> Tensor:
        if mark_of(b).is_of(a):
            result = self.rectified(a, hand_written(mark_of(b)))
        elif mark_of(a).is_of(b):
            result = self.rectified(b, hand_written(mark_of(a)))
        else:
            constant = is_gate(a, b), is_gate(b, a)
            if self.guided or constant[0] == constant[1]:
                return func(a, b)
            result = a.detach() * b if constant[0] else a * b.detach()
        return a.copy_(result) if func.__name__ in {"mul_", "multiply_", "__imul__"} else result

    def constants(
        self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], Tensor | tuple[Tensor, None] | None]:
        """Detach what deconvnet holds constant; perhaps give the whole answer."""
        if name == "local_response_norm":
            return args, PassThrough.apply(args[0], func(args[0].detach(), *args[1:], **kwargs))
        if name == "glu":
            signal, gate = args[0].chunk(2, *args[1:], **kwargs)
            return args, signal * gate.detach().sigmoid()
        if name == "scaled_dot_product_attention":
            bound = inspect.signature(attention_arguments).bind(*args, **kwargs).arguments
            bound["query"], bound["key"] = bound["query"].detach(), bound["key"].detach()
            return args, func(**bound)
        if name == "multi_head_attention_forward":
            return args, attention_of_values(*args, **kwargs)
        if name in CONTRACTIONS:
            return tuple(constant_gate(argument) for argument in args), None
        return args, None


def is_rectifier(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if name in RECTIFIERS:
        return True
    if name in {"clamp", "clip", "clamp_min"}:
        least = args[1] if len(args) > 1 else kwargs.get("min")
        return isinstance(least, int | float) and least == 0
    if name == "threshold":
        return all(value == 0 for value in (*args[1:3], *kwargs.values()))
    return False


def is_signal(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def mark_of(x: Tensor) -> Mark:
    return getattr(x, "oracle_mark", NO_MARK)


def hand_written(gate: Mark) -> Pointwise:
    """Return ``z * gate(z)``: SiLU, hard swish or Mish in two calls."""
    recompute = gate.recompute
    assert recompute is not None
    return lambda z: z * recompute(z)


def is_gate(x: Tensor, other: Tensor) -> bool:
    return mark_of(x).gate or mark_of(x).spread or is_spread(x.shape, other.shape)


def is_spread(shape: torch.Size, wide: torch.Size) -> bool:
    """Is an operand of this shape broadcast over space (or over tokens)?"""
    if len(shape) != len(wide):
        return False
    spaces = {4: ((2, 3), (1, 2)), 3: ((1,),)}.get(len(shape), ())
    return any(
        all(shape[axis] == 1 for axis in space) and any(wide[axis] > 1 for axis in space)
        for space in spaces
    )


def constant_gate(argument: Any) -> Any:
    if isinstance(argument, Tensor) and mark_of(argument).gate:
        return argument.detach()
    if isinstance(argument, list | tuple):
        return [constant_gate(part) for part in argument]
    return argument


def remember(name: str, args: tuple[Any, ...], result: Any, func: Any, kwargs: Any) -> None:
    """Mark the result of a gate function, and of what only moves a gate's numbers about."""
    if not args or not isinstance(args[0], Tensor):
        return
    x = args[0]
    if result is x and name not in SAME_NUMBERS:
        x.oracle_mark = Mark(gate=name in GATES)
    elif name in GATES:
        source: Mark = getattr(x, "oracle_softplus", Mark(source=x, version=x._version))
        if name == "tanh" and source.source is not x and source.source is not None:
            result.oracle_mark = Mark(
                gate=True,
                source=source.source,
                version=source.version,
                recompute=lambda z: functional.softplus(z).tanh(),
            )
        else:
            result.oracle_mark = Mark(
                gate=True,
                source=x if name in {"sigmoid", "hardsigmoid"} else None,
                version=x._version,
                recompute=lambda z: func(z, *args[1:], **kwargs),
            )
    elif name in SAME_NUMBERS:
        for part in result if isinstance(result, tuple | list) else (result,):
            if isinstance(part, Tensor) and part is not x:
                spread = part.dim() == x.dim() and is_spread(x.shape, part.shape)
                part.oracle_mark = Mark(gate=mark_of(x).gate, spread=mark_of(x).spread or spread)


def attention_arguments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> None:
    """Name the arguments of ``scaled_dot_product_attention``, which is a builtin."""


def attention_of_values(*args: Any, **kwargs: Any) -> tuple[Tensor, None]:
    """Run ``multi_head_attention_forward`` with its attention weights held constant."""
    bound = inspect.signature(functional.multi_head_attention_forward).bind(*args, **kwargs)
    given = bound.arguments
    if given.get("use_separate_proj_weight") or given["bias_v"] is not None:
        raise NotImplementedError("the oracle knows one packed projection only")
    value: Tensor = given["value"]  # (tokens, N, E)
    with torch.no_grad():
        given.update(need_weights=True, average_attn_weights=False)
        _, weights = functional.multi_head_attention_forward(*bound.args, **bound.kwargs)
    tokens, images, width = value.shape
    bias = given["in_proj_bias"]
    values = functional.linear(
        value, given["in_proj_weight"].chunk(3)[2], None if bias is None else bias.chunk(3)[2]
    )
    values = values.view(tokens, images, given["num_heads"], -1).permute(1, 2, 0, 3)
    mixed = (weights @ values).permute(2, 0, 1, 3).reshape(-1, images, width)
    return functional.linear(mixed, given["out_proj_weight"], given["out_proj_bias"]), None
