"""How an atlas's network was loaded and where its images lie, so that later commands can go on.

The recipe lies beside the atlas and is no part of it: the same atlas elsewhere has another one.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from striate.atlas.store.reader import Atlas
from striate.errors import AtlasError
from striate.image.folder import find_images
from striate.network.loading import load
from striate.network.network import Network


@dataclass(frozen=True, slots=True)
class Recipe:
    """Arguments of `striate.load`, as the command line knows them.

    Attributes:
        network: A name, a file or a factory.
        weights: "default", a file, or None for random weights.
        resize: Short side; None: what the weights say.
        crop: Side of the centre crop; None: what the weights say.
        interpolation: None: what the weights say.
        antialias: None: what the weights say.
        mean: None: what the weights say.
        std: None: what the weights say.
        class_names: None: what the weights say.
    """

    network: str
    weights: str | None = "default"
    resize: int | None = None
    crop: int | None = None
    interpolation: str | None = None
    antialias: bool | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    class_names: tuple[str, ...] | None = None

    def load(self, device: str | None = None) -> Network:
        """Load the network.

        Args:
            device: Where to run; None: the fastest present.
        """
        return load(
            self.network,
            weights=self.weights,
            resize="default" if self.resize is None else self.resize,
            crop="default" if self.crop is None else self.crop,
            interpolation=self.interpolation,
            antialias=self.antialias,
            mean=self.mean,
            std=self.std,
            class_names=self.class_names,
            device=device or fastest_device(),
        )

    def to_json(self) -> dict[str, object]:
        """Return the recipe as JSON, with the weights' file by its full path."""
        base, at, file = self.network.rpartition("@")
        network = self.network
        if network.endswith(".pt2"):
            network = str(Path(network).resolve())
        elif at:
            network = f"{base}@{Path(file).resolve()}"
        return {**asdict(self), "network": network}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Recipe":
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = dict(found)
        tuples = {k: tuple(v) for k, v in fields.items() if isinstance(v, list)}
        return cls(**{**fields, **tuples})


def fastest_device() -> str:
    """Return "cuda" if there is one, else "cpu"; "mps" lacks the float64 that sums are kept in."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def recipe_of(atlas: Atlas) -> Recipe:
    """Return how the network of an atlas was loaded.

    Raises:
        AtlasError: If it was not loaded by name, or that was not written down.
    """
    spec = _read(atlas).get("recipe")
    if not isinstance(spec, dict):
        msg = f"{atlas.home} was made from a network in Python: give it (network=...)"
        raise AtlasError(msg)
    try:
        return Recipe.from_json(spec)
    except TypeError as error:
        path = atlas.home / "recipe.json"
        raise AtlasError(_unusable(path, f"holds no recipe of this striate ({error})")) from error


def network_of(atlas: Atlas, device: str | None = None) -> Network:
    """Load the network of an atlas again.

    Raises:
        AtlasError: If it was not loaded by name, or is not the same any more.
    """
    network = recipe_of(atlas).load(device)
    check_network(atlas, network)
    return network


def check_network(atlas: Atlas, network: Network) -> None:
    """Refuse a network that is not the atlas's.

    Raises:
        AtlasError: If its graph or weights differ.
    """
    if network.fingerprint() != atlas.plan.fingerprint:
        msg = f"{network.name} is not the network of {atlas.home}: its weights or graph differ"
        raise AtlasError(msg)


def image_paths(atlas: Atlas) -> list[Path]:
    """Return the file of each image of an atlas, by id.

    Raises:
        AtlasError: If the images are not where they were.
    """
    source = Path(str(_read(atlas)["images"]))
    if not source.exists():
        msg = f"the images of {atlas.home} are no longer at {source}"
        raise AtlasError(msg)
    if source.is_dir():
        return [source / name for name in atlas.image_names]
    listed = {image.name: image.path for image in find_images(source)}
    return [listed.get(name, source.parent / name) for name in atlas.image_names]


def _read(atlas: Atlas) -> dict[str, object]:
    path = atlas.home / "recipe.json"
    if not path.is_file():
        raise AtlasError(_unusable(path, "is missing"))
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise AtlasError(_unusable(path, f"cannot be read ({error})")) from error
    if not isinstance(found, dict) or not isinstance(found.get("images"), str):
        raise AtlasError(_unusable(path, "does not say where the images are"))
    return found


def _unusable(path: Path, what: str) -> str:
    return f"{path} {what}: run the `striate atlas` command again, it takes no time"
