"""``striate upconv train``: train a network that guesses images from what a layer keeps."""

import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from striate.cli.options import Load, seed_option, with_network
from striate.cli.progress import ProgressLine
from striate.cli.upconv_invert import invert

Out = Annotated[Path, typer.Option("-o", "--out", help="Where it goes.")]

app = typer.Typer(
    no_args_is_help=True,
    help="What a layer keeps of an image: a network trained to guess the image back.",
    rich_markup_mode=None,
)


@app.command("train")
@with_network
def train(  # noqa: PLR0913 - one parameter an option
    load: Load,
    folder: Annotated[Path, typer.Argument(help="Folder of images, or a text list.")],
    layer: Annotated[str, typer.Option("--layer", help="Address, as in `striate layers`.")],
    out: Out,
    *,
    epochs: Annotated[int, typer.Option(min=1, help="How often each image is seen.")] = 10,
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 64,
    width: Annotated[int, typer.Option(min=1, help="Of the decoder; 32 is narrow.")] = 256,
    size: Annotated[int | None, typer.Option(min=1, help="Short side of the guesses.")] = None,
    flip: Annotated[bool, typer.Option("--flip", help="Mirror images at random.")] = False,
    transform: Annotated[str, typer.Option(help="none, probabilities, top5 or rest.")] = "none",
    seed: Annotated[int, seed_option("Of first weights and order.")] = 0,
    restart: Annotated[
        bool, typer.Option("--restart/--resume", help="Begin anew, or go on where FILE was left.")
    ] = False,
) -> None:
    """Train on a folder of images; interrupted, the same command goes on."""
    from striate.atlas.engines.local import Progress
    from striate.cli.memory import keep_memory
    from striate.image.folder import find_images
    from striate.methods.upconvnet.training import train_upconvnet

    keep_memory()
    images = find_images(folder)
    loaded = load()
    frames = train_upconvnet(
        loaded, layer, images, epochs=epochs, batch=batch, width=width, size=size,
        flip=flip, transform=transform, seed=seed, checkpoint=out, restart=restart,
    )  # fmt: skip
    began, before, last = time.monotonic(), None, None
    with closing(frames), ProgressLine("batches") as line:
        for last in frames:
            before = last.step - 1 if before is None else before
            seconds = time.monotonic() - began
            line.passed(Progress(last.step, last.steps, len(last.skipped), before, seconds))
    if last is not None:
        for name, reason in list(last.skipped.items())[:5]:
            typer.echo(f"  skipped {name!r}: {reason}")
        typer.echo(
            f"{out}: {last.steps} batches, loss {last.loss:.3f}, error {last.image_error:.3f} of "
            f"the mean distance between {last.upconvnet.held_out} held-out images"
        )


app.command("invert")(invert)
