"""Units ablated: a network with one unit a class, and brute force with edited networks."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from networks import HAND_MADE
from striate.atlas.observe import Batch
from striate.dissection.ablated import guesses_without
from striate.dissection.intervention import halves, intervene
from striate.errors import MethodError
from striate.image.folder import ImageFile
from striate.network.onward import Onward

SIDE = 8
RED, GREEN, BLUE, DARK = range(4)


class Planted(nn.Module):
    """Class c is read from unit c alone; unit 3 is dead; what shows no colour is the last class."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 5, 1), nn.Linear(5, 4)
        with torch.no_grad():
            self.body.weight.zero_()
            self.body.bias.zero_()
            self.head.weight.zero_()
            self.body.weight[[0, 1, 2], [0, 1, 2]] = 1.0
            self.body.weight[4] = 1.0
            self.head.weight[[0, 1, 2], [0, 1, 2]] = 1.0
            self.head.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.1]))

    def forward(self, x):
        return self.head(self.body(x).relu().mean((2, 3)))


@functools.cache
def planted(dtype=torch.float32):
    module = Planted().to(dtype)
    return striate.load(
        module, name="planted", resize=SIDE, crop=SIDE, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0),
        class_names=("red", "green", "blue", "dark"),
    )  # fmt: skip


def coloured(folder: Path, each: int) -> tuple[list[ImageFile], list[int | None]]:
    """Pictures of three colours and dark ones; each unlike the others."""
    files, labels = [], []
    for number in range(4 * each):
        label = number % 4
        levels = np.random.default_rng(number).integers(0, 10, (SIDE, SIDE, 3), dtype=np.uint8)
        if label != DARK:
            levels[..., label] += 200
        path = folder / f"{number:03d}.png"
        Image.fromarray(levels).save(path)
        files.append(ImageFile(number, path.name, path, None))
        labels.append(label)
    return files, labels


# --- the planted network -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_unit_that_a_class_is_read_from_is_found(tmp_path, dtype):
    files, labels = coloured(tmp_path, 6)
    found = intervene(planted(dtype), "relu", files, labels, count=1)
    drops = found.drops()
    for role in found.classes[:DARK]:
        assert role.units[0] == role.index
        assert (role.before, role.without, role.only) == (1.0, 0.5, 1.0)
        assert (role.without_last, role.ranked_on, role.judged_on) == (1.0, 3, 3)
        assert drops[role.index, role.index] == 0.5
        others = [k for k in (RED, GREEN, BLUE) if k != role.index]
        # Without its unit an image is taken for a dark one, so that only that class suffers.
        assert drops[role.index, others].tolist() == [0, 0]
        assert drops[role.index, DARK] == pytest.approx(0.5 * 3 / 9)
        assert role.others_before == 1.0
        assert role.others_without == pytest.approx((2 + 1 - 0.5 * 3 / 9) / 3)
    assert (found.ranked_on, found.judged_on, found.left_out, found.skipped) == (12, 12, (), ())


def test_a_dead_unit_changes_nothing_at_all(tmp_path):
    files, labels = coloured(tmp_path, 5)
    found = intervene(planted(), "relu", files, labels, count=1)
    for role in found.classes:
        for unit in (3, 4):  # dead, and alive but read by no class
            place = role.units.index(unit)
            assert role.drops[place] == 0
            assert role.margins[place] == (0 if unit == 3 else pytest.approx(0, abs=1e-6))


def test_equal_drops_are_ordered_by_margin_then_by_number(tmp_path):
    files, labels = coloured(tmp_path, 6)
    found = intervene(planted(torch.float64), "relu", files, labels, count=1)
    dark = found.classes[DARK]
    # No unit tells dark images; what colours say against them is a little, and that is all.
    assert dark.drops[:3] == pytest.approx([0.5 * 3 / 9] * 3)
    assert list(dark.drops) == sorted(dark.drops, reverse=True)
    for role in found.classes:
        keys = list(
            zip([-d for d in role.drops], [-m for m in role.margins], role.units, strict=True)
        )
        assert keys == sorted(keys)
        assert sorted(role.units) == list(range(5))


def test_what_an_ablated_unit_is_set_to_counts(tmp_path):
    files, labels = coloured(tmp_path, 5)
    value = np.array([1.0, 0, 0, 0, 0])
    found = intervene(planted(), "relu", files, labels, count=1, value=value)
    # Unit 0 at 1 everywhere calls everything red: its recall stays, its negatives are all wrong.
    red = found.classes[RED]
    assert (found.to, red.units[0], red.drops[0], red.without) == ("mean", 0, 0.5, 0.5)
    assert found.drops()[0, GREEN] == 0.5


# --- halves ------------------------------------------------------------------------------------


def test_halves_are_disjoint_and_share_each_class():
    generator = np.random.default_rng(0)
    labels = [None if k == 4 else k for k in generator.integers(0, 5, 200).tolist()]
    names = [f"{k}.png" for k in range(200)]
    one, other = halves(names, labels, seed=3)
    assert not {*one} & {*other}
    assert sorted([*one, *other]) == [k for k, label in enumerate(labels) if label is not None]
    for label in range(4):
        dealt = [sum(labels[k] == label for k in half) for half in (one, other)]
        assert 0 <= dealt[0] - dealt[1] <= 1
    assert halves(names, labels, seed=3) == (one, other)
    assert halves(names, labels, seed=4) != (one, other)
    turned = halves(names[::-1], labels[::-1], seed=3)
    assert [sorted(199 - k for k in half) for half in turned] == [one, other]


def test_each_half_has_its_part(tmp_path):
    """Pictures of one half that are turned to noise change what that half says, and no more."""
    files, labels = coloured(tmp_path, 6)
    ranking, judging = halves([file.name for file in files], labels)

    def spoilt(places):
        for place in places:
            Image.new("RGB", (SIDE, SIDE), (255, 255, 255)).save(files[place].path)
        (*roles,) = intervene(planted(), "relu", files, labels, count=1).classes
        coloured(tmp_path, 6)
        return roles

    for whole, half in zip(spoilt([]), spoilt(judging), strict=True):
        assert (half.units, half.drops, half.margins) == (whole.units, whole.drops, whole.margins)
        assert half.before < whole.before
    for whole, half in zip(spoilt([])[:DARK], spoilt(ranking)[:DARK], strict=True):
        assert half.drops != whole.drops
        assert half.before == whole.before


# --- brute force -------------------------------------------------------------------------------


def random_pictures(folder, count):
    files = []
    for number in range(count):
        levels = np.random.default_rng(number).integers(0, 256, (37, 29, 3), dtype=np.uint8)
        Image.fromarray(levels).save(folder / f"{number:02d}.png")
        files.append(ImageFile(number, f"{number:02d}.png", folder / f"{number:02d}.png", None))
    return files


def balanced(guesses, labels, c):
    own = [g == c for g, label in zip(guesses, labels, strict=True) if label == c]
    others = [g != c for g, label in zip(guesses, labels, strict=True) if label != c]
    return (sum(own) / len(own) + sum(others) / len(others)) / 2


class BruteForce:
    """One edited network a set of units, one image at a time, in loops."""

    def __init__(self, network, layer, files, labels):
        self.network, self.layer, self.files, self.labels = network, layer, files, labels

    def guesses(self, places, units):
        def silence(activation):
            changed = activation.clone()
            changed[:, list(units)] = 0
            return changed

        network = self.network.edit(self.layer, silence) if units else self.network
        return [int(network(network.read(self.files[k].path)[None]).argmax()) for k in places]

    def accuracy(self, places, units, c):
        return balanced(self.guesses(places, units), [self.labels[k] for k in places], c)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_those_of_networks_edited_one_by_one(tmp_path, dtype):
    module, size = HAND_MADE["residual"]()
    reading = {"resize": size, "crop": size, "mean": (0.5, 0.5, 0.5), "std": (0.1, 0.2, 0.3)}
    files = random_pictures(tmp_path, 26)
    network = striate.load(module.to(dtype), **reading)
    scores = torch.cat([network(network.read(file.path)[None]) for file in files])
    with torch.no_grad():  # else all pictures are of one class
        module.head.bias -= scores.mean(0)
    network = striate.load(module, **reading)
    # Labels near the guesses: random ones alone would hide a wrong sign in the noise.
    plain = BruteForce(network, "conv1", files, [0] * 26).guesses(range(26), ())
    labels = [guess if k % 3 else k % 4 for k, guess in enumerate(plain)]
    force = BruteForce(network, "conv1", files, labels)
    found = intervene(network, "conv1", files, labels, count=2, batch=5)
    assert len(found.classes) > 1
    ranking, judging = halves([file.name for file in files], labels)
    alone = [force.guesses(ranking, (unit,)) for unit in range(found.units)]
    before = force.guesses(ranking, ())
    own = [labels[k] for k in ranking]
    for column, role in enumerate(found.classes):
        c = role.index
        expected = [balanced(before, own, c) - balanced(guess, own, c) for guess in alone]
        assert found.drops()[:, column] == pytest.approx(expected, abs=1e-12)
        assert role.before == pytest.approx(force.accuracy(judging, (), c))
        assert role.without == pytest.approx(force.accuracy(judging, role.units[:2], c))
        assert role.without_last == pytest.approx(force.accuracy(judging, role.units[-2:], c))
        assert role.only == pytest.approx(force.accuracy(judging, role.units[2:], c))


def test_chunks_and_batches_change_no_count():
    module, size = HAND_MADE["squeeze-excite"]()
    network = striate.load(module.double(), image_size=size)
    onward = Onward(network, list(network.layers)[3])
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((7, 3, *size), dtype=torch.float64, generator=generator)
    labels = [0, 1, 2, 0, 1, 2, 3]
    masks = np.random.default_rng(0).random((9, onward.units)) < 0.4
    whole = guesses_without(
        onward, [Batch(images, range(7), labels)], masks, np.zeros(onward.units)
    )
    parts = [
        Batch(images[k : k + 2], [*range(7)][k : k + 2], labels[k : k + 2]) for k in (0, 2, 4, 6)
    ]
    split = guesses_without(onward, parts, masks, np.zeros(onward.units), largest=1)
    for name in ("images", "hits", "guessed"):
        assert np.array_equal(getattr(whole, name), getattr(split, name))
    assert split.margins == pytest.approx(whole.margins)
    assert whole.guessed.sum(axis=1).tolist() == [7] * 9


# --- trouble -----------------------------------------------------------------------------------


def test_unreadable_pictures_are_skipped_and_named(tmp_path):
    files, labels = coloured(tmp_path, 6)
    ranking, _ = halves([file.name for file in files], labels)
    bad = next(place for place in ranking if labels[place] == GREEN)
    files[bad].path.write_bytes(b"no picture")
    found = intervene(planted(), "relu", files, labels, count=1)
    ((name, reason),) = found.skipped
    assert name == files[bad].name
    assert "no picture" in reason or "cannot" in reason
    assert [role.ranked_on for role in found.classes] == [3, 2, 3, 3]
    assert found.ranked_on == 11


def test_a_class_whose_pictures_cannot_be_read_is_left_out(tmp_path):
    files, labels = coloured(tmp_path, 4)
    for place, label in enumerate(labels):
        if label == GREEN:
            files[place].path.write_bytes(b"no picture")
    found = intervene(planted(), "relu", files, labels, count=1)
    assert [role.name for role in found.classes] == ["red", "blue", "dark"]
    assert found.left_out == (("green", "too few of its images can be read"),)
    with pytest.raises(MethodError, match=r"'green'.*can be read"):
        intervene(planted(), "relu", files, labels, classes=[GREEN], count=1)


def test_unlabelled_pictures_change_nothing(tmp_path):
    files, labels = coloured(tmp_path, 5)
    unknown = [None, 1_000_000, 4, -1]
    more = [ImageFile(20 + k, f"no {k}", tmp_path / "none", None) for k in range(len(unknown))]
    plain = intervene(planted(), "relu", files, labels, count=1)
    assert intervene(planted(), "relu", [*files, *more], [*labels, *unknown], count=1) == plain


def test_too_few_images_are_refused_with_the_number_needed(tmp_path):
    files, labels = coloured(tmp_path, 1)
    with pytest.raises(MethodError, match=r"1 labelled images, 4 are needed.*recall"):
        intervene(planted(), "relu", files, labels)
    files, labels = coloured(tmp_path, 4)
    labels = [label if label != BLUE or place < 8 else None for place, label in enumerate(labels)]
    found = intervene(planted(), "relu", files, labels, count=1)
    assert found.left_out == (("blue", "2 labelled images, 4 are needed"),)
    with pytest.raises(MethodError, match=r"'blue' .2 labelled"):
        intervene(planted(), "relu", files, labels, classes=[BLUE, RED])
    with pytest.raises(MethodError, match="only one class"):
        intervene(planted(), "relu", files, [0 if k == 0 else None for k in labels])
    with pytest.raises(MethodError, match="no image has a label"):
        intervene(planted(), "relu", files, [None] * len(files))
    with pytest.raises(MethodError, match=r"no class 9.*0 to 3"):
        intervene(planted(), "relu", files, labels, classes=[9])


@pytest.mark.parametrize("count", [0, 5])
def test_a_number_of_units_that_leaves_none_is_refused(tmp_path, count):
    files, labels = coloured(tmp_path, 4)
    with pytest.raises(MethodError, match=rf"{count} of the 5 units.*1 to 4"):
        intervene(planted(), "relu", files, labels, count=count)


def test_images_without_finite_scores_are_not_counted():
    network = planted()
    images = torch.zeros(3, 3, SIDE, SIDE)
    images[0, RED], images[1, GREEN], images[2, BLUE] = 1, torch.inf, 1
    batch = Batch(images, [10, 11, 12], [RED, GREEN, BLUE])
    found = guesses_without(Onward(network, "relu"), [batch], np.zeros((1, 5), bool), np.zeros(5))
    assert found.not_finite == (11,)
    assert found.images.tolist() == [1, 0, 1, 0]
    assert found.hits.tolist() == [[1, 0, 1, 0]]


def test_a_silenced_network_without_finite_scores_guesses_nothing():
    onward = Onward(planted(), "relu")
    images = torch.zeros(1, 3, SIDE, SIDE)
    images[0, RED] = 1
    masks = np.array([[False] * 5, [True] + [False] * 4])
    found = guesses_without(onward, [Batch(images, [0], [RED])], masks, np.full(5, np.inf))
    assert found.hits.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert found.guessed.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert np.isfinite(found.margins).all()
    json.dumps(found.margins.tolist(), allow_nan=False)
