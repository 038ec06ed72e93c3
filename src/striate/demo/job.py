"""The demo's material: how to load its network, and its scenes on disk."""

from pathlib import Path

from striate.atlas.recipe import Recipe
from striate.demo.network import MEAN, SIZE, STD
from striate.demo.scenes import CLASSES, write_scenes


def demo_recipe() -> Recipe:
    """Return how to load the embedded network.

    >>> demo_recipe().network
    'striate.demo.network:demo_net'
    """
    return Recipe(
        "striate.demo.network:demo_net",
        resize=SIZE,
        crop=SIZE,
        mean=MEAN,
        std=STD,
        class_names=CLASSES,
    )


def draw_scenes(folder: Path, count: int, seed: int) -> Path:
    """Draw scenes into a folder, unless they are there already; returns the folder."""
    if not (folder / "labels.csv").exists():
        write_scenes(folder, count, seed)
    return folder
