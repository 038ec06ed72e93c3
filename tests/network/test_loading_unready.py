"""What is no module that can be traced yet, or has another door: `striate.load` says which."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import striate
from striate.demo.job import demo_recipe
from striate.errors import NetworkError

OWN = """
import warnings
import torch
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()

def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(small())

def traced():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(small(), torch.zeros(1, 3, 8, 8))

def in_part():
    return nn.Sequential(scripted(), nn.ReLU())

def lazy():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(3))

def lazy_norm():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyBatchNorm2d(affine=False))
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of the user's own in the current folder."""
    name = f"unready_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    yield name
    sys.modules.pop(name, None)


def refusals(own: str, factory: str) -> list[str]:
    """What is said of a module, and of the factory that makes it."""
    module = getattr(__import__(own), factory)()
    said = []
    for source in (module, f"{own}:{factory}"):
        with pytest.raises(NetworkError) as refused:
            striate.load(source, image_size=8)
        said.append(str(refused.value))
    return said


@pytest.mark.parametrize("factory", ["scripted", "traced"])
def test_torchscript_is_to_be_given_as_the_original(own: str, factory: str) -> None:
    for said in refusals(own, factory):
        assert "TorchScript" in said
        assert "made from" in said
        assert "torch.export.save" in said


def test_torchscript_inside_a_module_is_named(own: str) -> None:
    with pytest.raises(NetworkError, match=r"cannot copy Sequential .*parts in TorchScript"):
        striate.load(__import__(own).in_part(), image_size=8)


@pytest.mark.parametrize(("factory", "part"), [("lazy", "2.weight"), ("lazy_norm", "1.running_")])
def test_a_lazy_module_is_to_run_once_first(own: str, factory: str, part: str) -> None:
    for said in refusals(own, factory):
        assert part in said
        assert "run it once on an image first" in said


def test_a_lazy_module_that_has_run_is_as_any_other(own: str) -> None:
    module = __import__(own).lazy()
    module(torch.zeros(1, 3, 8, 8))
    assert striate.load(module, image_size=8).class_count == 3


def test_the_embedded_network_has_a_door_of_its_own() -> None:
    with pytest.raises(NetworkError, match=r"'demo' is .*command line") as refused:
        striate.load("demo")
    said = str(refused.value).partition("in Python: ")[2]
    found: dict[str, Any] = {}
    exec(said, found)  # noqa: S102 - what the message tells a user to run
    network = found["network"]
    assert network.fingerprint() == demo_recipe().load(str(network.device)).fingerprint()
    assert network.how_to_read().image_size == (128, 128)
