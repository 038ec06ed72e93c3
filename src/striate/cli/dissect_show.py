"""``striate dissect show``: what was found, as text, JSON or NetDissect's tables."""

import json as json_module
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from striate.cli.dissect_options import Folder
from striate.cli.options import Globs, Json

if TYPE_CHECKING:
    from striate.dissection.results import Dissection

_BEST = 12
"""Units that are named of each layer."""

_BAR = 40

Level = Annotated[float, typer.Option(min=0, max=1, help="IoU above which a unit is a detector.")]


def show(
    folder: Folder,
    *,
    layers: Globs = None,
    level: Level = 0.04,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print NetDissect's table.")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="With --csv: a folder, a file a layer.")
    ] = None,
) -> None:
    """Show which concepts the units of each layer stand for, as text, JSON or NetDissect's CSV."""
    from striate.atlas.illustrate import chosen_layers
    from striate.atlas.store.reader import Atlas
    from striate.dissection.results import Dissection
    from striate.dissection.table import summary

    atlas = Atlas(folder)
    found = Dissection(atlas)
    if layers is None:
        chosen = list(found.layers)
    else:
        asked = chosen_layers(atlas, layers)
        chosen = [name for name in asked if name in found.layers]
        if not chosen:
            found.layer(asked[0])
    _check_asked(json=json, csv=csv, out=out)
    if csv:
        _write_tables(found, chosen, out)
    elif json:
        rows = [summary(found.layers[name], level) for name in chosen]
        typer.echo(json_module.dumps({"layers": rows}))
    else:
        print_found(found, chosen, level)


def _check_asked(*, json: bool, csv: bool, out: Path | None) -> None:
    """Refuse what does not go together.

    Raises:
        BadParameter: If two formats are asked for, or files of what is printed.
    """
    if json and csv:
        msg = "give --json or --csv, not both"
        raise typer.BadParameter(msg)
    if out is not None and not csv:
        msg = "-o writes tables: add --csv"
        raise typer.BadParameter(msg)


def _write_tables(found: "Dissection", chosen: Sequence[str], out: Path | None) -> None:
    """Print the table of one layer, or write one file a layer.

    Raises:
        BadParameter: If several layers would be printed as one table.
    """
    from striate.dissection.table import table

    if out is None:
        if len(chosen) != 1:
            msg = f"a table holds one layer, and there are {len(chosen)}: name one, or give -o DIR"
            raise typer.BadParameter(msg)
        typer.echo(table(found.layers[chosen[0]]), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        path = out / f"{name.replace('/', '_')}.csv"
        path.write_text(table(found.layers[name]), "utf-8")
        typer.echo(str(path))


def print_found(found: "Dissection", chosen: Sequence[str], level: float) -> None:
    """Say what was found: how much of each category, and the best units of each layer."""
    settings = found.settings
    seen = settings.images - len(settings.skipped)
    skipped = f", {len(settings.skipped)} skipped" * bool(settings.skipped)
    typer.echo(
        f"{len(found.concepts)} concepts ({', '.join(found.categories)}) on {seen} images{skipped}"
        f"; a detector has an IoU above {level:g}"
    )
    for name in chosen:
        layer = found.layers[name]
        detectors, unique = int(layer.detectors(level).sum()), layer.unique(level)
        typer.echo(
            f"{name}: {detectors} of {layer.units} units are detectors, of "
            f"{sum(map(len, unique.values()))} different concepts"
            + f" (maps resized: {layer.reason})"
            * bool(layer.reason)
        )
        widest = max((len(indices) for indices in unique.values()), default=0)
        for category, indices in unique.items():
            bar = "#" * round(_BAR * len(indices) / max(widest, _BAR))
            typer.echo(f"  {category:<10} {len(indices):>4}  {bar}".rstrip())
        for unit, concept, iou in _best_units(layer)[:_BEST]:
            if iou > level:
                typer.echo(f"    {concept:<24} {name}:{unit}  IoU {iou:.4f}")


def _best_units(layer: Any) -> list[tuple[int, str, float]]:
    """Return the best unit of each concept, the best first."""
    found: dict[int, tuple[int, str, float]] = {}
    for unit in layer.best_iou.argsort(kind="stable")[::-1].tolist():
        concept = int(layer.best[unit])
        if concept >= 0 and concept not in found:
            said = layer.concepts[concept]
            found[concept] = unit, f"{said.name} ({said.category})", float(layer.best_iou[unit])
    return list(found.values())
