"""A finished atlas on disk, written in one go from the merged shards.

The same content gives the same bytes: rows in order, no times, no paths.
"""

import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.accumulators.topk import NOBODY
from striate.atlas.plan import Plan
from striate.atlas.store.files import crash_point, write, write_arrays
from striate.atlas.store.ledger import Ledger
from striate.errors import AtlasError
from striate.image.folder import ImageFile, Labels
from striate.network.layers import Layer
from striate.network.network import Network


def write_atlas(
    folder: Path,
    plan: Plan,
    network: Network,
    images: Sequence[ImageFile],
    labels: Labels | None,
    ledger: Ledger,
) -> None:
    """Merge all shards, layer by layer, and write the atlas; then remove the shards.

    Args:
        folder: The atlas's folder.
        plan: What was observed.
        network: The network, for boxes and class names.
        images: The probe set.
        labels: Class of each image.
        ledger: Where all shards are done.

    Raises:
        AtlasError: If a file cannot be written.
    """
    rows: list[tuple[Any, ...]] = []
    units: list[tuple[Any, ...]] = []
    for number, address in enumerate(plan.layers):
        layer = network.layers[address]
        empty = LayerSummary.empty(layer.units or 0, plan.top)
        summary = ledger.merged(number, empty, plan.shards)
        arrays = summary.to_arrays() | {"top.box": _boxes(layer, summary)}
        file = f"layers/{number:04d}.safetensors"
        sha256 = write_arrays(folder / file, arrays)
        rows.append(_layer_row(number, layer, file, sha256))
        units += _unit_rows(number, summary)
    meta = {
        "plan": json.loads(plan.to_json()),
        "class_names": _class_names(network, labels),
        "scores": network.scores,
        "aliases": {
            alias: address
            for alias, address in network.layers.aliases().items()
            if address in plan.layers
        },
    }
    images_rows = _image_rows(plan, images, labels, ledger)
    _write_database(folder, meta, images_rows, rows, units)
    ledger.discard()


def _boxes(layer: Layer, summary: LayerSummary) -> np.ndarray:
    """Return the box of each top entry: (units, k, 4); zeros where the entry is not taken."""
    top = summary.top
    boxes = np.zeros((*top.image.shape, 4), np.int32)
    for place in zip(*np.nonzero(top.image != NOBODY), strict=True):
        boxes[place] = layer.box(int(top.row[place]), int(top.column[place]))
    return boxes


def _layer_row(number: int, layer: Layer, file: str, sha256: str) -> tuple[Any, ...]:
    size = layer.receptive_field.size or (None, None)
    return (
        number, layer.address, layer.operation, layer.units, *layer.map_size, *size, file, sha256,
    )  # fmt: skip


def _unit_rows(number: int, summary: LayerSummary) -> list[tuple[Any, ...]]:
    moments, by_class = summary.moments, summary.by_class
    deviation = np.sqrt(moments.variance)
    fires = moments.fired_images / np.maximum(moments.images, 1)
    fires_places = moments.fired_places / np.maximum(moments.places, 1)
    selectivity = by_class.selectivity
    best: list[int | None] = [None] * len(fires)
    if len(by_class.classes):
        highest = by_class.mean.max(axis=0)
        classes = by_class.classes[by_class.mean.argmax(axis=0)]
        best = [int(c) if m > 0 else None for c, m in zip(classes, highest, strict=True)]
    return [
        (
            number, unit, _number(moments.maximum[unit]), _number(moments.mean[unit]) or 0.0,
            _number(deviation[unit]), float(fires[unit]), float(fires_places[unit]),
            int(moments.not_finite[unit]), best[unit], _number(selectivity[unit]),
            int(moments.fired_images[unit] == 0),
        )
        for unit in range(len(fires))
    ]  # fmt: skip


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _class_names(network: Network, labels: Labels | None) -> dict[str, str]:
    names = dict(labels.names) if labels is not None else {}
    names |= dict(enumerate(network.class_names or ()))
    return {str(index): name for index, name in sorted(names.items())}


def _image_rows(
    plan: Plan, images: Sequence[ImageFile], labels: Labels | None, ledger: Ledger
) -> list[tuple[Any, ...]]:
    ids, best, rank = ledger.judged(plan.shards)
    place = {int(image): k for k, image in enumerate(ids)}
    skipped = {entry.image: entry.reason for entry in ledger.skipped()}
    rows = []
    for image in images:
        k = place.get(image.id)
        judged = k is not None and best[k, 0] >= 0
        rows.append((
            image.id,
            text_of(image.name),
            image.path.stat().st_size if image.path.exists() else -1,
            labels.index[image.id] if labels is not None else None,
            json.dumps([int(c) for c in best[k] if c >= 0]) if judged else None,
            int(rank[k]) if judged and rank[k] >= 0 else None,
            skipped.get(image.id),
        ))
    return rows


def text_of(name: str) -> str | bytes:
    """Return a file name as SQLite can keep it: bytes where it is no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _write_database(
    folder: Path,
    meta: dict[str, Any],
    images: Sequence[tuple[Any, ...]],
    layers: Sequence[tuple[Any, ...]],
    units: Sequence[tuple[Any, ...]],
) -> None:
    schema = Path(__file__).with_name("schema.sql").read_text()
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.executescript(schema)
        connection.execute("BEGIN")
        for key, value in sorted(meta.items()):
            text = json.dumps(value, sort_keys=True, ensure_ascii=True)
            connection.execute("INSERT INTO meta VALUES (?, ?)", (key, text))
        for table, rows in (("images", images), ("layers", layers), ("units", units)):
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608
        connection.execute("COMMIT")
        content = connection.serialize()
    except sqlite3.Error as error:
        msg = f"cannot make the atlas's database: {error}"
        raise AtlasError(msg) from error
    finally:
        connection.close()
    crash_point()
    write(folder / "atlas.sha256", hashlib.sha256(content).hexdigest().encode())
    write(folder / "atlas.sqlite", content)


def digest_of(folder: Path, layer_files: Sequence[str]) -> str:
    """Return a hash of a finished atlas's whole content, whatever its path or time."""
    digest = hashlib.sha256()
    for name in ("atlas.sqlite", *sorted(layer_files)):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()
