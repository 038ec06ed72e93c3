"""What an UpconvNet inverts: a layer of a network, what is done to its output, images of a size.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    Images to be guessed have the network's input size unless asked otherwise.

Applies to:
    Every layer with units, of a network that says how it reads pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from striate.errors import MethodError
from striate.image.preprocess import Preprocessing
from striate.methods.upconvnet.decoder import decoder_for, weights_of
from striate.methods.upconvnet.perturb import TRANSFORMS
from striate.network.network import Network
from striate.optimize.space import working
from striate.shapes import Images, Maps


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an UpconvNet inverts, and how its decoder is built.

    Attributes:
        network: Name of the network.
        fingerprint: Hash of its graph and weights.
        layer: Address of the layer.
        transform: What is done to the layer's output first: a key of `perturb.TRANSFORMS`.
        units: Of the layer.
        map_size: (rows, columns) of its maps.
        image_size: (channels, height, width) that the network reads.
        size: (height, width) of the images that are guessed.
        stride: Guessed pixels between neighbouring neurons; None if not known.
        width: Of the decoder.
        own: Whether the decoder is the caller's own module.
        preprocessing: Of the network, as JSON.
    """

    network: str
    fingerprint: str
    layer: str
    transform: str
    units: int
    map_size: tuple[int, int]
    image_size: tuple[int, int, int]
    size: tuple[int, int]
    stride: float | None
    width: int
    own: bool
    preprocessing: dict[str, object]

    @classmethod
    def of(
        cls,
        network: Network,
        layer: str,
        *,
        transform: str,
        size: int | tuple[int, int] | None,
        width: int,
        own: bool,
    ) -> "Recipe":
        """Look at a layer.

        Args:
            network: From `striate.load`.
            layer: Address of the layer.
            transform: A key of `perturb.TRANSFORMS`.
            size: (height, width) to guess, or the short side; None: as the network reads.
            width: Of the decoder.
            own: Whether the decoder is the caller's own.

        Raises:
            AddressError: If the layer does not exist.
            MethodError: If it cannot be inverted, or a knob is wrong.
            NetworkError: If nobody said how the network reads pictures.
        """
        reads = network.how_to_read()
        if reads.image_size is None:
            msg = f"{network.name} reads pictures of any size; give crop, so that all have one size"
            raise MethodError(msg)
        if transform not in TRANSFORMS or width < 1:
            msg = f"transform={transform!r}, width={width}: needed are one of "
            raise MethodError(f"{msg}{', '.join(TRANSFORMS)}, and a width of at least 1")
        images = (reads.channels, *reads.image_size)
        found = network.layers_at(images).whole(layer)
        if found.units is None:
            msg = f"{found.address} has no units to be read; see `striate layers` for those with"
            raise MethodError(msg)
        _check_transform(transform, found.address, found.units, found.map_size)
        guessed = _size(size, reads.image_size)
        stride = found.receptive_field.stride
        scaled = [s * g / i for s, g, i in zip(stride or (), guessed, images[1:], strict=False)]
        return cls(
            network.name, network.fingerprint(), found.address, transform, found.units,
            found.map_size, images, guessed,
            scaled[0] if scaled and scaled[0] == scaled[1] else None, width, own, reads.to_json(),
        )  # fmt: skip

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Recipe":
        """Read what ``dataclasses.asdict`` and JSON made of one.

        Raises:
            ValueError: If nothing can be made with it; KeyError and TypeError likewise.
        """
        pairs: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in found.items()
        }
        made = cls(**pairs)
        if made.transform not in TRANSFORMS:
            msg = f"there is no transform {made.transform!r}"
            raise ValueError(msg)
        Preprocessing.from_json(made.preprocessing)
        return made

    @property
    def reads(self) -> Preprocessing:
        """How the network reads pictures."""
        return Preprocessing.from_json(self.preprocessing)

    def decoder(self, generator: torch.Generator | None = None) -> nn.Module:
        """Make the decoder, not yet trained."""
        return decoder_for(
            self.units, self.map_size, self.size, self.image_size[0],
            width=self.width, stride=self.stride, generator=generator,
        )  # fmt: skip

    def weights(self, width: int) -> int:
        """Count the weights that the decoder would have at a width."""
        return weights_of(
            self.units, self.map_size, self.size, self.image_size[0], width=width,
            stride=self.stride,
        )  # fmt: skip

    def features(self, network: Network, images: Images) -> Maps:
        """Return what the decoder reads: the layer's maps, transformed; without gradients."""
        with torch.no_grad():
            recorded = network.record(images, [self.layer])[self.layer]
            maps = network.layers_at(self.image_size)[self.layer].maps(recorded)
            return TRANSFORMS[self.transform](maps)

    def shown(self, images: Images) -> Float[Tensor, "images channels _ _"]:
        """Return images of network space as those to be guessed: in pixel space, resized."""
        return resized(self.reads.to_pixels(images), self.size)


def resized(images: Images, size: tuple[int, int]) -> Float[Tensor, "images channels _ _"]:
    """Bring images to a size, smoothly; those that have it stay as they are.

    Args:
        images: In any space.
        size: (height, width).

    Returns:
        The images, in single precision at least.

    Example:
        >>> resized(torch.tensor([[[[0.0, 1.0]]]]), (1, 1)).item()
        0.5
    """
    # torch filters nothing in half precision.
    images = images.to(working(images.dtype))
    if tuple(images.shape[2:]) == tuple(size):
        return images
    return functional.interpolate(
        images, size, mode="bilinear", align_corners=False, antialias=True
    )


def _check_transform(transform: str, layer: str, units: int, map_size: tuple[int, int]) -> None:
    """Refuse to take for class scores what has places, or nothing left."""  # noqa: DOC501
    if transform == "none":
        return
    if map_size != (1, 1):
        msg = (
            f"transform={transform!r} is for class scores, one number a class, and {layer} has "
            f"maps of {map_size[0]} x {map_size[1]}: give the layer of the scores, or 'none'"
        )
        raise MethodError(msg)
    if transform == "rest" and units <= 5:
        msg = (
            f"transform='rest' is all but the five largest of {units} probabilities of {layer}: "
            "nothing; 'probabilities' keeps all"
        )
        raise MethodError(msg)


def _size(size: int | tuple[int, int] | None, full: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) to be guessed; a short side keeps the shape."""  # noqa: DOC501
    if size is None:
        return full
    if isinstance(size, int):
        size = (round(full[0] * size / min(full)), round(full[1] * size / min(full)))
    if min(size) < 1:
        msg = f"size={size} is no size of an image; give at least 1 pixel"
        raise MethodError(msg)
    return size
