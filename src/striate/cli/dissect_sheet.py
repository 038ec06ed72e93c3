"""``striate dissect sheet``: the best detectors of a layer in one picture."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.options import Device


def sheet(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An atlas that is dissected.")],
    *,
    layer: Annotated[str, typer.Option(help="Address of a layer.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    concept: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="NAME or CATEGORY:NAME. [default: each unit's best]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Units at most.")] = 12,
    columns: Annotated[int, typer.Option(min=1, help="Units side by side.")] = 2,
    device: Device = None,
) -> None:
    """Draw the units that agree best with their concepts, on their strongest images.

    With --concept: those that agree best with this one, detectors or not.
    """
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.dissection.results import Dissection
    from striate.dissection.sheet import detector_sheet
    from striate.image.encode import checked_kind, save

    checked_kind(out)
    atlas = Atlas(folder)
    dissection = Dissection(atlas)
    dissection.layer(atlas.layer(layer).address)
    network = network_of(atlas, device)
    picture = detector_sheet(
        network, atlas, dissection, layer, concept=concept, count=count, columns=columns
    )
    save(picture, out)
    typer.echo(str(out))
