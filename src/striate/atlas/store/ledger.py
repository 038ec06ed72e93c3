"""Which shards of an unfinished atlas are done: the ledger, and the shards' files.

A shard counts as done when its row is committed; its file was whole on disk before. A file that is
not what the ledger says is computed again.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.observe import ShardSummary
from striate.atlas.plan import Plan
from striate.atlas.reading import Skipped
from striate.atlas.store.files import crash_point, read_arrays, write_arrays
from striate.errors import AtlasError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plan (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), json TEXT);
CREATE TABLE IF NOT EXISTS shards (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL, seen INTEGER NOT NULL,
    skipped TEXT NOT NULL
);
"""


class Ledger:
    """The ledger of one unfinished atlas.

    Args:
        folder: The atlas's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / "ledger.sqlite"

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            yield connection
        except sqlite3.OperationalError as error:
            msg = (
                f"cannot write {self._path}: {error}. What is done is kept: make room, or make the "
                "folder writable, and run the same command again"
            )
            raise AtlasError(msg) from error
        finally:
            connection.close()

    def plan(self) -> Plan | None:
        """Return the plan that was begun here, or None; a torn ledger counts as none."""
        if not self._path.exists():
            return None
        try:
            with self._open() as connection:
                row = connection.execute("SELECT json FROM plan").fetchone()
                connection.execute("SELECT * FROM shards").fetchall()
            return Plan.from_json(row[0]) if row else None
        except (sqlite3.DatabaseError, ValueError, TypeError):
            self.discard()
            return None

    def begin(self, plan: Plan) -> None:
        """Write the plan down."""
        with self._open() as connection:
            connection.execute("INSERT OR REPLACE INTO plan VALUES (1, ?)", (plan.to_json(),))
        crash_point()

    def discard(self) -> None:
        """Remove the ledger and all shards.

        Raises:
            AtlasError: If they cannot be removed.
        """
        try:
            for suffix in ("", "-journal", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            for file in (self._folder / "shards").glob("*"):
                file.unlink()
            if (self._folder / "shards").exists():
                (self._folder / "shards").rmdir()
        except OSError as error:
            msg = f"cannot remove the unfinished atlas in {self._folder}: {error}"
            raise AtlasError(msg) from error

    def done(self) -> dict[int, int]:
        """Return the shards that are done and intact, with the number of images seen in each."""
        with self._open() as connection:
            rows = connection.execute("SELECT * FROM shards").fetchall()
            intact = {}
            for number, file, sha256, seen, reasons in rows:
                try:
                    read_arrays(self._folder / "shards" / file, sha256)
                    _skipped(reasons)
                except (AtlasError, ValueError, TypeError):
                    connection.execute("DELETE FROM shards WHERE number = ?", (number,))
                else:
                    intact[int(number)] = int(seen)
        return intact

    def commit(self, number: int, summary: ShardSummary, skipped: list[Skipped]) -> None:
        """Store a shard, then count it as done; the same shard again replaces it."""
        arrays = {"ids": summary.ids, "best": summary.best, "rank": summary.rank}
        for index, layer in enumerate(summary.layers):
            arrays |= {f"{index}.{name}": array for name, array in layer.to_arrays().items()}
        file = f"{number:05d}.safetensors"
        sha256 = write_arrays(self._folder / "shards" / file, arrays)
        reasons = json.dumps([[s.image, s.reason] for s in skipped])
        with self._open() as connection:
            crash_point()
            connection.execute(
                "INSERT OR REPLACE INTO shards VALUES (?, ?, ?, ?, ?)",
                (number, file, sha256, len(summary.ids), reasons),
            )
        crash_point()

    def skipped(self) -> list[Skipped]:
        """Return the images that were not seen, by id."""
        with self._open() as connection:
            rows = connection.execute("SELECT skipped FROM shards").fetchall()
        found = [skipped for (row,) in rows for skipped in _skipped(row)]
        return sorted(found, key=lambda skipped: skipped.image)

    def merged(self, layer: int, empty: LayerSummary, shards: int) -> LayerSummary:
        """Merge one layer's summaries in shard order.

        Raises:
            AtlasError: If a shard's file cannot be read.
        """
        prefix, total = f"{layer}.", empty
        for number in range(shards):
            arrays = self._part(number, lambda name: name.startswith(prefix))
            named = {name.removeprefix(prefix): array for name, array in arrays.items()}
            total = total.merge(LayerSummary.from_arrays(named))
        return total

    def judged(self, shards: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ids, five best classes and rank of all images seen, in order."""
        names = ("ids", "best", "rank")
        parts = [self._part(number, lambda name: name in names) for number in range(shards)]
        ids, best, rank = (np.concatenate([part[name] for part in parts]) for name in names)
        return ids, best, rank

    def _part(self, number: int, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
        """Read some of a shard's arrays: all shards at once would not fit in memory."""  # noqa: DOC501 - private
        path = self._folder / "shards" / f"{number:05d}.safetensors"
        try:
            with safe_open(path, framework="numpy") as file:
                return {name: file.get_tensor(name) for name in file.keys() if wanted(name)}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            msg = f"cannot read {path}: {error}; run the same command again"
            raise AtlasError(msg) from error


def _skipped(reasons: str) -> list[Skipped]:
    return [Skipped(int(image), str(reason)) for image, reason in json.loads(reasons)]
