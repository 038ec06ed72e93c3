"""Which shards of an unfinished atlas are done: the ledger, and the shards' files.

A shard counts as done when its row is committed; its file was whole on disk before. A file that is
not what the ledger says is computed again. Besides, the ledger knows the plan and all else that the
finished atlas says (`striate.atlas.store.facts`).
"""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.observe import ShardSummary
from striate.atlas.plan import Plan
from striate.atlas.reading import Skipped
from striate.atlas.store.facts import Facts
from striate.atlas.store.files import crash_point, read_arrays, write_arrays
from striate.errors import AtlasError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS plan (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), json TEXT);
CREATE TABLE IF NOT EXISTS facts (only_one INTEGER PRIMARY KEY CHECK (only_one = 1), json TEXT);
CREATE TABLE IF NOT EXISTS shards (
    number INTEGER PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL, seen INTEGER NOT NULL,
    skipped TEXT NOT NULL
);
"""


class Ledger:
    """The ledger of one unfinished atlas.

    Args:
        folder: The atlas's folder.
        read_only: Only look; nothing in the folder is changed, whatever its state.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._folder = folder
        self._path = folder / "ledger.sqlite"
        self._read_only = read_only

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection: sqlite3.Connection | None = None
        try:
            connection = self._connect()
            yield connection
        except sqlite3.Error as error:
            if self._read_only:
                msg = f"cannot read {self._path}: {error}; run the same `striate atlas` command"
                raise AtlasError(msg) from error
            if not isinstance(error, sqlite3.OperationalError):
                raise
            msg = (
                f"cannot write {self._path}: {error}. What is done is kept: make room, or make the "
                "folder writable, and run the same command again"
            )
            raise AtlasError(msg) from error
        finally:
            if connection is not None:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        if self._read_only:
            return _looking(self._path)
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def plan(self) -> Plan | None:
        """Return the plan that was begun here, or None; a torn ledger counts as none."""
        if not self._path.exists():
            return None
        try:
            with self._open() as connection:
                row = connection.execute("SELECT json FROM plan").fetchone()
                connection.execute("SELECT * FROM shards").fetchall()
                connection.execute("SELECT * FROM facts").fetchall()
            return Plan.from_json(row[0]) if row else None
        except (sqlite3.DatabaseError, ValueError, TypeError):
            self.discard()
            return None

    def begin(self, plan: Plan, facts: Facts) -> None:
        """Write down what is observed and what is known of it."""
        with self._open() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT OR REPLACE INTO plan VALUES (1, ?)", (plan.to_json(),))
            connection.execute("INSERT OR REPLACE INTO facts VALUES (1, ?)", (facts.to_json(),))
            connection.execute("COMMIT")
        crash_point()

    def begun(self) -> tuple[Plan, Facts]:
        """Return what was written down at the beginning.

        Raises:
            AtlasError: If nothing was, or it cannot be read.
        """
        try:
            with self._open() as connection:
                query = "SELECT plan.json, facts.json FROM plan, facts"
                plan, facts = connection.execute(query).fetchone()
            return Plan.from_json(plan), Facts.from_json(facts)
        except (sqlite3.DatabaseError, ValueError, TypeError, KeyError) as error:
            msg = f"cannot read {self._path}: {error}; run the same `striate atlas` command again"
            raise AtlasError(msg) from error

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
            rows = connection.execute("SELECT * FROM shards ORDER BY number").fetchall()
            intact = {}
            for number, file, sha256, seen, reasons in rows:
                try:
                    read_arrays(self._folder / "shards" / file, sha256)
                    _skipped(reasons)
                except (AtlasError, ValueError, TypeError):
                    if not self._read_only:
                        connection.execute("DELETE FROM shards WHERE number = ?", (number,))
                else:
                    intact[int(number)] = int(seen)
        return intact

    def revision(self) -> str:
        """Return a hash of plan and shards: another one whenever a shard has been done."""
        with self._open() as connection:
            rows = connection.execute("SELECT number, sha256 FROM shards ORDER BY number")
            found = [*connection.execute("SELECT json FROM plan"), *rows]
        return hashlib.sha256(repr(found).encode()).hexdigest()

    def commit(self, number: int, summary: ShardSummary, skipped: list[Skipped]) -> None:
        """Store a shard, then count it as done; the same shard again replaces it."""
        arrays = {"ids": summary.ids, "best": summary.best, "rank": summary.rank}
        for index, layer in enumerate(summary.layers):
            arrays |= {f"{index}.{name}": array for name, array in layer.to_arrays().items()}
        for index, responses in enumerate(summary.responses):
            arrays[f"responses.{index}"] = responses
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

    def skipped(self, shards: Sequence[int] | None = None) -> list[Skipped]:
        """Return the images that were not seen, by id; of all shards, or of some."""
        with self._open() as connection:
            rows = connection.execute("SELECT number, skipped FROM shards").fetchall()
        wanted = [text for number, text in rows if shards is None or number in shards]
        found = [skipped for text in wanted for skipped in _skipped(text)]
        return sorted(found, key=lambda skipped: skipped.image)

    def layer(
        self, number: int, empty: LayerSummary, images: int, shards: Sequence[int]
    ) -> tuple[LayerSummary, np.ndarray]:
        """Merge what the shards say of one layer.

        Args:
            number: The layer's.
            empty: Its summary of no images.
            images: How many images there are in all.
            shards: Numbers of the shards to take, in order.

        Returns:
            The summary; and the responses to all images, (images, units) float32, NaN for those
            that were not seen.

        Raises:
            AtlasError: If a shard's file cannot be read.
        """
        prefix, table = f"{number}.", f"responses.{number}"
        summary = empty
        responses = np.full((images, len(empty.moments.images)), np.nan, np.float32)
        for shard in shards:
            arrays = self._part(
                shard, lambda name: name.startswith(prefix) or name in {table, "ids"}
            )
            responses[arrays.pop("ids")] = arrays.pop(table)
            named = {name.removeprefix(prefix): array for name, array in arrays.items()}
            summary = summary.merge(LayerSummary.from_arrays(named))
        return summary, responses

    def judged(self, shards: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ids, five best classes and rank of all images seen, in order."""
        names = ("ids", "best", "rank")
        parts = [self._part(number, lambda name: name in names) for number in shards]
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


def _looking(path: Path) -> sqlite3.Connection:
    """Open a database to read.

    What a killed run left half written can only be rolled back by writing: in a copy, therefore.
    """  # noqa: DOC501 - private
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
    else:
        return connection
    memory = sqlite3.connect(":memory:")
    try:
        with tempfile.TemporaryDirectory(prefix="striate-") as folder:
            for file in (path, path.with_name(path.name + "-journal")):
                if file.exists():
                    shutil.copy(file, folder)
            with contextlib.closing(sqlite3.connect(Path(folder, path.name))) as copy:
                copy.backup(memory)
    except (sqlite3.Error, OSError) as error:
        memory.close()
        raise sqlite3.OperationalError(str(error)) from error
    return memory


def _skipped(reasons: str) -> list[Skipped]:
    return [Skipped(int(image), str(reason)) for image, reason in json.loads(reasons)]
