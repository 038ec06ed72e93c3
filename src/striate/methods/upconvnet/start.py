"""An UpconvNet before its first step: the scales of features and images, the distances of errors.

    features <- (phi - mean of the unit) / s,    image <- (x - mean of the channel) / s'

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016.
    https://arxiv.org/abs/1506.02753

Differs from the source:
    The source does not scale features; ours come from networks whose activations differ by powers
    of ten. Both scales are one number each, the root mean square of what is centred.

Applies to:
    Every layer with units.
"""

import math
import os

import torch
from jaxtyping import Float
from torch import Tensor, nn

from striate.errors import MethodError
from striate.methods.upconvnet.net import UpconvNet
from striate.methods.upconvnet.recipe import Recipe, resized
from striate.network.network import Network
from striate.optimize.space import working
from striate.shapes import Images, Maps

_PAIRED_VALUES = 2**27
"""Features of held-out images are compared as far as so many numbers can hold them."""
_AT_ONCE = 16


def begin(
    network: Network,
    recipe: Recipe,
    decoder: nn.Module,
    images: Images,
    held: Float[Tensor, "held channels height width"],
) -> UpconvNet:
    """Make an UpconvNet that has learnt nothing yet.

    Args:
        network: That is inverted.
        recipe: Of the UpconvNet.
        decoder: With its first weights; moved to the network's device.
        images: Some to train on, preprocessed, from which the scales are taken.
        held: Those held out, preprocessed, from which the distances are taken.

    Returns:
        The UpconvNet; its decoder is the one given.

    Raises:
        MethodError: If all held-out images are the same, or the layer gives what is no number.
    """
    dtype = working(network.dtype)
    values = recipe.units * math.prod(recipe.map_size)
    few = max(2, min(len(held), _PAIRED_VALUES // values))
    apart = mean_distance(recipe.shown(held))
    if apart == 0:
        msg = f"all {len(held)} held-out images are the same: errors have no scale"
        raise MethodError(msg)
    features = [features_of(network, recipe, part) for part in torch.split(held[:few], _AT_ONCE)]
    seen = features_of(network, recipe, images)
    for part in (*features, seen):
        check_numbers(recipe, part)
    unit_mean, unit_scale = _centre_and_scale(seen)
    channel_mean, image_scale = _centre_and_scale(resized(images, recipe.size))
    scales = {
        "unit_mean": unit_mean, "unit_scale": unit_scale,
        "channel_mean": channel_mean, "image_scale": image_scale,
    }  # fmt: skip
    return UpconvNet(
        recipe=recipe,
        decoder=decoder.to(device=network.device, dtype=dtype),
        scales={k: v.to(device=network.device, dtype=dtype) for k, v in scales.items()},
        image_distance=apart,
        feature_distance=mean_distance(torch.cat(features)),
        held_out=len(held),
        steps=0,
    )


def features_of(network: Network, recipe: Recipe, images: Images) -> Maps:
    """Return what the decoder reads, of images that may lie elsewhere; without gradients."""
    return recipe.features(network, images.to(device=network.device, dtype=network.dtype))


def check_numbers(recipe: Recipe, features: Maps) -> None:
    """Refuse features that no decoder can learn from.

    Args:
        recipe: Says whose they are.
        features: Of some images.

    Raises:
        MethodError: If they are not all finite.
    """
    if not bool(features.isfinite().all()):
        msg = (
            f"what {recipe.layer} of {recipe.network} makes of the images is not all numbers (some "
            "are nan or infinite): nothing can be learnt from it; choose another layer"
        )
        raise MethodError(msg)


def check_memory(recipe: Recipe, network: Network) -> None:
    """Refuse a decoder that is larger than the memory.

    Args:
        recipe: Says how it is built.
        network: Says where, and in which precision.

    Raises:
        MethodError: If its weights, their gradients and both moments of Adam have no room.
    """
    there = memory_of(network.device)
    each = 4 * working(network.dtype).itemsize
    weights = recipe.weights(recipe.width)
    if there is None or each * weights <= there:
        return
    width = recipe.width
    while width > 1 and each * recipe.weights(width) > there:
        width //= 2
    msg = (
        f"a decoder of width={recipe.width} for {recipe.layer} ({recipe.units} units of "
        f"{recipe.map_size[0]} x {recipe.map_size[1]} places) has {weights / 1e6:,.0f} million "
        f"weights: training takes {each * weights / 1e9:.1f} GB, and there are "
        f"{there / 1e9:.1f}; width={width} takes {each * recipe.weights(width) / 1e9:.1f} GB"
    )
    raise MethodError(msg)


def memory_of(device: torch.device) -> int | None:
    """Return how many bytes a device has, free or not; None if the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no such question.
        return None


def mean_distance(values: Tensor) -> float:
    """Return the mean Euclidean distance between two different entries.

    Args:
        values: At least two entries along the first axis.

    Example:
        >>> mean_distance(torch.tensor([[0.0], [1.0], [5.0]]))
        3.3333333333333335
    """
    flat = values.flatten(1)
    total = sum(
        float((flat[k + 1 :] - flat[k]).double().norm(dim=1).sum()) for k in range(len(flat) - 1)
    )
    return total / (len(flat) * (len(flat) - 1) / 2)


def _centre_and_scale(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of each channel, and one scale for all; 1 where nothing varies."""
    mean = values.mean((0, 2, 3), dtype=torch.float64)
    centred = values - mean.to(values.dtype)[:, None, None]
    scale = torch.linalg.vector_norm(centred, dtype=torch.float64) / math.sqrt(values.numel())
    return mean, torch.where(scale > 0, scale, 1.0)
