"""What every way of ``striate maximize`` is told, and how it goes through its frames."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.optimize.job import Job


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


def check_room(jobs: "Sequence[Job]", wish: Wish, each: int = 1) -> None:
    """Refuse a sheet that its file cannot hold, before long work.

    Args:
        jobs: Whose images are shown.
        wish: What is asked for.
        each: How many images of each canvas there will be.

    Raises:
        ImageError: If so.
    """
    from striate.image.encode import checked_kind
    from striate.optimize.sheet import least_size, sizes_of

    sizes = [size for size in sizes_of(jobs) for _ in range(each)]
    checked_kind(wish.out, least_size(sizes, wish.columns))


def go_through(
    frames: Iterable[Any],
    take: Callable[[Any], None],
    write: Callable[[], None],
    counted: Callable[[Any], tuple[int, int]] = lambda frame: (frame.done, frame.total),
) -> None:
    """Go through the frames of a long run, with a line of progress; a stop writes what there is.

    Args:
        frames: The run.
        take: Called with each.
        write: Called at the end, also of a run that was stopped behind its first frame.
        counted: From a frame to how many steps are done, of how many.
    """
    begun = False
    try:
        with ProgressLine("steps") as line:
            for frame in frames:
                take(frame)
                begun = True
                line.counted(*counted(frame))
    except BaseException:
        if begun:
            write()
        raise
    write()
