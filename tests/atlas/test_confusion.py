"""Confusions: counted as a loop counts them, and confused classes side by side."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from building import Build, draw, small_network

from striate.atlas.confusion import Confusion
from striate.atlas.store.rows import ImageRow


@dataclass
class Images:
    """All that a confusion matrix wants of an atlas."""

    images: list[ImageRow] = field(default_factory=list)

    def add(self, label: int | None, *best: int, rank: int | None = 0) -> None:
        number = len(self.images)
        row = ImageRow(number, f"{number}.png", 1, label, best, rank, bool(best), None)
        self.images.append(row)


def of(images: Images) -> Confusion:
    """Without the check of argument types: images are all that is asked for."""
    return Confusion.of.__func__.__wrapped__(Confusion, images)


def test_cells() -> None:
    images = Images()
    for label, guess in [(3, 3), (3, 5), (3, 5), (5, 5), (9, 3), (3, 5)]:
        images.add(label, guess, 0, 1)
    found = of(images)
    assert found.cells == [(3, 3, 1), (3, 5, 3), (5, 5, 1), (9, 3, 1)]
    assert found.images == {(3, 3): [0], (3, 5): [1, 2, 5], (5, 5): [3], (9, 3): [4]}
    assert found.classes == [3, 5, 9]
    assert sorted(found.order) == [3, 5, 9]


def test_only_judged_images_count() -> None:
    images = Images()
    images.add(None, 1, rank=None)
    images.add(2)
    images.add(1_000_000, 1, rank=None)
    assert of(images) == Confusion([], [], [], {})
    images.add(4, 4)
    assert of(images) == Confusion([4], [4], [(4, 4, 1)], {(4, 4): [3]})


@pytest.mark.parametrize("seed", range(3))
def test_confused_classes_stand_together(seed: int) -> None:
    """Five groups of classes that are taken for each other: each is a run of the order."""
    chance = np.random.default_rng(seed)
    names = chance.permutation(100)[:30]
    groups = [names[k : k + 6].tolist() for k in range(0, 30, 6)]
    images = Images()
    for group in groups:
        for true in group:
            for _ in range(40):
                others = group if chance.random() < 0.9 else names.tolist()
                images.add(true, true if chance.random() < 0.5 else int(chance.choice(others)))
    order = of(images).order
    assert sorted(order) == sorted(names.tolist())
    for group in groups:
        places = sorted(order.index(k) for k in group)
        assert places == list(range(places[0], places[0] + 6)), order


def test_of_an_atlas(build: Build, tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "images" / ("ape", "bee", "cow")[number % 3] / f"{number:02d}.png", number)
    network = small_network(class_names=["cow", "bee", "ape"])
    atlas = build(tmp_path / "images", tmp_path / "atlas", network=network)
    counts: dict[tuple[int, int], list[int]] = {}
    for image in atlas.images:
        assert image.label is not None
        assert (image.rank == 0) is (image.best[0] == image.label)
        counts.setdefault((image.label, image.best[0]), []).append(image.id)
    found = of(atlas)
    assert found.images == counts
    assert sum(count for *_, count in found.cells) == 12
    right = sum(count for true, guess, count in found.cells if true == guess)
    assert atlas.summary()["top1"] == pytest.approx(100 * right / 12)


def test_thousands_of_classes_are_not_waited_for_minutes() -> None:
    images = Images()
    for label in range(5000):
        images.add(label, (label + 7) % 5000)
    assert of(images).order == list(range(5000))
