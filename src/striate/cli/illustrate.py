"""``striate illustrate`` and ``striate sheet``: the pictures of an atlas."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.options import Device, Globs
from striate.cli.progress import ProgressLine

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An atlas.")]


def illustrate_command(folder: Folder, *, layers: Globs = None, device: Device = None) -> None:
    """Make the pictures of every unit and layer as files; interrupted, it goes on."""
    from striate.atlas.illustrate import illustrate
    from striate.atlas.recipe import image_paths, network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory

    keep_memory()
    atlas = Atlas(folder)
    network = network_of(atlas, device)
    with ProgressLine("units") as units, ProgressLine("thumbnails") as thumbnails:
        made = illustrate(
            network, atlas, image_paths(atlas), layers=layers, progress=units.counted,
            thumbnails=thumbnails.counted,
        )  # fmt: skip
    typer.echo(f"{made} units illustrated in {folder / 'pictures'}")


def sheet_command(
    folder: Folder,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Units or layers.")],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    columns: Annotated[int, typer.Option(min=1, help="Units side by side.")] = 2,
    device: Device = None,
) -> None:
    """Draw units as in Zeiler & Fergus's figure 2: nine projections beside nine crops for each."""
    from striate.atlas.recipe import image_paths, network_of
    from striate.atlas.sheet import sheet
    from striate.atlas.store.reader import Atlas
    from striate.image.encode import save

    atlas = Atlas(folder)
    for address in addresses:
        atlas.layer(address)
    network = network_of(atlas, device)
    save(sheet(network, atlas, image_paths(atlas), addresses, columns=columns), out)
    typer.echo(str(out))
