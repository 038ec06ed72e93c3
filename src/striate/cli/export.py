"""``striate export``: the page as plain files, for any web host."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Device
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas


def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A finished atlas.")],
    site: Annotated[Path, typer.Argument(metavar="SITE", help="Where the page goes.")],
    *,
    device: Device = None,
) -> None:
    """Write the page of an atlas as files that any web host can serve; interrupted, it goes on.

    Pictures of units that are not there yet are made first. Small copies of the probe set's
    pictures become part of the site: publish it only if you may publish them.
    """
    from striate.atlas.illustrate import illustrate
    from striate.atlas.recipe import image_paths, network_of
    from striate.cli.memory import keep_memory
    from striate.web.export import check_site, finished, without_pictures
    from striate.web.export import export as write_site

    keep_memory()
    atlas = finished(folder)
    check_site(site.absolute())
    if without_pictures(atlas):
        network = network_of(atlas, device)
        with ProgressLine("units") as units, ProgressLine("thumbnails") as thumbnails:
            illustrate(
                network, atlas, image_paths(atlas), progress=units.counted,
                thumbnails=thumbnails.counted,
            )  # fmt: skip
    _picture_concepts(atlas, device)
    with ProgressLine("files") as line:
        made = write_site(folder, site, progress=line.counted)
    for absent in made.absent[:5]:
        typer.echo(absent, err=True)
    if len(made.absent) > 5:
        typer.echo(f"... and {len(made.absent) - 5} more synthetic images are absent", err=True)
    typer.echo(f"{made.files} files, {made.bytes / 1e6:.1f} MB in {site}")
    typer.echo(f"look: python -m http.server -d {site}")


def _picture_concepts(atlas: "Atlas", device: str | None) -> None:
    """Make the pictures of a dissected atlas's units that are not there yet."""
    from striate.atlas.recipe import network_of
    from striate.cli.dissect_pictures import make_pictures
    from striate.dissection.newest import NewestDissection
    from striate.dissection.pictures import without_strips

    dissection = NewestDissection(atlas).now()
    if dissection is not None and without_strips(atlas, dissection):
        make_pictures(network_of(atlas, device), atlas, dissection, every=True)
