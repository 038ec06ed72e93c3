"""``striate atlas``: watch every unit over a folder of images; show what came out."""

import json as json_module
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from striate.cli.options import (
    Antialias,
    Crop,
    Device,
    Globs,
    Interpolation,
    Json,
    NetworkName,
    Numbers,
    Random,
    Resize,
    recipe,
)
from striate.cli.progress import ProgressLine

_FLAGS = {"--restart", "--json", "--random", "--help", "--antialias", "--no-antialias"}


class _BuildUnlessNamed(TyperGroup):
    """``striate atlas NETWORK IMAGES`` builds; ``show`` and ``digest`` are named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["build", *_one_option_each(args)]
        result: list[str] = super().parse_args(ctx, args)
        return result


def _one_option_each(args: list[str]) -> list[str]:
    """Let ``--layers`` take several globs once NETWORK and IMAGES are given.

    >>> _one_option_each(["net", "images", "--layers", "a", "b*", "-o", "out"])
    ['net', 'images', '--layers', 'a', '--layers', 'b*', '-o', 'out']
    """
    result: list[str] = []
    positional, rest = 0, iter(args)
    several = False
    for arg in rest:
        if arg.startswith("-"):
            result.append(arg)
            several = arg == "--layers" and positional >= 2
            if arg not in _FLAGS and "=" not in arg:
                result.extend(islice(rest, 1))
        elif several:
            result += ["--layers", arg]
        else:
            positional += 1
            result.append(arg)
    return result


app = typer.Typer(
    cls=_BuildUnlessNamed,
    no_args_is_help=True,
    help="Watch every unit over a folder of images: striate atlas NETWORK IMAGES -o DIR.",
    rich_markup_mode=None,
)


@app.command("build")
def build(  # noqa: PLR0913 - one parameter an option
    network: NetworkName,
    images: Annotated[Path, typer.Argument(help="Folder, text list, or a folder per class.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the atlas goes.")],
    *,
    layers: Globs = None,
    labels: Annotated[Path | None, typer.Option(help="CSV: file, class index and name.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Strongest images kept of each unit.")] = 9,
    batch: Annotated[int, typer.Option(min=1, help="Images in a batch.")] = 32,
    random: Random = False,
    resize: Resize = None,
    crop: Crop = None,
    interpolation: Interpolation = None,
    antialias: Antialias = None,
    mean: Numbers = None,
    std: Numbers = None,
    device: Device = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads that read images.")] = None,
    max_bad: Annotated[
        float | None, typer.Option(min=0, max=1, help="Stop above this share of bad images.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew.")] = False,
    json: Json = False,
) -> None:
    """Watch every unit over a folder of images; interrupted, the same command goes on."""
    from striate.atlas.engines.local import build_atlas
    from striate.cli.memory import keep_memory

    keep_memory()
    made = recipe(
        network, random=random, resize=resize, crop=crop, interpolation=interpolation,
        antialias=antialias, mean=mean, std=std,
    )  # fmt: skip
    with ProgressLine("images") as line:
        atlas = build_atlas(
            made.load(device), images, out, labels=labels, layers=layers, top=top, batch=batch,
            restart=restart, max_bad=max_bad, workers=workers, recipe=made.to_json(),
            progress=line.passed,
        )  # fmt: skip
    summary = atlas.summary()
    if json:
        typer.echo(json_module.dumps(summary))
        return
    _print_summary(summary)
    for name, reason in atlas.skipped()[:5]:
        typer.echo(f"  skipped {name!r}: {reason}")
    typer.echo(f"look: striate sheet {out} {summary['layers'][0]['layer']} -o sheet.png")


@app.command("show")
def show(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    address: Annotated[str | None, typer.Argument(help="A layer or a unit.")] = None,
    *,
    json: Json = False,
) -> None:
    """Show an atlas, one of its layers, or one unit."""
    from striate.atlas.store.reader import Atlas
    from striate.network.address import Address

    atlas = Atlas(folder)
    if address is None:
        found: dict[str, Any] = atlas.summary()
        if not json:
            _print_summary(found, layers=True)
            return
    else:
        parsed = Address.parse(address)
        layer = atlas.layer(parsed).address
        units = atlas.units(layer) if parsed.unit is None else [atlas.unit(parsed)]
        found = {"layer": layer, "units": units}
        if not json:
            _print_units(found, one=parsed.unit is not None)
            return
    typer.echo(json_module.dumps(found))


@app.command("digest")
def digest(folder: Annotated[Path, typer.Argument(metavar="DIR")]) -> None:
    """Print a hash of the atlas's whole content: equal atlases have equal digests."""
    from striate.atlas.store.reader import Atlas

    typer.echo(Atlas(folder).digest())


def _print_summary(summary: dict[str, Any], *, layers: bool = False) -> None:
    typer.echo(
        f"{summary['network']}: {summary['units']} units of {len(summary['layers'])} layers over "
        f"{summary['seen']} images" + (f", {summary['skipped']} skipped" * bool(summary["skipped"]))
    )
    if summary["top1"] is not None:
        typer.echo(f"top-1 {summary['top1']:.1f} %, top-5 {summary['top5']:.1f} %")
    if layers:
        for row in summary["layers"]:
            size = " x ".join(map(str, row["map_size"]))
            field = row["receptive_field"]
            sees = " x ".join(map(str, field)) if field else "whole image"
            typer.echo(
                f"  {row['layer']:<40} {row['units']:>5} units  maps {size:<9}  sees {sees:<11}  "
                f"{row['dead']} dead"
            )


def _print_units(found: dict[str, Any], *, one: bool) -> None:
    for unit in found["units"]:
        most = "-" if unit["max"] is None else f"{unit['max']:.4g}"
        typer.echo(
            f"{found['layer']}:{unit['unit']}  max {most}  mean {unit['mean']:.4g}  fires on "
            f"{100 * unit['fires']:.1f} % of images" + ("  dead" * unit["dead"])
        )
        for entry in unit["top"] if one else []:
            typer.echo(
                f"  {entry['value']:.4g}  {entry['file']!r}  at {entry['row']},{entry['column']}  "
                f"box {tuple(entry['box'])}"
            )
