"""Labels of whole images, from a list or from folders."""

import pytest

from striate.errors import ImageError
from striate.image.concepts.concept_set import Concept
from striate.image.concepts.image_labels import read_classes, read_image_labels
from striate.image.concepts.reading import concept_set


def shown(found):
    return {
        image.name: [found.concepts[index].name for index in image.whole] for image in found.images
    }


def test_the_last_header_names_the_category(listed):
    folder = listed(
        ["images/a.png", "images/b.png"], "file,index,texture\na.png,0,banded\nb.png,1,dotted\n"
    )
    found = read_image_labels(folder)
    assert found.concepts == (Concept("banded", "texture"), Concept("dotted", "texture"))
    assert shown(found) == {"images/a.png": ["banded"], "images/b.png": ["dotted"]}
    assert found.images[0].path == folder / "images" / "a.png"
    assert found.images[0].masks == ()
    assert read_image_labels(folder, "surface").categories == ("surface",)


def test_a_name_that_no_file_can_have_is_one_that_is_not_there(listed):
    with pytest.raises(ImageError, match=r"line 2 .* names 'ccc.* no file"):
        read_image_labels(listed(["a.png"], f"file,name\n{'c' * 300},sky\n"))


@pytest.mark.parametrize("header", ["name", "category", "class", "class_name", "label"])
def test_headers_that_say_nothing_leave_the_category_open(listed, header):
    found = read_image_labels(listed(["a.png"], f"file,index,{header},split\na.png,0,cat,val\n"))
    assert found.concepts == (Concept("cat", "class"),)
    assert found.images[0].part == "val"


def test_name_and_category_may_both_be_given(listed):
    labels = "image,wnid,name,category\na.png,n1,lawn,scene\na.png,n2,dog,\nb.png,n2,dog,\n"
    found = read_image_labels(listed(["a.png", "b.png"], labels))
    assert found.concepts == (Concept("lawn", "scene"), Concept("dog", "class"))
    assert shown(found) == {"a.png": ["lawn", "dog"], "b.png": ["dog"]}


def test_an_image_on_several_lines_has_several_labels_once_each(listed):
    labels = "file,texture\na.png,banded\na.png,dotted\n./a.png,banded\nb.png,void\nb.png,\n"
    assert shown(read_image_labels(listed(["a.png", "b.png"], labels))) == {
        "a.png": ["banded", "dotted"],
        "b.png": [],
    }


def test_files_are_sought_in_the_folder_first_and_then_in_images(listed):
    files = ["a.png", "images/a.png", "images/b.png", "images/c.png"]
    folder = listed(files, "file,name\na.png,x\nb.png,x\nimages/c.png,x\n")
    found = read_image_labels(folder)
    assert list(shown(found)) == ["a.png", "images/b.png", "images/c.png"]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ("file,index\na.png,0\n", "the columns file, index; needed is one more"),
        ("file,name\nz.png,x\n", r"line 2 of .*labels\.csv' names 'z\.png', but there is no file"),
        ("file,name\n../a.png,x\n", "line 2 of .* leads out"),
        ("file,name\n,x\n", "line 2 of .* no file"),
        ("file,name,part\na.png,x,train\na.png,y,val\n", "line 3 of .* into 'val'.*'train'"),
    ],
)
def test_wrong_lines_are_refused_by_file_and_line(listed, labels, says):
    with pytest.raises(ImageError, match=says):
        read_image_labels(listed(["a.png"], labels))


def test_class_folders_are_classes(tmp_path, save, photo):
    for name in ("dog/1.png", "cat/2.png", "cat/1.png"):
        save(tmp_path / "pets" / name, photo(3, 3))
    found = read_classes(tmp_path / "pets")
    assert found is not None
    assert found.concepts == (Concept("cat", "class"), Concept("dog", "class"))
    assert shown(found) == {"cat/1.png": ["cat"], "cat/2.png": ["cat"], "dog/1.png": ["dog"]}
    named = concept_set([f"animal={tmp_path / 'pets'}"])
    assert named.concepts[0] == Concept("cat", "animal")


def test_images_in_one_place_are_no_classes(tmp_path, save, photo):
    save(tmp_path / "photos" / "1.png", photo(3, 3))
    assert read_classes(tmp_path / "photos") is None
