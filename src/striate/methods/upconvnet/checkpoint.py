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

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from striate.errors import MethodError
from striate.files import write_whole

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
    text = json.dumps({"format": _FORMAT, **facts}, sort_keys=True)
    ready = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    data = save(ready, metadata={"upconvnet": text})
    write_whole(path, data, draft=f".{path.name}.part")


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
