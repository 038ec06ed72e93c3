"""Gradient, deconvnet and guided backprop of striate against the oracle, on many architectures.

The oracle (``oracles/backward_rules.py``) runs the eager module and shares no code with striate.
All weights and images are random; each network is asked for class scores, for a unit about half
way and for neurons of an early layer, at corners and within.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

import striate
from networks import HAND_MADE, randomized
from oracles.backward_rules import Method, project

METHODS: dict[Method, Callable[..., Any]] = {
    "gradient": striate.gradient,
    "deconvnet": striate.deconvnet,
    "guided": striate.guided_backprop,
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def torchvision_net(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: torchvision.models.get_model(name, weights=None, **options)


def timm_net(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, **options)


def vision_transformer() -> nn.Module:
    return torchvision.models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=4, num_heads=3, hidden_dim=96, mlp_dim=192
    )


def swin_transformer() -> nn.Module:
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4]
    )


def maxvit() -> nn.Module:
    return torchvision.models.MaxVit(
        input_size=(64, 64), stem_channels=16, partition_size=4, block_channels=[16, 32],
        block_layers=[1, 1], head_dim=8, stochastic_depth_prob=0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class Case:
    make: Callable[[], nn.Module]
    side: int = 64
    quick: bool = False


ARCHITECTURES: dict[str, Case] = {
    "torchvision alexnet": Case(torchvision_net("alexnet")),
    "torchvision vgg11_bn": Case(torchvision_net("vgg11_bn")),
    "torchvision resnet18": Case(torchvision_net("resnet18"), quick=True),
    "torchvision resnext50": Case(torchvision_net("resnext50_32x4d")),
    "torchvision squeezenet1_0": Case(torchvision_net("squeezenet1_0"), quick=True),
    "torchvision densenet121": Case(torchvision_net("densenet121")),
    "torchvision googlenet": Case(torchvision_net("googlenet", init_weights=False), quick=True),
    "torchvision inception_v3": Case(torchvision_net("inception_v3", init_weights=False), 80),
    "torchvision mobilenet_v2": Case(torchvision_net("mobilenet_v2")),
    "torchvision mobilenet_v3_small": Case(torchvision_net("mobilenet_v3_small"), quick=True),
    "torchvision mnasnet0_5": Case(torchvision_net("mnasnet0_5")),
    "torchvision shufflenet_v2_x0_5": Case(torchvision_net("shufflenet_v2_x0_5"), quick=True),
    "torchvision efficientnet_b0": Case(torchvision_net("efficientnet_b0")),
    "torchvision regnet_y_400mf": Case(torchvision_net("regnet_y_400mf")),
    "torchvision convnext_tiny": Case(torchvision_net("convnext_tiny")),
    "torchvision vision transformer": Case(vision_transformer, quick=True),
    "torchvision swin transformer": Case(swin_transformer),
    "torchvision maxvit": Case(maxvit),
    "timm resnet10t": Case(timm_net("resnet10t"), quick=True),
    "timm resnetv2_18": Case(timm_net("resnetv2_18")),
    "timm repvgg_a0": Case(timm_net("repvgg_a0")),
    "timm dla46_c": Case(timm_net("dla46_c"), quick=True),
    "timm hrnet_w18_small": Case(timm_net("hrnet_w18_small")),
    "timm res2net50_14w_8s": Case(timm_net("res2net50_14w_8s")),
    "timm vovnet39a": Case(timm_net("vovnet39a")),
    "timm ese_vovnet19b_dw": Case(timm_net("ese_vovnet19b_dw")),
    "timm convnext_atto": Case(timm_net("convnext_atto"), quick=True),
    "timm convnextv2_atto": Case(timm_net("convnextv2_atto")),
    "timm mobileone_s0": Case(timm_net("mobileone_s0")),
    "timm ghostnet_050": Case(timm_net("ghostnet_050")),
    "timm tf_efficientnet_lite0": Case(timm_net("tf_efficientnet_lite0")),
    "timm rexnet_100": Case(timm_net("rexnet_100")),
    "timm nfnet_l0": Case(timm_net("nfnet_l0")),
    "timm nf_resnet26": Case(timm_net("nf_resnet26")),
    "timm regnetx_002": Case(timm_net("regnetx_002")),
    "timm selecsls42": Case(timm_net("selecsls42")),
    "timm cspresnet50": Case(timm_net("cspresnet50")),
    "timm darknet17": Case(timm_net("darknet17")),
    "timm skresnet18": Case(timm_net("skresnet18")),
    "timm ecaresnet26t": Case(timm_net("ecaresnet26t")),
    "timm mobilevit_xxs": Case(timm_net("mobilevit_xxs"), quick=True),
    "timm mobilevitv2_050": Case(timm_net("mobilevitv2_050")),
    "timm edgenext_xx_small": Case(timm_net("edgenext_xx_small")),
    "timm poolformer_s12": Case(timm_net("poolformer_s12")),
    "timm levit_128s": Case(timm_net("levit_128s", img_size=64), quick=True),
    "timm deit_tiny": Case(timm_net("deit_tiny_patch16_224", img_size=64)),
    "timm pit_ti": Case(timm_net("pit_ti_224", img_size=64)),
    "timm mixer_s32": Case(timm_net("mixer_s32_224", img_size=64)),
    "timm efficientformerv2_s0": Case(timm_net("efficientformerv2_s0", img_size=64)),
    "timm mobilenetv3_small_050": Case(timm_net("mobilenetv3_small_050")),
    "timm mobilenetv4_conv_small": Case(timm_net("mobilenetv4_conv_small")),
}


@dataclass(frozen=True)
class Place:
    """One call of a module, and how to find units in its output."""

    path: str
    call: int
    channels_last: bool
    unit: int
    rows: int
    columns: int

    @property
    def layer(self) -> str:
        return self.path + (f"_{self.call}" if self.call else "")


def places(module: nn.Module, image: Tensor) -> list[Place]:
    """Calls of modules whose output has units and places, in order; the strongest unit of each."""
    found: list[Place] = []
    calls: dict[str, int] = {}

    def look(path: str) -> Callable[..., None]:
        def hook(part: nn.Module, _inputs: Any, output: Any) -> None:
            call = calls.setdefault(path, 0)
            calls[path] += 1
            tokens = type(part) in {nn.Linear, nn.LayerNorm}
            if len(output) != 1 or output.dim() not in ({3, 4} if tokens else {4}):
                return
            units = output[0].movedim(-1, 0) if tokens else output[0]
            units = units if units.dim() == 3 else units[:, None]
            if units[0].numel() > 1:
                unit = int(units.flatten(1).amax(1).argmax())
                found.append(Place(path, call, tokens, unit, *units.shape[1:]))

        return hook

    named = [(path, part) for path, part in module.named_modules() if path]
    kinds = nn.Conv2d | nn.BatchNorm2d | nn.ReLU | nn.MaxPool2d | nn.Linear | nn.LayerNorm
    handles = [p.register_forward_hook(look(path)) for path, p in named if isinstance(p, kinds)]
    with torch.no_grad():
        module(image)
    for handle in handles:
        handle.remove()
    return found


def targets(
    module: nn.Module, image: Tensor, *, thorough: bool
) -> Iterator[tuple[Place, int | None, int | None]]:
    """Neurons to ask for: the strongest half way; the strongest, a corner and others early."""
    found = places(module, image)
    if not found:
        return
    early, middle = found[len(found) // 6], found[len(found) // 2]
    yield middle, None, None
    for place in found if thorough else [early]:
        last_row, last_column = place.rows - 1, place.columns - 1
        yield place, 0, last_column
        yield place, last_row, last_column // 2
        yield place, place.rows // 2, place.columns // 3
        yield place, None, None


def compare(
    module: nn.Module, image: Tensor, *, scores: str | None = None, thorough: bool = False
) -> list[str]:
    """Return what differs: method, target and error relative to the map's largest value.

    The class scores are the module's output, or the output of its submodule ``scores``.
    """
    network = striate.load(module, image_size=tuple(image.shape[2:]))
    tolerance = TOLERANCE[image.dtype]
    wrong = []

    def check(method: Method, address: str, target: Any, channels_last: bool) -> None:
        expected = project(module, image, method, target, channels_last=channels_last)
        try:
            found = METHODS[method](network, image[0], address)
        except striate.StriateError as error:
            wrong.append(f"{method} {address}: {type(error).__name__}: {error}")
            return
        scale = expected.map.abs().max()
        error = (found.map - expected.map).abs().max()
        relative = float(error / scale) if scale > 0 else float(error)
        same_place = (found.neuron.row, found.neuron.column) == (expected.row, expected.column)
        if not relative < tolerance or not (same_place or channels_last):  # windows are one row
            wrong.append(f"{method} {address}: error {relative:.1e}, neuron {found.neuron}")
        elif found.activation != pytest.approx(expected.activation, rel=tolerance, abs=tolerance):
            wrong.append(f"{method} {address}: activation {found.activation}")

    with torch.no_grad():
        output = module(image)
    best = int((output[0] if isinstance(output, tuple) else output)[0].argmax())
    logit = best if scores is None else (scores, 0, best, 0, 0)
    for method in METHODS:
        check(method, f"{network.scores}:{best}", logit, channels_last=False)
    for place, row, column in dict.fromkeys(targets(module, image, thorough=thorough)):
        where = "" if row is None else f"@{row},{column}"
        target = (place.path, place.call, place.unit, row, column)
        for method in METHODS:
            check(method, f"{place.layer}:{place.unit}{where}", target, place.channels_last)
    return wrong


def random_image(size: tuple[int, int], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    return torch.randn(1, 3, *size, generator=generator, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", HAND_MADE)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_hand_made(name, dtype, seeded):
    module, size = HAND_MADE[name]()
    module = module.to(dtype)
    scores = "head" if name == "softmax at the end" else None
    wrong = compare(module, random_image(size, dtype, seeded), scores=scores, thorough=True)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if case.quick else [pytest.mark.slow])
        for name, case in ARCHITECTURES.items()
    ],
)
def test_architecture(name, seeded):
    check_architecture(name, torch.float64, seeded)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in ARCHITECTURES.items() if case.quick])
def test_architecture_in_float32(name, seeded):
    check_architecture(name, torch.float32, seeded)


def check_architecture(name: str, dtype: torch.dtype, seeded: torch.Generator) -> None:
    case = ARCHITECTURES[name]
    module = randomized(case.make()).to(dtype)
    wrong = compare(module, random_image((case.side, case.side), dtype, seeded))
    assert not wrong, "\n".join(wrong)
