"""From an `nn.Module` to a functional graph in which every layer has an address.

`torch.export` runs the module once on stand-in tensors and writes down each ATen operation: no
in-place operation is left, each call of a reused module is a node of its own, and functional calls
(``F.relu``, ``+``, ``torch.cat``) are nodes like any other. We lift the weights out, mark what
depends on the image, and name the nodes as torchvision's ``create_feature_extractor`` does.
"""

import contextlib
import io
import itertools
import logging
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from striate.errors import NetworkError
from striate.network.batch import keep_axis, where_images_meet
from striate.network.naming import name_nodes
from striate.network.operations import SHAPE_ONLY, draws, operation

Edit = tuple[str, Callable[[Tensor], Tensor]]
"""A layer's address and the function that changes its output."""

TORCH_GLOBALS = threading.RLock()
"""`torch.export` changes global state, the random one too: one thread at a time."""

_DROPPED = ("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range")


@dataclass(frozen=True, slots=True)
class Trace:
    """A network's graph for one image size.

    Attributes:
        graph: The graph: one placeholder ``images``, weights as ``get_attr`` nodes, and an output
            that is a flat tuple.
        constants: The tensors that the ``get_attr`` nodes name.
        named: The node of each address, in execution order: first the layers, then module paths.
        image_size: (channels, height, width).
        batch: The batch size that is baked into the graph, or 1 where images of a batch would
            change each other's values; None if it takes any.
        output: How the flat outputs fold back into what the module returns.
        derived: What cuts made of constants (folded, in another layout), see `striate.network.cut`.
    """

    graph: fx.Graph
    constants: dict[str, Tensor]
    named: dict[str, fx.Node]
    image_size: tuple[int, int, int]
    batch: int | None
    output: pytree.TreeSpec
    derived: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def images(self) -> fx.Node:
        """The node through which images come in."""
        images: fx.Node = next(node for node in self.graph.nodes if node.op == "placeholder")
        return images

    @property
    def outputs(self) -> list[Any]:
        """What the module returns, flat."""
        flat: Any = self.graph.output_node().args[0]
        return list(flat)


def filled(values: Tensor, batch: int | None) -> Tensor:
    """Return values with the last one repeated up to a batch size that is baked into a graph.

    Args:
        values: No more than that; their first axis counts images.
        batch: The size; None: any will do.

    >>> filled(torch.arange(2), 4).tolist()
    [0, 1, 1, 1]
    """
    missing = (batch or len(values)) - len(values)
    if missing == 0:
        return values
    return torch.cat([values, values[-1:].expand(missing, *values.shape[1:])])


def trace(module: torch.nn.Module, image_size: tuple[int, int, int]) -> Trace:
    """Trace a module for images of one size.

    Args:
        module: In evaluation mode; it is not changed.
        image_size: (channels, height, width) of the images.

    Returns:
        The trace; its batch size is free, or 1 where the module's code allows no other.

    Raises:
        NetworkError: If the module cannot be traced; says what, where in the module's code, and
            what to change.
    """
    with TORCH_GLOBALS:
        try:
            return from_exported(_export(module, image_size, batch=None))
        except NetworkError:
            raise
        except Exception as error:
            fixed = _with_fixed_batch(module, image_size)
            if fixed is not None:
                return fixed
            raise NetworkError(_why(module, image_size, error)) from error


def _with_fixed_batch(module: torch.nn.Module, image_size: tuple[int, int, int]) -> Trace | None:
    """Trace for one image at a time, where the module's code bakes the batch size in."""
    try:
        return from_exported(_export(module, image_size, batch=1))
    except Exception:  # the first error is the one to tell
        return None


def _export(
    module: torch.nn.Module, image_size: tuple[int, int, int], *, batch: int | None
) -> ExportedProgram:
    tensors = itertools.chain(module.parameters(), module.buffers())
    some = next((tensor for tensor in tensors if tensor.is_floating_point()), None)
    example = torch.zeros(
        (batch or 2, *image_size),
        dtype=some.dtype if some is not None else torch.get_default_dtype(),
        device=some.device if some is not None else "cpu",
    )
    shapes = ({0: Dim.DYNAMIC},) if batch is None else None
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        return torch.export.export(module, (example,), dynamic_shapes=shapes, strict=False)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from logging and printing whole graphs: the error says what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def from_exported(exported: ExportedProgram) -> Trace:
    """Turn what `torch.export` returned into a trace.

    Args:
        exported: A program with one tensor input of shape (images, channels, height, width).

    Returns:
        The trace.

    Raises:
        NetworkError: If the program takes anything else than one batch of images.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = exported.run_decompositions({})
    users = [s for s in exported.graph_signature.input_specs if s.kind == InputKind.USER_INPUT]
    shape = _input_shape(exported, users[0].arg.name) if len(users) == 1 else None
    if shape is None or len(shape) != 4:
        found = f"{len(users)} inputs" if len(users) != 1 else f"an input of shape {shape}"
        msg = (
            "a network for striate takes one batch of images (images, channels, height, width); "
            f"this one takes {found}. Wrap it in a module whose forward takes the images alone"
        )
        raise NetworkError(msg)
    graph, constants = _lift(exported)
    _mark(graph)
    batch = shape[0] if isinstance(shape[0], int) else None
    if batch is None:
        keep_axis(graph)
        # Each image alone, then: what is said of it may not depend on its company.
        batch = None if where_images_meet(graph) is None else 1
    size = (int(shape[1]), int(shape[2]), int(shape[3]))
    spec = exported.call_spec.out_spec
    return Trace(graph, constants, name_nodes(graph), size, batch, spec)


def copied(trace: Trace) -> Trace:
    """Return a trace with a graph of its own, which may be edited; tensors are shared."""
    graph, env = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in trace.graph.nodes:
        env[node] = graph.node_copy(node, lambda n: env[n])
        env[node].meta = {k: v for k, v in node.meta.items() if k not in {"boxes", "upstream"}}
    named = {name: env[node] for name, node in trace.named.items()}
    return replace(trace, graph=graph, named=named)


def warn_of(made: Trace) -> None:
    """Warn of what makes a network's numbers less certain than they look."""
    drawn = sorted({operation(node) for node in made.graph.nodes if draws(node)})
    if drawn:
        msg = (
            f"the network draws random numbers ({', '.join(drawn)}), in evaluation mode too: its "
            "values differ from call to call, whatever the seed. Give dropout "
            "training=self.training, and keep random choices out of forward"
        )
        warnings.warn(msg, stacklevel=3)
    meeting = where_images_meet(made.graph) if made.batch == 1 else None
    if meeting is not None:
        msg = (
            f"the network mixes the images of a batch ({meeting}): each is run alone here, so that "
            "its values do not depend on the others. Where the network cannot tell anything of one "
            "image (a norm over a batch of single values), its values mean nothing"
        )
        warnings.warn(msg, stacklevel=3)


def _input_shape(exported: ExportedProgram, name: str) -> list[Any] | None:
    node = next(n for n in exported.graph.nodes if n.name == name)
    value = node.meta.get("val")
    return list(value.shape) if isinstance(value, Tensor) else None


def _lift(exported: ExportedProgram) -> tuple[fx.Graph, dict[str, Tensor]]:
    """Copy the graph with weights as attributes and the images as its only input."""
    specs = {spec.arg.name: spec for spec in exported.graph_signature.input_specs}
    graph, env = fx.Graph(), dict[fx.Node, Any]()
    constants: dict[str, Tensor] = {}
    names: dict[int, str] = {}
    for node in exported.graph.nodes:
        if node.op == "placeholder":
            spec = specs[node.name]
            if spec.kind == InputKind.USER_INPUT:
                env[node] = graph.placeholder("images")
            else:
                value = _constant(exported, spec.target)
                name = names.setdefault(id(value), f"c{len(names)}")
                constants[name] = value
                env[node] = graph.create_node("get_attr", name)
                env[node].meta["source"] = spec.target
                env[node].meta["learnt"] = spec.kind == InputKind.PARAMETER
            env[node].meta["val"] = node.meta.get("val")
        elif node.op == "output":
            kept = [
                env[value] if isinstance(value, fx.Node) else value
                for value, out in zip(
                    node.args[0], exported.graph_signature.output_specs, strict=True
                )
                if out.kind == OutputKind.USER_OUTPUT
            ]
            graph.output(tuple(kept))
        elif operation(node) not in _DROPPED:
            env[node] = graph.node_copy(node, lambda n: env[n])
    graph.eliminate_dead_code()
    return graph, constants


def _constant(exported: ExportedProgram, target: str | None) -> Tensor:
    value = exported.state_dict.get(target or "")
    if value is None:
        value = exported.constants.get(target or "")
    if not isinstance(value, Tensor):
        msg = f"the network needs {target!r}, a {type(value).__name__}, which is not a tensor"
        raise NetworkError(msg)
    return value.detach()


def _mark(graph: fx.Graph) -> None:
    """Mark each node whose values depend on the image, not only on its shape."""
    for node in graph.nodes:
        if node.op == "placeholder":
            node.meta["depends"] = True
        else:
            inputs = node.all_input_nodes
            looks = operation(node) not in SHAPE_ONLY
            node.meta["depends"] = looks and any(n.meta["depends"] for n in inputs)


def _why(module: torch.nn.Module, image_size: tuple[int, ...], error: Exception) -> str:
    """Say what could not be traced, where in the user's code, and what to change."""
    torch_root = str(Path(torch.__file__).parent)
    here = str(Path(__file__).parent)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((torch_root, here, "<"))
    ]
    where = f" at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    text = str(error).strip()
    first = text.splitlines()[0] if text else "no message"
    size = "x".join(map(str, image_size))
    return (
        f"cannot trace {type(module).__name__} on images of {size}{where} "
        f"({type(error).__name__}: {first}). {_advice(text, image_size)}"
    )


def _advice(text: str, image_size: tuple[int, ...]) -> str:
    if "data-dependent" in text or "GuardOnDataDependent" in text or "GuardOnData" in text:
        return (
            "The path through the network depends on the image's values: replace the Python "
            "`if`, `.item()` or `.tolist()` by torch.where or torch.cond."
        )
    if "specializ" in text or "Constraints violated" in text or "marked" in text:
        return (
            "The batch size is baked into the code: use x.shape[0] where a number stands, "
            "and -1 or x.flatten(1) in reshapes."
        )
    if any(word in text for word in ("channels", "shape", "size", "reduction dim")):
        return f"Does it take {image_size[0]} x {image_size[1]} x {image_size[2]}? Give image_size."
    return (
        "Whatever torch.export(module, (images,)) accepts, striate accepts: keep numpy, printing, "
        "files and random choices out of forward, or export it yourself and load the .pt2 file."
    )
