"""The line of progress: what it counts, and how much time it says is left."""

import re

import pytest

from striate.cli import progress
from striate.cli.progress import ProgressLine


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    monkeypatch.setattr(progress, "_EVERY", {True: 0.0, False: 0.0})
    return made


def left(capsys: pytest.CaptureFixture[str]) -> str | None:
    line = capsys.readouterr().err.splitlines()[-1]
    found = re.search(r", (.*) left", line)
    return found and found[1]


def test_what_an_earlier_run_did_is_no_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressLine("units") as line:
        line.counted(5000, 6000)
        assert left(capsys) is None
        clock.now += 10
        line.counted(5020, 6000)
        assert left(capsys) == "8 min 10 s"


def test_the_last_minute_tells_what_is_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenfold slower half is foretold as slow as it is, a minute after it begins."""
    with ProgressLine("units") as line:
        for done in range(1001):
            line.counted(done, 2000)
            clock.now += 0.1
        assert left(capsys) == "1 min 40 s"
        for done in range(1001, 1101):
            line.counted(done, 2000)
            clock.now += 1.0
        assert left(capsys) == "15 min 0 s"
        line.counted(2000, 2000)
        assert left(capsys) == "0 s"


def test_nothing_to_do_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressLine("units") as line:
        line.counted(0, 0)
    assert capsys.readouterr().err == ""
