"""Train the demo network's inverse: `python -m striate.demo.upconv`.

An UpconvNet that guesses a scene from what the fourth convolution makes of it, trained on scenes
of a series of their own. It lies beside the network's weights, in half precision.

Source: Dosovitskiy and Brox, *Inverting Visual Representations with Convolutional Networks*, CVPR
2016.

Differs from the source: a decoder of a quarter of the width, batches of 16 in place of 64, and a
few thousand scenes, so that minutes suffice.
"""

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from striate.demo.job import demo_recipe, draw_scenes
from striate.demo.network import WEIGHTS
from striate.demo.train import draw_scenes as draw_stack
from striate.demo.train import normalise
from striate.errors import NetworkError
from striate.image.encode import save
from striate.image.folder import find_images
from striate.image.grid import grid
from striate.image.render import Picture, image_picture
from striate.methods.upconvnet.checkpoint import read_checkpoint, write_checkpoint
from striate.methods.upconvnet.experiment import perturbed_errors
from striate.methods.upconvnet.net import UpconvNet
from striate.methods.upconvnet.training import TrainingFrame, train_upconvnet
from striate.network.network import Network
from striate.shapes import Images

LAYER = "relu4"
INVERSE = WEIGHTS.with_name("upconvnet.safetensors")
MEASURED = 200
"""On how many fresh scenes the script measures errors."""

TRAINED_ON, FRESH = 3_000_000, 4_000_000
"""Series of scenes: to train on, and to measure on; `striate.demo.train` uses others."""


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        scenes: how many are drawn; each is seen once an epoch, mirrored at random.
        epochs: how often each is seen.
        batch: how many scenes make a step.
        width: of the decoder.
        seed: of first weights, order and mirroring.
    """

    scenes: int = 3000
    epochs: int = 8
    batch: int = 16
    width: int = 64
    seed: int = 0


def train(network: Network, folder: Path, recipe: Recipe) -> Iterator[TrainingFrame]:
    """Train an inverse of the demo network on scenes; an interrupted training goes on.

    Args:
        network: the demo network.
        folder: where the scenes and the checkpoint go, or are.
        recipe: how to train.

    Returns:
        Frames, one a batch; the last holds the trained UpconvNet.
    """
    scenes = draw_scenes(folder, recipe.scenes, TRAINED_ON)
    return train_upconvnet(
        network, LAYER, find_images(scenes), epochs=recipe.epochs, batch=recipe.batch,
        width=recipe.width, flip=True, seed=recipe.seed, checkpoint=folder / "training.safetensors",
    )  # fmt: skip


def write(upconvnet: UpconvNet, path: Path) -> None:
    """Write an inverse of the embedded network, its decoder in half precision.

    Args:
        upconvnet: trained on the embedded network.
        path: where it goes.
    """
    facts, tensors = upconvnet.parts()
    halved = {k: v.half() if k.startswith("decoder.") else v for k, v in tensors.items()}
    write_checkpoint(path, {**facts, "inverts": _digest(WEIGHTS)}, halved)


def demo_upconvnet(path: Path = INVERSE, *, device: str = "cpu") -> UpconvNet:
    """Open the embedded inverse of the demo network.

    Args:
        path: what `write` wrote.
        device: where it goes.

    Returns:
        An UpconvNet for `LAYER` of the network that `striate.demo.job.demo_recipe` loads.

    Raises:
        NetworkError: it is of other weights than those embedded.
        MethodError: it is missing or damaged.

    Example:
        >>> demo_upconvnet().recipe.layer
        'relu4'
    """
    facts, tensors = read_checkpoint(path)
    if facts.get("inverts") != _digest(WEIGHTS):
        raise NetworkError(
            f"{path} inverts other weights than {WEIGHTS}; "
            "`python -m striate.demo.upconv` makes it anew"
        )
    found = UpconvNet.from_parts(facts, tensors, None, torch.device(device))
    # The weights are the same; how torch writes their graph down may differ with its version.
    own = demo_recipe().load("cpu").fingerprint()
    return replace(found, recipe=replace(found.recipe, fingerprint=own))


def fresh(network: Network, count: int, seed: int = FRESH) -> Images:
    """Draw scenes that no inverse was trained on, in *network* space, on the network's device.

    Args:
        network: the demo network.
        count: how many.
        seed: the series.
    """
    return normalise(draw_stack(seed, 0, count)[0]).to(network.device).contiguous()


def guesses_picture(network: Network, upconvnet: UpconvNet, images: Images) -> Picture:
    """Lay scenes out in a row, above the guesses.

    Args:
        network: the demo network.
        upconvnet: its inverse.
        images: scenes, *network* space.
    """
    guesses = upconvnet.reconstruct(upconvnet.features(network, images))
    shown = [*upconvnet.recipe.shown(images).cpu(), *guesses.cpu()]
    return grid([image_picture(one) for one in shown], len(images), gap=4)


def main(arguments: list[str] | None = None) -> None:
    """Train, write the inverse, and say how well it does on fresh scenes.

    Args:
        arguments: of the command line; None for the process's own.
    """
    recipe = Recipe()
    parser = argparse.ArgumentParser(prog="python -m striate.demo.upconv", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--epochs", type=int, default=recipe.epochs)
    parser.add_argument("--scenes", type=int, default=recipe.scenes)
    parser.add_argument("--seed", type=int, default=recipe.seed)
    parser.add_argument("--out", type=Path, default=INVERSE, help="file of the inverse")
    parser.add_argument("--folder", type=Path, help="keep scenes and checkpoints, to go on there")
    parser.add_argument("--picture", type=Path, help="a .png of eight fresh scenes and guesses")
    options = parser.parse_args(arguments)
    recipe = Recipe(scenes=options.scenes, epochs=options.epochs, seed=options.seed)
    network = demo_recipe().load("cpu")
    sys.stdout.write(f"drawing {recipe.scenes} scenes\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as spare:
        folder = options.folder or Path(spare)
        upconvnet = _follow(train(network, folder, recipe), recipe.epochs)
    write(upconvnet, options.out)
    embedded = demo_upconvnet(options.out)
    for name, error in perturbed_errors(embedded, network, fresh(network, MEASURED)).items():
        sys.stdout.write(f"image error on {MEASURED} fresh scenes, {name}: {100 * error:.1f} %\n")
    if options.picture is not None:
        save(guesses_picture(network, embedded, fresh(network, 8)), options.picture)


def _follow(frames: Iterator[TrainingFrame], epochs: int) -> UpconvNet:
    """Say after each epoch how far the training is; return what it made."""
    began = time.perf_counter()
    *_, last = (_said(frame, epochs, began) for frame in frames)
    return last.upconvnet


def _said(frame: TrainingFrame, epochs: int, began: float) -> TrainingFrame:
    if frame.step % (frame.steps // epochs) == 0 and frame.image_error is not None:
        error, taken = 100 * frame.image_error, time.perf_counter() - began
        sys.stdout.write(
            f"epoch {frame.epoch}/{epochs}  loss {frame.loss:.3f}  error on held-out scenes "
            f"{error:.1f} %  {taken:.0f} s\n"
        )
        sys.stdout.flush()
    return frame


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
