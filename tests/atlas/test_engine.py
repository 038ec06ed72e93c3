"""Atlases of folders of pictures: what is in them, what is refused, what is skipped."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from building import BATCH, Build, content, draw, interrupted, small_network
from PIL import Image
from test_observe import equal, integers, small
from torch import nn

import striate
from oracles.atlas_oracle import hooked, ranks, summarize
from striate.atlas.engines.local import Progress, build_atlas
from striate.errors import AddressError, AtlasError, ImageError, StriateError


def copied(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to)
    return to


# --- what is in it -------------------------------------------------------------------------------


def test_an_atlas_holds_what_the_oracle_says(
    build: Build, network, pictures_folder: Path, tmp_path: Path
) -> None:
    atlas = build(pictures_folder, tmp_path)
    images = torch.stack([network.read(pictures_folder / f"{n:02d}.png") for n in range(10)])
    maps = hooked(small(), images, ["1", "4"])
    for name in ("1", "4"):
        found, wanted = atlas.summary_of(name), summarize(maps[name], range(10), [-1] * 10, 9)
        loose = ("top.value", "moments.total", "moments.squares", "moments.maximum")
        equal(found, wanted, but=(*loose, "by_class.total", "histogram.counts"))
        for field in loose:
            np.testing.assert_allclose(found.to_arrays()[field], wanted[field], rtol=1e-5)
        moved = np.abs(found.histogram.counts - wanted["histogram.counts"]).sum()
        assert moved <= 4, "rounding moves a value over an edge now and then, not more"


def test_digest_knows_no_path(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str
) -> None:
    moved = copied(pictures_folder, tmp_path / "pictures of mine")
    atlas = build(moved, tmp_path / "an atlas")
    assert atlas.digest() == finished_digest
    shutil.move(tmp_path / "an atlas", tmp_path / "moved")
    assert striate.Atlas(tmp_path / "moved").digest() == finished_digest


def test_digest_knows_no_path_where_pictures_are_bad(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    digests = []
    for name in ("one", "another"):
        images = copied(pictures_folder, tmp_path / name)
        (images / "05.png").write_bytes(b"no picture")
        digests.append(build(images, tmp_path / f"{name}-atlas").digest())
    assert digests[0] == digests[1]


@pytest.mark.parametrize("name", ["with spaces", "ünïcödé-猫", "100%25 #1?&x=y", "-rf"])
def test_folders_of_any_name(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, name: str
) -> None:
    """L13."""
    images = copied(pictures_folder, tmp_path / "images" / name)
    assert build(images, tmp_path / "out" / name).digest() == finished_digest


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_readers_do_not_matter(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_digest: str, workers: int
) -> None:
    assert build(pictures_folder, tmp_path, workers=workers).digest() == finished_digest


@pytest.mark.parametrize("top", [1, 50])
def test_top_one_and_top_more_than_images(
    build: Build, pictures_folder: Path, tmp_path: Path, finished_atlas, top: int
) -> None:
    tops = build(pictures_folder, tmp_path, top=top).top("4")
    nine = finished_atlas.top("4")
    for unit, entries in enumerate(tops):
        assert len(entries) == min(top, 10)
        assert entries[:9] == nine[unit][:top]


@pytest.mark.parametrize("setting", [{"top": 0}, {"top": -1}, {"batch": 0}, {"batch": -3}])
def test_settings_that_make_no_sense_are_refused(
    build: Build, pictures_folder: Path, tmp_path: Path, setting: dict[str, int]
) -> None:
    with pytest.raises(AtlasError, match=next(iter(setting))):
        build(pictures_folder, tmp_path, **setting)


def test_layers_by_glob(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    atlas = build(pictures_folder, tmp_path / "a", layers=["[04]", "6"])
    assert list(atlas.layers) == ["0", "4", "6"]
    assert list(build(pictures_folder, tmp_path / "b", layers=["*"]).layers) == [
        *"01234",
        "5.amax",
        "6",
    ]
    default = build(pictures_folder, tmp_path / "c", layers=None)
    assert list(default.layers) == ["1", "4", "6"]


@pytest.mark.parametrize("glob", ["44", "laier*", "1.*"])
def test_a_glob_that_matches_nothing(
    build: Build, pictures_folder: Path, tmp_path: Path, glob: str
) -> None:
    with pytest.raises(AddressError, match="nearest are") as refused:
        build(pictures_folder, tmp_path, layers=["1", glob])
    assert repr(glob) in str(refused.value)
    assert not (tmp_path / "atlas.sqlite").exists()


def test_pictures_of_many_sizes_need_a_size(pictures_folder: Path, tmp_path: Path) -> None:
    network = striate.load(small(), image_size=16, resize=16, crop=None)
    with pytest.raises(AtlasError, match="one size"):
        build_atlas(network, pictures_folder, tmp_path)


def test_a_network_for_grey_pictures(pictures_folder: Path, tmp_path: Path) -> None:
    """One channel where pictures have three: it works, or one clear error says why not."""
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    network = striate.load(module, resize=16, crop=16, mean=[0.5], std=[0.5])
    try:
        assert build_atlas(network, pictures_folder, tmp_path).summary()["seen"] == 10
    except StriateError as refused:
        assert "channel" in str(refused)  # noqa: PT017 - either is right


def test_a_flattened_head(pictures_folder: Path, tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))
    network = striate.load(module, resize=16, crop=16)
    assert build_atlas(network, pictures_folder, tmp_path).summary()["seen"] == 10


# --- classes -------------------------------------------------------------------------------------


def classified(folder: Path, names: tuple[str, ...] = ("ape", "bee", "cow")) -> Path:
    for number in range(12):
        draw(folder / names[number % 3] / f"{number:02d}.png", number)
    return folder


def test_a_folder_per_class(build: Build, network, tmp_path: Path) -> None:
    images = classified(tmp_path / "images")
    atlas = build(images, tmp_path / "atlas")
    labels = [0] * 4 + [1] * 4 + [2] * 4
    read = torch.stack([network.read(images / name) for name in atlas.image_names])
    kept = hooked(small(), read, ["4", "6"])
    rank = ranks(kept["6"], labels)
    assert atlas.class_names == {0: "ape", 1: "bee", 2: "cow"}
    assert atlas.summary()["top1"] == pytest.approx(100 * rank.count(0) / 12)
    assert atlas.summary()["top5"] == 100.0
    wanted = summarize(kept["4"], range(12), labels, 9)
    found = atlas.summary_of("4").by_class
    np.testing.assert_array_equal(found.images, wanted["by_class.images"])
    np.testing.assert_allclose(found.total, wanted["by_class.total"], rtol=1e-5)
    for unit, entry in enumerate(atlas.units("4")):
        assert entry["best_class"] == wanted["by_class.total"][:, unit].argmax()


def test_class_folders_are_found_among_the_networks_classes(tmp_path: Path, build: Build) -> None:
    """Score 2 is "ape": a picture in the folder "ape" is right if score 2 is the highest."""
    images = classified(tmp_path / "images")
    network = small_network(class_names=["cow", "bee", "ape"])
    atlas = build(images, tmp_path / "atlas", network=network)
    names = atlas.image_names
    scores = hooked(small(), torch.stack([network.read(images / n) for n in names]), ["6"])["6"]
    true = [["cow", "bee", "ape"].index(name.partition("/")[0]) for name in names]
    assert atlas.summary()["top1"] == pytest.approx(100 * ranks(scores, true).count(0) / 12)
    assert atlas.class_names == {0: "cow", 1: "bee", 2: "ape"}


def test_class_folders_that_are_not_the_networks_classes_are_not_judged(
    tmp_path: Path, build: Build
) -> None:
    """Folders "left" and "right" are no classes of this network: there is no accuracy."""
    images = tmp_path / "images"
    for number in range(6):
        draw(images / ("left", "right")[number % 2] / f"{number}.png", number)
    network = small_network(class_names=["cow", "bee", "ape"])
    atlas = build(images, tmp_path / "atlas", network=network)
    assert atlas.summary()["top1"] is None


def test_labels_from_csv(build: Build, network, pictures_folder: Path, tmp_path: Path) -> None:
    csv = tmp_path / "labels.csv"
    rows = [f"{n:02d}.png,{n % 3},{'xyz'[n % 3]}" for n in range(8)]
    csv.write_text("\n".join(["file,target,name", *rows]))
    atlas = build(pictures_folder, tmp_path / "atlas", labels=csv)
    read = torch.stack([network.read(pictures_folder / f"{n:02d}.png") for n in range(10)])
    rank = ranks(hooked(small(), read, ["6"])["6"], [*(n % 3 for n in range(8)), -1, -1])
    assert atlas.summary()["top1"] == pytest.approx(100 * rank.count(0) / 8)
    assert atlas.class_names == {0: "x", 1: "y", 2: "z"}


def test_without_labels_there_is_no_accuracy(finished_atlas) -> None:
    assert (finished_atlas.summary()["top1"], finished_atlas.summary()["top5"]) == (None, None)
    unit = finished_atlas.units("4")[0]
    assert (unit["best_class"], unit["selectivity"]) == (None, None)


# --- L12: progress -------------------------------------------------------------------------------


def test_progress_numbers(build: Build, pictures_folder: Path, tmp_path: Path) -> None:
    images = copied(pictures_folder, tmp_path / "images")
    (images / "06.png").write_bytes(b"no picture")
    interrupted(build, images, tmp_path / "atlas", 5)
    seen: list[Progress] = []
    build(images, tmp_path / "atlas", progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert [p.skipped for p in seen] == sorted(p.skipped for p in seen)
    assert {p.total for p in seen} == {10}
    assert {p.resumed_from for p in seen} == {4}
    assert min(p.done for p in seen) > 4
    assert (seen[-1].done, seen[-1].skipped, seen[-1].seconds_left) == (10, 1, 0.0)
    assert all(p.rate > 0 and p.seconds_left is not None for p in seen)
    assert Progress(4, 10, 0, 4, 1.0).seconds_left is None


# --- I2: pictures that cannot be read ------------------------------------------------------------


def test_bad_files_are_skipped_with_reasons(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    images = copied(pictures_folder, tmp_path / "images")
    whole = tmp_path / "whole.jpg"
    Image.open(images / "00.png").save(whole)
    (images / "cut.jpg").write_bytes(whole.read_bytes()[:300])
    (images / "text.jpg").write_text("I am text")
    (images / "empty.png").touch()
    for number in range(12, 17):  # a whole shard of them, and a whole batch
        (images / f"{number}.png").write_bytes(b"<html>")
    atlas = build(images, tmp_path / "atlas")
    skipped = dict(atlas.skipped())
    assert sorted(skipped) == sorted([*(f"{n}.png" for n in range(12, 17)), "cut.jpg", "empty.png",
                                      "text.jpg"])  # fmt: skip
    assert "empty" in skipped["empty.png"]
    assert "HTML" in skipped["12.png"]
    summary = atlas.summary()
    assert (summary["images"], summary["seen"], summary["skipped"]) == (18, 10, 8)
    shown = {entry.image for unit in atlas.top("4") for entry in unit}
    assert {atlas.image_names[image] for image in shown} <= {f"{n:02d}.png" for n in range(10)}


def test_a_file_deleted_during_the_pass_is_skipped(
    build: Build, pictures_folder: Path, tmp_path: Path
) -> None:
    images = copied(pictures_folder, tmp_path / "images")

    def delete(_: Progress) -> None:
        (images / "09.png").unlink(missing_ok=True)

    atlas = build(images, tmp_path / "atlas", progress=delete)
    assert [name for name, _ in atlas.skipped()] == ["09.png"]


def test_only_bad_files(build: Build, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(6):
        (tmp_path / "images" / f"{number}.png").write_bytes(b"no picture")
    atlas = build(tmp_path / "images", tmp_path / "atlas")
    assert (atlas.summary()["seen"], atlas.top("4")) == (0, [[]] * 5)


@pytest.mark.parametrize(("max_bad", "stops"), [(0.0, True), (0.29, True), (0.3, False)])
def test_max_bad(
    build: Build, pictures_folder: Path, tmp_path: Path, max_bad: float, stops: bool
) -> None:
    images = copied(pictures_folder, tmp_path / "images")
    for number in (2, 3, 7):
        (images / f"{number:02d}.png").write_bytes(b"no picture")
    for _ in range(2):  # asked again, the answer is the same
        if not stops:
            assert build(images, tmp_path / "atlas", max_bad=max_bad).summary()["skipped"] == 3
            continue
        with pytest.raises(AtlasError, match="cannot be read, more than --max-bad"):
            build(images, tmp_path / "atlas", max_bad=max_bad)


def test_no_pictures(build: Build, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(ImageError, match="no image"):
        build(tmp_path / "images", tmp_path / "atlas")
    with pytest.raises(ImageError, match="no folder"):
        build(tmp_path / "nowhere", tmp_path / "atlas")


# --- L6: another network, other settings, other pictures ------------------------------------------


def change(what: str, images: Path, options: dict[str, Any], csv: Path) -> None:
    if what == "weights":
        module = integers(small(), seed=9)
        options["network"] = striate.load(module, name="small", resize=16, crop=16)
    elif what == "preprocessing":
        options["network"] = small_network(interpolation="bicubic")
    elif what == "edit":
        options["network"] = small_network().edit("1", torch.neg)
    elif what == "top":
        options["top"] = 4
    elif what == "layers":
        options["layers"] = ["1", "3", "6"]
    elif what == "batch":
        options["batch"] = BATCH + 1
    elif what == "one more image":
        draw(images / "10.png", 10)
    elif what == "another image":
        draw(images / "03.png", 77)
        with (images / "03.png").open("ab") as file:
            file.write(b"more")
    elif what == "labels":
        csv.write_text("file,target\n00.png,1\n")
        options["labels"] = csv


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("what", "named"),
    [
        ("weights", "weights or graph"), ("preprocessing", "bicubic"), ("edit", "weights or graph"),
        ("top", "top: 9 before, 4 now"), ("layers", r"without \['4'\], with \['3'\]"),
        ("batch", "batch: 2 before, 3 now"), ("one more image", "the images differ"),
        ("another image", "the images differ"), ("labels", "the labels differ"),
    ],
)  # fmt: skip
def test_a_changed_plan_is_refused_with_the_difference(
    build: Build, pictures_folder: Path, tmp_path: Path, ended: bool, what: str, named: str
) -> None:
    images, out = copied(pictures_folder, tmp_path / "images"), tmp_path / "atlas"
    if ended:
        build(images, out)
    else:
        interrupted(build, images, out, 6)
    options: dict[str, Any] = {}
    change(what, images, options, tmp_path / "labels.csv")
    before = content(out)
    with pytest.raises(AtlasError, match=named) as refused:
        build(images, out, **options)
    assert "--restart" in str(refused.value)
    assert content(out) == before
    anew = build(images, out, restart=True, **options)
    assert anew.digest() == build(images, tmp_path / "fresh", **options).digest()


@pytest.mark.parametrize("obstacle", ["", "layers", "shards", "ledger.sqlite", "atlas.sqlite"])
def test_what_stands_in_the_way_is_named(
    build: Build, pictures_folder: Path, tmp_path: Path, obstacle: str
) -> None:
    """A file where a folder must be, and the other way round (root may write anywhere)."""
    out = tmp_path / "atlas"
    where = out / obstacle
    where.parent.mkdir(exist_ok=True)
    if obstacle.endswith("sqlite"):
        where.mkdir()
    else:
        where.write_text("a file")
    with pytest.raises(AtlasError) as refused:
        build(pictures_folder, out)
    assert str(where) in str(refused.value)
