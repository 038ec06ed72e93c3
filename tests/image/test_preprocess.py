"""Preprocessing against torchvision and timm, which are its definition."""

import json

import numpy as np
import pytest
import timm.data
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, _presets
from torchvision.transforms import functional as tv

from striate.errors import ImageError
from striate.image.preprocess import Preprocessing

SIZES = [(256, 256), (224, 224), (300, 400), (401, 299), (37, 53), (5, 1), (1, 9), (64, 1000)]
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def photo(height: int, width: int) -> np.ndarray:
    """Smooth and sharp at once, so that a shift of half a pixel shows."""
    generator = np.random.default_rng(height * 7919 + width)
    noise = generator.integers(0, 90, (height, width, 3))
    slope = np.linspace(0, 165, height * width * 3).reshape(height, width, 3)
    return (noise + slope).astype(np.uint8)


def as_levels(tensor: torch.Tensor) -> np.ndarray:
    return tensor.permute(1, 2, 0).numpy()


def test_the_defaults_are_imagenets() -> None:
    preprocessing = Preprocessing()
    assert (preprocessing.resize, preprocessing.crop) == (256, 224)
    assert (preprocessing.interpolation, preprocessing.antialias) == ("bilinear", True)
    assert preprocessing.mean == (0.485, 0.456, 0.406)
    assert preprocessing.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("resize", "crop", "interpolation"),
    [(256, 224, "bilinear"), (232, 224, "bilinear"), (236, 225, "bicubic"), (60, 71, "bilinear")],
)
def test_equals_torchvisions_preset_exactly(
    size: tuple[int, int], resize: int, crop: int, interpolation: str
) -> None:
    preset = _presets.ImageClassification(
        crop_size=crop, resize_size=resize, interpolation=InterpolationMode(interpolation)
    )
    image = photo(*size)
    ours = Preprocessing(resize=resize, crop=crop, interpolation=interpolation)(image)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, preset(Image.fromarray(image)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["nearest", "lanczos", "box", "hamming"])
def test_the_other_filters_equal_torchvisions(size: tuple[int, int], interpolation: str) -> None:
    mode = InterpolationMode(interpolation)
    expected = tv.center_crop(tv.resize(Image.fromarray(photo(*size)), [48], mode), [40, 61])
    ours = Preprocessing(resize=48, crop=(40, 61), interpolation=interpolation)
    assert np.array_equal(ours.pixels(photo(*size)), np.asarray(expected))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_without_antialias_equals_torchvisions_tensors_within_one_level(
    size: tuple[int, int], interpolation: str
) -> None:
    image = photo(*size)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    mode = InterpolationMode(interpolation)
    expected = tv.center_crop(tv.resize(tensor, [48], mode, antialias=False), [40])
    ours = Preprocessing(48, 40, interpolation=interpolation, antialias=False).pixels(image)
    difference = np.abs(ours.astype(int) - as_levels(expected).astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 0.01  # rounded, not cut off


def test_without_antialias_bicubic_does_not_wrap_around_at_black_and_white() -> None:
    edge = np.zeros((8, 8, 3), np.uint8)
    edge[:, 4:] = 255
    row = Preprocessing(24, None, "bicubic", antialias=False).pixels(edge)[0, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert row[[0, -1]].tolist() == [0, 255]


def test_without_antialias_differs_where_it_should() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8)[None, :, None], (64, 32, 3))
    with_filter = Preprocessing(16, None).pixels(stripes)
    without = Preprocessing(16, None, interpolation="nearest", antialias=False).pixels(stripes)
    assert with_filter.std() < 20
    assert set(np.unique(without)) == {0}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [0.875, 0.9, 1.0])
def test_equals_timms_transform(size: tuple[int, int], share: float) -> None:
    transform = timm.data.create_transform(
        (3, 96, 96), interpolation="bicubic", crop_pct=share, **HALVES
    )
    image = photo(*size)
    ours = Preprocessing(int(96 / share), 96, interpolation="bicubic", **HALVES)(image)
    assert torch.allclose(ours, transform(Image.fromarray(image)), atol=1e-6)


def test_a_pair_is_height_and_width() -> None:
    preprocessing = Preprocessing(resize=(20, 30), crop=None)
    expected = Image.fromarray(photo(64, 48)).resize((30, 20), Image.Resampling.BILINEAR)
    assert np.array_equal(preprocessing.pixels(photo(64, 48)), np.asarray(expected))


def test_neither_resize_nor_crop_leaves_the_picture() -> None:
    assert np.array_equal(Preprocessing(None, None).pixels(photo(9, 7)), photo(9, 7))


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(1, 30)] * 4))
def test_any_centre_crop_equals_torchvisions(sizes: tuple[int, int, int, int]) -> None:
    height, width, rows, columns = sizes
    expected = tv.center_crop(Image.fromarray(photo(height, width)), [rows, columns])
    ours = Preprocessing(None, (rows, columns)).pixels(photo(height, width))
    assert np.array_equal(ours, np.asarray(expected))


def test_a_picture_that_would_grow_without_measure_is_refused() -> None:
    with pytest.raises(ImageError, match="256 x 1280000"):
        Preprocessing().pixels(np.zeros((1, 5000, 3), np.uint8))
    with pytest.raises(ImageError, match="none to resize"):
        Preprocessing().pixels(np.zeros((0, 5, 3), np.uint8))


# --- the two spaces ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (2,), (2, 1)])
def test_to_pixels_undoes_to_network(dtype: torch.dtype, lead: tuple[int, ...]) -> None:
    pixels = torch.rand(*lead, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    preprocessing = Preprocessing()
    network = preprocessing.to_network(pixels)
    assert network.dtype == dtype
    assert network.shape == pixels.shape
    back = preprocessing.to_pixels(network)
    assert back.dtype == dtype
    assert (back - pixels).abs().max() <= 4 * torch.finfo(dtype).eps


def test_to_network_is_the_formula_and_lets_gradients_through() -> None:
    preprocessing = Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    pixels = torch.full((3, 1, 1), 0.6, dtype=torch.float64, requires_grad=True)
    network = preprocessing.to_network(pixels)
    assert network.flatten().tolist() == pytest.approx([1.0, 1.6, 0.15], abs=1e-15)
    network.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.flatten().tolist() == [2.0, 4.0, 0.5]


# --- geometry ---------------------------------------------------------------------------------


def test_image_size() -> None:
    assert Preprocessing().image_size == (224, 224)
    assert Preprocessing(crop=(10, 20)).image_size == (10, 20)
    assert Preprocessing((30, 40), None).image_size == (30, 40)
    assert Preprocessing(30, None).image_size is None
    assert Preprocessing(None, None).image_size is None


@pytest.mark.parametrize(
    ("preprocessing", "size"),
    [
        (Preprocessing(120, 100), (240, 360)),
        (Preprocessing(120, 100), (361, 240)),
        (Preprocessing((100, 150), None), (300, 300)),
        (Preprocessing(60, 100), (120, 240)),
        (Preprocessing(None, (50, 91)), (200, 40)),
    ],
)
def test_source_box_finds_a_patch_again(
    preprocessing: Preprocessing, size: tuple[int, int]
) -> None:
    """A bright patch of the original is looked up where the network's input shows it."""
    height, width = size
    image = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2 - 12, width // 2 + 2
    image[top : top + 24, left : left + 12] = 255
    lit = preprocessing.pixels(image)[:, :, 0] > 127
    rows, columns = np.nonzero(lit.any(axis=1))[0], np.nonzero(lit.any(axis=0))[0]
    box = (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    found = preprocessing.source_box(box, size)
    # Half a pixel of the resized image may be lost at each edge.
    assert found == pytest.approx((top, left, top + 24, left + 12), abs=2.0)


def test_source_box_of_the_whole_and_of_padding() -> None:
    whole = Preprocessing((10, 20), None).source_box((0, 0, 10, 20), (333, 77))
    assert whole == pytest.approx((0.0, 0.0, 333.0, 77.0))
    # 2 x 4 pixels in a crop of 5 x 5: one row of black above, none left of it but by rounding.
    padded = Preprocessing(None, 5).source_box((0, 0, 5, 5), (2, 4))
    assert padded == (-1.0, 0.0, 4.0, 5.0)


# --- in words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "preprocessing",
    [
        Preprocessing(),
        Preprocessing(None, None, "nearest", antialias=False, mean=(0.0,), std=(1.0,)),
        Preprocessing((3, 4), (1, 2), "lanczos", **HALVES),
    ],
)
def test_json_and_back(preprocessing: Preprocessing) -> None:
    text = json.dumps(preprocessing.to_json())
    assert Preprocessing.from_json(json.loads(text)) == preprocessing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resize": "big"}, "resize='big'"),
        ({"resize": [1, 2, 3]}, "resize"),
        ({"crop": True}, "crop=True"),
        ({"crop": [1.5, 2]}, "crop"),
        ({"crop": 0}, "at least 1"),
        ({"interpolation": 2}, "interpolation=2"),
        ({"interpolation": "cubic"}, "'cubic'.*bicubic"),
        ({"interpolation": "lanczos", "antialias": False}, "lanczos.*antialias=False"),
        ({"antialias": "no"}, "antialias='no'"),
        ({"mean": [1, 2]}, "3 values"),
        ({"channels": 1}, "need 1 value each"),
        ({"channels": 4}, "need 4 values each, or 1"),
        ({"channels": 0}, "at least 1 channel"),
        ({"mean": 0.5}, "list of numbers"),
        ({"std": [0, 1, 1]}, "above 0"),
        ({"std": [float("nan")]}, "above 0"),
        ({"mean": [float("inf")]}, "finite"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Preprocessing.from_json(Preprocessing().to_json() | change)


def test_whole_numbers_in_json_become_floats() -> None:
    data = Preprocessing().to_json() | {"mean": [0, 0, 0], "std": [1, 1, 1]}
    assert Preprocessing.from_json(data).mean == (0.0, 0.0, 0.0)


# --- other images than pictures ------------------------------------------------------------------


def test_four_channels_have_four_means_and_no_pictures() -> None:
    of_four = Preprocessing(None, None, mean=(0.0, 0.25, 0.5, 1.0), std=(0.5,), channels=4)
    assert of_four.to_network(torch.ones(4, 1, 1)).flatten().tolist() == [2.0, 1.5, 1.0, 0.0]
    assert Preprocessing.from_json(of_four.to_json()) == of_four
    with pytest.raises(ImageError, match="a picture has 3 channels"):
        of_four(np.zeros((2, 2, 3), np.uint8))
