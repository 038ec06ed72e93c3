"""Colour maps by the laws they promise, measured in CIE L*."""

import numpy as np
import pytest

from striate.errors import ImageError
from striate.image.colormap import signed_colors, unsigned_colors


def lightness(colors: np.ndarray) -> np.ndarray:
    """CIE L* of sRGB, written from the standard: IEC 61966-2-1 and CIE 15."""
    levels = colors / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    y = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(y > (6 / 29) ** 3, 116 * np.cbrt(y) - 16, y * (29 / 3) ** 3)


def test_signed_is_symmetric_in_lightness_and_falls_from_zero() -> None:
    light = lightness(signed_colors(np.linspace(-1, 1, 257), 1.0))
    assert light.argmax() == 128
    assert (np.diff(light[128:]) < 0).all()
    assert (np.diff(light[:129]) > 0).all()
    assert np.abs(light - light[::-1]).max() < 1.5
    assert np.abs(light[128:] - np.linspace(95, 28, 129)).max() < 1.5


def test_signed_zero_is_a_neutral_grey_and_the_signs_have_their_hues() -> None:
    assert signed_colors(np.array([0.0, -0.0]), 3.0).tolist() == [[241, 241, 241]] * 2
    below, above = signed_colors(np.array([-0.5, 0.5]), 1.0).astype(int)
    assert below[2] > below[0] + 100
    assert above[0] > above[2] + 100


def test_unsigned_lightness_rises_evenly() -> None:
    light = lightness(unsigned_colors(np.linspace(0, 1, 256), 1.0))
    assert (np.diff(light) > 0).all()
    assert np.abs(light - np.linspace(3, 97, 256)).max() < 1.5


def test_values_beyond_the_limit_take_its_color() -> None:
    ends = signed_colors(np.array([-5.0, 5.0, -np.inf, np.inf]), 5.0)
    assert np.array_equal(signed_colors(np.array([-9.0, 9.0, -1e300, 1e300]), 5.0), ends)
    assert np.array_equal(signed_colors(np.array([-1e300, 1e300]), 1e-300), ends[:2])
    floor = unsigned_colors(np.array([-9.0, 0.0]), 5.0)
    assert np.array_equal(floor[0], floor[1])


def test_only_the_ratio_to_the_limit_counts() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4))
    for scale in (1e-300, 1e-3, 1e200):
        assert np.array_equal(signed_colors(values * scale, scale), signed_colors(values, 1.0))


def test_limit_zero_shows_the_sign() -> None:
    assert signed_colors(np.array([-1.0, 0.0, 1.0]), 0.0).tolist() == [
        [0, 65, 131],
        [241, 241, 241],
        [134, 15, 30],
    ]
    assert unsigned_colors(np.zeros((1, 1)), 0.0).tolist() == [[[7, 10, 24]]]


def test_what_is_not_a_number_is_mid_grey_which_no_number_is() -> None:
    for paint in (signed_colors, unsigned_colors):
        assert paint(np.array([[np.nan]]), 1.0).tolist() == [[[128, 128, 128]]]
        every = paint(np.linspace(-1, 1, 1025), 1.0)
        assert not (every == 128).all(axis=1).any()


@pytest.mark.parametrize("limit", [-1.0, np.nan, np.inf])
def test_a_limit_that_is_none_is_refused(limit: float) -> None:
    for paint in (signed_colors, unsigned_colors):
        with pytest.raises(ImageError, match="limit"):
            paint(np.zeros(3), float(limit))
