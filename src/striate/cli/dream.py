"""``striate dream``: a picture changed until a layer sees more of what it sees in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, check_pictures, seed_option, with_network
from striate.cli.wish import go_through

if TYPE_CHECKING:
    from striate.methods.deep_dream import DreamFrame


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
    seed: Annotated[int, seed_option("Of the jitter.")] = 0,
) -> None:
    """Let a layer dream (Mordvintsev et al.); larger pictures by --resize and --crop.

    Ctrl-C keeps the dream so far.
    """
    from striate.image.encode import checked_kind, save
    from striate.image.render import image_picture
    from striate.methods.deep_dream import deep_dream_frames, finished

    checked_kind(out)
    check_pictures(image, guide)
    loaded = load(at_own_size=True)
    run = deep_dream_frames(
        loaded, loaded.read(image), layer, octaves=octaves, scale=scale, steps=steps,
        jitter=jitter, step=step, guide=None if guide is None else loaded.read(guide), seed=seed,
    )  # fmt: skip
    last: list[DreamFrame] = []

    def write() -> None:
        (frame,) = last
        found = finished(frame)
        typer.echo(f"{found.objective}: {found.before:.4g} before, {found.after:.4g} after")
        if frame.step < frame.steps:
            typer.echo(f"stopped in octave {frame.octave + 1} of {octaves}")
        save(image_picture(found.image.expand(3, -1, -1)), out)
        typer.echo(str(out))

    def take(frame: "DreamFrame") -> None:
        last[:] = [frame]

    go_through(run, take, write, lambda frame: (frame.step, frame.steps))
