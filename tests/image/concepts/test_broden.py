"""Broden's format by hand, with all its corners, and everything that may be wrong in it."""

import numpy as np
import pytest

from striate.errors import ImageError
from striate.image.concepts.broden import is_broden, read_broden
from striate.image.concepts.concept_set import NOTHING, UNKNOWN, Concept
from striate.image.concepts.reading import concept_set, segments
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing

CATEGORY = """name,first,last,count,frequency
object,1,300,3,9
part,2,2,1,3
texture,5,7,2,4
"""
LABEL = """number,name,category,frequency,coverage,syns
1,car,object(3),3,1.5,auto;motor
2,wheel,part(3),3,0.2,
300,cloth,object(1);texture(4),5,2.0,
5,dotted,texture(2),2,2.0,
7,woven,texture(2);object(1),3,1.0,
"""
C_OBJECT = "code,number,name,frequency,coverage\n1,1,car,3,1.5\n2,300,cloth,1,1.9\n3,7,woven,1,\n"
C_TEXTURE = (
    "code,number,name,frequency,coverage\n1,300,cloth,4,0.1\n2,5,dotted,2,2\n3,7,woven,2,1\n"
)
INDEX = """image,split,ih,iw,sh,sw,object,part,texture
a/1.png,train,6,10,3,5,a/1_object.png,a/1_part.png;a/1_part_2.png,
a/2.png,val,6,10,3,5,,,5;7
a/3.png,train,6,10,3,5,a/1_object.png;1,,300;0;a/1_part.png
a/4.png,train,6,10,3,5,,,
"""
FILES = {
    "category.csv": CATEGORY,
    "label.csv": LABEL,
    "c_object.csv": C_OBJECT,
    "c_texture.csv": C_TEXTURE,
    "index.csv": INDEX,
}


def coded(rows):
    codes = np.array(rows, np.uint16)
    return np.stack([codes & 255, codes >> 8, codes * 0], axis=-1).astype(np.uint8)


@pytest.fixture
def broden(tmp_path, save, photo):
    def make(**changes):
        folder = tmp_path / "tiny"
        for name in ("1", "2", "3", "4"):
            save(folder / "images" / "a" / f"{name}.png", photo(6, 10))
        labels = {
            "1_object": [[1, 1, 300, 300, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 1]],
            "1_part": [[2, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
            "1_part_2": [[1, 2, 0, 0, 2], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]],
        }
        for name, rows in labels.items():
            save(folder / "images" / "a" / f"{name}.png", coded(rows))
        for name, content in (FILES | changes).items():
            if content is not None:
                (folder / name).write_text(content)
        return folder

    return make


def test_labels_count_in_the_category_in_which_they_cover_most(broden):
    found = read_broden(broden())
    # In their numbers' order. Cloth covers most as an object, though it is more often a texture.
    assert found.concepts == (
        Concept("car", "object"),
        Concept("wheel", "part"),
        Concept("dotted", "texture"),
        Concept("woven", "texture"),
        Concept("cloth", "object"),
    )
    assert is_broden(broden())


def test_without_coverage_the_larger_number_or_else_the_first_decides(broden):
    label = LABEL.replace("texture(2);object(1)", "texture;object")
    found = read_broden(broden(**{"c_object.csv": None, "c_texture.csv": None, "label.csv": label}))
    assert found.concepts[4] == Concept("cloth", "texture")
    assert found.concepts[3] == Concept("woven", "texture")


def test_images_have_masks_and_labels_of_the_whole(broden):
    folder = broden()
    images = read_broden(folder).images
    assert [image.name for image in images] == [f"images/a/{number}.png" for number in "1234"]
    assert [image.part for image in images] == ["train", "val", "train", "train"]
    assert [[mask.path.name for mask in image.masks] for image in images] == [
        ["1_object.png", "1_part.png", "1_part_2.png"],
        [],
        ["1_object.png", "1_part.png"],
        [],
    ]
    assert [image.whole for image in images] == [(), (2, 3), (0, 4), ()]
    meaning = images[0].masks[0].concept
    assert images[0].masks[0].two_bytes
    assert (len(meaning), meaning[0], meaning[1], meaning[300]) == (301, NOTHING, 0, 4)
    assert meaning[3] == UNKNOWN


def test_what_the_images_show(broden):
    found = concept_set([str(broden())])
    way = Preprocessing(resize=None, crop=None)

    def show(index):
        image = found.images[index]
        return segments(found, image, decode(image.path), way, 2)

    one = show(0)
    assert one.whole.tolist() == []
    assert one.planes.tolist() == [
        [[0, 0, 4, 4, -1], [0, 0, -1, -1, -1], [-1, -1, -1, -1, 0]],
        [[1, -1, -1, -1, -1], [-1] * 5, [-1] * 5],
        # The car at the first place stands in the first plane already.
        [[-1, 1, -1, -1, 1], [-1] * 5, [-1] * 5],
    ]
    assert show(1).whole.tolist() == [2, 3]
    assert show(1).planes.shape == (0, 3, 5)
    # The whole image is car and cloth, so what is left of the masks is the wheel.
    three = show(2)
    assert three.whole.tolist() == [0, 4]
    assert three.planes.tolist() == [[[1, -1, -1, -1, -1], [-1] * 5, [-1] * 5]]
    assert show(3).planes.shape == (0, 3, 5)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("index.csv", "5;7", "5;9", r"line 3 of .*index\.csv': no label .* number 9"),
        ("index.csv", "5;7", "5;999", r"line 3 of .*index\.csv': no label .* number 999"),
        ("index.csv", "5;7", "5.5", r"line 3 of .*index\.csv' names '5\.5', but there is no file"),
        ("index.csv", "a/1_part_2.png", "gone.png", r"line 2 of .* no file .*gone\.png"),
        ("index.csv", "a/1_part_2.png", "../label.csv", "line 2 of .* leads out"),
        ("index.csv", "a/4.png", "a/5.png", "line 5 of .* names 'a/5.png', but there is no file"),
        ("index.csv", "a/4.png", "a/3.png", "line 5 of .* an earlier line names too"),
        ("index.csv", ",,5;7", ",5;7", r"line 3 of .*index\.csv' has 8 cells .* has 9"),
        ("index.csv", ",part,", ",parts,", r"index\.csv' lacks part"),
        ("label.csv", "5,dotted", "x,dotted", r"line 5 of .*label\.csv': number is 'x'"),
        ("label.csv", "5,dotted", "2,dotted", r"line 5 of .*label\.csv': the label 2 stands there"),
        ("label.csv", "300,cloth", "65536,cloth", "line 4 of .*the label 65536 .*above 65535"),
        ("label.csv", "5,dotted", "5,", "line 5 of .*the label 5 has no name"),
        ("label.csv", "part(3)", "piece(3)", r"line 3 of .*'piece\(3\)' must be one of .*part"),
        ("label.csv", "part(3)", "part(three)", r"line 3 of .*'part\(three\)' must be"),
        ("label.csv", "part(3)", "", "line 3 of .*the category '' must be"),
        ("category.csv", "name,", "title,", r"category\.csv' lacks name"),
        ("c_texture.csv", "4,0.1", "4,much", r"line 2 of .*c_texture\.csv': coverage is 'much'"),
        ("c_texture.csv", "1,300,", "1,,", r"line 2 of .*c_texture\.csv': number is ''"),
    ],
)
def test_wrong_lines_are_refused_by_file_and_line(broden, name, old, new, says):
    assert old in FILES[name]
    with pytest.raises(ImageError, match=says):
        read_broden(broden(**{name: FILES[name].replace(old, new, 1)}))


@pytest.mark.parametrize("name", ["category.csv", "label.csv", "index.csv"])
def test_missing_tables_are_named(broden, name):
    with pytest.raises(ImageError, match=f"cannot read .*{name}"):
        read_broden(broden(**{name: None}))


def test_the_number_0_is_no_label_even_if_label_csv_lists_it(broden):
    listed = LABEL.replace("\n1,car", "\n0,-,,0,0,\n1,car")
    assert read_broden(broden(**{"label.csv": listed})).concepts == read_broden(broden()).concepts


def test_categories_may_have_capitals(broden):
    capitals = {name: text.replace("part", "Part") for name, text in FILES.items()}
    capitals["index.csv"] = INDEX.replace(",part,", ",Part,")
    found = read_broden(broden(**capitals))
    assert found.concepts[1] == Concept("wheel", "Part")
    assert len(found.images[0].masks) == 3
