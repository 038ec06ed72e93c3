"""What the command line's tests share: a way to run it, and no module of another file's tests."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from striate.cli.main import main


@pytest.fixture(autouse=True)
def fresh_module() -> Iterator[None]:
    """Each file's network is in a module ``own``: nobody meets that of another file."""
    sys.modules.pop("own", None)
    yield
    sys.modules.pop("own", None)


@pytest.fixture
def striate_(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    """Run `striate ARGUMENTS` in ``place``; returns exit code, standard output and error."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["striate", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
