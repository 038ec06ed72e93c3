"""Labels of photographs, where they are."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from striate.image.concepts.concept_set import Concept
from striate.image.concepts.reading import concept_set, segments
from striate.image.decode import decode, decode_labels
from striate.image.preprocess import Preprocessing

DATA = Path(os.environ.get("STRIATE_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="STRIATE_DATA names no folder")


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_camvids_masks_hold_as_many_pixels_as_it_says():
    folder = DATA / "camvid"
    found = concept_set([str(folder)])
    labels = rows(folder / "labels.csv")
    known = [row for row in labels if row["name"] != "unlabelled"]
    assert found.concepts == tuple(Concept(row["name"], "object") for row in known)
    counted = np.zeros(len(found.concepts) + 1, np.int64)
    for image in found.images:
        (mask,) = image.masks
        # What is nothing, -1, counts in the last place.
        shown = mask.concept[decode_labels(mask.path)].ravel() % len(counted)
        counted += np.bincount(shown, minlength=len(counted))
    unlabelled = next(int(row["pixels"]) for row in labels if row["name"] == "unlabelled")
    assert counted.tolist() == [int(row["pixels"]) for row in known] + [unlabelled]
    parts = {row["file"]: row["split"] for row in rows(folder / "images.csv")}
    assert {image.path.stem: image.part for image in found.images} == parts
    assert {"train", "val"} <= set(parts.values())


def test_camvid_textures_and_colours_make_one_set():
    found = concept_set([str(DATA / "camvid"), str(DATA / "dtd-textures"), "colours"])
    assert found.categories == ("object", "texture", "colour")
    assert [sum(c.category == name for c in found.concepts) for name in found.categories] == [
        11,
        10,
        11,
    ]
    images = {image.name: image for image in found.images}
    assert len(images) == 468 + 450
    street = images["camvid/images/0001TP_006690.jpg"]
    seen = segments(found, street, decode(street.path), Preprocessing(crop=227), 2)
    assert seen.planes.shape == (2, 114, 114)
    # The sky is above, the road below, and in a street scene hardly anything is pink.
    names = [concept.name for concept in found.concepts]
    rows_of = {name: np.nonzero(seen.planes[0] == names.index(name))[0] for name in ("sky", "road")}
    assert rows_of["sky"].mean() < 57 < rows_of["road"].mean()
    assert (seen.planes[1] == names.index("pink")).mean() < 0.02
    surface = images["dtd-textures/images/banded_0005.jpg"]
    seen = segments(found, surface, decode(surface.path), Preprocessing(), 2)
    assert [found.concepts[index] for index in seen.whole.tolist()] == [
        Concept("banded", "texture")
    ]
    assert seen.planes.shape == (1, 112, 112)


def test_lists_of_other_photographs_are_read():
    thousand = concept_set([str(DATA / "imagenet-samples")])
    assert (len(thousand.images), thousand.categories) == (1000, ("class",))
    categories = concept_set([str(DATA / "caltech101")])
    assert (len(categories.images), len(categories.concepts)) == (4305, 101)
    assert {image.part for image in categories.images} == {"train", "test"}
