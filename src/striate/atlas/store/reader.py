"""An atlas, read-only."""

import hashlib
import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from striate.atlas.accumulators.histogram import edges
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.accumulators.topk import NOBODY
from striate.atlas.plan import Plan
from striate.atlas.store.files import check_file, map_table, read_arrays
from striate.atlas.store.rows import Entry, ImageRow, LayerRow
from striate.atlas.store.writer import digest_of, name_of
from striate.errors import AddressError, AtlasError
from striate.network.address import Address, nearest

FORMAT = 2
REVISION_DIGITS = 16

_KEPT = 4
"""Layers whose arrays are kept in memory."""

__all__ = ["FORMAT", "REVISION_DIGITS", "Atlas", "Entry", "ImageRow", "LayerRow"]


class Atlas:
    """An atlas: a finished one, or a snapshot of what a pass has done so far.

    Args:
        folder: Where it lies.
        home: Of a snapshot, the folder of the pass; see `striate.atlas.snapshot`.
        revision: Of a snapshot, what its ledger says.

    Raises:
        AtlasError: If there is none, or it is not finished, or it is damaged.

    Attributes:
        folder: Where its database and arrays lie.
        home: Where what belongs to it lies: its recipe, its pictures.
        finished: Whether all images have had their turn.
        revision: Short hash of the content.
    """

    def __init__(
        self, folder: Path | str, *, home: Path | None = None, revision: str | None = None
    ) -> None:
        self.folder = Path(folder)
        self.home = home or self.folder
        self.finished = home is None
        self._path = self.folder / "atlas.sqlite"
        self._arrays_kept: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._lock = threading.Lock()
        if not self._path.exists():
            begun = (self.folder / "ledger.sqlite").is_file()
            what = (
                "is not finished: wait for the pass, or run the same `striate atlas` command again "
                "if it was stopped" if begun
                else "holds no atlas: make one with `striate atlas NETWORK IMAGES -o DIR`"
            )  # fmt: skip
            msg = f"{self.folder} {what}"
            raise AtlasError(msg)
        digest = self._check()
        self.revision = (revision or digest)[:REVISION_DIGITS]
        with self._query() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != FORMAT:
            msg = f"{self.folder} has format {version}; this striate reads format {FORMAT}"
            if version < FORMAT:
                msg = (
                    f"{self.folder} was made by an older striate (format {version}): build it "
                    "again with --restart"
                )
            raise AtlasError(msg)

    def _check(self) -> str:
        """Return the hash of the database."""  # noqa: DOC501 - private
        try:
            content = self._path.read_bytes()
            expected = (self.folder / "atlas.sha256").read_bytes()
        except OSError as error:
            msg = f"cannot read {self.folder}: {error}"
            raise AtlasError(msg) from error
        digest = hashlib.sha256(content).hexdigest()
        if digest.encode() != expected:
            msg = f"{self._path} is damaged: it is not what was written; build it again, --restart"
            raise AtlasError(msg)
        return digest

    @contextmanager
    def _query(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        try:
            connection = sqlite3.connect(uri, uri=True)
        except sqlite3.Error as error:
            msg = f"cannot read {self._path}: {error}"
            raise AtlasError(msg) from error
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
    def graph(self) -> dict[str, Any]:
        """The network as nodes and edges; see `striate.network.drawing`."""
        return dict(self._meta("graph"))

    @cached_property
    def layers(self) -> dict[str, LayerRow]:
        """The layers by address, in execution order."""
        rows = self._rows("SELECT * FROM layers ORDER BY number")
        found = {}
        for number, address, operation, units, r, c, field_r, field_c, *files in rows:
            field = None if field_r is None else (field_r, field_c)
            found[address] = LayerRow(number, address, operation, units, (r, c), field, *files)
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
        """Return a layer's arrays; those of the last few layers are kept."""
        with self._lock:
            if row.number not in self._arrays_kept:
                self._arrays_kept[row.number] = read_arrays(self.folder / row.file, row.sha256)
                if len(self._arrays_kept) > _KEPT:
                    self._arrays_kept.popitem(last=False)
            self._arrays_kept.move_to_end(row.number)
            return self._arrays_kept[row.number]

    def summary_of(self, address: str | Address) -> LayerSummary:
        """Return all that was accumulated for a layer."""
        return LayerSummary.from_arrays(self._arrays(self.layer(address)))

    def responses(self, address: str | Address) -> Float32[np.ndarray, "images units"]:
        """Return the largest activation of each unit of a layer in each image, by image id.

        Returns:
            The table, read-only and not read until it is looked at; NaN where the image was not
            seen, or the unit was not finite on it.

        Raises:
            AtlasError: If the file is missing, cut off, or of another shape.
        """
        row = self.layer(address)
        return map_table(self.folder / row.responses, (self.plan.images, row.units))

    def top(self, address: str | Address) -> list[list[Entry]]:
        """Return the strongest images of each unit of a layer, strongest first."""
        row = self.layer(address)
        return self._top(row, slice(None))

    def _top(self, row: LayerRow, units: slice) -> list[list[Entry]]:
        arrays = self._arrays(row)
        names = ("top.image", "top.value", "top.row", "top.column", "top.box")
        lists = [arrays[name][units].tolist() for name in names]
        return [
            [
                Entry(image, value, row, column, (box[0], box[1], box[2], box[3]))
                for image, value, row, column, box in zip(*unit, strict=True)
                if image != NOBODY
            ]
            for unit in zip(*lists, strict=True)
        ]

    def columns(self, address: str | Address) -> dict[str, list[Any]]:
        """Return what is known of the units of a layer, one list a property, in order of units."""
        names = (
            "maximum", "mean", "fires", "fires_places", "selectivity", "best_class", "dead",
            "top_image",
        )  # fmt: skip
        query = f"SELECT {', '.join(names)} FROM units WHERE layer = ? ORDER BY unit"  # noqa: S608
        rows = self._rows(query, self.layer(address).number)
        found: dict[str, list[Any]] = {
            name: [row[k] for row in rows] for k, name in enumerate(names)
        }
        return {**found, "dead": [bool(dead) for dead in found["dead"]]}

    def units(self, address: str | Address) -> list[dict[str, Any]]:
        """Return each unit of a layer as JSON: numbers, class, and its strongest images."""
        row = self.layer(address)
        return self._described(row, slice(0, row.units))

    def _described(self, row: LayerRow, units: slice) -> list[dict[str, Any]]:
        names = {
            "unit": "unit", "max": "maximum", "mean": "mean", "deviation": "deviation",
            "fires": "fires", "fires_places": "fires_places", "not_finite": "not_finite",
            "best_class": "best_class", "selectivity": "selectivity", "dead": "dead",
        }  # fmt: skip
        columns = ", ".join(names.values())
        query = (
            f"SELECT {columns} FROM units WHERE layer = ? AND unit >= ? AND unit < ? ORDER BY unit"  # noqa: S608
        )
        rows = self._rows(query, row.number, units.start, units.stop)
        found = []
        for values, entries in zip(rows, self._top(row, units), strict=True):
            unit: dict[str, Any] = dict(zip(names, values, strict=True))
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
        unit, summary = parsed.unit, LayerSummary.from_arrays(self._arrays(row))
        bins, counts = edges().tolist(), summary.histogram.counts[unit].tolist()
        by_class, moments = summary.by_class, summary.moments
        totals = by_class.total[:, unit] / np.maximum(by_class.images[:, unit], 1)
        places = max(int(moments.places[unit]), 1)
        mean = float(moments.total[unit]) / places
        return {
            **self._described(row, slice(unit, unit + 1))[0],
            "images": int(moments.images[unit]),
            "places": int(moments.places[unit]),
            "variance": max(float(moments.squares[unit]) / places - mean * mean, 0.0),
            "histogram": [[bins[k], bins[k + 1], n] for k, n in enumerate(counts) if n],
            "class_means": [
                {"class": c, "name": self.class_names.get(c), "mean": value}
                for c, value in zip(by_class.classes.tolist(), totals.tolist(), strict=True)
            ],
        }

    @cached_property
    def images(self) -> list[ImageRow]:
        """The images, by id."""
        query = "SELECT id, name, bytes, label, best, rank, seen, skipped FROM images ORDER BY id"
        return [
            ImageRow(
                number, name_of(name), size, label, tuple(json.loads(best)) if best else (), rank,
                bool(seen), skipped,
            )
            for number, name, size, label, best, rank, seen, skipped in self._rows(query)
        ]  # fmt: skip

    @cached_property
    def seen(self) -> int:
        """How many images the network was run on."""
        return int(self._rows("SELECT sum(seen) FROM images")[0][0])

    @cached_property
    def image_names(self) -> list[str]:
        """Name of each image, by id."""
        rows = self._rows("SELECT name FROM images ORDER BY id")
        return [name_of(name) for (name,) in rows]

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
            "seen": self.seen,
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
        files = [
            (file, sha256)
            for row in self.layers.values()
            for file, sha256 in (
                (row.file, row.sha256), (row.responses, row.responses_sha256),
            )
        ]  # fmt: skip
        for file, sha256 in files:
            check_file(self.folder / file, sha256)
        return digest_of(self.folder, [file for file, _ in files])
