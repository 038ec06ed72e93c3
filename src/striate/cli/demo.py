"""``striate demo``: the main job on the embedded network, offline."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Device, seed_option
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas
    from striate.network.network import Network

LABELLED = 240
"""Scenes on which units are compared with concepts."""


def demo(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where it goes.")] = Path("demo-atlas"),
    scenes: Annotated[int, typer.Option(min=10, help="How many scenes to draw.")] = 600,
    seed: Annotated[int, seed_option("Which scenes.")] = 2026,
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
    """Draw scenes, watch every unit of the embedded network over them, and show all on a page.

    What the units stand for is found on other scenes, whose pixels are labelled.
    """
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
    dissected = _dissect(network, atlas, out, seed + 1)
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
    typer.echo(dissected)
    typer.echo(f"Eight scenes above what a trained inverse guesses from {LAYER} alone: {inverse}")
    typer.echo(f"Ask for one unit: striate atlas show {out / 'atlas'} {list(atlas.layers)[2]}:0")
    if not is_shown(serve):
        typer.echo(f"Browse all of them: striate serve {out / 'atlas'}")
        return
    from striate.cli.serve import show
    from striate.web.serving import prepare

    typer.echo("Browse all of them:")
    show(prepare(out / "atlas"))


def _dissect(network: "Network", atlas: "Atlas", out: Path, seed: int) -> str:
    """Compare units with the pixels of labelled scenes; return in words what came out."""
    from striate.cli.dissect_pictures import make_pictures
    from striate.demo.concepts import write_demo_concepts
    from striate.demo.network import SIZE
    from striate.dissection.run import dissect
    from striate.image.concepts.reading import concept_set

    labelled = str(write_demo_concepts(out / "concepts", LABELLED, seed, SIZE).resolve())
    with ProgressLine("labelled scenes in two passes") as line:
        found = dissect(
            network, atlas, concept_set([labelled]), ratio=1, sources=[labelled],
            progress=line.passed,
        )  # fmt: skip
    make_pictures(network, atlas, found)
    counts = {name: sum(map(len, layer.unique().values())) for name, layer in found.layers.items()}
    said = ", ".join(f"{count} by {name}" for name, count in counts.items())
    return (
        f"Of {len(found.concepts)} concepts, on {LABELLED} labelled scenes, units detect {said}: "
        f"striate dissect show {out / 'atlas'}"
    )


def is_shown(asked: bool | None) -> bool:
    """Return whether to serve the page: as asked, else where somebody is there to look."""
    if asked is not None:
        return asked
    return sys.stdout.isatty() and not os.environ.get("CI")
