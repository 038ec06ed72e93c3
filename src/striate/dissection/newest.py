"""The dissection of an atlas as it is on disk at this moment."""

import threading

from striate.atlas.store.reader import Atlas, LayerRow
from striate.dissection.results import Dissection, LayerDissection, folder_of
from striate.errors import AtlasError


class NewestDissection:
    """Looks up the results when asked, and reads them again if they have changed.

    Any thread may ask. Of an unfinished atlas there is none, and damaged results count as none.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        folder = folder_of(atlas.home)
        self._paths = folder / "dissection.json", folder / "images.json"
        self._lock = threading.Lock()
        self._stamp: object = None
        self._found: Dissection | None = None

    def now(self) -> Dissection | None:
        """Return the results; None where there are none."""
        if not self._atlas.finished:
            return None
        with self._lock:
            try:
                states = [path.stat() for path in self._paths]
            except OSError:
                self._stamp = self._found = None
                return None
            # Files are never changed in place: another content is another file.
            stamp = [(state.st_ino, state.st_mtime_ns, state.st_size) for state in states]
            if stamp != self._stamp:
                self._found = self._read()
                self._stamp = stamp
            return self._found

    def _read(self) -> Dissection | None:
        try:
            return Dissection(self._atlas)
        except AtlasError:
            return None


def layer_of(dissection: Dissection | None, row: LayerRow) -> LayerDissection | None:
    """Return what was found in a layer.

    Args:
        dissection: The results; None: there are none.
        row: The layer.

    Returns:
        Its part of the results; None where it was not dissected, or its file is damaged.
    """
    try:
        found = None if dissection is None else dissection.layers.get(row.address)
    except AtlasError:
        return None
    return found if found is not None and found.units == row.units else None
