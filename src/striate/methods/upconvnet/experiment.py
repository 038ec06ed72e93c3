"""How well an UpconvNet does on given images, also when their features are changed first.

Errors are those of `striate.methods.upconvnet.net`: of the picture that is shown, over the mean
distance between two held-out images of the training.

Source:
    Dosovitskiy & Brox, "Inverting Visual Representations with Convolutional Networks", CVPR 2016,
    the experiments on AlexNet. https://arxiv.org/abs/1506.02753

Differs from the source:
    The paper shows pictures; we also count.

Applies to:
    Every UpconvNet.
"""

from collections.abc import Sequence

import torch

from striate.methods.upconvnet.net import UpconvNet, distance
from striate.methods.upconvnet.perturb import COUNTED, perturbation
from striate.network.network import Network
from striate.shapes import Images


def perturbed_errors(
    upconvnet: UpconvNet,
    network: Network,
    images: Images,
    names: Sequence[str] = COUNTED,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Measure guesses from features that were changed first.

    Args:
        upconvnet: Trained.
        network: The one that it was trained on.
        images: Preprocessed.
        names: Of changes, keys of `perturb.PERTURBATIONS`; "none" changes nothing.
        seed: Of what is dropped.

    Returns:
        The mean image error of each, and last that of the trivial answer, "mean image": the mean
        of the images themselves.

    Raises:
        MethodError: If the network is another, the images have another size, or a change has no
            such name or does not fit.
    """
    features, shown = upconvnet.features(network, images), upconvnet.recipe.shown(images)
    found = {}
    for name in names:
        change = perturbation(name, transform=upconvnet.recipe.transform)
        guesses = upconvnet.reconstruct(change(features, torch.Generator().manual_seed(seed)))
        found[name] = _mean_error(upconvnet, guesses, shown)
    trivial = shown.mean(0, keepdim=True).expand_as(shown)
    return {**found, "mean image": _mean_error(upconvnet, trivial, shown)}


def _mean_error(upconvnet: UpconvNet, guesses: Images, shown: Images) -> float:
    apart = sum(distance(a, b) for a, b in zip(guesses, shown.to(guesses), strict=True))
    return apart / len(shown) / upconvnet.image_distance
