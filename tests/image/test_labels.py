"""Class files: the columns of real ones, and what must not be guessed."""

import unicodedata
from pathlib import Path

import pytest

from striate.errors import ImageError
from striate.image.folder import ImageFile, Labels, read_labels


def images(*names: str) -> list[ImageFile]:
    return [ImageFile(place, name, Path(name), None) for place, name in enumerate(names)]


def read(tmp_path: Path, text: str | bytes, *names: str) -> Labels:
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_labels(path, images(*names))


def test_the_columns_of_an_imagenet_sample(tmp_path: Path) -> None:
    text = (
        "index,wnid,name,file,original_width,original_height\n"
        "0,n01440764,tench,n01440764_tench.JPEG,500,375\n"
        '134,n02012849,"crane, bird",n02012849_crane.JPEG,640,480\n'
    )
    labels = read(tmp_path, text, "n01440764_tench.JPEG", "n02012849_crane.JPEG", "new.jpg")
    assert labels == Labels((0, 134, None), {0: "tench", 134: "crane, bird"})


def test_the_columns_of_a_split_file(tmp_path: Path) -> None:
    text = "file,index,category,split\nval/b.png,1,dog,val\ntrain/a.png,0,cat,train\n"
    labels = read(tmp_path, text, "train/a.png", "val/b.png")
    assert labels == Labels((0, 1), {0: "cat", 1: "dog"})


@pytest.mark.parametrize("column", ["file", "filename", "image", "path", " File "])
def test_each_name_of_the_file_column(tmp_path: Path, column: str) -> None:
    assert read(tmp_path, f"{column},target\na.png,3\n", "a.png") == Labels((3,), {})


@pytest.mark.parametrize("column", ["index", "label", "class", "target"])
def test_each_name_of_the_index_column(tmp_path: Path, column: str) -> None:
    assert read(tmp_path, f"{column},file\n3,a.png\n", "a.png") == Labels((3,), {})


@pytest.mark.parametrize("column", ["name", "category", "class_name", "label", "class"])
def test_names_alone_are_numbered_in_sorted_order(tmp_path: Path, column: str) -> None:
    text = f"file,{column}\na.png,dog\nb.png,cat\nelsewhere.png,bee\nc.png,dog\nd.png,\n"
    labels = read(tmp_path, text, "a.png", "b.png", "c.png", "d.png")
    assert labels == Labels((2, 1, 2, None), {0: "bee", 1: "cat", 2: "dog"})


def test_a_row_number_called_index_does_not_hide_the_class(tmp_path: Path) -> None:
    labels = read(tmp_path, "index,file,label\n0,a.png,7\n1,b.png,7\n", "a.png", "b.png")
    assert labels.index == (7, 7)


def test_class_and_label_side_by_side(tmp_path: Path) -> None:
    text = "file,label,class\na.png,cat,4\nb.png,dog,5\n"
    assert read(tmp_path, text, "a.png", "b.png") == Labels((4, 5), {4: "cat", 5: "dog"})


def test_empty_and_negative_indices_are_no_label(tmp_path: Path) -> None:
    text = "file,index\na.png,\nb.png,-1\nc.png,2\n"
    assert read(tmp_path, text, "a.png", "b.png", "c.png").index == (None, None, 2)


# --- which image a row means ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "names", "place"),
    [
        ("a.png", ("x/a.png", "b.png"), 0),
        ("x/a.png", ("y/x/a.png", "z/a.png"), 0),
        ("data/val/x/a.png", ("b.png", "x/a.png"), 1),
        ("data/a.png", ("a.png",), 0),
        ("./x/a.png", ("x/a.png",), 0),
        ("x\\a.png", ("x/a.png",), 0),
        ("a.png", ("a.png", "x/a.png"), 0),
        ("a.png", ("x/a.png", "y/a.png"), None),
        ("train/a.png", ("val/a.png",), None),
        ("xa.png", ("a.png",), None),
        ("A.png", ("a.png",), None),
    ],
)
def test_a_row_names_an_image_by_any_unique_end_of_its_path(
    tmp_path: Path, written: str, names: tuple[str, ...], place: int | None
) -> None:
    text = f"file,index\n{written},5\nsure.png,6\n"
    index = read(tmp_path, text, *names, "sure.png").index
    expected: list[int | None] = [None] * len(names)
    if place is not None:
        expected[place] = 5
    assert index == (*expected, 6)


def test_i3_composed_and_decomposed_accents_meet_unless_both_exist(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    assert read(tmp_path, f"file,index\n{composed},5\n", apart).index == (5,)
    both = f"file,index\n{composed},5\n{apart},6\n"
    assert read(tmp_path, both, apart, composed).index == (6, 5)


def test_i3_names_with_commas_quotes_newlines_and_raw_bytes(tmp_path: Path) -> None:
    text = b'\xef\xbb\xbffile,index\r\n"a,""b"".png",1\r\n"two\nlines.png",2\r\n\xff.png,3\r\n'
    assert read(tmp_path, text, 'a,"b".png', "two\nlines.png", "\udcff.png").index == (1, 2, 3)


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,index\nother.png,1\n", "'other.png'.*'a.png'"),
        ("index\n1\n", "has the columns index"),
        ("file,size\na.png,1\n", "has the columns file, size"),
        ("file,index\n", "has 1 lines"),
        ("", "has 0 lines"),
        ("file,index\na.png,1\na.png,2\n", "'a.png' two classes: 1 and 2, in rows 1 and 2"),
        ("file,index,name\na.png,1,cat\nb.png,1,dog\n", "class 1 has two names"),
        ('file,index\n"a.png,1\n', "as CSV"),
    ],
)
def test_what_must_not_be_guessed_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read(tmp_path, text, "a.png")


def test_a_missing_file_and_no_images(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot read"):
        read_labels(tmp_path / "no.csv", images("a.png"))
    with pytest.raises(ImageError, match="there are none"):
        read(tmp_path, "file,index\na.png,1\n")


def test_a_row_said_twice_is_one_row_and_short_rows_are_empty(tmp_path: Path) -> None:
    text = "file,index\na.png,1\na.png,1\n\nb.png\n"
    assert read(tmp_path, text, "a.png", "b.png").index == (1, None)
