"""``striate upconv invert``: images beside what a trained UpconvNet guesses them to be."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import (
    Antialias,
    Crop,
    Device,
    Interpolation,
    NetworkName,
    Numbers,
    Random,
    Resize,
    recipe,
)

if TYPE_CHECKING:
    from striate.methods.upconvnet.net import Inversion


def invert(  # noqa: PLR0913 - one parameter an option
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `train` wrote.")],
    network: NetworkName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    *,
    random: Random = False,
    resize: Resize = None,
    crop: Crop = None,
    interpolation: Interpolation = None,
    antialias: Antialias = None,
    mean: Numbers = None,
    std: Numbers = None,
    device: Device = None,
) -> None:
    """Draw each image beside the guess, with its errors."""
    from striate.image.encode import checked_kind, save
    from striate.image.grid import captioned, side_by_side, stack
    from striate.image.render import image_picture
    from striate.methods.upconvnet.net import UpconvNet

    checked_kind(out)
    loaded = recipe(
        network, random=random, resize=resize, crop=crop, interpolation=interpolation,
        antialias=antialias, mean=mean, std=std,
    ).load(device)  # fmt: skip
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
