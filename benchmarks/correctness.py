"""Deconvnet and guided backprop of each library, beside an independent oracle.

The oracle (``tests/oracles/backward_rules.py``) runs the eager module and gives every rectifier
call its rule, however the call is spelt. An error is the largest difference to the oracle's map
over the largest value of that map: 0 is right, 1 as large as the map itself. ``= gradient`` marks a
map that is just the plain gradient: the rule was never applied. A peer that raises shows what it
said.
"""

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import striate
from benchmarks.material import make_network, pictures
from benchmarks.report import print_table

sys.path.append(str(Path(__file__).parent.parent / "tests"))

Peer = Callable[[nn.Module, Tensor, int], Tensor]
NETWORKS = ("resnet18", "vgg11", "squeezenet1_0", "densenet121", "googlenet", "F.relu (by hand)")
QUICK = ("resnet18", "densenet121", "googlenet", "F.relu (by hand)")
UNIT = 3


def run(*, quick: bool, rounds: int) -> Any:
    """Compare and print; return the results."""
    del rounds
    found = [compare(name, 64 if quick else 224) for name in (QUICK if quick else NETWORKS)]
    for method, peers in METHODS.items():
        print_table(
            f"{method}: largest error / largest value of the oracle's map (logits, float32)",
            ("network", *peers),
            [[r["network"], *(_shown(r[method][peer]) for peer in peers)] for r in found],
        )
    return found


def compare(name: str, side: int) -> dict[str, Any]:
    """Return each library's error on one network, by method."""
    from networks import FunctionalReLU, randomized
    from oracles.backward_rules import oracle_map

    by_hand = name not in NETWORKS[:-1]

    def fresh() -> nn.Module:
        return randomized(FunctionalReLU()) if by_hand else make_network(name)

    image = pictures(1, side)
    results: dict[str, Any] = {"network": name, "side": side}
    gradient = oracle_map(fresh(), image, "gradient", UNIT)
    for method, peers in METHODS.items():
        truth = oracle_map(fresh(), image, method, UNIT)
        results[method] = {
            peer: judge(make, fresh(), image, truth, gradient) for peer, make in peers.items()
        }
    return results


def judge(
    make: Peer, module: nn.Module, image: Tensor, truth: Tensor, gradient: Tensor
) -> dict[str, Any]:
    """Return a library's error on one map, or what it raised."""
    module.requires_grad_()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = make(module, image.clone(), UNIT)
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}
    return {
        "error": _distance(found, truth),
        "is_gradient": _distance(found, gradient) < 1e-4 < _distance(truth, gradient),
    }


def _distance(found: Tensor, truth: Tensor) -> float:
    return float((found.detach() - truth).abs().max() / truth.abs().max().clamp(min=1e-30))


def _shown(judged: dict[str, Any]) -> str:
    if "raised" in judged:
        return str(judged["raised"])[:60]
    error = f"{judged['error']:.2g}" if judged["error"] > 1e-3 else f"{judged['error']:.0e}"
    return f"{error} (= gradient)" if judged["is_gradient"] else error


def _striate(method: str) -> Peer:
    def run_it(module: nn.Module, image: Tensor, unit: int) -> Tensor:
        network = striate.load(module, image_size=tuple(image.shape[2:]))
        return getattr(striate, method)(network, image[0], f"{network.scores}:{unit}").map

    return run_it


def _captum(method: str) -> Peer:
    def run_it(module: nn.Module, image: Tensor, unit: int) -> Tensor:
        import captum.attr

        return getattr(captum.attr, method)(module).attribute(image.requires_grad_(), target=unit)[
            0
        ]

    return run_it


def _zennit(rule: str) -> Peer:
    def run_it(module: nn.Module, image: Tensor, unit: int) -> Tensor:
        from zennit import composites

        composite = getattr(composites, rule)()
        with composite.context(module) as modified:
            leaf = image.requires_grad_()
            return torch.autograd.grad(modified(leaf)[0, unit], leaf)[0][0]

    return run_it


def _grad_cam(module: nn.Module, image: Tensor, unit: int) -> Tensor:
    from pytorch_grad_cam import GuidedBackpropReLUModel

    model = GuidedBackpropReLUModel(model=module, device=torch.device("cpu"))
    return torch.from_numpy(model(image, target_category=unit)).permute(2, 0, 1)


METHODS: dict[str, dict[str, Peer]] = {
    "deconvnet": {
        "striate": _striate("deconvnet"),
        "captum": _captum("Deconvolution"),
        "zennit": _zennit("DeconvNet"),
    },
    "guided": {
        "striate": _striate("guided_backprop"),
        "captum": _captum("GuidedBackprop"),
        "zennit": _zennit("GuidedBackprop"),
        "grad-cam": _grad_cam,
    },
}
