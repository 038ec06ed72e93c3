"""``striate invert``: what layers know of a picture, as pictures that they cannot tell from it."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, check_pictures, seed_option, with_network
from striate.cli.wish import go_through

if TYPE_CHECKING:
    from striate.methods.inversion import Restart
    from striate.optimize.invert import InversionFrame

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
    seed: Annotated[int, seed_option("Of the noise to start from.")] = 0,
) -> None:
    """Invert layers (Mahendran & Vedaldi): pictures that they respond to as to this one.

    The error is |F - F0|^2 / |F0|^2, F0 being the layer's response to this picture; the image error
    is |x - x0| / |x0|, counted from the mean. Ctrl-C keeps the best so far.
    """
    from striate.image.encode import checked_kind, save
    from striate.image.grid import captioned, side_by_side, stack
    from striate.image.render import image_picture
    from striate.methods.inversion import finished, inversion_frames
    from striate.optimize.preimage import check_preset

    checked_kind(out)
    check_preset(preset)
    check_pictures(image)
    loaded = load()
    original = loaded.read(image)
    # All are begun now, so that what is wrong with the last is said before the first takes time.
    runs = {
        name: inversion_frames(
            loaded, original, name, preset=preset, weight=weight, restarts=restarts, seed=seed,
            steps=steps,
        )
        for name in dict.fromkeys(loaded.layers.whole(layer).address for layer in layers)
    }  # fmt: skip
    last: dict[str, InversionFrame] = {}

    def write() -> None:
        shown = loaded.how_to_read().to_pixels(original)
        first = image_picture(shown.expand(3, -1, -1))
        cells = [captioned(first, image.name, lines=["original"])]
        for name, frame in last.items():
            for one in finished(frame).restarts:
                made, said = image_picture(one.image.expand(3, -1, -1)), _numbers(one)
                cells.append(captioned(made, name, lines=said))
                typer.echo(f"{name}: {', '.join(said)}")
        rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
        save(stack([side_by_side(row, below=True) for row in rows]), out)
        typer.echo(str(out))

    go_through(_one_by_one(runs), lambda at: last.update({at.layer: at.frame}), write)


@dataclass(frozen=True, slots=True)
class _At:
    """How far the inversion of some layers is.

    Attributes:
        layer: The one at work.
        frame: Its state.
        done: Steps that are done, of all layers.
        total: Steps that there are to do.
    """

    layer: str
    frame: "InversionFrame"
    done: int
    total: int


def _one_by_one(runs: Mapping[str, Iterable["InversionFrame"]]) -> Iterator[_At]:
    """Invert one layer after the other."""
    before = 0
    for number, (name, frames) in enumerate(runs.items()):
        steps = 0
        for frame in frames:
            steps = frame.steps
            yield _At(name, frame, before + frame.step, before + steps * (len(runs) - number))
        before += steps


def _numbers(one: "Restart") -> list[str]:
    """Say what a picture reaches, and what each error is normalised by."""
    said = [f"error {one.shown_error:.3f} of |F0|^2 as shown", f"{one.error:.3f} before clipping"]
    if math.isnan(one.image_error):
        said.append("no image error: x0 is the mean")
    else:
        said.append(f"image error {one.image_error:.2f} of |x0|")
    if one.slowed < 1:
        said.append(f"slowed to 1/{1 / one.slowed:.0f} of the rates")
    return said
