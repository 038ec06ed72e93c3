"""The small network that striate opens with: ZFNet's plan at a hundredth of its size.

Five convolutions with rectifiers, max-pooling after the first, second and fifth, two dense
layers. It knows the twelve kinds of object of `striate.demo.scenes`.

======= ============================================= =============
layer   what                                          maps out
======= ============================================= =============
conv1   7x7, stride 2, 24 units; pool 3x3, stride 2   64x64 -> 32x32
conv2   5x5, stride 2, 48 units; pool 3x3, stride 2   16x16 -> 8x8
conv3   3x3, 96 units                                 8x8
conv4   3x3, 128 units                                8x8
conv5   3x3, 96 units; pool 3x3, stride 2             8x8 -> 4x4
fc6     96 units, dropout
fc7     the classes' scores
======= ============================================= =============

Source: Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
section 3 and figure 3.

Differs from the source: 128 pixels in place of 224, fewer units, one hidden dense layer of two,
padding that keeps the maps' size, and no contrast normalisation across maps, so that 1.8 MB of
weights suffice.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.demo.scenes import CLASSES
from striate.errors import NetworkError
from striate.shapes import Images

MEAN: tuple[float, float, float] = (0.5, 0.5, 0.5)
STD: tuple[float, float, float] = (0.25, 0.25, 0.25)
SIZE: int = 128
WEIGHTS = Path(__file__).with_name("weights.safetensors")


class DemoNet(nn.Module):
    """ZFNet in small.

    Args:
        generator: where the first weights come from (He's normal law; in the first
            and last layer the paper's N(0, 0.01^2), so that little of the first filters' noise
            is left in the end; biases 0); None for torch's own law.

    Example:
        >>> net = DemoNet(torch.Generator().manual_seed(0))
        >>> tuple(net(torch.zeros(2, 3, 128, 128)).shape)
        (2, 12)
    """

    def __init__(self, generator: torch.Generator | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=(), enabled=generator is not None):
            self._build()
        if generator is not None:
            _fill(self, generator)
            for layer in (self.conv1, self.fc7):
                nn.init.normal_(layer.weight, std=0.01, generator=generator)

    def _build(self) -> None:
        self.conv1 = nn.Conv2d(3, 24, 7, stride=2, padding=3)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = nn.Conv2d(24, 48, 5, stride=2, padding=2)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv3 = nn.Conv2d(48, 96, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(96, 128, 3, padding=1)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(128, 96, 3, padding=1)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(96 * 4 * 4, 96)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.2)
        self.fc7 = nn.Linear(96, len(CLASSES))

    def features(self, images: Images) -> Float[Tensor, "images 96"]:
        """Run up to the last hidden layer.

        Args:
            images: *network* space, 128 by 128 pixels.

        Returns:
            The activations of `relu6`.
        """
        maps = self.pool1(self.relu1(self.conv1(images)))
        maps = self.pool2(self.relu2(self.conv2(maps)))
        maps = self.relu4(self.conv4(self.relu3(self.conv3(maps))))
        maps = self.pool5(self.relu5(self.conv5(maps)))
        hidden: Tensor = self.relu6(self.fc6(self.flatten(maps)))
        return hidden

    def forward(self, images: Images) -> Float[Tensor, "images classes"]:
        """Score every class.

        Args:
            images: *network* space, 128 by 128 pixels.

        Returns:
            Scores before softmax; column `c` belongs to `striate.demo.scenes.CLASSES[c]`.
        """
        scores: Tensor = self.fc7(self.drop6(self.features(images)))
        return scores


def demo_net(pretrained: bool = True) -> DemoNet:
    """Open the embedded network, ready to be looked at.

    Args:
        pretrained: load the embedded weights; else random ones, always the same.

    Returns:
        The network in evaluation mode; normalise its input by `MEAN` and `STD`.

    Raises:
        NetworkError: the embedded weights are missing.

    Example:
        >>> demo_net().conv1.weight.shape
        torch.Size([24, 3, 7, 7])
    """
    net = DemoNet(torch.Generator().manual_seed(0))
    if pretrained:
        from safetensors.torch import load_file

        if not WEIGHTS.is_file():
            raise NetworkError(
                f"the demo network's weights are not at {WEIGHTS}; "
                "`python -m striate.demo.train` makes them anew"
            )
        net.load_state_dict(load_file(WEIGHTS))
    return net.eval()


def _fill(net: nn.Module, generator: torch.Generator) -> None:
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
