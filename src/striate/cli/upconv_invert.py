"""``striate upconv invert``: images beside what a trained UpconvNet guesses them to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, check_pictures, seed_option, with_network

if TYPE_CHECKING:
    from striate.methods.upconvnet.net import Inversion, UpconvNet

_CHANGES = (
    "Guess from changed features, too: binarise, drop, drop-units, scale-half, scale-double, "
    "interpolate (with the next image) and others; may be repeated."
)


@with_network
def invert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What `train` wrote; demo: the embedded one.")
    ],
    load: Load,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    perturb: Annotated[list[str] | None, typer.Option(metavar="CHANGE", help=_CHANGES)] = None,
    seed: Annotated[int, seed_option("Of what is dropped.")] = 0,
) -> None:
    """Draw each image beside the guess, with its errors."""
    import torch

    from striate.image.encode import checked_kind, save
    from striate.image.grid import captioned, side_by_side, stack
    from striate.image.render import image_picture
    from striate.methods.upconvnet.perturb import perturbation

    checked_kind(out)
    _check_changes(perturb or (), images)
    check_pictures(*images)
    loaded = load()
    upconvnet = _opened(file, str(loaded.device))
    transform, names = upconvnet.recipe.transform, ["none", *(perturb or ())]
    changes = [perturbation(name, transform=transform) for name in names]
    read = [loaded.read(image) for image in images]
    features = torch.cat([upconvnet.features(loaded, one[None]) for one in read])
    changed = [change(features, torch.Generator().manual_seed(seed)) for change in changes]
    rows = []
    for number, (image, path) in enumerate(zip(read, images, strict=True)):
        found = [
            upconvnet.invert(loaded, image, changed=maps[number : number + 1]) for maps in changed
        ]
        lines = [f"{_named(name)}{_errors(one)}" for name, one in zip(names, found, strict=True)]
        shown = [found[0].original, *(one.image for one in found)]
        row = side_by_side([image_picture(p.expand(3, -1, -1)) for p in shown])
        rows.append(captioned(row, path.name, lines=[f"from {found[0].layer}", *lines]))
        for line in lines:
            typer.echo(f"{path.name!r}: {line}")
    save(stack(rows), out)
    typer.echo(str(out))


def _check_changes(changes: Sequence[str], images: list[Path]) -> None:
    """Refuse changes that do not exist, and to go towards the next image where there is none.

    Raises:
        BadParameter: If there is no next image.
        MethodError: If there is no such change.
    """
    from striate.methods.upconvnet.perturb import check_change

    for name in changes:
        check_change(name)
    if "interpolate" in changes and len(images) < 2:
        msg = "--perturb interpolate goes halfway to the next image: name two images or more"
        raise typer.BadParameter(msg)


def _opened(file: Path, device: str) -> "UpconvNet":
    """Open a file, or the embedded inverse where no file is called ``demo``."""
    from striate.methods.upconvnet.net import UpconvNet

    if str(file) == "demo" and not file.is_file():
        from striate.demo.upconv import demo_upconvnet

        return demo_upconvnet(device=device)
    return UpconvNet.load(file, device=device)


def _named(change: str) -> str:
    return "" if change == "none" else f"{change}: "


def _errors(found: "Inversion") -> str:
    feature = "-" if found.feature_error is None else f"{found.feature_error:.3f}"
    return f"image error {found.image_error:.3f}, feature error {feature}"
