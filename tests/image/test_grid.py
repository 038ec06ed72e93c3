"""Layouts: where each pixel goes, and that text is there, legible in size and never overflows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import ImageError
from striate.image.colormap import signed_colors, unsigned_colors
from striate.image.grid import captioned, grid, scale_legend, side_by_side, stack


def flat(height: int, width: int, level: int) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def ink(picture: np.ndarray) -> np.ndarray:
    """Which pixels are clearly darker than white."""
    return picture.min(axis=2) < 160


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_picture_lies_in_its_cell(count: int, columns: int, gap: int) -> None:
    pictures = [flat(4, 6, 10 + number) for number in range(count)]
    whole = grid(pictures, columns, gap=gap, background=(250, 251, 252))
    across = min(columns, count)
    down = -(-count // across)
    assert whole.shape == (down * 4 + (down - 1) * gap, across * 6 + (across - 1) * gap, 3)
    expected = np.full(whole.shape, (250, 251, 252), np.uint8)
    for number in range(count):
        top, left = (number // across) * (4 + gap), (number % across) * (6 + gap)
        expected[top : top + 4, left : left + 6] = 10 + number
    assert np.array_equal(whole, expected)


def test_smaller_pictures_lie_in_the_middle() -> None:
    whole = grid([flat(4, 6, 1), flat(2, 2, 9)], 2, gap=0)
    assert np.array_equal(whole[1:3, 8:10], flat(2, 2, 9))
    assert (whole[:, 6:] == 9).sum() == 12


def test_captions_stand_below_their_cells() -> None:
    pictures = [flat(30, 80, 255)] * 3
    bare = grid(pictures, 3, gap=4)
    whole = grid(pictures, 3, gap=4, captions=["left", "", "right"])
    assert np.array_equal(whole[:30], bare)
    text = ink(whole[30:])
    assert 14 <= text.shape[0] <= 20
    assert text[:, :80].any()
    assert not text[:, 80:168].any()
    assert text[:, 168:].any()
    rows = np.nonzero(text.any(axis=1))[0]
    assert rows[-1] - rows[0] >= 8  # legible: from the top of l to the foot of g


@pytest.mark.parametrize("width", [1, 3, 8, 20, 60, 200])
def test_a_long_caption_is_cut_and_stays_in_its_cell(width: int) -> None:
    pictures = [flat(5, width, 255)] * 2
    text = ink(grid(pictures, 2, gap=10, captions=["W" * 300, "W" * 300]))
    assert text.shape[1] == 2 * width + 10
    assert not text[:, width : width + 10].any()
    assert text[5:].any() == (width >= 20)


def test_a_cut_caption_ends_in_an_ellipsis() -> None:
    cell = [flat(1, 60, 255)]
    cut = grid(cell, 1, captions=["abc def ghi jkl mno pqr"])
    assert any(
        np.array_equal(
            cut, grid(cell, 1, captions=["abc def ghi jkl mno pqr"[:n].rstrip() + "..."])
        )
        for n in range(23)
    )
    assert not np.array_equal(cut, grid(cell, 1, captions=["abc def ghi jkl mno pqr"[:8]]))


def test_captions_on_dark_are_light() -> None:
    whole = grid([flat(4, 60, 20)], 1, background=(20, 20, 20), captions=["dark"])
    assert whole[4:].max() > 200
    assert whole[4:].min() == 20


@pytest.mark.parametrize(
    "text",
    ["two\nlines", "🐈‍⬛", "\udcff\udcfe", "\0\x1b[31m", "‮rtl", "日本", "", "   "],  # noqa: PLE2502
)
def test_i3_any_text_can_be_drawn(text: str) -> None:
    assert grid([flat(4, 60, 9)], 1, captions=[text]).shape == (20, 60, 3)
    assert captioned(flat(4, 60, 9), text, lines=[text]).shape[1] == 160


def test_accents_and_signs_become_what_the_font_has() -> None:
    cell = [flat(1, 120, 255)]
    for written, drawn in (("café", "cafe"), ("−1 × 2", "-1 x 2"), ("ﬁ", "fi"), ("图", "?")):  # noqa: RUF001
        assert np.array_equal(grid(cell, 1, captions=[written]), grid(cell, 1, captions=[drawn]))


def test_a_grid_of_nothing_is_refused() -> None:
    with pytest.raises(ImageError, match="0 pictures"):
        grid([], 3)
    with pytest.raises(ImageError, match="0 columns"):
        grid([flat(1, 1, 0)], 0)
    with pytest.raises(ImageError, match="2 captions for 1"):
        grid([flat(1, 1, 0)], 1, captions=["a", "b"])


# --- titles -----------------------------------------------------------------------------------


def test_a_title_stands_above_and_leaves_the_picture() -> None:
    picture = flat(30, 200, 7)
    whole = captioned(picture, "layer4.1.relu:37", lines=["reached 14.2"])
    assert np.array_equal(whole[-30:], picture)
    title, line = whole[:20], whole[20:36]
    assert ink(title).any()
    assert ink(line).any()
    assert title.min() < line.min()  # the title is darker


def test_a_long_title_is_wrapped_and_nothing_is_lost() -> None:
    words = "error 0.12 reached 14.2 highest 9.81 seed 0 steps 512 prior 0.3"
    narrow = captioned(flat(4, 160, 255), words)
    wide = captioned(flat(4, 900, 255), words)
    assert wide.shape[0] < narrow.shape[0]
    # The same letters, a little apart from where they fall on the pixel grid.
    assert ink(narrow).sum() == pytest.approx(ink(wide).sum(), rel=0.1)
    assert not ink(narrow[:, -2:]).any()


def test_a_small_picture_is_given_room_for_its_title() -> None:
    whole = captioned(flat(8, 8, 7), "title")
    assert whole.shape[1] == 160
    assert np.array_equal(whole[-8:, :8], flat(8, 8, 7))
    assert (whole[-8:, 8:] == 255).all()


# --- rows and columns -------------------------------------------------------------------------


def test_side_by_side_and_stack_align_at_the_top_left() -> None:
    pictures = [flat(2, 3, 1), flat(4, 5, 2)]
    row, column = side_by_side(pictures, 2), stack(pictures, 2)
    expected = flat(4, 10, 255)
    expected[:2, :3], expected[:4, 5:] = 1, 2
    assert np.array_equal(row, expected)
    expected = flat(8, 5, 255)
    expected[:2, :3], expected[4:] = 1, 2
    assert np.array_equal(column, expected)
    for join in (side_by_side, stack):
        assert np.array_equal(join(pictures[:1]), pictures[0])
        with pytest.raises(ImageError, match="0 pictures"):
            join([])


# --- scales -----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [16, 101, 256])
def test_a_scale_shows_the_colors_of_the_pictures(width: int) -> None:
    signed = scale_legend("-1", "1", "signed", width)
    unsigned = scale_legend("0", "1", "unsigned", width)
    assert signed.shape == unsigned.shape == (26, width, 3)
    ramp = np.linspace(0, 1, width)
    assert (signed[:10] == signed_colors(2 * ramp - 1, 1.0)).all()
    assert (unsigned[:10] == unsigned_colors(ramp, 1.0)).all()
    assert scale_legend("-1", "1", "projection", width)[0, [0, -1]].tolist() == [[0] * 3, [255] * 3]


def test_the_numbers_of_a_scale_stand_at_its_ends_and_middle() -> None:
    text = ink(scale_legend("-3.1", "3.1", "signed", 240)[10:])
    columns = text.any(axis=0)
    assert columns[:30].any()
    assert columns[110:130].any()
    assert columns[-30:].any()
    assert not columns[50:100].any()
    assert not columns[140:190].any()
    assert not ink(scale_legend("0", "3.1", "unsigned", 240)[10:]).any(axis=0)[80:160].any()


def test_a_scale_too_narrow_is_refused_and_long_numbers_are_cut() -> None:
    with pytest.raises(ImageError, match="at least 16"):
        scale_legend("0", "1", "signed", 15)
    text = ink(scale_legend("1234567890" * 9, "1234567890" * 9, "unsigned", 90)[10:])
    assert not text[:, 32:58].any()
