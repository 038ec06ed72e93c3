"""Requirements I1, I2 and I5: every kind of file has its expected pixels, or its own refusal."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageFile, features

from striate.errors import ImageError
from striate.image.decode import decode

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
NEEDS_AVIF = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quadrants(side: int = 16) -> np.ndarray:
    """Red, green; blue, white: no two of its eight orientations are alike."""
    picture = np.empty((2 * side, 4 * side, 3), np.uint8)
    picture[:side, : 2 * side], picture[:side, 2 * side :] = RED, GREEN
    picture[side:, : 2 * side], picture[side:, 2 * side :] = BLUE, WHITE
    return picture


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def closest(picture: np.ndarray, expected: np.ndarray, within: int) -> None:
    assert picture.dtype == np.uint8
    assert picture.shape == expected.shape
    assert np.abs(picture.astype(int) - expected.astype(int)).max() <= within


def png(width: int, height: int, *, depth: int = 8, color: int = 0, data: bytes = b"") -> bytes:
    """A PNG by hand, whose header may say what Pillow would never write."""
    parts = [b"\x89PNG\r\n\x1a\n"]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")):
        parts += [struct.pack(">I", len(body)), kind, body]
        parts.append(struct.pack(">I", zlib.crc32(kind + body)))
    return b"".join(parts)


# --- exact ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM", "TIFF", "GIF"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 5)])
def test_i1_lossless_rgb_of_any_size_comes_back_exactly(kind: str, size: tuple[int, int]) -> None:
    picture = np.resize(np.array([[RED], [GREEN], [BLUE]], np.uint8), (*size, 3))
    assert np.array_equal(decode(written(Image.fromarray(picture), kind)), picture)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_i1_plain_jpeg_equals_what_torchvisions_loader_sees(mode: str, options: dict) -> None:
    data = written(Image.fromarray(noise(33, 47)).convert(mode), "JPEG", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(decode(data), expected)


def test_i1_paths_texts_and_bytes_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(written(Image.fromarray(noise(3, 4)), "PNG"))
    for source in (path, str(path), path.read_bytes()):
        assert np.array_equal(decode(source), noise(3, 4))


def test_the_picture_may_be_written_to() -> None:
    picture = decode(written(Image.new("RGB", (2, 2)), "PNG"))
    picture[:] = 7
    assert picture.flags.c_contiguous
    assert picture.sum() == 7 * 12


# --- modes ------------------------------------------------------------------------------------


def test_i1_l_grey_is_repeated() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(
        decode(written(Image.fromarray(levels), "PNG")), levels[..., None].repeat(3, 2)
    )


def test_i1_one_bit() -> None:
    bits = np.array([[True, False, True]])
    for kind in ("PNG", "TIFF", "PPM", "BMP"):
        picture = decode(written(Image.fromarray(bits), kind))
        assert picture[..., 1].tolist() == [[255, 0, 255]]


@pytest.mark.parametrize("alpha", [0, 51, 128, 255])
def test_i1_rgba_and_la_lie_on_white(alpha: int) -> None:
    for mode, color, shown in (("RGBA", (*RED, alpha), 0), ("LA", (0, alpha), 0)):
        picture = decode(written(Image.new(mode, (2, 2), color), "PNG"))
        assert picture[0, 0, 1] == round((shown * alpha + 255 * (255 - alpha)) / 255)
    assert decode(written(Image.new("RGBA", (1, 1), (*RED, 0)), "PNG")).tolist() == [[list(WHITE)]]


def palette_image() -> Image.Image:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putdata([0, 1, 2])
    return image


def test_i1_palette() -> None:
    assert decode(written(palette_image(), "PNG")).tolist() == [
        [list(RED), list(GREEN), list(BLUE)]
    ]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_i1_palette_with_one_transparent_color(kind: str) -> None:
    picture = decode(written(palette_image(), kind, transparency=1))
    assert picture.tolist() == [[list(RED), list(WHITE), list(BLUE)]]


def test_i1_palette_with_alpha_for_each_color() -> None:
    picture = decode(written(palette_image(), "PNG", transparency=bytes([255, 0, 128])))
    assert picture.tolist() == [[list(RED), list(WHITE), [127, 127, 255]]]


def test_i1_rgb_with_a_transparent_color() -> None:
    data = written(Image.fromarray(quadrants(1)), "PNG", transparency=BLUE)
    assert decode(data)[1, 0].tolist() == list(WHITE)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_i1_cmyk(kind: str) -> None:
    for ink, color in (((0, 255, 255, 0), RED), ((255, 255, 0, 0), BLUE), ((0, 0, 0, 0), WHITE)):
        picture = decode(written(Image.new("CMYK", (16, 16), ink), kind))
        closest(picture, np.full((16, 16, 3), color, np.uint8), 2)


def test_i1_ycck() -> None:
    # Pillow writes no YCCK. The samples of its CMYK file are set to be Y, Cb, Cr and K, and
    # Adobe's marker then says so: its last byte is the transform, 2 for YCCK. Adobe stores inks
    # inverted, and libjpeg takes YCC for the inversion of CMY: so it is the YCC of the inks.
    inks = Image.new("RGB", (16, 16), (255 - 200, 255 - 80, 255 - 30))
    stored = (*inks.convert("YCbCr").getpixel((0, 0)), 255)
    data = written(Image.new("CMYK", (16, 16), tuple(255 - value for value in stored)), "JPEG")
    marker = data.index(b"Adobe") + 11
    assert data[marker] == 0
    ycck = data[:marker] + b"\x02" + data[marker + 1 :]
    closest(decode(ycck), np.full((16, 16, 3), (200, 80, 30), np.uint8), 4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_i1_sixteen_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    values = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
    picture = decode(written(Image.fromarray(values), kind))
    assert picture[0, :, 0].tolist() == [0, 0, 1, 1, 128, 255, 255]
    assert (picture == picture[..., :1]).all()


def test_i1_sixteen_bit_color_keeps_its_high_byte() -> None:
    samples = np.array([0x1234, 0x8080, 0xFFFF], ">u2").tobytes()
    assert decode(png(1, 1, depth=16, color=2, data=b"\0" + samples)).tolist() == [[[18, 128, 255]]]


def test_i1_integers_run_from_smallest_to_largest() -> None:
    values = np.array([[-100, 0, 300]], np.int32)
    assert decode(written(Image.fromarray(values), "TIFF"))[0, :, 0].tolist() == [0, 64, 255]
    constant = np.full((2, 2), 9, np.int32)
    assert not decode(written(Image.fromarray(constant), "TIFF")).any()


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.2, 0.2, 0.2], [51, 51, 51]),
        ([-1.0, 0.0, 3.0], [0, 64, 255]),
        ([np.nan, 0.5, np.inf], [0, 128, 0]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
        ([-3.4e38, 0.0, 3.4e38], [0, 128, 255]),
        ([7.0, 7.0, 7.0], [0, 0, 0]),
    ],
)
def test_i1_floats(values: list[float], levels: list[int]) -> None:
    data = written(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert decode(data)[0, :, 2].tolist() == levels


# --- orientation ------------------------------------------------------------------------------

UPRIGHT = {
    1: lambda p: p,
    2: np.fliplr,
    3: lambda p: np.rot90(p, 2),
    4: np.flipud,
    5: lambda p: p.swapaxes(0, 1),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "LZW", "AVIF"])
def test_i1_exif_orientation(orientation: int, kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    options = {"compression": "tiff_lzw"} if kind == "LZW" else {"quality": 100}
    data = written(Image.fromarray(quadrants()), kind.replace("LZW", "TIFF"), exif=exif, **options)
    # Lossy formats smear the seams of the quadrants, so the middle of each is compared.
    middle = np.ix_([8, 24], [16, 48])
    expected = np.ascontiguousarray(UPRIGHT[orientation](quadrants()[middle]))
    got = decode(data)
    rows, columns = ([8, 24], [16, 48]) if orientation < 5 else ([16, 48], [8, 24])
    closest(got[np.ix_(rows, columns)], expected, 12)


def test_i1_a_broken_or_absurd_exif_leaves_the_pixels() -> None:
    for exif in (b"Exif\0\0garbage that is no TIFF", b"Exif\0\0MM\0*\0\0\0\x08"):
        data = written(Image.fromarray(noise(4, 4)), "PNG", exif=exif)
        assert np.array_equal(decode(data), noise(4, 4))
    absurd = Image.Exif()
    absurd[ExifTags.Base.Orientation] = 99
    data = written(Image.fromarray(noise(4, 4)), "PNG", exif=absurd)
    assert np.array_equal(decode(data), noise(4, 4))


# --- several pictures in a file ---------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_i1_the_first_frame_or_page_is_shown(kind: str) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    frames = [Image.new("RGB", (16, 16), color) for color in (RED, GREEN, BLUE)]
    data = written(frames[0], kind, save_all=True, append_images=frames[1:])
    closest(decode(data), np.full((16, 16, 3), RED, np.uint8), 4)


@NEEDS_AVIF
def test_i1_avif() -> None:
    data = written(Image.new("RGB", (16, 16), (200, 80, 30)), "AVIF", quality=95)
    closest(decode(data), np.full((16, 16, 3), (200, 80, 30), np.uint8), 4)


def test_i1_color_profiles_are_not_applied() -> None:
    # A stand-in for Display-P3, which Pillow cannot make: any profile that is not sRGB would do.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (profile, b"broken"):
        data = written(Image.fromarray(noise(4, 4)), "PNG", icc_profile=icc)
        assert np.array_equal(decode(data), noise(4, 4))


# --- names prove nothing ----------------------------------------------------------------------


def test_i1_png_named_jpg(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(written(Image.fromarray(noise(3, 3)), "PNG"))
    assert np.array_equal(decode(path), noise(3, 3))


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"", "is empty"),
        (b"\x00\x01garbage" * 9, "no format known"),
        (b"<!DOCTYPE html><title>404", "HTML"),
        (b"\xef\xbb\xbf\n <HTML>", "HTML"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
        (b"\xc5\xd0\xd3\xc6rest", "EPS"),
        (b"8BPS\0\1", "PSD"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"<?xml version='1.0'?><svg>", "SVG"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x0cJXL ", "JPEG XL"),
    ],
)
def test_i1_what_is_no_picture_is_refused_by_its_kind(
    tmp_path: Path, head: bytes, found: str
) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(head)
    with pytest.raises(ImageError, match=found) as caught:
        decode(path)
    assert "picture.jpg" in str(caught.value)
    assert "JPEG, PNG" in str(caught.value)


def test_i1_eps_that_pillow_itself_would_open_is_refused() -> None:
    data = written(Image.new("RGB", (4, 4)), "EPS")
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "EPS"
    with pytest.raises(ImageError, match="EPS"):
        decode(data)


@pytest.mark.parametrize("percent", [10, 50, 90])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM", "AVIF", "GIF"])
def test_i1_truncated(kind: str, percent: int) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    data = written(Image.fromarray(noise(40, 40)), kind)
    with pytest.raises(ImageError, match=r"cannot read \d+ bytes"):
        decode(data[: len(data) * percent // 100])


def test_i1_every_flipped_byte_gives_a_picture_or_an_image_error() -> None:
    generator = np.random.default_rng(2)
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        whole = bytearray(written(Image.fromarray(noise(9, 9)), kind))
        for place in generator.integers(0, len(whole), 40):
            damaged = bytearray(whole)
            damaged[place] ^= 0xFF
            try:
                picture = decode(bytes(damaged), max_pixels=1_000_000)
            except ImageError:
                continue
            assert picture.dtype == np.uint8


# --- what is not there, or no file ------------------------------------------------------------


def test_i2_missing_files_folders_and_pipes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file"):
        decode(tmp_path / "no.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path)
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="cannot be opened"):
        decode("null\0byte.jpg")


# --- size -------------------------------------------------------------------------------------


def test_i5_a_header_of_400_million_pixels_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    with pytest.raises(ImageError, match=r"20000 x 20000 pixels \(PNG\), more than .* 100000000"):
        decode(png(20_000, 20_000))
    with pytest.raises(ImageError, match="20000 x 20000 pixels"):
        decode(b"P6 20000 20000 255 ")


def test_i5_the_limit_is_inclusive_and_an_argument() -> None:
    data = written(Image.fromarray(noise(4, 5)), "PNG")
    assert decode(data, max_pixels=20).shape == (4, 5, 3)
    with pytest.raises(ImageError, match="4 x 5 pixels"):
        decode(data, max_pixels=19)


def test_i5_pillows_own_limit_neither_warns_nor_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(Image.fromarray(noise(40, 50)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert np.array_equal(decode(data), noise(40, 50))
    assert Image.MAX_IMAGE_PIXELS == 100
