"""torchvision's and timm's networks by name: the only door to both.

Weights and their preprocessing come from where the two libraries get them.
"""

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from striate.errors import NetworkError
from striate.image.preprocess import Preprocessing
from striate.network.address import nearest

_INSTALL = "pip install 'striate[zoo]'"


@dataclass(frozen=True, slots=True)
class ZooEntry:
    """A network by name: the module and what its weights' own metadata says."""

    module: torch.nn.Module
    preprocessing: Preprocessing | None
    class_names: Sequence[str] | None


def from_zoo(name: str, *, pretrained: bool) -> ZooEntry:
    """Return a network by name.

    Args:
        name: ``resnet18`` (torchvision) or ``timm/convnext_atto``.
        pretrained: Whether to load the library's default weights, from its hub or cache; else
            weights are random, but preprocessing and classes are those of the default weights.

    Returns:
        The module in evaluation mode, with preprocessing and class names.

    Raises:
        NetworkError: If the extra is not installed, the name is unknown, or the weights cannot be
            had; says what to install or which file to give.
    """
    library = "timm" if name.startswith("timm/") else "torchvision"
    if importlib.util.find_spec(library) is None:
        msg = f"{name!r} is a network of {library}, which is not installed: {_INSTALL}"
        raise NetworkError(msg)
    problem = torchvision_problem()
    if problem is not None:
        msg = f"{name!r} needs torchvision, which cannot be imported ({problem}): {_INSTALL}"
        raise NetworkError(msg)
    made = _timm(name.removeprefix("timm/"), pretrained=pretrained) if library == "timm" else (
        _torchvision(name, pretrained=pretrained)
    )  # fmt: skip
    made.module.eval()
    return made


def torchvision_problem() -> str | None:
    """Say why torchvision cannot be imported: beside another build of torch it is broken."""
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, AttributeError) as error:
        return str(error).splitlines()[0] if str(error) else type(error).__name__
    return None


def _torchvision(name: str, *, pretrained: bool) -> ZooEntry:
    import torchvision

    if name not in torchvision.models.list_models():
        close = ", ".join(nearest(name, torchvision.models.list_models()))
        msg = (
            f"{name!r} is no network of torchvision; the nearest are {close}. Networks of timm are "
            "named timm/NAME, your own are package.module:factory, a file is FILE.pt2"
        )
        raise NetworkError(msg)
    weights = torchvision.models.get_model_weights(name).DEFAULT
    extra = {"init_weights": True} if name in {"googlenet", "inception_v3"} else {}
    try:
        chosen = {"weights": weights} if pretrained else {"weights": None, **extra}
        module = torchvision.models.get_model(name, **chosen)
    except (OSError, RuntimeError) as error:
        raise NetworkError(_no_weights(name, weights.url, error)) from error
    preset = weights.transforms()
    names = weights.meta.get("categories")
    if not hasattr(preset, "resize_size"):
        return ZooEntry(module, None, names)
    preprocessing = Preprocessing(
        resize=_one(preset.resize_size),
        crop=_one(preset.crop_size),
        interpolation=preset.interpolation.value,
        mean=tuple(preset.mean),
        std=tuple(preset.std),
    )
    return ZooEntry(module, preprocessing, names)


def _one(size: Any) -> int | tuple[int, int]:
    values = tuple(size)
    return values[0] if len(values) == 1 else (values[0], values[1])


def _timm(name: str, *, pretrained: bool) -> ZooEntry:
    import timm

    if not timm.is_model(name):
        base = name.split(".", maxsplit=1)[0]
        close = ", ".join(f"timm/{near}" for near in nearest(base, timm.list_models()))
        msg = f"{name!r} is no network of timm; the nearest are {close}"
        raise NetworkError(msg)
    try:
        module = timm.create_model(name, pretrained=pretrained)
    except (OSError, RuntimeError) as error:
        config = timm.get_pretrained_cfg(name)
        where = getattr(config, "hf_hub_id", None) or getattr(config, "url", "") or "its hub"
        raise NetworkError(_no_weights(f"timm/{name}", str(where), error)) from error
    data: Any = timm.data
    config = data.resolve_model_data_config(module)
    return ZooEntry(module, _timm_preprocessing(config), _timm_classes(module))


def _timm_preprocessing(config: dict[str, Any]) -> Preprocessing:
    _, height, width = config["input_size"]
    fraction = float(config.get("crop_pct") or 1.0)
    scaled = (int(height / fraction), int(width / fraction))
    squash = config.get("crop_mode") == "squash"
    return Preprocessing(
        resize=scaled[0] if scaled[0] == scaled[1] and not squash else scaled,
        crop=(height, width),
        interpolation=config.get("interpolation", "bicubic"),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _timm_classes(module: torch.nn.Module) -> list[str] | None:
    import timm

    data: Any = timm.data
    subset = data.infer_imagenet_subset(module)
    if not subset:
        return None
    info = data.ImageNetInfo(subset)
    return [info.index_to_description(index) for index in range(info.num_classes())]


def _no_weights(name: str, where: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return (
        f"the weights of {name} could not be had from {where} ({reason}). With the file at hand: "
        f"{name}@FILE.safetensors (or .pth); for random weights: weights=None (--random)"
    )
