"""Requirements I3 and I4: whatever a folder may hold, the images and their numbers are the same."""

import os
import random
import shutil
import unicodedata
from pathlib import Path

import pytest

from striate.errors import ImageError
from striate.image.decode import decode
from striate.image.folder import find_images, folder_labels

NFC, NFD = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")
ODD_NAMES = {
    "nfc": f"{NFC}.jpg".encode(),
    "nfd": f"{NFD}.jpg".encode(),
    "emoji": "🐈\u200d⬛.jpg".encode(),
    "spaces": b"  a  b .jpg",
    "255 bytes": ("é" * 125 + "x.jpg").encode(),
    "not unicode": b"\xff\xfe\x80.jpg",
    "newline": b"two\nlines.jpg",
    "leading dash": b"-rf.jpg",
    "quotes": b"a'\"b.jpg",
    "markup": b"<img onerror=x>.jpg",
    "hash": b"#1.jpg",
}


def plant(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_in(source: Path) -> list[str]:
    return [image.name for image in find_images(source)]


# --- order ------------------------------------------------------------------------------------


def test_images_are_numbered_in_the_order_of_their_names(tmp_path: Path) -> None:
    names = ["b.jpg", "a/z.png", "a-b.webp", "a/b/c.gif", "B.jpg", "10.bmp", "9.tiff"]
    images = find_images(plant(tmp_path, *names))
    assert [image.name for image in images] == sorted(names)
    assert [image.id for image in images] == list(range(len(names)))
    assert all(image.path == tmp_path / image.name for image in images)
    assert all(image.label is None for image in images)


def test_the_order_does_not_depend_on_the_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, *[f"{letter}/{number}.jpg" for letter in "cab" for number in range(5)])
    expected = names_in(tmp_path)
    scan = os.scandir

    class Shuffled:
        def __init__(self, path: Path) -> None:
            with scan(path) as entries:
                self.entries = list(entries)
            random.Random(len(self.entries)).shuffle(self.entries)  # noqa: S311

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert names_in(tmp_path) == expected


def test_only_suffixes_of_images_count_in_any_case(tmp_path: Path) -> None:
    plant(tmp_path, "a.JPG", "b.Jpeg", "c.AVIF", "d.txt", "e", "f.svg", "g.jpg.part", "h.eps")
    assert names_in(tmp_path) == ["a.JPG", "b.Jpeg", "c.AVIF"]


# --- I3: names --------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", ODD_NAMES.values(), ids=ODD_NAMES)
def test_i3_odd_names_are_found_read_and_keep_their_bytes(tmp_path: Path, raw: bytes) -> None:
    with open(os.fsencode(tmp_path) + b"/" + raw, "wb") as file:  # noqa: PTH123
        file.write(b"P3 1 1 255 1 2 3")
    (image,) = find_images(tmp_path)
    assert os.fsencode(image.name) == raw
    assert decode(image.path).tolist() == [[[1, 2, 3]]]


def test_i3_all_odd_names_together_stay_apart(tmp_path: Path) -> None:
    for raw in ODD_NAMES.values():
        with open(os.fsencode(tmp_path) + b"/" + raw, "wb"):  # noqa: PTH123
            pass
    names = names_in(tmp_path)
    assert len(set(names)) == len(ODD_NAMES)
    assert {os.fsencode(name) for name in names} == set(ODD_NAMES.values())


def test_i3_odd_folders(tmp_path: Path) -> None:
    plant(tmp_path, f"{NFC}/1.jpg", f"{NFD}/1.jpg", "🐈/1.jpg", "two\nlines/1.jpg")
    labels = {image.label for image in find_images(tmp_path)}
    assert labels == {NFC, NFD, "🐈", "two\nlines"}


# --- I4: the tree -----------------------------------------------------------------------------


def test_i4_a_loop_of_links_ends(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self.jpg").symlink_to("self.jpg")
    (tmp_path / "here").symlink_to(".")
    assert names_in(tmp_path) == ["a/1.jpg"]


def test_i4_links_that_lead_outside_or_nowhere_are_left_out(tmp_path: Path) -> None:
    plant(tmp_path, "data/in.jpg", "data-secret/out.jpg")
    root = tmp_path / "data"
    (root / "file.jpg").symlink_to(tmp_path / "data-secret" / "out.jpg")
    (root / "folder").symlink_to(tmp_path / "data-secret")
    (root / "gone.jpg").symlink_to(root / "no.jpg")
    (root / "through.jpg").symlink_to(root / ".." / "data-secret" / "out.jpg")
    assert names_in(root) == ["in.jpg"]


def test_i4_a_link_to_an_image_inside_counts_under_its_own_name(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg")
    (tmp_path / "b.jpg").symlink_to("a.jpg")
    assert names_in(tmp_path) == ["a.jpg", "b.jpg"]


def test_i4_the_source_itself_may_be_a_link(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.jpg")
    (tmp_path / "link").symlink_to("real")
    (image,) = find_images(tmp_path / "link")
    assert image.name == "a.jpg"
    assert image.path.is_file()


def test_i4_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    plant(tmp_path, ".hidden/a.jpg", "._a.jpg", ".jpg", "b/.c.jpg", "d.jpg")
    assert names_in(tmp_path) == ["d.jpg"]
    assert names_in(tmp_path / ".hidden") == ["a.jpg"]


def test_i4_folders_and_pipes_named_like_images_are_no_images(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg/b.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert names_in(tmp_path) == ["a.jpg/b.png"]


def test_i4_an_unreadable_folder_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not stop root, as whom tests may run: the system's answer is played.
    plant(tmp_path, "open/a.jpg", "shut/b.jpg")
    scan = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "shut":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names_in(tmp_path) == ["open/a.jpg"]
    with pytest.raises(ImageError, match="may not be read"):
        find_images(tmp_path / "shut")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read every folder")
def test_i4_a_folder_without_permission_is_left_out(tmp_path: Path) -> None:
    plant(tmp_path, "open/a.jpg", "shut/b.jpg")
    (tmp_path / "shut").chmod(0)
    try:
        assert names_in(tmp_path) == ["open/a.jpg"]
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_i4_no_images_says_what_was_looked_for(tmp_path: Path) -> None:
    plant(tmp_path, "notes.txt")
    with pytest.raises(ImageError, match=r"holds no image.*\.jpg") as caught:
        find_images(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_i4_a_source_that_is_missing_or_one_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no folder or list"):
        find_images(tmp_path / "no")
    with pytest.raises(ImageError, match="is one image"):
        find_images(plant(tmp_path, "a.jpg") / "a.jpg")


def test_i4_a_file_deleted_during_the_pass_is_an_image_error(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "b/1.jpg")
    images = find_images(tmp_path)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(ImageError, match="no such file"):
        decode(images[0].path)


def test_i4_a_very_deep_tree(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 300)
    assert names_in(plant(tmp_path, f"{deep}/a.jpg")) == [f"{deep}/a.jpg"]


# --- lists ------------------------------------------------------------------------------------


def listed(root: Path, text: str | bytes) -> Path:
    path = root / "images.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_list_keeps_its_order(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b c.png", "d/e.gif", "f.jpg")
    text = "\ufeff# mine\r\nd/e.gif\r\n\r\n  b c.png  \n./a.jpg"
    images = find_images(listed(tmp_path, text))
    assert [(image.id, image.name) for image in images] == [
        (0, "d/e.gif"),
        (1, "b c.png"),
        (2, "a.jpg"),
    ]
    assert all(image.path.is_file() for image in images)


def test_a_list_may_name_files_outside_its_folder(tmp_path: Path) -> None:
    plant(tmp_path, "elsewhere/a.jpg", "lists/b.jpg")
    outside = tmp_path / "elsewhere" / "a.jpg"
    for written in (str(outside), "../elsewhere/a.jpg"):
        (image,) = find_images(listed(tmp_path / "lists", written))
        assert image.name == outside.as_posix()
        assert image.path == outside
    (image,) = find_images(listed(tmp_path / "lists", str(tmp_path / "lists" / "b.jpg")))
    assert image.name == "b.jpg"


def test_i3_a_list_with_bytes_that_are_not_unicode(tmp_path: Path) -> None:
    raw = b"\xff\xfe.jpg"
    with open(os.fsencode(tmp_path) + b"/" + raw, "wb"):  # noqa: PTH123
        pass
    (image,) = find_images(listed(tmp_path, raw))
    assert os.fsencode(image.name) == raw


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg\n./a.jpg", "line 2 .*line 1 names already"),
        ("# c\na.jpg\nno.jpg", "line 3 .*no file"),
        ("a.jpg\nnotes.txt", "line 2 .*suffix"),
        ("# nothing\n\n", "holds no image"),
        ("d", "suffix"),
    ],
)
def test_a_wrong_list_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    plant(tmp_path, "a.jpg", "notes.txt", "d/e.jpg")
    with pytest.raises(ImageError, match=message):
        find_images(listed(tmp_path, text))


# --- class folders ----------------------------------------------------------------------------


def test_one_folder_per_class_gives_labels(tmp_path: Path) -> None:
    images = find_images(plant(tmp_path, "dog/1.jpg", "cat/1.jpg", "cat/2.jpg", "Ant/1.png"))
    assert [image.label for image in images] == ["Ant", "cat", "cat", "dog"]
    labels = folder_labels(images)
    assert labels is not None
    assert labels.index == (0, 1, 1, 2)
    assert labels.names == {0: "Ant", 1: "cat", 2: "dog"}


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "b.jpg"),
        ("only/a.jpg", "only/b.jpg"),
        ("cat/a.jpg", "dog/b.jpg", "c.jpg"),
        ("cat/a.jpg", "dog/deep/b.jpg"),
    ],
)
def test_other_trees_have_no_labels(tmp_path: Path, names: tuple[str, ...]) -> None:
    images = find_images(plant(tmp_path, *names))
    assert {image.label for image in images} == {None}
    assert folder_labels(images) is None


def test_no_images_have_no_labels() -> None:
    assert folder_labels([]) is None
