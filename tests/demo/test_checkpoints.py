"""The weights that the demo's training keeps on the way, and that keeping them changes nothing."""

import itertools

import pytest
import torch
from safetensors.torch import load_file

import striate
from striate.demo.network import MEAN, SIZE, STD, DemoNet
from striate.demo.train import CHECKPOINTS, Recipe, draw_scenes, main, normalise, train
from striate.errors import NetworkError

TINY = Recipe(epochs=3, scenes=12, batch=6)
"""Twelve steps."""


def kept_by(recipe):
    kept = {}
    *_, (net, _) = train(4, recipe, keep=lambda steps, net: kept.update({steps: net}))
    return kept, net


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == again and torch.equal(a, b) for (name, a), (again, b) in pairs)


def test_steps_are_those_of_network_dissection():
    assert CHECKPOINTS[:9] == (1, 2, 4, 9, 20, 44, 99, 223, 492)
    assert all(1.9 < later / one < 2.6 for one, later in itertools.pairwise(CHECKPOINTS))


def test_weights_are_kept_on_the_grid_and_at_the_end():
    kept, net = kept_by(TINY)
    assert list(kept) == [1, 2, 4, 9, 12]
    assert same(kept[12], net)
    assert not same(kept[9], kept[12])
    assert not any(one.training for one in kept.values())


def test_training_is_the_same_whether_weights_are_kept_or_not():
    state = torch.get_rng_state()
    _, net = kept_by(TINY)
    *_, (plain, _) = train(4, TINY)
    assert same(net, plain)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_step_on_the_grid_is_kept_once_where_the_training_ends_on_it():
    kept, _ = kept_by(Recipe(epochs=1, scenes=12, batch=6))
    assert list(kept) == [1, 2, 4]


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.setattr("striate.demo.train.accuracy", lambda *_, **__: 0.5)
    monkeypatch.setattr("striate.demo.train.Recipe", lambda epochs=1: Recipe(epochs, 12, 12))
    folder = tmp_path / "steps"
    options = ["--out", str(tmp_path), "--checkpoints", str(folder), "--workers", "0"]
    main(["--epochs", "2", *options])
    return folder


def test_command_writes_weights_and_checkpoints(written):
    names = [f"step-{step:07d}.safetensors" for step in (1, 2, 4)]
    assert sorted(path.name for path in written.iterdir()) == names
    last, final = written / names[-1], written.parent / "weights.safetensors"
    assert last.read_bytes() == final.read_bytes()


def test_checkpoints_load_into_the_demos_architecture(written):
    path = written / "step-0000002.safetensors"
    factory = "striate.demo.network:demo_net"
    known = {"resize": SIZE, "crop": SIZE, "mean": MEAN, "std": STD}
    network = striate.load(f"{factory}@{path}", **known)
    module = DemoNet().eval()
    module.load_state_dict(load_file(path))
    images = normalise(draw_scenes(5, 0, 3)[0])
    with torch.inference_mode():
        torch.testing.assert_close(network(images), module(images))
    assert not torch.allclose(network(images), striate.load(factory, **known)(images))


def test_a_checkpoint_of_another_network_is_refused(written):
    path = written / "step-0000002.safetensors"
    with pytest.raises(NetworkError, match="does not fit"):
        striate.load(torch.nn.Conv2d(3, 4, 3), weights=path)
