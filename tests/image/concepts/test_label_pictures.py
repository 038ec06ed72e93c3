"""Pictures of labels are read as numbers, whatever way a PNG file keeps them."""

import io

import numpy as np
import pytest
from PIL import Image

from striate.errors import ImageError
from striate.image.decode import decode_labels


def png(picture, kind="PNG"):
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def test_grey_holds_the_label_itself():
    codes = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = decode_labels(png(Image.fromarray(codes)))
    assert read.dtype == np.uint8
    assert np.array_equal(read, codes)


def test_sixteen_bits_are_kept():
    codes = np.array([[0, 255, 256], [1000, 40000, 65535]], np.uint16)
    read = decode_labels(png(Image.fromarray(codes)))
    assert read.dtype == np.uint16
    assert np.array_equal(read, codes)


def test_a_palette_gives_its_index_and_not_its_colour():
    picture = Image.fromarray(np.array([[0, 1, 2], [250, 2, 1]], np.uint8), "L")
    picture.putpalette([channel for index in range(256) for channel in (255 - index, 7, 7)])
    assert decode_labels(png(picture)).tolist() == [[0, 1, 2], [250, 2, 1]]


def test_black_and_white_are_one_and_nothing():
    picture = Image.fromarray(np.array([[True, False]]))
    assert decode_labels(png(picture)).tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("depth", "line", "codes"),
    [(1, b"\x60", [0, 1, 1, 0]), (2, b"\x1b", [0, 1, 2, 3]), (4, b"\x01\x9f", [0, 1, 9, 15])],
)
def test_few_bits_are_not_stretched(raw_png, depth, line, codes):
    assert decode_labels(raw_png(4, 1, depth, 0, [line])).tolist() == [codes]


def test_red_and_green_are_two_bytes():
    picture = Image.fromarray(np.array([[[1, 0, 0], [255, 0, 9], [3, 4, 0]]], np.uint8))
    read = decode_labels(png(picture), two_bytes=True)
    assert read.tolist() == [[1, 255, 3 + 256 * 4]]
    assert decode_labels(png(picture.convert("RGBA")), two_bytes=True).tolist() == read.tolist()
    few = picture.quantize(3)
    assert few.mode == "P"
    assert decode_labels(png(few), two_bytes=True).tolist() == read.tolist()


def test_colours_say_no_label():
    picture = Image.fromarray(np.zeros((2, 2, 3), np.uint8))
    for mode in ("RGB", "RGBA", "LA"):
        with pytest.raises(ImageError, match=rf"holds colours \(mode {mode}\).*index of the label"):
            decode_labels(png(picture.convert(mode)))


def test_one_channel_is_not_two_bytes(raw_png):
    with pytest.raises(ImageError, match=r"red \+ 256 green.*mode L"):
        decode_labels(png(Image.fromarray(np.zeros((2, 2), np.uint8))), two_bytes=True)
    # Pillow reads 16-bit colours, but keeps their high bytes alone.
    with pytest.raises(ImageError, match="no 8-bit colours"):
        decode_labels(raw_png(1, 1, 16, 2, [bytes(6)]), two_bytes=True)


def test_only_png_keeps_labels():
    with pytest.raises(ImageError, match="it is JPEG, and labels are kept exactly, as PNG"):
        decode_labels(png(Image.fromarray(np.zeros((8, 8), np.uint8)), "JPEG"))


def test_size_is_asked_before_pixels():
    with pytest.raises(ImageError, match=r"20 x 30 pixels .* limit of 599"):
        decode_labels(png(Image.new("L", (30, 20))), max_pixels=599)


def test_damaged_and_missing_files_are_named(tmp_path):
    path = tmp_path / "cut.png"
    path.write_bytes(png(Image.new("L", (300, 200)))[:60])
    with pytest.raises(ImageError, match=r"cannot read .*cut\.png"):
        decode_labels(path)
    with pytest.raises(ImageError, match=r"gone\.png.*no such file"):
        decode_labels(tmp_path / "gone.png")
