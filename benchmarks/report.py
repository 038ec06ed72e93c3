"""Tables for people and JSON for machines, both with what is needed to read them later."""

import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Ratio

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "striate", "torch", "torchvision", "numpy", "pillow", "captum", "zennit", "zennit-crp",
    "grad-cam",
)  # fmt: skip


def print_table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under a head, columns aligned."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print("  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print("  " + "  ".join("-" * width for width in widths), flush=True)


def write_results(name: str, found: Any, *, rounds: int) -> Path:
    """Write what a benchmark found, with versions, commit and machine."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"benchmark": name, "rounds": rounds, **provenance(), "results": found}
    path.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    return path


def provenance() -> dict[str, Any]:
    """Return versions, commit and machine."""
    return {
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "commit": _commit(),
        "cpu": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "data": "STRIATE_DATA"
        if "STRIATE_DATA" in os.environ
        else "made: noise with a 1/f spectrum",
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Ratio):
        return value.to_json()
    msg = f"no JSON for {type(value).__name__}"
    raise TypeError(msg)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit, with a + if the tree differs from it; None outside a repository."""
    here = Path(__file__).parent
    ask = ["git", "describe", "--always", "--dirty=+", "--exclude=*", "--abbrev=12"]
    said = subprocess.run(ask, cwd=here, capture_output=True, text=True, check=False)
    return said.stdout.strip() or None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
