"""Folders of images with masks, and what may be wrong with them."""

import numpy as np
import pytest

from striate.errors import ImageError
from striate.image.concepts.concept_set import NOTHING, UNKNOWN, Concept
from striate.image.concepts.folder import read_masks

CODES = np.zeros((4, 6), np.uint8)


def test_labels_images_and_masks_are_found(masked):
    labels = "index,name,category,pixels\n4,sky,,12\n0,wheel,part,3\n2,Void,,0\n3,sky,,1\n"
    folder = masked({"b": CODES, "a": CODES, "deep/c": CODES}, labels)
    found = read_masks(folder)
    assert found.concepts == (Concept("sky", "object"), Concept("wheel", "part"))
    assert [image.name for image in found.images] == [
        "images/a.png",
        "images/b.png",
        "images/deep/c.png",
    ]
    for image in found.images:
        (mask,) = image.masks
        assert image.path == folder / image.name
        assert mask.path == folder / "masks" / image.name.removeprefix("images/")
        assert mask.concept.tolist() == [1, UNKNOWN, NOTHING, 0, 0]
        assert (mask.two_bytes, image.whole, image.coloured, image.part) == (False, (), False, "")
    assert found.categories == ("object", "part")


def test_a_given_category_is_that_of_all_labels(masked):
    folder = masked({"a": CODES}, "index,name,category\n0,sky,object\n1,wheel,part\n")
    assert read_masks(folder, "thing").categories == ("thing",)


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled", "VOID", "ignore", "none", "-", ""])
def test_names_that_mean_no_label_carry_nothing(masked, name):
    found = read_masks(masked({"a": CODES}, f"index,name\n0,sky\n7,{name}\n"))
    assert found.concepts == (Concept("sky", "object"),)
    assert found.images[0].masks[0].concept[7] == NOTHING


def test_parts_come_from_images_csv_by_stem_or_by_file(masked):
    folder = masked(
        {"a": CODES, "b": CODES, "c": CODES},
        "index,name\n0,sky\n",
        images="file,split,width\na,train,6\nb.png,val,6\nelsewhere,train,6\nimages/a.png,train,6\n",
    )
    assert [image.part for image in read_masks(folder).images] == ["train", "val", ""]
    (folder / "images.csv").write_text("file,part\nc,test\n")
    assert [image.part for image in read_masks(folder).images] == ["", "", "test"]
    (folder / "images.csv").write_text("file,width\nc,6\n")
    assert [image.part for image in read_masks(folder).images] == ["", "", ""]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("number,name\n0,sky\n", r"labels\.csv' lacks index"),
        ("index,title\n0,sky\n", r"labels\.csv' lacks name"),
        ("index,name\n-1,sky\n", r"line 2 of .*labels\.csv': index is '-1'"),
        (
            "index,name\n0,sky\n0,road\n",
            r"line 3 of .*labels\.csv': the index 0 stands there twice",
        ),
        ("index,name\n65536,sky\n", "line 2 of .*the index 65536 is above 65535"),
        ("index,name\n", "names no concept"),
        ("index,name\n0,void\n", "names no concept"),
    ],
)
def test_wrong_labels_are_refused_by_file_and_line(masked, labels, says):
    with pytest.raises(ImageError, match=says):
        read_masks(masked({"a": CODES}, labels))


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ("name,split\na,train\n", r"images\.csv' lacks file"),
        (
            "file,split\na,train\na,val\n",
            r"line 3 of .*images\.csv' puts 'a\.png' into 'val'.*'train'",
        ),
        ("file,split\nz,train\n", r"images\.csv' names none of the images.*'a\.png'"),
    ],
)
def test_wrong_parts_are_refused_by_file_and_line(masked, images, says):
    with pytest.raises(ImageError, match=says):
        read_masks(masked({"a": CODES}, "index,name\n0,sky\n", images=images))


def test_images_without_masks_are_named(masked, save, photo):
    folder = masked({"a": CODES}, "index,name\n0,sky\n")
    save(folder / "images" / "b.png", photo(4, 6))
    with pytest.raises(ImageError, match=r"1 of 2 images of .* have no mask .*: images/b\.png"):
        read_masks(folder)
    save(folder / "masks" / "b.png", CODES)
    save(folder / "masks" / "spare.png", CODES)
    assert len(read_masks(folder).images) == 2


def test_missing_folders_and_lists_are_named(masked, tmp_path):
    folder = masked({"a": CODES}, "index,name\n0,sky\n")
    (folder / "labels.csv").unlink()
    with pytest.raises(ImageError, match=r"cannot read .*labels\.csv"):
        read_masks(folder)
    (tmp_path / "half" / "masks").mkdir(parents=True)
    with pytest.raises(ImageError, match="no folder 'images'"):
        read_masks(tmp_path / "half")
