"""Files that are whole or absent, whatever happens while they are written.

A file is written beside its place, flushed to disk, and renamed. The environment variable
``STRIATE_CRASH_AT=n`` kills the process at the n-th step of all writing: tests use it to show that
no point is special.
"""

import contextlib
import hashlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from striate.errors import AtlasError

_steps = 0


def crash_point() -> None:
    """Count a step of writing; die here if a test asked for it."""
    global _steps  # noqa: PLW0603 - counts over the whole process, by design
    _steps += 1
    if os.environ.get("STRIATE_CRASH_AT") == str(_steps):
        os.kill(os.getpid(), signal.SIGKILL)


def write(path: Path, content: bytes) -> str:
    """Write a file, whole or not at all.

    Args:
        path: Where it goes.
        content: All of it.

    Returns:
        The SHA-256 of the content.

    Raises:
        AtlasError: If the disk is full or the folder cannot be written; what was there stays.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        crash_point()
        with temporary.open("wb") as file:
            file.write(content)
            crash_point()
            file.flush()
            os.fsync(file.fileno())
        crash_point()
        temporary.replace(path)
        crash_point()
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        msg = (
            f"cannot write {path}: {error.strerror or error}. What is done is kept: make room, or "
            "make the folder writable, and run the same command again"
        )
        raise AtlasError(msg) from error
    return hashlib.sha256(content).hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Write arrays as safetensors; equal arrays give equal bytes. Returns the SHA-256."""
    return write(path, save({name: np.ascontiguousarray(a) for name, a in arrays.items()}))


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
