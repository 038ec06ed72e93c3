"""What an atlas observes: its plan, whose hash is the atlas's identity.

Two runs with equal plans make the same atlas; so a run is resumed only under an equal plan.
"""

import fnmatch
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from torch import fx

from striate.errors import AddressError, AtlasError
from striate.image.folder import ImageFile, Labels
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.operations import data_inputs, is_rectifier, operation

_WEIGHTED = frozenset({"conv2d", "linear", "conv_transpose2d", "convolution"})
_PASSED = frozenset({
    "_native_batch_norm_legit_no_training", "getitem", "layer_norm", "group_norm", "clone",
    "dropout", "view", "permute", "rms_norm", "_native_batch_norm_legit",
})  # fmt: skip
_HASHED = {
    "fingerprint": "the network's weights or graph",
    "images_hash": "the images",
    "labels_hash": "the labels",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """All that decides an atlas's content.

    Attributes:
        network: What the network is called.
        fingerprint: Hash of its graph and weights.
        layers: Addresses observed, in execution order.
        images: How many images.
        images_hash: Hash of their names and sizes in bytes.
        labels_hash: Hash of their class indices and of the classes' names; "" without labels.
        preprocessing: As JSON.
        image_size: (channels, height, width) as the network gets them.
        top: How many strongest images are kept of each unit.
        batch: Images in a batch (sums are rounded batch by batch).
        shard: Images in a shard.
        format: Version of what is stored.
    """

    network: str
    fingerprint: str
    layers: tuple[str, ...]
    images: int
    images_hash: str
    labels_hash: str
    preprocessing: str
    image_size: tuple[int, int, int]
    top: int
    batch: int
    shard: int
    format: int = 2

    def to_json(self) -> str:
        """Return the plan as JSON, equal for equal plans."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Read a plan back.

        Raises:
            AtlasError: If it was written by a version that stores something else.
        """
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict) or set(found) != {field.name for field in fields(cls)}:
            msg = "this atlas was begun by another version of striate; use --restart to begin anew"
            raise AtlasError(msg)
        found["layers"], found["image_size"] = tuple(found["layers"]), tuple(found["image_size"])
        return cls(**found)

    def hash(self) -> str:
        """Return the atlas's identity."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.images // self.shard)

    def shard_range(self, number: int) -> range:
        """Return the image ids of a shard."""
        return range(number * self.shard, min((number + 1) * self.shard, self.images))

    def differences(self, other: "Plan") -> list[str]:
        """Say in what another plan differs, setting by setting."""
        changes = []
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine == theirs:
                continue
            if field.name == "layers":
                gone, new = sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))
                changes.append(f"layers: without {gone[:3]}, with {new[:3]}")
            elif field.name.endswith(("hash", "fingerprint")):
                changes.append(f"{_HASHED[field.name]} differ")
            else:
                changes.append(f"{field.name}: {mine} before, {theirs} now")
        return changes


def default_shard(images: int) -> int:
    """Return how many images go into a shard: at most 64 shards, none under 128 images.

    >>> default_shard(1000), default_shard(1_300_000)
    (128, 20313)
    """
    return max(128, -(-images // 64))


def make_plan(
    network: Network,
    images: Sequence[ImageFile],
    labels: Labels | None,
    *,
    layers: Sequence[str] | None,
    top: int,
    batch: int,
) -> Plan:
    """Return the plan of an atlas.

    Args:
        network: The network; its preprocessing must give images of one size.
        images: The probe set.
        labels: Class of each image.
        layers: Addresses or globs ("layer3.*"); None for `default_layers`.
        top: How many strongest images to keep of each unit.
        batch: Images in a batch.

    Returns:
        The plan.

    Raises:
        AtlasError: If images would differ in size.
        AddressError: If a glob matches no layer.
    """
    preprocessing = network.how_to_read()
    if preprocessing.image_size != network.image_size[1:]:
        msg = (
            f"an atlas needs images of one size, {network.image_size[1:]} for {network.name}; its "
            f"preprocessing gives {preprocessing.image_size or 'the size each file has'}: give "
            "--resize and --crop"
        )
        raise AtlasError(msg)
    digest = hashlib.sha256()
    for image in images:
        size = image.path.stat().st_size if image.path.exists() else -1
        digest.update(image.name.encode("utf-8", "surrogateescape") + f"\0{size}\n".encode())
    labels_hash = hashlib.sha256(repr(labels).encode()).hexdigest() if labels is not None else ""
    baked = network.trace().batch
    return Plan(
        network=network.name,
        fingerprint=network.fingerprint(),
        layers=tuple(chosen_layers(network, layers)),
        images=len(images),
        images_hash=digest.hexdigest(),
        labels_hash=labels_hash,
        preprocessing=json.dumps(preprocessing.to_json(), sort_keys=True),
        image_size=network.image_size,
        top=top,
        batch=baked or batch,
        shard=default_shard(len(images)),
    )


def chosen_layers(network: Network, globs: Sequence[str] | None) -> list[str]:
    """Return the addresses that globs match, in execution order; None for the default layers.

    Raises:
        AddressError: If a glob matches no layer that has units.
    """
    if globs is None:
        return default_layers(network)
    chosen: set[str] = set()
    for pattern in globs:
        names = [name for name in network.layers if fnmatch.fnmatchcase(name, pattern)]
        if not names:
            names = [network.layers[pattern].address]
        with_units = [name for name in names if network.layers[name].units]
        if not with_units:
            msg = f"no layer that {pattern!r} names has units that can be told apart"
            raise AddressError(msg)
        chosen.update(with_units)
    order = {node: place for place, node in enumerate(network.trace().graph.nodes)}
    return sorted(chosen, key=lambda name: order[network.layers[name].node])


def default_layers(network: Network) -> list[str]:
    """Return the layers an atlas shows if nobody chooses.

    Every convolution's and linear layer's activation after its non-linearity (its own output where
    it has none and does not just end in a sum), sums and concatenations likewise, and the scores.

    >>> import striate, torch
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                              torch.nn.Linear(144, 2))
    >>> default_layers(striate.load(module, image_size=(8, 8)))
    ['1', '3']
    """
    by_node = {network.layers[name].node: network.layers[name] for name in network.layers}
    chosen = {network.layers[network.scores].node}
    for node, layer in by_node.items():
        name = operation(node)
        joins = name in {"add", "cat"} and len(data_inputs(node)) > 1
        if layer.units and (name in _WEIGHTED or joins):
            end = _after_nonlinearity(node, by_node)
            if name in _WEIGHTED and not is_rectifier(end) and _ends_in_sum(end):
                continue
            chosen.add(end)
    return [layer.address for node, layer in by_node.items() if node in chosen and layer.units]


def _after_nonlinearity(node: fx.Node, by_node: dict[fx.Node, Layer]) -> fx.Node:
    """Follow a signal through normalization to its rectifier; back to the last layer if none."""
    last, current = node, node
    while True:
        if current in by_node and by_node[current].units:
            last = current
        onward = [user for user in current.users if user.meta.get("depends")]
        rectifiers = [user for user in onward if is_rectifier(user) and user in by_node]
        if rectifiers:
            return rectifiers[0]
        if len(onward) != 1 or operation(onward[0]) not in _PASSED:
            return last
        current = onward[0]


def _ends_in_sum(node: fx.Node) -> bool:
    users = list(node.users)
    return len(users) == 1 and operation(users[0]) == "add" and len(data_inputs(users[0])) > 1
