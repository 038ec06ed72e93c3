"""The atlases that the browser looks at: the demo's in small, and one with hostile names.

The demo's has pictures; those of the other are made when the page asks for them.
"""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from striate.atlas.engines.local import Progress, build_atlas
from striate.atlas.illustrate import illustrate
from striate.atlas.recipe import Recipe, image_paths
from striate.atlas.store.reader import Atlas
from striate.demo.job import demo_recipe, draw_scenes

SCENES, SEED = 60, 2026
DEMO_LAYERS = ("relu1", "relu3", "fc7")

DEAD_UNIT = 3
WIDE = 1000
HOSTILE_LAYERS = (
    "<img/src=x/onerror=alert(1)>",
    "images",
    "a&<b>'q'%2F#?=",
    "\u202ertl",
    "</script><script>alert(2)</script>",
)
HOSTILE_CLASSES = (
    "<img src=x onerror=alert(3)>",
    "\"double\" 'single' & <b>bold</b>",
    "new\nline \u202ertl </script><script>alert(4)</script>",
)
HOSTILE_FILES = (
    "<img src=x onerror=alert(5)>.png",
    "\"double\" 'single' & <b>bold<",
    "new\nline.png",
    "\u202ertl.png",
    "50%25 #hash?query=1.png",
    "\u7f8e\u8853 \U0001f3a8.png",
    "plain.png",
)
BROKEN_FILE = "<i>broken.png"
SCRIPT_FILE = "</script><script>alert(6);'.png"  # in a folder called <
BYTES_FILE = os.fsdecode(b"bytes-\xff.png")

_OWN = """
import torch
from torch import nn

NAMES = {names!r}
SIZES = [3, 12, {wide}, 8, 8, 3]

class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        for k, name in enumerate(NAMES):
            self.add_module(f"conv{{k}}", nn.Conv2d(SIZES[k], SIZES[k + 1], 1 if k else 3))
            self.add_module(name, nn.ReLU())
        with torch.no_grad():
            for parameter in self.parameters():
                scale = max(parameter[0].numel(), 1) ** -0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            self.conv0.bias[{dead}] = -1000

    def forward(self, x):
        for k, name in enumerate(NAMES):
            x = getattr(self, name)(getattr(self, f"conv{{k}}")(x))
        return x.mean((2, 3))

def make():
    return Odd()
"""


def build_demo(folder: Path) -> None:
    """Make ``folder/atlas`` of ``folder/scenes``, with all pictures."""
    scenes = draw_scenes(folder / "scenes", SCENES, SEED)
    recipe = demo_recipe()
    network = recipe.load("cpu")
    atlas = build_atlas(
        network, scenes, folder / "atlas", layers=DEMO_LAYERS, recipe=recipe.to_json()
    )
    illustrate(network, atlas, image_paths(atlas))


def build_odd(folder: Path) -> None:
    """Make ``folder/atlas`` of ``folder/images`` with the network of ``folder/own.py``."""
    source = _OWN.format(names=HOSTILE_LAYERS, wide=WIDE, dead=DEAD_UNIT)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.py").write_text(source, encoding="utf-8")
    images = folder / "images"
    images.mkdir()
    names = [name if name.endswith(".png") else f"{name}.png" for name in HOSTILE_FILES]
    names += [BYTES_FILE, SCRIPT_FILE]
    with (folder / "labels.csv").open("w", encoding="utf-8", errors="surrogateescape") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "index", "name"])
        for number, name in enumerate(names):
            draw(images / name, number)
            rows.writerow([name, number % 3, HOSTILE_CLASSES[number % 3]])
    (images / BROKEN_FILE).write_bytes(b"no picture")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        patch.delitem(sys.modules, "own", raising=False)
        recipe = Recipe("own:make", resize=16, crop=16, class_names=HOSTILE_CLASSES)
        network = recipe.load("cpu")
        labels = folder / "labels.csv"
        build_atlas(
            network, images, folder / "atlas", labels=labels, top=4, recipe=recipe.to_json()
        )


def build_part(folder: Path, scenes: Path, *, shards: int | None = None) -> None:
    """Make ``folder/atlas`` of the demo's scenes, 16 in a shard, and stop after so many shards."""
    recipe = demo_recipe()

    def stop(seen: Progress) -> None:
        if shards is not None and seen.done > shards * 16:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("striate.atlas.plan.default_shard", lambda _: 16)
        try:
            build_atlas(
                recipe.load("cpu"),
                scenes,
                folder / "atlas",
                layers=["relu1", "fc7"],
                recipe=recipe.to_json(),
                progress=stop,
                batch=8,
            )
        except KeyboardInterrupt:
            assert shards is not None


def draw(path: Path, number: int) -> None:
    """A picture that depends on its number alone, 18 x 20."""
    levels = np.random.default_rng(number).integers(0, 256, (18, 20, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(levels).save(path)


def scenes_of(folder: Path) -> Path:
    """Where the demo's scenes lie."""
    return folder / "scenes" / f"{SCENES}-of-{SEED}"


def opened(folder: Path) -> Atlas:
    """The atlas itself: what the page says is compared with it."""
    return Atlas(folder / "atlas")
