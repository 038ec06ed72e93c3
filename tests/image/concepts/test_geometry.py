"""Places of the grid against masks that were really resized and cropped."""

from fractions import Fraction

import numpy as np
import pytest

from striate.errors import ImageError
from striate.image.concepts.geometry import grid_places, nearest, same_shape
from striate.image.preprocess import Preprocessing

WAYS = [
    Preprocessing(interpolation="nearest"),
    Preprocessing(resize=256, crop=227, interpolation="nearest"),
    Preprocessing(resize=(48, 64), crop=None, interpolation="nearest"),
    Preprocessing(resize=(97, 61), crop=(50, 60), interpolation="nearest"),
    Preprocessing(resize=None, crop=(64, 31), interpolation="nearest"),
    Preprocessing(resize=30, crop=64, interpolation="nearest"),
    Preprocessing(resize=None, crop=None, interpolation="nearest"),
    Preprocessing(resize=40, crop=None, interpolation="nearest"),
]
SIZES = [(90, 120), (120, 90), (33, 47), (64, 64), (7, 5)]


def codes(height, width):
    """No two neighbours alike, and never 0, which is what padding is filled with."""
    rows, columns = np.indices((height, width))
    return (1 + (7 * rows + 3 * columns) % 250).astype(np.uint8)


def sampled(mask, way, ratio, size=None):
    down, across = grid_places(way, size or mask.shape, ratio)
    rows, columns = nearest(down, mask.shape[0]), nearest(across, mask.shape[1])
    found = mask[rows[:, None], columns]
    found[rows < 0] = 0
    found[:, columns < 0] = 0
    return found


def inside(way, size):
    """Rows and columns of the input whose centres lie in a pixel and not on an edge of two.

    There Pillow goes this or that way, by the rounding errors that it adds up.
    """
    resized = way._resized_size(size)
    shown = way.image_size or resized
    clear = []
    for length, whole, count in zip(size, resized, shown, strict=True):
        start = -((count - whole) // 2) if count > whole else round((whole - count) / 2)
        at = [(start + i + Fraction(1, 2)) * length / whole for i in range(count)]
        clear.append([place.denominator > 1 for place in at])
    return np.outer(*clear)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_the_grid_sees_what_resizing_and_cropping_a_mask_would_leave(way, size):
    mask = codes(*size)
    seen = way.pixels(np.repeat(mask[:, :, None], 3, axis=2))[:, :, 0]
    clear = inside(way, size)
    assert clear.mean() > 0.5
    fine = sampled(mask, way, 1)
    assert fine.shape == seen.shape
    assert np.array_equal(fine[clear], seen[clear])
    # The middle of three pixels is the centre of the second.
    middle = fine[1::3, 1::3]
    coarse = sampled(mask, way, 3)
    assert coarse.shape == (-(-seen.shape[0] // 3), -(-seen.shape[1] // 3))
    assert np.array_equal(coarse[: middle.shape[0], : middle.shape[1]], middle)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("ratio", [2, 4, 5])
def test_places_are_exact_on_the_edges_of_pixels_too(size, ratio):
    """With whole fractions instead of floats: an even ratio puts every place on an edge.

    The last place may lie on the input's edge or behind it: it stands for the last pixel.
    """
    way = Preprocessing(resize=(84, 60), crop=(70, 66))
    down, across = grid_places(way, size, ratio)
    for places, length, side, crop in ((down, size[0], 84, 70), (across, size[1], 60, 66)):
        start = (side - crop) // 2
        for mask_length in (length, 2 * length, 13):
            exact = [
                (start + min((i + Fraction(1, 2)) * ratio, crop - Fraction(1, 2)))
                * mask_length
                / side
                for i in range(-(-crop // ratio))
            ]
            expected = [int(at // 1) if 0 <= at < mask_length else -1 for at in exact]
            assert nearest(places, mask_length).tolist() == expected


def test_a_mask_of_half_the_size_is_the_grid_itself():
    """Broden's: 224 pixels of image to 112 of labels."""
    mask = codes(112, 112)
    way = Preprocessing(resize=224, crop=224)
    assert np.array_equal(sampled(mask, way, 2, size=(224, 224)), mask)
    assert np.array_equal(sampled(mask, way, 2, size=(1000, 1000)), mask)


def test_padding_is_nothing():
    way = Preprocessing(resize=None, crop=8)
    down, across = grid_places(way, (4, 8), 2)
    assert down.tolist() == [-0.25, 0.25, 0.75, 1.25]
    assert nearest(down, 400).tolist() == [-1, 100, 300, -1]
    assert nearest(across, 8).tolist() == [1, 3, 5, 7]


@pytest.mark.parametrize(("length", "ratio"), [(227, 2), (5, 4), (6, 4), (41, 8)])
def test_no_place_of_an_image_that_fills_the_input_is_padding(length, ratio):
    way = Preprocessing(resize=(length, length), crop=None)
    down, across = grid_places(way, (length, length), ratio)
    assert nearest(down, length)[-1] == min((len(down) - 0.5) * ratio, length - 1)
    for places in (down, across):
        assert len(places) == -(-length // ratio)
        assert (nearest(places, 300) >= 0).all()


@pytest.mark.parametrize("ratio", [0, -2])
def test_a_ratio_below_one_is_refused(ratio):
    with pytest.raises(ImageError, match=f"ratio={ratio}"):
        grid_places(Preprocessing(), (10, 10), ratio)


@pytest.mark.parametrize(
    ("mask", "image", "fits"),
    [
        ((360, 480), (360, 480), True),
        ((112, 112), (224, 224), True),
        ((113, 113), (227, 227), True),
        ((187, 250), (375, 500), True),
        ((188, 250), (375, 500), True),
        ((960, 720), (480, 360), True),
        ((480, 360), (360, 480), False),
        ((100, 101), (101, 100), False),
        ((224, 224), (224, 300), False),
        ((1, 1), (300, 200), True),
    ],
)
def test_proportions_decide_whether_a_mask_fits(mask, image, fits):
    assert same_shape(mask, image) is fits
