"""Hyper-parameters of an ascent, drawn at random.

Source:
    Yosinski et al., "Understanding Neural Networks Through Deep Visualization", ICML DL workshop
    2015, section 3; the values and their weights are those of an earlier search, published in
    https://github.com/Evolving-AI-Lab/fooling, ``caffe/ascent``.

Differs from the source:
    That search maximized probabilities, at rates that ask for a growth of at most 0.04; for scores
    and activations the rate is one of the three of Table 1 of 2015. Its percentile of signed
    contribution is left out: 2015 does not use it, and it takes away what helps most.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from striate.errors import MethodError
from striate.optimize.presets import Preset, preset_named
from striate.optimize.prior import (
    Blur,
    ClipContribution,
    ClipNorm,
    Decay,
    Regularizer,
)
from striate.optimize.update import Constant, Progress, Update

Weighted = Mapping[Any, int]
"""Values, and how likely each is."""

RATES: dict[str, Update] = {
    "progress, 100 at most": Progress(100.0),
    "constant 100": Constant(100.0),
    "progress, 1e8 at most": Progress(1e8),
}
"""Of presets 1, of 2 and 3, and of 4; with the first gradient brought to CaffeNet's size."""

PUBLISHED: dict[str, Weighted] = {
    "decay": {0.0: 4, 1e-4: 1, 1e-3: 1, 0.01: 2, 0.1: 1, 0.2: 1, 0.3: 1},
    "blur": {0.0: 10, 0.3: 2, 0.4: 1, 0.5: 1, 1.0: 1},
    "blur_every": dict.fromkeys((1, 2, 3, 4), 1),
    "norm_percentile": {0.0: 10, 10.0: 10, 20.0: 5, 30.0: 2, 50.0: 2, 80.0: 2, 90.0: 2},
    "contribution_percentile": {0.0: 10, 10.0: 10, 20.0: 5, 30.0: 2, 50.0: 2, 80.0: 2, 90.0: 2},
    "steps": dict.fromkeys((250, 500, 750, 1000, 1500), 1),
    "rate": dict.fromkeys(RATES, 1),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Hyper-parameters of an ascent.

    Attributes:
        decay: Share of all values that a step takes away.
        blur: Standard deviation of the blur in pixels; 0 for none.
        blur_every: Steps between two blurs.
        norm_percentile: Pixels of smaller norm become the mean.
        contribution_percentile: Pixels that contribute less become the mean.
        steps: How many.
        rate: One of `RATES`.
    """

    decay: float
    blur: float
    blur_every: int
    norm_percentile: float
    contribution_percentile: float
    steps: int
    rate: str

    def __post_init__(self) -> None:
        """Refuse what no ascent can do, before any begins.

        Raises:
            MethodError: If a number is out of its range.
        """
        ranges = {
            "decay": (0, 1),
            "blur": (0, math.inf),
            "blur_every": (1, math.inf),
            "norm_percentile": (0, 100),
            "contribution_percentile": (0, 100),
            "steps": (1, math.inf),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                msg = f"{name}={getattr(self, name)}: it is at least {low} and at most {high:g}"
                raise MethodError(msg)

    def preset(self) -> Preset:
        """Return the setting as a way to maximize; its regularizers in the published order."""
        chosen: list[Regularizer] = []
        if self.decay:
            chosen.append(Decay(self.decay))
        if self.blur:
            chosen.append(Blur(self.blur, self.blur_every))
        if self.norm_percentile:
            chosen.append(ClipNorm(self.norm_percentile))
        if self.contribution_percentile:
            chosen.append(ClipContribution(self.contribution_percentile))
        slope = preset_named("yosinski-3").slope
        return Preset(
            "search", self.steps, RATES[self.rate], slope=slope, regularizers=tuple(chosen)
        )


def drawn(number: int, seed: int = 0, space: Mapping[str, Weighted] | None = None) -> Setting:
    """Draw one setting.

    Args:
        number: Which of those of the seed; a setting does not depend on how many are drawn.
        seed: Of the draw.
        space: Values and weights to take instead of the published ones, by parameter.

    Returns:
        The setting.

    Raises:
        MethodError: If there is no such parameter, nothing to draw from, or what is drawn is out of
            range.

    Example:
        >>> drawn(0, space={"decay": {0.25: 1}, "steps": {60: 1}}).decay
        0.25
    """
    given = dict(space or {})
    unknown = set(given) - set(PUBLISHED)
    rates = set(given.get("rate", ())) - set(RATES)
    if unknown or rates:
        msg = (
            f"no parameter {sorted(unknown)} and no rate {sorted(map(str, rates))}: there are "
            f"{', '.join(PUBLISHED)}; rates are {', '.join(RATES)}"
        )
        raise MethodError(msg)
    digest = hashlib.sha256(f"{seed} setting {number}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    found: dict[str, Any] = {}
    for name in (field.name for field in fields(Setting)):
        # Each is drawn whatever the space: a fixed value leaves the others as they were.
        share = float(torch.rand((), generator=generator, dtype=torch.float64))
        found[name] = _taken(name, given.get(name, PUBLISHED[name]), share)
    return Setting(
        decay=float(found["decay"]),
        blur=float(found["blur"]),
        blur_every=int(found["blur_every"]),
        norm_percentile=float(found["norm_percentile"]),
        contribution_percentile=float(found["contribution_percentile"]),
        steps=int(found["steps"]),
        rate=str(found["rate"]),
    )


def _taken(name: str, values: Weighted, share: float) -> Any:
    """Return the value at a share of the weights.

    Raises:
        MethodError: If there is none.
    """
    total = sum(values.values())
    if total <= 0 or min(values.values()) < 0:
        msg = f"{name} has nothing to draw from: {dict(values)}; give values with weights above 0"
        raise MethodError(msg)
    left = share * total
    for value, weight in values.items():
        left -= weight
        if left < 0:
            return value
    return [value for value, weight in values.items() if weight][-1]
