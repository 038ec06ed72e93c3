"""Sources joined into one set, and what an image shows."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from striate.errors import ImageError
from striate.image.concepts.colours import COLOURS, colour_name
from striate.image.concepts.concept_set import Concept, ConceptSet
from striate.image.concepts.reading import concept_set, fingerprint, segments
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing

AS_IT_IS = Preprocessing(resize=None, crop=None)
STREET = "index,name\n0,sky\n1,road\n2,void\n"


def codes(rows=4, columns=6):
    return np.arange(rows * columns, dtype=np.uint8).reshape(rows, columns) % 3


def show(found, index, way=AS_IT_IS, ratio=1):
    image = found.images[index]
    return segments(found, image, decode(image.path), way, ratio)


# --- sources ----------------------------------------------------------------------------------


def test_sources_are_joined_and_concepts_of_one_name_and_category_are_one(masked, listed):
    street = masked({"a": codes()}, STREET)
    other = masked({"a": codes()}, "index,name\n0,car\n1,sky\n2,road\n", name="other")
    surfaces = listed(["b.png"], "file,texture\nb.png,banded\nb.png,sky\n")
    found = concept_set([str(street), str(other), str(surfaces)])
    assert found.concepts == (
        Concept("sky", "object"),
        Concept("road", "object"),
        Concept("car", "object"),
        Concept("banded", "texture"),
        Concept("sky", "texture"),
    )
    names = ["street/images/a.png", "other/images/a.png", "surfaces/b.png"]
    assert [image.name for image in found.images] == names
    assert found.images[0].masks[0].concept.tolist() == [0, 1, -1]
    assert found.images[1].masks[0].concept.tolist() == [2, 0, 1]
    assert found.images[2].whole == (3, 4)
    assert found.colours == ()


def test_a_source_may_name_its_category(masked, listed, tmp_path):
    street = masked({"a": codes()}, STREET)
    odd = listed(["b.png"], "file,texture\nb.png,banded\n", name="x=y")
    found = concept_set([f"thing={street}", str(odd)])
    assert found.categories == ("thing", "texture")
    assert concept_set([f"surface={odd}"]).categories == ("surface",)


def test_colours_are_added_to_the_images_of_all_other_sources(masked, listed):
    street = str(masked({"a": codes()}, STREET))
    shades = str(listed(["b.png"], "file,colour\nb.png,blue\nb.png,teal\n"))
    for sources in (["colours", street, shades], [street, shades, "colours"]):
        found = concept_set(sources)
        assert all(image.coloured for image in found.images)
        assert [found.concepts[index].name for index in found.colours] == list(COLOURS)
        assert {found.concepts[index].category for index in found.colours} == {"colour"}
        assert len(found.concepts) == 2 + 2 + 10, "blue is there already"


def test_a_folder_called_colours_needs_a_path(listed, monkeypatch):
    folder = listed(["b.png"], "file,name\nb.png,blue\n", name="colours")
    monkeypatch.chdir(folder.parent)
    assert concept_set(["./colours"]).concepts == (Concept("blue", "class"),)
    assert [image.name for image in concept_set(["./colours"]).images] == ["colours/b.png"]


def test_folders_of_one_name_get_numbers(masked, tmp_path):
    first = masked({"a": codes()}, STREET)
    second = tmp_path / "copy" / "street"
    shutil.copytree(first, second)
    found = concept_set([str(first), str(second)])
    assert [image.name for image in found.images] == [
        "street/images/a.png",
        "street-2/images/a.png",
    ]


@pytest.mark.parametrize(
    ("sources", "says"),
    [
        ([], r"asked of \[\], and 'colours' has no images of its own: give a folder too"),
        (["colours"], r"asked of \['colours'\], and 'colours' has no images of its own"),
        (["STREET", "colours", "colours"], "'colours' stands there twice"),
        (["STREET", "STREET"], "street' is named twice"),
        (["STREET", "thing=STREET/../street"], "street' is named twice"),
        (["gone"], "no folder 'gone' of labelled images.*CATEGORY=PATH.*'colours'"),
        (["thing=gone"], "no folder 'gone' of labelled images"),
        (["=STREET"], "must name a category and a folder"),
        (["thing="], "must name a category and a folder"),
        (["STREET/labels.csv"], "no folder .*labels.csv"),
    ],
)
def test_sources_that_cannot_be_are_refused(masked, sources, says):
    street = str(masked({"a": codes()}, STREET))
    with pytest.raises(ImageError, match=says):
        concept_set([source.replace("STREET", street) for source in sources])


def test_a_folder_of_no_known_layout_says_what_was_looked_for(tmp_path, save, photo):
    folder = tmp_path / "photos"
    save(folder / "1.png", photo(3, 3))
    says = r"photos' has no layout .*index\.csv.*masks/.*labels\.csv.*column 'file'.*two or more"
    with pytest.raises(ImageError, match=says):
        concept_set([str(folder)])
    (folder / "labels.csv").write_text("index,name\n0,sky\n")
    with pytest.raises(ImageError, match=says):
        concept_set([str(folder)])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="empty' holds no image"):
        concept_set([str(tmp_path / "empty")])


# --- segments ---------------------------------------------------------------------------------


def test_a_mask_is_seen_place_by_place(masked):
    mask = codes()
    found = concept_set([str(masked({"a": mask}, STREET))])
    seen = show(found, 0)
    assert seen.planes.dtype == np.int32
    assert seen.planes.tolist() == [[[0, 1, -1, 0, 1, -1]] * 4]
    assert seen.whole.tolist() == []
    assert show(found, 0, ratio=2).planes.tolist() == [seen.planes[0][1::2, 1::2].tolist()]


def test_padding_shows_nothing_not_even_a_colour(masked):
    found = concept_set([str(masked({"a": codes(4, 4)}, STREET)), "colours"])
    seen = show(found, 0, Preprocessing(resize=None, crop=8))
    assert seen.planes.shape == (2, 8, 8)
    assert (seen.planes[:, :2] == -1).all()
    assert (seen.planes[:, :, 6:] == -1).all()
    assert (seen.planes[1, 2:6, 2:6] >= 0).all()


def test_colours_are_those_of_the_pixels(masked):
    found = concept_set([str(masked({"a": codes(8, 10) * 0 + 2}, STREET)), "colours"])
    picture = decode(found.images[0].path)
    seen = show(found, 0, ratio=2)
    named = [[colour_name(rgb / 255.0) for rgb in row] for row in picture[1::2, 1::2]]
    (plane,) = seen.planes
    assert [[found.concepts[index].name for index in row] for row in plane.tolist()] == named


def test_what_covers_all_stands_in_no_plane(listed):
    labels = (
        "file,colour\nb.png,black\nb.png,blue\nb.png,grey\nb.png,red\nb.png,green\nb.png,pink\n"
    )
    found = concept_set([str(listed(["b.png"], labels)), "colours"])
    seen = show(found, 0)
    assert seen.whole.tolist() == sorted(seen.whole.tolist())
    assert len(seen.whole) == 6
    assert not np.isin(seen.planes, seen.whole).any()
    assert (seen.planes >= 0).any()


def test_an_input_without_a_size_follows_the_image(masked):
    found = concept_set([str(masked({"a": codes(20, 31)}, STREET))])
    assert show(found, 0, Preprocessing(resize=10, crop=None), ratio=2).planes.shape == (1, 5, 8)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (codes(6, 4), r"a\.png' is 6 x 4 pixels, and its image 4 x 6"),
        (codes() + 1, r"a\.png' holds codes .*: 3; add them"),
        (codes() * 100, r"a\.png' holds codes .*: 100, 200; add them"),
        (np.zeros((4, 6, 3), np.uint8), r"a\.png'.*holds colours"),
    ],
)
def test_a_mask_that_cannot_be_used_is_named(masked, save, mask, says):
    folder = masked({"a": codes(), "b": codes()}, STREET + "4,car\n")
    save(folder / "masks" / "a.png", mask)
    found = concept_set([str(folder)])
    with pytest.raises(ImageError, match=says):
        show(found, 0)
    assert show(found, 1).planes.shape == (1, 4, 6)


def test_an_image_that_exif_turns_does_not_fit_its_mask(masked):
    folder = masked({"a": codes()}, STREET)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "images" / "a.png", exif=exif)
    with pytest.raises(ImageError, match=r"is 4 x 6 pixels, and its image 6 x 4.*EXIF"):
        show(concept_set([str(folder)]), 0)


# --- the fingerprint --------------------------------------------------------------------------


def test_the_fingerprint_does_not_depend_on_where_the_folder_is(masked, tmp_path):
    folder = masked({"a": codes()}, STREET)
    first = fingerprint(concept_set([str(folder)]))
    shutil.copytree(folder, tmp_path / "elsewhere" / "street")
    assert fingerprint(concept_set([str(tmp_path / "elsewhere" / "street")])) == first
    assert len(first) == 64


def _relabel(folder: Path) -> None:
    (folder / "labels.csv").write_text(STREET.replace("road", "path"))


def _reorder(folder: Path) -> None:
    (folder / "labels.csv").write_text("index,name\n1,sky\n0,road\n2,void\n")


def _split(folder: Path) -> None:
    (folder / "images.csv").write_text("file,split\na,val\n")


def _enlarge_mask(folder: Path) -> None:
    mask = folder / "masks" / "a.png"
    mask.write_bytes(mask.read_bytes() + b"\0")


def _remove_image(folder: Path) -> None:
    (folder / "images" / "b.png").unlink()


@pytest.mark.parametrize("change", [_relabel, _reorder, _split, _enlarge_mask, _remove_image])
def test_the_fingerprint_changes_with_what_it_stands_for(masked, change):
    folder = masked({"a": codes(), "b": codes()}, STREET)
    before = fingerprint(concept_set([str(folder)]))
    change(folder)
    assert fingerprint(concept_set([str(folder)])) != before


def test_colours_and_lost_files_change_the_fingerprint(masked):
    folder = masked({"a": codes()}, STREET)
    plain = concept_set([str(folder)])
    prints = {fingerprint(plain), fingerprint(concept_set([str(folder), "colours"]))}
    (folder / "masks" / "a.png").unlink()
    assert len(prints | {fingerprint(plain), fingerprint(ConceptSet((), ()))}) == 4
