"""Synthetic images on the page: told as they are, the newest ones, in the export, or not at all."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI

from striate.atlas.picture_files import PictureFiles
from striate.atlas.recipe import network_of
from striate.atlas.store.reader import Atlas
from striate.atlas.synthesize import synthesize
from striate.atlas.synthetic import Failure, Settings, SyntheticImages, store_numbers
from striate.errors import AtlasError
from striate.image.decode import decode
from striate.web.app import create_app
from striate.web.export import export, without_pictures
from striate.web.tree import Tree
from web.tiny import ask
from web.tiny_network import DEAD

FEW = Settings("erhan", 0, 3)
FAILED = "the objective became inf at step 0"
REFUSED = "it only counts"


@pytest.fixture
def folder(synthesized: Path, tmp_path: Path) -> Path:
    """The first layer with images but for its last unit, the second without, the third refused."""
    return Path(shutil.copytree(synthesized, tmp_path / "atlas"))


@pytest.fixture(scope="module")
def synthesized(tiny_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = Path(shutil.copytree(tiny_atlas, tmp_path_factory.mktemp("synthesized") / "atlas"))
    atlas = Atlas(copy)
    synthesize(network_of(atlas, "cpu"), atlas, FEW, layers=["1"])
    rows = list(atlas.layers.values())
    images = SyntheticImages(atlas).layer(0)
    del images.made[4]
    images.failed[4] = Failure(FEW, FAILED)
    store_numbers(atlas, rows[0], images)
    PictureFiles(copy).layer_sheet(0, "synthetic", 0).unlink()
    third = SyntheticImages(atlas).layer(2)
    store_numbers(atlas, rows[2], type(third)(refused=REFUSED))
    return copy


@pytest.fixture
def app(folder: Path) -> Iterator[FastAPI]:
    app = create_app(folder)
    yield app
    app.state.stop()


def told(app: FastAPI, path: str) -> Any:
    found = ask(app, f"/data/{path}.json")
    assert found.status == 200
    return found.json()


def test_units_are_told_with_their_numbers(app: FastAPI, folder: Path) -> None:
    made = SyntheticImages(Atlas(folder)).layer(0).made
    for unit in range(4):
        known, found = made[unit], told(app, f"layers/0/units/{unit}")
        assert found["unsynthesized"] is None
        assert found["synthetic"] == {
            "preset": "erhan", "seed": 0, "steps": 3, "activation": known.activation,
            "rank": known.rank, "centred_rank": known.centred_rank, "contrast": known.contrast,
            "size": list(known.size),
        }  # fmt: skip
    assert told(app, f"layers/0/units/{DEAD}")["synthetic"]["centred_rank"] is None
    last, other = told(app, "layers/0/units/4"), told(app, "layers/1/units/4")
    assert (last["synthetic"], last["unsynthesized"]) == (None, FAILED)
    assert (other["synthetic"], other["unsynthesized"]) == (None, None)
    assert told(app, "layers/2/units/0")["unsynthesized"] == REFUSED


def test_layers_are_told_what_each_image_reaches(app: FastAPI, folder: Path) -> None:
    made = SyntheticImages(Atlas(folder)).layer(0).made
    reached = [made[unit].activation for unit in range(4)]
    layers = [told(app, f"layers/{number}") for number in range(3)]
    assert layers[0]["synthetic"] == [*reached, None]
    assert layers[1]["synthetic"] is layers[2]["synthetic"] is None
    assert [layer["unsynthesized"] for layer in layers] == [None, None, REFUSED]


def test_pictures_and_sheets_are_there_where_images_are(app: FastAPI, folder: Path) -> None:
    for unit in range(4):
        found = ask(app, f"/pictures/synthetic/0/{unit}.webp")
        assert found.status == 200
        assert found.body == PictureFiles(folder).synthetic(0, unit).read_bytes()
    sheet = decode(ask(app, "/pictures/layers/0/synthetic/0.webp").body)
    assert sheet.shape == (96, 8 * 96, 3)
    assert sheet[:, : 4 * 96].std() > 10
    assert abs(sheet[:, 4 * 96 + 8 :].astype(int) - 128).max() <= 3
    for path in ("synthetic/1/0", "synthetic/0/99", "layers/1/synthetic/0", "layers/0/synthetic/1"):
        assert ask(app, f"/pictures/{path}.webp").status == 404
    assert "--maximize" in ask(app, "/pictures/synthetic/1/0.webp").json()["detail"]


def test_pictures_without_numbers_are_not_shown(app: FastAPI, folder: Path) -> None:
    atlas = Atlas(folder)
    row = atlas.layers["1"]
    synthesize(network_of(atlas, "cpu"), atlas, FEW, layers=["1"])
    paths = ["/pictures/synthetic/0/1.webp", "/pictures/layers/0/synthetic/0.webp"]
    assert [ask(app, path).status for path in paths] == [200, 200]
    images = SyntheticImages(atlas).layer(0)
    del images.made[1]
    store_numbers(atlas, row, images)
    assert [ask(app, path).status for path in paths] == [404, 200]
    PictureFiles(folder).synthetic_numbers(0).unlink()
    assert [ask(app, path).status for path in paths] == [404, 404]
    assert PictureFiles(folder).layer_sheet(0, "synthetic", 0).is_file()


@pytest.mark.parametrize("torn", [False, True])
def test_numbers_without_pictures_are_not_told(app: FastAPI, folder: Path, torn: bool) -> None:
    path = PictureFiles(folder).synthetic(0, 1)
    content = path.read_bytes()
    path.write_bytes(content[:50]) if torn else path.unlink()
    unit = told(app, "layers/0/units/1")
    assert (unit["synthetic"], unit["unsynthesized"]) == (None, None)
    assert "activation_maximization" not in unit["python"]
    reached = told(app, "layers/0")["synthetic"]
    assert [value is None for value in reached] == [False, True, False, False, True]
    found = ask(app, "/pictures/synthetic/0/1.webp")
    assert found.status == 404
    how = "--layers 1 --preset erhan --seed 0 --steps 3` makes it as the layer's others"
    assert how in found.json()["detail"]
    for unit in (0, 2, 3):
        PictureFiles(folder).synthetic(0, unit).unlink()
    assert told(app, "layers/0")["synthetic"] is None
    found = ask(app, "/pictures/layers/0/synthetic/0.webp")
    assert found.status == 404
    assert how in found.json()["detail"]


def test_what_is_made_while_the_page_is_served_appears(app: FastAPI, folder: Path) -> None:
    def revision() -> str:
        return str(ask(app, "/data/status.json").json()["revision"])

    def kept(path: str, v: str) -> bool:
        control = ask(app, path, query=f"v={v}").header("cache-control")
        return control == "private, max-age=31536000, immutable"

    before, sheet = revision(), ask(app, "/pictures/layers/0/synthetic/0.webp").body
    path = "/data/layers/0/units/4.json"
    assert kept(path, before)
    atlas = Atlas(folder)
    synthesize(network_of(atlas, "cpu"), atlas, Settings("erhan", 0, 4), layers=["1"])
    after = revision()
    assert after != before
    assert kept(path, after)
    assert not kept(path, before)
    assert told(app, "layers/0/units/4")["synthetic"]["steps"] == 4
    assert ask(app, "/pictures/layers/0/synthetic/0.webp").body != sheet
    assert None not in told(app, "layers/0")["synthetic"]


def test_the_export_is_what_the_server_answers(app: FastAPI, folder: Path, tmp_path: Path) -> None:
    made = {f"pictures/synthetic/0/{unit}.webp" for unit in range(4)}
    wanted = {*made, "pictures/layers/0/synthetic/0.webp"}
    export(folder, tmp_path / "site")
    found = {
        path.relative_to(tmp_path / "site").as_posix()
        for path in (tmp_path / "site" / "pictures").rglob("*synthetic/**/*.webp")
    }
    assert found == wanted
    for path in [*wanted, "data/layers/0.json", "data/layers/0/units/1.json", "data/status.json"]:
        assert (tmp_path / "site" / path).read_bytes() == ask(app, f"/{path}").body


def test_an_export_that_was_begun_before_is_not_gone_on_with(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("striate.web.export._STEP", 100)

    def stop(done: int, total: int) -> None:
        if done > total - 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(folder, tmp_path / "site", progress=stop)
    atlas = Atlas(folder)
    synthesize(network_of(atlas, "cpu"), atlas, FEW, layers=["3"])
    export(folder, tmp_path / "site")
    assert (tmp_path / "site" / "pictures" / "synthetic" / "1" / "69.webp").is_file()
    assert b'"synthetic":[' in (tmp_path / "site" / "data" / "layers" / "1.json").read_bytes()


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "made again"])
def test_images_that_change_during_an_export_end_it(
    folder: Path, tmp_path: Path, gone: bool
) -> None:
    atlas = Atlas(folder)
    images = SyntheticImages(atlas).layer(0)

    def change(done: int, total: int) -> None:
        del total
        if done == 1:
            known = images.made.pop(2)
            if not gone:
                images.made[2] = replace(known, settings=Settings("erhan", 1, 3))
            store_numbers(atlas, atlas.layers["1"], images)

    with pytest.raises(AtlasError, match=r"changed while it was exported.*same command again"):
        export(folder, tmp_path / "site", progress=change)
    assert not (tmp_path / "site").exists()
    export(folder, tmp_path / "site")
    there = (tmp_path / "site" / "pictures" / "synthetic" / "0" / "2.webp").exists()
    assert there is not gone


@pytest.mark.parametrize("interrupted", [False, True])
def test_pictures_that_are_gone_are_left_out_of_an_export(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    monkeypatch.setattr("striate.web.export._STEP", 100)
    gone = PictureFiles(folder).synthetic(0, 2)

    def stop(done: int, total: int) -> None:
        if done > total - 3:
            raise KeyboardInterrupt

    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            export(folder, tmp_path / "site", progress=stop)
    gone.unlink()
    found = export(folder, tmp_path / "site")
    assert len(found.absent) == 1
    assert found.absent[0].startswith("1:2 has no synthetic image: ")
    there = {path.name for path in (tmp_path / "site/pictures/synthetic/0").iterdir()}
    assert there == {"0.webp", "1.webp", "3.webp"}
    assert b'"synthetic":null' in (tmp_path / "site/data/layers/0/units/2.json").read_bytes()
    written = {path for path in (tmp_path / "site").rglob("*") if path.is_file()}
    assert len(written) == found.files


def test_pictures_that_vanish_during_an_export_end_it(folder: Path, tmp_path: Path) -> None:
    def lose(done: int, total: int) -> None:
        del total
        if done == 1:
            PictureFiles(folder).synthetic(0, 2).unlink()

    with pytest.raises(AtlasError, match=r"changed while it was exported.*same command again"):
        export(folder, tmp_path / "site", progress=lose)
    assert export(folder, tmp_path / "site").absent


def test_they_are_no_reason_to_load_the_network(folder: Path) -> None:
    from striate.atlas.illustrate import illustrate
    from striate.atlas.recipe import image_paths

    atlas = Atlas(folder)
    assert without_pictures(atlas)
    illustrate(network_of(atlas, "cpu"), atlas, image_paths(atlas))
    assert not PictureFiles(folder).layer_sheet(0, "synthetic", 0).exists()
    assert not without_pictures(atlas)


def test_the_lines_of_python_make_the_image_again(
    folder: Path, tiny_atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page: Any = Tree(Atlas(folder)).unit(0, 1)
    monkeypatch.chdir(tiny_atlas.parent / "images")
    names: dict[str, Any] = {}
    exec(page["python"], names)  # noqa: S102
    reached = page["synthetic"]["activation"]
    assert float(names["best"].activations[0]) == pytest.approx(reached, rel=1e-4)
    assert isinstance(names["best"].images, torch.Tensor)
    assert "activation_maximization" not in Tree(Atlas(tiny_atlas)).unit(0, 1)["python"]
