"""``striate serve``: the page that shows an atlas."""

import os
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.ending import leave

if TYPE_CHECKING:
    from striate.web.serving import Serving


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An atlas, finished or not.")],
    *,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="[default: the first free one from 8471]"),
    ] = None,
    host: Annotated[str, typer.Option(help="Host to listen on.")] = "127.0.0.1",
    token: Annotated[
        bool, typer.Option("--token/--no-token", help="Only who has the address may look.")
    ] = True,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Answer to this name too, as behind a proxy."),
    ] = None,
    browse: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Show an atlas as a page, until Ctrl-C: every layer, every unit, every image."""
    from striate.cli.memory import keep_memory
    from striate.web.serving import prepare

    keep_memory()
    show(
        prepare(folder, host=host, port=port, with_token=token, allowed=tuple(allow_host or ())),
        browse=browse,
    )


def show(serving: "Serving", *, browse: bool = False) -> None:
    """Print where the page is, and serve it until a signal comes; ends the process.

    Args:
        serving: What listens.
        browse: Whether to open a browser.
    """
    from striate.web.hosts import is_loopback

    if not is_loopback(serving.host):
        typer.echo(
            f"warning: {serving.host} is open to other machines, and what they read is not "
            "encrypted; give the address below only to whom you trust",
            err=True,
        )
    if "SSH_CONNECTION" in os.environ:
        there = (os.environ["SSH_CONNECTION"].split() + ["HOST"] * 3)[2]
        typer.echo(
            f"over ssh: run `ssh -L {serving.port}:127.0.0.1:{serving.port} {there}` where your "
            "browser is, and open the address there",
            err=True,
        )
    typer.echo(f"open {serving.url}")
    typer.echo("Ctrl-C ends", err=True)
    if browse:
        webbrowser.open(serving.url)
    number = serving.run(lambda signal: leave(128 + signal))
    leave(128 + number)
