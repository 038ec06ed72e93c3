"""Small networks with gates, attention, normalization, resizing and other outputs."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SqueezeExcite(nn.Module):
    """Units weighted by a sigmoid of the mean of all maps; then a spatial gate."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.reduce = nn.Conv2d(8, 3, 1)
        self.expand = nn.Conv2d(3, 8, 1)
        self.conv = nn.Conv2d(8, 8, 3)
        self.look = nn.Conv2d(8, 1, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        gate = functional.relu(self.reduce(x.mean((2, 3), keepdim=True)))
        x = x * torch.sigmoid(self.expand(gate))
        x = functional.relu(self.conv(x))
        x = torch.sigmoid(self.look(x)) * x
        return self.head(x.mean((2, 3)))


class BroadcastGate(nn.Module):
    """A gate that is no sigmoid: it is broadcast over space; and a hard sigmoid, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.mix = nn.Conv2d(8, 8, 1)
        self.conv = nn.Conv2d(8, 8, 3)
        self.gate = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.stem(x))
        x = x * self.mix(functional.adaptive_avg_pool2d(x, 1))
        x = self.conv(x)
        gate = functional.hardsigmoid(self.gate(x.mean((2, 3))))
        x *= gate.view(*gate.shape, 1, 1).expand_as(x)
        return self.head(functional.relu(x).mean((2, 3)))


class GatedLinear(nn.Module):
    """A signal times the sigmoid or tanh of another: the gated units of PixelCNN and of GLU."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, stride=2)
        self.conv2 = nn.Conv2d(6, 16, 3)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        signal, gate = self.conv1(x).chunk(2, dim=1)
        x = functional.relu(signal * torch.tanh(gate))
        x = functional.glu(self.conv2(x), dim=1)
        return self.head(x.mean((2, 3)))


class ContrastNormalized(nn.Module):
    """Local response normalization between convolutions, as in AlexNet."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=2),
            nn.ReLU(),
            nn.LocalResponseNorm(5, alpha=0.5, beta=0.75, k=2.0),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 8, 3),
            nn.ReLU(),
            nn.LocalResponseNorm(3, alpha=1.0),
            nn.Flatten(),
            nn.Linear(192, 4),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Upsampling(nn.Module):
    """A small hourglass: nearest and bilinear upsampling, aligned and to a given size."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.up1 = nn.Upsample(scale_factor=2, mode="nearest")
        self.mix = nn.Conv2d(6, 6, 3, padding=1)
        self.up2 = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.last = nn.Conv2d(6, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        fine = functional.relu(self.down1(x))
        x = functional.relu(self.down2(fine))
        x = self.up1(x)[:, :, : fine.shape[2], : fine.shape[3]] + fine
        x = functional.relu(self.mix(x))
        x = self.up2(x)
        x = functional.interpolate(x, size=(23, 31), mode="bilinear", align_corners=True)
        return self.last(x).mean((2, 3))


class Transposed(nn.Module):
    """A transposed convolution with stride, output padding and groups."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=3)
        self.deconv = nn.ConvTranspose2d(6, 8, 3, 2, padding=1, output_padding=1, groups=2)
        self.last = nn.Conv2d(8, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv(x))
        x = functional.relu(self.deconv(x))
        return self.last(x).mean((2, 3))


class Shuffled(nn.Module):
    """A channel shuffle, a pixel unshuffle and a pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, groups=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.conv3 = nn.Conv2d(32, 8, 1)
        self.last = nn.Conv2d(2, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.conv1(x))[:, :, :-1, :-1]
        images, units, height, width = x.shape
        x = x.view(images, 4, units // 4, height, width).transpose(1, 2).flatten(1, 2)
        x = functional.relu(self.conv2(x))
        x = functional.relu(self.conv3(functional.pixel_unshuffle(x, 2)))
        return self.last(functional.pixel_shuffle(x, 2)).mean((2, 3))


class Attention(nn.Module):
    """A patch stem and two transformer blocks: layer norm, multi-head attention, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.norm1 = nn.LayerNorm(16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.norm2 = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 24, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.mlp(self.norm2(x))
        x = self.block(x)
        return self.head(x.mean(1))


class HandWrittenAttention(nn.Module):
    """Attention by softmax and matmul, a class token and a learnt position."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 8, stride=7)
        self.token = nn.Parameter(torch.zeros(1, 1, 12))
        self.position = nn.Parameter(torch.zeros(1, 17, 12))
        self.norm = nn.LayerNorm(12)
        self.qkv = nn.Linear(12, 36)
        self.out = nn.Linear(12, 12)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x)[:, :, :4, :4].flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        if x.shape[1] < 17:
            x = functional.pad(x, (0, 0, 0, 17 - x.shape[1]))
        x = x + self.position
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 2, 6)).permute(2, 0, 3, 1, 4).unbind()
        weights = (q @ k.transpose(-2, -1) / math.sqrt(6)).softmax(-1)
        x = x + self.out((weights @ v).transpose(1, 2).flatten(2))
        return self.head(functional.gelu(x)[:, 0])


class Normalized(nn.Module):
    """Group, instance and layer normalization with convolutions between them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3)
        self.norm1 = nn.GroupNorm(3, 6)
        self.conv2 = nn.Conv2d(6, 6, 3, stride=2)
        self.norm2 = nn.InstanceNorm2d(6, affine=True)
        self.conv3 = nn.Conv2d(6, 6, 3)
        self.norm3 = nn.LayerNorm(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.norm1(self.conv1(x)))
        x = functional.relu(self.norm2(self.conv2(x)))
        x = self.norm3(self.conv3(x).permute(0, 2, 3, 1)).relu()
        return self.head(x.mean((1, 2)))


class Dense(nn.Module):
    """Dense layers after a flatten, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.ReLU(inplace=True))
        self.classifier = nn.Sequential(
            nn.Linear(252, 20),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(20, 12),
            nn.ReLU(inplace=True),
            nn.Linear(12, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.features(x), 1))


class Probabilities(nn.Module):
    """A softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=2)
        self.relu = nn.ReLU()
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.conv(x)).mean((2, 3))).softmax(1)


class Tuple(nn.Module):
    """Two outputs, as nets with an auxiliary head have; the scores come first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, stride=2)
        self.head = nn.Linear(6, 5)
        self.aside = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = functional.relu(self.conv(x)).mean((2, 3))
        return self.head(x), self.aside(x)
