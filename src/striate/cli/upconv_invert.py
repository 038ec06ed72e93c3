"""``striate upconv invert``: images beside what a trained UpconvNet guesses them to be."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, with_network

if TYPE_CHECKING:
    from striate.methods.upconvnet.net import Inversion


@with_network
def invert(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `train` wrote.")],
    load: Load,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
) -> None:
    """Draw each image beside the guess, with its errors."""
    from striate.image.encode import checked_kind, save
    from striate.image.grid import captioned, side_by_side, stack
    from striate.image.render import image_picture
    from striate.methods.upconvnet.net import UpconvNet

    checked_kind(out)
    loaded = load()
    upconvnet = UpconvNet.load(file, device=str(loaded.device))
    rows = []
    for image in images:
        found = upconvnet.invert(loaded, loaded.read(image))
        pair = [image_picture(p.expand(3, -1, -1)) for p in (found.original, found.image)]
        rows.append(captioned(side_by_side(pair), image.name, lines=_errors(found)))
        typer.echo(f"{image.name!r}: {', '.join(_errors(found)[1:])}")
    save(stack(rows), out)
    typer.echo(str(out))


def _errors(found: "Inversion") -> list[str]:
    feature = "-" if found.feature_error is None else f"{found.feature_error:.3f}"
    image = f"image error {found.image_error:.3f}"
    return [f"from {found.layer}", image, f"feature error {feature}"]
