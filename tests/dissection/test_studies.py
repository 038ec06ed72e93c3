"""Random weights as control, and the checkpoints of a training: planted, counted, and resumed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dissection.planted import colour_units, load, make_atlas, write_picture
from striate.atlas.recipe import Recipe
from striate.dissection import studies
from striate.dissection.results import folder_of
from striate.dissection.run import dissect
from striate.dissection.studies import checkpoints, control, loader, study_of
from striate.errors import AtlasError, MethodError, NetworkError
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage, MaskFile
from striate.network.random_weights import with_random_weights

RED, GREEN, BLUE = (1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0)
BLIND = (0.0, 0.0, 0.0)
LAYER = "1"


def squares(folder: Path) -> ConceptSet:
    """Pictures with a square of each colour; each is a concept of its own, blue of another kind."""
    concepts = (Concept("red", "object"), Concept("green", "object"), Concept("blue", "part"))
    images = []
    for number in range(6):
        chance = np.random.default_rng(number)
        picture = chance.integers(0, 60, (32, 32, 3), dtype=np.uint8)
        codes = np.zeros((32, 32), np.uint8)
        for colour in range(3):
            top, left = 2 + 10 * colour, 2 + 3 * number
            picture[top : top + 8, left : left + 8] = 0
            picture[top : top + 8, left : left + 8, colour] = 250
            codes[top : top + 8, left : left + 8] = colour + 1
        path = write_picture(folder / f"{number}.png", picture)
        mask = MaskFile(write_picture(folder / "masks" / f"{number}.png", codes),
                        np.array([-1, 0, 1, 2], np.int32))  # fmt: skip
        images.append(LabelledImage(f"{number}.png", path, (mask,)))
    return ConceptSet(concepts, tuple(images))


@pytest.fixture
def concepts(tmp_path):
    return squares(tmp_path / "set")


@pytest.fixture
def network():
    return load(colour_units([RED, GREEN, BLUE, RED]), 32)


@pytest.fixture
def atlas(network, tmp_path):
    return make_atlas(network, tmp_path)


KNOBS = {"layers": [LAYER], "quantile": 0.1, "ratio": 1}


def weights(folder: Path, step: int, units) -> Path:
    path = folder / f"step-{step:03d}.safetensors"
    save_file(colour_units(units).state_dict(), path)
    return path


def own(path: Path):
    module = colour_units([BLIND] * 4)
    from safetensors.torch import load_file

    module.load_state_dict(load_file(path))
    return load(module, 32)


# --- control -----------------------------------------------------------------------------------


def test_the_trained_network_is_as_its_own_dissection_says(network, atlas, concepts):
    study = control(network, atlas, concepts, seeds=[3, 4], **KNOBS)
    assert [one.name for one in study.networks] == ["trained", "random 3", "random 4"]
    (layer,) = study.networks[0].layers
    assert layer.unique == {"object": ("red", "green"), "part": ("blue",)}
    assert (layer.address, layer.units, layer.detectors, layer.total) == (LAYER, 4, 4, 3)
    found = dissect(network, atlas, concepts, **KNOBS).layers[LAYER]
    assert layer.best == tuple(found.best_iou.tolist())
    assert (study.images, study.skipped, study.categories) == (6, 0, ("object", "part"))


def test_random_networks_are_those_of_their_seeds(network, atlas, concepts):
    study = control(network, atlas, concepts, seeds=[3], **KNOBS)
    random = with_random_weights(network, 3)
    assert study.networks[1].fingerprint == random.fingerprint()
    (layer,) = study.networks[1].layers
    alone = make_atlas(random, Path(str(atlas.home)).parent / "random")
    found = dissect(random, alone, concepts, **KNOBS).layers[LAYER]
    assert layer.best == tuple(found.best_iou.tolist())


def test_a_study_is_stored_and_read(network, atlas, concepts):
    assert study_of(atlas, "control") is None
    study = control(network, atlas, concepts, **KNOBS)
    assert study_of(atlas, "control") == study
    folder = folder_of(atlas.home)
    assert sorted(path.name for path in folder.iterdir()) == ["control.json"]
    (folder / "control.json").write_text("{")
    with pytest.raises(AtlasError, match=r"damaged.*striate dissect control"):
        study_of(atlas, "control")


def test_a_stopped_study_goes_on(network, atlas, concepts, monkeypatch):
    whole = control(network, atlas, concepts, seeds=[0, 1], **KNOBS)
    (folder_of(atlas.home) / "control.json").unlink()

    def stopping(name, _progress):
        if name == "random 1":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        control(network, atlas, concepts, seeds=[0, 1], progress=stopping, **KNOBS)
    kept = study_of(atlas, "control")
    assert [one.name for one in kept.networks] == ["trained", "random 0"]
    seen = set()
    again = control(
        network, atlas, concepts, seeds=[0, 1], progress=lambda name, _: seen.add(name), **KNOBS
    )
    assert again == whole
    assert seen == {"random 1"}
    # Other settings are another study: nothing of the old one is taken.
    seen.clear()
    control(
        network, atlas, concepts, progress=lambda name, _: seen.add(name), **{**KNOBS, "ratio": 2}
    )
    assert seen == {"trained", "random 0"}


def test_pictures_that_cannot_be_read_are_counted(network, atlas, concepts):
    concepts.images[2].path.write_bytes(b"no picture")
    study = control(network, atlas, concepts, **KNOBS)
    assert (study.images, study.skipped) == (5, 1)
    assert study.networks[0].layers[0].total == 3


# --- checkpoints -------------------------------------------------------------------------------


def test_the_curve_follows_the_weights(network, atlas, concepts, tmp_path):
    files = [
        weights(tmp_path, 100, [RED, GREEN, BLUE, RED]),
        weights(tmp_path, 9, [BLIND, BLIND, BLUE, BLIND]),
        weights(tmp_path, 20, [RED, BLIND, BLUE, BLIND]),
        weights(tmp_path, 1, [BLIND] * 4),
    ]
    study = checkpoints(network, atlas, files, concepts, own, **KNOBS)
    assert [one.step for one in study.networks] == [1, 9, 20, 100]
    assert study.networks[0].name == "step-001.safetensors"
    counts = [one.layers[0].unique for one in study.networks]
    assert [(len(c["object"]), len(c["part"])) for c in counts] == [(0, 0), (0, 1), (1, 1), (2, 1)]
    assert [one.layers[0].detectors for one in study.networks] == [0, 1, 2, 4]
    assert study_of(atlas, "checkpoints") == study


@pytest.mark.parametrize(
    "names", ["net-v1.0-epoch-{}.safetensors", "step{}.fp16.safetensors", "epoch-{}.pth.tar"]
)
def test_steps_stand_before_or_behind_a_dot(network, atlas, concepts, tmp_path, names):
    paths = []
    for step, units in ((12, [RED] * 4), (3, [GREEN] * 4)):
        paths.append(tmp_path / names.format(step))
        save_file(colour_units(units).state_dict(), paths[-1])
    study = checkpoints(network, atlas, paths, concepts, own, **KNOBS)
    assert [(one.name, one.step) for one in study.networks] == [
        (names.format(3), 3), (names.format(12), 12),
    ]  # fmt: skip


def test_files_without_numbers_stay_in_order(network, atlas, concepts, tmp_path):
    paths = []
    for name in ("z", "a"):
        save_file(colour_units([RED] * 4).state_dict(), tmp_path / f"{name}.safetensors")
        paths.append(tmp_path / f"{name}.safetensors")
    study = checkpoints(network, atlas, paths, concepts, own, **KNOBS)
    assert [(one.name, one.step) for one in study.networks] == [
        ("z.safetensors", None), ("a.safetensors", None),
    ]  # fmt: skip
    assert study.networks[0].layers == study.networks[1].layers


def test_another_architecture_is_refused(network, atlas, concepts, tmp_path):
    wide = tmp_path / "5.safetensors"
    wide.touch()
    with pytest.raises(MethodError, match="another architecture"):
        checkpoints(
            network, atlas, [wide], concepts, lambda _: load(colour_units([RED] * 5), 32), **KNOBS
        )
    with pytest.raises(MethodError, match="no weights"):
        checkpoints(network, atlas, [], concepts, own, **KNOBS)


def test_the_loader_puts_a_file_in_the_place_of_the_recipes(tmp_path):
    for name in ("demo_net", "demo_net@somewhere.safetensors"):
        recipe = Recipe(f"striate.demo.network:{name}", resize=128, crop=128)
        with pytest.raises(NetworkError, match=r"no file .*none\.safetensors"):
            loader(recipe, "cpu")(tmp_path / "none.safetensors")
    with pytest.raises(NetworkError, match=r"none\.pt2"):
        loader(Recipe("some.pt2"), "cpu")(tmp_path / "none.pt2")


# --- random weights ----------------------------------------------------------------------------


def test_what_each_constant_becomes():
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 5, groups=1), torch.nn.BatchNorm2d(64), torch.nn.PReLU(64),
        torch.nn.Conv2d(64, 128, 3, groups=4), torch.nn.GroupNorm(2, 128),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(128, 256),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for tensor in [*module.parameters(), module[1].running_mean]:
            tensor.copy_(torch.rand(tensor.shape, generator=torch.Generator().manual_seed(1)) + 3)
    network = load(module, 32)
    drawn = with_random_weights(network, 0)
    trace = drawn.trace()
    made = {
        node.meta["source"]: trace.constants[node.target]
        for node in trace.graph.nodes
        if node.op == "get_attr"
    }
    for name, fan_in in (("0.weight", 75), ("3.weight", 144), ("7.weight", 128)):
        assert made[name].std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)
        assert made[name].mean().abs().item() < 0.1 * (2 / fan_in) ** 0.5
    for name in ("0.bias", "1.bias", "1.running_mean", "3.bias", "4.bias", "7.bias"):
        assert not made[name].any(), name
    for name in ("1.weight", "1.running_var", "4.weight"):
        assert (made[name] == 1).all(), name
    slopes = made["2.weight"]
    assert torch.equal(slopes.sort().values, module[2].weight.detach().sort().values)
    assert not torch.equal(slopes, module[2].weight)
    assert (module[0].bias > 2).all()
    assert drawn.fingerprint() == with_random_weights(network, 0).fingerprint()
    assert drawn.fingerprint() != with_random_weights(network, 1).fingerprint()
    assert list(drawn.layers) == list(network.layers)


def test_other_image_sizes_have_the_same_random_weights():
    network = load(torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3)), 32)
    drawn = with_random_weights(network, 0)
    images = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn(images)[..., :30], drawn(images[..., :32].contiguous()))


def test_what_was_not_learnt_is_not_drawn():
    import striate

    with pytest.raises(MethodError, match="nothing that was learnt"):
        with_random_weights(striate.load("hog", image_size=32))


def test_results_hold_no_numbers_that_json_lacks(network, atlas, concepts):
    control(network, atlas, concepts, **KNOBS)
    text = (folder_of(atlas.home) / "control.json").read_text()
    assert json.loads(text)["level"] == studies.LEVEL
    assert "NaN" not in text
