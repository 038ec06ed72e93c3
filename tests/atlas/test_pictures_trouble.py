"""Pictures where something else than asked for lies there: other images, networks, atlases."""

import shutil
import threading
import time
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from building import Build, content, draw, small_network
from PIL import Image
from test_observe import small

import striate
from striate.atlas import sheets
from striate.atlas.illustrate import illustrate
from striate.atlas.picture_files import PictureFiles, is_stored
from striate.atlas.pictures import Pictures
from striate.atlas.recipe import image_paths, network_of
from striate.atlas.sheets import strip_tile
from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError
from striate.image.decode import decode
from striate.image.encode import encode
from striate.network.network import Network

GREY = 128


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pictures without loss: grey is exactly grey."""
    monkeypatch.setattr("striate.atlas.picture_files._EXACT_UP_TO", 10_000)


@pytest.fixture
def images(pictures_folder: Path, tmp_path: Path) -> Path:
    """The pictures, in a folder of their own: tests remove and change them."""
    return Path(shutil.copytree(pictures_folder, tmp_path / "images"))


@pytest.fixture
def atlas(build: Build, images: Path, tmp_path: Path) -> Atlas:
    return build(images, tmp_path / "atlas")


# --- another network, another atlas, another image -----------------------------------------------


def test_another_network_is_refused(atlas: Atlas) -> None:
    module = small()
    with torch.no_grad():
        module[0].weight.mul_(-1)
    other = striate.load(module, name="small", resize=16, crop=16)
    with pytest.raises(AtlasError, match="not the network of"):
        illustrate(other, atlas, image_paths(atlas))
    assert not (atlas.home / "pictures").exists()


def test_an_atlas_that_was_built_anew_meanwhile_keeps_its_own_pictures(
    build: Build, network: Network, atlas: Atlas, tmp_path: Path
) -> None:
    """Between opening an atlas and taking its folder a network is loaded: that takes its time."""
    for number in range(10):
        draw(tmp_path / "others" / f"{number:02d}.png", 100 + number)
    anew = build(tmp_path / "others", atlas.home, restart=True)
    with pytest.raises(AtlasError, match="built anew meanwhile"):
        illustrate(network, atlas, image_paths(atlas))
    assert not (atlas.home / "pictures").exists()
    assert illustrate(network, anew, image_paths(anew)) == 12


def test_an_image_that_is_another_one_now_is_not_shown(
    network: Network, atlas: Atlas, images: Path
) -> None:
    Image.new("RGB", (18, 20), "red").save(images / "03.png")
    pictures = Pictures(atlas, network)
    with pytest.raises(AtlasError, match=r"image 3 .* is another one now: .*03\.png had \d+ bytes"):
        pictures.image(3)
    assert np.all(decode(pictures.thumbnails(0))[:64, 3 * 64 : 4 * 64] == GREY)
    with pytest.raises(AtlasError, match="image 3"):
        illustrate(network, atlas, image_paths(atlas))


# --- what is missing or damaged ------------------------------------------------------------------


def test_a_layer_without_images_leaves_the_samples_of_the_others(
    atlas: Atlas, images: Path
) -> None:
    first = {
        layer: {
            top[0].image
            for top, dead in zip(atlas.top(layer), atlas.columns(layer)["dead"], strict=True)
            if not dead
        }
        for layer in ("1", "4")
    }
    assert first["4"] - first["1"], "layer 4 should keep an image"
    for image in first["1"]:
        (images / f"{image:02d}.png").unlink()
    page = decode(Pictures(atlas).samples(0))
    assert np.all(page[:64] == GREY)
    assert not np.all(page[64:128] == GREY)
    for path in images.iterdir():
        path.unlink()
    with pytest.raises(AtlasError, match="cannot be read any more"):
        Pictures(atlas).samples(0)


def test_a_strip_that_is_whole_but_no_picture_does_not_stop_its_sheet(
    network: Network, atlas: Atlas
) -> None:
    illustrate(network, atlas, image_paths(atlas))
    files = PictureFiles(atlas.home)
    strip, sheet = files.unit(1, 0), files.layer_sheet(1, "mean", 0)
    assert not atlas.columns("4")["dead"][0]
    before = sheet.read_bytes()
    damaged = strip.read_bytes()
    strip.write_bytes(damaged[:12] + bytes(len(damaged) - 12))
    assert is_stored(strip)
    sheet.unlink()
    assert Pictures(atlas).layer_sheet(1, "mean", 0) == before


@pytest.mark.parametrize(
    "text", [b"", b'{"ima', b"[1]", b"{}", b'{"images": 3}', b'{"imagec": "/tmp"}', b"\xff"]
)
def test_a_damaged_recipe_is_one_clear_error(atlas: Atlas, text: bytes) -> None:
    """Without the images' folder they would be looked for where the process happens to be."""
    (atlas.home / "recipe.json").write_bytes(text)
    for ask in (image_paths, network_of):
        with pytest.raises(AtlasError, match=r"recipe\.json .* run the `striate atlas` command"):
            ask(atlas)


def test_a_recipe_of_another_striate_is_one_clear_error(atlas: Atlas) -> None:
    (atlas.home / "recipe.json").write_text('{"images": "/tmp", "recipe": {"colour": "red"}}')
    with pytest.raises(AtlasError, match="holds no recipe of this striate"):
        network_of(atlas)


# --- what is kept --------------------------------------------------------------------------------


def test_what_many_ask_for_at_once_is_kept_once(network: Network, atlas: Atlas) -> None:
    pictures = Pictures(atlas, network, keep=1000)
    path = pictures.files.unit(0, 0)
    with pictures._making:
        threads = [
            threading.Thread(target=pictures._answer, args=(path, lambda: bytes(100)))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert pictures._room == 900


def test_a_network_that_is_not_there_costs_no_memory(atlas: Atlas) -> None:
    pictures, depths = Pictures(atlas), []
    for _ in range(5):
        with pytest.raises(AtlasError, match="give it") as refused:
            pictures.layer_sheet(1, "projection", 0)
        depths.append(len(traceback.extract_tb(refused.value.__traceback__)))
    assert depths[1] == depths[4]


# --- many images a unit --------------------------------------------------------------------------


def test_a_strip_of_many_images_fits_webp(
    network: Network, atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entries in (1, 170, 171, 1000):
        wide = np.zeros((1, entries * strip_tile(entries), 3), np.uint8)
        assert encode(wide, "webp")
    monkeypatch.setattr(sheets, "_WIDEST", 50)
    asked = Pictures(atlas, network)
    strips = [asked.unit(1, unit) for unit in range(4)]
    sheet = asked.layer_sheet(1, "crop", 0)
    illustrate(small_network(), atlas, image_paths(atlas))
    files = PictureFiles(atlas.home)
    assert [files.unit(1, unit).read_bytes() for unit in range(4)] == strips
    assert content(atlas.home)["pictures/layers/1/crop/0.webp"] == sheet
    assert max(decode(strip).shape[1] for strip in strips) == 9 * 5
