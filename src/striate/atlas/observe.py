"""One shard of images becomes one summary a layer: the pure function that every engine runs.

Summaries are computed in the graph, right behind each layer, while its output is still warm, and
the output is then let go. A sum of concatenated units is the concatenation of their sums, so a
concatenation of observed layers costs nothing. Of the strongest neurons only the row maxima are
kept; the column is looked up for what enters the top k alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from striate.atlas.accumulators.by_class import ByClass
from striate.atlas.accumulators.histogram import BINS, Histogram, bins_of, lattice
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.accumulators.moments import Moments
from striate.atlas.accumulators.topk import NOBODY, TopK
from striate.network.axes import axes_of
from striate.network.cut import Fast, cut
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.operations import operation
from striate.network.trace import filled
from striate.shapes import Images

_CHUNK = 1 << 17
"""Values of one layer that are summarized at once: what stays in the cache."""

_NEVER_NEGATIVE = frozenset({"relu", "sigmoid", "hardsigmoid", "softmax"})


@dataclass(frozen=True, slots=True)
class Batch:
    """Preprocessed images with their ids (ascending) and class indices (-1: none)."""

    images: Images
    ids: Sequence[int]
    labels: Sequence[int]


class _Watcher(torch.nn.Module):
    """Summarizes one layer over the batches of one shard."""

    def __init__(self, layer: Layer, k: int) -> None:
        super().__init__()
        self.layer, self.k = layer, k
        self.parts: list[_Watcher] = []
        self.rectified = False
        self.places: Tensor | None = None
        self.real: int | None = None
        self.reset()

    def reset(self) -> None:
        self.top: list[Tensor] = []
        self.sums: list[Tensor] = []
        self.counts: Tensor | None = None
        self.seen = 0

    def forward(self, activation: Tensor) -> Tensor:
        """Take a batch of the layer's output in; returns nothing of use to the graph."""
        maps = self.layer.maps(activation)[: self.real]
        if maps.dtype in {torch.float16, torch.bfloat16}:
            maps = maps.float()
        values = maps.permute(0, 2, 3, 1).contiguous()
        sums, row_maximum = self._sums(values)
        finite = sums[0].isfinite() & sums[3].isfinite()
        self.sums.append(sums)
        self._count(values, finite)
        self._top(values, row_maximum, finite)
        self.seen += len(values)
        return sums[0, 0, 0]

    def _sums(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return total, squares, fired, maximum as (4, n, u), and row maxima (n, h, u)."""
        count, height, width, units = values.shape
        rows = values.view(count * height, width, units)
        found = values.new_empty((4, len(rows), units))
        chunk = _CHUNK if values.device.type == "cpu" else values.numel()
        step = max(1, chunk // max(width * units, 1))
        for start in range(0, len(rows), step):
            part, into = rows[start : start + step], found[:, start : start + step]
            torch.sum(part, 1, out=into[0])
            torch.sum(part.square(), 1, out=into[1])
            signs = part.sign()
            torch.sum(signs if self.rectified else signs.clamp_(min=0), 1, out=into[2])
            torch.amax(part, 1, out=into[3])
        by_row = found.view(4, count, height, units)
        sums = torch.cat([by_row[:3].sum(2, dtype=torch.float64), by_row[3:].amax(2).double()])
        if not bool(sums[1].isfinite().all()):
            sums[1] = values.double().square().sum((1, 2))
        return sums, by_row[3]

    def _count(self, values: Tensor, finite: Tensor) -> None:
        """Add a lattice of each finite map to the histogram."""
        count, height, width, units = values.shape
        if self.places is None:
            rows, columns = torch.tensor(lattice(height)), torch.tensor(lattice(width))
            self.places = (rows[:, None] * width + columns).flatten().to(values.device)
            self.offset = torch.arange(units, device=values.device, dtype=torch.int32) * BINS
        flat = values.view(count, height * width, units)
        if len(self.places) < height * width:
            flat = flat.index_select(1, self.places)
        index = bins_of(flat.float(), rectified=self.rectified).add_(self.offset)
        if not bool(finite.all()):
            index = index[finite[:, None].expand_as(index)]
        counts = torch.bincount(index.flatten(), minlength=units * BINS).reshape(units, BINS)
        self.counts = counts if self.counts is None else self.counts + counts

    def _top(self, values: Tensor, row_maximum: Tensor, finite: Tensor) -> None:
        """Let this batch into the running top k: value, image, row, column, each (k, u)."""
        maximum = torch.where(finite, row_maximum.amax(1), -torch.inf)
        kept = min(self.k, len(maximum))
        value, image = (a[:kept] for a in maximum.sort(dim=0, descending=True, stable=True))
        floor = self.top[0][-1] if self.top and len(self.top[0]) == self.k else None
        enters = value > (-torch.inf if floor is None else floor)
        entry, unit = enters.nonzero(as_tuple=True)
        source = image[entry, unit]
        row = row_maximum[source, :, unit].argmax(1)
        column = values[source, row, :, unit].argmax(1)
        new = [torch.full_like(value, -torch.inf), torch.full_like(image, NOBODY)]
        new += [torch.zeros_like(image), torch.zeros_like(image)]
        for store, entries in zip(
            new, (value[entry, unit], source + self.seen, row, column), strict=True
        ):
            store[entry, unit] = entries
        if self.top:
            new = [torch.cat(pair) for pair in zip(self.top, new, strict=True)]
            order = new[0].sort(dim=0, descending=True, stable=True)[1][: self.k]
            new = [a.gather(0, order) for a in new]
        self.top = new

    def finish(self, ids: np.ndarray, labels: np.ndarray) -> tuple[LayerSummary, np.ndarray]:
        """Return the summary of all batches since the last reset, and their responses."""
        if self.parts:
            return _concatenated([part.finish(ids, labels) for part in self.parts])
        units = self.layer.units or 0
        if not self.sums or self.counts is None:
            return LayerSummary.empty(units, self.k), np.zeros((0, units), np.float32)
        total, squares, fired, maximum = torch.cat(self.sums, dim=1).cpu().numpy()
        rows, columns = self.layer.map_size
        finite = np.isfinite(total) & np.isfinite(maximum)
        total, squares, fired = (np.where(finite, a, 0.0) for a in (total, squares, fired))
        images = finite.sum(axis=0)
        moments = Moments(
            images=images,
            places=images * (rows * columns),
            total=total.sum(axis=0),
            squares=squares.sum(axis=0),
            maximum=np.where(finite, maximum, -np.inf).max(axis=0).astype(np.float32),
            fired_images=(fired > 0).sum(axis=0),
            fired_places=fired.sum(axis=0).astype(np.int64),
            not_finite=(~finite).sum(axis=0),
        )
        summary = LayerSummary(
            self._finish_top(ids),
            moments,
            Histogram(self.counts.cpu().numpy()),
            _by_class(total / (rows * columns), finite, labels),
        )
        return summary, np.where(finite, maximum, np.nan).astype(np.float32)

    def _finish_top(self, ids: np.ndarray) -> TopK:
        units = self.layer.units or 0
        value, image, row, column = (a.T.cpu().numpy() for a in self.top)
        taken = image != NOBODY
        found = TopK(
            value.astype(np.float32),
            np.where(taken, ids[np.where(taken, image, 0)], NOBODY),
            row.astype(np.int32),
            column.astype(np.int32),
        )
        return TopK.empty(units, self.k).merge(found)


def _by_class(means: np.ndarray, finite: np.ndarray, labels: np.ndarray) -> ByClass:
    classes = np.unique(labels[labels >= 0])
    rows = np.searchsorted(classes, labels[labels >= 0])
    images = np.zeros((len(classes), means.shape[1]), np.int64)
    total = np.zeros(images.shape, np.float64)
    np.add.at(images, rows, finite[labels >= 0])
    np.add.at(total, rows, means[labels >= 0])
    return ByClass(classes, images, total)


def _concatenated(
    found: Sequence[tuple[LayerSummary, np.ndarray]],
) -> tuple[LayerSummary, np.ndarray]:
    """Return summary and responses of concatenated units (all parts saw the same images)."""
    parts = [summary for summary, _ in found]
    first = parts[0]
    by_class = ByClass(
        first.by_class.classes,
        np.concatenate([part.by_class.images for part in parts], axis=1),
        np.concatenate([part.by_class.total for part in parts], axis=1),
    )
    joined = {
        name: np.concatenate([part.to_arrays()[name] for part in parts])
        for name in first.to_arrays()
        if not name.startswith("by_class.")
    }
    joined |= {f"by_class.{name}": array for name, array in by_class.to_arrays().items()}
    responses = np.concatenate([part for _, part in found], axis=1)
    return LayerSummary.from_arrays(joined), responses


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """What one shard of images did.

    Attributes:
        layers: A summary a layer, in the plan's order.
        responses: An array a layer, (images seen, units) float32: the largest activation of each
            unit in each image; NaN where the unit was not finite.
        ids: Ids of the images that were seen.
        best: Classes of the five highest scores of each image, best first; -1 without scores, or
            where one of them is NaN.
        rank: Place of the true class among the scores, from 0; -1 where unknown.
    """

    layers: list[LayerSummary]
    responses: list[np.ndarray]
    ids: np.ndarray
    best: np.ndarray
    rank: np.ndarray


class Observer:
    """Runs a network over shards and summarizes chosen layers.

    Args:
        network: The network, on the device to run on.
        layers: Addresses of the layers to observe.
        k: How many strongest images to keep of each unit.
    """

    def __init__(self, network: Network, layers: Sequence[str], k: int) -> None:
        size = network.image_size
        self._layers = [network.layers_at(size)[address] for address in layers]
        self._scores = network.layers_at(size)[network.scores]
        self._watchers = [_Watcher(layer, k) for layer in self._layers]
        trace = network.trace(size)
        nodes = [layer.node for layer in self._layers]
        graph_module = cut(trace, [*nodes, self._scores.node])
        self._baked = trace.batch
        self._run = Fast(graph_module, network.device)
        _watch(graph_module, self._watchers)

    def __call__(self, batches: Iterable[Batch]) -> ShardSummary:
        """Return the summary of one shard, given as batches in order of image ids."""
        for watcher in self._watchers:
            watcher.reset()
        ids, labels = list[int](), list[int]()
        best, rank = [np.zeros((0, 5), np.int64)], [np.zeros(0, np.int64)]
        with torch.inference_mode():
            for batch in batches:
                scores = halving(self._step, batch.images)
                ids += batch.ids
                labels += batch.labels
                found = _judge(self._scores, scores, np.array(batch.labels))
                best.append(found[0])
                rank.append(found[1])
        all_ids, all_labels = np.array(ids, np.int64), np.array(labels, np.int64)
        finished = [watcher.finish(all_ids, all_labels) for watcher in self._watchers]
        return ShardSummary(
            [summary for summary, _ in finished],
            [responses for _, responses in finished],
            all_ids,
            np.concatenate(best),
            np.concatenate(rank),
        )

    def _step(self, images: Images) -> Tensor:
        before = [(w.seen, w.top, list(w.sums), w.counts) for w in self._watchers]
        real, images = len(images), filled(images, self._baked)
        for watcher in self._watchers:
            watcher.real = real
        try:
            scores: Tensor = self._run(images)[-1][:real]
        except (torch.OutOfMemoryError, MemoryError, RuntimeError):
            for watcher, state in zip(self._watchers, before, strict=True):
                watcher.seen, watcher.top, watcher.sums, watcher.counts = state
            raise
        return scores


def halving(step: Callable[[Images], Tensor], images: Images) -> Tensor:
    """Run a step; where memory does not suffice, in halves.

    Args:
        step: Takes images, in order; where it fails it leaves things as they were.
        images: All of them.

    Returns:
        What the steps return, joined.
    """  # noqa: DOC501 - it raises what the step raises
    try:
        return step(images)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).lower()
        exhausted = isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
            "allocate memory" in text or "out of memory" in text
        )
        if not exhausted or len(images) == 1:
            raise
    half = len(images) // 2
    return torch.cat([halving(step, images[:half]), halving(step, images[half:])])


def _judge(layer: Layer, scores: Tensor, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the five best classes of each image and the rank of the true one."""
    count = len(labels)
    if layer.map_size != (1, 1) or layer.units is None:
        return np.full((count, 5), -1), np.full(count, -1)
    values = layer.maps(scores).flatten(1).cpu().double().numpy()
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.full((count, 5), -1)
    best[:, : min(5, order.shape[1])] = order[:, :5]
    known = (labels >= 0) & (labels < values.shape[1])
    # Numbers that are none have no order: they would make the first classes the best.
    unordered = np.isnan(values).any(axis=1)
    best[unordered] = -1
    rank = np.where(known & ~unordered, (order == labels[:, None]).argmax(axis=1), -1)
    return best, rank


def _watch(graph_module: fx.GraphModule, watchers: Sequence[_Watcher]) -> None:
    """Put each watcher right behind its layer; a concatenation of watched layers needs none."""
    graph = graph_module.graph
    output = graph.output_node()
    flat: Any = output.args[0]
    *nodes, scores = flat
    by_node: dict[fx.Node, _Watcher] = {}
    for node, watcher in zip(nodes, watchers, strict=True):
        by_node.setdefault(node, watcher)
        if by_node[node] is not watcher:
            watcher.parts = [by_node[node]]
    for node, watcher in by_node.items():
        watcher.rectified = _is_rectified(node)
        parts = _watched_parts(node, by_node)
        if parts:
            watcher.parts = parts
            continue
        name = f"watch_{len(list(graph_module.children()))}"
        graph_module.add_submodule(name, watcher)
        with graph.inserting_after(node):
            graph.call_module(name, (node,))
    output.args = ((scores,),)
    graph_module.recompile()


def _watched_parts(node: fx.Node, by_node: dict[fx.Node, _Watcher]) -> list[_Watcher]:
    if operation(node) != "cat" or not axes_of(node):
        return []
    sources: Any = node.args[0]
    axis: Any = node.args[1] if len(node.args) > 1 else 0
    along_units = axes_of(node)[axis] == "units"
    if not along_units or not all(source in by_node for source in sources):
        return []
    return [by_node[source] for source in sources]


def _is_rectified(node: fx.Node) -> bool:
    if operation(node) == "cat":
        sources: Any = node.args[0]
        return all(_is_rectified(source) for source in sources)
    if operation(node) in {"hardtanh", "hardtanh_"}:
        return len(node.args) > 1 and bool(node.args[1] == 0)
    return operation(node).rstrip("_") in _NEVER_NEGATIVE
