"""Pictures of networks and atlases of other shapes: grey, oblong, large, wide, deep, with gaps."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from building import Build, draw
from torch import nn

import striate
from striate.atlas import sheets
from striate.atlas.illustrate import illustrate
from striate.atlas.picture_files import PictureFiles, encoded
from striate.atlas.pictures import Pictures
from striate.atlas.portraits import seen_box
from striate.atlas.recipe import image_paths
from striate.atlas.sheets import SAMPLES, THUMBNAILS, UNITS, samples_of
from striate.atlas.store.reader import Atlas, Entry, LayerRow
from striate.image.decode import decode
from striate.image.render import image_picture, resize_picture
from striate.network.network import Network

GREY = 128


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pictures without loss, so that they can be compared pixel for pixel."""
    monkeypatch.setattr("striate.atlas.picture_files._EXACT_UP_TO", 10_000)


def loaded(*modules: nn.Module, **options: Any) -> Network:
    generator = torch.Generator().manual_seed(5)
    module = nn.Sequential(*modules)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return striate.load(module.eval(), name="shaped", **options)


def illustrated(
    network: Network, build: Build, images: Path, folder: Path, layers: list[str]
) -> Atlas:
    atlas = build(images, folder, network=network, layers=layers)
    illustrate(network, atlas, image_paths(atlas))
    return atlas


def strip_of(atlas: Atlas, number: int, unit: int) -> np.ndarray:
    return decode(PictureFiles(atlas.home).unit(number, unit))


def first_alive(atlas: Atlas, layer: str) -> int:
    return int(atlas.columns(layer)["dead"].index(False))


# --- shapes of images and layers -----------------------------------------------------------------


def test_grey_networks_have_grey_pictures(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    network = loaded(
        nn.Conv2d(1, 3, 3), nn.ReLU(), image_size=(1, 16, 16), resize=16, crop=16,
        mean=(0.4,), std=(0.5,),
    )  # fmt: skip
    atlas = illustrated(network, build, pictures_folder, tmp_path / "grey", ["1"])
    strip = strip_of(atlas, 0, first_alive(atlas, "1"))
    assert strip.shape == (16 + 3, 27, 3)
    assert np.all(strip == strip[:, :, :1])
    pixels = network.how_to_read().to_pixels(network.read(image_paths(atlas)[2]))
    shown = decode(Pictures(atlas).image(2))
    assert np.array_equal(shown, image_picture(pixels.expand(3, -1, -1)))


def test_oblong_images_lie_in_the_middle_of_square_tiles(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    network = loaded(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                     image_size=(3, 48, 120), resize=(48, 120), crop=(48, 120))  # fmt: skip
    atlas = illustrated(network, build, pictures_folder, tmp_path / "oblong", ["2"])
    unit = first_alive(atlas, "2")
    strip = strip_of(atlas, 0, unit)
    entries = len(atlas.top("2")[unit])
    assert strip.shape == (48 + 38, 96 * entries, 3), "120 pixels come down to 96"
    tile = decode(Pictures(atlas).layer_sheet(0, "crop", 0))[:, unit * 96 : (unit + 1) * 96]
    assert np.array_equal(tile[29 : 29 + 38], strip[:38, :96])
    assert np.all(tile[:29] == GREY)
    assert np.all(tile[67:] == GREY)
    image = decode(Pictures(atlas).image(atlas.top("2")[unit][0].image))
    assert image.shape == (48, 120, 3)
    assert np.array_equal(strip[:38, :96], resize_picture(image, (38, 96), smooth=True))


@pytest.mark.parametrize("height", [33, 46, 59, 64, 78, 79, 96])
def test_coloured_crops_do_not_stain_the_projections(height: int) -> None:
    noise = np.random.default_rng(height)
    crops = [noise.choice([0, 255], (height, height, 3)).astype(np.uint8) for _ in range(3)]
    projections = [np.full((height, height, 3), GREY, np.uint8)] * 3
    joined = decode(encoded(sheets.strip(crops, projections), height))
    for projection in sheets.parts(joined, 3)[1]:
        assert np.all(projection == GREY)


def test_large_fields_are_stored_small_and_grey_stays_neutral(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.atlas.picture_files._EXACT_UP_TO", 32)
    for number in range(3):
        draw(tmp_path / "images" / f"{number}.png", number)
    network = loaded(
        nn.Conv2d(3, 3, 5), nn.ReLU(), nn.Conv2d(3, 2, 9), nn.AdaptiveMaxPool2d(1),
        image_size=(3, 128, 128), resize=128, crop=128,
    )  # fmt: skip
    atlas = illustrated(network, build, tmp_path / "images", tmp_path / "large", ["3"])
    unit = first_alive(atlas, "3")
    strip = strip_of(atlas, 0, unit)
    assert strip.shape == (112 + 96, 96 * 3, 3)
    images = [decode(Pictures(atlas).image(e.image)) for e in atlas.top("3")[unit]]
    for k, image in enumerate(images):
        crop = strip[2:94, k * 96 + 2 : (k + 1) * 96 - 2].astype(int)
        expected = resize_picture(image, (96, 96), smooth=True)[2:94, 2:94]
        assert np.abs(crop.mean((0, 1)) - expected.mean((0, 1))).max() < 4
    projections = strip[112:]
    assert np.mean(np.all(projections == GREY, axis=2)) > 0.5, "zero is exactly this grey"


def test_pages_of_layers_with_one_unit_and_with_many(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    network = loaded(nn.Conv2d(3, 70, 3), nn.ReLU(), nn.Conv2d(70, 1, 1), resize=8, crop=8,
                     image_size=(3, 8, 8))  # fmt: skip
    atlas = illustrated(network, build, pictures_folder, tmp_path / "many", ["1", "2"])
    files, pictures = PictureFiles(atlas.home), Pictures(atlas)
    assert decode(pictures.layer_sheet(0, "crop", 0)).shape == (768, 768, 3)
    second = decode(pictures.layer_sheet(0, "crop", 1))
    assert second.shape == (96, 768, 3)
    dead = atlas.columns("1")["dead"]
    for place, unit in enumerate(range(64, 70)):
        tile = second[:, place * 96 : (place + 1) * 96]
        crops, _ = sheets.parts(strip_of(atlas, 0, unit), 0 if dead[unit] else 9)
        expected = sheets.fitted(crops[0], 96) if crops else np.full_like(tile, GREY)
        assert np.array_equal(tile, expected)
    assert not files.layer_sheet(0, "crop", 2).exists()
    assert decode(pictures.layer_sheet(1, "mean", 0)).shape == (96, 768, 3)


def test_more_layers_than_a_page_of_samples_has_rows(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    convolutions = [nn.Conv2d(2, 2, 1) for _ in range(65)]
    network = loaded(nn.Conv2d(3, 2, 1), *convolutions, resize=4, crop=4, image_size=(3, 4, 4))
    names = [str(number) for number in range(66)]
    atlas = illustrated(network, build, pictures_folder, tmp_path / "deep", names)
    pages = [decode(Pictures(atlas).samples(page)) for page in range(2)]
    assert [page.shape for page in pages] == [(64 * 64, 512, 3), (2 * 64, 512, 3)]
    shown = 0
    for number, layer in enumerate(names):
        row = pages[number // 64][number % 64 * 64 :][:64]
        units = samples_of(atlas, layer)
        for place in range(8):
            tile = row[:, place * 64 : (place + 1) * 64]
            if place >= len(units):
                assert np.all(tile == GREY)
                continue
            crops, _ = sheets.parts(strip_of(atlas, number, units[place]), 9)
            assert np.array_equal(tile, sheets.fitted(crops[0], 64))
            shown += 1
    assert shown > 40


def test_thumbnails_by_id_with_grey_for_what_was_skipped(
    network: Network, build: Build, tmp_path: Path
) -> None:
    for number in range(103):
        draw(tmp_path / "images" / f"{number:03d}.png", number)
    (tmp_path / "images" / "101.png").write_bytes(b"<html>")
    atlas = illustrated(network, build, tmp_path / "images", tmp_path / "atlas", ["1"])
    files = PictureFiles(atlas.home)
    assert [files.thumbnails(page).exists() for page in range(3)] == [True, True, False]
    first, second = (decode(files.thumbnails(page)) for page in range(2))
    assert (first.shape, second.shape) == ((640, 640, 3), (64, 640, 3))
    read = network.how_to_read()
    for image in (0, 11, 99, 100, 102):
        row, column = divmod(image % 100, 10)
        page = first if image < 100 else second
        tile = page[row * 64 :, column * 64 :][:64, :64]
        pixels = read.pixels(decode(image_paths(atlas)[image]))
        assert np.array_equal(tile, pixels.repeat(4, 0).repeat(4, 1))
    assert np.all(second[:, 64:128] == GREY)
    assert np.all(second[:, 192:] == GREY)


# --- boxes and layouts ---------------------------------------------------------------------------


def test_boxes_are_those_of_the_layer() -> None:
    network = loaded(
        nn.Conv2d(3, 2, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, ceil_mode=True), nn.ReLU(),
        nn.Conv2d(2, 2, 3, padding=2, dilation=2), nn.Conv2d(2, 2, (1, 3), 2, padding=(0, 1)),
        nn.Conv2d(2, 2, 2), nn.Conv2d(2, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1),
        image_size=(3, 46, 58),
    )  # fmt: skip
    overhanging = whole = 0
    for layer in network.layers.values():
        field, (rows, columns) = layer.receptive_field.size, layer.map_size
        row = LayerRow(0, layer.address, "", 1, layer.map_size, field, "", "", "", "", None)
        for place in itertools.product(range(rows), range(columns)):
            regular, seen = layer.box(*place, clip=False), layer.box(*place)
            shown = seen_box(row, Entry(0, 1.0, *place, seen), (3, 46, 58))
            for axis, side in enumerate((46, 58)):
                if field is None or field[axis] >= side:
                    assert (shown[axis], shown[axis + 2]) == (0, side)
                    whole += 1
                else:
                    assert (shown[axis], shown[axis + 2]) == (regular[axis], regular[axis + 2])
            overhanging += regular != seen
    assert min(overhanging, whole) > 20


def test_layouts_are_those_the_page_is_told() -> None:
    assert (UNITS.each, SAMPLES.each, THUMBNAILS.each) == (64, 512, 100)
    assert SAMPLES.pages(64 * SAMPLES.columns) == 1
    assert SAMPLES.pages(65 * SAMPLES.columns) == 2
    assert [THUMBNAILS.items(1, 250), UNITS.items(0, 3)] == [range(100, 200), range(3)]


@pytest.mark.parametrize(("side", "factor"), [(1, 96), (7, 13), (24, 4)])
def test_tiny_pictures_grow_by_whole_factors(side: int, factor: int) -> None:
    picture = np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)
    gap = (96 - side * factor) // 2
    inside = sheets.fitted(picture, 96)[gap:, gap:][: side * factor, : side * factor]
    assert np.array_equal(inside[::factor, ::factor], picture)
    assert np.array_equal(inside[factor - 1 :: factor, factor - 1 :: factor], picture)
