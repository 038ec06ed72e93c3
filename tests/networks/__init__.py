"""Small networks made by hand, each with one thing that trips up those who read networks.

All take images of an awkward size, have random weights from a seeded generator and are in eval
mode. ``HAND_MADE`` maps a name to a function that returns (module, image size).
"""

import math
from collections.abc import Callable

import torch
from torch import nn

from networks.mixtures import (
    Attention,
    BroadcastGate,
    ContrastNormalized,
    Dense,
    GatedLinear,
    HandWrittenAttention,
    Normalized,
    Probabilities,
    Shuffled,
    SqueezeExcite,
    Transposed,
    Tuple,
    Upsampling,
)
from networks.places import (
    AdaptiveMaxPool,
    AveragePools,
    CeilPool,
    Concatenation,
    DilatedGroups,
    DilatedPool,
    NegativeGamma,
    PreActivation,
    Residual,
    Strides,
    UsedTwice,
)
from networks.rectifiers import (
    GELU,
    Clamp,
    ExponentialUnits,
    FunctionalReLU,
    HandWrittenSiLU,
    HardSwish,
    InPlaceReLU,
    LeakyReLU,
    LearntLeak,
    MethodReLU,
    Mish,
    RandomLeak,
    ReLU6,
    ReusedReLU,
    SiLU,
    SmoothUnits,
    Threshold,
    TorchReLU,
)
from networks.rectifiers import (
    Rectified as Rectified,
)

SIZE = (37, 29)


def randomized(module: nn.Module, seed: int = 0) -> nn.Module:
    """Fill every weight and statistic from a seeded generator; return the module in eval mode.

    Scales of normalizations vary about 1 (a few are negative), shifts and layer scales about 0.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() > 1:
                parameter.copy_(noise * math.sqrt(2 / parameter[0].numel()))
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.5 * noise)
            else:
                parameter.copy_(0.1 * noise)
        for name, statistic in module.named_buffers():
            if name.endswith("running_mean"):
                statistic.copy_(0.1 * torch.randn(statistic.shape, generator=generator))
            elif name.endswith("running_var"):
                statistic.copy_(0.5 + torch.rand(statistic.shape, generator=generator))
    return module.eval()


Made = Callable[[], tuple[nn.Module, tuple[int, int]]]


def hand_made(make: Callable[[], nn.Module]) -> Made:
    def made() -> tuple[nn.Module, tuple[int, int]]:
        module = randomized(make())
        if isinstance(module, NegativeGamma):
            module.finish()
        return module, SIZE

    return made


HAND_MADE: dict[str, Made] = {
    "functional relu": hand_made(FunctionalReLU),
    "in-place relu": hand_made(InPlaceReLU),
    "reused relu": hand_made(ReusedReLU),
    "torch.relu": hand_made(TorchReLU),
    "Tensor.relu_": hand_made(MethodReLU),
    "relu6": hand_made(ReLU6),
    "leaky relu": hand_made(LeakyReLU),
    "prelu": hand_made(LearntLeak),
    "rrelu": hand_made(RandomLeak),
    "elu, selu": hand_made(ExponentialUnits),
    "celu, softplus": hand_made(SmoothUnits),
    "gelu": hand_made(GELU),
    "silu": hand_made(SiLU),
    "hand-written silu": hand_made(HandWrittenSiLU),
    "mish": hand_made(Mish),
    "hardswish": hand_made(HardSwish),
    "clamp": hand_made(Clamp),
    "threshold": hand_made(Threshold),
    "pre-activation, in place": hand_made(PreActivation),
    "ceil-mode pool": hand_made(CeilPool),
    "dilated pool": hand_made(DilatedPool),
    "dilation and groups": hand_made(DilatedGroups),
    "strides": hand_made(Strides),
    "negative gamma": hand_made(NegativeGamma),
    "residual": hand_made(Residual),
    "concatenation": hand_made(Concatenation),
    "block used thrice": hand_made(UsedTwice),
    "average pools": hand_made(AveragePools),
    "adaptive max-pool": hand_made(AdaptiveMaxPool),
    "squeeze-excite": hand_made(SqueezeExcite),
    "broadcast gate": hand_made(BroadcastGate),
    "gated linear": hand_made(GatedLinear),
    "local response norm": hand_made(ContrastNormalized),
    "upsampling": hand_made(Upsampling),
    "transposed convolution": hand_made(Transposed),
    "shuffles": hand_made(Shuffled),
    "attention": hand_made(Attention),
    "hand-written attention": hand_made(HandWrittenAttention),
    "group, instance, layer norm": hand_made(Normalized),
    "dense": hand_made(Dense),
    "softmax at the end": hand_made(Probabilities),
    "two outputs": hand_made(Tuple),
}
