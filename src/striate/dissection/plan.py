"""What a dissection compares with what: its plan, whose hash is the dissection's identity.

The layers are no part of it: more of them can be added later.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from striate.atlas.plan import default_shard
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import UPSAMPLING
from striate.errors import MethodError
from striate.image.concepts.concept_set import ConceptSet
from striate.image.concepts.reading import fingerprint
from striate.network.network import Network

_HASHED = {
    "atlas": "the atlas was another",
    "concepts": "the concepts or their images are others",
}


@dataclass(frozen=True, slots=True)
class DissectionPlan:
    """All that decides what a layer's dissection says.

    Attributes:
        atlas: The atlas's revision: its network, preprocessing and layers.
        concepts: Hash of the concepts, and of their images' names and sizes.
        images: How many images they have.
        quantile: Share of a unit's activations that count as active.
        ratio: Pixels of the network's input for one pixel of the grid.
        upsampling: "field" or "resize".
        batch: Images in a batch (a network may round by it).
        shard: Images after which what is done is written down.
        format: Version of what is stored.
    """

    atlas: str
    concepts: str
    images: int
    quantile: float
    ratio: int
    upsampling: str
    batch: int
    shard: int
    format: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON, equal for equal plans."""
        return asdict(self)

    def hash(self) -> str:
        """Return the dissection's identity."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.images // self.shard)

    def shard_range(self, number: int) -> range:
        """Return the image ids of a shard."""
        return range(number * self.shard, min((number + 1) * self.shard, self.images))

    def differences(self, begun: Mapping[str, Any]) -> list[str]:
        """Say in what this plan differs from one that was stored, setting by setting."""
        changes = []
        for field in fields(self):
            before, now = begun.get(field.name), getattr(self, field.name)
            if before != now:
                said = f"{field.name}: {before} before, {now} now"
                changes.append(_HASHED.get(field.name, said))
        return changes


def make_plan(
    network: Network,
    atlas: Atlas,
    concepts: ConceptSet,
    *,
    quantile: float,
    ratio: int,
    upsampling: str,
    batch: int,
) -> DissectionPlan:
    """Return the plan of a dissection.

    Args:
        network: Its network: a batch size that is baked into it counts before `batch`.
        atlas: The atlas.
        concepts: Concepts and the images that show them.
        quantile: Share of a unit's activations that count as active, above 0 and below 1.
        ratio: Pixels of the network's input for one pixel of the grid, from 1.
        upsampling: "field" or "resize".
        batch: Images in a batch, from 1.

    Raises:
        MethodError: If a number is out of range, or there are no concepts or images.
    """
    if not 0 < quantile < 1:
        msg = f"quantile {quantile} is no share of activations: it lies between 0 and 1, as 0.005"
        raise MethodError(msg)
    height, width = atlas.plan.image_size[1:]
    if not 1 <= ratio <= min(height, width):
        msg = f"ratio {ratio} leaves no grid on images of {height} x {width}: 1, 2 or 4 are usual"
        raise MethodError(msg)
    if batch < 1:
        msg = f"a batch of {batch} images is none: give 1 or more"
        raise MethodError(msg)
    if upsampling not in UPSAMPLING:
        msg = f"upsampling {upsampling!r} is not one of {', '.join(UPSAMPLING)}"
        raise MethodError(msg)
    if not concepts.images or not concepts.concepts:
        msg = (
            f"{len(concepts.concepts)} concepts on {len(concepts.images)} images leave nothing to "
            "compare units with"
        )
        raise MethodError(msg)
    images = len(concepts.images)
    return DissectionPlan(
        atlas.revision, fingerprint(concepts), images, quantile, ratio, upsampling,
        network.trace().batch or batch, default_shard(images),
    )  # fmt: skip
