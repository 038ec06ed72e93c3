"""``striate maximize``: the images that units like best."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, with_network
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.network.network import Network

_FRAMES = 60
_Probed = Annotated[
    Path | None,
    typer.Option("--atlas", metavar="DIR", help="Compare with each unit's maximum in an atlas."),
]


@with_network
def maximize(  # noqa: PLR0913 - one parameter an option
    load: Load,
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Units.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    *,
    preset: Annotated[
        str, typer.Option(help="modern, yosinski-1 to -4, erhan or simonyan.")
    ] = "modern",
    seed: Annotated[int, typer.Option(help="Of the noise to start from.")] = 0,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the canvas in pixels.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the preset's]")] = None,
    diversity: Annotated[int, typer.Option(min=1, help="Unlike images of each unit.")] = 1,
    video: Annotated[Path | None, typer.Option(help="The way there, a .webp file.")] = None,
    atlas: _Probed = None,
    columns: Annotated[int, typer.Option(min=1, help="Images side by side.")] = 4,
) -> None:
    """Make images that units like best; Ctrl-C keeps the best so far."""
    from striate.image.encode import checked_kind, save, save_moving
    from striate.methods.activation_maximization import activation_maximization_frames, finished
    from striate.optimize.ascend import Frame
    from striate.optimize.maximize import Job
    from striate.optimize.presets import preset_named
    from striate.optimize.sheet import Film, sheet
    from striate.optimize.space import Space

    checked_kind(out)
    _check_moving(video)
    taken = preset_named(preset).steps if steps is None else steps
    loaded = load()
    known = _maxima(atlas, loaded, addresses) if atlas is not None else {}
    run = activation_maximization_frames(
        loaded, addresses, preset=preset, seed=seed, size=size, steps=steps, diversity=diversity
    )
    space, last = Space.of(loaded), dict[Job, Frame]()
    film = Film(space, every=max(taken // _FRAMES, 1))

    def write() -> None:
        made = finished(loaded, last, preset=preset, seed=seed, steps=taken)
        titles, lines = [str(address) for address in made.addresses], made.described(known)
        pictures = [made.picture(k) for k in range(len(titles))]
        save(sheet(pictures, titles, lines, space, columns=columns), out)
        if video is not None:
            save_moving(film.pictures(columns), video)
        for title, said in zip(titles, lines, strict=True):
            typer.echo(f"{title}: {', '.join(said)}")
        typer.echo(str(out))

    try:
        with ProgressLine("steps") as line:
            for found in run:
                last[found.job] = found.frame
                if video is not None:
                    film.add(found.job, found.frame.step, found.frame.images)
                line.counted(found.done, found.total)
    except BaseException:
        if last:
            write()
        raise
    write()


def _check_moving(video: Path | None) -> None:
    """Refuse a name for the moving picture before long work.

    Raises:
        BadParameter: If it is of another format.
    """
    from striate.image.encode import checked_kind

    if video is not None and checked_kind(video) != "webp":
        msg = f"{str(video)!r}: a moving picture is a .webp file"
        raise typer.BadParameter(msg)


def _maxima(folder: Path, network: "Network", addresses: list[str]) -> dict[str, float]:
    """Return the largest activation of each unit on the images of an atlas."""
    from striate.atlas.recipe import check_network
    from striate.atlas.store.reader import Atlas

    atlas = Atlas(folder)
    check_network(atlas, network)
    known = {}
    for text in addresses:
        _, address = network.layers.resolve(text)
        maxima = atlas.columns(address.layer)["maximum"]
        if address.unit is not None and maxima[address.unit] is not None:
            known[f"{address.layer}:{address.unit}"] = float(maxima[address.unit])
    return known
