"""Steps until an image excites a unit more than any of 1000 photographs: ours beside Lucent's.

Both run with their defaults; each image, at some numbers of steps, is shown to the network at its
own input size (Lucent's 128 pixels enlarged to it, as Lucent does). Needs the trained SqueezeNet
and the photographs of ``STRIATE_DATA``.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import striate
from benchmarks.maximization import lucent
from benchmarks.report import print_table
from striate.image.folder import find_images
from striate.network.network import Network
from striate.optimize import maximize
from striate.optimize.presets import PRESETS
from striate.optimize.space import Space

CHECKED = (4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
LAYERS = ("features.3.cat", "features.5.cat", "features.8.cat", "features.12.cat")
WEIGHTS = Path("weights", "squeezenet1_0_deepcompressed.safetensors")


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    del rounds  # Nothing is timed.
    folder = os.environ.get("STRIATE_DATA")
    render = lucent()
    if folder is None or render is None:
        print("reaching: STRIATE_DATA and Lucent are needed")
        return []
    module = _module(Path(folder, WEIGHTS))
    network = striate.load(module, resize=256, crop=224, name="squeezenet1_0")
    maxima = _maxima(network, Path(folder, "imagenet-samples", "images"))
    found: list[dict[str, Any]] = []
    for layer in LAYERS:
        step = max(len(maxima[layer]) // (2 if quick else 4), 1)
        units = [k for k in range(1, len(maxima[layer]), step) if maxima[layer][k] > 0]
        goal = maxima[layer][units]
        ours = _first(_ours(network, layer, units), goal)
        theirs = _first(_lucents(render, module, network, layer, units), goal)
        found.append({"layer": layer, "units": units, "ours": ours, "lucent": theirs})
    print_table(
        f"Steps to exceed the photographs' maximum, of {CHECKED}; - is not in {CHECKED[-1]}",
        ("layer", "units", "ours, median", "each", "Lucent, median", "each"),
        [
            [r["layer"], len(r["units"]), _middle(r["ours"]), _said(r["ours"]),
             _middle(r["lucent"]), _said(r["lucent"])]
            for r in found
        ],
    )  # fmt: skip
    return found


def _module(weights: Path) -> Any:
    import torchvision
    from safetensors.torch import load_file

    module = torchvision.models.squeezenet1_0(weights=None).eval()
    module.load_state_dict(load_file(weights))
    return module.requires_grad_(requires_grad=False)


@torch.no_grad()
def _maxima(network: Network, folder: Path) -> dict[str, Tensor]:
    """Return each unit's largest activation on the photographs."""
    maxima: dict[str, Tensor] = {}
    for file in find_images(folder):
        seen = network.record(network.read(file.path)[None], LAYERS)
        for layer, maps in seen.items():
            peaks = maps[0].flatten(1).amax(1)
            maxima[layer] = torch.maximum(maxima.get(layer, peaks), peaks)
    return maxima


def _ours(network: Network, layer: str, units: list[int]) -> Iterator[tuple[int, Tensor]]:
    """Yield numbers of steps and what each unit's image reaches then."""
    space, preset = Space.of(network), PRESETS["modern"]
    (job,) = maximize.plan(network, [f"{layer}:{unit}" for unit in units], preset)
    # The frame of a step comes before its move: one more, to see what the last one made.
    for frame in maximize.run(network, job, preset, steps=CHECKED[-1] + 1):
        if frame.step in CHECKED:
            pixels = space.pixels(job.placed(frame.images)).clamp(0, 1)
            yield frame.step, _peaks(network, layer, units, pixels)


def _lucents(
    render: Any, module: torch.nn.Module, network: Network, layer: str, units: list[int]
) -> Iterator[tuple[int, Tensor]]:
    name = layer.removesuffix(".cat").replace(".", "_")
    images: dict[int, list[Tensor]] = {}
    for unit in units:
        made = render.render_vis(
            module, f"{name}:{unit}", thresholds=CHECKED, progress=False, show_image=False
        )
        for step, image in zip(CHECKED, made, strict=True):
            images.setdefault(step, []).append(torch.from_numpy(image)[0].permute(2, 0, 1))
    for step, pixels in images.items():
        enlarged = functional.interpolate(
            torch.stack(pixels), size=network.image_size[1:], mode="bilinear", align_corners=True
        )
        yield step, _peaks(network, layer, units, enlarged.clamp(0, 1))


@torch.no_grad()
def _peaks(network: Network, layer: str, units: list[int], pixels: Tensor) -> Tensor:
    images = Space.of(network).network(pixels)
    maps = network.record(images, [layer])[layer]
    return torch.stack([maps[k, unit].amax() for k, unit in enumerate(units)])


def _first(reached: Iterator[tuple[int, Tensor]], goal: Tensor) -> list[int | None]:
    """Return for each unit the first checked step at which its image exceeds the goal."""
    first: list[int | None] = [None] * len(goal)
    for step, values in reached:
        for k, exceeds in enumerate((values > goal).tolist()):
            if exceeds and first[k] is None:
                first[k] = step
    return first


def _middle(steps: list[int | None]) -> str:
    found = median(CHECKED[-1] + 1 if step is None else step for step in steps)
    return "-" if found > CHECKED[-1] else f"{found:g}"


def _said(steps: list[int | None]) -> str:
    counted: Mapping[int | None, int] = {step: steps.count(step) for step in steps}
    return ", ".join(f"{count} x {step or '-'}" for step, count in counted.items())
