"""A name, a file or a module becomes a network.

========================  =====================================================================
``resnet18``              torchvision, with the weights of its own hub
``timm/convnext_atto``    timm, likewise
``NAME@FILE``             that architecture with weights from ``.safetensors``, ``.pt`` or ``.pth``
``FILE.pt2``              a program saved by `torch.export.save`
``hog``, ``dense-sift``   a descriptor made by hand, and ``hog-bilinear``: `network.descriptors`
``module:factory[@FILE]`` the user's own code: what ``factory()`` of ``module`` returns
========================  =====================================================================

Weights are read as tensors only (safetensors, or `torch.load` with ``weights_only=True``): such a
file can never run code. ``module:factory`` is the user's own code and runs as such, and a ``.pt2``
file is a program: see `striate.network.program`.
"""

import copy
import importlib
import pickle
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from striate.errors import NetworkError
from striate.image.preprocess import Preprocessing
from striate.network.descriptors import DESCRIPTOR_PREPROCESSING, DESCRIPTORS
from striate.network.network import Network, Tracer, module_tracer
from striate.network.program import read_program
from striate.network.trace import TORCH_GLOBALS, Trace
from striate.network.zoo import ZooEntry, from_zoo

_WEIGHT_FILES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def load(  # noqa: PLR0913 - keyword-only knobs
    source: "str | Path | torch.nn.Module",
    *,
    weights: str | Path | None = "default",
    image_size: int | tuple[int, ...] | None = None,
    resize: int | tuple[int, int] | Literal["default"] | None = "default",
    crop: int | tuple[int, int] | Literal["default"] | None = "default",
    interpolation: str | None = None,
    antialias: bool | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    class_names: Sequence[str] | None = None,
    device: str | torch.device | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Network:
    """Load any PyTorch network, unchanged.

    Args:
        source: A name, a file or the user's own factory (see this module), or a module. A module
            is copied and switched to evaluation mode in the copy; it is not touched.
        weights: "default" for the library's own pretrained weights, a file, or None for random.
        image_size: Side, (height, width) or (channels, height, width) of the images to trace for;
            by default what preprocessing gives, or 224, with the channels of the first
            convolution. Other sizes are traced when they come.
        resize: Short side (or height, width) to resize pictures to; None: as they are.
        crop: Side (or height, width) of the centre crop; None: no crop.
        interpolation: "nearest", "bilinear", "bicubic" or "lanczos".
        antialias: False for the older way of resizing tensors; True is Pillow's.
        mean: Mean of each channel, or one for all, for pixels in [0, 1]; if only other things are
            given, ImageNet's for 3 channels, else 0.
        std: Standard deviation of each channel, likewise; else 1.
        class_names: Name of each class score.
        device: Where to run; by default where the module is, or the CPU.
        seed: What random weights are drawn with.
        name: What to call the network.

    Returns:
        The network.

    Raises:
        NetworkError: If it cannot be found, read or traced, or mean or std do not fit its
            channels; says what would work.

    Example:
        >>> import striate
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, stride=2), torch.nn.ReLU())
        >>> network = striate.load(module, image_size=(33, 33))
        >>> str(network.layers["1"].receptive_field)
        '5 x 5'
    """
    known, made, default_name = _find(source, weights, seed)
    asked = {
        "resize": resize, "crop": crop, "interpolation": interpolation or "default",
        "antialias": "default" if antialias is None else antialias,
        "mean": mean or "default", "std": std or "default",
    }  # fmt: skip
    chosen = {k: v for k, v in asked.items() if not isinstance(v, str) or v != "default"}
    channels = made.image_size[0] if made else _channels(known.module, image_size)
    _check_counts(chosen, channels, name or default_name)
    preprocessing = _preprocessing(known.preprocessing, chosen, channels)
    size = made.image_size if made else (channels, *_image_size(image_size, preprocessing))
    if class_names is not None and len(class_names) == 0:
        msg = "class_names is empty; leave it out if the names are not known"
        raise NetworkError(msg)
    network = Network.of(
        module_tracer(known.module) if made is None else _fixed(made),
        name=name or default_name,
        image_size=size,
        preprocessing=preprocessing,
        class_names=class_names or known.class_names,
    )
    return network.to(device) if device is not None else network


def _preprocessing(
    known: Preprocessing | None, chosen: Mapping[str, object], channels: int
) -> Preprocessing | None:
    """Return what the weights say, with what the caller chose in its place."""
    if known is None and not chosen:
        return None
    base = known or Preprocessing(resize=None, crop=None)
    if channels == 1 and known is not None:
        base = replace(base, channels=1, mean=base.mean[:1], std=base.std[:1])
    elif channels != 3:
        # The means of red, green and blue say nothing of other channels.
        base = replace(base, channels=channels, mean=(0.0,), std=(1.0,))
    lists = {k: list(v) if isinstance(v, tuple) else v for k, v in chosen.items()}
    return Preprocessing.from_json({**base.to_json(), **lists})


def _check_counts(chosen: Mapping[str, object], channels: int, name: str) -> None:
    """Refuse a mean or std of another number of values than the network's channels."""  # noqa: DOC501 - private
    for what in ("mean", "std"):
        values = chosen.get(what)
        if isinstance(values, (list, tuple)) and len(values) not in {1, channels}:
            msg = f"{what} has {len(values)} values, and {name} takes images of {channels} "
            many = f"channels: give 1 value for all, or {channels}"
            raise NetworkError(msg + ("channel: give 1 value" if channels == 1 else many))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Let modules draw their weights with a seed, and leave the global generator as it was."""
    with TORCH_GLOBALS, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - forked; modules draw from the global generator
        yield


@torch.inference_mode(mode=False)  # weights made in inference mode could never be differentiated
def _find(
    source: "str | Path | torch.nn.Module", weights: str | Path | None, seed: int
) -> tuple[ZooEntry, Trace | None, str]:
    """Return the module with its metadata, the trace if it came traced, and a name."""  # noqa: DOC501 - private
    if isinstance(source, torch.nn.Module):
        own = _own_copy(source)
        if weights not in {None, "default"}:
            read_weights(own, Path(str(weights)))
        return ZooEntry(own, None, None), None, type(source).__name__
    text = str(source)
    if text.endswith(".pt2"):
        if weights not in {None, "default"}:
            msg = f"{text} has weights of its own; {weights} cannot be loaded into it"
            raise NetworkError(msg)
        empty = ZooEntry(torch.nn.Module(), None, None)
        return empty, read_program(Path(text)), Path(text).stem
    base, at, file = text.rpartition("@")
    if at and not file.lower().endswith(_WEIGHT_FILES):
        msg = (
            f"{text!r}: what follows @ is a file of weights, which ends in one of "
            f"{', '.join(_WEIGHT_FILES)}"
        )
        raise NetworkError(msg)
    if at:
        text, weights = base, file
    return _named(text, weights, seed), None, text


def _named(text: str, weights: str | Path | None, seed: int) -> ZooEntry:
    """Return the network of a name, with the weights of a file if one is given."""  # noqa: DOC501 - private
    pretrained = weights == "default"
    if text in DESCRIPTORS:
        if weights is not None and not pretrained:
            msg = f"{text} has weights of its own; {weights} cannot be loaded into it"
            raise NetworkError(msg)
        return ZooEntry(DESCRIPTORS[text]().eval(), DESCRIPTOR_PREPROCESSING, None)
    if ":" in text:
        factory = _factory(text)
        with _seeded(seed):
            entry = ZooEntry(_made(text, factory).eval(), None, None)
    elif text.lower().endswith((*_WEIGHT_FILES, ".onnx", ".pkl")):
        msg = (
            f"{text!r} holds weights, not an architecture: write NAME@{text} or "
            f"package.module:factory@{text}, or save the whole network with torch.export.save "
            "as FILE.pt2"
        )
        raise NetworkError(msg)
    elif text == "demo":
        msg = (
            "'demo' is what the command line calls the embedded network; in Python: "
            "from striate.demo.job import demo_recipe; network = demo_recipe().load()"
        )
        raise NetworkError(msg)
    else:
        with _seeded(seed):
            entry = from_zoo(text, pretrained=pretrained)
    if weights is not None and not pretrained:
        read_weights(entry.module, Path(weights))
    return entry


def _check_ready(module: torch.nn.Module, what: str) -> None:
    """Refuse what has no Python to trace, or no shapes yet."""  # noqa: DOC501 - private
    if isinstance(module, torch.jit.ScriptModule):
        msg = (
            f"{what} is TorchScript, which cannot be taken apart: give the module that it was made "
            "from, or save that one with torch.export.save as FILE.pt2"
        )
        raise NetworkError(msg)
    held = (*module.named_parameters(), *module.named_buffers())
    lazy = next((name for name, value in held if is_lazy(value)), None)
    if lazy is not None:
        msg = f"{what} is lazy, and {lazy} has no shape yet: run it once on an image first"
        raise NetworkError(msg)


def _own_copy(module: torch.nn.Module) -> torch.nn.Module:
    _check_ready(module, type(module).__name__)
    try:
        return copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
    except Exception as error:
        msg = (
            f"cannot copy {type(module).__name__} ({type(error).__name__}: {error}); striate works "
            "on a copy so that your module stays as it is: remove what copy.deepcopy cannot copy "
            "(open files, locks, hooks that close over them, parts in TorchScript)"
        )
        raise NetworkError(msg) from error


def _fixed(made: Trace) -> Tracer:
    def tracer(size: tuple[int, int, int]) -> Trace:
        if size != made.image_size:
            msg = (
                f"this program was exported for images of {made.image_size}, not {size}; "
                "export it for that size"
            )
            raise NetworkError(msg)
        return made

    return tracer


def _channels(module: torch.nn.Module, asked: int | tuple[int, ...] | None) -> int:
    """Return the channels asked for, else those of the first convolution, else 3."""
    if isinstance(asked, tuple) and len(asked) == 3:
        return int(asked[0])
    convolutions = (m for m in module.modules() if isinstance(m, torch.nn.Conv2d))
    return next((int(m.in_channels) for m in convolutions), 3)


def _image_size(
    asked: int | tuple[int, ...] | None, preprocessing: Preprocessing | None
) -> tuple[int, int]:
    if isinstance(asked, int):
        return asked, asked
    if asked is not None:
        if len(asked) not in {2, 3}:
            msg = f"image_size={asked} is no side, (height, width) or (channels, height, width)"
            raise NetworkError(msg)
        return int(asked[-2]), int(asked[-1])
    fixed = preprocessing.image_size if preprocessing is not None else None
    return fixed or (224, 224)


def _factory(text: str) -> Any:
    """Import the user's own code."""  # noqa: DOC501 - private
    module_name, _, factory_name = text.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with TORCH_GLOBALS, torch.random.fork_rng(devices=[]):
            return getattr(importlib.import_module(module_name), factory_name)
    except Exception as error:
        msg = (
            f"{text!r} cannot be imported ({type(error).__name__}: {error}). Write "
            f"package.module:factory for code that can be imported from {here} or is installed"
        )
        raise NetworkError(msg) from error


def _made(text: str, factory: Any) -> torch.nn.Module:
    """Call the user's factory."""  # noqa: DOC501 - private
    try:
        made = copy.deepcopy(factory) if isinstance(factory, torch.nn.Module) else factory()
    except Exception as error:
        msg = f"{text!r} raised {type(error).__name__}: {error}; it is called without arguments"
        raise NetworkError(msg) from error
    if not isinstance(made, torch.nn.Module):
        msg = f"{text!r} returned a {type(made).__name__}, not a torch.nn.Module"
        raise NetworkError(msg)
    _check_ready(made, repr(text))
    return made


def read_weights(module: torch.nn.Module, path: Path) -> None:
    """Load weights from a file into a module, strictly.

    Args:
        module: The architecture.
        path: ``.safetensors``, or anything `torch.load` reads with ``weights_only=True``.

    Raises:
        NetworkError: If the file cannot be read as tensors only, or does not fit; names the first
            five differences.
    """
    if not path.is_file():
        msg = f"there is no file {path}"
        raise NetworkError(msg)
    if _is_torchscript(path):
        raise NetworkError(_unsafe(path))
    state = _read_tensors(path)
    for key in ("state_dict", "model", "model_state_dict", "net"):
        if isinstance(state.get(key), dict):
            state = state[key]
            break
    tensors = {str(k): v for k, v in state.items() if isinstance(v, Tensor)}
    own = module.state_dict()
    wrapped = all(key.startswith("module.") for key in tensors) and not set(tensors) & set(own)
    if wrapped:
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
    missing = [f"missing {key}" for key in own if key not in tensors]
    extra = [f"unexpected {key}" for key in tensors if key not in own]
    shapes = [
        f"{key} is {tuple(value.shape)}, wanted {tuple(own[key].shape)}"
        for key, value in tensors.items()
        if key in own and own[key].shape != value.shape
    ]
    wrong = [m for m in missing if not m.endswith("num_batches_tracked")] + extra + shapes
    if wrong:
        shown = "; ".join(wrong[:5])
        msg = (
            f"{path.name} does not fit {type(module).__name__}: {len(wrong)} differences, first "
            f"{shown}. Are these the weights of another architecture, or of a wrapped one?"
        )
        raise NetworkError(msg)
    module.load_state_dict(tensors, strict=False)


def _read_tensors(path: Path) -> dict[Any, Any]:
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise NetworkError(_unsafe(path)) from error
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        msg = f"{path} cannot be read as weights ({type(error).__name__}: {first})"
        raise NetworkError(msg) from error
    if not isinstance(found, dict):
        msg = f"{path} holds a {type(found).__name__}, not a dictionary of tensors"
        raise NetworkError(msg)
    return found


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _unsafe(path: Path) -> str:
    if _is_torchscript(path):
        return (
            f"{path} is a TorchScript archive, which is code, and was not loaded: save the state "
            "dict alone, or the network with torch.export.save as FILE.pt2"
        )
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:
        names = []
    what = f"would run {', '.join(names[:5])}" if names else "is no plain file of tensors"
    return (
        f"{path} {what} and was not loaded: files are read as tensors only. Save the state dict "
        "alone (safetensors.torch.save_file(module.state_dict(), ...)), or give your own code as "
        "package.module:factory"
    )
