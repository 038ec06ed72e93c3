"""``striate dissect rotate``, ``control`` and ``checkpoints``: what happens to the detectors."""

import json as json_module
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.dissect_options import (
    Batch,
    Concepts,
    Folder,
    More,
    Quantile,
    Ratio,
    Upsampling,
    sets,
)
from striate.cli.options import Device, Globs, Json, seed_option
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.atlas.engines.local import Progress
    from striate.dissection.studies import Study

_BAR = 32


def rotate_command(  # noqa: PLR0913 - one parameter an option
    folder: Folder,
    concepts: Concepts,
    more: More = None,
    *,
    layer: Annotated[str, typer.Option(help="Address of a layer.")],
    alpha: Annotated[
        list[float] | None,
        typer.Option(min=0, max=1, help="How far; may be repeated. [default: 0, 0.2, ... 1]"),
    ] = None,
    seed: Annotated[int, seed_option("Which rotation.")] = 0,
    quantile: Quantile = 0.005,
    ratio: Ratio = 2,
    upsampling: Upsampling = "field",
    batch: Batch = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Count what is detected by rotated directions instead of units, rotated further and further.

    Were units no more than any directions, the count would stay.
    """
    from dataclasses import asdict

    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.rotation import ALPHAS, rotate
    from striate.image.concepts.reading import concept_set

    keep_memory()
    atlas = Atlas(folder)
    with ProgressLine("images in two passes") as line:
        curve = rotate(
            network_of(atlas, device), atlas, concept_set(sets(concepts, more)), layer,
            ALPHAS if alpha is None else alpha, seed, quantile=quantile, ratio=ratio,
            upsampling=upsampling, batch=batch, progress=line.passed,
        )  # fmt: skip
    if json:
        typer.echo(json_module.dumps(asdict(curve)))
        return
    typer.echo(f"{curve.layer}: {curve.units} units, rotation {curve.seed}, {curve.images} images")
    for step in curve.steps:
        parts = ", ".join(f"{count} {category}" for category, count in step.unique.items())
        typer.echo(
            f"  alpha {step.alpha:<4g}  {step.total:>4} unique ({parts})  "
            f"{step.detectors} detectors"
        )


def control_command(  # noqa: PLR0913 - one parameter an option
    folder: Folder,
    concepts: Concepts,
    more: More = None,
    *,
    layers: Globs = None,
    seed: Annotated[
        list[int] | None, seed_option("Of random weights; may be repeated. [default: 0]")
    ] = None,
    quantile: Quantile = 0.005,
    ratio: Ratio = 2,
    upsampling: Upsampling = "field",
    batch: Batch = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Count the detectors of the network beside those of the same one with random weights."""
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.studies import control
    from striate.image.concepts.reading import concept_set

    keep_memory()
    atlas = Atlas(folder)
    labelled = concept_set(sets(concepts, more))
    with _lines() as say:
        found = control(
            network_of(atlas, device), atlas, labelled, layers=layers, seeds=seed or [0],
            quantile=quantile, ratio=ratio, upsampling=upsampling, batch=batch, progress=say,
        )  # fmt: skip
    _print(found, json=json)


def checkpoints_command(
    folder: Folder,
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Weights; numbers in their names are steps."),
    ],
    concepts: Concepts,
    *,
    layers: Globs = None,
    quantile: Quantile = 0.005,
    ratio: Ratio = 2,
    upsampling: Upsampling = "field",
    batch: Batch = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Count the detectors of a network at several moments of its training."""
    from striate.atlas.recipe import network_of, recipe_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.studies import checkpoints, loader
    from striate.image.concepts.reading import concept_set

    keep_memory()
    atlas = Atlas(folder)
    labelled = concept_set(concepts)
    with _lines() as say:
        found = checkpoints(
            network_of(atlas, device), atlas, files, labelled, loader(recipe_of(atlas), device),
            layers=layers, quantile=quantile, ratio=ratio, upsampling=upsampling, batch=batch,
            progress=say,
        )  # fmt: skip
    _print(found, json=json)


@contextmanager
def _lines() -> Iterator[Callable[[str, "Progress"], None]]:
    """Give what shows one line of progress for each network."""
    lines: dict[str, ProgressLine] = {}

    def say(name: str, progress: "Progress") -> None:
        if name not in lines:
            for line in lines.values():
                line.__exit__(None, None, None)
            lines[name] = ProgressLine(f"images in two passes: {name}")
        lines[name].passed(progress)

    yield say
    for line in list(lines.values())[-1:]:
        line.__exit__(None, None, None)


def _print(study: "Study", *, json: bool) -> None:
    if json:
        typer.echo(json_module.dumps(study.to_json()))
        return
    skipped = f", {study.skipped} skipped" * bool(study.skipped)
    typer.echo(f"{study.images} images{skipped}; a detector has an IoU above 0.04")
    width = max(len(one.name) for one in study.networks)
    heads = [f"{category[:10]:>10}" for category in study.categories]
    for place, first in enumerate(study.networks[0].layers):
        typer.echo(f"{first.address}: {first.units} units")
        typer.echo(f"  {'':{width}} detectors  unique {' '.join(heads)}")
        most = max(one.layers[place].total for one in study.networks)
        for one in study.networks:
            layer = one.layers[place]
            counts = [f"{len(layer.unique[category]):>10}" for category in study.categories]
            bar = "#" * round(_BAR * layer.total / max(most, 1))
            typer.echo(
                f"  {one.name:{width}} {layer.detectors:>9}  {layer.total:>6} {' '.join(counts)}"
                f"  {bar}".rstrip()
            )
