"""What an UpconvNet cannot be trained on or gone on with is said at once, with the reason."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import striate
from methods.upconv_building import draw, frames_of, network_of
from striate.methods.upconvnet import start
from striate.methods.upconvnet.checkpoint import read_checkpoint, write_checkpoint
from striate.methods.upconvnet.decoder import decoder_for, weights_of
from striate.methods.upconvnet.net import UpconvNet


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"), range(13))


@pytest.fixture(scope="module")
def network() -> striate.Network:
    return network_of()


# --- knobs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knobs", "says"),
    [
        ({"rate": -1.0}, "rate=-1"), ({"rate": math.nan}, "rate=nan"),
        ({"rate": math.inf}, "rate=inf"), ({"rate": 0.0}, "rate=0"),
        ({"workers": -1}, "workers=-1"), ({"workers": 0}, "workers=0"),
        ({"seed": 10**21}, "seed=1000000000000000000000"), ({"seed": -(2**64)}, "seed=-"),
    ],
)  # fmt: skip
def test_knobs_that_mean_nothing_are_refused(network, folder, knobs, says):
    with pytest.raises(striate.MethodError, match=says):
        frames_of(network, folder, **knobs)


# --- where the file goes -------------------------------------------------------------------------


def test_a_file_that_cannot_be_written_is_found_at_once(network, folder, tmp_path):
    with pytest.raises(striate.MethodError, match="it is a folder"):
        frames_of(network, folder, checkpoint=tmp_path)
    long = tmp_path / ("n" * 254)
    with pytest.raises(striate.MethodError, match=r"cannot write.*too long"):
        frames_of(network, folder, checkpoint=long)
    for name in ("net.png", "net.JPEG"):
        with pytest.raises(striate.MethodError, match=r"taken for an image.*safetensors"):
            frames_of(network, folder, checkpoint=tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="no folder that nobody may write to")
def test_a_folder_that_nobody_may_write_to_is_found_at_once(network, folder):
    with pytest.raises(striate.MethodError, match=r"cannot write '/sys/net.safetensors'"):
        frames_of(network, folder, checkpoint="/sys/net.safetensors")


def test_hashes_are_told_in_words(network, folder, tmp_path):
    path = tmp_path / "net.safetensors"
    list(frames_of(network, folder, checkpoint=path))
    more = draw(tmp_path / "more", range(14))
    with pytest.raises(striate.MethodError, match="list of images differs") as images:
        frames_of(network, more, checkpoint=path)
    with pytest.raises(striate.MethodError, match="weights or graph") as weights:
        frames_of(network_of(seed=2), folder, checkpoint=path)
    for told in (images, weights):
        assert max(map(len, str(told.value).replace(str(path), "").split())) < 30


# --- transforms ----------------------------------------------------------------------------------


def scores_of(units: int) -> striate.Network:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                           nn.Linear(2, units))  # fmt: skip
    scale = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    return striate.load(module, image_size=(16, 16), resize=None, crop=16, **scale)


@pytest.mark.parametrize("transform", ["probabilities", "top5", "rest"])
def test_transforms_are_for_class_scores(network, folder, transform):
    with pytest.raises(striate.MethodError, match=r"class scores.*1 has maps of 8 x 8.*none"):
        frames_of(network, folder, "1", transform=transform)


def test_the_rest_needs_more_than_five_classes(folder):
    with pytest.raises(striate.MethodError, match=r"all but the five largest of 5.*nothing"):
        frames_of(scores_of(5), folder, "3", transform="rest")
    *_, last = frames_of(scores_of(6), folder, "3", transform="rest", epochs=1)
    assert last.step == 3
    *_, last = frames_of(scores_of(5), folder, "3", transform="top5", epochs=1)
    assert last.step == 3


# --- layers and decoders -------------------------------------------------------------------------


class Broken(nn.Module):
    """A layer of which some values are no numbers where an image is dark."""

    def __init__(self, level: float):
        super().__init__()
        self.level = level

    def forward(self, images):
        means = images.mean((1, 2, 3), keepdim=True)
        return torch.where(means < self.level, torch.full_like(images, torch.nan), images)


def broken(level: float) -> striate.Network:
    scale = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    module = nn.Sequential(Broken(level))
    return striate.load(module, image_size=(16, 16), resize=None, crop=16, **scale)


def test_a_layer_without_numbers_is_to_blame(folder, tmp_path):
    network = broken(1e9)
    layer = list(network.layers)[-1]
    with pytest.raises(striate.MethodError, match=rf"{layer} .*not all numbers.*another") as told:
        list(frames_of(network, folder, layer))
    assert "lower rate" not in str(told.value)


def test_a_layer_that_fails_later_is_to_blame(tmp_path):
    network = broken(-1.5)
    layer = list(network.layers)[-1]
    folder = draw(tmp_path / "pictures", range(13))
    frames = frames_of(network, folder, layer)
    next(frames)
    for path in folder.iterdir():
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path)
    with pytest.raises(striate.MethodError, match=rf"{layer} .*not all numbers") as told:
        list(frames)
    assert "lower rate" not in str(told.value)


def test_weights_are_counted_without_making_them():
    made = decoder_for(7, (3, 5), (24, 40), width=16, stride=8.0)
    counted = weights_of(7, (3, 5), (24, 40), width=16, stride=8.0)
    assert counted == sum(weight.numel() for weight in made.parameters())
    assert weights_of(768, (1, 197), (224, 224)) > 768 * 197 * 4096


def test_a_decoder_too_large_for_the_memory_is_refused(network, folder, monkeypatch):
    needed = 16 * weights_of(6, (8, 8), (16, 16), width=64, stride=2.0)
    monkeypatch.setattr(start, "memory_of", lambda _: needed - 1)
    with pytest.raises(striate.MethodError, match=r"width=64 .*weights.* GB.*width=32"):
        frames_of(network, folder, width=64)
    own = nn.ConvTranspose2d(6, 3, 2, 2)
    assert next(frames_of(network, folder, width=64, decoder=own)).step == 1
    monkeypatch.setattr(start, "memory_of", lambda _: needed)
    assert next(frames_of(network, folder, width=64)).step == 1
    monkeypatch.setattr(start, "memory_of", lambda _: None)
    assert next(frames_of(network, folder, width=64)).step == 1


def test_memory_is_that_of_the_machine():
    known = start.memory_of(torch.device("cpu"))
    assert known is None or known > 2**28


# --- checkpoints that lack something -------------------------------------------------------------


@pytest.fixture(scope="module")
def begun(network, folder, tmp_path_factory):
    """The facts and tensors of a training that was stopped after two batches."""
    path = tmp_path_factory.mktemp("begun") / "net.safetensors"
    frames = frames_of(network, folder, checkpoint=path, save_every=1)
    next(frames)
    next(frames)
    frames.close()
    return read_checkpoint(path)


def without(begins, tensors):
    return {name: value for name, value in tensors.items() if not name.startswith(begins)}


LACKS = {
    "generator": lambda f, t: (f, without("generator", t)),
    "a torn generator": lambda f, t: (f, t | {"generator": t["generator"][:7].clone()}),
    "optimizer": lambda f, t: (f, without("optimizer", t)),
    "one weight's moments": lambda f, t: (f, without("optimizer.1.", t)),
    "one moment": lambda f, t: (f, without("optimizer.1.exp_avg_sq", t)),
    "a moment's shape": lambda f, t: (f, t | {"optimizer.1.exp_avg": torch.zeros(2)}),
    "place": lambda f, t: ({k: v for k, v in f.items() if k != "place"}, t),
    "an epoch": lambda f, t: (f | {"place": f["place"] | {"epoch": -1}}, t),
    "a batch": lambda f, t: (f | {"place": f["place"] | {"batch": 9}}, t),
    "a whole number": lambda f, t: (f | {"place": f["place"] | {"updates": "two"}}, t),
    "training": lambda f, t: (f | {"training": ["epochs"]}, t),
}
UNFIT = {
    "recipe": lambda f, t: ({k: v for k, v in f.items() if k != "recipe"}, t),
    "a readable recipe": lambda f, t: (f | {"recipe": ["layer"]}, t),
    "a scale": lambda f, t: (f, without("scale.unit_mean", t)),
    "a scale's shape": lambda f, t: (f, t | {"scale.unit_mean": torch.zeros(2)}),
    "a transform": lambda f, t: (f | {"recipe": f["recipe"] | {"transform": "zz"}}, t),
    "preprocessing": lambda f, t: (f | {"recipe": f["recipe"] | {"preprocessing": {}}}, t),
    "a distance": lambda f, t: (f | {"image_distance": "far"}, t),
    "a finite distance": lambda f, t: (f | {"image_distance": math.nan}, t),
    "a number of images": lambda f, t: (f | {"held_out": None}, t),
}


@pytest.mark.parametrize("lacks", [*LACKS, *UNFIT])
def test_a_training_without_a_part_does_not_go_on(network, folder, begun, tmp_path, lacks):
    path = tmp_path / "net.safetensors"
    write_checkpoint(path, *(LACKS | UNFIT)[lacks](*begun))
    before = path.read_bytes()
    with pytest.raises(striate.MethodError, match=r"restart|do not fit"):
        frames_of(network, folder, checkpoint=path)
    assert path.read_bytes() == before
    if lacks in LACKS:
        assert UpconvNet.load(path).steps == 2


@pytest.mark.parametrize("lacks", UNFIT)
def test_a_net_without_a_part_is_not_opened(begun, tmp_path, lacks):
    write_checkpoint(tmp_path / "net", *UNFIT[lacks](*begun))
    with pytest.raises(striate.MethodError, match="do not fit"):
        UpconvNet.load(tmp_path / "net")


def test_a_training_without_an_update_goes_on(network, folder, begun, tmp_path):
    # Two batches of which no image could be read.
    kept, tensors = begun
    place = kept["place"] | {"updates": 0}
    path = tmp_path / "net.safetensors"
    write_checkpoint(path, kept | {"place": place}, without("optimizer", tensors))
    *_, last = frames_of(network, folder, checkpoint=path)
    assert (last.step, last.upconvnet.steps) == (9, 7)
