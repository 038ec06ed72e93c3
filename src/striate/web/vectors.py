"""The concept vectors of an atlas as they are on disk at this moment."""

from striate.atlas.store.kept import Kept
from striate.atlas.store.reader import Atlas
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.net2vec.vectors import ConceptVectors, Task
from striate.errors import AtlasError

_TASKS: tuple[Task, ...] = ("segmentation", "classification")


class NewestVectors:
    """Looks up what was learnt when asked, and reads it again if it has changed.

    Any thread may ask. Of an unfinished atlas there is none, and damaged files count as none.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        stored, rows = StoredVectors(atlas), list(atlas.layers.values())
        self._atlas, self._rows = atlas, rows
        # No methods of this: in a circle an atlas that was shown would outlive its last reader.
        self._kept = Kept[tuple[int, Task], ConceptVectors | None](
            lambda key: stored.path(rows[key[0]], key[1]),
            lambda key, _: _vectors(stored, rows[key[0]].address, key[1]),
        )

    def of(self, number: int) -> list[ConceptVectors]:
        """Return what was learnt in a layer, by its number: once for each task."""
        if not self._atlas.finished:
            return []
        found = [self._kept.now((number, task)) for task in _TASKS]
        return [vectors for vectors in found if vectors is not None]

    @property
    def revision(self) -> str:
        """A short hash of all that was learnt; empty where nothing was."""
        if not self._atlas.finished:
            return ""
        return self._kept.revision((row.number, task) for row in self._rows for task in _TASKS)


def _vectors(stored: StoredVectors, address: str, task: Task) -> ConceptVectors | None:
    try:
        return stored.of(address, task)
    except AtlasError:
        return None
