"""A small set of labelled images, and the tiny atlas compared with it."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from striate.atlas.recipe import network_of
from striate.atlas.store.reader import Atlas
from striate.dissection.results import Dissection
from striate.dissection.run import dissect
from striate.image.concepts.reading import concept_set

NAMES = ("<img src=x onerror=alert(1)>", "ring & dot", "never")
"""Of three objects, of which the last one is on no picture."""
PICTURES = 8
LAYER = "1"
"""The one that is dissected; the other with maps is not."""


def draw_labelled(folder: Path) -> Path:
    """Pictures with bright squares and dark bars on noise, and their masks."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = ["0,unlabelled,object"]
    rows += [f'{k + 1},"{name}",object' for k, name in enumerate(NAMES)]
    (folder / "labels.csv").write_text("\n".join(["index,name,category", *rows]) + "\n")
    for number in range(PICTURES):
        random = np.random.default_rng(100 + number)
        picture = random.integers(90, 130, (16, 16, 3), dtype=np.uint8)
        mask = np.zeros((16, 16), np.uint8)
        top, left = random.integers(0, 9, 2)
        mask[top : top + 6, left : left + 6] = 1
        picture[top : top + 6, left : left + 6] = (250, 240, 40)
        if number % 2:
            mask[14:], picture[14:] = 2, (10, 10, 60)
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def dissected_copy(atlas: Path, folder: Path, quantile: float = 0.2) -> Path:
    """Copy an atlas to ``folder/atlas`` and compare its first layer with ``folder/set``."""
    copy = Path(shutil.copytree(atlas, folder / "atlas"))
    draw_labelled(folder / "set")
    dissect_again(copy, quantile)
    return copy


def dissect_again(folder: Path, quantile: float) -> Dissection:
    """Compare its first layer anew."""
    atlas = Atlas(folder)
    sources = [str(folder.parent / "set"), "colours"]
    return dissect(
        network_of(atlas, "cpu"), atlas, concept_set(sources), layers=[LAYER], quantile=quantile,
        sources=sources, restart=True,
    )  # fmt: skip
