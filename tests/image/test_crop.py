"""Crops against indexing and against a plain loop over pixels."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.errors import ImageError
from striate.image.crop import crop

IMAGE = torch.arange(2 * 4 * 5, dtype=torch.float64).reshape(2, 4, 5)


def test_inside_is_plain_indexing_and_a_copy() -> None:
    patch = crop(IMAGE, (1, 2, 3, 5))
    assert torch.equal(patch, IMAGE[:, 1:3, 2:5])
    patch.zero_()
    assert IMAGE[0, 1, 2] == 7


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(-9, 9)] * 2), st.tuples(*[st.integers(1, 12)] * 2))
def test_any_box_equals_a_loop_over_pixels(corner: tuple[int, int], size: tuple[int, int]) -> None:
    (top, left), (height, width) = corner, size
    patch = crop(IMAGE, (top, left, top + height, left + width), fill=[-1.0, -2.0])
    assert patch.shape == (2, height, width)
    for channel in range(2):
        for row in range(height):
            for column in range(width):
                y, x = top + row, left + column
                inside = 0 <= y < 4 and 0 <= x < 5
                expected = IMAGE[channel, y, x] if inside else -1.0 - channel
                assert patch[channel, row, column] == expected


def test_the_default_fill_is_mid_grey_and_dtype_is_kept() -> None:
    patch = crop(torch.ones(3, 2, 2, dtype=torch.float16), (-1, 0, 1, 1))
    assert patch.dtype == torch.float16
    assert patch[:, 0].tolist() == [[0.5]] * 3
    assert crop(torch.ones(1, 2, 2, dtype=torch.uint8), (5, 5, 6, 6), fill=7.0).item() == 7


def test_gradients_flow_to_the_pixels_inside() -> None:
    image = torch.ones(1, 2, 2, requires_grad=True)
    crop(image, (-1, -1, 1, 1)).sum().backward()
    assert image.grad is not None
    assert image.grad.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


def test_an_empty_box_and_a_wrong_fill_are_refused() -> None:
    with pytest.raises(ImageError, match="empty"):
        crop(IMAGE, (2, 0, 2, 4))
    with pytest.raises(ImageError, match="3 values for 2 channels"):
        crop(IMAGE, (0, 0, 1, 1), fill=[1.0, 2.0, 3.0])
