"""The concept vectors of an atlas as they are on disk at this moment."""

import hashlib
import threading

from striate.atlas.store.reader import Atlas, LayerRow
from striate.dissection.net2vec.results import REVISION_DIGITS, StoredVectors
from striate.dissection.net2vec.vectors import ConceptVectors, Task
from striate.errors import AtlasError

Stamp = tuple[int, int, int]

_TASKS: tuple[Task, ...] = ("segmentation", "classification")


class NewestVectors:
    """Looks up what was learnt when asked, and reads it again if it has changed.

    Any thread may ask. Of an unfinished atlas there is none, and damaged files count as none.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas, self._stored = atlas, StoredVectors(atlas)
        self._rows = list(atlas.layers.values())
        self._lock = threading.Lock()
        self._read: dict[tuple[int, str], tuple[Stamp, str, ConceptVectors | None]] = {}

    def of(self, number: int) -> list[ConceptVectors]:
        """Return what was learnt in a layer, by its number: once for each task."""
        found = [self._newest(self._rows[number], task) for task in _TASKS]
        return [each[2] for each in found if each is not None and each[2] is not None]

    @property
    def revision(self) -> str:
        """A short hash of all that was learnt; empty where nothing was."""
        asked = [(row, task) for row in self._rows for task in _TASKS]
        found = [(row.number, task, self._newest(row, task)) for row, task in asked]
        known = [f"{number} {task} {each[1]}" for number, task, each in found if each is not None]
        if not known:
            return ""
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:REVISION_DIGITS]

    def _newest(self, row: LayerRow, task: Task) -> tuple[Stamp, str, ConceptVectors | None] | None:
        if not self._atlas.finished:
            return None
        path = self._stored.path(row, task)
        try:
            state = path.stat()
            # Files are never changed in place: another content is another file.
            stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
            with self._lock:
                kept = self._read.get((row.number, task))
                if kept is None or kept[0] != stamp:
                    digest = hashlib.sha256(path.read_bytes()).hexdigest()
                    kept = stamp, digest, self._vectors(row, task)
                    self._read[row.number, task] = kept
        except OSError:
            return None
        return kept

    def _vectors(self, row: LayerRow, task: Task) -> ConceptVectors | None:
        try:
            return self._stored.of(row.address, task)
        except AtlasError:
            return None
