"""The file of an UpconvNet: safetensors, with a JSON text of facts in its header; whole or absent.

One file holds both, so that weights and facts can never be of two different moments.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    The file is our own.

Applies to:
    Every UpconvNet.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from striate.errors import MethodError
from striate.files import write_whole
from striate.image.folder import EXTENSIONS

_FORMAT = 1


def write_checkpoint(
    path: Path, facts: Mapping[str, object], tensors: Mapping[str, Tensor]
) -> None:
    """Write a checkpoint; a crash at any moment leaves the old file or the new one.

    Args:
        path: Where it goes.
        facts: What JSON can hold.
        tensors: By name.

    Raises:
        MethodError: If the folder does not exist.
        OSError: If the system cannot write, for example because the disk is full.
    """
    if not path.parent.is_dir():
        msg = f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}; make it first"
        raise MethodError(msg)
    write_whole(path, _packed(facts, tensors))


class Claim:
    """The right of one run to write a checkpoint; the system ends it however the process ends.

    Args:
        path: The checkpoint, which need not exist.

    Raises:
        MethodError: If another run writes it, or nothing can be written there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_place(path)
        # A generator may be begun in one thread and ended in another.
        self._lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            msg = f"another run is writing {str(path)!r}: wait for it, or name another file"
            raise MethodError(msg) from error
        except OSError as error:
            msg = f"cannot write {str(path)!r}: {error.strerror or error}; name another file"
            raise MethodError(msg) from error

    def write(self, facts: Mapping[str, object], tensors: Mapping[str, Tensor]) -> None:
        """Do as `write_checkpoint`; a crash leaves at most one draft, and the next run uses it.

        Args:
            facts: What JSON can hold.
            tensors: By name.
        """
        write_whole(self.path, _packed(facts, tensors), draft=f".{self.path.name}.part")

    def release(self) -> None:
        """Let others write."""
        # Before others can take it; whoever has opened it already sees that it is gone.
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def _check_place(path: Path) -> None:
    """Refuse what no checkpoint can be, before long work."""  # noqa: DOC501 - private
    msg = f"cannot write {str(path)!r}: "
    if not path.parent.is_dir():
        msg += f"there is no folder {str(path.parent)!r}; make it first"
        raise MethodError(msg)
    if path.is_dir():
        raise MethodError(f"{msg}it is a folder; name a file, in it or elsewhere")
    if path.suffix.lower() in EXTENSIONS:
        msg += f"a {path.suffix} file would be taken for an image; name it {path.stem}.safetensors"
        raise MethodError(msg)


def _packed(facts: Mapping[str, object], tensors: Mapping[str, Tensor]) -> bytes:
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    return bytes(save(ready, metadata={"upconvnet": text}))


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_checkpoint` wrote.

    Args:
        path: The file.

    Returns:
        The facts and the tensors, on the CPU.

    Raises:
        MethodError: If there is no such file, or it is damaged or something else.
    """
    if not path.is_file():
        msg = f"there is no file {str(path)!r}; train one: striate upconv train"
        raise MethodError(msg)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["upconvnet"])
            # Copied: what is mapped would change, or crash us, with the file.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        msg = f"{str(path)!r} is no UpconvNet, or it is damaged ({type(error).__name__}: {error})"
        raise MethodError(msg) from error
    found = facts.get("format") if isinstance(facts, dict) else None
    if found != _FORMAT:
        msg = (
            f"{str(path)!r} has format {found!r}, and this striate reads {_FORMAT}: train it again"
        )
        raise MethodError(msg)
    return facts, tensors
