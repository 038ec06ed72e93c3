"""Train the demo network: `python -m striate.demo.train`.

Every epoch draws fresh scenes, so no scene is seen in two epochs and none is left to be learnt
by heart. Plain stochastic gradient descent with momentum; after each step, every convolution's
filter whose root mean square exceeds a radius is scaled back to it, which keeps a few filters
from ruling the first layer.

Source: Zeiler and Fergus, *Visualizing and Understanding Convolutional Networks*, ECCV 2014,
section 3.1.

Differs from the source: batch normalisation while training, folded away at the end (see
`striate.demo.scaffold`; the radius holds before folding), He's initial law in place of
N(0, 0.01^2) in all layers but the first and the last, a learning rate that rises and falls along
a cosine in place of annealing by hand, weight decay, and a first-layer radius of its own: the
paper's inputs reach from -128 to 128 and ours have unit variance, so its radius of 0.1 means
`FIRST_LAYER` times 0.1 here, which never binds.
"""

import argparse
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from striate.demo.network import MEAN, STD, WEIGHTS, DemoNet
from striate.demo.scaffold import Scaffold
from striate.demo.scenes import scene
from striate.files import write_whole
from striate.shapes import Images

FIRST_LAYER = 58.0
"""How many times wider the first layer's radius is when its input has unit variance."""

CHECKPOINTS: tuple[int, ...] = (
    *(1, 2, 4, 9, 20, 44, 99, 223, 492, 1108, 2446, 5509, 12164, 27396, 60491, 136238, 300818),
    *(600818, 1200818, 2400818),
)
"""Steps after which weights are kept, as Network Dissection did (Bau, Zhou et al., CVPR 2017)."""

Batch = tuple[Images, Int64[Tensor, " images"]]
Stack = tuple[UInt8[np.ndarray, "images height width 3"], Int64[np.ndarray, " images"]]


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        epochs: how often a fresh set of scenes is drawn.
        scenes: how many scenes an epoch draws; each is shown twice, as drawn and mirrored.
        batch: how many scenes make a step.
        rate: the highest learning rate.
        momentum: of the gradient descent.
        decay: of the weights, not of the biases.
        radius: the most a filter's root mean square may be.
        first_radius: the same for the first layer.
        noise: of the input, in standard deviations of it.
        dropout: the part of the hidden layer that is left out of a step.
    """

    epochs: int = 30
    scenes: int = 1536
    batch: int = 32
    rate: float = 0.03
    momentum: float = 0.9
    decay: float = 5e-4
    radius: float = 0.1
    first_radius: float = 0.1 * FIRST_LAYER
    noise: float = 0.05
    dropout: float = 0.2


def renormalize_filters(module: nn.Module, radius: float) -> None:
    """Scale every convolution's filter whose root mean square exceeds a radius back to it.

    Args:
        module: changed in place: this module, if it is a convolution, and every convolution
            within it. Biases and dense layers stay.
        radius: the most that `sqrt(mean(w ** 2))` over a filter's inputs, rows and columns may
            be; for unit-variance input, the paper's 0.1 is `0.1 * FIRST_LAYER` in the first
            layer.

    Example:
        >>> layer = nn.Conv2d(1, 2, 1, bias=False)
        >>> layer.weight.data = torch.tensor([0.2, -0.05]).view(2, 1, 1, 1)
        >>> renormalize_filters(layer, 0.1)
        >>> [round(value, 6) for value in layer.weight.flatten().tolist()]
        [0.1, -0.05]
    """
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
                axes = tuple(range(1, layer.weight.dim()))
                rms = layer.weight.square().mean(dim=axes, keepdim=True).sqrt()
                layer.weight.mul_(torch.where(rms > radius, radius / rms, torch.ones_like(rms)))


def normalise(pixels: UInt8[np.ndarray, "images height width 3"]) -> Images:
    """Bring pictures into the network's space.

    Args:
        pixels: *display* space.

    Returns:
        *network* space.

    Example:
        >>> normalise(np.full((1, 1, 1, 3), 255, np.uint8)).flatten().tolist()
        [2.0, 2.0, 2.0]
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return (images - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def draw_scenes(seed: int, start: int, count: int) -> Stack:
    """Draw scenes `start` to `start + count` of a series.

    Args:
        seed: the series.
        start: the first index.
        count: how many.

    Returns:
        The pictures, *display* space, and their labels.

    Example:
        >>> pixels, labels = draw_scenes(seed=0, start=3, count=2)
        >>> pixels.shape, labels.tolist()
        ((2, 128, 128, 3), [3, 4])
    """
    drawn = [scene(seed, index) for index in range(start, start + count)]
    return np.stack([one.pixels for one in drawn]), np.array([one.label for one in drawn])


def step(
    scaffold: Scaffold,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    recipe: Recipe,
    generator: torch.Generator,
) -> float:
    """Take one step of gradient descent, and renormalise the filters.

    Args:
        scaffold: the network in training, changed in place.
        optimizer: of its parameters.
        batch: images in *network* space and their labels.
        recipe: how to train.
        generator: where the input's noise and the dropout come from; torch's global generator is
            left alone.

    Returns:
        The batch's mean loss before the step, in nats.
    """
    images, labels = batch
    noise = torch.randn(images.shape, generator=generator)
    hidden = scaffold(images + recipe.noise * noise)
    kept = torch.rand(hidden.shape, generator=generator) >= recipe.dropout
    net = scaffold.net
    loss = functional.cross_entropy(net.fc7(hidden * kept / (1 - recipe.dropout)), labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    renormalize_filters(net.conv1, recipe.first_radius)
    for layer in (net.conv2, net.conv3, net.conv4, net.conv5):
        renormalize_filters(layer, recipe.radius)
    return float(loss.detach())


def make_optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """Make the gradient descent: weights decay, biases do not.

    Args:
        net: whose parameters are to be changed.
        recipe: rate, momentum and decay.

    Returns:
        Stochastic gradient descent with momentum.
    """
    weights = [parameter for parameter in net.parameters() if parameter.dim() > 1]
    biases = [parameter for parameter in net.parameters() if parameter.dim() == 1]
    groups = [
        {"params": weights, "weight_decay": recipe.decay},
        {"params": biases, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=recipe.momentum)


def train(
    seed: int,
    recipe: Recipe,
    workers: int = 0,
    keep: Callable[[int, DemoNet], None] | None = None,
) -> Iterator[tuple[DemoNet, float]]:
    """Train a network on fresh scenes, epoch by epoch.

    Args:
        seed: of weights, scenes and dropout; the same seed gives the same network on the same
            machine and number of threads.
        recipe: how to train.
        workers: processes that draw scenes ahead; 0 draws them here.
        keep: called with the number of steps taken and the network as it stands, folded, after
            each of `CHECKPOINTS` and after the last step. It does not change the training. Running
            means and variances trail the training by some ten steps: the first of these networks
            are normalised by what they began with.

    Yields:
        The network as it stands after the epoch, and the epoch's mean loss in nats.

    Example:
        >>> recipe = Recipe(epochs=1, scenes=12, batch=12)
        >>> [2 < loss < 3 for _, loss in train(0, recipe)]
        [True]
    """
    generator = torch.Generator().manual_seed(seed)
    scaffold = Scaffold(DemoNet(generator))
    optimizer = make_optimizer(scaffold, recipe)
    steps = 2 * (recipe.scenes // recipe.batch)
    kept = {*CHECKPOINTS, recipe.epochs * steps} if keep is not None else set()
    with _pool(workers) as pool:
        for epoch in range(recipe.epochs):
            total = 0.0
            for done, batch in enumerate(_batches(seed, epoch, recipe, pool), start=epoch * steps):
                part = done / (recipe.epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate * _schedule(part)
                total += step(scaffold, optimizer, batch, recipe, generator)
                if keep is not None and done + 1 in kept:
                    keep(done + 1, scaffold.fold())
            yield scaffold.fold(), total / steps


def accuracy(net: DemoNet, seed: int, count: int) -> float:
    """Measure how often the network names the main object of a scene.

    Args:
        net: the network.
        seed: the series of scenes; take one that training never used.
        count: how many scenes.

    Returns:
        The part that is right, 0 to 1.

    Example:
        >>> 0 <= accuracy(DemoNet(torch.Generator().manual_seed(0)), seed=5, count=12) <= 1
        True
    """
    right = 0
    net.eval()
    for start in range(0, count, 100):
        pixels, labels = draw_scenes(seed, start, min(100, count - start))
        with torch.inference_mode():
            guess = net(normalise(pixels)).argmax(dim=1)
        right += int((guess == torch.from_numpy(labels)).sum())
    return right / count


def main(arguments: list[str] | None = None) -> None:
    """Train, write the weights, and say how well they do on fresh scenes.

    Args:
        arguments: of the command line; None for the process's own.
    """
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="python -m striate.demo.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent, help="folder of the weights")
    parser.add_argument(
        "--checkpoints", type=Path, help="folder of the weights after 1, 2, 4, 9, 20, 44... steps"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that draw scenes")
    options = parser.parse_args(arguments)
    recipe = Recipe(epochs=options.epochs)
    begin = time.perf_counter()
    net: DemoNet | None = None
    keep = partial(_save_step, options.checkpoints) if options.checkpoints is not None else None
    epochs = train(options.seed, recipe, options.workers, keep)
    for epoch, (trained, loss) in enumerate(epochs, start=1):
        net = trained
        taken = time.perf_counter() - begin
        sys.stdout.write(f"epoch {epoch}/{recipe.epochs}  loss {loss:.3f}  {taken:.0f} s\n")
        sys.stdout.flush()
    if net is None:
        parser.error("--epochs must be 1 or more")
    _save(net, options.out / WEIGHTS.name)
    part = accuracy(net, seed=_series(options.seed, recipe.epochs), count=2400)
    sys.stdout.write(f"right on 2400 fresh scenes: {100 * part:.2f} %\n")


def _series(seed: int, epoch: int) -> int:
    """Give each epoch of each training a series of scenes of its own."""
    return 1_000_000 + 1_000 * seed + epoch


def _schedule(part: float) -> float:
    """Rise over the first twentieth, then fall along a cosine to 0."""
    if part < 0.05:
        return 0.1 + 18 * part
    return 0.5 + 0.5 * math.cos(math.pi * (part - 0.05) / 0.95)


def _pool(workers: int) -> ProcessPoolExecutor | nullcontext[None]:
    if workers == 0:
        return nullcontext()
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _batches(
    seed: int, epoch: int, recipe: Recipe, pool: ProcessPoolExecutor | None
) -> Iterator[Batch]:
    """Yield an epoch's batches, each as drawn and then mirrored; classes are balanced."""
    starts = range(0, recipe.scenes // recipe.batch * recipe.batch, recipe.batch)
    draw = partial(draw_scenes, _series(seed, epoch), count=recipe.batch)
    stacks = map(draw, starts) if pool is None else pool.map(draw, starts)
    for pixels, labels in stacks:
        images, names = normalise(pixels), torch.from_numpy(labels)
        yield images, names
        yield images.flip(3), names


def _save_step(folder: Path, steps: int, net: DemoNet) -> None:
    _save(net, folder / f"step-{steps:07d}.safetensors")


def _save(net: DemoNet, path: Path) -> None:
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save(net.state_dict()))


if __name__ == "__main__":
    main()
