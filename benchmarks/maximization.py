"""A step of activation maximization for each of sixteen units, beside Lucent's, one unit at a time.

Lucent 0.1.8 runs as it is, with its defaults: 128 pixels, enlarged to 224, the whole network
forward and backward (with parameters frozen, which it does not do by itself). Ours is the default
preset (spectrum, decorrelated colour, transforms, Adam), sixteen units in a batch, once on the
default canvas (what a neuron sees, plus a margin, at most 128 pixels: mostly a smaller picture) and
once on one of 224 pixels, which is what Lucent's network sees.
"""

import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import striate
from benchmarks.material import make_network
from benchmarks.measure import ratios
from benchmarks.report import print_table
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.presets import PRESETS

UNITS, STEPS = 16, 4
LAYERS = {
    "resnet18": {"layer1": "shallow", "layer3": "middle", "layer4": "deep"},
    "vgg16": {"features.8": "shallow", "features.15": "middle", "features.29": "deep"},
}


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found = []
    for name in ("resnet18",) if quick else LAYERS:
        module = make_network(name)
        network = striate.load(module, resize=256, crop=224, name=name)
        found += [compare(network, module, layer, rounds) for layer in LAYERS[name]]
    print_table(
        f"A step for one of {UNITS} units / Lucent's step for one unit (Lucent is 1)",
        ("network", "layer", "depth", "canvas", "ratio", "at 224 px"),
        [[r["network"], r["layer"], r["depth"], r["canvas"], r["own"], r["same"]] for r in found],
    )
    return found


def compare(network: Network, module: torch.nn.Module, layer: str, rounds: int) -> dict[str, Any]:
    """Return the ratios for one layer; None where Lucent is not installed."""
    address = network.layers[layer].address
    addresses = [f"{address}:{unit}" for unit in range(UNITS)]
    own = maximize.plan(network, addresses, PRESETS["modern"])
    same = maximize.plan(network, addresses, PRESETS["modern"], size=224)
    peer = lucent_steps(module, layer)
    found = {
        "network": network.name,
        "layer": layer,
        "depth": LAYERS[network.name][layer],
        "canvas": " x ".join(map(str, own[0].size[1:])),
        "own": None,
        "same": None,
    }
    if peer is None:
        return found
    contenders = {"own": partial(steps, network, own), "same": partial(steps, network, same)}
    # Lucent's run is one unit, ours sixteen.
    measured = ratios(peer, contenders, rounds)
    for name, ratio in measured.items():
        found[name] = type(ratio)(tuple(value / UNITS for value in ratio.rounds))
    return found


def steps(network: Network, jobs: list[maximize.Job]) -> None:
    """Take some steps for all units."""
    for job in jobs:
        for _ in maximize.run(network, job, PRESETS["modern"], steps=STEPS):
            pass


def lucent_steps(module: torch.nn.Module, layer: str) -> Callable[[], object] | None:
    """Return what takes as many steps for one unit with Lucent; None if it is not there."""
    render = lucent()
    if render is None:
        return None
    return lambda: render.render_vis(
        module,
        f"{layer.replace('.', '_')}:3",
        thresholds=(STEPS,),
        progress=False,
        show_image=False,
    )


def lucent() -> Any:
    """Return Lucent's module that renders; None if it is not there."""
    try:
        # Lucent shows its pictures in notebooks: it imports IPython without asking for it.
        shown = types.ModuleType("IPython.display")
        shown.display = shown.HTML = shown.Image = shown.clear_output = lambda *_, **__: None  # type: ignore[attr-defined]
        sys.modules.setdefault("IPython", types.ModuleType("IPython"))
        sys.modules.setdefault("IPython.display", shown)
        from lucent.optvis import render
    except ImportError:
        return None
    return render
