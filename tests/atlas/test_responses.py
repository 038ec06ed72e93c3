"""The largest activation of each unit in each image: what is observed, kept, and read back."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from building import Build, interrupted
from test_observe import Forked, integers, observe, pictures, small
from test_observe_trouble import divided

import striate
from networks import HAND_MADE, randomized
from oracles.atlas_oracle import hooked
from striate.atlas.store.files import map_table, write_table
from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError


def strongest(maps: np.ndarray) -> np.ndarray:
    """(images, units): the maximum of each map; NaN where anything of it is not finite."""
    found = np.full(maps.shape[:2], np.nan, np.float32)
    for n in range(maps.shape[0]):
        for u in range(maps.shape[1]):
            if np.isfinite(maps[n, u]).all():
                found[n, u] = maps[n, u].max()
    return found


# --- observed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_they_are_the_maxima_of_the_maps(batch: int) -> None:
    images = pictures(40)
    network = striate.load(small(), image_size=16)
    found = observe(network, images, ["0", "1", "4"], batch=batch).responses
    kept = hooked(small(), images, ["0", "1", "4"])
    for name, responses in zip(("0", "1", "4"), found, strict=True):
        assert responses.dtype == np.float32
        np.testing.assert_array_equal(responses, strongest(kept[name]))


def test_units_that_are_not_finite_have_none() -> None:
    module, images = divided()
    network = striate.load(module, image_size=16)
    name = next(n for n in network.layers if network.layers[n].operation == "div")
    (found,) = observe(network, images, [name], batch=6).responses
    np.testing.assert_array_equal(
        found, strongest(hooked(module, images, ["quotient"])["quotient"])
    )
    assert np.isnan(found).sum() == 8


def test_concatenated_units_have_those_of_their_sources() -> None:
    network, images = striate.load(integers(Forked()), image_size=16), pictures(30)
    joins = [name for name in network.layers if network.layers[name].operation == "cat"]
    left, right, both, more = observe(network, images, ["relu", "right", *joins], batch=8).responses
    np.testing.assert_array_equal(both, np.hstack([left, right]))
    np.testing.assert_array_equal(more, np.hstack([left, right, left]))
    for name, shared in zip(joins, (both, more), strict=True):
        (alone,) = observe(network, images, [name], batch=8).responses
        np.testing.assert_array_equal(shared, alone)


@pytest.mark.parametrize("name", ["attention", "dense", "two outputs"])
def test_tokens_and_dense_layers(name: str) -> None:
    made, size = HAND_MADE[name]()
    network = striate.load(randomized(made).double(), image_size=size)
    images = torch.randn((5, *network.image_size), dtype=torch.float64)
    layers = [layer for layer in network.layers if network.layers[layer].units]
    recorded = network.record(images, layers)
    for address, found in zip(layers, observe(network, images, layers).responses, strict=True):
        wanted = strongest(network.layers[address].maps(recorded[address]).numpy())
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9, err_msg=address)


# --- kept ----------------------------------------------------------------------------------------


def test_an_atlas_has_a_row_for_each_image(
    build: Build, network, pictures_folder: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(pictures_folder, images)
    (images / "05.png").write_bytes(b"no picture")
    interrupted(build, images, tmp_path / "atlas", 5)
    atlas = build(images, tmp_path / "atlas")
    seen = [n for n in range(10) if n != 5]
    read = torch.stack([network.read(images / f"{n:02d}.png") for n in seen])
    kept = hooked(small(), read, ["1", "4", "6"])
    for name in ("1", "4"):
        found = atlas.responses(name)
        assert found.shape == (10, atlas.layer(name).units)
        assert np.isnan(found[5]).all()
        np.testing.assert_allclose(found[seen], strongest(kept[name]), rtol=1e-5)
        tops = [[entry.value for entry in entries] for entries in atlas.top(name)]
        np.testing.assert_array_equal(np.sort(found[seen], axis=0)[::-1].T, tops)
    np.testing.assert_allclose(atlas.responses("6")[seen], kept["6"], rtol=1e-5)
    assert [image.seen for image in atlas.images] == [n != 5 for n in range(10)]
    assert atlas.seen == 9


def test_they_are_not_read_until_they_are_looked_at(finished_atlas: Atlas) -> None:
    found = finished_atlas.responses("1")
    assert isinstance(found, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


# --- read back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (10, 1)])
def test_a_table_comes_back(tmp_path: Path, shape: tuple[int, int]) -> None:
    table = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    write_table(tmp_path / "t.safetensors", table)
    np.testing.assert_array_equal(map_table(tmp_path / "t.safetensors", shape), table)


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    table = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    write_table(tmp_path / "t.safetensors", table)
    np.testing.assert_array_equal(load_file(tmp_path / "t.safetensors")["table"], table)


def test_a_table_laid_out_otherwise_is_written_right(tmp_path: Path) -> None:
    table = np.arange(12, dtype=np.float64).reshape(3, 4).T
    write_table(tmp_path / "t", table)
    np.testing.assert_array_equal(map_table(tmp_path / "t", (4, 3)), table)


@pytest.mark.parametrize("length", [0, 1, 8, 30, 80, 100, -1])
def test_a_cut_table_is_one_clear_error(tmp_path: Path, length: int) -> None:
    path = tmp_path / "t.safetensors"
    write_table(path, np.ones((4, 6), np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    with pytest.raises(AtlasError, match=r"damaged: it is no table of 4 x 6"):
        map_table(path, (4, 6))
    path.write_bytes(whole + b"\0")
    with pytest.raises(AtlasError, match="damaged"):
        map_table(path, (4, 6))


@pytest.mark.parametrize("shape", [(6, 4), (24, 1), (4, 5), (4, 7)])
def test_a_table_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_table(tmp_path / "t", np.ones((4, 6), np.float32))
    with pytest.raises(AtlasError, match="damaged"):
        map_table(tmp_path / "t", shape)


def test_a_missing_table_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="cannot read"):
        map_table(tmp_path / "nothing", (1, 1))
    (tmp_path / "folder").mkdir()
    with pytest.raises(AtlasError, match="cannot read"):
        map_table(tmp_path / "folder", (1, 1))
