# ruff: noqa: INP001 - a program
"""Makes sheets of synthetic images: some units of some layers of an atlas, in several styles.

    striate demo -o DIR --no-serve
    python docs/quality/sheets.py DIR/atlas [--layer LAYER]... [--preset NAME]... [-o DIR]

One picture a style, each layer's units below those of the layer before. Each image says how what it
reaches compares with the unit's maximum on the atlas's images.
"""

import argparse
from pathlib import Path

import numpy as np

import striate
from striate.atlas.recipe import network_of
from striate.atlas.store.reader import Atlas
from striate.image.encode import save
from striate.optimize.sheet import sheet
from striate.optimize.space import Space

STYLES = ("yosinski-3", "yosinski-4", "modern")


def main() -> None:
    """Make the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--layer", dest="layers", action="append", help="default: four of them")
    parser.add_argument("--preset", dest="presets", action="append", help="default: three")
    parser.add_argument("--units", type=int, default=16, help="of each layer")
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("-o", "--out", type=Path, default=Path(__file__).parent)
    asked = parser.parse_args()
    atlas = Atlas(asked.atlas)
    network = network_of(atlas)
    maxima: dict[str, float] = {}
    for layer in asked.layers or evenly(list(atlas.layers), 4):
        alive = {
            f"{layer}:{unit}": maximum
            for unit, maximum in enumerate(atlas.columns(layer)["maximum"])
            if maximum is not None and maximum > 0
        }
        maxima |= {unit: alive[unit] for unit in evenly(list(alive), asked.units)}
    for preset in asked.presets or STYLES:
        made = striate.activation_maximization(network, list(maxima), preset=preset)
        pictures = [made.picture(k) for k in range(len(maxima))]
        lines = made.described(maxima)
        drawn = sheet(pictures, list(maxima), lines, Space.of(network), columns=asked.columns)
        save(drawn, asked.out / f"sheet-{preset}.webp")


def evenly(items: list[str], count: int) -> list[str]:
    """Return so many items at equal distances, the first and the last among them."""
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, min(count, len(items)))]


if __name__ == "__main__":
    main()
