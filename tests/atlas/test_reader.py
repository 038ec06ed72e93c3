"""Reading a finished atlas: shapes of answers, wrong addresses, damaged files."""

import hashlib
import json
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import striate
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError, AtlasError


def test_summary(finished_atlas: Atlas) -> None:
    summary = finished_atlas.summary()
    assert summary["network"] == "small"
    assert (summary["images"], summary["seen"], summary["skipped"]) == (10, 10, 0)
    assert summary["units"] == 4 + 5 + 3
    assert [layer["layer"] for layer in summary["layers"]] == ["1", "4", "6"]
    first, second, third = summary["layers"]
    assert first == {
        "layer": "1", "operation": "relu", "units": 4, "map_size": [16, 16],
        "receptive_field": [3, 3], "dead": first["dead"],
    }  # fmt: skip
    assert (second["map_size"], second["receptive_field"]) == ([8, 8], [8, 8])
    assert third["map_size"] == [1, 1]
    json.dumps(summary)


def test_units(finished_atlas: Atlas) -> None:
    units = finished_atlas.units("4")
    assert [unit["unit"] for unit in units] == [0, 1, 2, 3, 4]
    summary = finished_atlas.summary_of("4")
    for unit in units:
        place = unit["unit"]
        assert {"unit", "max", "mean", "fires", "top"} <= set(unit)
        moments = summary.moments
        assert unit["max"] == moments.maximum[place]
        assert unit["mean"] == pytest.approx(moments.total[place] / (10 * 64))
        assert unit["deviation"] == pytest.approx(np.sqrt(moments.variance[place]))
        assert unit["fires"] == moments.fired_images[place] / 10
        assert unit["fires_places"] == moments.fired_places[place] / 640
        assert unit["dead"] is bool(moments.fired_images[place] == 0)
        values = [entry["value"] for entry in unit["top"]]
        assert values == sorted(values, reverse=True)
        assert len({entry["image"] for entry in unit["top"]}) == 9
        for entry in unit["top"]:
            assert set(entry) == {"image", "file", "value", "row", "column", "box"}
            assert entry["file"] == f"{entry['image']:02d}.png"
            assert 0 <= entry["row"] < 8
            assert 0 <= entry["column"] < 8
            top, left, bottom, right = entry["box"]
            assert 0 <= top < bottom <= 16
            assert 0 <= left < right <= 16
            assert top == max(0, 2 * entry["row"] - 3)
            assert right == min(16, 2 * entry["column"] + 5)
        if unit["top"]:
            assert unit["top"][0]["value"] == unit["max"]
    json.dumps(units, allow_nan=False)


def test_columns_are_those_of_the_units(finished_atlas: Atlas) -> None:
    for address in finished_atlas.layers:
        columns, units = finished_atlas.columns(address), finished_atlas.units(address)
        assert columns.pop("maximum") == [unit["max"] for unit in units]
        tops = [unit["top"][0]["image"] if unit["top"] else None for unit in units]
        assert columns.pop("top_image") == tops
        assert set(columns) == {
            "mean", "fires", "fires_places", "selectivity", "best_class", "dead",
        }  # fmt: skip
        for name, column in columns.items():
            assert column == [unit[name] for unit in units], name


def test_one_unit_is_that_of_all(finished_atlas: Atlas) -> None:
    variance = finished_atlas.summary_of("4").moments.variance
    for number, unit in enumerate(finished_atlas.units("4")):
        alone = finished_atlas.unit(f"4:{number}")
        assert {name: alone[name] for name in unit} == unit
        assert alone["variance"] == pytest.approx(variance[number])


def test_images(finished_atlas: Atlas) -> None:
    images = finished_atlas.images
    assert [image.id for image in images] == list(range(10))
    assert [image.name for image in images] == finished_atlas.image_names
    assert all(image.seen and image.bytes > 100 for image in images)
    assert {(image.label, image.rank, image.skipped) for image in images} == {(None, None, None)}
    assert all(sorted(image.best) == [0, 1, 2] for image in images)
    assert (finished_atlas.seen, finished_atlas.finished) == (10, True)
    assert finished_atlas.home == finished_atlas.folder


def test_graph(finished_atlas: Atlas) -> None:
    nodes = finished_atlas.graph["nodes"]
    assert nodes[0] == {
        "address": "images", "operation": "input", "units": 3, "map_size": [16, 16],
        "layer": None, "rank": 0, "column": 0,
    }  # fmt: skip
    numbers = {node["address"]: node["layer"] for node in nodes if node["layer"] is not None}
    assert numbers == {"1": 0, "4": 1, "6": 2}
    assert finished_atlas.graph["edges"] == [[k, k + 1] for k in range(len(nodes) - 1)]


def test_entries(finished_atlas: Atlas) -> None:
    for unit, entries in zip(finished_atlas.units("1"), finished_atlas.top("1"), strict=True):
        for shown, entry in zip(unit["top"], entries, strict=True):
            assert (shown["image"], shown["value"]) == (entry.image, entry.value)
            assert (shown["row"], shown["column"]) == (entry.row, entry.column)
            assert shown["box"] == list(entry.box)


def test_class_names(finished_atlas: Atlas) -> None:
    assert finished_atlas.class_names == {}


def test_image_names_and_skipped(finished_atlas: Atlas) -> None:
    assert finished_atlas.image_names == [f"{number:02d}.png" for number in range(10)]
    assert finished_atlas.skipped() == []


@pytest.mark.parametrize("address", ["5", "layer1.relu", "no:3", "11"])
def test_an_unknown_layer(finished_atlas: Atlas, address: str) -> None:
    for ask in (finished_atlas.layer, finished_atlas.units, finished_atlas.top):
        with pytest.raises(AddressError, match="nearest of its 3"):
            ask(address)


@pytest.mark.parametrize("address", ["4:5", "1:4", "6:99999"])
def test_an_unknown_unit(finished_atlas: Atlas, address: str) -> None:
    with pytest.raises(AddressError, match=r"has units 0 to \d"):
        finished_atlas.layer(address)


@pytest.mark.parametrize("address", ["", "4:", "4:x", "4:1@2", "a b"])
def test_no_address_at_all(finished_atlas: Atlas, address: str) -> None:
    with pytest.raises(AddressError, match="no address"):
        finished_atlas.layer(address)


def test_reading_changes_nothing(finished_atlas: Atlas, tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(finished_atlas.folder, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    read_all(folder)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


# --- folders that hold none ----------------------------------------------------------------------


def test_no_atlas(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="holds no atlas"):
        Atlas(tmp_path)
    with pytest.raises(AtlasError, match="holds no atlas"):
        Atlas(tmp_path / "nowhere")


def in_format(atlas: Atlas, folder: Path, version: int) -> Path:
    shutil.copytree(atlas.folder, folder)
    connection = sqlite3.connect(folder / "atlas.sqlite")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    digest = hashlib.sha256((folder / "atlas.sqlite").read_bytes()).hexdigest()
    (folder / "atlas.sha256").write_text(digest)
    return folder


def test_another_format(finished_atlas: Atlas, tmp_path: Path) -> None:
    folder = in_format(finished_atlas, tmp_path / "atlas", 7)
    with pytest.raises(AtlasError, match="has format 7; this striate reads format 2"):
        Atlas(folder)


def test_an_older_format(finished_atlas: Atlas, tmp_path: Path) -> None:
    folder = in_format(finished_atlas, tmp_path / "atlas", 1)
    with pytest.raises(
        AtlasError, match=r"older striate \(format 1\): build it again with --restart"
    ):
        Atlas(folder)


def read_all(folder: Path) -> str:
    """Ask for everything there is; return the digest."""
    atlas = striate.Atlas(folder)
    atlas.summary()
    assert isinstance(atlas.class_names, dict)
    atlas.skipped()
    assert (atlas.seen, len(atlas.images)) == (10, 10)
    assert set(atlas.graph) == {"nodes", "edges"}
    for address in atlas.layers:
        atlas.units(address)
        atlas.columns(address)
        atlas.summary_of(address)
        np.nanmax(atlas.responses(address))
    return atlas.digest()


def flipped(folder: Path, chance: random.Random) -> str:
    """Flip one bit of one file; return where."""
    files = sorted(p for p in folder.rglob("*") if p.suffix in {".sqlite", ".safetensors"})
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    place, bit = chance.randrange(len(content)), chance.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"{path.name} byte {place} bit {bit}"


def test_one_flipped_bit_is_noticed(finished_atlas: Atlas, tmp_path: Path) -> None:
    """S13: one clear error, or another digest; never another kind of error."""
    wanted, chance = finished_atlas.digest(), random.Random(20131112)  # noqa: S311
    wrong = []
    for number in range(150):
        folder = tmp_path / str(number)
        shutil.copytree(finished_atlas.folder, folder)
        where = flipped(folder, chance)
        try:
            if read_all(folder) == wanted:
                wrong.append(f"{where}: not noticed")
        except AtlasError:
            pass
        except Exception as error:  # whatever it is, it should have been an AtlasError
            wrong.append(f"{where}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "name", ["atlas.sqlite", "layers/0001.safetensors", "responses/0001.safetensors"]
)
@pytest.mark.parametrize("length", [0, 1, 100, 4096, -1])
def test_truncated_files(finished_atlas: Atlas, tmp_path: Path, name: str, length: int) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(finished_atlas.folder, folder)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: min(length, len(content) - 2)])
    try:
        digest = read_all(folder)
    except AtlasError:
        return
    assert digest != finished_atlas.digest()


@pytest.mark.parametrize("kind", ["layers", "responses"])
def test_a_missing_file(finished_atlas: Atlas, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(finished_atlas.folder, folder)
    (folder / kind / "0000.safetensors").unlink()
    with pytest.raises(AtlasError, match="0000"):
        read_all(folder)


def test_all_of_a_unit(finished_atlas: Atlas) -> None:
    unit = finished_atlas.unit("1:2")
    assert all(low < high and count > 0 for low, high, count in unit["histogram"])
    assert sum(count for _, _, count in unit["histogram"]) == 16 * unit["images"]
    assert unit["places"] == 16 * 16 * unit["images"]
    with pytest.raises(AddressError, match="name a unit"):
        finished_atlas.unit("1")
