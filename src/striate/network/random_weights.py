"""The same network with weights that were never trained: the control of any claim about training.

What a constant of the graph is for is told by the operation that takes it, so that this works for
any network that can be traced, whatever its own code would do to its weights:

==============================================  ===========================================
of convolutions and dense layers                He's normal law, N(0, 2 / fan-in)
their biases                                    0
of normalizations, learnt                       scale 1, shift 0
of batch norms, running                         mean 0, variance 1
learnt, and none of these (embeddings, slopes)  its own values, in random order
not learnt (fixed filters, means of pixels)     as they are
==============================================  ===========================================

Each tensor is drawn by a generator of its own, from the seed and the tensor's name.

Source:
    He, Zhang, Ren & Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2: with this law the
    signal neither dies nor explodes behind rectifiers.
Differs from the source:
    Not the law that each library begins its own training with: those differ in scale, which the
    units of a rectifier network without biases do not feel, since thresholds scale with them.
"""

import hashlib
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx

from striate.errors import MethodError
from striate.network.network import Network
from striate.network.operations import SHAPE, operation
from striate.network.trace import Trace, copied

_CONVOLUTIONS = frozenset({"conv1d", "conv2d", "conv3d", "convolution"})
_TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
_BATCH_NORMS = frozenset({
    "batch_norm", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit",
})  # fmt: skip
_ROLES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_CONVOLUTIONS, ("", "weight", "shift")),
    **dict.fromkeys(_TRANSPOSED, ("", "transposed", "shift")),
    **dict.fromkeys(_BATCH_NORMS, ("", "scale", "shift", "mean", "variance")),
    "linear": ("", "weight", "shift"),
    "addmm": ("shift", "", "turned"),
    "mm": ("", "turned"),
    "matmul": ("", "turned"),
    "layer_norm": ("", "", "scale", "shift"),
    "native_layer_norm": ("", "", "scale", "shift"),
    "group_norm": ("", "", "scale", "shift"),
    "native_group_norm": ("", "scale", "shift"),
    "rms_norm": ("", "", "scale"),
}
"""What each argument of an operation is."""

_CONSTANT = {"shift": 0.0, "mean": 0.0, "scale": 1.0, "variance": 1.0}


def with_random_weights(network: Network, seed: int = 0) -> Network:
    """Return a network with the same graph and random weights; the network itself stays.

    Args:
        network: Trained or not.
        seed: The same one gives the same weights.

    Returns:
        The network with weights drawn anew: same layers, preprocessing and class names.

    Raises:
        MethodError: If nothing in it was learnt.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
        >>> network = striate.load(module, image_size=(8, 8))
        >>> one, same = with_random_weights(network, 1), with_random_weights(network, 1)
        >>> one.fingerprint() == same.fingerprint() != network.fingerprint()
        True
    """
    made: dict[str, Tensor] = {}

    def tracer(size: tuple[int, int, int]) -> Trace:
        trace = copied(network.trace(size))
        return replace(trace, constants=_drawn(trace, seed, made), derived={})

    tracer(network.image_size)
    if not made:
        msg = f"{network.name} has nothing that was learnt, so that nothing can be drawn anew"
        raise MethodError(msg)
    return Network.of(
        tracer,
        name=f"{network.name}, random weights {seed}",
        image_size=network.image_size,
        preprocessing=network.preprocessing,
        class_names=network.class_names,
    )


def _drawn(trace: Trace, seed: int, made: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the constants of a trace, those to be drawn drawn; the same name is drawn once."""
    constants = dict(trace.constants)
    for node in trace.graph.nodes:
        if node.op != "get_attr" or not constants[str(node.target)].is_floating_point():
            continue
        role, groups = _role(node)
        if not (node.meta.get("learnt") or role in {"mean", "variance"}):
            continue
        name = str(node.meta.get("source", node.target))
        if name not in made:
            made[name] = _fresh(constants[str(node.target)], role, groups, _generator(seed, name))
        constants[str(node.target)] = made[name]
    return constants


def _role(constant: fx.Node) -> tuple[str, int]:
    """Return what a constant is for, "" if unknown, and the groups of its convolution."""
    queue: list[tuple[fx.Node, bool]] = [(constant, False)]
    while queue:
        node, turned = queue.pop(0)
        for user in node.users:
            name = operation(user)
            if name in SHAPE:
                queue.append((user, turned ^ (name in {"permute", "transpose", "t"})))
                continue
            roles = _ROLES.get(name, ())
            places = [k for k, value in enumerate(user.args) if value is node]
            role = roles[places[0]] if places and places[0] < len(roles) else ""
            if role in {"weight", "turned"}:
                role = "turned" if (role == "turned") != turned else "weight"
            if role:
                return role, _groups(user, name)
    return "", 1


def _groups(node: fx.Node, name: str) -> int:
    given: Any = node.args
    place = {"conv_transpose1d": 6, "conv_transpose2d": 6, "conv_transpose3d": 6}.get(name)
    return int(given[place]) if place is not None and len(given) > place else 1


def _fresh(old: Tensor, role: str, groups: int, generator: torch.Generator) -> Tensor:
    """Return a tensor drawn anew, in the place of an old one."""
    if role in _CONSTANT:
        return torch.full_like(old, _CONSTANT[role])
    if role and old.ndim > 1:
        kernel = math.prod(old.shape[2:])
        fan_in = old[0].numel() if role == "weight" else old.shape[0] * kernel // groups
        drawn = torch.randn(old.shape, generator=generator, dtype=torch.float64)
        return (drawn * math.sqrt(2 / fan_in)).to(old)
    order = torch.randperm(old.numel(), generator=generator).to(old.device)
    return old.reshape(-1)[order].reshape(old.shape)


def _generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
