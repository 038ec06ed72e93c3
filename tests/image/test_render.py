"""Pictures of maps: their formulas, and the maps that break careless ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from striate.errors import ImageError
from striate.image.colormap import signed_colors, unsigned_colors
from striate.image.render import (
    display_limit,
    draw_box,
    heat_picture,
    image_picture,
    overlay,
    projection_picture,
    resize_picture,
)

MAP = torch.linspace(-1, 3, 60, dtype=torch.float64).reshape(3, 4, 5)


# --- scale ------------------------------------------------------------------------------------


def test_the_limit_is_the_percentile_of_absolute_values() -> None:
    values = torch.arange(-100.0, 1.0)
    assert display_limit(values, 50.0) == 50.0
    assert display_limit(values) == pytest.approx(99.5)
    assert display_limit(values, 100.0) == 100.0


def test_the_limit_survives_zeros_outliers_and_what_is_no_number() -> None:
    assert display_limit(torch.zeros(3, 3)) == 0.0
    assert display_limit(torch.zeros(0)) == 0.0
    assert display_limit(torch.full((2,), torch.nan)) == 0.0
    sparse = torch.zeros(1000)
    sparse[3] = -7.0
    assert display_limit(sparse) == 7.0
    odd = torch.tensor([torch.nan, torch.inf, -torch.inf, 2.0])
    assert display_limit(odd) == 2.0
    outlier = torch.ones(1000)
    outlier[0] = 1e9
    assert display_limit(outlier) == 1.0


@pytest.mark.parametrize("percentile", [-1.0, 101.0, float("nan")])
def test_a_percentile_that_is_none_is_refused(percentile: float) -> None:
    with pytest.raises(ImageError, match="percentile"):
        display_limit(MAP, percentile)


# --- projections ------------------------------------------------------------------------------


def test_projection_is_the_formula() -> None:
    picture = projection_picture(MAP, limit=2.0)
    expected = np.rint(127.5 + 127.5 * np.clip(MAP.numpy() / 2, -1, 1)).transpose(1, 2, 0)
    assert np.array_equal(picture, expected.astype(np.uint8))


def test_projection_shows_zero_as_128_and_its_own_limit_at_the_ends() -> None:
    picture = projection_picture(torch.tensor([-2.0, 0.0, 2.0]).reshape(3, 1, 1), percentile=100.0)
    assert picture.tolist() == [[[0, 128, 255]]]


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_projection_of_nothing_is_grey(value: float) -> None:
    assert (projection_picture(torch.full((3, 2, 2), value)) == 128).all()


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        (3, 2, 3),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_any_map_has_a_picture(values: np.ndarray) -> None:
    picture = projection_picture(torch.from_numpy(values.copy())).transpose(2, 0, 1)
    assert (picture[values > 0] >= 128).all()
    assert (picture[values < 0] <= 128).all()
    assert (picture[np.isnan(values) | (values == 0)] == 128).all()
    assert heat_picture(torch.from_numpy(values[0].copy())).shape == (2, 3, 3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_float_type_and_a_tensor_with_gradient(dtype: torch.dtype) -> None:
    map_ = torch.tensor([-1.0, 0.0, 0.5]).reshape(3, 1, 1).to(dtype).requires_grad_()
    assert projection_picture(map_, limit=1.0).tolist() == [[[0, 128, 191]]]


# --- heat -------------------------------------------------------------------------------------


def test_heat_takes_the_color_maps_at_its_limit() -> None:
    map_ = MAP[0]
    limit = display_limit(map_, 90.0)
    assert np.array_equal(heat_picture(map_, percentile=90.0), signed_colors(map_.numpy(), limit))
    assert np.array_equal(
        heat_picture(map_, signed=False, limit=4.0), unsigned_colors(map_.numpy(), 4.0)
    )


@pytest.mark.parametrize("limit", [-1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    with pytest.raises(ImageError, match="limit"):
        projection_picture(MAP, limit=limit)
    with pytest.raises(ImageError, match="limit"):
        heat_picture(MAP[0], limit=limit)


# --- images -----------------------------------------------------------------------------------


def test_image_picture_undoes_the_division_by_255() -> None:
    levels = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(3, 16, 16)
    for dtype in (torch.float32, torch.float64):
        picture = image_picture(levels.to(dtype).div(255))
        assert np.array_equal(picture, levels.permute(1, 2, 0).numpy())


def test_image_picture_clips() -> None:
    pixels = torch.tensor([[-9.0, torch.inf, torch.nan]]).repeat(3, 1, 1).reshape(3, 1, 3)
    assert image_picture(pixels)[0, :, 0].tolist() == [0, 255, 0]


def test_overlay_mixes() -> None:
    generator = np.random.default_rng(0)
    image, heat = generator.integers(0, 256, (2, 4, 5, 3)).astype(np.uint8)
    assert np.array_equal(overlay(image, heat, 0.0), image)
    assert np.array_equal(overlay(image, heat, 1.0), heat)
    mixed = overlay(image, heat, 0.25)
    assert np.abs(mixed - (0.75 * image + 0.25 * heat)).max() <= 0.5
    with pytest.raises(ImageError, match="resize_picture"):
        overlay(image, heat[:2], 0.5)
    with pytest.raises(ImageError, match="alpha"):
        overlay(image, heat, 1.5)


# --- boxes ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(-4, 8), st.integers(-4, 8), st.integers(1, 9), st.integers(1, 9)),
    st.integers(1, 4),
)
def test_a_box_equals_a_loop_over_pixels(place: tuple[int, int, int, int], thick: int) -> None:
    top, left, height, width = place
    box = (top, left, top + height, left + width)
    image = np.zeros((6, 7, 3), np.uint8)
    drawn = draw_box(image, box, color=(1, 2, 3), thickness=thick)
    for row in range(6):
        for column in range(7):
            depth = min(row - top, top + height - 1 - row, column - left, left + width - 1 - column)
            assert drawn[row, column].tolist() == ([1, 2, 3] if 0 <= depth < thick else [0, 0, 0])
    assert not image.any()


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(ImageError, match="box"):
        draw_box(np.zeros((3, 3, 3), np.uint8), (2, 0, 2, 3))


# --- size -------------------------------------------------------------------------------------


def test_nearest_repeats_pixels_and_smooth_keeps_the_mean() -> None:
    picture = np.random.default_rng(0).integers(60, 190, (6, 8, 3)).astype(np.uint8)
    large = resize_picture(picture, (12, 24), smooth=False)
    assert np.array_equal(large, picture.repeat(2, axis=0).repeat(3, axis=1))
    small = resize_picture(large, (6, 8), smooth=True)
    assert small.mean() == pytest.approx(picture.mean(), abs=1)
    assert (
        np.unique(resize_picture(picture, (48, 64), smooth=True)).size > np.unique(picture).size / 2
    )
    with pytest.raises(ImageError, match="resize"):
        resize_picture(picture, (0, 4), smooth=True)
