"""What the benchmarks run on: networks with random weights, and images with natural statistics.

Set ``STRIATE_DATA`` to a folder of pictures to use those instead of made ones.
"""

import math
import os
from pathlib import Path

import torch
from torch import Tensor, nn

SIDE = 224


def make_network(name: str, seed: int = 0) -> nn.Module:
    """Return a torchvision network in evaluation mode with seeded He weights.

    Activations keep their scale through depth, so that nothing dies out or overflows.
    """
    import torchvision

    extra = {"init_weights": False} if name in {"googlenet", "inception_v3", "vgg11"} else {}
    module = torchvision.models.get_model(name, weights=None, **extra).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in module.state_dict().items():
            noise = torch.randn(value.shape, generator=generator)
            if value.ndim > 1:
                value.copy_(noise * math.sqrt(2 / value[0].numel()))
            elif key.endswith(("bias", "running_mean")):
                value.copy_(0.1 * noise)
    return module.requires_grad_(requires_grad=False)


def pictures(count: int, side: int = SIDE, seed: int = 0) -> Tensor:
    """Return preprocessed images: those of ``STRIATE_DATA``, or made ones with a 1/f spectrum."""
    folder = os.environ.get("STRIATE_DATA")
    return _read(Path(folder), count, side) if folder else made_pictures(count, side, seed)


def made_pictures(count: int, side: int, seed: int) -> Tensor:
    """Return noise with amplitude 1 / frequency, mean 0 and variance 1 in each channel."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]
    falling = 1 / (rows.square() + columns.square()).sqrt().clamp(min=1 / side)
    made = []
    for _ in range(count):
        noise = torch.fft.rfft2(torch.randn(3, side, side, generator=generator))
        image = torch.fft.irfft2(noise * falling, s=(side, side))
        image = 0.7 * image.mean(0) + 0.3 * image
        image -= image.mean((1, 2), keepdim=True)
        made.append(image / image.std((1, 2), keepdim=True))
    return torch.stack(made)


def _read(folder: Path, count: int, side: int) -> Tensor:
    from striate.image.decode import decode
    from striate.image.folder import find_images
    from striate.image.preprocess import Preprocessing

    preprocess = Preprocessing(
        resize=side * 8 // 7, crop=side, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    )
    files = find_images(folder)
    if not files:
        msg = f"STRIATE_DATA: there are no images in {folder}"
        raise ValueError(msg)
    return torch.stack([preprocess(decode(files[k % len(files)].path)) for k in range(count)])
