"""``striate dissect``: which concepts the units of an atlas stand for."""

from typing import Annotated

import typer

from striate.cli.default_group import DefaultGroup
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
from striate.cli.dissect_pictures import make_pictures
from striate.cli.dissect_sheet import sheet
from striate.cli.dissect_show import print_found, show
from striate.cli.dissect_studies import checkpoints_command, control_command, rotate_command
from striate.cli.options import Device, Globs
from striate.cli.progress import ProgressLine

app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    help="Which concepts units stand for: striate dissect DIR --concepts SET...; dissect show DIR.",
    rich_markup_mode=None,
)


@app.command("units")
def units(  # noqa: PLR0913 - one parameter an option
    folder: Folder,
    concepts: Concepts,
    more: More = None,
    *,
    layers: Globs = None,
    quantile: Quantile = 0.005,
    ratio: Ratio = 2,
    upsampling: Upsampling = "field",
    batch: Batch = 32,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures/--no-pictures", help="Picture what detectors see.")
    ] = True,
    device: Device = None,
) -> None:
    """Compare units with labelled pixels; interrupted, the same command goes on."""
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.run import dissect
    from striate.image.concepts.reading import concept_set, placed

    keep_memory()
    atlas = Atlas(folder)
    asked = sets(concepts, more)
    labelled, network = concept_set(asked), network_of(atlas, device)
    with ProgressLine("images in two passes") as line:
        found = dissect(
            network, atlas, labelled, layers=layers, quantile=quantile,
            ratio=ratio, upsampling=upsampling, batch=batch, restart=restart,
            sources=[placed(source) for source in asked],
            progress=line.passed,
        )  # fmt: skip
    print_found(found, list(found.layers), 0.04)
    for name, reason in found.settings.skipped[:5]:
        typer.echo(f"  skipped {name!r}: {reason}")
    if pictures:
        make_pictures(network, atlas, found, layers=layers)


app.command("show")(show)
app.command("sheet")(sheet)
app.command("rotate")(rotate_command)
app.command("control")(control_command)
app.command("checkpoints")(checkpoints_command)
