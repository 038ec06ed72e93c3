# ruff: noqa: INP001 - a program
"""How near inversion comes: the paper's table of errors by layer, for any network and photographs.

    python docs/quality/inversion.py NETWORK IMAGES --layer LAYER... --work DIR [-o JSON]

Each photograph and layer is one line in DIR, written when it is done: what is there already is not
made again, and several processes may share the work with ``--part 0/2`` and ``--part 1/2``. The
photographs are taken at equal distances from the folder, in an order in which the first few are
spread over all; each is inverted from every layer before the next one begins. ``--table-only``
tells what is done so far.

Errors are of the pre-image as found (before it is clipped), one start each:

* ``error``: ||F(x) - F0||^2 / ||F0||^2. The IJCV paper reports its root, with 1.96 standard errors.
* ``paired``: ||F(x) - F0||^2 / the mean of ||F(a) - F(b)||^2 over all pairs of photographs, each
  with itself included: the normaliser of the CVPR paper's table.
* ``shown_error``: as ``error``, of the image clipped to what can be shown.
* ``image_error``: ||x - x0|| / ||x0|| of that image, in bytes around the mean.
* ``image_paired``: ||x - x0|| / the mean of ||a - b|| over pairs of different photographs: the
  normaliser of Dosovitskiy & Brox.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

import striate
from striate.image.folder import ImageFile, find_images
from striate.methods.inversion import feature_spread, inversion
from striate.network.network import Network
from striate.optimize.space import Space

Line = dict[str, Any]
COLUMNS = ("error", "paired", "shown_error", "image_error", "image_paired")
GOLDEN = (math.sqrt(5) - 1) / 2


def main() -> None:
    """Invert what is asked for and not done, then write the table."""
    asked = parse()
    torch.set_num_threads(1)
    network = striate.load(asked.network)
    layers = [network.layers.whole(layer).address for layer in asked.layers]
    photographs = spread_out(asked.images, asked.photographs)
    if not asked.table_only:
        invert_all(network, photographs, layers, asked)
    table = tabulate(network, photographs, layers, asked)
    if asked.out is not None:
        asked.out.write_text(json.dumps(table, indent=1) + "\n")
    show(table)


def parse() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help="as for `striate.load`")
    parser.add_argument("images", type=Path, help="a folder of photographs")
    parser.add_argument("--layer", dest="layers", action="append", required=True)
    parser.add_argument("--photographs", type=int, default=100)
    parser.add_argument("--preset", default="cvpr2015")
    parser.add_argument("--steps", type=int, help="default: the paper's")
    parser.add_argument("--work", type=Path, required=True, help="a folder for what is done")
    parser.add_argument("--part", default="0/1", help="which of how many processes this is")
    parser.add_argument("--table-only", action="store_true", help="of what is done; make nothing")
    parser.add_argument("-o", "--out", type=Path, help="a .json file")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    asked.part = tuple(map(int, asked.part.split("/")))
    return asked


def spread_out(folder: Path, count: int) -> list[ImageFile]:
    """Return photographs at equal distances, ordered so that the first few are spread over all."""
    files = find_images(folder)
    if len(files) < count:
        sys.exit(f"{folder} has {len(files)} photographs, {count} are asked for")
    chosen = files[:: len(files) // count][:count]
    return sorted(chosen, key=lambda file: (chosen.index(file) * GOLDEN) % 1)


def invert_all(
    network: Network, photographs: list[ImageFile], layers: list[str], asked: argparse.Namespace
) -> None:
    """Invert each photograph of this part from every layer, unless that is done."""
    part, parts = asked.part
    done = {key(line) for line in read_lines(asked.work)}
    for number, file in enumerate(photographs):
        image = None
        for layer in layers:
            plan = {
                "network": network.name,
                "preset": asked.preset,
                "steps": asked.steps,
                "layer": layer,
                "photograph": file.name,
            }
            if number % parts != part or key(plan) in done:
                continue
            image = network.read(file.path) if image is None else image
            append(asked.work / f"{part}-of-{parts}.jsonl", plan | invert(network, image, plan))
            sys.stderr.write(f"{number + 1} of {len(photographs)}: {layer}\n")


def invert(network: Network, image: torch.Tensor, plan: Line) -> Line:
    """Invert one photograph from one layer, and say what came of it."""
    began = time.process_time()
    found = inversion(
        network, image, plan["layer"], preset=plan["preset"], steps=plan["steps"], seed=0
    )
    return {
        "error": found.error,
        "target_square": found.target_square,
        "shown_error": found.best.shown_error,
        "image_error": found.image_error,
        "weight": found.weight,
        "slowed": found.slowed,
        "cpu_seconds": round(time.process_time() - began, 2),
    }


def key(line: Line) -> tuple[Any, ...]:
    """Return what tells one piece of work from another."""
    return tuple(line[name] for name in ("network", "preset", "steps", "layer", "photograph"))


def append(path: Path, line: Line) -> None:
    """Add a line in one piece; the line break before it ends one that a crash left unfinished."""
    with path.open("ab", buffering=0) as file:
        file.write(f"\n{json.dumps(line)}".encode())
        os.fsync(file.fileno())


def read_lines(folder: Path) -> list[Line]:
    """Return all whole lines of all processes."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            try:
                found.append(json.loads(text))
            except json.JSONDecodeError:  # Blank, or left unfinished by a crash.
                continue
    return found


def tabulate(
    network: Network, photographs: list[ImageFile], layers: list[str], asked: argparse.Namespace
) -> Line:
    """Return what was found for each layer, over the photographs that are done."""
    lines = {key(line): line for line in read_lines(asked.work)}
    images = torch.stack([network.read(file.path) for file in photographs])
    flat = Space.of(network).centred().to_bytes(images).flatten(1).double()
    apart = fmean(torch.pdist(flat).tolist())
    norms = dict(zip([file.name for file in photographs], flat.norm(dim=1).tolist(), strict=True))
    rows = []
    for layer in layers:
        wanted = {(network.name, asked.preset, asked.steps, layer, name) for name in norms}
        done = [line for place, line in lines.items() if place in wanted]
        if len(done) < 2:  # One photograph has no deviation.
            continue
        spread = feature_spread(network, images, layer)
        full = [
            line
            | {
                "paired": line["error"] * line["target_square"] / spread,
                "image_paired": line["image_error"] * norms[line["photograph"]] / apart,
            }
            for line in done
        ]
        rows.append(row(layer, full))
    return {
        "network": network.name,
        "preset": asked.preset,
        "steps": asked.steps,
        "pairs_of": len(photographs),
        "layers": rows,
    }


def row(layer: str, lines: list[Line]) -> Line:
    """Return mean and standard deviation of each number over photographs."""
    roots = [math.sqrt(line["error"]) for line in lines]
    return {
        "layer": layer,
        "photographs": len(lines),
        "weight": lines[0]["weight"],
        "slowed": sum(line["slowed"] < 1 for line in lines),
        **{name: both([line[name] for line in lines]) for name in COLUMNS},
        "root_error": {
            "mean": round(fmean(roots), 5),
            "standard_errors_1.96": round(1.96 * stdev(roots) / math.sqrt(len(roots)), 5),
        },
        "cpu_seconds": both([line["cpu_seconds"] for line in lines]),
    }


def both(values: list[float]) -> dict[str, float]:
    """Return mean and standard deviation."""
    return {"mean": round(fmean(values), 5), "deviation": round(stdev(values), 5)}


def show(table: Line) -> None:
    """Print the table in markdown, in percent."""
    head = ["layer", "photographs", "weight", *COLUMNS, "root_error"]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")  # noqa: T201 - a program
    for one in table["layers"]:
        cells = [f"`{one['layer']}`", str(one["photographs"]), f"{one['weight']:g}"]
        numbers = [one[name] for name in COLUMNS]
        cells += [f"{100 * n['mean']:.1f} ± {100 * n['deviation']:.1f}" for n in numbers]
        root = one["root_error"]
        cells.append(f"{100 * root['mean']:.1f} ± {100 * root['standard_errors_1.96']:.1f}")
        print(f"| {' | '.join(cells)} |")  # noqa: T201 - a program


if __name__ == "__main__":
    main()
