"""A step of inversion beside a bare pass forward to its layer and back, of the eager module.

Bare: torchvision's own modules up to the layer, parameters frozen, the gradient of the image for a
given signal: no loss, no prior, no step. Ours is a whole step of ``cvpr2015``. Beside them a step
as utkuozbulak/pytorch-cnn-visualizations takes it (it cannot be installed, so its step is retold
here): the same eager modules, with parameters that are not frozen, as there; normalised error,
alpha-norm and total variation by autograd; SGD with momentum. The picture that it writes every
fifth step is left out.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import striate
from benchmarks.material import make_network, pictures
from benchmarks.measure import ratios, repeated
from benchmarks.report import print_table
from striate.methods.inversion import inversion_frames

STEPS = 6
LAYERS = {
    "alexnet": {4: "features.4", 12: "features.12"},
    "vgg16": {8: "features.8"},
    "squeezenet1_0": {3: "features.3.cat", 12: "features.12.cat"},
}


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found = []
    for name, layers in LAYERS.items():
        if quick and name == "vgg16":
            continue
        module = make_network(name)
        found += [compare(name, module, last, layer, rounds) for last, layer in layers.items()]
    print_table(
        "A step of inversion / bare forward and backward of the eager module (that is 1)",
        ("network", "layer", "striate", "utkuozbulak's step"),
        [[r["network"], r["layer"], r["own"], r["peer"]] for r in found],
    )
    return found


def compare(name: str, module: nn.Module, last: int, layer: str, rounds: int) -> dict[str, Any]:
    """Return the ratios for one layer."""
    image = pictures(1)
    part = module.features[: last + 1]
    runs = {"own": own(name, module, layer, image), "peer": peer(part, image)}
    contenders = {name: repeated(one, STEPS) for name, one in runs.items()}
    measured = ratios(repeated(bare(part, image), STEPS), contenders, rounds)
    return {"network": name, "layer": layer, **measured}


def bare(part: nn.Module, image: Tensor) -> Callable[[], object]:
    """Return what runs forward and back once."""
    signal = torch.ones_like(part(image))

    def once() -> None:
        start = image.clone().requires_grad_()
        torch.autograd.grad(part(start), start, signal)

    return once


def own(name: str, module: nn.Module, layer: str, image: Tensor) -> Callable[[], object]:
    """Return what takes our next step."""
    network = striate.load(module, resize=256, crop=224, name=name)
    # So many steps that no measurement comes to their end.
    return partial(next, inversion_frames(network, image[0], layer, steps=1_000_000))


def peer(part: nn.Module, image: Tensor) -> Callable[[], object]:
    """Return what takes the peer's next step."""
    part = copy.deepcopy(part).requires_grad_()
    with torch.no_grad():
        wanted = part(image)[0]
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    made = (0.1 * noise).requires_grad_()
    optimizer = torch.optim.SGD([made], lr=1.0, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        loss = 0.1 * ((part(made)[0] - wanted) ** 2).sum() / (wanted**2).sum()
        loss = loss + 1e-7 * (made**6).sum()
        # It means rows and columns, but its axes are off by one: the work is nearly the same.
        here, below, right = made[:, :-1, :-1], made[:, 1:, :-1], made[:, :-1, 1:]
        loss = loss + 1e-8 * ((here - below) ** 2 + (here - right) ** 2).sum()
        loss.backward()
        optimizer.step()

    return step
