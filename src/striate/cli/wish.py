"""What every way of ``striate maximize`` is told, and how it goes through its frames."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from striate.cli.progress import ProgressLine


@dataclass(frozen=True, slots=True)
class Wish:
    """Which images are to be made.

    Attributes:
        addresses: Units or neurons.
        out: The picture's file.
        seed: Of all that is random.
        size: Side of the canvas in pixels, or None.
        steps: How many, or None for the published number.
        columns: Images side by side.
    """

    addresses: list[str]
    out: Path
    seed: int
    size: int | None
    steps: int | None
    columns: int


def go_through(
    frames: Iterable[Any], take: Callable[[Any], None], write: Callable[[], None]
) -> None:
    """Go through the frames of a long run, with a line of progress; a stop writes what there is.

    Args:
        frames: Each says how many steps are ``done`` of a ``total``.
        take: Called with each.
        write: Called at the end, also of a run that was stopped behind its first frame.
    """
    begun = False
    try:
        with ProgressLine("steps") as line:
            for frame in frames:
                take(frame)
                begun = True
                line.counted(frame.done, frame.total)
    except BaseException:
        if begun:
            write()
        raise
    write()
