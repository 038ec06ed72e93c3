"""``striate maximize --search``: settings drawn at random, side by side, and their table."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from striate.cli.wish import Wish, check_room, go_through

if TYPE_CHECKING:
    from striate.network.network import Network


def searched(network: "Network", wish: Wish, count: int, table: Path | None) -> None:
    """Try settings; a stop keeps those that are done.

    Args:
        network: The network.
        wish: What is asked for.
        count: How many settings.
        table: Where all that was tried is written, a .csv file.
    """
    from striate.files import write_whole
    from striate.image.encode import save
    from striate.methods.hyperparameter_search import (
        SearchFrame,
        Tried,
        finished,
        hyperparameter_search_frames,
    )
    from striate.optimize.job import plan
    from striate.optimize.settings import drawn
    from striate.optimize.sheet import sheet
    from striate.optimize.space import Space

    # All settings have the canvas of the first.
    jobs = plan(network, wish.addresses, drawn(0, wish.seed).preset(), size=wish.size)
    check_room(jobs, wish, count)
    space = None if wish.steps is None else {"steps": {wish.steps: 1}}
    tried: tuple[Tried, ...] = ()

    def write() -> None:
        if not tried:
            return
        found = finished(network, wish.addresses, tried, seed=wish.seed)
        if table is not None:
            write_whole(table, found.csv().encode())
        shown = [(one.picture, one) for one in found.table if one.picture is not None]
        for one in found.table:
            typer.echo(f"{one.address}, setting {one.number}: {', '.join(one.described())}")
        if shown:
            titles = [f"{one.address}, setting {one.number}" for _, one in shown]
            lines = [one.described() for _, one in shown]
            pictures = [picture for picture, _ in shown]
            save(sheet(pictures, titles, lines, Space.of(network), columns=wish.columns), wish.out)
            typer.echo(str(wish.out))

    def take(frame: SearchFrame) -> None:
        nonlocal tried
        tried = frame.tried

    run = hyperparameter_search_frames(
        network, wish.addresses, count=count, seed=wish.seed, space=space, size=wish.size
    )
    go_through(run, take, write)


def check_table(table: Path | None) -> None:
    """Refuse a file for the table before long work.

    Raises:
        BadParameter: If it is to be another kind of file, or has no folder.
    """
    if table is not None and (table.suffix.lower() != ".csv" or not table.parent.is_dir()):
        msg = f"{str(table)!r}: a table is a .csv file in a folder that exists"
        raise typer.BadParameter(msg)
