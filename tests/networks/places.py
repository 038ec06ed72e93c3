"""Small networks, each with one way to move or join what stands at places of a map."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class PreActivation(nn.Module):
    """An in-place ReLU before each convolution: the shortcut carries the rectified signal."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.conv1(self.relu(x))
        x = x + self.conv2(self.relu(x))
        return self.head(x.amax((2, 3)))


class CeilPool(nn.Module):
    """Overlapping max-pools with padding and a last window that leaves the map."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
            nn.Conv2d(6, 6, 3),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            nn.Conv2d(6, 4, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


class DilatedPool(nn.Module):
    """A max-pool with dilation, and one that is longer than wide."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, (5, 3), stride=(2, 1), padding=(0, 2)),
            nn.ReLU(),
            nn.MaxPool2d(2, 1, dilation=2),
            nn.MaxPool2d((3, 2), (2, 3)),
            nn.Conv2d(6, 4, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).flatten(2).sum(-1)


class DilatedGroups(nn.Module):
    """Grouped, depthwise and dilated convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=2, dilation=2, groups=3),
            nn.ReLU(),
            nn.Conv2d(6, 12, 3, dilation=(1, 3), groups=6, bias=False),
            nn.ReLU(),
            nn.Conv2d(12, 8, 1, groups=2),
            nn.ReLU(),
            nn.Conv2d(8, 4, 3, padding="same"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


class Strides(nn.Module):
    """Strides that divide neither the image nor the kernel, and skip pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 4, stride=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 1, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 4, 2, padding=1, padding_mode="reflect"),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


class NegativeGamma(nn.Module):
    """Batch normalization whose scale turns every other unit over, before and after the ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.relu(self.conv2(x)))
        return self.head(x.mean((2, 3)))

    def finish(self) -> None:
        with torch.no_grad():
            for norm in (self.bn1, self.bn2):
                norm.weight[::2] = -norm.weight[::2].abs()


class Residual(nn.Module):
    """Sums: ``+``, ``+=``, ``torch.add`` with a factor, and a projected shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(6, 8, 1, stride=2)
        self.conv3 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        y = self.conv1(x)
        y += x
        x = self.relu(y)
        x = self.relu(self.conv2(x) + self.shortcut(x))
        x = self.relu(torch.add(x, self.conv3(x), alpha=-0.5))
        return self.head(x.mean((2, 3)))


class Concatenation(nn.Module):
    """Dense connections: each convolution sees all maps before it; then a split."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(7, 5, 5, padding=2)
        self.conv3 = nn.Conv2d(12, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, functional.relu(self.conv1(x))], 1)
        x = torch.cat([x, functional.relu(self.conv2(x))], 1)
        a, b = functional.relu(self.conv3(x)).chunk(2, dim=1)
        x = torch.cat([b, 2 * a], 1)
        return self.head(x.mean((2, 3)))


class UsedTwice(nn.Module):
    """One convolution, with its batch normalization and ReLU, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = self.block(x)
        return self.head(x.mean((2, 3)))


class AveragePools(nn.Module):
    """Average pools with padding that counts and that does not, ceil mode, and adaptive."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
            nn.Conv2d(6, 6, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((4, 3)),
            nn.Conv2d(6, 6, 2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(36, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class AdaptiveMaxPool(nn.Module):
    """Adaptive max-pools whose windows overlap."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d((8, 7)),
            nn.Conv2d(6, 6, 3),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)
