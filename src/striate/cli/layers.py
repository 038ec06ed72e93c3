"""``striate layers NETWORK``: the table of layers."""

import json as json_module
from typing import Any

import typer

from striate.cli.options import Json, Load, with_network


@with_network
def layers(load: Load, *, json: Json = False) -> None:
    """List the layers in execution order: operation, units, map size, stride, receptive field."""
    loaded = load("cpu")
    rows = [_row(loaded.layers[name]) for name in loaded.layers]
    if json:
        typer.echo(json_module.dumps(rows, indent=1))
        return
    height, width = loaded.image_size[1:]
    typer.echo(f"{loaded.name}: {len(rows)} layers, images {height} x {width}")
    cells = [
        (
            row["layer"], row["operation"], str(row["units"] or "-"),
            " x ".join(map(str, row["map_size"])),
            "-" if row["stride"] is None else f"{row['stride'][0]:g}",
            row["sees"],
        )
        for row in rows
    ]  # fmt: skip
    header = ("layer", "operation", "units", "map", "stride", "receptive field")
    widths = [max(len(row[k]) for row in [header, *cells]) for k in range(len(header))]
    for row in [header, *cells]:
        line = "  ".join(text.ljust(size) for text, size in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def _row(layer: Any) -> dict[str, Any]:
    field = layer.receptive_field
    return {
        "layer": layer.address,
        "operation": layer.operation,
        "units": layer.units,
        "map_size": list(layer.map_size),
        "stride": list(field.stride) if field.stride else None,
        "receptive_field": list(field.size) if field.size else None,
        "centre": list(field.centre) if field.centre else None,
        "sees": str(field),
    }
