"""How time is measured: ratios of process CPU time, interleaved, on one thread, in one process.

Seconds depend on the machine and on who else uses it; a ratio of two runs of the same minute hardly
does. Each round runs every contender once, every other round in reverse order; a round gives one
ratio to the baseline. What is reported is the median of the rounds' ratios and their range. Nothing
is ever asserted about a time.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

Run = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Time of a contender over that of the baseline, round by round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return median(self.rounds)

    def __str__(self) -> str:
        return f"{show(self.median)} [{show(min(self.rounds))}-{show(max(self.rounds))}]"

    def to_json(self) -> dict[str, Any]:
        """Return the median, the range and every round."""
        rounds = [round(value, 5) for value in self.rounds]
        return {
            "median": round(self.median, 5),
            "min": min(rounds),
            "max": max(rounds),
            "rounds": rounds,
        }


def show(value: float) -> str:
    """Return a ratio with as many digits as it deserves.

    >>> show(0.0123), show(0.82), show(8.51), show(31.2)
    ('0.012', '0.82', '8.5', '31')
    """
    digits = 3 if value < 0.1 else 2 if value < 2 else 1 if value < 10 else 0
    return f"{value:.{digits}f}"


def cpu_seconds(run: Run) -> float:
    """Return the CPU time of one run of this process, all its threads together."""
    began = time.process_time()
    run()
    return time.process_time() - began


def ratios(baseline: Run, contenders: Mapping[str, Run], rounds: int) -> dict[str, Ratio]:
    """Measure contenders against a baseline.

    Args:
        baseline: What counts as 1.
        contenders: The others by name.
        rounds: How often each is run, after one run of each that is not counted.

    Returns:
        A ratio for each contender.
    """
    torch.set_num_threads(1)
    runs = {"": baseline, **contenders}
    for run in runs.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        order = list(runs) if number % 2 == 0 else list(reversed(runs))
        seconds = {name: cpu_seconds(runs[name]) for name in order}
        for name in contenders:
            found[name].append(seconds[name] / seconds[""])
    return {name: Ratio(tuple(values)) for name, values in found.items()}


def repeated(run: Run, times: int) -> Run:
    """Return a run that calls another several times: short runs drown in the clock's noise."""

    def several() -> None:
        for _ in range(times):
            run()

    return several
