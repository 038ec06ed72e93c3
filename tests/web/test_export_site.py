"""The exported site: the server's answers as files, whole or not there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from striate.atlas.illustrate import illustrate
from striate.atlas.recipe import image_paths, network_of
from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError
from striate.web import export as exporting
from striate.web.app import create_app
from striate.web.export import MARKER, export
from striate.web.site import AGAIN, INDEX, static_files
from web.tiny import ask, build_tiny


@pytest.fixture(scope="module")
def illustrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of this module's own, with its pictures on disk."""
    folder = build_tiny(tmp_path_factory.mktemp("illustrated"))
    atlas = Atlas(folder)
    illustrate(network_of(atlas), atlas, image_paths(atlas))
    return folder


@pytest.fixture(scope="module")
def site(illustrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sites") / "my site"
    made = export(illustrated, folder)
    files = content(folder)
    assert made.files == len(files)
    assert made.bytes == sum(map(len, files.values()))
    return folder


@pytest.fixture(scope="module")
def app(illustrated: Path) -> Iterator[FastAPI]:
    app = create_app(illustrated)
    yield app
    app.state.stop()


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def addresses(app: FastAPI, atlas: Atlas) -> set[str]:
    """Every address that the application answers, from its routes and the atlas's sizes."""
    layers = list(atlas.layers.values())
    images, names = range(len(atlas.images)), range(-(-len(atlas.images) // 500))
    known = {
        "/": [INDEX],
        "/static/{name}": [f"static/{name}" for name in {*static_files()} - {INDEX, AGAIN}],
        "/data/status.json": ["data/status.json"],
        "/data/network.json": ["data/network.json"],
        "/data/graph.json": ["data/graph.json"],
        "/data/classes.json": ["data/classes.json"],
        "/data/classes/{index}.json": [f"data/classes/{k}.json" for k in atlas.class_names],
        "/data/layers/{layer}.json": [f"data/layers/{row.number}.json" for row in layers],
        "/data/layers/{layer}/units/{unit}.json": [
            f"data/layers/{row.number}/units/{u}.json" for row in layers for u in range(row.units)
        ],
        "/data/images/names/{page}.json": [f"data/images/names/{k}.json" for k in names],
        "/data/images/{image}.json": [f"data/images/{k}.json" for k in images],
        "/pictures/samples/{page}.webp": ["pictures/samples/0.webp"],
        "/pictures/layers/{layer}/{view}/{page}.webp": [
            f"pictures/layers/{row.number}/{view}/{page}.webp"
            for row in layers for view in ("crop", "mean", "projection")
            for page in range(-(-row.units // 64))
        ],
        "/pictures/units/{layer}/{unit}.webp": [
            f"pictures/units/{row.number}/{u}.webp" for row in layers for u in range(row.units)
        ],
        "/data/concepts.json": [],
        "/data/concepts/{index}.json": [],
        "/pictures/concepts/{layer}/{unit}.webp": [],
        "/pictures/layers/{layer}/synthetic/{page}.webp": [],
        "/pictures/synthetic/{layer}/{unit}.webp": [],
        "/pictures/thumbnails/{page}.webp": ["pictures/thumbnails/0.webp"],
        "/pictures/images/{image}.webp": [f"pictures/images/{k}.webp" for k in images],
    }  # fmt: skip
    assert set(app.openapi()["paths"]) == set(known)
    return {address for found in known.values() for address in found}


def test_the_files_are_what_the_server_answers(app: FastAPI, illustrated: Path, site: Path) -> None:
    files = content(site)
    expected = addresses(app, Atlas(illustrated))
    unreadable = "pictures/images/4.webp"
    assert set(files) == (expected - {unreadable}) | {".nojekyll", MARKER}
    for address in sorted(expected):
        found = ask(app, f"/{address}")
        if address == unreadable:
            assert found.status == 404
            continue
        assert found.status == 200, (address, found.body)
        assert found.body == files[address], address


def test_nothing_of_this_machine_is_in_it(illustrated: Path, site: Path) -> None:
    here = [str(illustrated.parent), str(Path.home()) + "/", str(Path.cwd()), "/tests/"]
    for name, file in content(site).items():
        for place in here:
            assert place.encode() not in file, (name, place)


def test_an_export_may_be_repeated_and_is_the_same(
    illustrated: Path, site: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "again")
    (tmp_path / "again" / "static" / "left over.js").write_text("of an older version")
    export(illustrated, tmp_path / "again")
    assert content(tmp_path / "again") == content(site)
    (tmp_path / "empty").mkdir()
    export(illustrated, tmp_path / "empty")
    assert content(tmp_path / "empty") == content(site)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "empty"]


def test_interrupted_it_goes_on(
    illustrated: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_STEP", 20)
    target = tmp_path / "site"

    def stop(done: int, total: int) -> None:
        del total
        if done == 70:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(illustrated, target, progress=stop)
    assert not target.exists()
    (tmp_path / ".site.part" / INDEX).write_text("a file that counts as done")
    seen: list[int] = []
    export(illustrated, target, progress=lambda done, _: seen.append(done))
    assert seen[0] == 61
    files = content(target)
    assert files.pop(INDEX) == b"a file that counts as done"
    assert files == {k: v for k, v in content(site).items() if k != INDEX}


def test_another_atlas_does_not_go_on_there(
    illustrated: Path, tiny_atlas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_STEP", 20)
    monkeypatch.setattr(exporting, "__version__", "another")
    with pytest.raises(ZeroDivisionError):
        export(illustrated, tmp_path / "site", progress=lambda done, _: 1 // (70 - done))
    monkeypatch.undo()
    seen: list[int] = []
    export(illustrated, tmp_path / "site", progress=lambda done, _: seen.append(done))
    assert seen[0] == 1


@pytest.mark.parametrize("kind", ["file", "folder", "link", "atlas"])
def test_it_writes_over_nothing_else(illustrated: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "site"
    if kind == "atlas":
        target = illustrated
    elif kind == "file":
        target.write_text("mine")
    elif kind == "link":
        target.symlink_to(tmp_path / "nowhere")
    else:
        target.mkdir()
        (target / "thesis.tex").write_text("mine")
    before = content(tmp_path)
    with pytest.raises(AtlasError, match=f"holds something else.*{MARKER}"):
        export(illustrated, target)
    assert content(tmp_path) == before


def test_what_was_put_beside_the_page_stays(illustrated: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    export(illustrated, site)
    first = content(site)
    (site / ".git").mkdir()
    (site / ".git" / "HEAD").write_text("ref: refs/heads/pages")
    (site / "CNAME").write_text("units.example")
    (site / "data" / "stale.json").write_text("{}")
    export(illustrated, site)
    others = {".git/HEAD": b"ref: refs/heads/pages", "CNAME": b"units.example"}
    assert content(site) == {**first, **others}
    # Stopped after the new site is in its place: the next one brings what was still beside it.
    site.rename(tmp_path / ".site.old")
    export(illustrated, site)
    assert content(site) == {**first, **others}
    assert not (tmp_path / ".site.old").exists()


def test_an_unfinished_atlas_is_refused(tmp_path: Path) -> None:
    unfinished = build_tiny(tmp_path, shards=1)
    with pytest.raises(AtlasError, match="is not finished, 4 of 11 images"):
        export(unfinished, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_full_disk_is_said(
    illustrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes, count = Path.write_bytes, iter(range(10_000))

    def full(path: Path, data: Any) -> int:
        if next(count) == 30:
            raise OSError(28, "No space left on device")
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(AtlasError, match=r"No space left on device\. What is done is kept"):
        export(illustrated, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_the_marker_says_what_it_is(illustrated: Path, site: Path) -> None:
    said = json.loads((site / MARKER).read_bytes())
    assert said["atlas"] == Atlas(illustrated).plan.hash()
    assert said["files"] == len(content(site))
