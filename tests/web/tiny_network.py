"""A network of three layers with a unit that never fires, for atlases made in a second."""

import torch
from torch import nn

CLASSES = ("stripes", "dots", "<b>edges</b>")
SIDE = 16
DEAD = 2
"""Unit of the first layer."""


def make() -> nn.Module:
    generator = torch.Generator().manual_seed(8471)
    network = nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 70, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(70, len(CLASSES)),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in network.parameters():
            scale = max(parameter[0].numel(), 1) ** -0.5
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
        network[0].bias[DEAD] = -1000
    return network
