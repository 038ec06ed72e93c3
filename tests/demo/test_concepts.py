"""The demo's labelled set says of every pixel what the scenes say."""

import re

import numpy as np
import pytest

from striate.demo.concepts import concept_of, write_demo_concepts
from striate.demo.scenes import CLASSES, CONCEPTS, scene
from striate.errors import ImageError
from striate.image.concepts.colours import CATEGORY
from striate.image.concepts.concept_set import Concept
from striate.image.concepts.reading import concept_set, segments
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing

AS_IT_IS = Preprocessing(resize=None, crop=None)


def test_every_mask_has_a_concept_of_its_own_name():
    concepts = [concept_of(name) for name in CONCEPTS]
    assert len({concept.name for concept in concepts}) == len(CONCEPTS)
    assert {concept.category for concept in concepts} == {
        "object",
        "texture",
        "colour",
        "background",
    }
    assert concept_of("colour/red") == Concept("red", CATEGORY)


def test_the_set_shows_what_the_scenes_show(tmp_path):
    folder = write_demo_concepts(tmp_path, 60, seed=3, size=48)
    found = concept_set([str(folder)])
    assert set(found.concepts) <= {concept_of(name) for name in CONCEPTS}
    assert len(found.images) == 60
    for index, image in enumerate(found.images):
        drawn = scene(3, index, 48)
        assert image.name == f"{folder.name}/images/scenes/{index:05d}.png"
        picture = decode(image.path)
        assert np.array_equal(picture, drawn.pixels)
        seen = segments(found, image, picture, AS_IT_IS, 1)
        assert seen.whole.size == 0
        shown = {}
        for concept in {int(value) for value in np.unique(seen.planes)} - {-1}:
            shown[found.concepts[concept]] = (seen.planes == concept).any(axis=0)
        assert set(shown) == {concept_of(name) for name in drawn.masks}
        for name, mask in drawn.masks.items():
            assert np.array_equal(shown[concept_of(name)], mask), (index, name)


def test_both_parts_have_every_class_equally_often(tmp_path):
    found = concept_set([str(write_demo_concepts(tmp_path, 96, seed=1, size=32))])
    classes = {"train": [], "val": []}
    for index, image in enumerate(found.images):
        classes[image.part].append(index % len(CLASSES))
    counts = {part: np.bincount(own, minlength=len(CLASSES)) for part, own in classes.items()}
    assert set(counts["train"].tolist()) == {6}
    assert set(counts["val"].tolist()) == {2}


def test_colours_of_pixels_join_those_of_the_scenes(tmp_path):
    folder = str(write_demo_concepts(tmp_path, 12, seed=2, size=48))
    painted = concept_set([folder])
    both = concept_set([folder, "colours"])
    assert set(both.categories) == set(painted.categories)
    assert sum(concept.category == CATEGORY for concept in both.concepts) == 11
    image = both.images[0]
    seen = segments(both, image, decode(image.path), AS_IT_IS, 1)
    colours = np.isin(seen.planes, both.colours).sum(axis=0)
    # A pixel has the colour it was painted with; light and shade may give it a second name.
    assert set(np.unique(colours).tolist()) == {1, 2}
    assert (colours == 1).mean() > 0.5


def test_the_set_is_drawn_once(tmp_path):
    folder = write_demo_concepts(tmp_path, 3, seed=0, size=32)
    image = folder / "images" / "scenes" / "00000.png"
    image.write_bytes(b"changed")
    assert write_demo_concepts(tmp_path, 3, seed=0, size=32) == folder
    assert image.read_bytes() == b"changed"
    # Without its index it is not whole.
    (folder / "index.csv").unlink()
    write_demo_concepts(tmp_path, 3, seed=0, size=32)
    assert np.array_equal(decode(image), scene(0, 0, 32).pixels)
    assert write_demo_concepts(tmp_path, 3, seed=0, size=40) != folder


@pytest.mark.parametrize(("count", "seed", "size"), [(0, 0, 128), (1, -1, 128), (1, 0, 31)])
def test_what_cannot_be_drawn_is_refused(tmp_path, count, seed, size):
    said = re.escape(f"{count} scenes of seed {seed}, {size} pixels wide")
    with pytest.raises(ImageError, match=said):
        write_demo_concepts(tmp_path, count, seed, size)
    assert not list(tmp_path.iterdir())
