"""``striate doctor``: what one pastes into a bug report."""

import importlib.metadata
import json as json_module
import os
import platform
import shutil
import sys
from pathlib import Path

import typer

from striate import __version__
from striate.cli.options import Json


def doctor(*, json: Json = False) -> None:
    """Print versions, devices, threads, torchvision's state and free disk."""
    import torch

    facts = {
        "striate": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "torch": torch.__version__,
        "torchvision": _torchvision(),
        "timm": _version("timm"),
        "pillow": _version("pillow"),
        "numpy": _version("numpy"),
        "devices": ", ".join(_devices()),
        "cores": str(os.cpu_count()),
        "torch threads": str(torch.get_num_threads()),
        "free disk here": f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB",
        "executable": sys.executable,
    }
    if json:
        typer.echo(json_module.dumps(facts, indent=1))
        return
    for name, value in facts.items():
        typer.echo(f"{name:<16} {value}")


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed (pip install 'striate[zoo]')"


def _torchvision() -> str:
    """Say whether torchvision works: beside another build of torch it is there but broken."""
    version = _version("torchvision")
    if version.startswith("not"):
        return version
    from striate.network.zoo import torchvision_problem

    problem = torchvision_problem()
    return version if problem is None else f"{version}, which cannot be imported: {problem}"


def _devices() -> list[str]:
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found
