"""Concept vectors in an atlas's folder: one JSON file and one file of arrays a layer and task.

The JSON holds what a page or a table shows and names the arrays by their hash: it is written last,
so a reader finds the old pair or the new one. What belongs to another atlas counts as nothing.
"""

import contextlib
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from striate.atlas.store.files import read_arrays, write, write_arrays
from striate.atlas.store.kept import REVISION_DIGITS
from striate.atlas.store.reader import Atlas, LayerRow
from striate.dissection.net2vec.vectors import (
    SCORES,
    ConceptVectors,
    Learnt,
    LeftOut,
    Neighbour,
    Subset,
    Task,
)
from striate.errors import AtlasError
from striate.network.address import Address

_FORMAT = 1
_NEIGHBOURS = 5
_LARGEST = 10
_TASKS: tuple[Task, ...] = ("segmentation", "classification")
_ARRAYS = ("vectors", "biases", "subset_vectors", "subset_biases", "thresholds")

__all__ = ["ConceptVectors", "Learnt", "LeftOut", "Neighbour", "StoredVectors", "Subset", "Task"]


class StoredVectors:
    """The concept vectors of an atlas, as they are at this moment.

    Args:
        atlas: The atlas; of one that is not finished, nothing is stored.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self._folder = atlas.home / "net2vec"

    def path(self, row: LayerRow, task: Task) -> Path:
        """Return where the numbers of a layer lie, or would."""
        return self._folder / f"{row.number:04d}-{task}.json"

    @property
    def revision(self) -> str:
        """A short hash of all numbers; empty where there are none."""
        digest, there = hashlib.sha256(), False
        for row, task in self._asked():
            content = self._content(row, task)
            if content is not None:
                there = True
                digest.update(f"{row.number} {task} {len(content)}\n".encode() + content)
        return digest.hexdigest()[:REVISION_DIGITS] if there else ""

    def there(self) -> list[tuple[str, Task]]:
        """Return the layers and tasks that vectors are stored of, in execution order."""
        return [(row.address, task) for row, task in self._asked() if self._json(row, task)]

    def described(self, address: str | Address, task: Task) -> dict[str, Any] | None:
        """Return the stored JSON of a layer; None if nothing was learnt there.

        Raises:
            AddressError: If the atlas has no such layer.
            AtlasError: If the file is damaged.
        """
        return self._json(self.atlas.layer(address), task)

    def of(self, address: str | Address, task: Task = "segmentation") -> ConceptVectors:
        """Return what was learnt in a layer.

        Raises:
            AddressError: If the atlas has no such layer.
            AtlasError: If nothing was learnt there, or what is stored is damaged.
        """
        row = self.atlas.layer(address)
        said = self._json(row, task)
        if said is None:
            known = ", ".join(f"{layer} ({of})" for layer, of in self.there()) or "none"
            msg = (
                f"{self.atlas.home} has no concept vectors of {row.address} by {task}; it has: "
                f"{known}. Learn them with `striate net2vec DIR --concepts SET --layer LAYER`"
            )
            raise AtlasError(msg)
        try:
            name, sha256 = str(said["arrays"]["file"]), str(said["arrays"]["sha256"])
            arrays = read_arrays(self._folder / Path(name).name, sha256)
            return _from_json(said, arrays, row, task)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise AtlasError(_damaged(self.path(row, task), error)) from error

    def store(self, found: ConceptVectors) -> None:
        """Write what was learnt in a layer, whole or not at all.

        Raises:
            AtlasError: If it cannot be written.
        """
        row = self.atlas.layer(found.layer)
        arrays = {name: getattr(found, name) for name in _ARRAYS}
        draft = self._folder / f"{row.number:04d}-{found.task}.safetensors"
        sha256 = write_arrays(draft, arrays, within=self.atlas.home)
        named = draft.with_name(f"{row.number:04d}-{found.task}-{sha256[:16]}.safetensors")
        draft.replace(named)
        said = _to_json(found) | {
            "atlas": self.atlas.revision,
            "arrays": {"file": named.name, "sha256": sha256},
        }
        content = json.dumps(said, allow_nan=False, indent=1)
        write(self.path(row, found.task), content.encode(), within=self.atlas.home)
        for other in self._folder.glob(f"{row.number:04d}-{found.task}-*.safetensors"):
            if other != named:
                with contextlib.suppress(OSError):
                    other.unlink()

    def _asked(self) -> list[tuple[LayerRow, Task]]:
        if not self.atlas.finished:
            return []
        return [(row, task) for row in self.atlas.layers.values() for task in _TASKS]

    def _content(self, row: LayerRow, task: Task) -> bytes | None:
        path = self.path(row, task)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AtlasError(_damaged(path, error)) from error

    def _json(self, row: LayerRow, task: Task) -> dict[str, Any] | None:
        """Return what is stored, or None if there is nothing of this atlas."""  # noqa: DOC501 - private
        content = self._content(row, task) if self.atlas.finished else None
        if content is None:
            return None
        try:
            said = json.loads(content)
            own = (said["atlas"], said["layer"], said["task"], said["format"])
        except (ValueError, TypeError, KeyError) as error:
            raise AtlasError(_damaged(self.path(row, task), error)) from error
        return said if own == (self.atlas.revision, row.address, task, _FORMAT) else None


def _damaged(path: Path, error: Exception) -> str:
    return f"{path} is damaged ({error}): learn the layer again with `striate net2vec --restart`"


def _to_json(found: ConceptVectors) -> dict[str, Any]:
    measure = SCORES[found.task]
    directions = found.directions()
    concepts = []
    for k, one in enumerate(found.learnt):
        largest = np.argsort(-np.abs(directions[k]), kind="stable")[:_LARGEST]
        concepts.append({
            "name": one.name,
            "category": one.category,
            "images": {"train": one.train, "val": one.val},
            "weight": one.weight,
            "single": {
                "unit": one.unit, measure: one.unit_score, f"train_{measure}": one.unit_train_score,
            },
            "everywhere": {measure: one.everywhere},
            "combined": {measure: one.score, f"train_{measure}": one.train_score},
            "subsets": [
                {
                    "units": len(subset.units), measure: subset.score,
                    f"train_{measure}": subset.train_score, "chosen": list(subset.units),
                }
                for subset in one.subsets
            ],
            "largest": [
                {"unit": int(unit), "share": float(directions[k, unit])}
                for unit in largest if directions[k, unit] != 0
            ],
            "neighbours": [asdict(other) for other in found.nearest(one.full_name, _NEIGHBOURS)],
        })  # fmt: skip
    return {
        "format": _FORMAT,
        "layer": found.layer,
        "task": found.task,
        "measure": measure,
        "units": found.vectors.shape[1],
        "settings": dict(found.settings),
        "concepts": concepts,
        "left_out": [asdict(one) for one in found.left_out],
        "skipped": [{"image": name, "reason": reason} for name, reason in found.skipped],
    }


def _from_json(
    said: dict[str, Any], arrays: dict[str, np.ndarray], row: LayerRow, task: Task
) -> ConceptVectors:
    """Read what `_to_json` wrote; damage is any of the errors that reading raises."""  # noqa: DOC501 - private
    measure = SCORES[task]
    learnt = tuple(_learnt(one, measure) for one in said["concepts"])
    shapes = {
        "vectors": (len(learnt), row.units),
        "biases": (len(learnt),),
        "thresholds": (row.units,),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            msg = f"{name} has shape {arrays[name].shape}, not {shape}"
            raise ValueError(msg)
    return ConceptVectors(
        layer=row.address,
        task=task,
        settings=dict(said["settings"]),
        learnt=learnt,
        **{name: arrays[name] for name in _ARRAYS},
        left_out=tuple(LeftOut(**one) for one in said["left_out"]),
        skipped=tuple((str(one["image"]), str(one["reason"])) for one in said["skipped"]),
    )


def _learnt(one: dict[str, Any], measure: str) -> Learnt:
    train_measure = f"train_{measure}"
    weight = one["weight"]
    return Learnt(
        name=str(one["name"]),
        category=str(one["category"]),
        train=int(one["images"]["train"]),
        val=int(one["images"]["val"]),
        weight=None if weight is None else float(weight),
        unit=int(one["single"]["unit"]),
        unit_score=float(one["single"][measure]),
        unit_train_score=float(one["single"][train_measure]),
        score=float(one["combined"][measure]),
        train_score=float(one["combined"][train_measure]),
        everywhere=float(one["everywhere"][measure]),
        subsets=tuple(
            Subset(
                tuple(int(unit) for unit in subset["chosen"]),
                float(subset[measure]),
                float(subset[train_measure]),
            )
            for subset in one["subsets"]
        ),
    )
