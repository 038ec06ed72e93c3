"""An atlas on disk, written in one go from the merged shards.

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
from striate.atlas.accumulators.topk import NOBODY, TopK
from striate.atlas.store.facts import Facts, LayerFacts
from striate.atlas.store.files import crash_point, write, write_arrays, write_table
from striate.atlas.store.ledger import Ledger
from striate.errors import AtlasError


def write_atlas(
    folder: Path, ledger: Ledger, shards: Sequence[int] | None = None, *, lasting: bool = True
) -> None:
    """Merge shards, layer by layer, and write the atlas: a pure function of the ledger.

    Besides the largest shard's part of a layer, one layer's table of responses is in memory.

    Args:
        folder: Where the atlas goes.
        ledger: What was observed.
        shards: Numbers of the shards to take, which are done; None for all.
        lasting: Whether the files must survive a power cut.

    Raises:
        AtlasError: If a shard cannot be read or a file cannot be written.
    """
    plan, facts = ledger.begun()
    chosen = range(plan.shards) if shards is None else sorted(shards)
    rows: list[tuple[Any, ...]] = []
    units: list[tuple[Any, ...]] = []
    for number, layer in enumerate(facts.layers):
        empty = LayerSummary.empty(layer.units, plan.top)
        summary, table = ledger.layer(number, empty, plan.images, chosen)
        arrays = summary.to_arrays() | {"top.box": _boxes(layer, summary.top)}
        file = f"layers/{number:04d}.safetensors"
        sha256 = write_arrays(folder / file, arrays, lasting=lasting)
        responses = f"responses/{number:04d}.safetensors"
        responses_sha256 = write_table(folder / responses, table, lasting=lasting)
        size = layer.field or (None, None)
        rows.append((
            number, layer.address, layer.operation, layer.units, *layer.map_size, *size, file,
            sha256, responses, responses_sha256, layer.unprojected,
        ))  # fmt: skip
        units += _unit_rows(number, summary)
    meta = {
        "plan": json.loads(plan.to_json()),
        "class_names": facts.class_names,
        "scores": facts.scores,
        "aliases": facts.aliases,
        "graph": facts.graph,
    }
    content = _database(meta, _image_rows(facts, ledger, chosen), rows, units)
    crash_point()
    digest = hashlib.sha256(content).hexdigest().encode()
    write(folder / "atlas.sha256", digest, lasting=lasting)
    write(folder / "atlas.sqlite", content, lasting=lasting)


def _boxes(layer: LayerFacts, top: TopK) -> np.ndarray:
    """Return the box of each top entry: (units, k, 4); zeros where the entry is not taken."""
    rows = np.array(layer.rows, np.int32)[top.row]
    columns = np.array(layer.columns, np.int32)[top.column]
    boxes = np.stack([rows[..., 0], columns[..., 0], rows[..., 1], columns[..., 1]], axis=-1)
    found: np.ndarray = np.where((top.image != NOBODY)[..., None], boxes, np.int32(0))
    return found


def _unit_rows(number: int, summary: LayerSummary) -> list[tuple[Any, ...]]:
    moments, by_class = summary.moments, summary.by_class
    deviation = np.sqrt(moments.variance)
    fires = moments.fired_images / np.maximum(moments.images, 1)
    fires_places = moments.fired_places / np.maximum(moments.places, 1)
    selectivity = by_class.selectivity
    best: list[int | None] = [None] * len(fires)
    if len(by_class.classes):
        mean = by_class.mean
        highest = mean.max(axis=0)
        classes = by_class.classes[mean.argmax(axis=0)]
        best = [int(c) if m > 0 else None for c, m in zip(classes, highest, strict=True)]
    strongest = summary.top.image[:, 0].tolist()
    return [
        (
            number, unit, _number(moments.maximum[unit]), _number(moments.mean[unit]) or 0.0,
            _number(deviation[unit]), float(fires[unit]), float(fires_places[unit]),
            int(moments.not_finite[unit]), best[unit], _number(selectivity[unit]),
            int(moments.fired_images[unit] == 0),
            None if strongest[unit] == NOBODY else strongest[unit],
        )
        for unit in range(len(fires))
    ]  # fmt: skip


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _image_rows(facts: Facts, ledger: Ledger, shards: Sequence[int]) -> list[tuple[Any, ...]]:
    ids, best, rank = ledger.judged(shards)
    place = {int(image): k for k, image in enumerate(ids)}
    skipped = {entry.image: entry.reason for entry in ledger.skipped(shards)}
    rows = []
    for image, (name, size, label) in enumerate(facts.images):
        k = place.get(image)
        judged = k is not None and best[k, 0] >= 0
        rows.append((
            image,
            text_of(name),
            size,
            label,
            json.dumps([int(c) for c in best[k] if c >= 0]) if judged else None,
            int(rank[k]) if judged and rank[k] >= 0 else None,
            int(k is not None),
            skipped.get(image),
        ))
    return rows


def text_of(name: str) -> str | bytes:
    """Return a file name as SQLite can keep it: bytes where it is no text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def name_of(kept: str | bytes) -> str:
    r"""Return the file name that `text_of` brought into a form for SQLite.

    >>> name_of(text_of("cat\udcff.png")) == "cat\udcff.png"
    True
    """
    return os.fsdecode(kept) if isinstance(kept, bytes) else kept


def _database(
    meta: dict[str, Any],
    images: Sequence[tuple[Any, ...]],
    layers: Sequence[tuple[Any, ...]],
    units: Sequence[tuple[Any, ...]],
) -> bytes:
    """Return the database's file."""  # noqa: DOC501 - private
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
        return connection.serialize()
    except sqlite3.Error as error:
        msg = f"cannot make the atlas's database: {error}"
        raise AtlasError(msg) from error
    finally:
        connection.close()


def digest_of(folder: Path, files: Sequence[str]) -> str:
    """Return a hash of an atlas's database and its files of arrays, whatever its path or time."""
    digest = hashlib.sha256()
    for name in ("atlas.sqlite", *sorted(files)):
        digest.update(hashlib.sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()
