"""A tiny network, a few pictures, and the training of an UpconvNet on them."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import striate
from striate.image.folder import find_images
from striate.methods.upconvnet.training import train_upconvnet

KNOBS = {
    "epochs": 3, "batch": 4, "width": 4, "flip": True, "seed": 5, "workers": 1, "save_every": 2,
}  # fmt: skip


def network_of(seed=1, channels=3, dtype=torch.float32, **options) -> striate.Network:
    module = nn.Sequential(
        nn.Conv2d(channels, 6, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 64, 9),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    scale = {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    return striate.load(
        module.to(dtype), **{"image_size": (16, 16), "resize": None, "crop": 16, **scale, **options}
    )


def draw(folder: Path, numbers) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        levels = np.random.default_rng(number).integers(0, 256, (2, 2, 3), dtype=np.uint8)
        Image.fromarray(levels.repeat(8, 0).repeat(8, 1)).save(folder / f"{number}.png")
    return folder


def frames_of(network, folder, layer="1", **knobs):
    return train_upconvnet(network, layer, find_images(folder), **KNOBS | knobs)


def facts(frames):
    return [(f.step, f.steps, f.epoch, f.loss, f.image_error, f.upconvnet.steps) for f in frames]
