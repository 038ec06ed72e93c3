"""What is written in Broden's format is read back, with all its corners."""

import numpy as np
import pytest

from striate.errors import ImageError
from striate.image.concepts.broden_writer import Example, write_broden
from striate.image.concepts.concept_set import Concept
from striate.image.concepts.reading import concept_set, segments
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing

AS_IT_IS = Preprocessing(resize=None, crop=None)
SKY, CAR, LAWN = Concept("sky", "object"), Concept("car", "object"), Concept("lawn", "scene")


def half(rows, columns, *, left):
    mask = np.zeros((rows, columns), bool)
    mask[:, : columns // 2] = left
    mask[:, columns // 2 :] = not left
    return mask


def read_back(folder, ratio):
    """Of each image which concepts are where, by name, and which cover all of it."""
    found = concept_set([str(folder)])
    shown = {}
    for image in found.images:
        seen = segments(found, image, decode(image.path), AS_IT_IS, ratio)
        masks = {}
        for index, concept in enumerate(found.concepts):
            planes = seen.planes == index
            assert planes.sum(axis=0).max(initial=0) <= 1, "a concept twice at one place"
            if planes.any():
                masks[concept] = planes.any(axis=0)
        whole = {found.concepts[index] for index in seen.whole.tolist()}
        shown[image.name.partition("/images/")[2]] = (masks, whole)
    return found, shown


def test_a_random_set_is_read_back(tmp_path, photo):
    """Overlaps within a category, hundreds of labels, and labels at half the size."""
    generator = np.random.default_rng(8)
    everything = [
        Concept(f"{category}-{number}", category)
        for category in ("object", "part", "material")
        for number in range(110)
    ]
    examples = []
    for number in range(45):
        chosen = [everything[i] for i in generator.choice(len(everything), 12, replace=False)]
        masks = {concept: generator.random((8, 10)) < 0.3 for concept in chosen[:9]}
        part = ("train", "val", "")[number % 3]
        examples.append(Example(f"x/{number}.png", photo(16, 20), masks, chosen[9:], part))
    write_broden(tmp_path / "set", iter(examples))
    found, shown = read_back(tmp_path / "set", ratio=2)
    assert len(found.concepts) > 256
    assert max(len(image.masks) for image in found.images) > 3
    assert list(shown) == [example.name for example in examples]
    for image, example in zip(found.images, examples, strict=True):
        masks, whole = shown[example.name]
        assert image.part == example.part
        assert np.array_equal(decode(image.path), example.picture)
        assert whole == set(example.whole)
        assert set(masks) == {concept for concept, mask in example.masks.items() if mask.any()}
        for concept, mask in masks.items():
            assert np.array_equal(mask, example.masks[concept])


def test_the_tables_say_what_broden_says(tmp_path):
    picture = np.zeros((4, 8, 3), np.uint8)
    top, cloth = np.zeros((2, 4), bool), Concept("cloth", "material")
    top[0] = True
    examples = [
        Example("1.png", picture, {SKY: top, CAR: half(2, 4, left=True)}, [LAWN], "train"),
        Example("2.png", picture, {cloth: top, Concept("cloth", "object"): top | ~top}, [CAR]),
        Example("3.png", picture, {cloth: half(2, 4, left=False), SKY: ~top & top}),
        Example("4.png", picture),
    ]
    write_broden(tmp_path, examples)
    lines = {path.name: path.read_text().splitlines() for path in tmp_path.glob("*.csv")}
    assert lines["index.csv"] == [
        "image,split,ih,iw,sh,sw,scene,object,material",
        "1.png,train,4,8,2,4,1,1_object.png;1_object_2.png,",
        "2.png,,4,8,2,4,,3;2_object.png,2_material.png",
        "3.png,,4,8,2,4,,,3_material.png",
        "4.png,,4,8,4,8,,,",
    ]
    assert lines["label.csv"] == [
        "number,name,category,frequency,coverage,syns",
        "1,lawn,scene(1),1,1.000000,",
        "2,sky,object(1),1,0.500000,",
        "3,car,object(2),2,1.500000,",
        "4,cloth,material(2);object(1),3,2.000000,",
    ]
    assert lines["category.csv"] == [
        "name,first,last,count,frequency",
        "scene,1,1,1,1",
        "object,2,4,3,4",
        "material,4,4,1,2",
    ]
    assert lines["c_object.csv"] == [
        "code,number,name,frequency,coverage",
        "1,3,car,2,1.5",
        "2,4,cloth,1,1.0",
        "3,2,sky,1,0.5",
    ]
    assert lines["c_material.csv"][1:] == ["1,4,cloth,2,1.0"]


def test_a_label_in_two_categories_is_one_concept_of_the_larger(tmp_path, photo):
    small, large = np.zeros((6, 6), bool), np.ones((6, 6), bool)
    small[0, 0] = True
    cloth = [Concept("cloth", "material"), Concept("cloth", "object")]
    examples = [
        Example("1.png", photo(6, 6), {cloth[0]: small}),
        Example("2.png", photo(6, 6), {cloth[0]: small}),
        Example("3.png", photo(6, 6), {cloth[1]: large, cloth[0]: small}),
    ]
    write_broden(tmp_path / "set", examples)
    found, shown = read_back(tmp_path / "set", ratio=1)
    assert found.concepts == (cloth[1],)
    assert [masks[cloth[1]].sum() for masks, _ in shown.values()] == [1, 1, 36]


def test_whole_images_and_masks_share_a_cell(tmp_path, photo):
    example = Example("1.png", photo(4, 4), {SKY: half(4, 4, left=True)}, [CAR])
    write_broden(tmp_path / "set", [example])
    assert (tmp_path / "set" / "index.csv").read_text().splitlines()[1].endswith(",1;1_object.png")
    _, shown = read_back(tmp_path / "set", ratio=1)
    masks, whole = shown["1.png"]
    assert (set(masks), whole) == ({SKY}, {CAR})


@pytest.mark.parametrize(("size", "labels"), [((13, 17), (7, 9)), ((227, 227), (113, 113))])
def test_odd_sizes_are_read_back(tmp_path, photo, size, labels):
    mask = np.random.default_rng(2).random(labels) < 0.5
    write_broden(tmp_path / "set", [Example("1.png", photo(*size), {SKY: mask})])
    _, shown = read_back(tmp_path / "set", ratio=1)
    rows = ((np.arange(size[0]) + 0.5) * labels[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * labels[1] / size[1]).astype(int)
    assert np.array_equal(shown["1.png"][0][SKY], mask[rows[:, None], columns])


def test_images_are_written_as_they_come_and_the_index_last(tmp_path, photo):
    def examples():
        yield Example("1.png", photo(4, 4))
        assert (tmp_path / "images" / "1.png").is_file()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_broden(tmp_path, examples())
    assert not (tmp_path / "index.csv").exists()


def refused():
    picture, mask = np.zeros((4, 4, 3), np.uint8), np.ones((2, 2), bool)
    return {
        r"two images are called '1\.png'": [Example("1.png", picture), Example("./1.png", picture)],
        "is to be written; give one": [],
        r"cannot be called '1\.jpg'": [Example("1.jpg", picture)],
        r"cannot be called '\.\./1\.png'": [Example("../1.png", picture)],
        r"masks of '1\.png' are \[\(2, 2\), \(4, 4\)\]": [
            Example("1.png", picture, {SKY: mask, CAR: np.ones((4, 4), bool)})
        ],
        r"masks of '1\.png' are \[\(2, 4\)\]": [
            Example("1.png", picture, {SKY: np.ones((2, 4), bool)})
        ],
        "label cannot be called ''": [Example("1.png", picture, whole=[Concept("", "scene")])],
        "label cannot be called ' a'": [Example("1.png", picture, whole=[Concept(" a", "scene")])],
        r"category cannot be called 'a;b'": [
            Example("1.png", picture, whole=[Concept("x", "a;b")])
        ],
        "category cannot be called 'a/b'": [Example("1.png", picture, whole=[Concept("x", "a/b")])],
        "category cannot be called 'Image'": [
            Example("1.png", picture, whole=[Concept("x", "Image")])
        ],
        "must not differ by case": [
            Example("1.png", picture, whole=[Concept("x", "part"), Concept("y", "Part")])
        ],
        r"labels of '1\.png' would be called '1_object\.png'": [
            Example("1_object.png", picture),
            Example("1.png", picture, {SKY: mask}),
        ],
    }


@pytest.mark.parametrize(("says", "examples"), refused().items())
def test_what_cannot_be_written_is_refused(tmp_path, says, examples):
    with pytest.raises(ImageError, match=says):
        write_broden(tmp_path, examples)
    assert not (tmp_path / "index.csv").exists()
