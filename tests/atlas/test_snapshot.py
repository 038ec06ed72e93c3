"""An atlas looked at while the pass goes on: what it says, and that the pass notices nothing."""

import gc
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from building import BATCH, SHARD, Build, content, interrupted, small_network

from striate.atlas import snapshot
from striate.atlas.recipe import image_paths
from striate.atlas.snapshot import open_atlas, revision_of
from striate.atlas.store.ledger import Ledger
from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError


def state(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Everything in a folder, the folders too: when it changed, and what is in it."""
    return {
        path.as_posix(): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in [folder, *sorted(folder.rglob("*"))]
    }


@pytest.fixture
def begun(build: Build, pictures_folder: Path, tmp_path: Path) -> Path:
    """A pass that has done two of three shards."""
    interrupted(build, pictures_folder, tmp_path / "begun", 10)
    return tmp_path / "begun"


def only_first(pictures_folder: Path, folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        shutil.copy(pictures_folder / f"{number:02d}.png", folder)
    return folder


# --- what it says --------------------------------------------------------------------------------


def test_a_snapshot_is_the_atlas_of_the_images_seen(
    build: Build, begun: Path, pictures_folder: Path, tmp_path: Path
) -> None:
    found = open_atlas(begun)
    assert (found.finished, found.seen, found.home) == (False, 2 * SHARD, begun)
    assert found.folder != begun
    wanted = build(only_first(pictures_folder, tmp_path / "first", 8), tmp_path / "whole")
    for layer in wanted.layers:
        for name, array in wanted.summary_of(layer).to_arrays().items():
            np.testing.assert_array_equal(
                found.summary_of(layer).to_arrays()[name], array, err_msg=f"{layer} {name}"
            )
        assert found.units(layer) == wanted.units(layer)
        assert found.columns(layer) == wanted.columns(layer)
        responses = found.responses(layer)
        np.testing.assert_array_equal(responses[:8], wanted.responses(layer))
        assert np.isnan(responses[8:]).all()
    assert found.images[:8] == wanted.images
    assert [(image.seen, image.skipped, image.best) for image in found.images[8:]] == [
        (False, None, ())
    ] * 2
    assert (found.summary()["images"], found.summary()["seen"]) == (10, 8)
    assert found.graph == wanted.graph


def test_every_unit_can_be_asked_for(begun: Path) -> None:
    found = open_atlas(begun)
    for layer, row in found.layers.items():
        for unit in range(row.units):
            assert found.unit(f"{layer}:{unit}")["images"] == 8
    assert len(found.digest()) == 64


def test_bad_pictures_of_a_snapshot(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    shutil.copytree(pictures_folder, images)
    for number in (1, 9):
        (images / f"{number:02d}.png").write_bytes(b"no picture")
    interrupted(build, images, tmp_path / "atlas", 8)
    found = open_atlas(tmp_path / "atlas")
    assert [name for name, _ in found.skipped()] == ["01.png"]
    assert found.seen == 3


def test_shards_done_out_of_order(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    interrupted(build, pictures_folder, tmp_path, 10)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute("DELETE FROM shards WHERE number = 0")
    connection.close()
    found = open_atlas(tmp_path)
    assert [image.id for image in found.images if image.seen] == [4, 5, 6, 7]


def test_a_finished_atlas_is_opened_as_it_is(finished_atlas: Atlas) -> None:
    found = open_atlas(finished_atlas.folder)
    assert (found.finished, found.folder, found.home) == (True, *[finished_atlas.folder] * 2)
    assert found.revision == finished_atlas.revision == revision_of(finished_atlas.folder)


def test_before_the_first_shard(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    interrupted(build, pictures_folder, tmp_path, 1)
    with pytest.raises(AtlasError, match="no shard of 4 images is done yet"):
        open_atlas(tmp_path)
    assert revision_of(tmp_path)


def test_no_atlas_at_all(tmp_path: Path) -> None:
    for ask in (open_atlas, revision_of):
        with pytest.raises(AtlasError, match="holds no atlas"):
            ask(tmp_path)
        with pytest.raises(AtlasError, match="holds no atlas"):
            ask(tmp_path / "nowhere")


def test_pictures_can_be_found_while_the_pass_runs(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    found = []

    def look(_: object) -> None:
        if (tmp_path / "shards" / "00000.safetensors").exists() and not found:
            found.extend(image_paths(open_atlas(tmp_path)))

    build(pictures_folder, tmp_path, progress=look)
    assert found == [pictures_folder / f"{number:02d}.png" for number in range(10)]


# --- the pass notices nothing --------------------------------------------------------------------


def test_looking_changes_nothing(begun: Path) -> None:
    before = state(begun)
    for _ in range(2):
        open_atlas(begun).summary()
        revision_of(begun)
    assert state(begun) == before


def test_a_pass_that_is_watched_makes_the_same_atlas(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_atlas: Atlas
) -> None:
    seen, revisions, kept = [], [], []

    def look(_: object) -> None:
        revisions.append(revision_of(tmp_path))
        try:
            kept.append(open_atlas(tmp_path))
            assert kept[-1].revision == revisions[-1]
            seen.append(kept[-1].seen)
        except AtlasError as error:
            assert "is done yet" in str(error)  # noqa: PT017 - either is right

    atlas = build(pictures_folder, tmp_path, progress=look)
    assert content(tmp_path) == content(finished_atlas.folder)
    assert sorted(set(seen)) == [4, 8, 10]
    revisions.append(atlas.revision)
    assert len(set(revisions)) == 5, "before the first shard, after each of three, finished"
    assert kept[0].summary_of("4").moments.images[0] == 4, "an older snapshot can still be read"


def test_it_takes_no_lock(build: Build, begun: Path, pictures_folder: Path) -> None:
    """A reader in the middle of its reading does not keep the pass from going on."""
    connection = sqlite3.connect(f"{(begun / 'ledger.sqlite').as_uri()}?mode=ro", uri=True)
    kept = open_atlas(begun)
    assert build(pictures_folder, begun).finished
    assert kept.seen == 8
    connection.close()


# --- trouble -------------------------------------------------------------------------------------


def test_a_damaged_shard_is_left_out(begun: Path) -> None:
    revision = revision_of(begun)
    shard = begun / "shards" / "00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    before = state(begun)
    found = open_atlas(begun)
    assert [image.id for image in found.images if image.seen] == [0, 1, 2, 3]
    assert found.revision == revision
    (begun / "shards" / "00000.safetensors").unlink()
    with pytest.raises(AtlasError, match="no shard of 4 images is done yet"):
        open_atlas(begun)
    assert before.keys() - state(begun).keys() == {
        (begun / "shards" / "00000.safetensors").as_posix()
    }


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\7" * 5000])
def test_a_torn_ledger_is_one_clear_error(begun: Path, content: bytes) -> None:
    (begun / "ledger.sqlite").write_bytes(content)
    before = state(begun)
    with pytest.raises(AtlasError, match="ledger"):
        open_atlas(begun)
    assert state(begun) == before


def test_a_pass_that_ends_meanwhile(
    build: Build, begun: Path, pictures_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shards go away while they are merged: what comes is the finished atlas."""
    real = snapshot.write_atlas

    def late(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(snapshot, "write_atlas", real)
        build(pictures_folder, begun)
        real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot, "write_atlas", late)
    assert open_atlas(begun).finished


def test_a_pass_that_goes_on_meanwhile(
    build: Build, begun: Path, pictures_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard is done and trouble comes at once: the second try finds it."""
    real = snapshot.write_atlas

    def late(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(snapshot, "write_atlas", real)
        interrupted(build, pictures_folder, begun, 8)
        msg = "a shard was replaced"
        raise AtlasError(msg)

    interrupted(build, pictures_folder, begun, 5, restart=True)
    monkeypatch.setattr(snapshot, "write_atlas", late)
    assert Ledger(begun, read_only=True).done() == {0: 4}
    after_commit = iter([False, False, True])
    monkeypatch.setattr("building.stop_at", lambda _: stop_when(after_commit))
    assert open_atlas(begun).seen == 8


def stop_when(times: Iterator[bool]) -> Callable[[object], None]:
    def progress(_: object) -> None:
        if next(times):
            raise KeyboardInterrupt

    return progress


def test_a_journal_that_a_killed_pass_left(begun: Path, tmp_path: Path) -> None:
    """The ledger as it lies when a pass is killed within a transaction: rolled back, in a copy."""
    wanted = revision_of(begun)
    connection = sqlite3.connect(begun / "ledger.sqlite", isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    connection.execute("UPDATE shards SET sha256 = 'another'")
    connection.execute("INSERT INTO shards VALUES (7, 'x', 'y', 1, ?)", ("[]" * 50_000,))
    killed = tmp_path / "killed"
    shutil.copytree(begun, killed)
    connection.close()
    assert (killed / "ledger.sqlite-journal").stat().st_size > 512
    plain = sqlite3.connect(f"{(killed / 'ledger.sqlite').as_uri()}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError):
        plain.execute("SELECT * FROM shards").fetchall()
    plain.close()
    before = state(killed)
    assert revision_of(killed) == wanted
    assert open_atlas(killed).seen == 8
    assert state(killed) == before


# --- the folder of its own -----------------------------------------------------------------------


def test_its_folder_goes_with_it(begun: Path) -> None:
    found = open_atlas(begun)
    folder = found.folder
    responses = found.responses("1")
    assert (folder / "atlas.sqlite").exists()
    del found
    gc.collect()
    assert not folder.exists()
    assert np.isfinite(responses[:8]).all(), "what is mapped stays readable"


def test_a_snapshot_that_fails_leaves_nothing(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def failing(*_arguments: object, **_options: object) -> None:
        msg = "the disk is full"
        raise AtlasError(msg)

    monkeypatch.setattr(snapshot, "write_atlas", failing)
    with pytest.raises(AtlasError, match="the disk is full"):
        open_atlas(begun)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_its_folder_goes_when_the_process_ends(begun: Path) -> None:
    code = (
        "import sys; from striate.atlas.snapshot import open_atlas; import json\n"
        "kept = open_atlas(sys.argv[1]); print(json.dumps([str(kept.folder), kept.seen]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, begun], capture_output=True, text=True, check=True
    )
    folder, seen = json.loads(run.stdout)
    assert seen == 8
    assert not Path(folder).exists()


def test_the_facts_of_an_earlier_run_are_kept(
    build: Build, begun: Path, pictures_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes seconds on large networks is worked out once, not at each resumption."""

    def never(*_: object) -> None:
        pytest.fail("facts are worked out again")

    monkeypatch.setattr("striate.atlas.engines.local.facts_of", never)
    assert build(pictures_folder, begun, batch=BATCH).finished


def test_a_ledger_without_facts_gets_them(
    build: Build, begun: Path, pictures_folder: Path, finished_digest: str
) -> None:
    with sqlite3.connect(begun / "ledger.sqlite") as connection:
        connection.execute("DELETE FROM facts")
    connection.close()
    with pytest.raises(AtlasError, match="run the same"):
        open_atlas(begun)
    assert build(pictures_folder, begun).digest() == finished_digest


def test_class_names_may_come_later(build: Build, begun: Path, pictures_folder: Path) -> None:
    named = small_network(class_names=("ant", "bee", "cat"))
    assert open_atlas(begun).class_names == {}
    atlas = build(pictures_folder, begun, network=named)
    assert atlas.class_names == {0: "ant", 1: "bee", 2: "cat"}


# --- between two looks ---------------------------------------------------------------------------


def test_a_pass_that_ends_while_its_revision_is_asked_for(
    build: Build, begun: Path, pictures_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = snapshot.Ledger

    def late(*arguments: object, **options: object) -> Ledger:
        monkeypatch.setattr(snapshot, "Ledger", real)
        build(pictures_folder, begun)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot, "Ledger", late)
    assert revision_of(begun) == Atlas(begun).revision


def test_what_a_killed_restart_left_is_no_atlas(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    build(pictures_folder, tmp_path)
    (tmp_path / "atlas.sqlite").unlink()
    for ask in (open_atlas, revision_of):
        with pytest.raises(AtlasError, match="holds no atlas"):
            ask(tmp_path)


def test_an_atlas_that_never_holds_still(begun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        msg = "a shard is gone"
        raise AtlasError(msg)

    revisions = iter(range(100))
    monkeypatch.setattr(snapshot, "revision_of", lambda _: str(next(revisions)))
    monkeypatch.setattr(snapshot, "_snapshot", gone)
    monkeypatch.setattr(snapshot, "_PAUSE", 0.0)
    with pytest.raises(AtlasError, match="changes faster than it can be read"):
        open_atlas(begun)
