"""From a picture to a network's input and back, pixel for pixel as torchvision does it.

Resize, centre crop, scale to [0, 1], then ``(pixels - mean) / std``. The last step has an exact
inverse, and the first two know which box of the original each pixel came from: an optimized image
can be shown, and a receptive field found again in the photograph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image as PilImage
from torch import Tensor
from torch.nn import functional

from striate.errors import ImageError
from striate.shapes import Box, Display

_FILTERS = {
    "nearest": PilImage.Resampling.NEAREST,
    "bilinear": PilImage.Resampling.BILINEAR,
    "bicubic": PilImage.Resampling.BICUBIC,
    "lanczos": PilImage.Resampling.LANCZOS,
    "box": PilImage.Resampling.BOX,
    "hamming": PilImage.Resampling.HAMMING,
}
_WITHOUT_ANTIALIAS = ("nearest", "bilinear", "bicubic")

_LUMA = (0.299, 0.587, 0.114)

_MAX_PIXELS = 100_000_000
"""A 1 x 5000 picture brought to short side 256 would be 328 million pixels; we stop before."""

Resized: TypeAlias = UInt8[np.ndarray, "rows columns 3"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network expects of its images. The defaults are ImageNet's.

    Attributes:
        resize: Length of the short side (the long side follows, rounded down), or (height, width),
            in pixels; None leaves the size.
        crop: Side, or (height, width), of the box cut out of the centre, in pixels; black is added
            around an image that is smaller. None cuts nothing.
        interpolation: ``nearest``, ``bilinear``, ``bicubic``, ``lanczos``, ``box`` or ``hamming``.
        antialias: True is Pillow's way (a filter as wide as the step; ``nearest`` has none), and
            what networks are trained with nowadays; False is that of torchvision's older tensor
            transforms, which skip pixels, for the first three interpolations only.
        mean: Subtracted, in pixel space: one value for each channel, or one for all.
        std: Divided by: likewise, above 0.
        channels: Of the network's input: 3, or 1 for grey images. Any other number has values to
            normalize by, but no pictures.

    Example:
        >>> preprocessing = Preprocessing()
        >>> preprocessing(np.zeros((300, 400, 3), np.uint8)).shape
        torch.Size([3, 224, 224])
    """

    resize: int | tuple[int, int] | None = 256
    crop: int | tuple[int, int] | None = 224
    interpolation: str = "bilinear"
    antialias: bool = True
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channels: int = 3

    def __post_init__(self) -> None:
        for what, value in (("resize", self.resize), ("crop", self.crop)):
            if value is not None and min(_pair(value)) < 1:
                msg = f"{what}={value!r} must be at least 1 pixel"
                raise ImageError(msg)
        allowed = tuple(_FILTERS) if self.antialias else _WITHOUT_ANTIALIAS
        if self.interpolation not in allowed:
            msg = (
                f"interpolation {self.interpolation!r} with antialias={self.antialias} is not one "
                f"of {', '.join(allowed)}"
            )
            raise ImageError(msg)
        if self.channels < 1:
            msg = f"channels={self.channels}: an image has at least 1 channel"
            raise ImageError(msg)
        if not {len(self.mean), len(self.std)} <= {1, self.channels}:
            each = "1 value each"
            if self.channels > 1:
                each = f"{self.channels} values each, or 1 for all channels"
            msg = f"mean={self.mean} and std={self.std} need {each}"
            raise ImageError(msg)
        if not np.isfinite(self.mean).all() or not all(0 < value < np.inf for value in self.std):
            msg = f"mean={self.mean} must be finite, and std={self.std} finite and above 0"
            raise ImageError(msg)

    def pixels(self, image: Display) -> Resized:
        """Resize and crop: what the network looks at, as a picture.

        Args:
            image: Of any size.

        Returns:
            The picture that becomes the network's input, still 0 to 255.

        Raises:
            ImageError: If the image is empty, or so narrow that resizing would exceed 100 million
                pixels.

        Example:
            >>> image = np.arange(12, dtype=np.uint8).repeat(3).reshape(2, 6, 3)
            >>> Preprocessing(resize=None, crop=2).pixels(image)[:, :, 0].tolist()
            [[2, 3], [8, 9]]
        """
        height, width = image.shape[:2]
        rows, columns = self._resized_size((height, width))
        if rows * columns > _MAX_PIXELS:
            msg = (
                f"an image of {height} x {width} pixels would be resized to {rows} x {columns}, "
                f"more than {_MAX_PIXELS} pixels; crop it to a squarer shape first"
            )
            raise ImageError(msg)
        resized = (
            image if (rows, columns) == (height, width) else self._resize(image, rows, columns)
        )
        if self.crop is None:
            return resized
        return _centre(resized, *_pair(self.crop))

    def __call__(self, image: Display) -> Float[Tensor, "channels rows columns"]:
        """Bring a picture to network space.

        Args:
            image: Of any size.

        Returns:
            The network's input for this one image, float32, on the CPU.

        Raises:
            ImageError: As `pixels` and `from_picture`.

        Example:
            >>> white = np.full((2, 2, 3), 255, np.uint8)
            >>> Preprocessing(resize=None, crop=None, mean=(0.5,), std=(0.25,))(white).max().item()
            2.0
        """
        return self.from_picture(self.pixels(image))

    def from_picture(self, picture: Resized) -> Float[Tensor, "channels _ _"]:
        """Bring a picture that is resized and cropped already to network space.

        Args:
            picture: As `pixels` returns it.

        Returns:
            The network's input, float32; one channel is the luma of ITU-R BT.601.

        Raises:
            ImageError: If the network takes other than 1 or 3 channels.

        Example:
            >>> grey = Preprocessing(mean=(0.0,), std=(1.0,), channels=1)
            >>> grey.from_picture(np.full((1, 1, 3), 255, np.uint8))
            tensor([[[1.]]])
        """
        if self.channels not in {1, 3}:
            msg = f"a picture has 3 channels, or 1 in grey; this network takes {self.channels}"
            raise ImageError(msg)
        values = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
        pixels = values.to(torch.float32).div(255)
        if self.channels == 1:
            pixels = (pixels * pixels.new_tensor(_LUMA)[:, None, None]).sum(0, keepdim=True)
        return self.to_network(pixels)

    def to_network(
        self, pixels: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Bring images from pixel space to network space; nothing is resized.

        Args:
            pixels: In [0, 1].

        Returns:
            ``(pixels - mean) / std``, of the same dtype and device; gradients flow through.

        Example:
            >>> preprocessing = Preprocessing(mean=(0.5,), std=(0.25,))
            >>> preprocessing.to_network(torch.ones(3, 1, 1)).flatten().tolist()
            [2.0, 2.0, 2.0]
        """
        return (pixels - _channels(self.mean, pixels)) / _channels(self.std, pixels)

    def to_pixels(
        self, network: Float[Tensor, "*batch channels height width"]
    ) -> Float[Tensor, "*batch channels height width"]:
        """Bring images from network space back to pixel space: the inverse of `to_network`.

        Args:
            network: In network space.

        Returns:
            ``network * std + mean``, of the same dtype and device, not clipped to [0, 1].

        Example:
            >>> preprocessing = Preprocessing(mean=(0.5,), std=(0.25,))
            >>> preprocessing.to_pixels(torch.full((3, 1, 1), 2.0)).flatten().tolist()
            [1.0, 1.0, 1.0]
        """
        return network * _channels(self.std, network) + _channels(self.mean, network)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) of the network's input in pixels, or None if it follows the image's.

        Example:
            >>> Preprocessing().image_size
            (224, 224)
            >>> Preprocessing(crop=None).image_size is None
            True
        """
        if self.crop is not None:
            return _pair(self.crop)
        return self.resize if isinstance(self.resize, tuple) else None

    def source_box(self, box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Find a box of the network's input again in the original image.

        Args:
            box: (top, left, bottom, right) in pixels of the network's input.
            size: (height, width) of the original image in pixels.

        Returns:
            (top, left, bottom, right) in pixels of the original, where 0 is the outer edge of the
            first pixel. It may leave the image where `box` lies on padding; it is not clipped.

        Raises:
            ImageError: If `size` is below 1 x 1.

        Example:
            >>> Preprocessing().source_box((0, 0, 224, 224), (512, 1024))
            (32.0, 288.0, 480.0, 736.0)
        """
        resized = self._resized_size(size)
        corner = (0, 0)
        if self.crop is not None:
            crop = _pair(self.crop)
            corner = (_start(resized[0], crop[0]), _start(resized[1], crop[1]))
        down, across = size[0] / resized[0], size[1] / resized[1]
        top, left, bottom, right = box
        return (
            (top + corner[0]) * down,
            (left + corner[1]) * across,
            (bottom + corner[0]) * down,
            (right + corner[1]) * across,
        )

    def to_json(self) -> dict[str, object]:
        """Describe this preprocessing in JSON's types.

        Returns:
            One entry for each attribute; pairs and triples are lists.

        Example:
            >>> Preprocessing(crop=(2, 3)).to_json()["crop"]
            [2, 3]
        """
        return {
            "resize": list(self.resize) if isinstance(self.resize, tuple) else self.resize,
            "crop": list(self.crop) if isinstance(self.crop, tuple) else self.crop,
            "interpolation": self.interpolation,
            "antialias": self.antialias,
            "mean": list(self.mean),
            "std": list(self.std),
            "channels": self.channels,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Preprocessing":
        """Read what `to_json` wrote.

        Args:
            data: All attributes, and nothing else.

        Returns:
            The preprocessing.

        Raises:
            ImageError: If an entry is missing, unknown, or of the wrong type.

        Example:
            >>> Preprocessing.from_json(Preprocessing().to_json()) == Preprocessing()
            True
        """
        expected = tuple(cls.__dataclass_fields__)
        if set(data) != set(expected):
            msg = f"a preprocessing has the entries {', '.join(expected)}, not {', '.join(data)}"
            raise ImageError(msg)
        interpolation, antialias = data["interpolation"], data["antialias"]
        channels = data["channels"]
        if not isinstance(interpolation, str) or not isinstance(antialias, bool):
            msg = f"interpolation={interpolation!r} must be text, antialias={antialias!r} a boolean"
            raise ImageError(msg)
        if not isinstance(channels, int):
            msg = f"channels={channels!r} must be a whole number"
            raise ImageError(msg)
        return cls(
            resize=_size_from_json("resize", data["resize"]),
            crop=_size_from_json("crop", data["crop"]),
            interpolation=interpolation,
            antialias=antialias,
            mean=tuple(float(value) for value in _numbers("mean", data["mean"])),
            std=tuple(float(value) for value in _numbers("std", data["std"])),
            channels=channels,
        )

    def _resized_size(self, size: tuple[int, int]) -> tuple[int, int]:
        height, width = size
        if min(size) < 1:
            msg = f"an image of {height} x {width} pixels has none to resize"
            raise ImageError(msg)
        if self.resize is None:
            return height, width
        if isinstance(self.resize, tuple):
            return self.resize
        long = int(self.resize * max(height, width) / min(height, width))
        return (long, self.resize) if height > width else (self.resize, long)

    def _resize(self, image: np.ndarray, rows: int, columns: int) -> np.ndarray:
        if self.antialias:
            picture = PilImage.fromarray(image)
            return np.array(picture.resize((columns, rows), _FILTERS[self.interpolation]))
        channels_first = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        resized = functional.interpolate(
            torch.from_numpy(channels_first).to(torch.float32),
            size=(rows, columns),
            mode=self.interpolation,
            align_corners=None if self.interpolation == "nearest" else False,
        )
        # Bicubic overshoots; without the clamp, white would wrap around to black.
        levels = resized[0].clamp(0, 255).round().to(torch.uint8)
        return np.ascontiguousarray(levels.permute(1, 2, 0).numpy())


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def _start(length: int, crop: int) -> int:
    """Where a centre crop begins, with torchvision's rounding; negative where it pads."""
    return -((crop - length) // 2) if crop > length else round((length - crop) / 2)


def _centre(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    height, width = image.shape[:2]
    top, left = _start(height, rows), _start(width, columns)
    cut = image[max(top, 0) : top + rows, max(left, 0) : left + columns]
    if cut.shape[:2] == (rows, columns):
        return np.ascontiguousarray(cut)
    padded = np.zeros((rows, columns, 3), np.uint8)
    above, before = max(-top, 0), max(-left, 0)
    padded[above : above + cut.shape[0], before : before + cut.shape[1]] = cut
    return padded


def _channels(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]


def _size_from_json(name: str, value: object) -> int | tuple[int, int] | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    numbers = _numbers(name, value)
    if len(numbers) != 2 or not all(isinstance(number, int) for number in numbers):
        msg = f"{name}={value!r} must be a whole number, two of them, or null"
        raise ImageError(msg)
    return int(numbers[0]), int(numbers[1])


def _numbers(name: str, value: object) -> Sequence[int | float]:
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(number, (int, float)) and not isinstance(number, bool) for number in value
    ):
        msg = f"{name}={value!r} must be a list of numbers"
        raise ImageError(msg)
    return cast("Sequence[int | float]", value)
