# ruff: noqa: INP001 - a program
"""What the demo's units detect, beside random weights and over the network's own training.

    python -m striate.demo.train --out RUN --checkpoints STEPS
    striate demo -o DEMO ...
    python docs/quality/dissection.py ATLAS CONCEPTS STEPS/*.safetensors -o TABLE

ATLAS is the demo's, CONCEPTS a folder that `striate.demo.concepts.write_demo_concepts` wrote, on
scenes that training never saw. Written are a table (.json) and the curve (.svg), and the table is
printed as Markdown. What the atlas's folder holds of this already is not computed again.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from striate.atlas.recipe import network_of, recipe_of
from striate.atlas.store.reader import Atlas
from striate.demo.network import DemoNet
from striate.demo.train import accuracy
from striate.dissection.studies import Study, checkpoints, control, loader
from striate.image.concepts.reading import concept_set
from striate.network.loading import read_weights

LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")
SEEDS = (0, 1, 2)
SERIES = 7
COLOURS = ("#0b5d8f", "#d98032", "#3a9e77", "#8a6bb8")
"""Told apart by people with any kind of colour vision, and in grey."""

WIDTH, HEIGHT, LEFT, TOP, GAP = 190, 150, 44, 64, 34


def main() -> None:
    """Make table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path)
    parser.add_argument("concepts")
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("-o", "--out", type=Path, required=True, help="without a suffix")
    parser.add_argument("--scenes", type=int, default=240, help="for the accuracy")
    asked = parser.parse_args()
    atlas, concepts = Atlas(asked.atlas), concept_set([asked.concepts])
    network = network_of(atlas, "cpu")
    random = control(network, atlas, concepts, layers=LAYERS, seeds=SEEDS)
    load = loader(recipe_of(atlas), "cpu")
    trained = checkpoints(network, atlas, asked.files, concepts, load, layers=LAYERS)
    known = {path.name: path for path in asked.files}
    right = [accurate(known[one.name], asked.scenes) for one in trained.networks]
    said = {
        "images": trained.images,
        "scenes": asked.scenes,
        "categories": trained.categories,
        "random": rows(random)[1:],
        "checkpoints": [
            {"right": part, **row} for part, row in zip(right, rows(trained), strict=True)
        ],
    }
    asked.out.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n")
    asked.out.with_suffix(".svg").write_text(figure(random, trained), "utf-8")
    print(markdown(said))  # noqa: T201 - a program


def accurate(path: Path, scenes: int) -> float:
    """Return the part of fresh scenes that a checkpoint names right."""
    net = DemoNet()
    read_weights(net, path)
    return accuracy(net, seed=SERIES, count=scenes)


def rows(study: Study) -> list[dict[str, Any]]:
    """Return the counts of each network: units that detect, and concepts by category."""
    return [
        {
            "name": one.name,
            "step": one.step,
            "layers": {
                layer.address: {
                    "detectors": layer.detectors,
                    "unique": {name: len(found) for name, found in layer.unique.items()},
                }
                for layer in one.layers
            },
        }
        for one in study.networks
    ]


def markdown(said: dict[str, Any]) -> str:
    """Return the table: unique detectors of each layer (units that detect)."""
    lines = ["| network | right | " + " | ".join(LAYERS) + " |"]
    lines.append("|---" * (2 + len(LAYERS)) + "|")
    for row in [*said["random"], *said["checkpoints"]]:
        cells = [row["layers"][name] for name in LAYERS]
        counts = [f"{sum(cell['unique'].values())} ({cell['detectors']})" for cell in cells]
        right = f"{100 * row['right']:.1f} %" if "right" in row else "-"
        name = row["name"] if row["step"] is None else f"step {row['step']}"
        lines.append(f"| {name} | {right} | " + " | ".join(counts) + " |")
    return "\n".join(lines)


def figure(random: Study, trained: Study) -> str:
    """Return a panel a layer: bars of unique detectors by category, one a checkpoint."""
    most = max(layer.total for one in trained.networks for layer in one.layers) or 1
    wide = LEFT + len(LAYERS) * (WIDTH + GAP)
    high = TOP + HEIGHT + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" role="img" '
        'aria-labelledby="title description" font-family="sans-serif" font-size="12">',
        '<title id="title">Unique detectors of the demo network over its training</title>',
        f'<desc id="description">{described(trained)}</desc>',
        f'<rect width="{wide}" height="{high}" fill="#fff"/>',
    ]
    for place, category in enumerate(trained.categories):
        x = LEFT + place * 110
        parts.append(f'<rect x="{x}" y="14" width="12" height="12" fill="{COLOURS[place]}"/>')
        parts.append(f'<text x="{x + 17}" y="24">{category}</text>')
    for place, address in enumerate(LAYERS):
        parts += panel(place, address, random, trained, most)
    parts.append("</svg>\n")
    return "\n".join(parts)


def panel(place: int, address: str, random: Study, trained: Study, most: int) -> list[str]:
    """Return the bars of one layer; those of random weights, the mean over seeds, stand first."""
    left, bottom = LEFT + place * (WIDTH + GAP), TOP + HEIGHT
    parts = [f'<text x="{left}" y="{TOP - 10}" font-weight="bold">{address}</text>']
    for count in range(0, most + 1, max(1, most // 4)):
        y = bottom - HEIGHT * count / most
        parts.append(f'<path d="M{left} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
        if place == 0:
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{count}</text>')
    bars = [(0.0, [n.layers[place].unique for n in random.networks[1:]], "random")]
    apart = (WIDTH - 26) / len(trained.networks)
    for number, one in enumerate(trained.networks):
        label = str(one.step) if number % 3 == 0 or one is trained.networks[-1] else ""
        bars.append((26 + number * apart, [one.layers[place].unique], label))
    for x, found, label in bars:
        y = float(bottom)
        for colour, category in zip(COLOURS, trained.categories, strict=False):
            part = HEIGHT * sum(len(each[category]) for each in found) / len(found) / most
            y -= part
            if part:
                parts.append(
                    f'<rect x="{left + x:.1f}" y="{y:.1f}" width="9" height="{part:.1f}" '
                    f'fill="{colour}"/>'
                )
        if label:
            turned = f'transform="rotate(-40 {left + x + 8:.1f} {bottom + 14})"'
            parts.append(
                f'<text x="{left + x + 8:.1f}" y="{bottom + 14}" text-anchor="end" {turned}>'
                f"{label}</text>"
            )
    parts.append(f'<path d="M{left} {bottom}h{WIDTH}" stroke="#555"/>')
    parts.append(
        f'<text x="{left + WIDTH / 2}" y="{bottom + 48}" text-anchor="middle">steps</text>'
    )
    return parts


def described(trained: Study) -> str:
    """Say in words what the figure shows."""
    first, last = trained.networks[0], trained.networks[-1]
    said = [
        f"{early.address} {early.total} after step {first.step}, {late.total} after {last.step}"
        for early, late in zip(first.layers, last.layers, strict=True)
    ]
    said[0] = f"Stacked bars, one panel a layer, checkpoints some 2.2 times further each: {said[0]}"
    return f"{'; '.join(said)}."


if __name__ == "__main__":
    main()
