"""A network run over labelled images while watchers look at the maps of chosen layers.

Watchers stand in the graph right behind their layers, as the atlas's do, so that nothing that is
computed for them outlives a batch. The graph is that of the atlas, whichever layers are asked for:
a layer's maps do not depend on which others are dissected with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor, fx

from striate.atlas.observe import halving
from striate.atlas.store.reader import Atlas
from striate.dissection.labels import Labels
from striate.network.cut import Fast, cut, needed
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.trace import filled
from striate.shapes import Images, Maps


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBatch:
    """Preprocessed images, their ids (ascending) and what each shows."""

    images: Images
    ids: Sequence[int]
    labels: Sequence[Labels]


class Watcher(torch.nn.Module):
    """Looks at one layer's maps, perhaps in another basis; subclasses say what is done with them.

    Args:
        layer: The layer.
        basis: Of shape (units, units): row k says how unit k is mixed; None: the units themselves.
    """

    def __init__(self, layer: Layer, basis: Float64[np.ndarray, "units units"] | None) -> None:
        super().__init__()
        self.layer = layer
        self.real: int | None = None
        self._basis = None if basis is None else torch.from_numpy(basis).float()

    def forward(self, activation: Tensor) -> None:
        """Take a batch of the layer's output in; returns nothing to the graph."""
        maps = self.layer.maps(activation)[: self.real].float()
        if self._basis is not None:
            self._basis = self._basis.to(maps.device)
            maps = torch.einsum("vu,nuhw->nvhw", self._basis, maps)
        self.take(maps)

    def take(self, maps: Maps) -> None:
        """Look at the maps of some images; nothing is final before `commit`."""
        raise NotImplementedError

    def undo(self) -> None:
        """Forget what was taken since the last `commit`."""
        raise NotImplementedError

    def commit(self, ids: Sequence[int], labels: Sequence[Labels]) -> None:
        """Count what was taken since the last `commit`: images with these ids and labels."""
        raise NotImplementedError


class Watched:
    """A network with watchers in it.

    Args:
        network: The network, on the device to run on.
        atlas: Its atlas.
        watchers: Several may look at one layer.
    """

    def __init__(self, network: Network, atlas: Atlas, watchers: Sequence[Watcher]) -> None:
        size = network.image_size
        layers, trace = network.layers_at(size), network.trace(size)
        upstream = needed([watcher.layer.node for watcher in watchers])
        seen = [layers[address].node for address in atlas.layers]
        seen = [node for node in seen if node in upstream]
        graph_module = cut(trace, seen)
        self._watchers, self._baked = watchers, trace.batch
        self._run = Fast(graph_module, network.device)
        _insert(graph_module, seen, watchers)

    def __call__(self, batch: LabelledBatch) -> None:
        """Let every watcher see a batch."""
        self._done = 0
        with torch.inference_mode():
            halving(self._stepping(batch), batch.images)

    def _stepping(self, batch: LabelledBatch) -> Callable[[Images], Tensor]:
        def step(images: Images) -> Tensor:
            real = len(images)
            images = filled(images, self._baked)
            for watcher in self._watchers:
                watcher.real = real
            try:
                self._run(images)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError):
                for watcher in self._watchers:
                    watcher.undo()
                raise
            part = slice(self._done, self._done + real)
            for watcher in self._watchers:
                watcher.commit(batch.ids[part], batch.labels[part])
            self._done += real
            return images.new_zeros(0)

        return step


def _insert(
    graph_module: fx.GraphModule, nodes: Sequence[fx.Node], watchers: Sequence[Watcher]
) -> None:
    """Put each watcher right behind its layer; the graph itself returns nothing any more."""
    graph = graph_module.graph
    output = graph.output_node()
    flat: Any = output.args[0]
    copies = dict(zip(nodes, flat, strict=True))
    for number, watcher in enumerate(watchers):
        name = f"watch_{number}"
        graph_module.add_submodule(name, watcher)
        with graph.inserting_after(copies[watcher.layer.node]):
            graph.call_module(name, (copies[watcher.layer.node],))
    output.args = ((),)
    graph_module.recompile()


def are_finite(flat: Tensor) -> tuple[Tensor, Bool[Tensor, "images units"]]:
    """Return the peak of each map (images, units, places), and whether all of it is finite.

    Units whose map on an image is not finite do not count on that image.
    """
    peak = flat.amax(2)
    return peak, peak.isfinite() & flat.amin(2).isfinite()
