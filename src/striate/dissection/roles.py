"""What ablating the units of a layer told about each class: the result, as Python and as JSON."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, slots=True)
class ClassRole:
    """What the units of a layer do for one class; accuracies are balanced, 0 to 1.

    Attributes:
        index: Which class score it is.
        name: Its name.
        ranked_on: Images of the class in the half that ranks units.
        judged_on: Images of the class in the half that judges the ranking.
        units: All units, the most important first.
        drops: Fall of the accuracy when each of ``units`` is ablated alone, in the ranking half.
        margins: Mean fall of the class's score less the best other one, likewise.
        before: Accuracy in the judging half with nothing ablated.
        without: With the first ``count`` of ``units`` ablated.
        without_last: With the last ``count`` ablated.
        without_random: With ``count`` units drawn at random, the mean over all draws.
        only: With all but the first ``count`` ablated.
        others_before: Mean accuracy of all other classes that have images enough; None if there are
            none.
        others_without: The same with the first ``count`` units ablated.
    """

    index: int
    name: str
    ranked_on: int
    judged_on: int
    units: tuple[int, ...]
    drops: tuple[float, ...]
    margins: tuple[float, ...]
    before: float
    without: float
    without_last: float
    without_random: float
    only: float
    others_before: float | None
    others_without: float | None


@dataclass(frozen=True, slots=True)
class Intervention:
    """What came out of ablating the units of a layer.

    Attributes:
        network: Name of the network.
        layer: Address of the layer.
        units: How many units it has.
        count: How many were ablated together.
        to: "zero", or "mean" (over an atlas).
        seed: Of the halves and of random units.
        draws: How many random choices were averaged.
        ranked_on: Images, of all classes, on which units were ranked.
        judged_on: Others, on which the ranking was judged.
        classes: The classes, by index.
        left_out: Classes that could not be judged, with the reason.
        skipped: Images that were not counted, with the reason.
    """

    network: str
    layer: str
    units: int
    count: int
    to: str
    seed: int
    draws: int
    ranked_on: int
    judged_on: int
    classes: tuple[ClassRole, ...]
    left_out: tuple[tuple[str, str], ...]
    skipped: tuple[tuple[str, str], ...]

    def drops(self) -> Float64[np.ndarray, "units classes"]:
        """Return how much each unit, ablated alone, takes from the accuracy of each class."""
        table = np.empty((self.units, len(self.classes)))
        for column, role in enumerate(self.classes):
            table[list(role.units), column] = role.drops
        return table

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON, as it is stored."""
        return asdict(self)
