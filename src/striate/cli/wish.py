"""What every way of ``striate maximize`` is told."""

from dataclasses import dataclass
from pathlib import Path


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
