"""The pictures at the end of ``striate dissect``: strips of units, on their strongest images."""

from typing import TYPE_CHECKING

import typer

from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas
    from striate.dissection.results import Dissection
    from striate.network.network import Network

_NAMED = 3


def make_pictures(
    network: "Network",
    atlas: "Atlas",
    dissection: "Dissection",
    *,
    layers: list[str] | None = None,
    every: bool = False,
) -> None:
    """Make and store what is missing; say how many there are, and why some are not.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        dissection: Its dissection.
        layers: Addresses or globs; None for all that are dissected.
        every: Whether to make those of units that detect nothing, too.
    """
    from striate.dissection.pictures import picture_concepts

    with ProgressLine("pictures") as line:
        made = picture_concepts(
            network, atlas, dissection, layers=layers, every=every, progress=line.counted
        )
    for address, reason in list(made.troubles.items())[:_NAMED]:
        typer.echo(f"no picture of {address}: {reason}", err=True)
    if len(made.troubles) > _NAMED:
        typer.echo(f"and {len(made.troubles) - _NAMED} more units without one", err=True)
    whose = "units" if every else "detectors"
    typer.echo(
        f"{made.made} pictures made, {made.there} {whose} have one in {atlas.home / 'pictures'}"
    )
