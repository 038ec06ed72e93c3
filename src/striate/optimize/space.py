"""The value spaces of an image that is being made: network, pixel, and bytes around the mean.

The papers before 2017 count in bytes: 0 to 255, the training mean subtracted, no division. Their
step sizes and weights hold as published if what is optimized is counted so:

    bytes = 255 std network = 255 (pixel - mean)
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from striate.network.network import Network
from striate.shapes import Images


@dataclass(frozen=True, slots=True)
class Space:
    """How a network's input is counted.

    Attributes:
        mean: Of each channel, (channels, 1, 1), in pixel space.
        std: Likewise.
        zero: Which pixels are 0 bytes; those of the mean if None.
    """

    mean: Tensor
    std: Tensor
    zero: Tensor | None = None

    @classmethod
    def of(cls, network: Network) -> "Space":
        """Return the space of a network; where nobody said how to preprocess, its input is pixels.

        Of a network in half precision, images are made in single precision all the same: neither
        small steps nor percentiles would be right.

        >>> import striate
        >>> network = striate.load(torch.nn.Conv2d(1, 1, 1), image_size=(1, 4, 4))
        >>> Space.of(network).std.flatten()
        tensor([1.])
        """
        channels = network.image_size[0]
        known = network.preprocessing
        mean, std = (known.mean, known.std) if known is not None else ((0.0,), (1.0,))

        def each(values: tuple[float, ...]) -> Tensor:
            row = torch.tensor(values, dtype=working(network.dtype), device=network.device)
            return row.expand(channels)[:, None, None]

        return cls(each(mean), each(std))

    def pixels(self, images: Images) -> Images:
        """From network space to pixel space, not clipped."""
        return images * self.std + self.mean

    def network(self, pixels: Images) -> Images:
        """From pixel space to network space."""
        return (pixels - self.mean) / self.std

    def from_bytes(self, values: Images) -> Images:
        """From bytes around the mean to network space."""
        if self.zero is not None:
            return self.network(values / 255 + self.zero)
        return values / (255 * self.std)

    def to_bytes(self, images: Images) -> Images:
        """From network space to bytes around the mean."""
        if self.zero is not None:
            return 255 * (self.pixels(images) - self.zero)
        return images * (255 * self.std)

    @property
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Bytes around the mean of black and of white, (channels, 1, 1) each."""
        zero = self.mean if self.zero is None else self.zero
        return -255 * zero, 255 * (1 - zero)

    def centred(self) -> "Space":
        """Return a space whose bytes count around mid-grey, if the network subtracts no mean."""
        if bool(self.mean.any()):
            return self
        return replace(self, zero=torch.full_like(self.mean, 0.5))

    def as_network(self) -> "Space":
        """Return a space whose bytes are the network's own numbers."""
        return Space(self.mean, torch.full_like(self.std, 1 / 255))


def working(dtype: torch.dtype) -> torch.dtype:
    """Return the kind of numbers that images for a network are made in: single precision at least.

    >>> working(torch.bfloat16), working(torch.float64)
    (torch.float32, torch.float64)
    """
    return torch.promote_types(dtype, torch.float32)
