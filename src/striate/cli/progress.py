"""Progress on standard error: one line that moves on a terminal, a line now and then elsewhere."""

import sys
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from striate.atlas.engines.local import Progress

_EVERY = {True: 0.2, False: 15.0}
_LATELY = 60.0
"""Seconds whose rate tells what is left."""
_KEPT = 60


class ProgressLine:
    """Says how far something is; a context manager that ends its line.

    Args:
        what: What is counted, such as "images".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._last = 0.0
        self._recent: deque[tuple[float, int]] = deque()
        self._open = False

    def __enter__(self) -> "ProgressLine":  # noqa: PYI034 - beartype refuses Self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._open and self._terminal:
            sys.stderr.write("\n")

    def passed(self, progress: "Progress") -> None:
        """Show how far a pass over images is."""
        left = progress.seconds_left
        parts = [f"{progress.done} of {progress.total} {self._what}"]
        parts.append(f"{progress.rate:.1f} a second")
        if left is not None:
            parts.append(f"{_duration(left)} left")
        if progress.skipped:
            parts.append(f"{progress.skipped} unreadable")
        if progress.resumed_from:
            parts.append(f"resumed from {progress.resumed_from}")
        self._show(", ".join(parts), last=progress.done == progress.total)

    def counted(self, done: int, total: int) -> None:
        """Show how many are done; nothing where there was nothing to do."""
        if total == 0:
            return
        self._show(f"{done} of {total} {self._what}{self._left(done, total)}", last=done == total)

    def _left(self, done: int, total: int) -> str:
        """Say how much time is left at the rate of the last minute; nothing while none is known.

        What earlier runs did took no time in this one, and one layer takes longer than another.
        """
        now, recent = time.monotonic(), self._recent
        while len(recent) > 1 and now - recent[1][0] > _LATELY:
            recent.popleft()
        if not recent or now - recent[-1][0] > _LATELY / _KEPT:
            recent.append((now, done))
        since, before = recent[0]
        if done <= before:
            return ""
        return f", {_duration((total - done) * (now - since) / (done - before))} left"

    def _show(self, text: str, *, last: bool) -> None:
        now = time.monotonic()
        if not last and now - self._last < _EVERY[self._terminal]:
            return
        self._last = now
        self._open = True
        sys.stderr.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()


def _duration(seconds: float) -> str:
    """Return a time in words.

    >>> _duration(5.0), _duration(125.0), _duration(7300.0)
    ('5 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
