"""One run at a time writes to a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from striate.errors import AtlasError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Take a folder, made if need be; the system lets go of it however the process ends.

    Args:
        folder: An atlas's.

    Raises:
        AtlasError: If another run has it, or it cannot be written.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        msg = f"another run is writing {folder}: wait for it, or choose another folder"
        raise AtlasError(msg) from error
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror or error}"
        raise AtlasError(msg) from error
    try:
        yield
    finally:
        lock.release()
