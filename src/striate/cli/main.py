"""The command ``striate``: its verbs, and how errors end it."""

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from striate import __version__
from striate.cli import (
    ablate,
    atlas,
    demo,
    dissect,
    doctor,
    dream,
    export,
    illustrate,
    invert,
    layers,
    maximize,
    net2vec,
    serve,
    upconv,
)
from striate.cli.ending import leave
from striate.errors import StriateError

app = typer.Typer(
    name="striate",
    help="See what a trained vision network has learnt: every layer, every unit, any PyTorch net.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _say_version(asked: bool | None) -> None:
    if asked:
        typer.echo(f"striate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool | None,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is."),
    ] = None,
) -> None:
    """Options of no command."""


app.command("layers")(layers.layers)
app.add_typer(atlas.app, name="atlas")
app.add_typer(dissect.app, name="dissect")
app.command("illustrate")(illustrate.illustrate_command)
app.command("sheet")(illustrate.sheet_command)
app.add_typer(net2vec.app, name="net2vec")
app.command("ablate")(ablate.ablate)
app.command("maximize")(maximize.maximize)
app.command("invert")(invert.invert)
app.add_typer(upconv.app, name="upconv")
app.command("dream")(dream.dream)
app.command("serve")(serve.serve)
app.command("export")(export.export)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)


_RESUMABLE = {
    ("atlas",), ("dissect",), ("illustrate",), ("export",), ("upconv", "train"), ("demo",),
}  # fmt: skip


class _SignalledError(BaseException):
    """SIGINT or SIGTERM came; its number is the argument."""


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise _SignalledError(number)


def main() -> None:
    """Run the command line; errors are one line, with exit code 2.

    Ctrl-C exits with 130 and SIGTERM with 143; a pass that was running goes on when started again.
    """
    # Threads that wait for one another should sleep: the readers need the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # numpy's matrices here are small: on a busy machine its threads cost tenfold, idle nothing.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
    except StriateError as error:
        _say(f"striate: {error}")
        sys.exit(2)
    except OSError as error:
        _say(f"striate: {error}")
        sys.exit(2)
    except _SignalledError as stopped:
        goes_on = not _RESUMABLE.isdisjoint({tuple(sys.argv[1:2]), tuple(sys.argv[1:3])})
        same = "the same command" + " without --restart" * ("--restart" in sys.argv)
        kept = f"; what is done is kept, {same} goes on" if goes_on else ""
        _say(f"striate: stopped{kept}")
        leave(128 + int(stopped.args[0]))


def _say(text: str) -> None:
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    typer.echo(f"\033[31m{text}\033[0m" if colour else text, err=True)


if __name__ == "__main__":
    main()
