"""The names of a graph's nodes, after torchvision's ``create_feature_extractor``.

A functional call in module ``layer1.0`` is ``layer1.0.add``, its second one ``layer1.0.add_1``; the
only operation of a `torch.nn` module takes the module's path, its second call ``layer1.0.relu_1``.
Besides, a module's path names that module's output: the last of its nodes that is used outside it.
"""

import re
from dataclasses import dataclass, field

import torch
from torch import fx

from striate.network.operations import operation

_CALL = re.compile(r"^(?P<key>.*?)(@(?P<call>\d+))?$")
_SPLITTING = frozenset({"split", "split_with_sizes", "chunk", "unbind"})

Call = tuple[str, int]
"""A module's path and which of its calls this is, from 0."""


@dataclass(slots=True)
class _Group:
    """The nodes that one Python-level call made."""

    call: Call
    torch_nn: bool
    function: str
    nodes: list[fx.Node] = field(default_factory=list)


def name_nodes(graph: fx.Graph) -> dict[str, fx.Node]:
    """Give each node that a caller may ask for its address.

    The address is also kept as ``node.meta["address"]``.

    Args:
        graph: As lifted from an exported program, with the metadata of `torch.export`.

    Returns:
        Node by address, layers in execution order, then module paths that are not layers yet.
    """
    groups = _groups(graph)
    alone: dict[Call, int] = {}
    for group in groups:
        alone[group.call] = alone.get(group.call, 0) + 1
    named: dict[str, fx.Node] = {}
    for group in groups:
        path, _ = group.call
        single = group.torch_nn and alone[group.call] == 1
        base = path if single else ".".join(part for part in (path, group.function) if part)
        results = _results(group)
        label = base if len(results) == 1 else ".".join(part for part in (path, "getitem") if part)
        for node in results:
            name = _free(label or "output", named)
            named[name] = node
            node.meta["address"] = name
    for name, node in _module_outputs(graph).items():
        named.setdefault(name, node)
    return named


def _free(name: str, taken: dict[str, fx.Node]) -> str:
    if name not in taken:
        return name
    number = 1
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"


def _calls(node: fx.Node) -> list[tuple[Call, type | str]]:
    """Return the module calls a node lies in, outermost first."""
    stack = node.meta.get("nn_module_stack") or {}
    calls = []
    for key, (path, kind) in stack.items():
        found = _CALL.match(key)
        number = int(found["call"]) if found and found["call"] else 0
        calls.append(((_CALL.sub(r"\g<key>", path), number), kind))
    return calls


def _groups(graph: fx.Graph) -> list[_Group]:
    """Gather nodes by the Python call that made them, in order of each call's last node."""
    groups: dict[object, _Group] = {}
    for node in graph.nodes:
        if node.op != "call_function" or not node.meta["depends"]:
            continue
        calls = _calls(node)
        call, kind = calls[-1] if calls else (("", 0), "")
        kind_name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
        function_id, function = node.meta.get("torch_fn") or (node.name, f".{operation(node)}")
        key = (call, function_id)
        group = groups.pop(key, None) or _Group(
            call, kind_name.startswith("torch.nn."), _function_name(function)
        )
        group.nodes.append(node)
        groups[key] = group
    return list(groups.values())


def _function_name(torch_fn: str) -> str:
    name = torch_fn.rsplit(".", 1)[-1]
    if name.startswith("__") and name.endswith("__"):
        name = name.strip("_")
        name = name[1:] if name in {"radd", "rmul", "iadd", "imul"} else name
    return name.rstrip("_") or "call"


def _results(group: _Group) -> list[fx.Node]:
    """Return the nodes of a group that stand for its result: one, or each part of a split."""
    parts = [
        node
        for node in group.nodes
        if operation(node) == "getitem"
        and isinstance(node.args[0], fx.Node)
        and operation(node.args[0]) in _SPLITTING
    ]
    if parts:
        return parts
    for node in reversed(group.nodes):
        if isinstance(node.meta.get("val"), torch.Tensor):
            return [node]
    return []


def _module_outputs(graph: fx.Graph) -> dict[str, fx.Node]:
    """Return, for each module call, its last node that something outside uses."""
    members: dict[Call, dict[fx.Node, None]] = {}
    for node in graph.nodes:
        if node.op == "call_function" and node.meta["depends"]:
            for call, _ in _calls(node):
                members.setdefault(call, {})[node] = None
    outputs = {}
    for (path, number), nodes in members.items():
        if not path:
            continue
        for node in reversed(nodes):
            leaves = any(user not in nodes for user in node.users)
            if leaves and isinstance(node.meta.get("val"), torch.Tensor):
                outputs[path if number == 0 else f"{path}_{number}"] = node
                break
    return outputs
