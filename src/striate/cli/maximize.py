"""``striate maximize``: the images that units like best."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.options import Load, seed_option, with_network
from striate.cli.wish import Wish, check_room, go_through

if TYPE_CHECKING:
    from striate.atlas.store.reader import Atlas
    from striate.methods.activation_maximization import MaximizationFrame
    from striate.network.network import Network

_EVERYWHERE = "--size, --steps, --seed and --columns"
_Search = Annotated[
    int | None, typer.Option("--search", min=1, metavar="N", help="Try N random settings instead.")
]
_Table = Annotated[
    Path | None, typer.Option("--table", help="All that --search tried, a .csv file.")
]
_Facets = Annotated[
    int | None,
    typer.Option("--facets", min=1, metavar="K", help="K facets of one unit, from --atlas."),
]
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
        str, typer.Option(help="modern, yosinski-1 to -4, erhan, simonyan or centre-bias.")
    ] = "modern",
    seed: Annotated[int, seed_option("Of the noise to start from.")] = 0,
    size: Annotated[int | None, typer.Option(min=1, help="Side of the canvas in pixels.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the preset's]")] = None,
    diversity: Annotated[int, typer.Option(min=1, help="Unlike images of each unit.")] = 1,
    video: Annotated[Path | None, typer.Option(help="The way there, a .webp file.")] = None,
    search: _Search = None,
    table: _Table = None,
    facets: _Facets = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Of the atlas, for --facets. [default: 25 a facet]")
    ] = None,
    atlas: _Probed = None,
    columns: Annotated[
        int, typer.Option(min=1, help="Images side by side; a facet has a row of its own.")
    ] = 4,
) -> None:
    """Make images that units like best; Ctrl-C keeps the best so far."""
    from striate.atlas.store.reader import Atlas
    from striate.cli.facets import centred, faceted
    from striate.cli.search import check_table, searched
    from striate.image.encode import checked_kind
    from striate.optimize.presets import preset_named

    checked_kind(out)
    _check_moving(video, out)
    given = {
        "--search": search,
        "--facets": facets,
        "--preset": None if preset == "modern" else preset,
        "--diversity": None if diversity == 1 else diversity,
        "--video": video,
        "--table": table,
        "--images": images,
        "--atlas": atlas,
    }
    way = _way(given, addresses)
    check_table(table)
    if not way:
        preset_named(preset)
    probed = None if atlas is None else Atlas(atlas)
    loaded, wish = load(), Wish(addresses, out, seed, size, steps, columns)
    if way == "--search":
        searched(loaded, wish, search or 1, table)
    elif way == "--facets" and probed is not None:
        faceted(loaded, wish, facets or 1, images, probed)
    else:
        known = {} if probed is None else _maxima(probed, loaded, addresses)
        if way == "centre-bias":
            centred(loaded, wish, known)
        else:
            _ascended(loaded, wish, preset, diversity, video, known)


def _ascended(
    network: "Network",
    wish: Wish,
    preset: str,
    diversity: int,
    video: Path | None,
    known: dict[str, float],
) -> None:
    """Make one image, or a few unlike ones, of each unit; a stop keeps the best so far."""
    from striate.image.encode import checked_kind, save, save_moving
    from striate.methods.activation_maximization import (
        MaximizationFrame,
        activation_maximization_frames,
        finished,
    )
    from striate.optimize.job import plan
    from striate.optimize.presets import preset_named
    from striate.optimize.sheet import Film, sheet
    from striate.optimize.space import Space

    chosen, asked = preset_named(preset), [a for a in wish.addresses for _ in range(diversity)]
    jobs = plan(network, asked, chosen, size=wish.size, together=diversity)
    check_room(jobs, wish)
    taken = chosen.steps if wish.steps is None else wish.steps
    space, last = Space.of(network), deque[MaximizationFrame](maxlen=1)
    film = Film(space, jobs, taken, columns=wish.columns)
    if video is not None:
        checked_kind(video, film.size, moving=True)
        if film.thinned:
            told = f"--video shows one step in {film.every}: more would take too much memory"
            typer.echo(told, err=True)
    run = activation_maximization_frames(
        network, wish.addresses, preset=preset, seed=wish.seed, size=wish.size, steps=wish.steps,
        diversity=diversity,
    )  # fmt: skip

    def write() -> None:
        (found,) = last
        for address, reason in found.failures.items():
            typer.echo(f"no image of {address}: {reason}", err=True)
        if not found.last:
            return
        made = finished(
            network, found.last, failures=found.failures, preset=preset, seed=wish.seed, steps=taken
        )
        titles, lines = [str(address) for address in made.addresses], made.described(known)
        pictures = [made.picture(k) for k in range(len(titles))]
        # First: a picture that cannot be written must not cost the numbers.
        for title, said in zip(titles, lines, strict=True):
            typer.echo(f"{title}: {', '.join(said)}")
        save(sheet(pictures, titles, lines, space, columns=wish.columns), wish.out)
        if video is not None:
            save_moving(film.pictures(found.last), video)
        typer.echo(str(wish.out))

    def take(found: "MaximizationFrame") -> None:
        last.append(found)
        if video is not None:
            film.add(found.job, found.frame.step, found.frame.images)

    go_through(run, take, write)


def _way(given: Mapping[str, object], addresses: list[str]) -> str:
    """Return which way is asked for, and refuse options that belong to another.

    Raises:
        BadParameter: If some do not go together.
    """
    said = {name for name, value in given.items() if value is not None}
    way = next((name for name in ("--search", "--facets") if name in said), "")
    if not way and given["--preset"] == "centre-bias":
        way = "centre-bias"
    goes = {
        "--search": {"--search", "--table"},
        "--facets": {"--facets", "--images", "--atlas"},
        "centre-bias": {"--preset", "--atlas"},
        "": {"--preset", "--diversity", "--video", "--atlas"},
    }
    if wrong := sorted(said - goes[way]):
        takes = ", ".join(sorted(goes[way] - {way, "--preset"}))
        hint = (
            f"with {way}, which takes only {takes}, {_EVERYWHERE}"
            if way
            else "alone: --table goes with --search, --images with --facets"
        )
        raise typer.BadParameter(f"{', '.join(wrong)} cannot be given {hint}")
    if way == "--facets" and len(addresses) != 1:
        msg = f"--facets is of one unit, not of {len(addresses)}"
        raise typer.BadParameter(msg)
    if way == "--facets" and "--atlas" not in said:
        msg = "--facets needs --atlas DIR: it starts from images that excite the unit"
        raise typer.BadParameter(msg)
    return way


def _check_moving(video: Path | None, out: Path) -> None:
    """Refuse a name for the moving picture before long work.

    Raises:
        BadParameter: If it is the picture's.
        ImageError: If it cannot be written.
    """
    from striate.image.encode import checked_kind

    if video is None:
        return
    checked_kind(video, moving=True)
    if video.resolve() == out.resolve():
        msg = f"--video and -o are one file, {str(video)!r}: name two"
        raise typer.BadParameter(msg)


def _maxima(atlas: "Atlas", network: "Network", addresses: list[str]) -> dict[str, float]:
    """Return the largest activation of each unit on the images of an atlas."""
    from striate.atlas.recipe import check_network

    check_network(atlas, network)
    known = {}
    for text in addresses:
        _, address = network.layers.resolve(text)
        maxima = atlas.columns(address.layer)["maximum"]
        if address.unit is not None and maxima[address.unit] is not None:
            known[f"{address.layer}:{address.unit}"] = float(maxima[address.unit])
    return known
