"""Colours of pixels: named alike one by one and by the picture."""

import numpy as np
import pytest

from striate.image.concepts.colours import (
    COLOURS,
    PLACES,
    PROTOTYPES,
    colour_name,
    distance,
    name_pixels,
    nearest_colour,
    oklab,
    srgb,
)

BASIC = "black blue brown green grey orange pink purple red white yellow"
WRONG = 1e-4


def test_there_are_the_eleven_basic_colours():
    assert sorted(COLOURS) == BASIC.split()


def test_prototypes_bear_their_own_names():
    for name, prototypes in PROTOTYPES.items():
        names = name_pixels(np.array([prototypes], np.uint8))[0]
        assert [COLOURS[index] for index in names] == [name] * len(prototypes)
        assert [COLOURS[nearest_colour(place)] for place in PLACES[name]] == [name] * len(names)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"),
        ((0, 0, 0), "black"),
        ((255, 255, 255), "white"),
        ((128, 128, 128), "grey"),
        ((0, 0, 255), "blue"),
        ((0, 128, 0), "green"),
        ((255, 255, 0), "yellow"),
        ((255, 165, 0), "orange"),
        ((255, 192, 203), "pink"),
        ((128, 0, 128), "purple"),
        ((139, 69, 19), "brown"),
    ],
)
def test_colours_of_the_web_are_named_as_the_web_names_them(rgb, name):
    assert COLOURS[int(name_pixels(np.array(rgb, np.uint8)))] == name


def test_pictures_are_named_as_their_pixels_are():
    """The table that makes it fast errs at borders alone, and no more often than it says."""
    colours = np.random.default_rng(5).integers(0, 256, (400_000, 3)).astype(np.uint8)
    places = oklab(colours / 255.0)
    prototypes = np.concatenate([PLACES[name] for name in COLOURS])
    owners = np.repeat(np.arange(len(COLOURS)), [len(PLACES[name]) for name in COLOURS])
    squares = np.stack([np.square(places - one).sum(axis=1) for one in prototypes], axis=1)
    exact = owners[squares.argmin(axis=1)]
    named = name_pixels(colours)
    different = np.flatnonzero(named != exact)
    assert len(different) <= 2 * WRONG * len(colours)
    nearest = np.sqrt(squares[different].min(axis=1))
    taken = [np.sqrt(squares[row][owners == named[row]].min()) for row in different.tolist()]
    assert np.all(np.array(taken) - nearest < 0.01), "a colour far from any border is named wrong"
    for index in range(0, 400_000, 40_000):
        assert colour_name(colours[index] / 255.0) == COLOURS[exact[index]]


@pytest.mark.slow
def test_of_all_colours_885_are_named_otherwise():
    plane = np.stack(np.meshgrid(range(256), range(256), indexing="ij"), axis=-1)
    prototypes = np.concatenate([PLACES[name] for name in COLOURS])
    owners = np.repeat(np.arange(len(COLOURS)), [len(PLACES[name]) for name in COLOURS])
    wrong = 0
    for red in range(256):
        colours = np.insert(plane.reshape(-1, 2), 0, red, axis=1).astype(np.uint8)
        near = oklab(colours / 255.0) @ prototypes.T - np.square(prototypes).sum(axis=1) / 2
        wrong += int((name_pixels(colours) != owners[near.argmax(axis=1)]).sum())
    # The oracle is in double precision, what it judges in single: a few more colours may differ.
    assert 800 <= wrong <= 1000


def test_any_shape_of_picture_is_named():
    picture = np.zeros((3, 0, 3), np.uint8)
    assert name_pixels(picture).shape == (3, 0)
    assert name_pixels(np.zeros((2, 5, 3), np.uint8)).tolist() == [[COLOURS.index("black")] * 5] * 2


def test_oklab_is_inverted_and_measured():
    rgb = np.random.default_rng(1).random((50, 3))
    assert np.allclose(srgb(oklab(rgb)), rgb, atol=1e-6)
    assert distance(rgb[0], rgb[0]) == 0.0
    assert distance(rgb[0], rgb[1]) == pytest.approx(distance(rgb[1], rgb[0]))
