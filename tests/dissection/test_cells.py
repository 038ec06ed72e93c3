"""Where maps lie on the grid, and which pixels exceed a threshold: against loops and formulas."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import striate
from dissection.planted import load
from networks.places import CeilPool
from oracles.dissection import field_places, resize_places, upsample
from striate.dissection.cells import (
    Axis,
    Upsampling,
    active_pixels,
    axis_of,
    grid_of,
    masks,
    sample_coordinates,
    upsampled,
    why_not,
)
from striate.errors import MethodError


def both_ways(*axes: tuple[int, int, float, float]) -> Upsampling:
    rows, columns = (axis_of(*axis) for axis in axes)
    return Upsampling(rows, columns, "field")


GEOMETRIES = {
    "alexnet": [(13, 113, 8.25, 8.0), (13, 113, 8.25, 8.0)],
    "held far outside": [(3, 40, 17.0, 2.0), (5, 30, -9.5, 3.0)],
    "several places a pixel": [(40, 11, 0.1, 0.25), (31, 8, 0.0, 0.25)],
    "one row": [(1, 20, 4.0, 7.0), (9, 20, 0.0, 2.5)],
    "one column": [(6, 13, 1.5, 2.0), (1, 7, 0.0, 1.0)],
    "place for pixel": [(12, 12, 0.0, 1.0), (12, 12, 0.0, 1.0)],
    "beyond the grid": [(9, 10, 4.5, 3.0), (9, 10, -20.0, 3.0)],
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99, 1.0])
def test_active_pixels_are_those_of_the_whole_mask(name: str, quantile: float) -> None:
    rows, columns = GEOMETRIES[name]
    how = both_ways(rows, columns)
    chance = np.random.default_rng(5)
    maps = np.round(chance.standard_normal((7, rows[0], columns[0])) * 2).astype(np.float32)
    thresholds = np.quantile(maps, quantile, axis=(1, 2), method="nearest").astype(np.float32)
    wanted = masks(maps, thresholds, how)
    unit, pixel = active_pixels(maps, thresholds, how)
    found = np.zeros(wanted.shape, int)
    np.add.at(found.reshape(7, -1), (unit, pixel), 1)
    np.testing.assert_array_equal(found, wanted)
    if quantile != 0.99:
        assert (quantile < 1) == bool(wanted.any())
    np.testing.assert_array_equal(unit, np.sort(unit))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_grid_is_that_of_loops(name: str) -> None:
    (n, g, first, step), (m, w, left, across) = GEOMETRIES[name]
    maps = np.random.default_rng(1).standard_normal((2, n, m)).astype(np.float32)
    rows = [min(max((p - first) / step, 0), n - 1.0) for p in range(g)]
    columns = [min(max((p - left) / across, 0), m - 1.0) for p in range(w)]
    wanted = np.stack([upsample(one, rows, columns) for one in maps])
    np.testing.assert_array_equal(upsampled(maps, both_ways(*GEOMETRIES[name])), wanted)


def test_a_ramp_is_exact_between_the_centres_and_constant_outside() -> None:
    how = both_ways((5, 60, 10.0, 8.0), (3, 20, 2.0, 4.0))
    ramp = 10.0 + 8.0 * np.arange(5.0)
    grid = upsampled(np.broadcast_to(ramp[:, None], (5, 3)), how)
    wanted = np.clip(np.arange(60.0), 10, 42)
    np.testing.assert_array_equal(grid, np.broadcast_to(wanted[:, None], (60, 20)))


def test_a_plateau_at_the_threshold_is_not_active() -> None:
    """A threshold is an activation: interpolation between two of them must not exceed it."""
    how = both_ways((4, 97, 3.0, 29.7), (4, 89, 3.0, 26.3))
    level = np.float32(0.1)
    unit, _ = active_pixels(np.full((1, 4, 4), level, np.float32), np.array([level]), how)
    assert not len(unit)


def test_resize_is_that_of_torch() -> None:
    maps = torch.rand(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    wanted = functional.interpolate(maps[None], (23, 41), mode="bilinear", align_corners=False)[0]
    network = load(nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d((5, 7))), (46, 82))
    how = sample_coordinates(network.layers["1"], 2, "resize")
    np.testing.assert_allclose(upsampled(maps.numpy(), how), wanted.numpy(), atol=1e-12)


def test_coordinates_from_receptive_fields() -> None:
    """A 3 x 3 convolution of stride 2 without padding: centres at pixels 1, 3, 5, ..."""
    network = load(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()), (15, 11))
    layer = network.layers["1"]
    how = sample_coordinates(layer, 1)
    assert (how.kind, how.reason, how.grid) == ("field", "", (15, 11))
    np.testing.assert_array_equal(how.rows.low + how.rows.weight, field_places(15, 7, 1, 2, 1))
    assert (how.rows.low + how.rows.weight)[[0, 1, 2, 3, 13, 14]].tolist() == [0, 0, 0.5, 1, 6, 6]
    coarse = sample_coordinates(layer, 2)
    assert coarse.grid == (8, 6)
    # Pixel 0 of the grid is the point 1 of the input, the first centre lies at 1.5.
    np.testing.assert_array_equal(
        coarse.columns.low + coarse.columns.weight, [0, 0.75, 1.75, 2.75, 3.75, 4]
    )


def test_odd_geometry_of_a_real_network() -> None:
    network = load(CeilPool(), 37)
    layer = next(
        network.layers[a]
        for a in reversed(list(network.layers))
        if why_not(network.layers[a]) is None
    )
    field = layer.receptive_field
    assert field.centre is not None
    assert field.stride is not None
    how = sample_coordinates(layer, 2)
    wanted = field_places(19, layer.map_size[0], field.centre[0], field.stride[0], 2)
    np.testing.assert_array_equal(how.rows.low + how.rows.weight, wanted)
    resized = sample_coordinates(layer, 2, "resize")
    wanted = resize_places(19, layer.map_size[0])
    np.testing.assert_allclose(resized.rows.low + resized.rows.weight, wanted, atol=1e-12)


def test_where_all_is_seen_maps_are_resized_and_it_is_said() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    how = sample_coordinates(load(module, 16).layers["2"], 2)
    assert how.kind == "resize"
    assert "whole image" in how.reason


def test_what_cannot_be_dissected_is_refused() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    layers = load(module, 16).layers
    assert why_not(layers["0"]) is None
    for address, reason in (("1", "one place"), ("3", "no rows and columns")):
        with pytest.raises(MethodError, match=reason):
            sample_coordinates(layers[address], 2)
    with pytest.raises(MethodError, match="nearest"):
        sample_coordinates(layers["0"], 2, "nearest")


def test_tokens_are_refused() -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv2d(3, 4, 4, stride=4), nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.stem(x).flatten(2).transpose(1, 2)).mean(1)

    network = striate.load(Tokens().eval(), image_size=16)
    assert "rows and columns" in str(why_not(network.layers["head"]))


@pytest.mark.parametrize(
    ("size", "ratio", "grid"), [((227, 227), 2, (114, 114)), ((5, 8), 4, (2, 2))]
)
def test_the_grid(size: tuple[int, int], ratio: int, grid: tuple[int, int]) -> None:
    assert grid_of(size, ratio) == grid


def test_runs_cover_each_pixel_once() -> None:
    for geometry in GEOMETRIES.values():
        for places, pixels, first, step in geometry:
            axis: Axis = axis_of(places, pixels, first, step)
            cells = axis.cells
            lengths = (~np.isnan(cells.weights)).sum(1)
            np.testing.assert_array_equal(cells.starts, lengths.cumsum() - lengths)
            assert lengths.sum() == pixels
