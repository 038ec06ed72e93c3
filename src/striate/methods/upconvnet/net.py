"""UpconvNet: an image guessed from what a layer makes of it, by a network trained to guess.

    w* = argmin_w  sum_i || x_i - f(phi(x_i), w) ||^2,      f(phi, w*) ~ E[x | phi]

What the features do not determine comes out as the mean of what is possible: blurred, not wrong.

Errors, N and N_phi being mean distances between two different held-out images (of their features):

    image error = || x - f(phi(x)) || / N,    feature error = || phi(x) - phi(f(phi(x))) || / N_phi

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    Features are centred (each unit) and scaled (all alike) before the decoder, images likewise
    behind it, so that one learning rate suits every layer and every preprocessing: an affine map,
    which changes no optimum. Errors are those of the picture that is shown, in pixel space and
    clipped to [0, 1]. The feature error uses the mean distance too.

Applies to:
    Every layer with units, of a network that says how it reads pictures.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from striate.errors import MethodError
from striate.methods.upconvnet.checkpoint import read_checkpoint, write_checkpoint
from striate.methods.upconvnet.recipe import Recipe, resized
from striate.network.network import Network
from striate.shapes import Image, Images, Maps


@dataclass(frozen=True, eq=False)
class Inversion:
    """An image guessed from its features.

    Attributes:
        image: The guess, (channels, height, width) in [0, 1].
        original: What was to be guessed, of the same size.
        image_error: Distance of both over the mean distance between held-out images; 0 is perfect.
        feature_error: The same for their features; None if all held-out images have the same.
        network: Name of the network.
        layer: Address of the layer.
        steps: How many steps the decoder was trained.
    """

    image: Image
    original: Image
    image_error: float
    feature_error: float | None
    network: str
    layer: str
    steps: int


@dataclass(frozen=True, eq=False)
class UpconvNet:
    """A trained decoder and what it was trained on. Made by `train_upconvnet`, or loaded.

    Attributes:
        recipe: What it inverts.
        decoder: From standardised features to standardised images.
        scales: ``unit_mean``, ``unit_scale``, ``channel_mean`` and ``image_scale``.
        image_distance: Mean distance between two different held-out images, in pixel space.
        feature_distance: The same of their features.
        held_out: How many held-out images these are the mean of.
        steps: How many steps the decoder was trained.
    """

    recipe: Recipe
    decoder: nn.Module = field(repr=False)
    scales: Mapping[str, Tensor] = field(repr=False)
    image_distance: float
    feature_distance: float
    held_out: int
    steps: int

    def features(self, network: Network, images: Images) -> Maps:
        """Return what the decoder reads, to be perturbed and given to `reconstruct`.

        Args:
            network: The one that it was trained on.
            images: Preprocessed.

        Raises:
            MethodError: If the network is another, or the images have another size.
        """
        self.check(network)
        return self._features(network, images)

    def _features(self, network: Network, images: Images) -> Maps:
        if tuple(images.shape[1:]) != self.recipe.image_size:
            msg = (
                f"images of shape {tuple(images.shape[1:])} cannot be inverted: this UpconvNet was "
                f"trained on {self.recipe.image_size} (channels, height, width)"
            )
            raise MethodError(msg)
        ready = images.to(device=network.device, dtype=network.dtype)
        return self.recipe.features(network, ready)

    def standardised(self, features: Maps) -> Images:
        """Run the decoder: features in, standardised images out; gradients flow to the weights."""
        scales = self.scales
        mean = scales["unit_mean"][:, None, None]
        values: Tensor = self.decoder((features.to(mean) - mean) / scales["unit_scale"])
        return values

    def reconstruct(self, features: Maps) -> Images:
        """Guess images from features.

        Args:
            features: As `features` returns them, perturbed or not.

        Returns:
            Images of pixel space, in [0, 1].
        """
        with torch.no_grad():
            found = self.standardised(features) * self.scales["image_scale"]
            network_space = found + self.scales["channel_mean"][:, None, None]
            return self.recipe.reads.to_pixels(network_space).clamp(0, 1)

    def invert(self, network: Network, image: Image, *, changed: Maps | None = None) -> Inversion:
        """Guess an image from its features, and say how far off the guess is.

        Args:
            network: The one that it was trained on.
            image: Preprocessed, as ``network.read`` returns it.
            changed: (1, units, rows, columns): guess from these in place of its features, for
                example from `perturb.binarise` of them. Errors are against the image and its own.

        Returns:
            The guess and its errors.

        Raises:
            MethodError: If the network is another, or the image has another size.
        """
        features = self.features(network, image[None])
        guess = self.reconstruct(features if changed is None else changed)
        original = self.recipe.shown(image[None]).to(guess)
        again = resized(self.recipe.reads.to_network(guess), self.recipe.image_size[1:])
        seen = self._features(network, again)
        known = self.feature_distance > 0
        return Inversion(
            image=guess[0],
            original=original[0],
            image_error=distance(guess[0], original[0]) / self.image_distance,
            feature_error=distance(seen, features) / self.feature_distance if known else None,
            network=self.recipe.network,
            layer=self.recipe.layer,
            steps=self.steps,
        )

    def check(self, network: Network) -> None:
        """Refuse a network that is not the one it was trained on.

        Args:
            network: Any.

        Raises:
            MethodError: If its graph, its weights or its pixel scale differ.
        """
        ours, theirs = self.recipe.reads, network.preprocessing
        same_scale = theirs is None or (theirs.mean, theirs.std) == (ours.mean, ours.std)
        if network.fingerprint() != self.recipe.fingerprint or not same_scale:
            what = "weights or graph" if same_scale else "mean or std"
            msg = (
                f"this UpconvNet inverts {self.recipe.layer} of {self.recipe.network}, and the "
                f"{what} of {network.name} differ: give that network, or train another"
            )
            raise MethodError(msg)

    def parts(self) -> tuple[dict[str, object], dict[str, Tensor]]:
        """Return all of it as facts for JSON, and tensors."""
        recipe = {f.name: getattr(self.recipe, f.name) for f in fields(Recipe)}
        facts = {
            "recipe": recipe,
            "image_distance": self.image_distance,
            "feature_distance": self.feature_distance,
            "held_out": self.held_out,
            "steps": self.steps,
        }
        tensors = {f"decoder.{name}": value for name, value in self.decoder.state_dict().items()}
        return facts, tensors | {f"scale.{name}": value for name, value in self.scales.items()}

    @classmethod
    def from_parts(
        cls,
        facts: Mapping[str, Any],
        tensors: Mapping[str, Tensor],
        decoder: nn.Module | None,
        device: torch.device,
    ) -> "UpconvNet":
        """Put together what `parts` took apart.

        Args:
            facts: The facts.
            tensors: The tensors; others among them are left out.
            decoder: The caller's own, to be filled; None if the recipe says how to build it.
            device: Where it goes.

        Raises:
            MethodError: If parts are missing or do not fit.
        """
        try:
            recipe = Recipe.from_json(facts["recipe"])
            module = _module(recipe, decoder)
            scales = _scales(recipe, tensors, device)
            weights = {k[8:]: v for k, v in tensors.items() if k.startswith("decoder.")}
            module.to(device=device, dtype=scales["image_scale"].dtype).load_state_dict(weights)
            module.eval()
            counts = int(facts["held_out"]), int(facts["steps"])
            return cls(recipe, module, scales, *_distances(facts), *counts)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            msg = f"the parts of this UpconvNet do not fit ({type(error).__name__}: {error})"
            raise MethodError(msg) from error

    def save(self, path: Path | str) -> None:
        """Write it to a file, whole or not at all.

        Args:
            path: Where it goes, such as ``conv5.safetensors``.

        Raises:
            MethodError: If there is no such folder.
            OSError: If the system cannot write.
        """
        write_checkpoint(Path(path), *self.parts())

    @classmethod
    def load(
        cls, path: Path | str, *, decoder: nn.Module | None = None, device: str = "cpu"
    ) -> "UpconvNet":
        """Read it from a file, or from the checkpoint of a training, finished or not.

        Args:
            path: The file.
            decoder: Needed only if it was trained with a module of the caller's own.
            device: Where it goes.

        Raises:
            MethodError: If the file is missing, damaged or something else.
        """
        facts, tensors = read_checkpoint(Path(path))
        return cls.from_parts(facts, tensors, decoder, torch.device(device))


def _module(recipe: Recipe, decoder: nn.Module | None) -> nn.Module:
    """Return the decoder to be filled."""  # noqa: DOC501 - private
    if decoder is not None:
        return decoder
    if recipe.own:
        msg = "its decoder is a module of the caller's own: give it (decoder=...)"
        raise ValueError(msg)
    return recipe.decoder()


def _distances(facts: Mapping[str, Any]) -> tuple[float, float]:
    """Return the mean distances of images and of features."""  # noqa: DOC501 - private
    images, features = float(facts["image_distance"]), float(facts["feature_distance"])
    if not (0 < images < math.inf and 0 <= features < math.inf):
        msg = f"image_distance={images}, feature_distance={features}"
        raise ValueError(msg)
    return images, features


def _scales(
    recipe: Recipe, tensors: Mapping[str, Tensor], device: torch.device
) -> dict[str, Tensor]:
    """Return the four scales of stored tensors."""  # noqa: DOC501 - private
    shapes = {
        "unit_mean": (recipe.units,), "unit_scale": (),
        "channel_mean": (recipe.image_size[0],), "image_scale": (),
    }  # fmt: skip
    scales = {name: tensors[f"scale.{name}"].to(device) for name in shapes}
    found = {name: tuple(scale.shape) for name, scale in scales.items()}
    if found != shapes:
        msg = f"scales of shapes {found}, not {shapes}"
        raise ValueError(msg)
    return scales


def distance(first: Tensor, second: Tensor) -> float:
    """Return the Euclidean distance, summed in float64."""
    return float((first - second).double().norm())
