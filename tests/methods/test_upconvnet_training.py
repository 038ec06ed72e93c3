"""Training an UpconvNet: it can be stopped anywhere, and says what it cannot use."""

import math
from pathlib import Path

import pytest
import torch

import striate
from methods.upconv_building import KNOBS, draw, facts, frames_of, network_of
from striate.image.folder import find_images
from striate.methods.upconvnet.reading import Reader, split
from striate.methods.upconvnet.training import train_upconvnet


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"), range(13))


@pytest.fixture(scope="module")
def network() -> striate.Network:
    return network_of()


# --- frames --------------------------------------------------------------------------------------


def test_frames_count_and_learning_shows(network, folder):
    frames = list(frames_of(network, folder, epochs=20, rate=5e-3, width=16))
    assert [frame.step for frame in frames] == list(range(1, 61))  # 11 images, 3 batches an epoch
    assert {frame.steps for frame in frames} == {60}
    assert [frame.epoch for frame in frames] == [1 + k // 3 for k in range(60)]
    assert [frame.image_error is None for frame in frames[:4]] == [True, True, False, False]
    first, last = (sum(frame.loss for frame in part) for part in (frames[:3], frames[-3:]))
    assert last < 0.5 * first
    assert frames[-1].image_error < 0.8 * frames[2].image_error
    assert frames[-1].upconvnet.steps == 60
    assert frames[-1].upconvnet.held_out == 2
    assert not frames[-1].skipped


def test_it_is_seeded_and_leaves_the_rest_alone(network, folder):
    before, print_ = torch.random.get_rng_state(), network.fingerprint()
    first = facts(frames_of(network, folder))
    assert facts(frames_of(network, folder)) == first
    assert facts(frames_of(network, folder, workers=3)) == first
    assert facts(frames_of(network, folder, seed=6)) != first
    assert facts(frames_of(network, folder, flip=False)) != first
    assert torch.equal(torch.random.get_rng_state(), before)
    assert network.fingerprint() == print_


def test_the_rate_falls_tenfold(network, folder):
    slow = facts(frames_of(network, folder, rate=1e-3, drops=()))
    assert facts(frames_of(network, folder, rate=1e-2, drops=(0.0,))) == slow
    assert facts(frames_of(network, folder, rate=1e-1, drops=(0.0, 0.0))) == slow
    late = facts(frames_of(network, folder, rate=1e-3, drops=(0.5,)))  # at step 4.5 of 9
    assert late[:5] == slow[:5]
    assert late[5][3] == slow[5][3]  # a loss is that before the update
    assert all(a[3] != b[3] for a, b in zip(late[6:], slow[6:], strict=True))


@pytest.mark.parametrize("wrong", ["epochs", "batch", "save_every", "width"])
def test_knobs_below_one_are_refused(network, folder, wrong):
    with pytest.raises(striate.MethodError, match=f"{wrong}=0"):
        frames_of(network, folder, **{wrong: 0})


# --- what is inverted ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "knobs"),
    [
        ("1", {"size": 8}), ("1", {"size": (12, 20)}), ("3", {}), ("3", {"transform": "top5"}),
        ("3", {"transform": "rest"}), ("3", {"transform": "probabilities", "size": 10}),
    ],
)  # fmt: skip
def test_layers_sizes_and_transforms(network, folder, layer, knobs):
    *_, last = frames_of(network, folder, layer, epochs=1, **knobs)
    net, image = last.upconvnet, network.read(find_images(folder)[0].path)
    size = knobs.get("size", 16)
    assert net.recipe.size == (size if isinstance(size, tuple) else (size, size))
    found = net.invert(network, image)
    assert found.image.shape == found.original.shape == (3, *net.recipe.size)
    features = net.features(network, image[None])
    if "transform" in knobs:
        kept = {"top5": 5, "rest": 4, "probabilities": 9}[knobs["transform"]]
        assert int(features.ne(0).sum()) == kept
        assert float(features.sum()) == pytest.approx(1.0, abs=1e-6)
    assert torch.equal(net.reconstruct(features)[0], found.image)
    assert not torch.equal(net.reconstruct(features * 1.5)[0], found.image)


def test_a_grey_network(folder):
    grey = network_of(channels=1)
    *_, last = frames_of(grey, folder, epochs=1)
    found = last.upconvnet.invert(grey, grey.read(find_images(folder)[0].path))
    assert found.image.shape == found.original.shape == (1, 16, 16)
    assert math.isfinite(found.image_error)


@pytest.mark.parametrize("size", [8, 16, 24])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_network_in_half_precision(network, folder, dtype, size):
    half = network_of(dtype=dtype)
    *_, last = frames_of(half, folder, size=size)
    *_, single = frames_of(network, folder, size=size)
    assert last.loss == pytest.approx(single.loss, rel=0.02)
    assert last.image_error == pytest.approx(single.image_error, rel=0.02)
    path = find_images(folder)[0].path
    found = last.upconvnet.invert(half, half.read(path))
    wanted = single.upconvnet.invert(network, network.read(path))
    assert found.image.dtype == found.original.dtype == torch.float32
    assert found.image.shape == found.original.shape == (3, size, size)
    assert float((found.original - wanted.original).abs().max()) < 0.01
    assert found.image_error == pytest.approx(wanted.image_error, rel=0.05)
    assert found.feature_error == pytest.approx(wanted.feature_error, rel=0.05)


@pytest.mark.parametrize(
    ("options", "layer", "knobs", "error", "says"),
    [
        ({}, "9", {}, striate.AddressError, "no layer '9'"),
        ({}, "1:3", {}, striate.AddressError, "whole layer"),
        ({"crop": None, "resize": 16}, "1", {}, striate.MethodError, "give crop"),
        ({}, "1", {"transform": "log"}, striate.MethodError, "probabilities, top5, rest"),
        ({}, "1", {"size": (0, 4)}, striate.MethodError, "at least 1 pixel"),
        ({}, "1", {"held_out": 1.0}, striate.MethodError, "none to train on"),
        ({}, "1", {"checkpoint": "nowhere/file"}, striate.MethodError, "no folder"),
    ],
)
def test_what_cannot_be_trained_is_said_at_once(folder, options, layer, knobs, error, says):
    with pytest.raises(error, match=says):
        frames_of(network_of(**options), folder, layer, **knobs)


# --- held-out images -----------------------------------------------------------------------------


def test_no_image_changes_sides(tmp_path):
    few = split(find_images(draw(tmp_path / "few", range(0, 60, 2))), 0.3)
    many = split(find_images(draw(tmp_path / "few", range(60))), 0.3)
    few, many = ([{image.name for image in side} for side in sides] for sides in (few, many))
    assert few[0] < many[0]
    assert few[1] < many[1]
    assert not many[0] & many[1]
    assert len(many[0] | many[1]) == 60
    assert 8 < len(many[1]) < 28  # 18 expected, with a standard deviation of 3.5


def test_held_out_images_are_never_trained_on(network, folder, monkeypatch):
    asked = []
    original = Reader._read
    monkeypatch.setattr(Reader, "_read", lambda r, i: (asked.append(i.name), original(r, i))[1])
    list(frames_of(network, folder))
    train, held = split(find_images(folder), 0.05)
    assert asked[:2] == [image.name for image in held]
    # Some are read once more for the scales.
    assert {asked[2:].count(image.name) for image in train} <= {3, 4}
    assert not {image.name for image in held} & set(asked[2:])


# --- files that cannot be read -------------------------------------------------------------------


def test_files_that_cannot_be_read_are_left_out(network, tmp_path):
    folder = draw(tmp_path / "pictures", range(12))
    for name in ("broken", "empty", "gone"):
        (folder / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n" if name == "broken" else b"")
    images = find_images(folder)
    (folder / "gone.png").unlink()
    frames = list(train_upconvnet(network, "1", images, **KNOBS | {"held_out": 0.3}))
    assert set(frames[-1].skipped) == {"broken.png", "empty.png", "gone.png"}
    assert "damaged" in frames[-1].skipped["broken.png"]
    assert math.isfinite(frames[-1].loss)
    assert math.isfinite(frames[-1].image_error)


def test_a_batch_of_bad_files_is_no_step(network, tmp_path):
    folder = draw(tmp_path / "pictures", range(12))
    train, _ = split(find_images(folder), 0.05)
    for image in train[1:]:
        image.path.write_bytes(b"no picture")
    *_, last = frames_of(network, folder, batch=1)
    assert (last.step, last.upconvnet.steps) == (30, 3)
    assert len(last.skipped) == 9


@pytest.mark.parametrize(("side", "says"), [(0, "none of 10 images"), (1, "fewer than two")])
def test_too_few_readable_images_are_an_error(network, tmp_path, side, says):
    folder = draw(tmp_path / "pictures", range(12))
    for image in split(find_images(folder), 0.05)[side]:
        image.path.write_bytes(b"no picture")
    with pytest.raises(striate.MethodError, match=says):
        list(frames_of(network, folder))


def test_equal_pictures_have_no_scale(network, tmp_path):
    folder = draw(tmp_path / "pictures", [0])
    for number in range(1, 6):
        (folder / f"{number}.png").write_bytes((folder / "0.png").read_bytes())
    with pytest.raises(striate.MethodError, match="are the same"):
        list(frames_of(network, folder))
