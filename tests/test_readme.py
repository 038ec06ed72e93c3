"""What the README and the examples say works."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import striate
from striate.image.encode import save

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, but with random weights (no network here) and noise for photographs."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    code = code.replace('load("resnet18")', 'load("resnet18", weights=None)')
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    for name in ("cat.jpg", "photos/1.png", "photos/2.png"):
        path = Path(name).with_suffix(".png")
        path.parent.mkdir(exist_ok=True)
        save(noise.integers(0, 256, (300, 260, 3), dtype=np.uint8), path)
    Path("cat.png").rename("cat.jpg")
    said: list[str] = []
    names: dict[str, object] = {"print": lambda *values: said.append(" ".join(map(str, values)))}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own README
    assert said == ["211 x 211"]
    assert isinstance(names["atlas"], striate.Atlas)
    assert names["atlas"].summary()["seen"] == 2


def test_the_example_of_ones_own_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from examples.cifar_resnet20 import resnet20, unpack

    generator = np.random.default_rng(1)
    from striate.image.encode import encode

    pictures = [encode(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)) for _ in range(6)]
    offsets = np.cumsum([0, *map(len, pictures)])
    np.savez(
        tmp_path / "packed.npz",
        jpeg=np.frombuffer(b"".join(pictures), np.uint8),
        offsets=offsets,
        labels=np.array([0, 1, 0, 1, 0, 1], np.uint8),
        classes=np.array(["cat", "dog"]),
    )
    unpack(tmp_path / "packed.npz", tmp_path / "images", 6)
    assert len(list((tmp_path / "images").rglob("*.jpg"))) == 6
    module = resnet20().eval()
    save_file(module.state_dict(), tmp_path / "own.safetensors")
    network = striate.load(
        "examples.cifar_resnet20:resnet20", weights=tmp_path / "own.safetensors",
        resize=32, crop=32,
    )  # fmt: skip
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), module(images))
    atlas = striate.build_atlas(network, tmp_path / "images", tmp_path / "atlas")
    assert atlas.summary()["seen"] == 6
    assert atlas.summary()["top1"] is None
