# ruff: noqa: INP001 - a program
"""How good the synthetic images of an atlas are: by layer, over all its units that have one.

    striate illustrate ATLAS --maximize --layers LAYER...
    python docs/quality/maximization.py ATLAS [-o JSON]

* ``exceeding``: share of the units whose image excites them more than any image of the probe set
  did, as it is seen by the network at its own input size.
* ``factor``: by how much, the median and the tenth part that is lowest.
* ``first``: share of the units that are the strongest of their layer on their own image, each
  counted in standard deviations above its mean over the probe set (`centred_rank`).
* ``first_raw``: the same of the bare activations, where units with large values win everywhere.

Units that no image of the probe set excites are left out, and counted.
"""

import argparse
import json
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Any

from striate.atlas.store.reader import Atlas
from striate.atlas.synthetic import LayerImages, SyntheticImages


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("atlas", type=Path)
    parser.add_argument("-o", "--out", type=Path, help="a .json file")
    asked = parser.parse_args()
    atlas = Atlas(asked.atlas)
    images = SyntheticImages(atlas)
    rows = [
        found
        for address, row in atlas.layers.items()
        if (found := judged(atlas, address, images.layer(row.number))) is not None
    ]
    table = {"network": atlas.plan.network, "images": atlas.seen, "layers": rows}
    if asked.out is not None:
        asked.out.write_text(json.dumps(table, indent=1) + "\n")
    for row in rows:
        print(  # noqa: T201 - a program
            f"{row['layer']}: {row['units']} of {row['of']} units, {row['made']}; exceeding "
            f"{row['exceeding']:.3f}, factor {row['factor']:.2f} (tenth {row['tenth']:.2f}), "
            f"first {row['first']:.3f}, raw {row['first_raw']:.3f}"
        )


def judged(atlas: Atlas, address: str, images: LayerImages) -> dict[str, Any] | None:
    """Return what is said of a layer; None if fewer than two of its units count."""
    maxima = atlas.columns(address)["maximum"]
    alive = {unit: found for unit, found in images.made.items() if (maxima[unit] or 0) > 0}
    factors = [found.activation / maxima[unit] for unit, found in alive.items()]
    if len(factors) < 2:  # One unit has no tenths.
        return None
    settings = {found.settings for found in alive.values()}
    return {
        "layer": address,
        "of": len(maxima),
        "units": len(alive),
        "failed": len(images.failed),
        "made": ", ".join(f"{s.preset}, {s.steps} steps, seed {s.seed}" for s in settings),
        "exceeding": fmean(factor > 1 for factor in factors),
        "factor": median(factors),
        "tenth": quantiles(factors, n=10)[0],
        "first": fmean(found.centred_rank == 1 for found in alive.values()),
        "first_raw": fmean(found.rank == 1 for found in alive.values()),
    }


if __name__ == "__main__":
    main()
