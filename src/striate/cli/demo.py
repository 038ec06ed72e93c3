"""``striate demo``: the main job on the embedded network, offline."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from striate.cli.options import Device
from striate.cli.progress import ProgressLine


def demo(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where it goes.")] = Path("demo-atlas"),
    scenes: Annotated[int, typer.Option(min=10, help="How many scenes to draw.")] = 600,
    seed: Annotated[int, typer.Option(help="Which scenes.")] = 2026,
    device: Device = None,
    serve: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve",
            help="Show the page at the end, until Ctrl-C. [default: at a terminal]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw scenes, watch every unit of the embedded network over them, and show all on a page."""
    from striate.atlas.engines.local import build_atlas
    from striate.atlas.illustrate import illustrate
    from striate.atlas.recipe import image_paths
    from striate.atlas.sheet import sheet
    from striate.cli.memory import keep_memory
    from striate.demo.job import demo_recipe, draw_scenes
    from striate.demo.upconv import LAYER, demo_upconvnet, fresh, guesses_picture
    from striate.image.encode import save

    keep_memory()
    folder = draw_scenes(out / "scenes", scenes, seed)
    recipe = demo_recipe()
    network = recipe.load(device)
    with ProgressLine("images") as line:
        atlas = build_atlas(
            network, folder, out / "atlas", recipe=recipe.to_json(), progress=line.passed
        )
    with ProgressLine("units") as line:
        illustrate(network, atlas, image_paths(atlas), progress=line.counted)
    paths = image_paths(atlas)
    sheets = []
    for layer in list(atlas.layers)[:5]:
        sheets.append(out / f"sheet-{layer}.png")
        save(sheet(network, atlas, paths, [layer]), sheets[-1])
    inverse = out / "inverse.png"
    guessing = demo_upconvnet(device=str(network.device))
    save(guesses_picture(network, guessing, fresh(network, 8)), inverse)
    summary = atlas.summary()
    typer.echo(
        f"{summary['units']} units of {len(summary['layers'])} layers over {summary['seen']} "
        f"scenes; top-1 {summary['top1']:.1f} %"
    )
    typer.echo("Look at what each layer sees (nine projections beside nine crops for each unit):")
    for path in sheets:
        typer.echo(f"  {path}")
    typer.echo(f"Eight scenes above what a trained inverse guesses from {LAYER} alone: {inverse}")
    typer.echo(f"Ask for one unit: striate atlas show {out / 'atlas'} {list(atlas.layers)[2]}:0")
    if not is_shown(serve):
        typer.echo(f"Browse all of them: striate serve {out / 'atlas'}")
        return
    from striate.cli.serve import show
    from striate.web.serving import prepare

    typer.echo("Browse all of them:")
    show(prepare(out / "atlas"))


def is_shown(asked: bool | None) -> bool:
    """Return whether to serve the page: as asked, else where somebody is there to look."""
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("CI")
