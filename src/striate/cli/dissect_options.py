"""The options that the verbs of ``striate dissect`` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="An atlas.")]
Concepts = Annotated[
    list[str],
    typer.Option(
        "--concepts",
        metavar="SET...",
        help="A folder of labelled images, CATEGORY=FOLDER, or colours; several.",
    ),
]
More = Annotated[list[str] | None, typer.Argument(metavar="SET", hidden=True)]
"""What follows the first SET: an option takes one value, and the rest are arguments."""
Quantile = Annotated[float, typer.Option(help="Share of activations that count as active.")]
Ratio = Annotated[int, typer.Option(min=1, help="Pixels of the input for one of the grid.")]
Upsampling = Annotated[str, typer.Option(help="field (centres of receptive fields) or resize.")]
Batch = Annotated[int, typer.Option(min=1, help="Images in a batch.")]


def sets(concepts: Sequence[str], more: Sequence[str] | None) -> list[str]:
    """Return all sets of ``--concepts A B --concepts C``.

    >>> sets(["camvid", "colours"], ["textures"])
    ['camvid', 'colours', 'textures']
    """
    return [*concepts, *(more or ())]
