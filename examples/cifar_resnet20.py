"""A network of one's own: the ResNet-20 for CIFAR-10 of He et al. (2015), and its pictures.

    striate atlas examples.cifar_resnet20:resnet20@WEIGHTS IMAGES -o DIR \
        --resize 32 --crop 32 --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225

Run from the repository's root. `python -m examples.cifar_resnet20 PACKED.npz IMAGES --count 2000`
writes pictures packed as one array of JPEG bytes (with offsets, labels, classes) into a folder a
class.

Source:
    He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2:
    three stages of three blocks, shortcuts without parameters (option A).
"""

import argparse
from pathlib import Path

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name


class Block(nn.Module):
    """Two convolutions and a shortcut that subsamples and pads with zeros."""

    def __init__(self, channels: int, units: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, units, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(units)
        self.conv2 = nn.Conv2d(units, units, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(units)
        self.stride, self.extra = stride, units - channels

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of both paths, rectified."""
        out = F.relu(self.bn1(self.conv1(maps)))
        out = self.bn2(self.conv2(out))
        if self.extra:
            maps = F.pad(maps[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self._sides()))
        return F.relu(out + maps)

    def _sides(self) -> tuple[int, int]:
        return self.extra // 2, self.extra // 2


class ResNet20(nn.Module):
    """Scores of ten classes for images of 32 x 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(Block(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
        self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
        self.linear = nn.Linear(64, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        maps = F.avg_pool2d(maps, maps.shape[3])
        scores: Tensor = self.linear(maps.flatten(1))
        return scores


def resnet20() -> nn.Module:
    """Return the network with random weights."""
    return ResNet20()


def unpack(packed: Path, folder: Path, count: int) -> None:
    """Write pictures of a packed set, evenly spread, as JPEG files, a folder a class."""
    with np.load(packed, allow_pickle=False) as arrays:
        content, offsets = arrays["jpeg"], arrays["offsets"]
        labels, classes = arrays["labels"], arrays["classes"]
    for index in range(0, len(labels), max(1, len(labels) // count)):
        label = int(labels[index])
        path = folder / f"{label}-{classes[label]}" / f"{index:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content[int(offsets[index]) : int(offsets[index + 1])].tobytes())


def main() -> None:
    """Unpack pictures from the command line."""
    parser = argparse.ArgumentParser(description=unpack.__doc__)
    parser.add_argument("packed", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    arguments = parser.parse_args()
    unpack(arguments.packed, arguments.folder, arguments.count)


if __name__ == "__main__":
    main()
