"""The whole dissection against planted truth, and against loops over everything."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dissection.planted import (
    CATEGORIES,
    CONCEPTS,
    colour_units,
    load,
    make_atlas,
    mixed_set,
    recorded,
    scene_of,
    write_picture,
)
from networks import randomized
from networks.places import Concatenation, Residual, Strides
from oracles.dissection import field_places, iou, resize_places, tally, threshold, upsample
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import grid_of, why_not
from striate.dissection.results import NO_CONCEPT, Dissection
from striate.dissection.run import dissect
from striate.errors import AtlasError, MethodError
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage, MaskFile
from striate.network.network import Network

RED, GREEN, BLUE = (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)


# --- planted truth -------------------------------------------------------------------------------


def squares(
    folder: Path, side: int, offsets: list[tuple[int, int]], size: tuple[int, int] = (40, 40)
) -> ConceptSet:
    """One image: a red square; concepts are the same square, moved by offsets."""
    picture = np.zeros((*size, 3), np.uint8)
    picture[10 : 10 + side, 10 : 10 + side, 0] = 255
    path = write_picture(folder / "square.png", picture)
    masks = []
    for number, (down, right) in enumerate(offsets):
        codes = np.zeros(size, np.uint8)
        codes[10 + down : 10 + down + side, 10 + right : 10 + right + side] = 1
        file = write_picture(folder / f"mask-{number}.png", codes)
        masks.append(MaskFile(file, np.array([-1, number], np.int32)))
    concepts = tuple(Concept(f"moved by {offset}", "object") for offset in offsets)
    return ConceptSet(concepts, (LabelledImage("square.png", path, tuple(masks)),))


@pytest.mark.parametrize(("side", "dx", "dy"), [(10, 3, 2), (8, 0, 7), (10, 10, 0), (9, 4, 4)])
def test_a_moved_square_has_the_closed_form(tmp_path: Path, side: int, dx: int, dy: int) -> None:
    """I = (s - dx)(s - dy), IoU = I / (2 s^2 - I): 56 / 144 for 10, 3, 2."""
    network = load(colour_units([RED, GREEN]), 40)
    concepts = squares(tmp_path / "set", side, [(0, 0), (dy, dx)])
    found = dissect(
        network, make_atlas(network, tmp_path), concepts, layers=["1"], ratio=1,
        quantile=side * side / 1600,
    ).layers["1"]  # fmt: skip
    both = (side - dx) * (side - dy)
    assert found.both[0].tolist() == [side * side, both]
    assert found.iou[0].tolist() == [1.0, both / (2 * side * side - both)]
    assert (side, dx, dy) != (10, 3, 2) or found.iou[0, 1] == 56 / 144
    # The green unit is 0 everywhere: its threshold is 0, and nothing exceeds it.
    assert found.thresholds[1] == 0
    assert found.active[1].tolist() == [0]
    assert found.best.tolist() == [0, NO_CONCEPT]


def test_an_area_of_the_quantile_is_found_whole(tmp_path: Path) -> None:
    """0.005 of 40 x 40 places are 8: a mask of 8 pixels has an IoU of 1, one of 9 has 8 / 9."""
    network = load(colour_units([RED, GREEN]), 40)
    for count, wanted in ((8, 1.0), (9, 8 / 9)):
        folder = tmp_path / str(count)
        picture = np.zeros((40, 40, 3), np.uint8)
        # Nine levels, so that the faintest is the threshold.
        picture[20, 5 : 5 + count, 0] = 255 - np.arange(count)
        path = write_picture(folder / "line.png", picture)
        mask = write_picture(folder / "mask.png", (picture[:, :, 0] > 0).astype(np.uint8))
        labelled = LabelledImage("line.png", path, (MaskFile(mask, np.array([-1, 0], np.int32)),))
        concepts = ConceptSet((Concept("line", "object"),), (labelled,))
        found = dissect(network, make_atlas(network, folder), concepts, layers=["1"], ratio=1)
        assert found.layers["1"].iou[0, 0] == wanted


def test_activations_count_only_where_the_category_is_labelled(tmp_path: Path) -> None:
    """The same image twice, once without labels: the second adds nothing to A."""
    network = load(colour_units([RED, GREEN]), 40)
    one = squares(tmp_path / "set", 10, [(0, 0)])
    bare = LabelledImage("bare.png", one.images[0].path)
    concepts = ConceptSet(one.concepts, (*one.images, bare))
    found = dissect(
        network, make_atlas(network, tmp_path), concepts, layers=["1"], ratio=1, quantile=0.0625
    ).layers["1"]
    assert found.active[0].tolist() == [100]
    assert found.iou[0, 0] == 1
    assert found.overlap.images.tolist() == [1]


@pytest.mark.parametrize(("size", "ratio"), [((41, 38), 2), ((37, 45), 4), ((33, 33), 8)])
def test_a_unit_that_is_its_concept_has_all_of_it(
    tmp_path: Path, size: tuple[int, int], ratio: int
) -> None:
    """Red everywhere, on sides that the ratio does not divide: the IoU is 1."""
    network = load(colour_units([RED, GREEN]), size)
    images = []
    for name, level in (("red", 255), ("black", 0)):
        picture = np.zeros((*size, 3), np.uint8)
        picture[:, :, 0] = level
        path = write_picture(tmp_path / "set" / f"{name}.png", picture)
        mask = write_picture(tmp_path / "set" / f"{name}-mask.png", picture[:, :, 0] // 255)
        labels = (MaskFile(mask, np.array([-1, 0], np.int32)),)
        images.append(LabelledImage(f"{name}.png", path, labels))
    concepts = ConceptSet((Concept("red", "object"),), tuple(images))
    found = dissect(
        network, make_atlas(network, tmp_path), concepts, layers=["1"], ratio=ratio, quantile=0.5
    ).layers["1"]
    assert found.overlap.pixels[0] == np.prod(grid_of(size, ratio))
    assert found.iou[0, 0] == 1


# --- loops over everything -----------------------------------------------------------------------


def odd() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(6, 7, 3, padding=1), nn.LeakyReLU(0.2), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(7, 3),
    )  # fmt: skip


NETWORKS = {
    "odd sizes": (odd, (37, 29)),
    "residual": (Residual, 32),
    "concatenation": (Concatenation, 31),
    "strides": (Strides, 40),
}


def compare(
    network: Network, atlas: Atlas, concepts: ConceptSet, found: Dissection, quantile: str
) -> int:
    """Compare each layer with the oracle; return how many units were active at all."""
    height, width = network.image_size[1:]
    settings, alive = found.settings, 0
    grid = grid_of((height, width), settings.ratio)
    for address, layer in found.layers.items():
        seen = recorded(network, atlas, concepts, address, settings.ratio, 8)
        maps = np.stack(seen.maps)
        if network.dtype == torch.float32:
            images = torch.stack([network.read(image.path) for image in concepts.images])
            plain = network.layers[address].maps(network.record(images, [address])[address])
            np.testing.assert_allclose(maps, plain.numpy(), rtol=1e-3, atol=1e-4)
        thresholds = [threshold(maps[:, unit], quantile) for unit in range(layer.units)]
        np.testing.assert_array_equal(layer.thresholds, thresholds)
        field, sizes = network.layers[address].receptive_field, maps.shape[2:]
        kind = "resize" if field.whole else settings.upsampling
        assert layer.upsampling == kind
        rows, columns = (
            field_places(g, n, field.centre[k], field.stride[k], settings.ratio)
            if kind == "field" and field.centre and field.stride else resize_places(g, n)
            for k, (g, n) in enumerate(zip(grid, sizes, strict=True))
        )  # fmt: skip
        scenes = [scene_of(labels, grid) for labels in seen.labels]
        pixels, active, both = tally(
            maps,
            layer.thresholds,
            scenes,
            CATEGORIES,
            partial(upsample, rows=rows, columns=columns),
        )
        np.testing.assert_array_equal(found.pixels, pixels)
        np.testing.assert_array_equal(layer.active, active)
        np.testing.assert_array_equal(layer.both, both)
        scores = [
            [iou(pixels[c], active[u, CATEGORIES[c]], both[u, c]) for c in range(len(CONCEPTS))]
            for u in range(layer.units)
        ]
        np.testing.assert_array_equal(layer.iou, scores)
        peaks = maps.max((2, 3))
        for unit in range(layer.units):
            order = np.lexsort((np.arange(len(peaks)), -peaks[:, unit]))[:9]
            np.testing.assert_array_equal(layer.top.image[unit, : len(order)], order)
            where = [int(maps[image, unit].argmax()) for image in order]
            place = layer.top.row[unit] * sizes[1] + layer.top.column[unit]
            np.testing.assert_array_equal(place[: len(order)], where)
        alive += int((active > 0).any(1).sum())
    return alive


@pytest.mark.parametrize("upsampling", ["field", "resize"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_count_is_that_of_loops(tmp_path: Path, name: str, upsampling: str) -> None:
    make, side = NETWORKS[name]
    network = load(randomized(make()), side)
    atlas = make_atlas(network, tmp_path)
    height, width = network.image_size[1:]
    concepts = mixed_set(tmp_path / "set", 6, (height, width))
    found = dissect(
        network, atlas, concepts, quantile=0.02, ratio=3, upsampling=upsampling, batch=8
    )
    wanted = [a for a in atlas.layers if why_not(network.layers[a]) is None]
    assert list(found.layers) == wanted
    assert len(wanted) >= 2
    assert compare(network, atlas, concepts, found, "0.02") > 3


def test_fifty_images_with_mixed_labels(tmp_path: Path) -> None:
    """Pixels and whole images labelled, categories missing in some images, one concept nowhere."""
    network = load(randomized(odd()), (37, 29))
    atlas = make_atlas(network, tmp_path, ["4"])
    concepts = mixed_set(tmp_path / "set", 50, (37, 29), seed=3)
    found = dissect(network, atlas, concepts, quantile=0.05, ratio=4, batch=8)
    assert found.pixels[-1] == 0
    assert (found.pixels[:-1] > 0).all()
    assert (found.layers["4"].overlap.images < 50).any()
    assert (found.layers["4"].iou[:, -1] == 0).all()
    assert compare(network, atlas, concepts, found, "0.05") == 7


def test_double_precision(tmp_path: Path) -> None:
    network = load(randomized(odd()).double(), (37, 29))
    atlas = make_atlas(network, tmp_path)
    concepts = mixed_set(tmp_path / "set", 5, (37, 29))
    found = dissect(network, atlas, concepts, quantile=0.02, ratio=2, batch=8)
    assert compare(network, atlas, concepts, found, "0.02") > 3


def test_a_layer_does_not_depend_on_which_others_are_asked_for(tmp_path: Path) -> None:
    network = load(randomized(Residual()), 32)
    atlas = make_atlas(network, tmp_path)
    concepts = mixed_set(tmp_path / "set", 5, (32, 32))
    wanted = dissect(network, atlas, concepts, batch=4)
    for address in wanted.layers:
        alone = dissect(network, atlas, concepts, batch=4, layers=[address], restart=True)
        assert list(alone.layers) == [address]
        for name, array in alone.layers[address].overlap.to_arrays().items():
            np.testing.assert_array_equal(array, wanted.layers[address].overlap.to_arrays()[name])


# --- refusals ------------------------------------------------------------------------------------


def test_settings_out_of_range_are_refused(tmp_path: Path) -> None:
    network = load(colour_units([RED, GREEN]), 40)
    atlas = make_atlas(network, tmp_path)
    concepts = squares(tmp_path / "set", 10, [(0, 0)])
    with pytest.raises(AtlasError, match="has no dissection"):
        Dissection(atlas)
    assert not Dissection.there(atlas)
    for wrong, said in (
        ({"quantile": 0.0}, "share"), ({"quantile": 1.0}, "share"), ({"ratio": 41}, "grid"),
        ({"ratio": 0}, "grid"), ({"batch": 0}, "batch"), ({"upsampling": "nearest"}, "nearest"),
        ({"layers": ["4"]}, "no rows and columns"),
    ):  # fmt: skip
        with pytest.raises(MethodError, match=said):
            dissect(network, atlas, concepts, **wrong)
    with pytest.raises(MethodError, match="0 concepts"):
        dissect(network, atlas, ConceptSet((), concepts.images))
    assert not (atlas.home / "dissection").exists()


def test_layers_without_maps_are_left_out_unless_named(tmp_path: Path) -> None:
    network = load(colour_units([RED, GREEN]), 40)
    atlas = make_atlas(network, tmp_path)
    found = dissect(network, atlas, squares(tmp_path / "set", 10, [(0, 0)]))
    assert set(atlas.layers) > set(found.layers) == {"1"}
    with pytest.raises(LookupError, match="not dissected"):
        found.layer("4")


def test_another_network_is_refused(tmp_path: Path) -> None:
    network = load(colour_units([RED, GREEN]), 40)
    atlas = make_atlas(network, tmp_path)
    with pytest.raises(AtlasError, match="not the network"):
        dissect(load(colour_units([RED, BLUE]), 40), atlas, squares(tmp_path / "s", 9, [(0, 0)]))
