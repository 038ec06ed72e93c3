"""The lines of Python that a unit's page offers run where the pictures are, and give its value."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import squeezenet1_1

from striate.atlas.engines.local import build_atlas
from striate.atlas.recipe import Recipe
from striate.atlas.store.reader import Atlas
from striate.web.tree import Tree
from web.tiny_network import CLASSES, make


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A probe set in two folders, with the networks' files beside the pictures."""
    folder = tmp_path_factory.mktemp("lines") / "pictures"
    for number in range(4):
        path = folder / ("left" if number % 2 else "right") / "deep" / f"it's {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        levels = np.random.default_rng(number).integers(0, 256, (30, 24, 3), dtype=np.uint8)
        Image.fromarray(levels).save(path)
    module = make()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(-1.5)
    torch.save(module.state_dict(), folder / "own weights.pt")
    save_file(module.state_dict(), folder / "own.safetensors")
    save_file(squeezenet1_1().state_dict(), folder / "squeezed.safetensors")
    program = torch.export.export(module.eval(), (torch.zeros(1, 3, 16, 16),))
    torch.export.save(program, folder / "own@home.pt2")
    return folder


def build(pictures: Path, out: Path, recipe: Recipe) -> Atlas:
    network = recipe.load("cpu")
    layers = [list(network.layers)[1]]
    return build_atlas(
        network, pictures, out, layers=layers, top=3, workers=1, recipe=recipe.to_json()
    )


def run(lines: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    names: dict[str, Any] = {}
    monkeypatch.chdir(folder)
    exec(lines, names)  # noqa: S102
    return names


FACTORY = "web.tiny_network:make"
USUAL: dict[str, Any] = {"resize": 20, "crop": 16}
RECIPES: dict[str, Recipe] = {
    "a factory": Recipe(FACTORY, **USUAL, class_names=CLASSES),
    "its own preprocessing": Recipe(
        FACTORY, **USUAL, interpolation="bicubic", antialias=False,
        mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7),
    ),
    "a factory with weights": Recipe(f"{FACTORY}@PICTURES/own.safetensors", **USUAL),
    "a file of weights": Recipe(FACTORY, weights="PICTURES/own weights.pt", **USUAL),
    "a name, random": Recipe("squeezenet1_1", weights=None, resize=64, crop=48),
    "a name with weights": Recipe("squeezenet1_1@PICTURES/squeezed.safetensors", crop=48),
    "a program": Recipe("PICTURES/own@home.pt2", **USUAL),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECIPES)
def test_the_lines_run_in_the_folder_of_the_pictures(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    plain = RECIPES[kind]
    weights = plain.weights and plain.weights.replace("PICTURES", str(pictures))
    network = plain.network.replace("PICTURES", str(pictures))
    recipe = replace(plain, network=network, weights=weights)
    atlas = build(pictures, tmp_path / "atlas", recipe)
    tree = Tree(atlas)
    unit = next(k for k in range(9) if not tree.unit(0, k)["dead"])
    page = tree.unit(0, unit)
    assert str(pictures) not in page["python"]
    made = run(page["python"], pictures, monkeypatch)["projection"]
    assert made.activation == pytest.approx(page["top"][0]["value"], rel=1e-4)
    assert tuple(made.box) == page["top"][0]["box"]


def test_of_a_network_from_python_the_lines_do_not_pretend(pictures: Path, tmp_path: Path) -> None:
    network = RECIPES["a factory"].load("cpu")
    atlas = build_atlas(network, pictures, tmp_path / "atlas", layers=["1"], workers=1)
    assert "striate.load(...)" in Tree(atlas).unit(0, 0)["python"]


def test_a_picture_outside_the_probe_set_is_told_by_its_name(
    pictures: Path, tmp_path: Path
) -> None:
    """An absolute path would tell how this machine is laid out, in an exported page even."""
    outside = tmp_path / "secret place" / "cat.png"
    outside.parent.mkdir()
    broken = outside.with_name("broken.png")
    broken.write_bytes(b"no picture")
    Image.open(next(pictures.rglob("*.png"))).save(outside)
    (tmp_path / "near").mkdir()
    listed = tmp_path / "near" / "list.txt"
    listed.write_text(f"{outside}\n../secret place/broken.png\n")
    rows = [("file", "index"), ("cat.png", "1")]
    with (tmp_path / "labels.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    atlas = build_atlas(
        RECIPES["a factory"].load("cpu"), listed, tmp_path / "atlas", layers=["1"], workers=1,
        labels=tmp_path / "labels.csv", recipe=RECIPES["a factory"].to_json(),
    )  # fmt: skip
    tree = Tree(atlas)
    assert tree.names(0)["names"] == ["cat.png", "broken.png"]
    assert tree.image(1)["skipped"] == tree.network()["skipped_images"][0]["reason"]
    assert "broken.png" in (tree.image(1)["skipped"] or "")
    for leaf in tree.data():
        assert b"secret place" not in leaf.make(), leaf.path
