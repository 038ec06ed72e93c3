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
    """Draw scenes into a folder named after them, unless they are there; returns the folder."""
    drawn = folder / f"{count}-of-{seed}"
    if not (drawn / "labels.csv").exists():
        write_scenes(drawn, count, seed)
    return drawn
