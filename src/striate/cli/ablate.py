"""``striate ablate``: which units of a layer a class rests on, by silencing them."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Device, Json, seed_option
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.dissection.roles import Intervention

_SHOWN = 8
"""Units named in a line of the table."""

_LEGEND = """\
  in %: balanced accuracy of the class against the rest, 50 is chance; before: with all units;
  without, last, random: without the {count} that it needs most, the {count} that it needs least, or
  {count} at random (mean of {draws} draws); only: with none but the {count} that it needs most;
  others: mean of the other classes; in brackets: what one unit alone takes off the class, on the
  images that ranked"""

_Classes = Annotated[
    list[str] | None,
    typer.Option("--class", help="Name or number; may be repeated. [default: all]"),
]


def ablate(  # noqa: PLR0913 - one parameter an option
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An atlas.")],
    *,
    layer: Annotated[str, typer.Option(help="Address of a layer.")],
    classes: _Classes = None,
    count: Annotated[
        int | None,
        typer.Option("-n", min=1, help="Units ablated together. [default: 20, at most a quarter]"),
    ] = None,
    to: Annotated[str, typer.Option(help="What they are set to: zero or mean.")] = "zero",
    images: Annotated[
        Path | None, typer.Option(help="Labelled pictures. [default: the atlas's]")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV with their classes. [default: class folders]")
    ] = None,
    seed: Annotated[int, seed_option("Of the two halves and of random units.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 32,
    device: Device = None,
    json: Json = False,
) -> None:
    """Rank a layer's units by what a class loses when each is silenced; judge it on other images.

    Accuracies are balanced, one class against the rest: 50 % says nothing of the class. Half of the
    images rank the units; the table is measured on the other half.
    """
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.ablation import ablate_atlas

    keep_memory()
    atlas = Atlas(folder)
    network = network_of(atlas, device)
    with ProgressLine("images") as line:
        found = ablate_atlas(
            network, atlas, layer, classes=classes, count=count, to=to, images=images,
            labels=labels, seed=seed, batch=batch, progress=line.counted,
        )  # fmt: skip
    if json:
        typer.echo(json_module.dumps(found.to_json()))
    else:
        _print(found)


def _print(found: "Intervention") -> None:
    typer.echo(
        f"{found.network} {found.layer}: {found.units} units ranked on {found.ranked_on} images, "
        f"judged on {found.judged_on} others; {found.count} ablated together, to {found.to}"
    )
    width = max(5, *(len(role.name) for role in found.classes))
    typer.echo(
        f"{'class':{width}}  images  before  without   last random    only  others before/without  "
        "units, with the drop of each alone"
    )
    for role in found.classes:
        cells = (role.before, role.without, role.without_last, role.without_random, role.only)
        units = [
            f"{unit} ({100 * drop:.1f})"
            for unit, drop in zip(role.units[:_SHOWN], role.drops, strict=False)
        ]
        typer.echo(
            f"{role.name:{width}}  {role.judged_on:6}  "
            + " ".join(f"{_percent(cell):>6} " for cell in cells)
            + f"      {_percent(role.others_before):>6} / {_percent(role.others_without):<6}  "
            + ", ".join(units)
        )
    typer.echo(_LEGEND.format(count=found.count, draws=found.draws))
    for name, reason in found.left_out[:5]:
        typer.echo(f"  left out {name!r}: {reason}")
    for name, reason in found.skipped[:5]:
        typer.echo(f"  skipped {name!r}: {reason}")


def _percent(part: float | None) -> str:
    return "-" if part is None else f"{100 * part:.1f}"
