"""``striate dream``: a picture changed until a layer sees more of what it sees in it."""

from pathlib import Path
from typing import Annotated

import typer

from striate.cli.options import Load, with_network
from striate.cli.progress import ProgressLine


@with_network
def dream(  # noqa: PLR0913 - one parameter an option
    load: Load,
    image: Annotated[Path, typer.Argument(metavar="IMAGE")],
    layer: Annotated[str, typer.Option(help="A layer, or a unit of one.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    *,
    guide: Annotated[Path | None, typer.Option(help="Dream of what is in this picture.")] = None,
    octaves: Annotated[int, typer.Option(min=1, help="Sizes to work at.")] = 4,
    scale: Annotated[float, typer.Option(help="Ratio of two sizes.")] = 1.4,
    steps: Annotated[int, typer.Option(min=0, help="In each octave.")] = 10,
    step: Annotated[float, typer.Option(min=0, help="Mean change of a value, of 255.")] = 1.5,
    jitter: Annotated[int, typer.Option(min=0, help="Pixels.")] = 32,
    seed: Annotated[int, typer.Option(help="Of the jitter.")] = 0,
) -> None:
    """Let a layer dream (Mordvintsev et al.); larger pictures by --resize and --crop."""
    from striate.image.encode import checked_kind, save
    from striate.image.render import image_picture
    from striate.methods.deep_dream import deep_dream_frames, finished

    checked_kind(out)
    loaded = load()
    with ProgressLine("steps") as line:
        for frame in deep_dream_frames(
            loaded, loaded.read(image), layer, octaves=octaves, scale=scale, steps=steps,
            jitter=jitter, step=step, guide=None if guide is None else loaded.read(guide),
            seed=seed,
        ):  # fmt: skip
            if frame.step:
                line.counted(frame.step, frame.steps)
    found = finished(frame)
    save(image_picture(found.image.expand(3, -1, -1)), out)
    typer.echo(f"{found.objective}: {found.before:.4g} before, {found.after:.4g} after")
    typer.echo(str(out))
