"""Files that are whole or absent, whatever happens while they are written.

A file is written beside its place, flushed to disk, and renamed. The environment variable
``STRIATE_CRASH_AT=n`` kills the process at the n-th step of all writing: tests use it to show that
no point is special.
"""

import contextlib
import hashlib
import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from striate.errors import AtlasError
from striate.files import sync_folder

_steps = 0


def crash_point() -> None:
    """Count a step of writing; die here if a test asked for it."""
    global _steps  # noqa: PLW0603 - counts over the whole process, by design
    _steps += 1
    if os.environ.get("STRIATE_CRASH_AT") == str(_steps):
        os.kill(os.getpid(), signal.SIGKILL)


def write(
    path: Path,
    *content: bytes | memoryview,
    lasting: bool = True,
    within: Path | None = None,
) -> str:
    """Write a file, whole or not at all.

    Args:
        path: Where it goes.
        content: All of it, in one piece or several.
        lasting: Whether it must survive a power cut; a file for this process alone need not.
        within: A folder above it, an atlas's, that must be there still: those between are made.
            None: all are.

    Returns:
        The SHA-256 of the content.

    Raises:
        AtlasError: If the disk is full or the folder cannot be written, or is not there any more;
            what was there stays.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        _make_folders(path, within)
        crash_point()
        with temporary.open("wb") as file:
            for piece in content:
                file.write(piece)
            crash_point()
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        crash_point()
        temporary.replace(path)
        crash_point()
        if lasting:
            sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise AtlasError(_reason(path, within, error)) from error
    digest = hashlib.sha256()
    for piece in content:
        digest.update(piece)
    return digest.hexdigest()


def make_folder(folder: Path, within: Path) -> None:
    """Make a folder if it is not there.

    Args:
        folder: Any.
        within: A folder above it, an atlas's, that must be there still.

    Raises:
        AtlasError: If it cannot be made, or the atlas is not there any more.
    """
    try:
        _make_folders(folder / "any", within)
    except OSError as error:
        raise AtlasError(_reason(folder, within, error)) from error


def _reason(path: Path, within: Path | None, error: OSError) -> str:
    if within is not None and not within.is_dir():
        return (
            f"cannot write {path}: {within} is not there any more. If it was moved, what is done "
            "went with it: run the command again on where it is now"
        )
    return (
        f"cannot write {path}: {error.strerror or error}. What is done is kept: make room, or make "
        "the folder writable, and run the same command again"
    )


def _make_folders(path: Path, within: Path | None) -> None:
    if within is None:
        path.parent.mkdir(parents=True, exist_ok=True)
        return
    for folder in reversed([above for above in path.parents if within in above.parents]):
        # Without its parents: a folder that was moved away is not made anew.
        folder.mkdir(exist_ok=True)


def remove(path: Path) -> None:
    """Remove a file if it is there, so that it is gone after a power cut too.

    Args:
        path: The file.

    Raises:
        AtlasError: If it cannot be removed.
    """
    try:
        if path.exists():
            path.unlink()
            sync_folder(path.parent)
            crash_point()
    except OSError as error:
        msg = f"cannot remove {path}: {error.strerror or error}"
        raise AtlasError(msg) from error


def write_arrays(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    *,
    lasting: bool = True,
    within: Path | None = None,
) -> str:
    """Write arrays as safetensors; equal arrays give equal bytes.

    Args:
        path: Where they go.
        arrays: By name.
        lasting: See `write`.
        within: Likewise.

    Returns:
        The SHA-256 of the file.
    """
    ready = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    return write(path, save(ready), lasting=lasting, within=within)


def write_table(path: Path, table: np.ndarray, *, lasting: bool = True) -> str:
    """Write one float32 array as safetensors, without a second copy of it in memory.

    Args:
        path: Where it goes.
        table: Rows and columns.
        lasting: See `write`.

    Returns:
        The SHA-256 of the file.
    """
    ready = np.ascontiguousarray(table, "<f4")
    header = _table_header((ready.shape[0], ready.shape[1]))
    return write(path, header, ready.data.cast("B"), lasting=lasting)


def map_table(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Return what `write_table` wrote without reading it: the system reads what is looked at.

    Args:
        path: The file.
        shape: Rows and columns that it must have.

    Returns:
        The table, read-only.

    Raises:
        AtlasError: If the file is missing, cut off, or holds something else.
    """
    header = _table_header(shape)
    try:
        with path.open("rb") as file:
            whole = file.read(len(header)) == header
            size = os.fstat(file.fileno()).st_size
        if not whole or size != len(header) + 4 * shape[0] * shape[1]:
            msg = f"{path} is damaged: it is no table of {shape[0]} x {shape[1]} numbers"
            raise AtlasError(msg)
        return np.memmap(path, "<f4", "r", len(header), shape)
    except (OSError, ValueError) as error:
        msg = f"cannot read {path}: {error}"
        raise AtlasError(msg) from error


def _table_header(shape: tuple[int, int]) -> bytes:
    entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [0, 4 * shape[0] * shape[1]]}
    header = json.dumps({"table": entry}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def read_arrays(path: Path, sha256: str | None = None) -> dict[str, np.ndarray]:
    """Read arrays.

    Args:
        path: A safetensors file.
        sha256: What its content must hash to; None: not checked.

    Returns:
        The arrays by name.

    Raises:
        AtlasError: If the file is missing, torn, or not the one that was written.
    """
    try:
        content = path.read_bytes()
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            msg = f"{path} is not what was written: its checksum differs"
            raise AtlasError(msg)
        return load(content)
    except (OSError, SafetensorError) as error:
        msg = f"cannot read {path}: {error}"
        raise AtlasError(msg) from error


def check_file(path: Path, sha256: str) -> None:
    """Read a file through and compare its hash.

    Raises:
        AtlasError: If the file is missing, or not the one that was written.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        msg = f"cannot read {path}: {error}"
        raise AtlasError(msg) from error
    if found != sha256:
        msg = f"{path} is not what was written: its checksum differs"
        raise AtlasError(msg)
