"""``striate net2vec``: from labelled images to vectors, their table, sums and pictures."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.atlas.recipe import network_of
from striate.atlas.store.reader import Atlas
from striate.dissection.net2vec.job import net2vec
from striate.dissection.net2vec.learn import Wanted
from striate.dissection.net2vec.results import StoredVectors
from striate.dissection.run import dissect
from striate.errors import AtlasError
from striate.image.concepts.reading import concept_set

OWN = """
import torch
from torch import nn

def make():
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.ReLU())
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.copy_(torch.eye(3)[:, :, None, None])
            layer.bias.zero_()
    return net
"""
SIDE, SQUARE, IMAGES, TRAIN = 16, 4, 24, 16
WARM, COLD, RARE = 1, 2, 3
Run = Callable[..., tuple[int, str, str]]
LEARN = [
    "net2vec", "built", "--concepts", "labelled", "--layer", "1", "--quantile", "0.07", "--ratio",
    "1", "--epochs", "60",
]  # fmt: skip


def draw(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A red, a green and a blue square on black, in quarters of their own; two are warm."""
    random = np.random.default_rng(number)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    half = SIDE // 2
    for colour, quarter in enumerate(random.permutation(4)[:3]):
        top, left = random.integers(0, half - SQUARE + 1, 2) + half * np.array(divmod(quarter, 2))
        box = slice(top, top + SQUARE), slice(left, left + SQUARE)
        picture[(*box, colour)] = 255
        mask[box] = COLD if colour == 2 else WARM
    if number < 2:
        mask[tuple(np.argwhere(mask == 0)[0])] = RARE
    return picture, mask


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A network whose units are the colours, images to make an atlas of, and labelled ones."""
    (tmp_path / "own.py").write_text(OWN)
    labelled = tmp_path / "labelled"
    for folder in ("images", "masks"):
        (labelled / folder).mkdir(parents=True)
    lines = ["file,split"]
    for number in range(IMAGES):
        picture, mask = draw(number)
        Image.fromarray(picture).save(labelled / "images" / f"{number:02d}.png")
        Image.fromarray(mask).save(labelled / "masks" / f"{number:02d}.png")
        lines.append(f"{number:02d},{'train' if number < TRAIN else 'val'}")
    (labelled / "images.csv").write_text("\n".join(lines))
    (labelled / "labels.csv").write_text(
        "index,name\n0,unlabelled\n1,warm\n2,cold\n3,rare\n4,never\n"
    )
    return tmp_path


@pytest.fixture
def built(striate_: Run, place: Path) -> Path:
    code, _, err = striate_(
        "atlas", "own:make", "labelled/images", "-o", "built", "--resize", SIDE, "--crop", SIDE,
        "--mean", "0,0,0", "--std", "1,1,1",
    )  # fmt: skip
    assert code == 0, err
    return place / "built"


def test_planted_concepts_come_out_as_they_must(striate_: Run, built: Path) -> None:
    """Blue is one unit: IoU 1. Warm is two: each has half of the pixels, both together all."""
    code, out, err = striate_(*LEARN)
    assert code == 0, err
    found = StoredVectors(Atlas(built)).of("1")
    warm, cold = found.learnt
    assert (warm.name, warm.train, warm.val) == ("warm", TRAIN, IMAGES - TRAIN)
    assert (warm.unit_score, warm.score) == (0.5, 1.0)
    assert warm.unit in {0, 1}
    assert (cold.unit, cold.unit_score, cold.score) == (2, 1.0, 1.0)
    assert [len(subset.units) for subset in warm.subsets] == [1, 2]
    assert [subset.score for subset in warm.subsets] == [0.5, 1.0]
    assert [subset.score for subset in cold.subsets] == [1.0, 1.0]
    assert warm.weight == pytest.approx(1 - 2 * SQUARE**2 / SIDE**2)
    assert (warm.everywhere, cold.everywhere) == (2 * SQUARE**2 / SIDE**2, SQUARE**2 / SIDE**2)
    reasons = {one.name: one.reason for one in found.left_out}
    assert reasons == {
        "rare": "shown by 2 images to learn from and 0 held-out ones; 10 and 5 are needed",
        "never": "no image shows it",
    }
    assert out.splitlines()[2].split()[:6] == ["warm", "16", "8", str(warm.unit), "0.500", "1.000"]
    assert f"not learnt: rare: {reasons['rare']}" in out
    assert "60 of 60 epochs" in err


def test_the_single_unit_s_iou_is_the_dissection_s(striate_: Run, built: Path) -> None:
    """All images show both concepts, so the set is the same; its thresholds are taken over."""
    atlas = Atlas(built)
    network, concepts = network_of(atlas, "cpu"), concept_set([str(built.parent / "labelled")])
    dissection = dissect(
        network, atlas, concepts, layers=["1"], quantile=0.07, ratio=1, upsampling="resize"
    )
    counted = list[str]()
    found = net2vec(
        network, atlas, concepts, "1", wanted=Wanted.of("segmentation", epochs=2), quantile=0.07,
        ratio=1, progress=lambda what, *_: counted.append(what),
    )  # fmt: skip
    assert "images" in counted
    assert "images for thresholds" not in counted
    iou = dissection.layers["1"].iou
    for number, one in enumerate(found.learnt):
        assert one.unit_train_score == one.unit_score == pytest.approx(iou[one.unit, number])


def test_what_is_done_is_not_done_again_nor_taken_for_another(striate_: Run, built: Path) -> None:
    _, first, _ = striate_(*LEARN)
    path = next((built / "net2vec").glob("*.json"))
    before = {p.name: p.read_bytes() for p in (built / "net2vec").iterdir()}
    code, again, err = striate_(*LEARN)
    assert (code, again) == (0, first)
    assert "epochs" not in err
    code, _, err = striate_(*LEARN, "--seed", "3")
    assert code == 2
    assert "seed: 0 before, 3 now" in err
    assert striate_(*LEARN, "--restart")[1] == first
    assert {p.name: p.read_bytes() for p in (built / "net2vec").iterdir()} == before
    assert striate_(*LEARN, "--seed", "3", "--restart")[0] == 0
    assert path.read_bytes() != before[path.name]


def test_what_was_learnt_is_shown(striate_: Run, built: Path) -> None:
    _, learnt, _ = striate_(*LEARN)
    assert striate_("net2vec", "show", "built")[1] == learnt
    said = json.loads(striate_("net2vec", "show", "built", "--json")[1])
    assert [one["name"] for one in said["concepts"]] == ["warm", "cold"]
    assert said["concepts"][1]["single"] == {"unit": 2, "iou": 1.0, "train_iou": 1.0}
    rows = list(csv.DictReader(io.StringIO(striate_("net2vec", "show", "built", "--csv")[1])))
    assert [(row["kind"], row["units"], row["iou"]) for row in rows[:5]] == [
        ("single", "1", "0.5"), ("subset", "1", "0.5"), ("subset", "2", "1.0"),
        ("blind", "0", "0.125"), ("all", "3", "1.0"),
    ]  # fmt: skip
    code, out, _ = striate_("net2vec", "near", "built", "warm")
    assert code == 0
    cosine = StoredVectors(Atlas(built)).of("1").nearest("warm")[0].cosine
    assert out == f"{cosine:6.3f}  cold (object)\n"
    assert striate_("net2vec", "sum", "built", "0.5*cold + cold")[1].endswith("warm (object)\n")
    assert striate_("net2vec", "sum", "built", "warm - warm")[1].startswith("none: ")
    code, _, err = striate_("net2vec", "near", "built", "worm")
    assert code == 2
    assert "no concept 'worm' among 2 in 1; the nearest are warm" in err


def test_a_picture_of_a_concept_comes_with_its_numbers(striate_: Run, built: Path) -> None:
    striate_(*LEARN)
    code, out, err = striate_(
        "net2vec", "picture", "built", "cold - warm", "-o", "cold.png", "--steps", "24"
    )
    assert code == 0, err
    numbers, written = out.splitlines()
    said = (
        r"cold - warm: \S+ along the vector, cosine -?[01]\.\d\d, [0-2] of 2 concepts are nearer.*"
    )
    assert re.fullmatch(said, numbers)
    assert written == "cold.png"
    with Image.open(built.parent / "cold.png") as picture:
        assert min(picture.size) > SIDE
    code, _, err = striate_("net2vec", "picture", "built", "cold - cold", "-o", "no.png")
    assert code == 2
    assert "'cold - cold' is zero in 1" in err


def test_an_image_that_cannot_be_read_is_skipped_and_named(striate_: Run, built: Path) -> None:
    images = built.parent / "labelled" / "images"
    (images / "03.png").write_bytes(b"no picture")
    code, out, err = striate_(*LEARN)
    assert code == 0, err
    found = StoredVectors(Atlas(built)).of("1")
    assert found.learnt[0].train == TRAIN - 1
    assert [name for name, _ in found.skipped] == ["labelled/images/03.png"]
    assert "1 images skipped; the first, 'labelled/images/03.png'" in out


def test_what_cannot_be_learnt_is_said(striate_: Run, built: Path) -> None:
    code, _, err = striate_("net2vec", "show", "built")
    assert code == 2
    assert "no concept vectors" in err
    code, _, err = striate_(*LEARN, "--task", "classification")
    assert code == 2
    assert "no concept can be learnt in 1" in err
    assert "'warm': missing in 0 images to learn from" in err
    assert striate_(*LEARN, "--units", "4")[2].strip().endswith("the layer has 3")
    assert "no loss 'hinge'" in striate_(*LEARN, "--loss", "hinge")[2]
    assert "1 (segmentation)" not in striate_("net2vec", "near", "built", "warm", "--layer", "3")[2]
    with pytest.raises(AtlasError, match="no concept vectors"):
        StoredVectors(Atlas(built)).of("1")


def test_classes_of_images_are_learnt_too(striate_: Run, built: Path) -> None:
    """Folders "blue" and "red": one unit tells them apart, and so must all."""
    for number in range(40):
        colour = "red" if number % 2 else "blue"
        folder = built.parent / "classes" / colour
        folder.mkdir(parents=True, exist_ok=True)
        picture = np.random.default_rng(number).integers(0, 60, (SIDE, SIDE, 3), dtype=np.uint8)
        picture[..., 0 if number % 2 else 2] += 120
        Image.fromarray(picture).save(folder / f"{number}.png")
    code, out, err = striate_(
        "net2vec", "built", "--concepts", "colour=classes", "--layer", "1", "--task",
        "classification", "--epochs", "20",
    )  # fmt: skip
    assert code == 0, err
    assert "balanced accuracy" in out
    found = StoredVectors(Atlas(built)).of("1", "classification")
    assert [one.name for one in found.learnt] == ["blue", "red"]
    assert found.scores == [1.0, 1.0]
    assert [one.unit_score for one in found.learnt] == [1.0, 1.0]
    assert found.vectors[0, 2] > 0 > found.vectors[0, 0]
    assert found.nearest("blue")[0].cosine < 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["show", "built"], "no concept vectors by segmentation: learn them"),
        (["show", "built", "--json", "--csv"], "not both"),
        (["near", "built", "warm", "--task", "guessing"], "no task 'guessing'"),
    ],
)
def test_what_is_wrong_is_said(striate_: Run, built: Path, asked: list[str], said: str) -> None:
    assert built.is_dir()
    code, out, err = striate_("net2vec", *asked)
    assert (code, out) == (2, "")
    assert said in err
