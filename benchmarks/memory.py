"""Peak memory of `striate.build_atlas` for folders of growing size: it must not grow with them.

Each size runs in a process of its own, since a process's peak never falls. The network is a small
one, so that what is kept of the images would show.
"""

import contextlib
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.decoding import jpeg
from benchmarks.report import print_table

SIZES = (100, 400, 1000)
QUICK = (100, 400)
NETWORK, INPUT = "squeezenet1_1", 64


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        found = [peak_of(size, Path(folder)) for size in (QUICK if quick else SIZES)]
    print_table(
        f"Peak memory of build_atlas ({NETWORK}, images of {INPUT} x {INPUT})",
        ("images", "peak MiB", "peak of loading MiB", "largest / first"),
        [
            [r["images"], r["peak"], r["before"], f"{r['peak'] / found[0]['peak']:.3f}"]
            for r in found
        ],
    )
    return found


def peak_of(size: int, folder: Path) -> dict[str, Any]:
    """Return the peak resident memory of a process that makes an atlas of so many images."""
    images = folder / f"images-{size}"
    images.mkdir()
    masters = [jpeg(320, 240, seed) for seed in range(20)]
    for number in range(size):
        (images / f"{number:05}.jpg").write_bytes(masters[number % len(masters)])
    command = [
        sys.executable,
        "-m",
        "benchmarks.memory",
        str(images),
        str(folder / f"atlas-{size}"),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"images": size, **json.loads(said.stdout.splitlines()[-1])}


def build(images: str, folder: str) -> None:
    """Make the atlas and print the peaks; the body of the child process."""
    import torch

    import striate
    from benchmarks.material import make_network

    torch.set_num_threads(1)
    statistics = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    network = striate.load(
        make_network(NETWORK), resize=INPUT, crop=INPUT, name=NETWORK, **statistics
    )
    before = peak()
    forget_peak()
    striate.build_atlas(network, images, folder, workers=1)
    print(json.dumps({"peak": peak(), "before": before}))


def forget_peak() -> None:
    """Let the peak begin anew, where the system can: loading and tracing have one of their own."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Return this process's peak resident memory in MiB.

    Linux's ru_maxrss is inherited from the process that started this one: its own file says better.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1024 * 1024 if sys.platform == "darwin" else 1024))


if __name__ == "__main__":
    build(*sys.argv[1:])
