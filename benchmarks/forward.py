"""The traced network's forward pass beside the eager module's.

Two graphs: the plain one (what ``network(images)`` runs; equal to the module bit for bit) and the
fast one (batch norm folded, channels last, in place; what an atlas pass runs; equal up to
rounding).
"""

from typing import Any

import torch

import striate
from benchmarks.material import SIDE, make_network, pictures
from benchmarks.measure import Ratio, ratios
from benchmarks.report import print_table

NETWORKS = ("squeezenet1_0", "resnet18", "googlenet", "alexnet", "vgg11")
QUICK = ("squeezenet1_0", "resnet18")
BATCH = 16


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found = [compare(name, rounds) for name in (QUICK if quick else NETWORKS)]
    print_table(
        f"Forward pass / eager module (batch {BATCH}; the eager module is 1)",
        ("network", "traced", "fast", "largest difference: traced", "fast"),
        [[r["network"], r["traced"], r["fast"], *map(_tiny, r["differences"])] for r in found],
    )
    return found


def compare(name: str, rounds: int) -> dict[str, Any]:
    """Return both ratios, and the largest output differences relative to the largest output."""
    module = make_network(name)
    network = striate.load(module, image_size=SIDE, name=name)
    fast = network.fast(lambda trace: trace.outputs, network.image_size)
    images = pictures(BATCH)

    def eager() -> torch.Tensor:
        with torch.inference_mode():
            return module(images)

    def traced() -> torch.Tensor:
        with torch.inference_mode():
            return network(images)

    def folded() -> torch.Tensor:
        with torch.inference_mode():
            return fast(images)[0]

    expected = eager()
    differences = [
        float((f() - expected).abs().max() / expected.abs().max()) for f in (traced, folded)
    ]
    measured: dict[str, Ratio] = ratios(eager, {"traced": traced, "fast": folded}, rounds)
    return {"network": name, "batch": BATCH, **measured, "differences": differences}


def _tiny(value: float) -> str:
    return f"{value:.1e}" if value else "0"
