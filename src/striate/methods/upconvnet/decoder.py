"""The decoder of an UpconvNet: from the maps of a layer up to the size of an image.

An up-convolution puts a zero behind every value, in both directions, and convolves with 5x5:

    y = lrelu(W * z + b),    z[2i, 2j] = x[i, j], elsewhere 0

which is the adjoint of a convolution with stride 2. From a vector: three dense layers, then
up-convolutions from about 4x4 to the image. From maps: three 3x3 convolutions at the maps' own
resolution, then up-convolutions.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    The paper lists its decoders, one for each representation. We make one for any maps and any
    image: each up-convolution after the first halves the channels, and the exact size is reached by
    cropping or resizing. Where the layer's stride is a power of two, the maps are padded (or
    cropped) evenly and the result cropped evenly, so that a neuron stays where it sees; elsewhere
    maps and result are resized. The width is free.

Applies to:
    Every layer with units. Maps whose places do not lie as the image's pixels do (a row of tokens)
    are read as one vector.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from striate.shapes import Images, Maps

SLOPE = 0.2
_FIRST_SIDE = 4
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """The way from maps to an image.

    Attributes:
        dense: Whether dense layers come first.
        start: (rows, columns) from which the up-convolutions start.
        doublings: How many up-convolutions there are.
        centred: Whether sizes are met by padding and cropping around the centre; else by resizing.
    """

    dense: bool
    start: tuple[int, int]
    doublings: int
    centred: bool


def plan_for(map_size: tuple[int, int], image_size: tuple[int, int], stride: float | None) -> Plan:
    """Find the way from maps to an image.

    Args:
        map_size: (rows, columns) of the layer's maps.
        image_size: (height, width) to be reached, in pixels.
        stride: Pixels between neighbouring neurons, the same down and across; None if not known.

    Returns:
        The plan; its start, doubled, reaches or passes the image.

    Example:
        >>> plan_for((6, 6), (192, 192), 32.0)
        Plan(dense=False, start=(6, 6), doublings=5, centred=True)
        >>> plan_for((1, 1), (128, 128), None)
        Plan(dense=True, start=(4, 4), doublings=5, centred=True)
        >>> plan_for((13, 13), (227, 227), 16.0).start
        (15, 15)
    """
    (rows, columns), (height, width) = map_size, image_size
    skew = abs(math.log2(height * columns / (width * rows)))
    if rows * columns == 1 or skew > 1:
        doublings = max(min(image_size) // _FIRST_SIDE, 1).bit_length() - 1
        return Plan(True, _halved(image_size, doublings), doublings, centred=True)
    if stride is not None and stride >= 1 and math.log2(stride).is_integer():
        doublings = int(math.log2(stride))
        need = _halved(image_size, doublings)
        # One cell more where the rest could not be shared evenly between both sides.
        start = (need[0] + (rows - need[0]) % 2, need[1] + (columns - need[1]) % 2)
        return Plan(False, start, doublings, centred=True)
    doublings = max(0, round(math.log2(height * width / (rows * columns)) / 2))
    return Plan(False, _halved(image_size, doublings), doublings, centred=False)


def decoder_for(
    units: int,
    map_size: tuple[int, int],
    image_size: tuple[int, int],
    channels: int = 3,
    *,
    width: int = 256,
    stride: float | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Make a decoder, not yet trained.

    Args:
        units: Of the layer.
        map_size: (rows, columns) of its maps; (1, 1) for a vector.
        image_size: (height, width) of the images to be made, in pixels.
        channels: Of the images.
        width: Channels where the up-convolutions start; dense layers have 16 times as many. 256 is
            wide, 32 trains in minutes without a GPU.
        stride: Pixels between neighbouring neurons; None if not known, or not the same both ways.
        generator: Where the first weights come from (He's law); None: always the same ones. The
            global generator is left alone.

    Returns:
        A module from (images, units, rows, columns) to (images, channels, height, width).

    Example:
        >>> decoder = decoder_for(10, (13, 13), (227, 227), width=8, stride=16.0)
        >>> tuple(decoder(torch.zeros(2, 10, 13, 13)).shape)
        (2, 3, 227, 227)
    """
    decoder = _without_memory(units, map_size, image_size, channels, width, stride)
    decoder.to_empty(device="cpu")
    _fill(decoder, generator or torch.Generator().manual_seed(0))
    return decoder


def weights_of(
    units: int,
    map_size: tuple[int, int],
    image_size: tuple[int, int],
    channels: int = 3,
    *,
    width: int = 256,
    stride: float | None = None,
) -> int:
    """Count the weights of a decoder without making it.

    Args:
        units: As in `decoder_for`, like all others.
        map_size: (rows, columns).
        image_size: (height, width).
        channels: Of the images.
        width: Of the decoder.
        stride: Pixels between neighbouring neurons, or None.

    Returns:
        How many numbers are learnt.

    Example:
        >>> weights_of(4, (1, 1), (8, 8), width=1)  # 80 + 272 + 272, and 3 * 25 + 3
        702
    """
    decoder = _without_memory(units, map_size, image_size, channels, width, stride)
    return sum(weight.numel() for weight in decoder.parameters())


def _without_memory(
    units: int,
    map_size: tuple[int, int],
    image_size: tuple[int, int],
    channels: int,
    width: int,
    stride: float | None,
) -> "_Decoder":
    plan = plan_for(map_size, image_size, stride)
    # Modules draw their first weights from the global generator, but not where there is no memory.
    with torch.device("meta"):
        return _Decoder(units, map_size, image_size, channels, width, plan)


class _Decoder(nn.Module):
    """Dense layers or convolutions, then up-convolutions."""

    def __init__(
        self,
        units: int,
        map_size: tuple[int, int],
        image_size: tuple[int, int],
        channels: int,
        width: int,
        plan: Plan,
    ) -> None:
        super().__init__()
        self._plan, self._map_size, self._image_size = plan, map_size, image_size
        if plan.dense:
            self.enter = _dense(units * map_size[0] * map_size[1], width, plan.start)
        else:
            self.enter = nn.Sequential(
                *_leaky(nn.Conv2d(units, width, 3, padding=1)),
                *_leaky(nn.Conv2d(width, width, 3, padding=1)),
                *_leaky(nn.Conv2d(width, width, 3, padding=1)),
            )
        self.grow = _up_convolutions(width, channels, plan.doublings)

    def forward(self, maps: Maps) -> Images:
        return self._to_image(self.grow(self.enter(self._to_start(maps))))

    def _to_start(self, maps: Tensor) -> Tensor:
        plan = self._plan
        if plan.dense:
            return maps
        if not plan.centred:
            return _resized(maps, plan.start)
        top, left = ((plan.start[k] - self._map_size[k]) // 2 for k in (0, 1))
        return functional.pad(maps, (left, left, top, top))

    def _to_image(self, images: Tensor) -> Tensor:
        height, width = self._image_size
        if not self._plan.centred:
            return _resized(images, self._image_size)
        top, left = (images.shape[2] - height) // 2, (images.shape[3] - width) // 2
        return images[:, :, top : top + height, left : left + width]


def _dense(inputs: int, width: int, start: tuple[int, int]) -> nn.Sequential:
    hidden = 16 * width
    return nn.Sequential(
        nn.Flatten(),
        *_leaky(nn.Linear(inputs, hidden)),
        *_leaky(nn.Linear(hidden, hidden)),
        *_leaky(nn.Linear(hidden, width * start[0] * start[1])),
        nn.Unflatten(1, (width, *start)),
    )


def _up_convolutions(width: int, channels: int, doublings: int) -> nn.Sequential:
    if doublings == 0:
        return nn.Sequential(nn.Conv2d(width, channels, 5, padding=2))
    widths = [width] + [max(width >> k, min(width, _NARROWEST)) for k in range(doublings - 1)]
    layers: list[nn.Module] = []
    for before, after in zip(widths, [*widths[1:], channels], strict=True):
        layers += _leaky(nn.ConvTranspose2d(before, after, 5, 2, padding=2, output_padding=1))
    return nn.Sequential(*layers[:-1])


def _leaky(layer: nn.Module) -> list[nn.Module]:
    return [layer, nn.LeakyReLU(SLOPE)]


def _halved(size: tuple[int, int], times: int) -> tuple[int, int]:
    return -(-size[0] >> times), -(-size[1] >> times)


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(values.shape[2:]) == size:
        return values
    return functional.interpolate(values, size, mode="bilinear", align_corners=False)


def _fill(decoder: nn.Module, generator: torch.Generator) -> None:
    """Draw first weights that keep the signal's variance; the last layer has no rectifier."""
    layers = [
        layer
        for layer in decoder.modules()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        for layer in layers:
            gain = 1.0 if layer is layers[-1] else 2 / (1 + SLOPE**2)
            layer.weight.normal_(0.0, math.sqrt(gain / _inputs(layer)), generator=generator)
            if layer.bias is not None:
                layer.bias.zero_()


def _inputs(layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d) -> float:
    """How many values make one value: of the 25 weights of an up-convolution, 25 / 4 meet one."""
    if isinstance(layer, nn.Linear):
        return float(layer.in_features)
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    steps = layer.stride[0] * layer.stride[1] if isinstance(layer, nn.ConvTranspose2d) else 1
    return layer.in_channels * taps / steps
