"""Programs saved by `torch.export.save`: a ``.pt2`` file becomes a trace.

A ``.pt2`` file is a program, and `torch.export.load` is not made for files of strangers: load only
those that you or people you trust have saved. What could carry code as a pickle is refused here
before anything is read: weights or constants kept as pickles, custom objects, and sample inputs
that are more than tensors.
"""

import io
import json
import re
import warnings
import zipfile
from pathlib import Path

import torch

from striate.errors import NetworkError
from striate.network.trace import Trace, from_exported

_PLAIN = re.compile(
    r"(data/(weights/weight_\d+|constants/tensor_\d+)|data/(weights|constants)/\w+_config\.json"
    r"|models/\w+\.json|archive_format|archive_version|byteorder|\.data/\w+|version)"
)
_SAMPLES = re.compile(r"data/sample_inputs/\w+\.pt")


def read_program(path: Path) -> Trace:
    """Read a program.

    Args:
        path: A ``.pt2`` file of torch 2.9 or newer.

    Returns:
        Its trace, for the image size it was exported for.

    Raises:
        NetworkError: If there is no such file, it is no program, or it carries pickles.
    """
    if not path.is_file():
        msg = f"there is no file {path}"
        raise NetworkError(msg)
    content = path.read_bytes()
    _refuse_pickles(path, content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.load(io.BytesIO(content))
    except Exception as error:
        raise NetworkError(_no_program(path, error)) from error
    return from_exported(program)


def _refuse_pickles(path: Path, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            roots = {name.partition("/")[0] for name in archive.namelist()}
            if len(names) != len(archive.namelist()) or len(roots) != 1:
                msg = f"{path} was not loaded: it holds members twice, which may hide code"
                raise NetworkError(msg)
            if "archive_format" not in names:
                msg = f"{path} is no program of this form: save it again with torch.export.save"
                raise NetworkError(msg)
            for name, member in names.items():
                if _SAMPLES.fullmatch(name):
                    _only_tensors(path, archive.read(member))
                elif not _PLAIN.fullmatch(name):
                    msg = f"{path} was not loaded: it holds {name!r}, which may run code"
                    raise NetworkError(msg)
                elif name.endswith("_config.json"):
                    _only_raw(path, archive.read(member))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError) as error:
        if isinstance(error, NetworkError):
            raise
        raise NetworkError(_no_program(path, error)) from error


def _only_tensors(path: Path, content: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.load(io.BytesIO(content), weights_only=True)
    except Exception as error:
        msg = f"{path} was not loaded: its sample inputs are more than tensors and may run code"
        raise NetworkError(msg) from error


def _only_raw(path: Path, content: bytes) -> None:
    entries = json.loads(content).get("config", {})
    pickled = [name for name, entry in entries.items() if entry.get("use_pickle")]
    if pickled:
        msg = f"{path} was not loaded: {pickled[0]!r} is kept as a pickle, which may run code"
        raise NetworkError(msg)


def _no_program(path: Path, error: Exception) -> str:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return f"{path} is not a program saved by torch.export.save ({type(error).__name__}: {first})"
