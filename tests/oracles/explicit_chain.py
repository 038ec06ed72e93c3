"""DeconvNet, guided backprop and gradient a third time: a chain of numpy loops, no autograd.

Each layer knows its forward function and, from what it saw on the way up, how a signal comes down:
a convolution by the transposed convolution, a max-pool by its switches, a rectifier by one of the
three rules. It is the ladder of Zeiler and Fergus (2014), section 2.1, rung by rung.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from torch import nn

Array = np.ndarray
Method = Literal["gradient", "deconvnet", "guided"]


@dataclass
class Convolution:
    weight: Array
    bias: Array
    stride: int
    padding: int
    dilation: int
    groups: int
    shape: tuple[int, ...] = ()

    def taps(self, rows: int, columns: int):
        """For each kernel place, the strided window of the padded input that it multiplies."""
        for i in range(self.weight.shape[2]):
            for j in range(self.weight.shape[3]):
                top, left = i * self.dilation, j * self.dilation
                yield (
                    i,
                    j,
                    np.s_[
                        :,
                        top : top + rows * self.stride : self.stride,
                        left : left + columns * self.stride : self.stride,
                    ],
                )

    def size(self, length: int, kernel: int) -> int:
        return (length + 2 * self.padding - self.dilation * (kernel - 1) - 1) // self.stride + 1

    def up(self, x: Array) -> Array:
        self.shape = x.shape
        p, units = self.padding, self.weight.shape[0]
        x = np.pad(x, ((0, 0), (p, p), (p, p)))
        rows, columns = (
            self.size(length, kernel)
            for length, kernel in zip(self.shape[1:], self.weight.shape[2:], strict=True)
        )
        out = np.tile(self.bias[:, None, None], (1, rows, columns)).astype(np.float64)
        kin, kout = self.weight.shape[1], units // self.groups
        for i, j, window in self.taps(rows, columns):
            for g in range(self.groups):
                sources = x[window][g * kin : (g + 1) * kin]
                weights = self.weight[g * kout : (g + 1) * kout, :, i, j]
                out[g * kout : (g + 1) * kout] += np.einsum("oc,chw->ohw", weights, sources)
        return out

    def down(self, signal: Array) -> Array:
        p = self.padding
        channels, height, width = self.shape
        x = np.zeros((channels, height + 2 * p, width + 2 * p))
        kin, kout = self.weight.shape[1], self.weight.shape[0] // self.groups
        for i, j, window in self.taps(*signal.shape[1:]):
            for g in range(self.groups):
                weights = self.weight[g * kout : (g + 1) * kout, :, i, j]
                part = signal[g * kout : (g + 1) * kout]
                x[window][g * kin : (g + 1) * kin] += np.einsum("oc,ohw->chw", weights, part)
        return x[:, p : p + height, p : p + width]


@dataclass
class Rectifier:
    method: Method = "gradient"
    z: Array = field(default_factory=lambda: np.zeros(0))

    def up(self, x: Array) -> Array:
        self.z = x
        return np.maximum(x, 0)

    def down(self, signal: Array) -> Array:
        if self.method != "gradient":
            signal = np.maximum(signal, 0)
        return signal if self.method == "deconvnet" else np.where(self.z > 0, signal, 0)


@dataclass
class MaxPool:
    kernel: int
    stride: int
    padding: int
    ceil: bool
    shape: tuple[int, ...] = ()
    switches: dict[tuple[int, int, int], tuple[int, int, int]] = field(default_factory=dict)

    def size(self, length: int) -> int:
        span = (length + 2 * self.padding - self.kernel) / self.stride
        count = (math.ceil(span) if self.ceil else math.floor(span)) + 1
        if self.ceil and (count - 1) * self.stride >= length + self.padding:
            count -= 1
        return count

    def up(self, x: Array) -> Array:
        self.shape, self.switches = x.shape, {}
        channels, height, width = x.shape
        out = np.zeros((channels, self.size(height), self.size(width)))
        for place in np.ndindex(out.shape):
            c, row, column = place
            best = None
            for i in range(self.kernel):
                for j in range(self.kernel):
                    r = row * self.stride - self.padding + i
                    k = column * self.stride - self.padding + j
                    inside = 0 <= r < height and 0 <= k < width
                    if inside and (best is None or x[c, r, k] > x[best]):
                        best = (c, r, k)
            assert best is not None
            self.switches[place] = best
            out[place] = x[best]
        return out

    def down(self, signal: Array) -> Array:
        x = np.zeros(self.shape)
        for place, switch in self.switches.items():
            x[switch] += signal[place]
        return x


@dataclass
class Affine:
    """Batch normalization in eval mode: each unit is scaled and shifted."""

    scale: Array
    shift: Array

    def up(self, x: Array) -> Array:
        return x * self.scale[:, None, None] + self.shift[:, None, None]

    def down(self, signal: Array) -> Array:
        return signal * self.scale[:, None, None]


@dataclass
class Flatten:
    shape: tuple[int, ...] = ()

    def up(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(-1)

    def down(self, signal: Array) -> Array:
        return signal.reshape(self.shape)


@dataclass
class Dense:
    weight: Array
    bias: Array

    def up(self, x: Array) -> Array:
        return self.weight @ x + self.bias

    def down(self, signal: Array) -> Array:
        return self.weight.T @ signal


Rung = Convolution | Rectifier | MaxPool | Affine | Flatten | Dense


def ladder(module: nn.Sequential) -> list[Rung]:
    """Read the weights of a sequential module of known layers into numpy."""
    return [rung(part) for part in module]


def rung(part: nn.Module) -> Rung:
    def numbers(tensor) -> Array:
        return tensor.detach().double().numpy().copy()

    match part:
        case nn.Conv2d():
            weight = numbers(part.weight)
            bias = np.zeros(len(weight)) if part.bias is None else numbers(part.bias)
            sizes = part.stride[0], int(part.padding[0]), part.dilation[0], part.groups
            return Convolution(weight, bias, *sizes)
        case nn.BatchNorm2d():
            scale = numbers(part.weight) / np.sqrt(numbers(part.running_var) + part.eps)
            return Affine(scale, numbers(part.bias) - scale * numbers(part.running_mean))
        case nn.MaxPool2d():
            return MaxPool(part.kernel_size, part.stride, part.padding, part.ceil_mode)
        case nn.ReLU():
            return Rectifier()
        case nn.Flatten():
            return Flatten()
        case nn.Linear():
            return Dense(numbers(part.weight), numbers(part.bias))
    raise NotImplementedError(type(part).__name__)


def climb(rungs: list[Rung], image: Array) -> Array:
    """Run up the ladder; each rung remembers what it needs to come down."""
    for each in rungs:
        image = each.up(image)
    return image


def descend(rungs: list[Rung], signal: Array, method: Method) -> Array:
    """Carry a signal from the top of the ladder down to the image."""
    for each in reversed(rungs):
        if isinstance(each, Rectifier):
            each.method = method
        signal = each.down(signal)
    return signal
