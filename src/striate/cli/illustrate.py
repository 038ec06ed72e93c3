"""``striate illustrate`` and ``striate sheet``: the pictures of an atlas."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Device, Globs, seed_option
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas
    from striate.atlas.synthetic import Settings
    from striate.network.network import Network

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An atlas.")]


_Maximize = Annotated[
    bool, typer.Option("--maximize", help="Make a synthetic image of every unit too.")
]


def illustrate_command(
    folder: Folder,
    *,
    layers: Globs = None,
    maximize: _Maximize = False,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Of synthetic images, as in maximize, not centre-bias. [default: modern]"
        ),
    ] = None,
    seed: Annotated[int | None, seed_option("Of their noise. [default: 0]")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the preset's]")] = None,
    device: Device = None,
) -> None:
    """Make the pictures of every unit and layer as files; interrupted, it goes on.

    With --maximize, what is missing of these is made first, then an image for each unit that
    excites it as much as possible, and the page shows it. That takes long: choose --layers, and
    stop it at any time. Images made with another preset, seed or number of steps are made again.
    """
    from striate.atlas.illustrate import illustrate
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.atlas.synthesize import settings_of
    from striate.cli.memory import keep_memory

    settings = settings_of(preset or "modern", seed or 0, steps)
    _check_asked(maximize, preset, seed, steps)
    keep_memory()
    atlas = Atlas(folder)
    network = network_of(atlas, device)
    with ProgressLine("units") as units, ProgressLine("thumbnails") as thumbnails:
        made = illustrate(
            network, atlas, layers=layers, progress=units.counted, thumbnails=thumbnails.counted
        )
    typer.echo(f"{made} units illustrated in {folder / 'pictures'}")
    if maximize:
        _synthesize(network, atlas, settings, layers)


def _check_asked(maximize: bool, *settings: object) -> None:
    """Refuse settings of what is not made.

    Raises:
        BadParameter: If there are some.
    """
    if not maximize and any(setting is not None for setting in settings):
        msg = "--preset, --seed and --steps are about synthetic images: add --maximize"
        raise typer.BadParameter(msg)


def _synthesize(
    network: "Network", atlas: "Atlas", settings: "Settings", layers: list[str] | None
) -> None:
    """Make synthetic images; say how many there are, and why others are missing."""
    from striate.atlas.synthesize import synthesize

    with ProgressLine("synthetic images") as line:
        found = synthesize(network, atlas, settings, layers=layers, progress=line.counted)
    for address, reason in found.troubles.items():
        typer.echo(f"no synthetic image of {address}: {reason}", err=True)
    typer.echo(
        f"{found.made} synthetic images made, {found.there} of {found.units} units have one "
        f"({settings.preset}, {settings.steps} steps, seed {settings.seed})"
    )


def sheet_command(
    folder: Folder,
    addresses: Annotated[
        list[str], typer.Argument(metavar="ADDRESS...", help="Units; of a layer, twelve.")
    ],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    columns: Annotated[int, typer.Option(min=1, help="Units side by side.")] = 2,
    device: Device = None,
) -> None:
    """Draw units as in Zeiler & Fergus's figure 2: nine projections beside nine crops for each.

    Of a layer, its twelve most selective units are drawn; without labels, twelve spread over it.
    """
    from striate.atlas.recipe import image_paths, network_of
    from striate.atlas.sheet import sheet
    from striate.atlas.store.reader import Atlas
    from striate.image.encode import checked_kind, save

    checked_kind(out)
    atlas = Atlas(folder)
    for address in addresses:
        atlas.layer(address)
    network = network_of(atlas, device)
    save(sheet(network, atlas, image_paths(atlas), addresses, columns=columns), out)
    typer.echo(str(out))
