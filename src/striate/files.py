"""Files that are whole or absent, whatever happens while they are written."""

import contextlib
import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes, *, draft: str | None = None) -> None:
    """Write a file, whole or not at all: a reader, or a crash, finds the old file or the new one.

    Args:
        path: Where it goes; its folder must exist.
        content: All of it.
        draft: Name of the file, in the same folder, that is written first and then renamed. One
            name for all times leaves at most one behind, after however many crashes; None: a new
            one each time, so that two writers never meet.

    Raises:
        OSError: If the system cannot write, for example because the disk is full.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "a"), b"all of it")
        ...     [(file.name, file.read_bytes()) for file in Path(folder).iterdir()]
        [('a', b'all of it')]
    """
    # In the same folder: a rename is atomic only inside one file system. Short: the final name may
    # already have the longest length allowed.
    beside = path.parent / (draft or f".{secrets.token_hex(8)}")
    try:
        with beside.open("wb" if draft else "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename itself last through a power cut, where folders can be opened at all."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
