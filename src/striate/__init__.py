"""See what a trained vision network has learnt: every layer, every unit, any PyTorch model.

>>> import striate
>>> network = striate.load("resnet18", weights=None)  # doctest: +SKIP
>>> image = network.read("cat.jpg")  # doctest: +SKIP
>>> striate.deconvnet(network, image, "layer4.1.relu_1:37").map  # doctest: +SKIP

Names are looked up when they are first used, so that importing striate does not import torch.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Address": "striate.network.address",
    "AddressError": "striate.errors",
    "Atlas": "striate.atlas.store.reader",
    "AtlasError": "striate.errors",
    "Dissection": "striate.dissection.results",
    "ImageError": "striate.errors",
    "MethodError": "striate.errors",
    "Network": "striate.network.network",
    "NetworkError": "striate.errors",
    "Preprocessing": "striate.image.preprocess",
    "Projection": "striate.network.projection",
    "StriateError": "striate.errors",
    "UpconvNet": "striate.methods.upconvnet.net",
    "ablate_atlas": "striate.dissection.ablation",
    "activation_maximization": "striate.methods.activation_maximization",
    "build_atlas": "striate.atlas.engines.local",
    "caricature": "striate.methods.inversion",
    "centre_bias": "striate.methods.multifaceted",
    "concept_set": "striate.image.concepts.reading",
    "deconvnet": "striate.methods.deconvnet",
    "deep_dream": "striate.methods.deep_dream",
    "dissect": "striate.dissection.run",
    "gradient": "striate.methods.gradient",
    "guided_backprop": "striate.methods.guided_backprop",
    "hyperparameter_search": "striate.methods.hyperparameter_search",
    "inversion": "striate.methods.inversion",
    "load": "striate.network.loading",
    "multifaceted": "striate.methods.multifaceted",
    "net2vec": "striate.dissection.net2vec.job",
    "train_upconvnet": "striate.methods.upconvnet.training",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - kept beside the homes of the names


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    msg = f"module 'striate' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
