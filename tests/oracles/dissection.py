"""Network Dissection told again with loops: every map upsampled in full, every pixel looked at.

`tally` is NetDissect-Lite's ``tally_job`` (Bau et al., CVPR 2017) with one change: an activation
counts for a category where the image carries a label of it, not where the active pixels do.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np


def threshold(values: np.ndarray, quantile: str) -> np.float32:
    """The value with so many larger ones before it, from all values sorted."""
    falling = np.sort(values.ravel())[::-1]
    return falling[math.floor(Fraction(quantile) * falling.size)]


def place(pixel: int, first: float, step: float, places: int) -> float:
    """Where a pixel of the grid lies between a map's places, the outermost held."""
    return min(max((pixel - first) / step, 0.0), places - 1.0)


def field_places(pixels: int, places: int, centre: float, stride: float, ratio: int) -> list[float]:
    """Places of an axis, anchored where fields have their centres."""
    return [place(p, (centre + 0.5) / ratio - 0.5, stride / ratio, places) for p in range(pixels)]


def resize_places(pixels: int, places: int) -> list[float]:
    """Places of an axis, as pictures are resized."""
    return [place(p, 0.5 * pixels / places - 0.5, pixels / places, places) for p in range(pixels)]


def upsample(map_: np.ndarray, rows: Sequence[float], columns: Sequence[float]) -> np.ndarray:
    """One map on the grid, pixel by pixel: rows first, then columns."""
    grid = np.zeros((len(rows), len(columns)))
    last_row, last_column = map_.shape[0] - 1, map_.shape[1] - 1
    for i, r in enumerate(rows):
        top = math.floor(r)
        bottom = min(top + 1, last_row)
        for j, c in enumerate(columns):
            left = math.floor(c)
            right = min(left + 1, last_column)
            near = _between(map_[top, left], map_[bottom, left], r - top)
            far = _between(map_[top, right], map_[bottom, right], r - top)
            grid[i, j] = _between(near, far, c - left)
    return grid


def _between(a: float, b: float, w: float) -> float:
    return float(a) + w * (float(b) - float(a))


Scene = tuple[np.ndarray, Sequence[int]]
"""Planes of concepts (-1: none), and concepts of the whole image."""


def tally(
    maps: np.ndarray,
    thresholds: np.ndarray,
    scenes: Sequence[Scene],
    categories: Sequence[int],
    enlarge: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T, A (units x categories) and I (units x concepts) of maps (images, units, rows, columns)."""
    units, concepts = maps.shape[1], len(categories)
    pixels = np.zeros(concepts, np.int64)
    active = np.zeros((units, max(categories) + 1), np.int64)
    both = np.zeros((units, concepts), np.int64)
    for image, (planes, whole) in zip(maps, scenes, strict=True):
        grid = planes.shape[1:]
        shown = set(whole)
        shown |= set(planes.ravel().tolist()) - {-1}
        for concept in range(concepts):
            pixels[concept] += int((planes == concept).sum())
        for concept in whole:
            pixels[concept] += grid[0] * grid[1]
        for unit, map_ in enumerate(image):
            if not np.isfinite(map_).all():
                continue
            mask = enlarge(map_) > thresholds[unit]
            for category in {categories[concept] for concept in shown}:
                active[unit, category] += int(mask.sum())
            for concept in range(concepts):
                under = [int((mask & (plane == concept)).sum()) for plane in planes]
                both[unit, concept] += sum(under) + (int(mask.sum()) if concept in whole else 0)
    return pixels, active, both


def iou(pixels: int, active: int, both: int) -> float:
    """Intersection over union; 0 where both are empty."""
    union = active + pixels - both
    return both / union if union else 0.0


def unique(
    scores: np.ndarray, concepts: Sequence[tuple[str, str]], level: float
) -> Mapping[str, set[str]]:
    """The concepts that some unit detects, by category: each unit has one in each category."""
    found: dict[str, set[str]] = {category: set() for _, category in concepts}
    for row in scores:
        for category, names in found.items():
            mine = [(s, n) for s, (n, c) in zip(row, concepts, strict=True) if c == category]
            score, name = max(mine, key=lambda pair: pair[0])
            if score > level:
                names.add(name)
    return found
