"""A finished atlas, read-only."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from striate.atlas.accumulators.histogram import edges
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.accumulators.topk import NOBODY
from striate.atlas.plan import Plan
from striate.atlas.store.files import read_arrays
from striate.atlas.store.writer import digest_of
from striate.errors import AddressError, AtlasError
from striate.network.address import Address, nearest


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer as the atlas knows it; ``field`` is None where it sees the whole image."""

    number: int
    address: str
    operation: str
    units: int
    map_size: tuple[int, int]
    field: tuple[int, int] | None
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a unit's strongest images: id, value, place of the neuron, box it sees."""

    image: int
    value: float
    row: int
    column: int
    box: tuple[int, int, int, int]


class Atlas:
    """A finished atlas.

    Args:
        folder: Where it lies.

    Raises:
        AtlasError: If there is none, or it is not finished, or it is damaged.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._path = self.folder / "atlas.sqlite"
        if not self._path.exists():
            begun = (self.folder / "ledger.sqlite").is_file()
            what = "is not finished: run the same `striate atlas` command again" if begun else (
                "holds no atlas: make one with `striate atlas NETWORK IMAGES -o DIR`"
            )  # fmt: skip
            msg = f"{self.folder} {what}"
            raise AtlasError(msg)
        self._check()
        with self._query() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != 1:
            msg = f"{self.folder} has format {version}; this striate reads format 1"
            raise AtlasError(msg)

    def _check(self) -> None:
        try:
            content = self._path.read_bytes()
            expected = (self.folder / "atlas.sha256").read_bytes()
        except OSError as error:
            msg = f"cannot read {self.folder}: {error}"
            raise AtlasError(msg) from error
        if hashlib.sha256(content).hexdigest().encode() != expected:
            msg = f"{self._path} is damaged: it is not what was written; build it again, --restart"
            raise AtlasError(msg)

    @contextmanager
    def _query(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True)
        try:
            yield connection
        except sqlite3.Error as error:
            msg = f"{self._path} is damaged: {error}"
            raise AtlasError(msg) from error
        finally:
            connection.close()

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._query() as connection:
            return connection.execute(query, values).fetchall()

    def _meta(self, key: str) -> Any:
        rows = self._rows("SELECT value FROM meta WHERE key = ?", key)
        return json.loads(rows[0][0])

    @cached_property
    def plan(self) -> Plan:
        """What was observed."""
        return Plan.from_json(json.dumps(self._meta("plan")))

    @cached_property
    def class_names(self) -> dict[int, str]:
        """Name of each class index, as far as known."""
        return {int(index): name for index, name in self._meta("class_names").items()}

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Other names of the layers: module paths, with the address of that module's output."""
        return dict(self._meta("aliases"))

    @cached_property
    def layers(self) -> dict[str, LayerRow]:
        """The layers by address, in execution order."""
        rows = self._rows("SELECT * FROM layers ORDER BY number")
        found = {}
        for number, address, operation, units, r, c, field_r, field_c, file, sha256 in rows:
            field = None if field_r is None else (field_r, field_c)
            row = LayerRow(number, address, operation, units, (r, c), field, file, sha256)
            found[address] = row
        return found

    def layer(self, address: str | Address) -> LayerRow:
        """Return a layer.

        Raises:
            AddressError: If the atlas did not observe it, or it has no such unit.
        """
        parsed = Address.parse(address)
        row = self.layers.get(self.aliases.get(parsed.layer, parsed.layer))
        if row is None:
            close = ", ".join(nearest(parsed.layer, [*self.layers, *self.aliases]))
            msg = (
                f"this atlas has no layer {parsed.layer!r}; the nearest of its {len(self.layers)} "
                f"are {close}"
            )
            raise AddressError(msg)
        if parsed.unit is not None and parsed.unit >= row.units:
            msg = f"{parsed} does not exist: {row.address} has units 0 to {row.units - 1}"
            raise AddressError(msg)
        return row

    def _arrays(self, row: LayerRow) -> dict[str, np.ndarray]:
        return read_arrays(self.folder / row.file, row.sha256)

    def summary_of(self, address: str | Address) -> LayerSummary:
        """Return all that was accumulated for a layer."""
        return LayerSummary.from_arrays(self._arrays(self.layer(address)))

    def top(self, address: str | Address) -> list[list[Entry]]:
        """Return the strongest images of each unit of a layer, strongest first."""
        arrays = self._arrays(self.layer(address))
        names = ("top.image", "top.value", "top.row", "top.column", "top.box")
        lists = [arrays[name].tolist() for name in names]
        return [
            [
                Entry(image, value, row, column, (box[0], box[1], box[2], box[3]))
                for image, value, row, column, box in zip(*unit, strict=True)
                if image != NOBODY
            ]
            for unit in zip(*lists, strict=True)
        ]

    def units(self, address: str | Address) -> list[dict[str, Any]]:
        """Return each unit of a layer as JSON: numbers, class, and its strongest images."""
        row = self.layer(address)
        columns = (
            "unit, maximum, mean, deviation, fires, fires_places, not_finite, best_class, "
            "selectivity, dead"
        )
        query = f"SELECT {columns} FROM units WHERE layer = ? ORDER BY unit"  # noqa: S608
        names = (
            "unit", "max", "mean", "deviation", "fires", "fires_places", "not_finite",
            "best_class", "selectivity", "dead",
        )  # fmt: skip
        found = []
        for values, entries in zip(self._rows(query, row.number), self.top(address), strict=True):
            unit = dict(zip(names, values, strict=True))
            unit["dead"] = bool(unit["dead"])
            unit["top"] = [
                {
                    "image": entry.image, "file": self.image_names[entry.image],
                    "value": entry.value, "row": entry.row, "column": entry.column,
                    "box": list(entry.box),
                }
                for entry in entries
            ]  # fmt: skip
            found.append(unit)
        return found

    def unit(self, address: str | Address) -> dict[str, Any]:
        """Return all that is known of one unit, as JSON.

        To what `units` says this adds how many images and neurons were counted, the variance, the
        histogram (see `striate.atlas.accumulators.histogram`; bins with a count alone, as low edge,
        high edge, count) and the mean response to each class.

        Raises:
            AddressError: If the address names no unit of this atlas.
        """
        parsed = Address.parse(address)
        row = self.layer(parsed)
        if parsed.unit is None:
            msg = f"{address} is a layer; name a unit of it, such as {row.address}:0"
            raise AddressError(msg)
        unit, summary = parsed.unit, self.summary_of(address)
        bins, counts = edges().tolist(), summary.histogram.counts[unit].tolist()
        means = summary.by_class.mean[:, unit].tolist()
        return {
            **self.units(address)[unit],
            "images": int(summary.moments.images[unit]),
            "places": int(summary.moments.places[unit]),
            "variance": float(summary.moments.variance[unit]),
            "histogram": [[bins[k], bins[k + 1], n] for k, n in enumerate(counts) if n],
            "class_means": [
                {"class": c, "name": self.class_names.get(c), "mean": mean}
                for c, mean in zip(summary.by_class.classes.tolist(), means, strict=True)
            ],
        }

    @cached_property
    def image_names(self) -> list[str]:
        """Name of each image, by id."""
        rows = self._rows("SELECT name FROM images ORDER BY id")
        return [os.fsdecode(name) if isinstance(name, bytes) else name for (name,) in rows]

    def skipped(self) -> list[tuple[str, str]]:
        """Return name and reason of each image that was not seen."""
        rows = self._rows("SELECT id, skipped FROM images WHERE skipped IS NOT NULL ORDER BY id")
        return [(self.image_names[image], reason) for image, reason in rows]

    def summary(self) -> dict[str, Any]:
        """Return what was observed and what came out, as JSON; accuracies in percent."""
        images, skipped, judged, first, fifth = self._rows(
            "SELECT count(*), count(skipped), count(rank), sum(rank = 0), sum(rank < 5) FROM images"
        )[0]
        dead = dict(self._rows("SELECT layer, sum(dead) FROM units GROUP BY layer"))
        return {
            "network": self.plan.network,
            "identity": self.plan.hash(),
            "images": images,
            "seen": images - skipped,
            "skipped": skipped,
            "skipped_images": [
                {"file": name, "reason": reason} for name, reason in self.skipped()
            ],
            "top1": 100.0 * first / judged if judged else None,
            "top5": 100.0 * fifth / judged if judged else None,
            "units": sum(row.units for row in self.layers.values()),
            "layers": [
                {
                    "layer": row.address, "operation": row.operation, "units": row.units,
                    "map_size": list(row.map_size),
                    "receptive_field": list(row.field) if row.field else None,
                    "dead": int(dead.get(row.number) or 0),
                }
                for row in self.layers.values()
            ],
        }  # fmt: skip

    def digest(self) -> str:
        """Return a hash of the whole content; equal atlases have equal digests.

        Raises:
            AtlasError: If a file is missing or is not what was written.
        """
        for row in self.layers.values():
            self._arrays(row)
        return digest_of(self.folder, [row.file for row in self.layers.values()])
