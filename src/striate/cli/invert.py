"""``striate invert``: what layers know of a picture, as pictures that they cannot tell from it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, with_network
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.methods.inversion import Inversion

_COLUMNS = 4


@with_network
def invert(
    load: Load,
    image: Annotated[Path, typer.Argument(metavar="IMAGE")],
    layers: Annotated[list[str], typer.Option("--layer", help="May be repeated.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    *,
    preset: Annotated[str, typer.Option(help="cvpr2015, cvpr2015-shallow, ijcv2016.")] = "cvpr2015",
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the paper's]")] = None,
    restarts: Annotated[int, typer.Option(min=1, help="Pictures of each layer.")] = 1,
    weight: Annotated[
        float | None,
        typer.Option(help="Of smoothness (ijcv2016: of the features). [default: by depth]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noise to start from.")] = 0,
) -> None:
    """Invert layers (Mahendran & Vedaldi): pictures that they respond to as to this one."""
    from striate.image.encode import checked_kind, save
    from striate.image.grid import captioned, side_by_side, stack
    from striate.image.render import image_picture
    from striate.methods.inversion import finished, inversion_frames

    checked_kind(out)
    loaded = load()
    original = loaded.read(image)
    names = [loaded.layers.whole(layer).address for layer in layers]
    shown = loaded.how_to_read().to_pixels(original)
    cells = [captioned(image_picture(shown.expand(3, -1, -1)), image.name, lines=["original", ""])]
    for name in names:
        with ProgressLine(f"steps, {name}") as line:
            for frame in inversion_frames(
                loaded, original, name, preset=preset, weight=weight, restarts=restarts,
                seed=seed, steps=steps,
            ):  # fmt: skip
                if frame.step:
                    line.counted(frame.step, frame.steps)
        found = finished(frame)
        cells += [
            captioned(image_picture(one.image.expand(3, -1, -1)), name, lines=lines)
            for one, lines in zip(found.restarts, _numbers(found), strict=True)
        ]
        for lines in _numbers(found):
            typer.echo(f"{name}: {', '.join(lines)}")
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    save(stack([side_by_side(row, below=True) for row in rows]), out)
    typer.echo(str(out))


def _numbers(found: "Inversion") -> list[list[str]]:
    """Say of each restart what its picture reaches."""
    return [
        [f"error {one.shown_error:.3f}", f"image error {one.image_error:.2f}"]
        for one in found.restarts
    ]
