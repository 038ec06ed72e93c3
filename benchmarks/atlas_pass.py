"""The whole atlas pass beside the bare network, and beside zennit-crp.

The pass: top-9 with places, moments, fired counts, histogram and class sums of every unit of all
default layers, from batches of preprocessed images to a shard's summary. The baseline is the eager
module on the same batches. Decoding is measured apart (`benchmarks.decoding`).

The peer, zennit-crp's ``FeatureVisualization.run``, also propagates relevance: for every unit it
keeps the images of highest activation and those of highest relevance. It has no moments and no
histogram.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

import striate
from benchmarks.material import SIDE, make_network, pictures
from benchmarks.measure import ratios
from benchmarks.report import print_table
from striate.atlas.observe import Batch, Observer
from striate.atlas.plan import default_layers

NETWORKS = ("squeezenet1_0", "resnet18")
IMAGES = 128
"""Of a shard, as `striate.atlas.plan.default_shard` makes them for small folders."""
PEER_IMAGES = 32


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    sizes = (16,) if quick else (16, 32)
    ours = [whole_pass(name, size, rounds) for name in NETWORKS for size in sizes]
    print_table(
        f"Atlas pass / eager module (a shard of {IMAGES} images; the eager module is 1)",
        ("network", "batch", "layers", "units", "fast forward alone", "whole pass"),
        [[r[k] for k in ("network", "batch", "layers", "units", "fast", "pass")] for r in ours],
    )
    peers = [peer(name, min(rounds, 3)) for name in (NETWORKS[1:] if quick else NETWORKS)]
    print_table(
        "zennit-crp FeatureVisualization.run / eager module (activation and relevance, batch 16)",
        ("network", "ratio"),
        [[r["network"], r.get("ratio", r.get("error"))] for r in peers],
    )
    return {"striate": ours, "zennit-crp": peers}


def whole_pass(name: str, size: int, rounds: int) -> dict[str, Any]:
    """Return the ratio of the pass, and of the fast forward that is its lower limit."""
    module = make_network(name)
    network = striate.load(module, image_size=SIDE, name=name)
    layers = default_layers(network)
    observer = Observer(network, layers, 9)
    fast = network.fast(lambda trace: trace.outputs, network.image_size)
    batches = make_batches(size)
    contenders = {
        "fast": lambda: each_batch(fast, batches),
        "pass": lambda: observer(batches),
    }
    measured = ratios(lambda: each_batch(module, batches), contenders, rounds)
    units = sum(network.layers[layer].units or 0 for layer in layers)
    return {"network": name, "batch": size, "layers": len(layers), "units": units, **measured}


def make_batches(size: int, count: int = IMAGES) -> list[Batch]:
    """Return a shard's batches."""
    images = pictures(count)
    starts = range(0, len(images), size)
    return [Batch(images[s : s + size], list(range(s, s + size)), [-1] * size) for s in starts]


def each_batch(forward: Callable[[Tensor], Any], batches: Sequence[Batch]) -> None:
    """Run a forward pass over all batches."""
    with torch.inference_mode():
        for batch in batches:
            forward(batch.images)


class _Preloaded(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images that are at hand, as the peer wants them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], index % 1000


def peer(name: str, rounds: int) -> dict[str, Any]:
    """Return the ratio of zennit-crp's pass over the same kind of layers, or why there is none."""
    try:
        contender = _peer_run(make_network(name).requires_grad_())
    except Exception as error:
        return {"network": name, "error": f"{type(error).__name__}: {error}"}
    batches = make_batches(16, PEER_IMAGES)
    module = make_network(name)
    try:
        found = ratios(lambda: each_batch(module, batches), {"ratio": contender}, rounds)
    except Exception as error:
        return {"network": name, "error": f"{type(error).__name__}: {error}"}
    return {"network": name, **found}


def _peer_run(module: nn.Module) -> Callable[[], None]:
    from crp.attribution import CondAttribution
    from crp.concepts import ChannelConcept
    from crp.helper import get_layer_names
    from crp.visualization import FeatureVisualization
    from zennit.composites import EpsilonPlusFlat

    layers = get_layer_names(module, [nn.Conv2d, nn.Linear])
    data = _Preloaded(pictures(PEER_IMAGES))

    def run_once() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            concepts = dict.fromkeys(layers, ChannelConcept())
            study = FeatureVisualization(CondAttribution(module), data, concepts, path=folder)
            study.run(EpsilonPlusFlat(), 0, len(data), 16, 100)

    run_once()
    return run_once
