"""The watchers by themselves: maps in any portions, maps that are not finite, another basis."""

import numpy as np
import pytest
import torch

from dissection.planted import load, small
from oracles.dissection import tally, threshold, upsample
from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.quantile import Tail, rank
from striate.atlas.accumulators.topk import NOBODY, TopK
from striate.dissection import thresholds as thresholds_module
from striate.dissection.cells import sample_coordinates
from striate.dissection.labels import Labels
from striate.dissection.tally import TallyWatcher
from striate.dissection.thresholds import TailWatcher
from striate.image.concepts.concept_set import Segments
from striate.network.layers import Layer

IMAGES, UNITS, SIDE, CATEGORIES = 12, 5, 8, np.array([0, 0, 1])


@pytest.fixture(scope="module")
def layer() -> Layer:
    return load(small(), 16).layers["4"]


def maps_of(kind: str) -> torch.Tensor:
    """Maps of noise; rectified, with zeros for most values; or broken here and there."""
    chance = torch.Generator().manual_seed(11)
    maps = torch.randn(IMAGES, UNITS, SIDE, SIDE, generator=chance)
    if kind == "sparse":
        maps = torch.where(torch.rand(maps.shape, generator=chance) < 0.01, maps.abs(), 0.0)
    if kind == "broken":
        maps[3, 0, 1, 2] = torch.nan
        maps[4, 0, 0, 0] = torch.inf
        maps[5, 1, 7, 7] = -torch.inf
        maps[:, 4] = torch.nan
    return maps


def shown(number: int) -> Labels:
    chance = np.random.default_rng(number)
    planes = chance.integers(-1, 2, (1, 16, 16)).astype(np.int32)
    whole = np.array([2], np.int32)[: number % 2]
    return Labels.of(Segments(planes, whole), CATEGORIES, 2)


LABELS = [shown(number) for number in range(IMAGES)]


@pytest.mark.parametrize("kind", ["noise", "sparse", "broken"])
@pytest.mark.parametrize("portion", [1, 5, 12])
@pytest.mark.parametrize("unsorted", [1, 300, 1 << 22])
def test_thresholds(
    layer: Layer, kind: str, portion: int, unsorted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often candidates are sorted in, and after a portion that is taken back."""
    monkeypatch.setattr(thresholds_module, "_UNSORTED", unsorted)
    monkeypatch.setattr(thresholds_module, "_TOGETHER", 2 * UNITS * SIDE * SIDE)
    maps = maps_of(kind)
    most = rank(0.05, IMAGES * SIDE * SIDE) + 1
    watcher = TailWatcher(layer, None, Tail.empty(UNITS, most))
    for start in range(0, IMAGES, portion):
        watcher.take(maps[start : start + portion] + 100)
        watcher.undo()
        watcher.take(maps[start : start + portion])
        watcher.commit(range(portion), [])
    finite = maps.flatten(2).isfinite().all(2)
    wanted = [
        threshold(maps[finite[:, unit], unit].numpy(), "0.05") if finite[:, unit].any() else np.inf
        for unit in range(UNITS)
    ]
    np.testing.assert_array_equal(watcher.tail.threshold(0.05), np.float32(wanted))
    np.testing.assert_array_equal(watcher.tail.counted, finite.sum(0).numpy() * SIDE * SIDE)


@pytest.mark.parametrize("kind", ["noise", "sparse", "broken"])
@pytest.mark.parametrize("portion", [1, 5, 12])
def test_tally(layer: Layer, kind: str, portion: int) -> None:
    maps = maps_of(kind)
    how = sample_coordinates(layer, 1)
    level = np.full(UNITS, 1.5 if kind != "sparse" else 0.0, np.float32)
    watcher = TallyWatcher(
        layer, None, level, how, Overlap.empty(UNITS, 3, 2), TopK.empty(UNITS, 9)
    )
    for start in range(0, IMAGES, portion):
        part = slice(start, start + portion)
        watcher.take(maps[part] + 100)
        watcher.undo()
        watcher.take(maps[part])
        watcher.commit(range(IMAGES)[part], LABELS[part])
    scenes = [
        (np.append(seen.present, -1)[seen.planes].reshape(-1, 16, 16), seen.whole.tolist())
        for seen in LABELS
    ]
    rows = (how.rows.low + how.rows.weight).tolist()
    pixels, active, both = tally(
        maps.numpy(), level, scenes, CATEGORIES.tolist(), lambda m: upsample(m, rows, rows)
    )
    np.testing.assert_array_equal(watcher.overlap.pixels, pixels)
    np.testing.assert_array_equal(watcher.overlap.active, active)
    np.testing.assert_array_equal(watcher.overlap.both, both)
    assert active.sum() > 0
    if kind == "broken":
        assert (watcher.top.image[4] == NOBODY).all()
        assert not {3, 4} & set(watcher.top.image[0].tolist())
        assert 5 not in watcher.top.image[1]


def test_a_basis_mixes_units(layer: Layer) -> None:
    """Row k of the basis is what unit k becomes."""
    maps = maps_of("noise")
    basis = np.random.default_rng(0).standard_normal((UNITS, UNITS))
    watcher = TailWatcher(layer, basis, Tail.empty(UNITS, IMAGES * SIDE * SIDE))
    watcher(layer.unmaps(maps))
    watcher.commit(range(IMAGES), [])
    mixed = np.einsum("vu,nuhw->vnhw", basis.astype(np.float32), maps.numpy())
    found = watcher.tail.threshold(0.1)
    np.testing.assert_allclose(found, [threshold(row, "0.1") for row in mixed], rtol=1e-5)
