"""The observer against an oracle of loops in numpy, on small networks.

Integer weights and images make every activation and sum exact, so that most comparisons are bit for
bit, whatever the batch size and the split.
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import striate
from networks import HAND_MADE, randomized
from oracles.atlas_oracle import hooked, ranks, summarize
from striate.atlas.accumulators.layer import LayerSummary
from striate.atlas.observe import Batch, Observer, ShardSummary
from striate.network.network import Network

K = 9


class Strongest(nn.Module):
    """Each unit's strongest activation: a head that keeps integers integers."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((2, 3))


def integers(module: nn.Module, seed: int = 0) -> nn.Module:
    """Fill all weights with -1, 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randint(-1, 2, parameter.shape, generator=generator))
    return module.eval()


def small() -> nn.Sequential:
    return integers(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), Strongest(), nn.Linear(5, 3),
        )
    )  # fmt: skip


@functools.cache
def small_loaded() -> Network:
    """A network never changes: tests share it, as tracing takes a third of a second."""
    return striate.load(small(), image_size=16)


def pictures(count: int, size: int = 16, seed: int = 1) -> Tensor:
    """Images of small integers; the second half repeats the first, so that each has an equal."""
    generator = torch.Generator().manual_seed(seed)
    half = torch.randint(-3, 4, (-(-count // 2), 3, size, size), generator=generator)
    return torch.cat([half, half])[:count].float()


def observe(
    network: Network,
    images: Tensor,
    layers: Sequence[str],
    *,
    batch: int = 32,
    labels: Sequence[int] | None = None,
    ids: Sequence[int] | None = None,
    k: int = K,
) -> ShardSummary:
    return Observer(network, layers, k)(batches(images, batch, labels, ids))


def batches(
    images: Tensor,
    batch: int,
    labels: Sequence[int] | None = None,
    ids: Sequence[int] | None = None,
) -> list[Batch]:
    labels = labels if labels is not None else [-1] * len(images)
    ids = ids if ids is not None else range(len(images))
    return [
        Batch(images[s : s + batch], list(ids[s : s + batch]), list(labels[s : s + batch]))
        for s in range(0, len(images), batch)
    ]


def equal(found: LayerSummary, wanted: dict[str, np.ndarray], *, but: Sequence[str] = ()) -> None:
    arrays = found.to_arrays()
    assert arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        if name not in but:
            np.testing.assert_array_equal(arrays[name], array, err_msg=name)


def maps_of(activation: np.ndarray) -> np.ndarray:
    return activation if activation.ndim == 4 else activation.reshape(*activation.shape, 1, 1)


LAYERS = ["0", "1", "2", "3", "4", "6"]


@pytest.fixture(scope="module")
def two_hundred() -> tuple[nn.Module, Tensor, list[int], dict[str, dict[str, np.ndarray]]]:
    """A network, 200 images with exact duplicates, classes, and what the oracle says."""
    module, images = small(), pictures(200)
    labels = [(image * 7) % 4 - 1 for image in range(200)]
    kept = hooked(module, images, LAYERS)
    wanted = {n: summarize(maps_of(kept[n]), range(200), labels, K) for n in LAYERS}
    return module, images, labels, wanted


def test_top_nine_and_sums_of_200_images(two_hundred) -> None:
    """A.6 item 8: against sorting everything, with duplicates: ties by id, first in scan order."""
    module, images, labels, wanted = two_hundred
    found = observe(striate.load(module, image_size=16), images, LAYERS, labels=labels)
    for name, layer in zip(LAYERS, found.layers, strict=True):
        equal(layer, wanted[name])
    tops = wanted["4"]["top.image"]
    assert any(image + 100 in row for row in tops for image in row), "no duplicate in any top nine"


@pytest.mark.parametrize("batch", [1, 7, 200])
def test_batch_size_does_not_matter(two_hundred, batch: int) -> None:
    module, images, labels, wanted = two_hundred
    network = striate.load(module, image_size=16)
    found = observe(network, images, LAYERS, batch=batch, labels=labels)
    for name, layer in zip(LAYERS, found.layers, strict=True):
        equal(layer, wanted[name])


@pytest.mark.parametrize("borders", [(100,), (1, 2, 3, 190), (64, 128), (0,)])
def test_the_split_into_shards_does_not_matter(two_hundred, borders: tuple[int, ...]) -> None:
    module, images, labels, wanted = two_hundred
    observer = Observer(striate.load(module, image_size=16), LAYERS, K)
    edges = [0, *borders, 200]
    merged = [LayerSummary.empty(len(wanted[name]["top.value"]), K) for name in LAYERS]
    for low, high in itertools.pairwise(edges):
        ids = range(low, high)
        shard = observer(batches(images[low:high], 32, labels[low:high], ids))
        merged = [m.merge(layer) for m, layer in zip(merged, shard.layers, strict=True)]
    for name, layer in zip(LAYERS, merged, strict=True):
        equal(layer, wanted[name])


def test_an_empty_shard_is_the_empty_summary() -> None:
    shard = Observer(small_loaded(), ["1", "6"], K)([])
    for layer, units in zip(shard.layers, (4, 3), strict=True):
        equal(layer, LayerSummary.empty(units, K).to_arrays())
    assert (len(shard.ids), shard.best.shape, shard.rank.shape) == (0, (0, 5), (0,))


@pytest.mark.parametrize("k", [1, 500])
def test_top_one_and_top_more_than_images(k: int) -> None:
    module, images = small(), pictures(20)
    found = observe(striate.load(module, image_size=16), images, ["1"], batch=6, k=k)
    equal(found.layers[0], summarize(hooked(module, images, ["1"])["1"], range(20), [-1] * 20, k))


def test_ids_need_not_be_consecutive() -> None:
    """Skipped images leave gaps; the top k holds ids, not places in the shard."""
    module, images, ids = small(), pictures(12), [3, 4, 9, 10, 11, 40, 41, 42, 100, 101, 500, 999]
    found = observe(striate.load(module, image_size=16), images, ["4"], batch=5, ids=ids)
    equal(found.layers[0], summarize(hooked(module, images, ["4"])["4"], ids, [-1] * 12, K))
    assert found.ids.tolist() == ids


def test_scores_against_brute_force() -> None:
    module, images = small(), pictures(40)
    labels = [image % 5 - 1 for image in range(40)]  # -1: none; 3: no such class
    found = observe(striate.load(module, image_size=16), images, ["1"], batch=7, labels=labels)
    scores = hooked(module, images, ["6"])["6"]
    assert found.rank.tolist() == ranks(scores, labels)
    for row, best in zip(scores, found.best.tolist(), strict=True):
        order = sorted(range(3), key=lambda c, row=row: (-row[c], c))
        assert best == [*order, -1, -1]


# --- kinds of layers and numbers --------------------------------------------------------------


BY_DEFAULT = {"attention", "dense", "concatenation", "group, instance, layer norm"}


@pytest.mark.parametrize(
    "name",
    [
        name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(HAND_MADE)
    ],
)
def test_each_layer_of_awkward_networks(name: str) -> None:
    """Tokens, dense, NHWC, concatenated, in-place and reused layers: all of them, in float64."""
    made, size = HAND_MADE[name]()
    network = striate.load(randomized(made).double(), image_size=size)
    generator = torch.Generator().manual_seed(3)
    images = torch.randn((6, *network.image_size), generator=generator, dtype=torch.float64)
    layers = [layer for layer in network.layers if network.layers[layer].units]
    labels = [0, 1, 0, 2, -1, 1]
    shard = observe(network, images, layers, batch=4, labels=labels, k=3)
    recorded = network.record(images, layers)
    for address, found in zip(layers, shard.layers, strict=True):
        maps = network.layers[address].maps(recorded[address]).numpy()
        wanted = summarize(maps, range(6), labels, 3)
        for field, array in found.to_arrays().items():
            where = f"{address} {field}"
            if field == "histogram.counts":
                # rounding may carry a value over a bin's edge, never away
                np.testing.assert_array_equal(array.sum(1), wanted[field].sum(1), err_msg=where)
                assert np.abs(array - wanted[field]).sum() <= 2 + 0.001 * array.sum(), where
            elif array.dtype.kind == "f":
                np.testing.assert_allclose(
                    array, wanted[field], rtol=1e-6, atol=1e-9, err_msg=where
                )
            elif not field.startswith("top."):
                np.testing.assert_array_equal(array, wanted[field], err_msg=where)


def test_rows_and_columns_of_channels_last_layers() -> None:
    """One bright pixel, a network that works in NHWC: the place is (row, column) of the image."""

    class ChannelsLast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = integers(nn.Linear(3, 2))
            nn.init.ones_(self.mix.weight)
            nn.init.zeros_(self.mix.bias)

        def forward(self, x: Tensor) -> Tensor:
            return self.mix(x.permute(0, 2, 3, 1)).relu().permute(0, 3, 1, 2).amax((2, 3))

    images = torch.zeros(1, 3, 8, 12)
    images[0, :, 5, 9] = 1
    network = striate.load(ChannelsLast(), image_size=(8, 12))
    assert network.layers["relu"].map_size == (8, 12)
    for layer in ("mix", "relu"):
        top = observe(network, images, [layer]).layers[0].top
        assert (top.value[:, 0].tolist(), top.row[:, 0].tolist()) == ([3.0, 3.0], [5, 5])
        assert top.column[:, 0].tolist() == [9, 9]


def test_batch_norm_is_folded_and_nothing_changes() -> None:
    module = randomized(
        nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), Strongest())
    ).double()
    generator = torch.Generator().manual_seed(5)
    images = torch.randn(20, 3, 16, 16, dtype=torch.float64, generator=generator)
    for layers in (["2"], ["0", "1", "2"]):  # with "0" asked for, it must not be folded away
        kept = hooked(module, images, layers)
        shard = observe(striate.load(module, image_size=16), images, layers, batch=8)
        for name, found in zip(layers, shard.layers, strict=True):
            wanted = summarize(kept[name], range(20), [-1] * 20, K)
            np.testing.assert_array_equal(found.top.image, wanted["top.image"])
            np.testing.assert_array_equal(found.top.row, wanted["top.row"])
            np.testing.assert_array_equal(found.top.column, wanted["top.column"])
            np.testing.assert_allclose(found.top.value, wanted["top.value"], rtol=1e-6)
            np.testing.assert_allclose(found.moments.total, wanted["moments.total"], rtol=1e-10)
            np.testing.assert_allclose(found.moments.squares, wanted["moments.squares"], rtol=1e-10)


class Forked(nn.Module):
    """Two branches, their concatenation, and a concatenation of that with one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.left(x).relu(), self.right(x)
        both = torch.cat([left, right], 1)
        return torch.cat([both, left], 1).amax((2, 3))


def test_a_concatenation_of_observed_layers_equals_direct_computation() -> None:
    module, images = integers(Forked()), pictures(30)
    network = striate.load(module, image_size=16)
    joins = [name for name in network.layers if network.layers[name].operation == "cat"]
    assert len(joins) == 2
    shared = observe(network, images, ["relu", "right", *joins], batch=8, labels=[0, 1, 2] * 10)
    for place, name in enumerate(joins):
        alone = observe(network, images, [name], batch=8, labels=[0, 1, 2] * 10).layers[0]
        equal(shared.layers[2 + place], alone.to_arrays())


def test_a_flattened_map_before_a_dense_layer() -> None:
    """Convolution, flatten, linear: the oldest head there is (AlexNet, VGG)."""
    module = integers(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)))
    images = pictures(10, size=8)
    found = observe(striate.load(module, image_size=8), images, ["1", "3"], batch=4)
    kept = hooked(module, images, ["1", "3"])
    for name, layer in zip(("1", "3"), found.layers, strict=True):
        equal(layer, summarize(maps_of(kept[name]), range(10), [-1] * 10, K))
