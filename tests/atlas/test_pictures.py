"""Pictures against oracles that go the long way: read, crop, project, resize each one alone.

The fields of the small network are narrow, so that its strips are stored exactly: comparisons of
strips are pixel for pixel.
"""

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from building import Build, content, interrupted, small_network
from torch import nn

import striate
from striate.atlas import illustrate as illustrating
from striate.atlas import sheets
from striate.atlas.illustrate import illustrate
from striate.atlas.picture_files import PictureFiles, is_stored
from striate.atlas.pictures import Pictures
from striate.atlas.portraits import Originals
from striate.atlas.recipe import image_paths
from striate.atlas.sheets import THUMBNAILS, UNITS, samples_of
from striate.atlas.snapshot import open_atlas
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError, AtlasError
from striate.image.crop import crop
from striate.image.decode import decode
from striate.image.render import image_picture, projection_picture
from striate.network.network import Network

GREY = 128


@pytest.fixture
def atlas(build: Build, pictures_folder: Path, tmp_path: Path) -> Atlas:
    return build(pictures_folder, tmp_path / "atlas")


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pictures without loss, so that they can be compared pixel for pixel."""
    monkeypatch.setattr("striate.atlas.picture_files._EXACT_UP_TO", 10_000)


def pictured(network: Network, atlas: Atlas, **options: object) -> int:
    return illustrate(network, atlas, image_paths(atlas), **options)  # type: ignore[arg-type]


def expected_strip(network: Network, atlas: Atlas, layer: str, unit: int) -> np.ndarray:
    """Crops above, projections below: each image read, cropped and projected by itself."""
    found, crops, projections = network.layers[layer], [], []
    for entry in atlas.top(layer)[unit]:
        image = network.read(image_paths(atlas)[entry.image])
        box = found.box(entry.row, entry.column, clip=False)
        size = image.shape[1:]
        rows = (0, size[0]) if box[2] - box[0] >= size[0] else (box[0], box[2])
        columns = (0, size[1]) if box[3] - box[1] >= size[1] else (box[1], box[3])
        shown = (rows[0], columns[0], rows[1], columns[1])
        pixels = network.how_to_read().to_pixels(image)
        crops.append(image_picture(crop(pixels, shown, fill=0.5).expand(3, -1, -1)))
        neuron = f"{layer}:{unit}@{entry.row},{entry.column}"
        map_ = striate.deconvnet(network, image, neuron).map
        if entry.value <= 0:
            map_ = torch.zeros_like(map_)
        projections.append(projection_picture(crop(map_, shown, fill=0.0).expand(3, -1, -1)))
    above, below = np.concatenate(crops, 1), np.concatenate(projections, 1)
    grey = np.full(
        (next(n for n in range(2, 18) if (len(above) + n) % 16 == 0), *above.shape[1:]), 128
    )
    return np.concatenate([above, grey, below], 0)


# --- strips --------------------------------------------------------------------------------------


def test_strips_are_what_each_neuron_sees_and_what_explains_it(
    network: Network, atlas: Atlas
) -> None:
    files = PictureFiles(atlas.home)
    assert pictured(network, atlas) == 12
    dead = positive = 0
    for layer, row in atlas.layers.items():
        for unit in range(row.units):
            strip = decode(files.unit(row.number, unit))
            if atlas.columns(layer)["dead"][unit]:
                assert strip.tolist() == [[[GREY] * 3]]
                dead += 1
                continue
            assert np.array_equal(strip, expected_strip(network, atlas, layer, unit))
            positive += sum(entry.value > 0 for entry in atlas.top(layer)[unit])
    assert positive > 50
    assert dead < 12


def test_without_positive_activation_a_projection_is_grey(network: Network, atlas: Atlas) -> None:
    pictures, seen = Pictures(atlas, network), 0
    for layer, row in atlas.layers.items():
        for unit, entries in enumerate(atlas.top(layer)):
            if atlas.columns(layer)["dead"][unit]:
                continue
            _, projected = sheets.parts(decode(pictures.unit(row.number, unit)), len(entries))
            for tile, entry in zip(projected, entries, strict=True):
                if entry.value <= 0:
                    assert np.all(tile == GREY)
                    seen += 1
    assert seen, "the small network should have a unit that does not fire on all its top images"


@pytest.mark.parametrize("view", sheets.VIEWS)
def test_tiles_of_sheets_are_the_strips_first_tiles_or_their_mean(
    network: Network, atlas: Atlas, view: str, exact: None
) -> None:
    pictured(network, atlas)
    files = PictureFiles(atlas.home)
    for layer, row in atlas.layers.items():
        sheet = decode(files.layer_sheet(row.number, view, 0))
        assert sheet.shape == (96, 768, 3)
        for unit, entries in enumerate(atlas.top(layer)):
            tile = sheet[:, unit * 96 : (unit + 1) * 96]
            if atlas.columns(layer)["dead"][unit]:
                assert np.all(tile == GREY)
                continue
            crops, projected = sheets.parts(decode(files.unit(row.number, unit)), len(entries))
            fired = [c for c, e in zip(crops, entries, strict=True) if e.value > 0]
            mean = np.rint(np.mean(np.array(fired, np.float64), axis=0)).astype(np.uint8)
            shown = {"crop": crops[0], "mean": mean, "projection": projected[0]}[view]
            factor = 96 // len(shown)
            large = shown.repeat(factor, 0).repeat(factor, 1)
            gap = (96 - len(large)) // 2
            inside = slice(gap, gap + len(large))
            assert factor >= 4
            assert np.array_equal(tile[inside, inside], large)
            tile[inside, inside] = GREY
            assert np.all(tile == GREY)
        assert np.all(sheet[:, row.units * 96 :] == GREY)


# --- stored and made when asked for --------------------------------------------------------------


def test_what_is_made_when_asked_for_is_what_would_be_stored(
    network: Network, atlas: Atlas
) -> None:
    def everything() -> dict[str, bytes]:
        pictures, found = Pictures(atlas, network), {}
        for row in atlas.layers.values():
            for unit in range(row.units):
                found[f"units/{row.number}/{unit}"] = pictures.unit(row.number, unit)
            for view in sheets.VIEWS:
                found[f"{row.number}/{view}"] = pictures.layer_sheet(row.number, view, 0)
        return {
            **found, "samples": pictures.samples(0), "thumbnails": pictures.thumbnails(0),
        }  # fmt: skip

    made = everything()
    assert not (atlas.home / "pictures").exists()
    pictured(network, atlas)
    kept = everything()
    assert made == kept
    assert len(list((atlas.home / "pictures").rglob("*.webp"))) == len(made)


def test_stored_pictures_need_no_images(
    network: Network, build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    shutil.copytree(pictures_folder, images)
    atlas = build(images, tmp_path / "atlas")
    pictured(network, atlas)
    shutil.rmtree(images)
    pictures = Pictures(atlas)
    assert pictures.unit(0, 0).startswith(b"RIFF")
    assert pictures.thumbnails(0).startswith(b"RIFF")
    path = PictureFiles(atlas.home).layer_sheet(1, "mean", 0)
    whole = path.read_bytes()
    path.unlink()
    assert pictures.layer_sheet(1, "mean", 0) == whole, "made from strips"
    with pytest.raises(AtlasError, match="no longer at"):
        pictures.image(0)


@pytest.mark.parametrize("damage", [b"", b"RIFF", b"<html>", None])
def test_a_damaged_picture_is_made_anew(
    network: Network, atlas: Atlas, damage: bytes | None
) -> None:
    pictured(network, atlas)
    alive = atlas.columns("1")["dead"].index(False)
    path = PictureFiles(atlas.home).unit(0, alive)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] if damage is None else damage)
    assert Pictures(atlas, network).unit(0, alive) == whole
    with pytest.raises(AtlasError, match="give it"):
        Pictures(atlas).unit(0, alive)
    assert pictured(network, atlas) == 1
    assert path.read_bytes() == whole


def test_crops_need_no_network_and_images_none_either(network: Network, atlas: Atlas) -> None:
    pictures = Pictures(atlas)
    alone = decode(pictures.image(3))
    preprocessed = network.how_to_read().to_pixels(network.read(image_paths(atlas)[3]))
    assert np.array_equal(alone, image_picture(preprocessed))
    assert pictures.layer_sheet(1, "crop", 0) == Pictures(atlas, network).layer_sheet(1, "crop", 0)
    pictures.samples(0)
    for _ in range(2):
        with pytest.raises(AtlasError, match="made from a network in Python"):
            pictures.layer_sheet(1, "projection", 0)


def test_an_image_that_is_gone_is_named(
    network: Network, build: Build, pictures_folder: Path, tmp_path: Path, exact: None
) -> None:
    images = tmp_path / "images"
    shutil.copytree(pictures_folder, images)
    atlas = build(images, tmp_path / "atlas")
    (images / "03.png").unlink()
    pictures = Pictures(atlas, network)
    with pytest.raises(AtlasError, match=r"image 3 .* no such file"):
        pictures.image(3)
    assert np.all(decode(pictures.thumbnails(0))[:64, 3 * 64 : 4 * 64] == GREY)
    with pytest.raises(AtlasError, match="image 3"):
        pictured(network, atlas)
    with pytest.raises(AtlasError, match="image 3"):
        illustrating._Run(network, atlas, image_paths(atlas))._thumbnails(lambda *_: None)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda p: p.unit(0, 4), "has units 0 to 3"),
        (lambda p: p.unit(3, 0), "has layers 0 to 2"),
        (lambda p: p.unit(-1, 0), "layer -1 does not exist"),
        (lambda p: p.layer_sheet(0, "crop", 1), "has pages 0 to 0"),
        (lambda p: p.layer_sheet(0, "top", 0), "views are crop, mean, projection"),
        (lambda p: p.samples(1), "has pages 0 to 0"),
        (lambda p: p.thumbnails(1), "has pages 0 to 0"),
        (lambda p: p.image(10), "has images 0 to 9"),
    ],
)
def test_what_does_not_exist_is_refused(atlas: Atlas, ask, said: str) -> None:
    with pytest.raises(AddressError, match=said):
        ask(Pictures(atlas))


def test_many_threads_may_ask(network: Network, atlas: Atlas) -> None:
    alone = [Pictures(atlas, network).layer_sheet(n, v, 0) for n in range(3) for v in sheets.VIEWS]
    pictures, found = Pictures(atlas, network), [None] * 6

    def ask(place: int) -> None:
        found[place] = [pictures.layer_sheet(n, v, 0) for n in range(3) for v in sheets.VIEWS]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [alone] * 6


# --- runs ----------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_anywhere_goes_on(
    network: Network, atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(atlas.home, tmp_path / "whole")
    pictured(network, Atlas(tmp_path / "whole"))
    whole = content(tmp_path / "whole")
    write = illustrating.write
    left = 0

    def sometimes(path: Path, picture: bytes, **named: Path) -> str:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return write(path, picture, **named)

    monkeypatch.setattr(illustrating, "write", sometimes)
    stops = 0
    while True:
        left = 2
        try:
            pictured(network, atlas)
        except KeyboardInterrupt:
            stops += 1
            continue
        break
    assert stops >= 10
    assert content(atlas.home) == whole
    left = 0
    assert pictured(network, atlas) == 0


def test_two_runs_do_not_meet(network: Network, atlas: Atlas) -> None:
    from filelock import FileLock

    lock = FileLock(atlas.home / ".lock")
    with lock, pytest.raises(AtlasError, match="another run is writing"):
        pictured(network, atlas)
    assert pictured(network, atlas) == 12


def test_globs_choose_layers(network: Network, atlas: Atlas) -> None:
    seen: list[tuple[int, int]] = []
    options = {"layers": ["[14]"], "progress": lambda done, of: seen.append((done, of))}
    assert pictured(network, atlas, **options) == 9
    assert seen == [(k, 9) for k in range(1, 10)]
    files = PictureFiles(atlas.home)
    assert is_stored(files.layer_sheet(1, "mean", 0))
    assert not is_stored(files.layer_sheet(2, "mean", 0))
    assert not is_stored(files.samples(0)), "not all layers have strips yet"
    assert pictured(network, atlas) == 3
    assert is_stored(files.samples(0))


def test_an_unfinished_atlas_is_shown_but_not_illustrated(
    network: Network, build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "begun"
    interrupted(build, pictures_folder, folder, 8)
    atlas = open_atlas(folder)
    assert not atlas.finished
    with pytest.raises(AtlasError, match="is not finished"):
        pictured(network, atlas)
    before = Pictures(atlas, network).unit(1, 0)
    path = PictureFiles(folder).unit(1, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(Pictures(atlas, network).thumbnails(0))
    assert Pictures(atlas, network).unit(1, 0) == before, "what lies there is of another atlas"


def test_the_deconvnet_says_where_it_does_not_apply(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.i0(x)

    module = nn.Sequential(nn.Conv2d(3, 2, 3), Odd(), nn.Conv2d(2, 2, 1))
    with torch.no_grad():
        module[2].weight.fill_(1.0)  # i0 is at least 1: both units fire
        module[2].bias.zero_()
    network = striate.load(module, name="odd", resize=16, crop=16)
    atlas = build(pictures_folder, tmp_path / "odd", network=network, layers=["2"])
    assert atlas.columns("2")["dead"] == [False, False]
    assert "'special_i0'" in (atlas.layer("2").unprojected or "")
    # Neither the network nor its rules are needed for what there is.
    strip = Pictures(atlas, None, originals=Originals(atlas, image_paths(atlas))).unit(0, 0)
    assert pictured(network, atlas) == 2
    assert PictureFiles(atlas.home).unit(0, 0).read_bytes() == strip
    shown = decode(strip)
    below = -(-(shown.shape[0] // 2) // 16) * 16
    assert (shown[below:] == GREY).all()
    assert shown[: shown.shape[0] // 2 - 2].std() > 20
    page = decode(Pictures(atlas, network).layer_sheet(0, "projection", 0))
    assert len(np.unique(page.reshape(-1, 3), axis=0)) <= 2


def test_samples_never_fire_not(network: Network, atlas: Atlas) -> None:
    for layer in atlas.layers:
        columns = atlas.columns(layer)
        units = samples_of(atlas, layer)
        assert units == sorted(units)
        assert not any(columns["dead"][unit] for unit in units)
        assert len(units) == min(8, columns["dead"].count(False))
    assert THUMBNAILS.each == 100
    assert UNITS.each == 64
    assert small_network().fingerprint() == network.fingerprint()
