"""The demo's inverse: small, better than the trivial answer, and made by its script."""

from pathlib import Path

import pytest
import torch

import striate
from striate.demo import upconv
from striate.demo.job import demo_recipe
from striate.demo.network import MEAN, SIZE, STD, demo_net
from striate.demo.upconv import INVERSE, LAYER, Recipe, demo_upconvnet, fresh, guesses_picture, main
from striate.errors import NetworkError
from striate.methods.upconvnet.experiment import perturbed_errors

UNSEEN = 11


@pytest.fixture(scope="module")
def network():
    return demo_recipe().load("cpu")


@pytest.fixture(scope="module")
def inverse():
    return demo_upconvnet()


def test_it_is_small():
    assert INVERSE.stat().st_size < 700_000


def test_it_beats_the_mean_scene_by_far(network, inverse):
    found = perturbed_errors(inverse, network, fresh(network, 60, UNSEEN), ["none", "drop-units"])
    assert 0.65 < found["mean image"] < 0.75
    assert found["none"] < 0.65 * found["mean image"]
    # The guess is of the image, not of images in general: without its features it is worse.
    assert found["none"] + 0.15 < found["drop-units"]


def test_each_scene_is_nearest_to_its_own_guess(network, inverse):
    images = fresh(network, 30, UNSEEN)
    shown = inverse.recipe.shown(images).flatten(1)
    guesses = inverse.reconstruct(inverse.features(network, images)).flatten(1)
    nearest = torch.cdist(guesses, shown).argmin(1)
    assert (nearest == torch.arange(30)).sum() >= 27


def test_it_inverts_the_network_as_users_load_it(network, inverse):
    image = fresh(network, 1, UNSEEN)[0]
    found = inverse.invert(network, image)
    assert (found.layer, found.image.shape) == (LAYER, (3, 128, 128))
    assert 0 < found.image_error < 0.65
    other = striate.load(
        demo_net(pretrained=False), resize=SIZE, crop=SIZE, mean=MEAN, std=STD, name="random"
    )
    with pytest.raises(striate.MethodError, match="weights or graph of random differ"):
        inverse.check(other)


def test_another_graph_text_of_the_same_weights_is_no_hindrance(network, inverse, tmp_path):
    facts, tensors = inverse.parts()
    facts["recipe"]["fingerprint"] = "of another torch"
    facts["inverts"] = upconv._digest(upconv.WEIGHTS)
    upconv.write_checkpoint(tmp_path / "other", facts, tensors)
    demo_upconvnet(tmp_path / "other").check(network)


def test_the_inverse_of_other_weights_is_refused(monkeypatch, tmp_path):
    (tmp_path / "weights").write_bytes(b"others")
    monkeypatch.setattr(upconv, "WEIGHTS", tmp_path / "weights")
    with pytest.raises(NetworkError, match=r"python -m striate\.demo\.upconv"):
        demo_upconvnet()


def test_scenes_stand_above_their_guesses(network, inverse):
    images = fresh(network, 2, UNSEEN)
    picture = guesses_picture(network, inverse, images)
    assert picture.shape == (2 * 128 + 4, 2 * 128 + 4, 3)
    shown = (inverse.recipe.shown(images)[1].permute(1, 2, 0) * 255).round().byte().numpy()
    assert (picture[:128, 132:] == shown).all()
    assert (picture[132:, 132:] != shown).any()


# --- the script --------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    def recipe(**given):
        return Recipe(**{"scenes": 40, "epochs": 4, "batch": 8, "width": 8, **given})

    monkeypatch.setattr(upconv, "Recipe", recipe)
    monkeypatch.setattr(upconv, "MEASURED", 4)
    return recipe


def test_training_improves(network, tmp_path):
    recipe = Recipe(scenes=40, epochs=8, batch=4)
    frames = list(upconv.train(network, tmp_path, recipe))
    losses = [frame.loss for frame in frames]
    assert sum(losses[-10:]) < 0.75 * sum(losses[:10])
    errors = [frame.image_error for frame in frames if frame.image_error is not None]
    assert errors[-1] < 0.8 * errors[0]


def test_the_script_writes_what_can_be_opened(network, quick, tmp_path, capsys):
    out, picture, folder = (tmp_path / name for name in ("net", "a.png", "kept"))
    command = ["--out", out, "--picture", picture, "--folder", folder, "--epochs", "2"]
    main([str(part) for part in command])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "drawing 40 scenes"
    assert [line.split()[1] for line in said[1:3]] == ["1/2", "2/2"]
    errors = dict(
        line.removeprefix("image error on 4 fresh scenes, ").split(": ") for line in said[3:]
    )
    assert list(errors)[:: len(errors) - 1] == ["none", "mean image"]
    assert all(0 < float(error.removesuffix(" %")) < 300 for error in errors.values())
    assert picture.read_bytes()[:4] == b"\x89PNG"
    found = demo_upconvnet(out)
    trained = striate.UpconvNet.load(folder / "training.safetensors")
    images = fresh(network, 2)
    near = [net.reconstruct(net.features(network, images)) for net in (found, trained)]
    # Half precision keeps eleven bits of each weight.
    torch.testing.assert_close(*near, rtol=0, atol=0.01)
    before = out.read_bytes()
    main([str(part) for part in command])  # all is done: it says the same and writes the same
    assert capsys.readouterr().out.splitlines()[2:] == said[3:]
    assert out.read_bytes() == before


def test_without_a_folder_nothing_is_left(quick, tmp_path, monkeypatch):
    (tmp_path / "spare").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    main(["--out", str(tmp_path / "net"), "--epochs", "1"])
    assert list(Path(tmp_path / "spare").iterdir()) == []
