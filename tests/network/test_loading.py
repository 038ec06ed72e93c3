"""What `striate.load` takes: names, modules, the user's own code; and what it says otherwise."""

import copy
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import striate
from striate.errors import NetworkError
from striate.network.zoo import _timm_preprocessing, from_zoo

OWN = """
import time
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

def broken():
    raise KeyError("no such checkpoint")

def number():
    return 7

def slow():
    layers = []
    for _ in range(5):
        layers.append(nn.Conv2d(3, 3, 1))
        time.sleep(0.002)
    return nn.Sequential(*layers)

ready = make()
"""


def small(channels: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
    )  # fmt: skip


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(NetworkError) as refused:
        striate.load(source, **options)
    return str(refused.value)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module of the user's own in the current folder."""
    name = f"own_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    sys.modules.pop(name, None)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet81", "resnet18"),
        ("squeezenet1.1", "squeezenet1_1"),
        ("timm/convnxt_atto", "timm/convnext_atto"),
        ("timm/resnet81.a1_in1k", "timm/resnet18"),
    ],
)
def test_a_wrong_name_lists_the_nearest_three(name: str, near: str) -> None:
    said = refusal(name)
    assert repr(name.removeprefix("timm/")) in said
    assert near in said
    listed = said.partition("nearest are ")[2].partition(". ")[0]
    assert listed.count(",") == 2


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "net.onnx", "net.pkl"])
def test_weights_alone_are_no_network(name: str) -> None:
    assert "NAME@" in refusal(name)


@pytest.mark.parametrize("text", ["resnet18@", "resnet18@weights", "resnet18@net.onnx"])
def test_what_follows_at_is_a_file_of_weights(text: str) -> None:
    assert "file of weights" in refusal(text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for source in (f"squeezenet1_1@{tmp_path}/no.pth", tmp_path / "no.pt2"):
        assert "there is no file" in refusal(source)


@pytest.mark.parametrize(("name", "library"), [("resnet18", "torchvision"), ("timm/x", "timm")])
def test_a_library_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n == library else real(n, *a)
    )
    said = refusal(name)
    assert f"{library}, which is not installed" in said
    assert "pip install 'striate[zoo]'" in said


@pytest.mark.parametrize("name", ["resnet18", "timm/resnet18"])
@pytest.mark.parametrize("kind", [RuntimeError, ImportError, AttributeError])
def test_torchvision_beside_another_build_of_torch(
    monkeypatch: pytest.MonkeyPatch, name: str, kind: type[Exception]
) -> None:
    """On Colab or after a CUDA change: "operator torchvision::nms does not exist"."""
    real = importlib.import_module

    def broken(wanted: str, *rest: Any) -> Any:
        if wanted == "torchvision":
            raise kind("operator torchvision::nms does not exist\nand more lines")
        return real(wanted, *rest)

    monkeypatch.setattr(importlib, "import_module", broken)
    said = refusal(name)
    assert "torchvision, which cannot be imported" in said
    assert "torchvision::nms does not exist" in said
    assert "more lines" not in said


def no_route(*_: Any, **__: Any) -> Any:
    reason = "[Errno -3] Temporary failure in name resolution"
    raise URLError(reason)


def corrupt(*_: Any, **__: Any) -> Any:
    msg = 'invalid hash value (expected "b8a52dc0", got "00000000")'
    raise RuntimeError(msg)


@pytest.mark.parametrize(("fails", "reason"), [(no_route, "name resolution"), (corrupt, "hash")])
@pytest.mark.parametrize(
    ("name", "door"),
    [
        ("squeezenet1_1", "torchvision.models._api.load_state_dict_from_url"),
        ("timm/convnext_atto", "timm.models._builder.load_state_dict_from_hf"),
    ],
)
def test_a_hub_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, name: str, door: str, fails: Callable[..., Any], reason: str
) -> None:
    monkeypatch.setattr(door, fails)
    said = refusal(name)
    assert f"the weights of {name} could not be had from" in said
    assert reason in said
    assert f"{name}@FILE.safetensors" in said
    assert "--random" in said


# --- the user's own code -------------------------------------------------------------------------


def test_a_factory_in_the_current_folder(own: str) -> None:
    network = striate.load(f"{own}:make", image_size=8)
    assert network.name == f"{own}:make"
    assert list(network.layers) == ["0", "1"]


def test_a_factory_with_weights(own: str, tmp_path: Path) -> None:
    state = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).state_dict()
    torch.save(state, tmp_path / "own.pth")
    network = striate.load(f"{own}:make@own.pth", image_size=8)
    images = torch.rand(2, 3, 8, 8)
    wanted = nn.functional.conv2d(images, state["0.weight"], state["0.bias"])
    assert torch.equal(network.record(images, ["0"])["0"], wanted)


def test_a_module_that_is_ready_stays_as_it_is(own: str, tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).state_dict(), tmp_path / "own.pth")
    sys.path.insert(0, str(tmp_path))
    ready = importlib.import_module(own).ready
    before = copy.deepcopy(ready.state_dict())
    striate.load(f"{own}:ready@own.pth", image_size=8)
    assert ready.training
    assert all(torch.equal(before[name], value) for name, value in ready.state_dict().items())


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("broken", "KeyError: 'no such checkpoint'"), ("number", "returned a int"),
        ("nowhere", "has no attribute 'nowhere'"),
    ],
)  # fmt: skip
def test_a_factory_that_makes_no_network(own: str, factory: str, said: str) -> None:
    message = refusal(f"{own}:{factory}")
    assert f"'{own}:{factory}'" in message
    assert said in message


def test_code_that_cannot_be_imported(own: str, tmp_path: Path) -> None:
    assert "No module named 'nobody'" in refusal("nobody:make")
    (tmp_path / f"{own}.py").write_text("def make(:")
    assert "SyntaxError" in refusal(f"{own}:make")
    (tmp_path / f"{own}.py").write_text("import os\nos.environ['NOT_THERE']\n")
    assert "KeyError" in refusal(f"{own}:make")


@pytest.mark.parametrize("text", [":make", "own:", ":", "own:make:more"])
def test_a_factory_without_a_name(text: str) -> None:
    assert "module:factory" in refusal(text)


# --- preprocessing -------------------------------------------------------------------------------


def picture(tmp_path: Path) -> Path:
    """Waves, edges and noise, taller than wide."""
    generator = np.random.default_rng(4)
    rows, columns = np.mgrid[:330, :271]
    waves = 127 + 60 * np.sin(rows / 9) + 50 * np.cos(columns / 5)
    levels = np.stack([waves, np.roll(waves, 40, 0), 255 * ((rows // 30 + columns // 20) % 2)], -1)
    noisy = np.clip(levels + generator.normal(0, 9, levels.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def grey_levels(found: Tensor, wanted: Tensor, std: Any) -> float:
    difference = (found - wanted) * torch.tensor(std)[:, None, None] * 255
    return difference.abs().max().item()


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "regnet_y_400mf", "inception_v3"])
def test_preprocessing_is_torchvisions(tmp_path: Path, name: str) -> None:
    import torchvision

    file = picture(tmp_path)
    entry = from_zoo(name, pretrained=False)
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    wanted = transform(Image.open(file))
    found = entry.preprocessing(striate.image.decode.decode(file))
    assert found.shape == wanted.shape
    assert grey_levels(found, wanted, transform.std) <= 1.001
    assert len(entry.class_names) == 1000
    assert not entry.module.training


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "resnet18.a1_in1k"])
def test_preprocessing_is_timms(tmp_path: Path, name: str) -> None:
    import timm

    entry = from_zoo(f"timm/{name}", pretrained=False)
    config = timm.data.resolve_model_data_config(entry.module)
    compare_with_timm(entry.preprocessing, config, picture(tmp_path))
    assert len(entry.class_names) == 1000
    assert not entry.module.training


@pytest.mark.parametrize(
    "setting",
    [
        {"crop_pct": 0.95}, {"crop_pct": 1.0, "interpolation": "bilinear"},
        {"crop_pct": 1.0, "crop_mode": "squash"}, {"crop_pct": 0.9, "crop_mode": "squash"},
        {"input_size": (3, 96, 96), "crop_pct": 0.965, "mean": (0.0,) * 3, "std": (1.0,) * 3},
    ],
)  # fmt: skip
def test_preprocessing_is_timms_for_other_crops(tmp_path: Path, setting: dict[str, Any]) -> None:
    config = {
        "input_size": (3, 128, 128), "interpolation": "bicubic", "mean": (0.5, 0.4, 0.3),
        "std": (0.2, 0.25, 0.3), "crop_pct": 0.875, "crop_mode": "center", **setting,
    }  # fmt: skip
    compare_with_timm(_timm_preprocessing(config), config, picture(tmp_path))


def compare_with_timm(preprocessing: Any, config: dict[str, Any], file: Path) -> None:
    import timm

    wanted = timm.data.create_transform(**config, is_training=False)(Image.open(file))
    found = preprocessing(striate.image.decode.decode(file))
    assert found.shape == wanted.shape
    assert grey_levels(found, wanted, config["std"]) <= 1.001


def test_what_the_caller_says_takes_the_place_of_the_metadata() -> None:
    network = striate.load(
        "squeezenet1_1",
        weights=None,
        resize=40,
        crop=(33, 37),
        mean=[0.1, 0.2, 0.3],
        antialias=True,
    )
    chosen = network.preprocessing
    assert (chosen.resize, chosen.crop, chosen.mean) == (40, (33, 37), (0.1, 0.2, 0.3))
    assert chosen.std == (0.229, 0.224, 0.225)
    assert network.image_size == (3, 33, 37)
    assert network.class_name(0) == "tench"


def test_nobody_said_how_to_preprocess(tmp_path: Path) -> None:
    network = striate.load(small(), image_size=8)
    with pytest.raises(NetworkError, match="resize, crop, mean and std"):
        network.read(picture(tmp_path))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_for_grey_pictures_reads_them_grey(tmp_path: Path, channels: int) -> None:
    file = picture(tmp_path)
    read = striate.load(small(channels), resize=20, crop=16).read(file)
    assert read.shape == (channels, 16, 16)
    if channels == 1:
        rgb = striate.load(small(), resize=20, crop=16, mean=[0.0] * 3, std=[1.0] * 3).read(file)
        luma = (rgb * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
        torch.testing.assert_close(read[0], luma)


@pytest.mark.parametrize(
    ("channels", "asked", "size"),
    [(3, 9, (3, 9, 9)), (3, (9, 8), (3, 9, 8)), (1, (9, 8), (1, 9, 8)), (5, (5, 9, 8), (5, 9, 8))],
)
def test_image_sizes(channels: int, asked: Any, size: tuple[int, int, int]) -> None:
    network = striate.load(small(channels), image_size=asked)
    assert network.image_size == size
    assert network(torch.zeros(1, *size)).shape == (1, 2)


# --- random weights ------------------------------------------------------------------------------


def weights_of(network: striate.Network) -> dict[str, Tensor]:
    return network.trace().constants


def test_random_weights_are_the_same_each_time(own: str) -> None:
    """Also if importing the code draws random numbers: only the first load imports it."""
    state = torch.get_rng_state()
    one, two, other = (
        striate.load(f"{own}:make", weights=None, image_size=8, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert one.fingerprint() == two.fingerprint()
    assert not torch.equal(weights_of(one)["c0"], weights_of(other)["c0"])


def test_random_weights_of_the_zoo() -> None:
    state = torch.get_rng_state()
    networks = [
        striate.load("squeezenet1_1", weights=None, image_size=33, seed=s) for s in (0, 0, 1)
    ]
    assert torch.equal(torch.get_rng_state(), state)
    one, two, other = (network.fingerprint() for network in networks)
    assert one == two != other


def test_four_threads_load_at_once(own: str) -> None:
    """Each gets the weights of its seed, and the global random state is as before."""
    wanted = [striate.load(f"{own}:slow", image_size=8, seed=s).fingerprint() for s in range(4)]
    assert len(set(wanted)) == 4
    state = torch.get_rng_state()
    barrier = threading.Barrier(4)

    def load(seed: int) -> str:
        barrier.wait()
        return striate.load(f"{own}:slow", image_size=8, seed=seed).fingerprint()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert list(pool.map(load, range(4))) == wanted
    assert torch.equal(torch.get_rng_state(), state)
