"""Nine deconvnet projections on the crops that the neurons see, beside nine on the whole images.

Both give the same maps; the largest difference is shown. The neurons are those of nine units, some
at the image's border.
"""

from typing import Any

import torch

import striate
from benchmarks.material import SIDE, make_network, pictures
from benchmarks.measure import ratios, repeated
from benchmarks.report import print_table
from striate.network.neighbourhood import crop_plan
from striate.network.network import Network
from striate.network.projection import Projection, Spot, project_spots

LAYERS = {
    "alexnet": ("features.1", "features.4", "features.7"),
    "vgg11": ("features.1", "features.7", "features.12"),
}
SPOTS = 9


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found = []
    for name in ("alexnet",) if quick else LAYERS:
        network = striate.load(make_network(name), image_size=SIDE, name=name)
        found += [compare(network, layer, rounds) for layer in LAYERS[name]]
    print_table(
        f"{SPOTS} projections on crops / on whole images (whole images are 1)",
        ("network", "layer", "sees", "crop", "ratio", "largest difference"),
        [
            [r["network"], r["layer"], r["sees"], r["crop"], r["ratio"], f"{r['difference']:.1e}"]
            for r in found
        ],
    )
    return found


def compare(network: Network, layer: str, rounds: int) -> dict[str, Any]:
    """Return the ratio, and the largest difference relative to the largest value of a map."""
    images = pictures(SPOTS)
    spots = spread_spots(network, layer)

    def project(*, crop: bool) -> list[Projection]:
        return project_spots(network, images, layer, spots, "deconvnet", crop=crop)

    small, whole = project(crop=True), project(crop=False)
    difference = max(
        float((a.map - b.map).abs().max() / b.map.abs().max().clamp(min=1e-30))
        for a, b in zip(small, whole, strict=True)
    )
    # The crops run four times a round, since one run would be lost in the clock's noise.
    times = 4
    ratio = ratios(
        repeated(lambda: project(crop=False), times),
        {"ratio": repeated(lambda: project(crop=True), times)},
        rounds,
    )
    plan = crop_plan(network, network.layers[layer], network.image_size)
    return {
        "network": network.name,
        "layer": layer,
        "sees": str(network.layers[layer].receptive_field),
        "crop": " x ".join(map(str, plan.size)) if plan else "none",
        "difference": difference,
        **ratio,
    }


def spread_spots(network: Network, layer: str) -> list[Spot]:
    """Return nine neurons: two corners, an edge and six anywhere, each on an image of its own."""
    found = network.layers[layer]
    rows, columns = found.map_size
    generator = torch.Generator().manual_seed(9)

    def any_of(count: int) -> int:
        return int(torch.randint(count, (), generator=generator))

    places = [(0, 0), (rows - 1, columns - 1), (0, columns // 2)]
    places += [(any_of(rows), any_of(columns)) for _ in range(SPOTS - len(places))]
    units = found.units or 1
    return [Spot(k, any_of(units), row, column) for k, (row, column) in enumerate(places)]
