"""The scenes' truth: what a mask says is what was painted."""

import csv
import hashlib
import math

import numpy as np
import pytest

from striate.demo.outlines import OUTLINES
from striate.demo.palette import COOL, PARTNERS, WARM, draw
from striate.demo.scenes import CLASSES, CONCEPTS, scene, write_scenes
from striate.demo.surfaces import BACKGROUNDS, TEXTURES, background, clouds, texture
from striate.errors import ImageError, StriateError
from striate.image.concepts.colours import COLOURS, PROTOTYPES, colour_name, oklab

SEED = 20


@pytest.fixture(scope="module")
def scenes():
    return [scene(SEED, index) for index in range(300)]


def digest(one):
    parts = [one.pixels.tobytes(), str(one.label).encode()]
    for name, mask in one.masks.items():
        parts += [name.encode(), mask.tobytes()]
    return hashlib.sha256(b"".join(parts)).hexdigest()


# --- determinism -------------------------------------------------------------------------------


def test_scene_depends_on_seed_and_index_alone():
    first = [digest(scene(3, index)) for index in (5, 6, 7)]
    np.random.default_rng(0).random(10)
    state = np.random.get_state()  # noqa: NPY002 - the very state that must not matter
    again = [digest(scene(3, index)) for index in (7, 5, 6)]
    after = np.random.get_state()  # noqa: NPY002
    assert again == [first[2], first[0], first[1]]
    assert all(np.array_equal(one, other) for one, other in zip(state, after, strict=True))
    assert len({*first, digest(scene(4, 5))}) == 4


@pytest.mark.parametrize(("seed", "index", "size"), [(-1, 0, 128), (0, -1, 128), (0, 0, 31)])
def test_scene_refuses_what_it_cannot_draw(seed, index, size):
    with pytest.raises(ImageError, match=f"seed {seed}, index {index}, size {size}"):
        scene(seed, index, size)


@pytest.mark.parametrize("size", [32, 97, 200])
def test_other_sizes_hold_the_same_truth(size):
    for index in range(24):
        one = scene(SEED, index, size)
        assert one.pixels.shape == (size, size, 3)
        assert all(mask.shape == (size, size) for mask in one.masks.values())
        assert one.label == index % len(CLASSES)


# --- masks -------------------------------------------------------------------------------------


def test_all_concepts_occur(scenes):
    assert {name for one in scenes for name in one.masks} == set(CONCEPTS)


def test_masks_are_plain_and_present(scenes):
    for one in scenes:
        assert one.pixels.dtype == np.uint8
        for mask in one.masks.values():
            assert mask.dtype == np.bool_
            assert mask.any()


def test_each_pixel_has_one_colour_and_one_owner(scenes):
    for one in scenes:
        colours = sum(mask.astype(int) for name, mask in one.masks.items() if "colour/" in name)
        owners = sum(
            mask.astype(int)
            for name, mask in one.masks.items()
            if name.startswith(("object/", "background/"))
        )
        textures = sum(
            (mask.astype(int) for name, mask in one.masks.items() if "texture/" in name),
            np.zeros((128, 128), int),
        )
        assert (colours == 1).all()
        assert (owners == 1).all()
        assert textures.max() <= 1


def test_colour_masks_show_their_colour(scenes):
    """Light and shadow change a colour a little; over a mask its mean keeps its name."""
    same, all_masks, far = 0, 0, []
    for one in scenes:
        for name, mask in one.masks.items():
            category, colour = name.split("/")
            if category == "colour" and mask.sum() >= 200:
                mean = one.pixels[mask].mean(axis=0) / 255
                same += colour_name(mean) == colour
                all_masks += 1
                places = oklab(np.array(PROTOTYPES[colour]) / 255)
                far.append(np.linalg.norm(places - oklab(mean), axis=1).min())
    assert all_masks > 600
    assert same / all_masks > 0.85
    assert max(far) < 0.2


def test_label_agrees_with_the_main_object(scenes):
    for one in scenes:
        kind = CLASSES[one.label]
        shape = kind.rsplit("-", maxsplit=1)[-1]
        sizes = {name: mask.sum() for name, mask in one.masks.items() if "object/" in name}
        assert max(sizes, key=sizes.get) == f"object/{shape}", kind
        main = one.masks[f"object/{shape}"]
        needs = {"striped": "stripes", "dotted": "dots", "checked": "checks", "wavy": "waves"}
        if "-" in kind and kind.split("-")[0] in needs:
            pattern = one.masks[f"texture/{needs[kind.split('-')[0]]}"]
            assert (main & pattern).sum() > 0.7 * main.sum(), kind


@pytest.mark.parametrize(("kind", "wrong"), [("warm-triangle", COOL), ("cool-triangle", WARM)])
def test_a_triangles_class_is_its_temperature(scenes, kind, wrong):
    for one in scenes:
        if CLASSES[one.label] == kind:
            main = one.masks["object/triangle"]
            bad = sum(
                (main & one.masks[f"colour/{c}"]).sum() for c in wrong if f"colour/{c}" in one.masks
            )
            assert bad < 0.3 * main.sum()


def lens(one, other, apart):
    """The area that two discs share."""
    a = one**2 * math.acos((apart**2 + one**2 - other**2) / (2 * apart * one))
    b = other**2 * math.acos((apart**2 + other**2 - one**2) / (2 * apart * other))
    c = (
        (one + other - apart)
        * (apart + one - other)
        * (apart - one + other)
        * (apart + one + other)
    )
    return a + b - 0.5 * math.sqrt(c)


def gear_area():
    angles = np.linspace(0, 2 * math.pi, 90001)[:-1]
    rim = 0.85 + 0.13 * np.clip(2.2 * np.cos(9 * angles), -1, 1)
    return math.pi * (rim**2).mean() - math.pi * 0.09


AREAS = {
    "disc": math.pi * 0.92**2,
    "ring": math.pi * (0.96**2 - 0.44**2),
    "square": 1.56**2,
    "triangle": 3 * math.sqrt(3) * 0.56**2,
    "star": 5 * 1.1 * 0.5 * math.sin(math.pi / 5),
    "cross": 2 * 1.92 * 0.66 - 0.66**2,
    "moon": math.pi * 0.98**2 - lens(0.98, 0.82, 0.46),
    "heart": 1.46**2 * (0.5 + math.pi / 8),
    "flower": math.pi * (0.76**2 + 0.24**2 / 2),
    "gear": gear_area(),
}


@pytest.mark.parametrize("shape", OUTLINES)
@pytest.mark.parametrize("turn", [0.1, 0.7, 2.9])
def test_outline_encloses_the_analytic_area(shape, turn):
    axis = (np.arange(600, dtype=np.float32) - 299.5) / 250
    across, down = np.meshgrid(axis, axis)
    x = across * np.float32(math.cos(turn)) + down * np.float32(math.sin(turn))
    y = down * np.float32(math.cos(turn)) - across * np.float32(math.sin(turn))
    area = (OUTLINES[shape](x, y) < 0).sum() / 250**2
    assert area == pytest.approx(AREAS[shape], rel=0.004)


@pytest.mark.parametrize("shape", OUTLINES)
def test_outline_is_a_distance_at_the_edge(shape):
    """The slope across the edge is 1, so every edge is as soft as any other."""
    axis = np.linspace(-1.2, 1.2, 801)
    across, down = np.meshgrid(axis, axis)
    edge = OUTLINES[shape](across, down)
    slope = np.hypot(*np.gradient(edge, axis[1] - axis[0]))
    assert np.median(slope[np.abs(edge) < 0.01]) == pytest.approx(1.0, abs=0.03)


def test_main_mask_has_the_shapes_area():
    """A lone main object's mask is the analytic shape, scaled by its radius."""
    ratios = []
    for index in range(240):
        one = scene(SEED + 1, index)
        shape = CLASSES[one.label].rsplit("-", maxsplit=1)[-1]
        mask = one.masks[f"object/{shape}"]
        ratios.append(mask.sum() / (128**2 * AREAS[shape]))
    # radii are uniform between 0.21 and 0.32 of the size; others hide or add a little
    assert np.mean(ratios) == pytest.approx((0.32**3 - 0.21**3) / (3 * 0.11), rel=0.06)


# --- surfaces and colours ----------------------------------------------------------------------


@pytest.mark.parametrize("name", COLOURS)
def test_a_drawn_colour_keeps_its_name_and_varies(name):
    rng = np.random.default_rng(1)
    drawn = [draw(rng, name) for _ in range(100)]
    assert {colour_name(rgb) for rgb in drawn} == {name}
    assert np.std(drawn, axis=0).min() > 0.005
    assert set(PARTNERS[name]) <= set(COLOURS)


def test_an_unknown_colour_is_refused():
    with pytest.raises(StriateError, match="no basic colour is called 'mauve'"):
        draw(np.random.default_rng(0), "mauve")


def test_oklab_agrees_with_published_values():
    """Ottosson's table: pure sRGB red."""
    assert oklab(np.array([1.0, 0.0, 0.0])) == pytest.approx([0.6280, 0.2249, 0.1258], abs=2e-4)


@pytest.mark.parametrize("name", TEXTURES)
def test_textures_stay_in_range(name):
    u, v = np.meshgrid(np.arange(96, dtype=np.float32), np.arange(80, dtype=np.float32))
    blend, bright = texture(np.random.default_rng(2), name, u, v, 9.0)
    assert blend.shape == bright.shape == (80, 96)
    assert blend.min() >= 0
    assert blend.max() <= 1
    assert (blend.std() > 0.1) == (name != "smooth")
    assert bright.mean() == pytest.approx(1.0, abs=0.05)


def test_stripes_repeat_with_their_period():
    u, v = np.meshgrid(np.arange(128.0), np.arange(128.0))
    blend, _ = texture(np.random.default_rng(0), "stripes", u, v, 8.0)
    power = np.abs(np.fft.rfft(blend[0] - blend[0].mean()))
    assert power.argmax() == 128 // 8


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_backgrounds_fill_their_band(name):
    made = background(np.random.default_rng(3), name, 40, 128)
    assert made.pixels().shape == (40, 128, 3)
    assert made.blend.min() >= 0
    assert made.blend.max() <= 1


def test_clouds_pass_through_their_grid():
    noise = clouds(np.random.default_rng(0), 64, 64, 4)
    grid = np.random.default_rng(0).random((5, 5), dtype=np.float32)
    assert noise[0, 0] == pytest.approx(grid[0, 0], abs=0.01)
    assert noise[63, 63] == pytest.approx(grid[4, 4], abs=0.01)


def test_write_scenes_writes_pictures_and_labels(tmp_path):
    encode = pytest.importorskip("striate.image.encode")
    assert encode.save
    write_scenes(tmp_path, 14, seed=2)
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [index % 12 for index in range(14)]
    assert [row["name"] for row in rows] == [CLASSES[index % 12] for index in range(14)]
    assert rows[13]["file"] == "moon/00013.png"
    assert all((tmp_path / row["file"]).is_file() for row in rows)
    from PIL import Image

    with Image.open(tmp_path / "moon/00013.png") as picture:
        assert np.array_equal(np.asarray(picture), scene(2, 13).pixels)


def test_write_scenes_needs_one_at_least(tmp_path):
    with pytest.raises(ImageError, match="asked for 0 scenes"):
        write_scenes(tmp_path, 0, seed=0)
