"""Files beside an atlas, read again when they have changed."""

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

REVISION_DIGITS = 8

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def stamp_of(path: Path) -> tuple[int, int, int]:
    """Return what tells a file's content from another's; contents are never changed in place.

    Raises:
        OSError: If there is no such file.
    """
    state = path.stat()
    return state.st_ino, state.st_mtime_ns, state.st_size


class Kept(Generic[Key, Value]):
    """Values read from files; any thread may ask.

    Args:
        path: The file of a key.
        read: Makes the value from the file's content.
    """

    def __init__(self, path: Callable[[Key], Path], read: Callable[[Key, bytes], Value]) -> None:
        self._path, self._read = path, read
        self._lock = threading.Lock()
        self._known: dict[Key, tuple[object, str, Value]] = {}

    def now(self, key: Key) -> Value | None:
        """Return the value as it is on disk at this moment; None if there is no file."""
        found = self._newest(key)
        return None if found is None else found[2]

    def revision(self, keys: Iterable[Key]) -> str:
        """Return a short hash of the files of some keys; empty where there are none."""
        found = [(key, self._newest(key)) for key in keys]
        known = [f"{key} {newest[1]}" for key, newest in found if newest is not None]
        if not known:
            return ""
        return hashlib.sha256("\n".join(known).encode()).hexdigest()[:REVISION_DIGITS]

    def _newest(self, key: Key) -> tuple[object, str, Value] | None:
        path = self._path(key)
        try:
            stamp = stamp_of(path)
            with self._lock:
                kept = self._known.get(key)
                if kept is None or kept[0] != stamp:
                    content = path.read_bytes()
                    digest = hashlib.sha256(content).hexdigest()
                    kept = stamp, digest, self._read(key, content)
                    self._known[key] = kept
        except OSError:
            return None
        return kept
