"""The masked images of units: drawn as counted, stored once, newest, exported, never half."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image
from typer.testing import CliRunner

from striate.atlas.recipe import network_of
from striate.atlas.store.reader import Atlas
from striate.cli.main import app as cli
from striate.dissection.cells import sample_coordinates, upsampled
from striate.dissection.masked import Masked, masked_picture, shown_images
from striate.dissection.newest import NewestDissection
from striate.dissection.pictures import Strips, picture_concepts, without_strips
from striate.dissection.results import Dissection
from striate.dissection.sheet import detector_sheet, find_concept
from striate.errors import AddressError, AtlasError
from striate.image.concepts.concept_set import Concept
from striate.image.decode import decode
from striate.network.network import Network
from striate.shapes import Display
from striate.web.app import create_app
from striate.web.export import export, without_pictures
from web.labelled import LAYER, dissect_again
from web.tiny import ask
from web.tiny_network import DEAD

YELLOW = (255, 221, 64)


@pytest.fixture(scope="module")
def network(dissected_atlas: Path) -> Network:
    return network_of(Atlas(dissected_atlas), "cpu")


@pytest.fixture
def folder(dissected_atlas: Path, tmp_path: Path) -> Path:
    """The dissected atlas with a copy of its concept set beside it, as its results name it."""
    shutil.copytree(dissected_atlas.parent, tmp_path / "both")
    return tmp_path / "both" / "atlas"


@pytest.fixture
def app(folder: Path) -> Iterator[FastAPI]:
    app = create_app(folder)
    yield app
    app.state.stop()


def drawn(folder: Path, network: Network, unit: int, **how: Any) -> list[Display]:
    atlas = Atlas(folder)
    masked = Masked(network, atlas, Dissection(atlas))
    ((found, tiles),) = masked.tiles(LAYER, [unit], **how)
    assert found == unit
    assert not isinstance(tiles, AtlasError)
    return tiles


def test_units_are_bright_where_they_were_counted(folder: Path, network: Network) -> None:
    dissection = Dissection(Atlas(folder))
    layer = dissection.layers[LAYER]
    how = sample_coordinates(network.layers_at((3, 16, 16))[LAYER], 2)
    for unit in (1, 4):
        tiles = drawn(folder, network, unit, concepts={unit: -1})
        places = shown_images(layer, unit)
        assert len(tiles) == len(places) == 5
        for tile, place in zip(tiles, places, strict=True):
            path = dissection.images.paths[layer.top.image[unit, place]]
            image = network.read(path)
            activation = network.record(image[None], [LAYER])[LAYER][0, unit].numpy()
            active = upsampled(activation[None], how)[0] > layer.thresholds[unit]
            assert active.any()
            assert not active.all()
            whole = decode(path).repeat(8, axis=0).repeat(8, axis=1)
            bright = active.repeat(16, axis=0).repeat(16, axis=1)
            np.testing.assert_array_equal(tile[bright], whole[bright])
            dark = np.rint(0.2 * whole[~bright])
            np.testing.assert_array_equal(tile[~bright], dark)


def test_the_segment_is_outlined(folder: Path, network: Network) -> None:
    dissection = Dissection(Atlas(folder))
    plain = drawn(folder, network, 4, concepts={4: -1})
    tiles = drawn(folder, network, 4)
    assert dissection.layers[LAYER].best[4] == 0
    for tile, before, place in zip(tiles, plain, range(5), strict=True):
        path = dissection.images.paths[dissection.layers[LAYER].top.image[4, place]]
        labels = np.asarray(Image.open(path.parents[1] / "masks" / path.name)) == 1
        on_grid = labels[1::2, 1::2].repeat(16, axis=0).repeat(16, axis=1)
        line = (tile == YELLOW).all(axis=2)
        assert line.any()
        assert on_grid[line].all()
        padded = np.pad(on_grid, 1, mode="edge")
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        np.testing.assert_array_equal(line, on_grid & ~inner)
        changed = (tile != before).any(axis=2)
        assert not changed[inner].any()
        assert 0 < changed.mean() < 0.1


def test_what_covers_everything_has_no_outline() -> None:
    picture = np.full((8, 8, 3), 200, np.uint8)
    active = np.zeros((4, 4), bool)
    plain = masked_picture(picture, active, side=8)
    np.testing.assert_array_equal(masked_picture(picture, active, ~active, side=8), plain)
    np.testing.assert_array_equal(masked_picture(picture, active, active, side=8), plain)


def test_without_the_labels_there_is_no_outline(folder: Path, network: Network) -> None:
    before = drawn(folder, network, 4, concepts={4: -1})
    names = Dissection(Atlas(folder)).images.names
    labels = Path(Dissection(Atlas(folder)).settings.sources[0]) / "labels.csv"
    kept = labels.read_text()
    try:
        labels.write_text(kept.replace("ring", "thing"))
        np.testing.assert_array_equal(drawn(folder, network, 4), before)
    finally:
        labels.write_text(kept)
    assert names[0].startswith("set/")


def test_strips_are_stored_once(folder: Path, network: Network) -> None:
    atlas = Atlas(folder)
    dissection, strips = Dissection(atlas), Strips(folder)
    detectors = set(np.flatnonzero(dissection.layers[LAYER].detectors()).tolist())
    seen: list[tuple[int, int]] = []
    made = picture_concepts(
        network, atlas, dissection, progress=lambda done, total: seen.append((done, total))
    )
    assert (made.made, made.there, made.troubles) == (len(detectors), len(detectors), {})
    assert seen == [(k + 1, len(detectors)) for k in range(len(detectors))]
    stored = {int(path.stem) for path in (folder / "pictures/concepts/0").glob("*.webp")}
    assert stored == detectors
    first = strips.unit(0, min(detectors))
    content = first.read_bytes()
    first.write_bytes(content[:100])
    assert picture_concepts(network, atlas, dissection).made == 1
    assert first.read_bytes() == content
    every = picture_concepts(network, atlas, dissection, every=True)
    assert every.there == 4
    assert not strips.unit(0, DEAD).exists()
    assert without_strips(atlas, dissection) is False
    first.unlink()
    assert without_strips(atlas, dissection) is True


def test_strips_of_another_dissection_do_not_count(
    app: FastAPI, folder: Path, network: Network
) -> None:
    atlas, strips = Atlas(folder), Strips(folder)
    picture_concepts(network, atlas, Dissection(atlas), every=True)
    old = {unit: strips.unit(0, unit).read_bytes() for unit in (1, 3, 4)}
    before = ask(app, "/data/status.json").json()["revision"]
    path = "/pictures/concepts/0/4.webp"
    assert ask(app, path, query=f"v={before}").body == old[4]
    shutil.copytree(
        Path(Dissection(atlas).settings.sources[0]), folder.parent / "set", dirs_exist_ok=True
    )
    again = dissect_again(folder, 0.1)
    assert without_strips(atlas, again)
    after = ask(app, "/data/status.json").json()["revision"]
    assert after != before
    found = ask(app, path, query=f"v={after}")
    assert found.header("cache-control") == "private, max-age=31536000, immutable"
    assert found.body != old[4]
    assert strips.unit(0, 4).read_bytes() == old[4]
    picture_concepts(network, atlas, again, layers=[LAYER])
    for unit, content in old.items():
        there = strips.unit(0, unit)
        assert not there.exists() or there.read_bytes() != content
    assert ask(app, path).body == found.body


def test_the_server_makes_what_is_not_stored(app: FastAPI, folder: Path, network: Network) -> None:
    found = ask(app, "/pictures/concepts/0/4.webp")
    assert found.status == 200
    assert not (folder / "pictures" / "concepts").exists()
    strip = decode(found.body)
    assert strip.shape == (128, 5 * 128, 3)
    exact = np.concatenate(drawn(folder, network, 4), axis=1)
    assert abs(strip.astype(int) - exact).mean() < 6
    for wrong in (f"0/{DEAD}", "0/5", "1/0", "9/0"):
        answer = ask(app, f"/pictures/concepts/{wrong}.webp")
        assert answer.status == 404, wrong
        assert len(answer.json()["detail"]) > 20


def test_images_that_are_gone_are_named(folder: Path, network: Network, tmp_path: Path) -> None:
    shutil.copytree(
        Path(Dissection(Atlas(folder)).settings.sources[0]),
        folder.parent / "set",
        dirs_exist_ok=True,
    )
    dissection = dissect_again(folder, 0.2)
    layer = dissection.layers[LAYER]
    gone = int(layer.top.image[4, 0])
    dissection.images.paths[gone].unlink()
    hit = {u for u in (0, 1, 3, 4) if gone in layer.top.image[u, shown_images(layer, u)]}
    made = picture_concepts(network, Atlas(folder), dissection, every=True)
    assert set(made.troubles) == {f"{LAYER}:{unit}" for unit in hit}
    assert (made.made, made.there) == (4 - len(hit), 4 - len(hit))
    app = create_app(folder)
    found = ask(app, "/pictures/concepts/0/4.webp")
    app.state.stop()
    assert found.status == 500
    assert dissection.images.names[gone] in found.json()["detail"]


def test_the_export_is_what_the_server_answers(
    app: FastAPI, folder: Path, tmp_path: Path, network: Network
) -> None:
    picture_concepts(network, Atlas(folder), Dissection(Atlas(folder)), every=True)
    export(folder, tmp_path / "site")
    root = tmp_path / "site"
    strips = [f"pictures/concepts/0/{unit}.webp" for unit in (0, 1, 3, 4)]
    found = {path.relative_to(root).as_posix() for path in root.rglob("*concepts/**/*.webp")}
    assert found == set(strips)
    pages = ["data/concepts.json", *(f"data/concepts/{k}.json" for k in range(14))]
    assert not (root / "data/concepts/14.json").exists()
    for path in [*strips, *pages, "data/layers/0.json", "data/layers/0/units/4.json"]:
        assert (root / path).read_bytes() == ask(app, f"/{path}").body


def test_a_dissection_during_an_export_ends_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(
        Path(Dissection(Atlas(folder)).settings.sources[0]),
        folder.parent / "set",
        dirs_exist_ok=True,
    )

    def change(done: int, total: int) -> None:
        del total
        if done == 1:
            dissect_again(folder, 0.1)

    with pytest.raises(AtlasError, match=r"concepts of .* changed while it was exported"):
        export(folder, tmp_path / "site", progress=change)


def test_strips_are_another_command_s_than_the_other_pictures(
    folder: Path, tiny_atlas: Path
) -> None:
    assert without_pictures(Atlas(folder)) is without_pictures(Atlas(tiny_atlas)) is True


@pytest.mark.parametrize("name", ["dissection.json", "images.json", "layers/0000.safetensors"])
@pytest.mark.parametrize("cut", [0, 100, None], ids=["empty", "cut", "gone"])
def test_damaged_results_do_not_break_the_page(folder: Path, name: str, cut: int | None) -> None:
    path = folder / "dissection" / name
    content = path.read_bytes()
    path.unlink()
    if cut is not None:
        path.write_bytes(content[:cut])
    app = create_app(folder)
    for asked in ("network", "layers/0", "layers/0/units/4", "layers/1", "status"):
        assert ask(app, f"/data/{asked}.json").status == 200, asked
    page = ask(app, "/data/layers/0.json").json()
    assert page["concepts"] is page["columns"]["concept"] is None
    assert ask(app, "/data/layers/0/units/4.json").json()["concepts"] is None
    assert ask(app, "/pictures/concepts/0/4.webp").status == 404
    concepts = ask(app, "/data/concepts.json")
    assert concepts.status == (200 if name.startswith("layers") else 404)
    app.state.stop()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("dissection.json", {"pixels": [1, 2]}),
        ("dissection.json", {"concepts": [["one", "object"]], "pixels": [1]}),
        ("dissection.json", {"concepts": [], "pixels": []}),
        ("dissection.json", {"layers": [{"address": LAYER, "file": None, "sha256": ""}]}),
        ("images.json", {"names": ["one.png"], "paths": ["one.png"]}),
        ("images.json", {"paths": []}),
    ],
)
def test_results_that_do_not_agree_count_as_damaged(
    folder: Path, name: str, damage: dict[str, Any]
) -> None:
    path = folder / "dissection" / name
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    app = create_app(folder)
    for asked in ("network", "layers/0", "layers/0/units/4", "layers/1"):
        assert ask(app, f"/data/{asked}.json").status == 200, asked
    assert ask(app, "/data/layers/0/units/4.json").json()["concepts"] is None
    assert ask(app, "/pictures/concepts/0/4.webp").status == 404
    app.state.stop()


@pytest.mark.parametrize(("name", "bad"), [("ratio", 0), ("quantile", float("nan"))])
def test_settings_that_cannot_be_count_as_damaged(folder: Path, name: str, bad: float) -> None:
    path = folder / "dissection/dissection.json"
    found = json.loads(path.read_text())
    found["settings"][name] = bad
    path.write_text(json.dumps(found))
    app = create_app(folder)
    assert ask(app, "/data/network.json").json()["dissection"] is None
    app.state.stop()


def test_a_damaged_strip_is_made_anew(app: FastAPI, folder: Path, network: Network) -> None:
    picture_concepts(network, Atlas(folder), Dissection(Atlas(folder)))
    path = Strips(folder).unit(0, 4)
    stored = path.read_bytes()
    for content in (stored[: len(stored) // 2], b""):
        path.write_bytes(content)
        assert ask(app, "/pictures/concepts/0/4.webp").body == stored
    note = folder / "pictures/concepts/0.json"
    note.write_bytes(b"{")
    assert ask(app, "/pictures/concepts/0/4.webp").body == stored


def test_of_an_unfinished_atlas_nothing_is_told(folder: Path) -> None:
    atlas = Atlas(folder)
    assert NewestDissection(atlas).now() is not None
    atlas.finished = False
    assert NewestDissection(atlas).now() is None


def test_the_sheet_shows_the_best_units(folder: Path, network: Network) -> None:
    atlas = Atlas(folder)
    dissection = Dissection(atlas)
    detectors = int(dissection.layers[LAYER].detectors().sum())
    rows = []
    for count in (1, 2, 12):
        picture = detector_sheet(network, atlas, dissection, LAYER, count=count, columns=1)
        rows.append(picture.shape[0])
    assert detectors == 4
    assert rows[2] - rows[1] == 2 * (rows[1] - rows[0])
    one = detector_sheet(network, atlas, dissection, LAYER, count=1)
    strip = np.concatenate(drawn(folder, network, 4), axis=1)
    height = len(one) - 128
    assert any((one[top : top + 128, :128] == strip[:, :128]).all() for top in range(height + 1))
    with pytest.raises(AddressError, match=r"no unit of 1 has an IoU above 0$"):
        detector_sheet(network, atlas, dissection, LAYER, concept="never")
    with pytest.raises(AddressError, match=r"'3' is not dissected"):
        detector_sheet(network, atlas, dissection, "3")


def test_concepts_are_found_by_name() -> None:
    concepts = [Concept("sky", "object"), Concept("blue", "colour"), Concept("sky", "room")]
    assert find_concept(concepts, "object:sky") == 0
    with pytest.raises(AddressError, match="several categories: object:sky, room:sky"):
        find_concept(concepts, "sky")
    with pytest.raises(AddressError, match=r"'blu'; the nearest of 3 are blue"):
        find_concept(concepts, "blu")


def test_the_command_draws_a_sheet(folder: Path, network: Network, tmp_path: Path) -> None:
    atlas, out = Atlas(folder), tmp_path / "sheet.png"
    asked = ["dissect", "sheet", str(folder), "--layer", LAYER, "--count", "2", "-o", str(out)]
    assert CliRunner().invoke(cli, asked).exit_code == 0
    wanted = detector_sheet(network, atlas, Dissection(atlas), LAYER, count=2)
    np.testing.assert_array_equal(decode(out), wanted)
    wrong = CliRunner().invoke(cli, [*asked, "--concept", "nonsense"])
    assert isinstance(wrong.exception, AddressError)
