"""Small networks, each with one kind of rectifier or one way to call it."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Rectified(nn.Module):
    """Two convolutions and a max-pool; a subclass says how it rectifies."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 2)
        self.conv2 = nn.Conv2d(6, 8, 3)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.rectify(self.conv1(x)))
        x = self.rectify_again(self.conv2(x))
        return self.head(x.mean((2, 3)))

    def rectify(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def rectify_again(self, x: Tensor) -> Tensor:
        return self.rectify(x)


class FunctionalReLU(Rectified):
    """``F.relu``, which no module hook can see."""

    def rectify(self, x: Tensor) -> Tensor:
        return functional.relu(x)


class InPlaceReLU(Rectified):
    """``nn.ReLU(inplace=True)``, which overwrites the output of the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.relu1 = nn.ReLU(inplace=True)
        self.relu2 = nn.ReLU(inplace=True)

    def rectify(self, x: Tensor) -> Tensor:
        self.relu1(x)  # the result is not used: the change in place is
        return x

    def rectify_again(self, x: Tensor) -> Tensor:
        return self.relu2(x)


class ReusedReLU(Rectified):
    """One ``nn.ReLU`` called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()

    def rectify(self, x: Tensor) -> Tensor:
        return self.relu(x)


class TorchReLU(Rectified):
    """``torch.relu``."""

    def rectify(self, x: Tensor) -> Tensor:
        return torch.relu(x)


class MethodReLU(Rectified):
    """``Tensor.relu_`` and ``Tensor.relu``."""

    def rectify(self, x: Tensor) -> Tensor:
        return x.relu_()

    def rectify_again(self, x: Tensor) -> Tensor:
        return x.relu()


class ReLU6(Rectified):
    """``nn.ReLU6``, which is a hard tanh, and ``F.relu6``."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU6(inplace=True)

    def rectify(self, x: Tensor) -> Tensor:
        return self.relu(4 * x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.relu6(x)


class LeakyReLU(Rectified):
    """A leaky rectifier, as a module and in place."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.LeakyReLU(0.1)

    def rectify(self, x: Tensor) -> Tensor:
        return self.relu(x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.leaky_relu_(x, 0.2)


class LearntLeak(Rectified):
    """``nn.PReLU`` with a leak for each unit, some of them negative."""

    def __init__(self) -> None:
        super().__init__()
        self.relu1 = nn.PReLU(6)
        self.relu2 = nn.PReLU(8)

    def rectify(self, x: Tensor) -> Tensor:
        return self.relu1(x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return self.relu2(x)


class RandomLeak(Rectified):
    """``nn.RReLU``, which in eval mode leaks by the mean slope."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.RReLU()

    def rectify(self, x: Tensor) -> Tensor:
        return self.relu(x)


class ExponentialUnits(Rectified):
    """ELU, then SELU."""

    def rectify(self, x: Tensor) -> Tensor:
        return functional.elu(x, inplace=True)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.selu(x)


class SmoothUnits(Rectified):
    """CELU, then softplus."""

    def rectify(self, x: Tensor) -> Tensor:
        return functional.celu(x, alpha=0.5)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.softplus(x)


class GELU(Rectified):
    """GELU, exact and by tanh."""

    def rectify(self, x: Tensor) -> Tensor:
        return functional.gelu(x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.gelu(x, approximate="tanh")


class SiLU(Rectified):
    """``nn.SiLU(inplace=True)``."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.SiLU(inplace=True)

    def rectify(self, x: Tensor) -> Tensor:
        return self.act(x)


class HandWrittenSiLU(Rectified):
    """``x * sigmoid(x)``, out of place and in place."""

    def rectify(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return x.mul_(x.sigmoid())


class Mish(Rectified):
    """``F.mish``, then Mish written by hand."""

    def rectify(self, x: Tensor) -> Tensor:
        return functional.mish(x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return x * torch.tanh(functional.softplus(x))


class HardSwish(Rectified):
    """``nn.Hardswish``, then ``x * hardsigmoid(x)``."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.Hardswish()

    def rectify(self, x: Tensor) -> Tensor:
        return self.act(4 * x)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.hardsigmoid(x) * x


class Clamp(Rectified):
    """``clamp_min(0)``, then ``clamp(min=0, max=1)``."""

    def rectify(self, x: Tensor) -> Tensor:
        return x.clamp_min(0)

    def rectify_again(self, x: Tensor) -> Tensor:
        return x.clamp(min=0, max=1)


class Threshold(Rectified):
    """``clamp(min=0)``, then ``F.threshold(x, 0, 0)``."""

    def rectify(self, x: Tensor) -> Tensor:
        return torch.clamp(x, min=0)

    def rectify_again(self, x: Tensor) -> Tensor:
        return functional.threshold(x, 0, 0)
