"""What a dissection has found so far: one file, written anew after each shard, whole or absent.

The summaries of all shards so far are merged already, so that the file does not grow with the
images. It holds the key of the run that it belongs to and a checksum: one that is damaged, or
another run's, counts as none.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from striate.atlas.accumulators.law import Arrays
from striate.atlas.store.files import read_arrays, write_arrays
from striate.errors import AtlasError

_SAID, _CHECK = "said", "check"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Where a run is.

    Attributes:
        plan: What is compared with what, as `DissectionPlan.to_json`.
        layers: Addresses, and whatever else tells this run from others of the plan.
        passing: 0 while thresholds are sought, 1 while pixels are counted.
        done: Shards done in this pass.
        skipped: Ids of images that could not be read, with the reason.
        arrays: What is known, by name.
    """

    plan: dict[str, Any]
    layers: list[str]
    passing: int
    done: int
    skipped: dict[int, str]
    arrays: Arrays

    def write(self, path: Path, within: Path) -> None:
        """Write it, in the place of what was there.

        Args:
            path: Where it goes.
            within: The atlas's folder, above it.

        Raises:
            AtlasError: If it cannot be written.
        """
        said = {
            "plan": self.plan,
            "layers": self.layers,
            "passing": self.passing,
            "done": self.done,
            "skipped": sorted(self.skipped.items()),
        }
        text = np.frombuffer(json.dumps(said, sort_keys=True).encode(), np.uint8)
        arrays = {**self.arrays, _SAID: text}
        write_arrays(path, {**arrays, _CHECK: _checksum(arrays)}, within=within)

    @classmethod
    def read(cls, path: Path) -> "Checkpoint | None":
        """Return what was written; None if there is nothing, or it is not what was written."""
        if not path.exists():
            return None
        try:
            arrays = read_arrays(path)
            check = arrays.pop(_CHECK)
            if not np.array_equal(check, _checksum(arrays)):
                return None
            said = json.loads(arrays.pop(_SAID).tobytes())
            skipped = {int(image): str(reason) for image, reason in said["skipped"]}
            return cls(
                said["plan"], said["layers"], int(said["passing"]), int(said["done"]), skipped,
                arrays,
            )  # fmt: skip
        except (AtlasError, ValueError, TypeError, KeyError):
            return None


def _checksum(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.data if array.size else b"")
    return np.frombuffer(digest.digest(), np.uint8)
