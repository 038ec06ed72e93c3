# ruff: noqa: INP001 - a program
"""UpconvNet beside optimization, on the same photographs: error in image space and feature space.

Dosovitskiy & Brox (CVPR 2016) find a crossover: the network that was trained to invert a layer
guesses images that lie nearer to the original, optimization finds images whose features lie nearer.
This script asks the same of SqueezeNet at 128 pixels:

    python docs/quality/upconvnet.py DATA OUT [--photographs 20] [--table-only]

DATA holds `caltech101` (with `labels.csv`: file, split), `imagenet-samples/images` and
`weights/squeezenet1_0_deepcompressed.safetensors`. For each layer an UpconvNet is trained on the
train split of caltech101; then photographs of its test split (the same domain) and of
imagenet-samples (another one) are inverted both ways. Optimization is `striate.inversion` as
published (CVPR 2015), from one start. OUT keeps checkpoints, and the distances in one JSON file;
interrupted, the same command goes on.

The numbers, in per cent, are of images as they are shown: in pixel space, clipped to [0, 1].

* image: ||x - x0|| / N, N being the mean distance between two photographs (the paper's)
* feature: ||F(x) - F0|| / ||F0||
* feature / N: the same over the mean distance between the features of two photographs

Both N are over the first 100 photographs of the set.
"""

import argparse
import csv
import hashlib
import json
import math
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch

import striate
from striate.files import write_whole
from striate.image.folder import ImageFile, find_images
from striate.methods.upconvnet.experiment import perturbed_errors
from striate.methods.upconvnet.net import UpconvNet, distance
from striate.methods.upconvnet.start import mean_distance
from striate.methods.upconvnet.training import train_upconvnet
from striate.network.network import Network
from striate.shapes import Image, Images

SIZE = 128
LAYERS: dict[str, dict[str, int]] = {
    "features.12.cat": {"width": 64, "epochs": 8},
    "features.9.cat": {"width": 64, "epochs": 4},
    "features.5.cat": {"width": 32, "epochs": 4},
}
"""Narrow decoders and few epochs: each takes minutes on one core."""

PAIRED = 100
"""Photographs whose mean distances are the normalisers."""

WAYS = ("UpconvNet", "optimization", "mean image")


def main() -> None:
    """Train what is not trained, invert what is not inverted, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--photographs", type=int, default=20)
    parser.add_argument("--table-only", action="store_true", help="only print what is there")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = Results(options.out / "upconvnet.json")
    if not options.table_only:
        torch.set_num_threads(1)
        weights = options.data / "weights/squeezenet1_0_deepcompressed.safetensors"
        network = striate.load(f"squeezenet1_0@{weights}", resize=SIZE, crop=SIZE)
        for layer in LAYERS:
            compare(network, layer, options.data, options.out, options.photographs, results)
    print_tables(results.found)


class Results:
    """What was measured, in a file that is written after each photograph."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def keep(self) -> None:
        """Write the file, whole."""
        write_whole(self.path, json.dumps(self.found, indent=1).encode())


def compare(
    network: Network, layer: str, data: Path, out: Path, count: int, results: Results
) -> None:
    """Invert photographs of both domains, each way."""
    train = of_split(data / "caltech101", "train")
    found = results.found.setdefault(layer, {"domains": {}})
    upconvnet = trained(network, layer, train, out, found)
    average = torch.stack([network.read(image.path) for image in chosen(train, 200)]).mean(0)
    domains = {
        "caltech101, test": of_split(data / "caltech101", "test"),
        "imagenet-samples": find_images(data / "imagenet-samples" / "images"),
    }
    for domain, images in domains.items():
        files = chosen(images, PAIRED)
        photographs = torch.stack([network.read(image.path) for image in files])
        kept = found["domains"].setdefault(domain, {"photographs": {}})
        kept |= scales_of(network, upconvnet, photographs)
        for file, photograph in zip(files[:count], photographs[:count], strict=True):
            invert(network, upconvnet, average, photograph,
                   kept["photographs"].setdefault(file.name, {}))  # fmt: skip
            results.keep()
            say(f"{layer}: {domain}, {file.name}")


def trained(
    network: Network, layer: str, images: list[ImageFile], out: Path, found: dict[str, Any]
) -> UpconvNet:
    """Return the UpconvNet of a layer, trained as far as it is not."""
    began = time.monotonic()
    for frame in train_upconvnet(
        network, layer, images, batch=16, flip=True, save_every=20, workers=1,
        checkpoint=out / f"{layer}.safetensors", **LAYERS[layer],
    ):  # fmt: skip
        if frame.step % 20 == 0:
            seconds = time.monotonic() - began
            say(
                f"{layer}: step {frame.step} of {frame.steps}, loss {frame.loss:.3f}, "
                f"held-out error {frame.image_error}, {seconds:.0f} s"
            )
    found["held-out image error"] = frame.image_error
    found["training"] = {**LAYERS[layer], "steps": frame.steps, "images": len(images)}
    return frame.upconvnet


def invert(
    network: Network, upconvnet: UpconvNet, average: Image, photograph: Image, kept: dict[str, Any]
) -> None:
    """Invert one photograph in the ways that are not kept yet."""
    layer, reads = upconvnet.recipe.layer, upconvnet.recipe.reads

    def measured(image: Images) -> dict[str, float]:
        seen = upconvnet.features(network, reads.to_network(image))
        return {
            "image": distance(image, shown),
            "feature": distance(seen, wanted) / float(wanted.double().norm()),
        }

    shown, wanted = reads.to_pixels(photograph[None]), upconvnet.features(network, photograph[None])
    kept["feature norm"] = float(wanted.double().norm())
    if "UpconvNet" not in kept:
        kept["UpconvNet"] = measured(upconvnet.reconstruct(wanted))
        kept["mean image"] = measured(reads.to_pixels(average[None]))
    if "optimization" not in kept:
        began = time.monotonic()
        made = striate.inversion(network, photograph, layer)
        kept["optimization"] = {
            **measured(made.image[None]),
            "feature, not clipped": math.sqrt(made.error),
            "weight": made.weight,
            "seconds": time.monotonic() - began,
        }


def scales_of(network: Network, upconvnet: UpconvNet, photographs: Images) -> dict[str, Any]:
    """Return the mean distances between two photographs, and errors of changed features."""
    return {
        "image distance": mean_distance(upconvnet.recipe.shown(photographs)),
        "feature distance": mean_distance(upconvnet.features(network, photographs)),
        "changed": perturbed_errors(upconvnet, network, photographs),
        "training's image distance": upconvnet.image_distance,
    }


def say(text: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def of_split(folder: Path, split: str) -> list[ImageFile]:
    """Return the images of a folder that its labels.csv puts into a split."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        names = {row["file"] for row in csv.DictReader(file) if row["split"] == split}
    return [image for image in find_images(folder) if image.name in names]


def chosen(images: list[ImageFile], count: int) -> list[ImageFile]:
    """Choose images by chance, though always the same: more of them include the fewer."""
    return sorted(images, key=lambda one: hashlib.sha256(one.name.encode()).digest())[:count]


def print_tables(found: dict[str, Any]) -> None:
    """Print errors, mean ± standard deviation over the photographs, as Markdown."""
    say("| layer | photographs | | image % | feature % | feature / N % |")
    say("| --- | --- | --- | --- | --- | --- |")
    for layer, about in found.items():
        for domain, kept in about["domains"].items():
            done = [one for one in kept["photographs"].values() if "optimization" in one]
            for way in WAYS if done else ():
                cells = " | ".join(spread(values) for values in errors(kept, done, way))
                say(f"| {layer} | {len(done)} of {domain} | {way} | {cells} |")
    say("\n| layer | photographs | change of the features | image % |\n| --- | --- | --- | --- |")
    for layer, about in found.items():
        for domain, kept in about["domains"].items():
            # From the mean distance between the training's images to that between these.
            factor = kept["training's image distance"] / kept["image distance"]
            for change, error in kept["changed"].items():
                say(f"| {layer} | {PAIRED} of {domain} | {change} | {100 * factor * error:.1f} |")
    for layer, about in found.items():
        say(f"\n{layer}: held-out image error of the training {about['held-out image error']}")


def errors(kept: dict[str, Any], done: list[dict[str, Any]], way: str) -> list[list[float]]:
    """Return the three errors of each photograph."""
    norms = [one["feature norm"] / kept["feature distance"] for one in done]
    relative = [one[way]["feature"] for one in done]
    return [
        [one[way]["image"] / kept["image distance"] for one in done],
        relative,
        [norm * error for norm, error in zip(norms, relative, strict=True)],
    ]


def spread(values: list[float]) -> str:
    """Write per cents as mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{100 * statistics.mean(values):.1f} ± {100 * deviation:.1f}"


if __name__ == "__main__":
    main()
