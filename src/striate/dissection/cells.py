"""Where the upsampled maps of units exceed their thresholds, without upsampling them.

A map is brought to the grid by bilinear interpolation: rows first, then columns, each as
``a + w (b - a)`` in float64. Such a value lies between those of its four neighbours in the map, so
that only cells with a neighbour above the threshold are evaluated. On a plateau it is exact: a
threshold is itself an activation, and what equals it must not exceed it.

Two ways to say where a map's places lie on the grid, whose pixel ``p`` is the point
``(p + 0.5) ratio`` of the network's input:

    field    place i at  (centre + i stride + 0.5) / ratio - 0.5, the middle of what it sees
    resize   place i at  (i + 0.5) grid / places - 0.5, as pictures are resized

Outside the outermost places the value is held.

Source:
    Bau et al., "Network Dissection", CVPR 2017, section 2.2 ("field"), and their NetDissect-Lite
    ("resize").
Differs from the source:
    Points of the grid are the middles of its pixels; the released code rounds a field's size down
    to whole pixels and takes corners.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64

from striate.errors import MethodError
from striate.network.axes import has_maps
from striate.network.layers import Layer

UPSAMPLING = ("field", "resize")

_TOGETHER = 128
"""Units evaluated at once: few where all are active everywhere, many where few cells are."""

_HELD = 8
"""Pixels of a run where no other says how long it should be."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Where each pixel of a grid's axis lies between the places of a map's axis.

    Attributes:
        low: The place before it.
        weight: How far it is on the way to the next place, in [0, 1).
        held: Whether it lies outside the outermost places, or on the last; then the weight is 0.
        places: How many places the map has.
    """

    low: Int64[np.ndarray, " grid"]
    weight: Float64[np.ndarray, " grid"]
    held: Bool[np.ndarray, " grid"]
    places: int

    @property
    def high(self) -> Int64[np.ndarray, " grid"]:
        """The place behind it."""
        return np.where(self.held, self.low, np.minimum(self.low + 1, self.places - 1))

    @cached_property
    def cells(self) -> "Cells":
        """The axis cut into runs of pixels between the same two places.

        Where the value is held, runs are cut to the length of the longest of the others.
        """
        group = np.where(self.held, -1 - self.low, self.low)
        first = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
        lengths = np.diff(first, append=len(group))
        inside = lengths[~self.held[first]]
        longest = int(inside.max()) if len(inside) else min(len(group), _HELD)
        pieces = [np.arange(f, f + n, longest) for f, n in zip(first, lengths, strict=True)]
        starts = np.concatenate(pieces)
        ends = np.append(starts[1:], len(group))
        at = starts[:, None] + np.arange(longest)
        within = at < ends[:, None]
        weights = np.where(within, self.weight[np.minimum(at, len(group) - 1)], np.nan)
        return Cells(starts, self.low[starts], self.high[starts], weights)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Runs of pixels along an axis, each between two places of the map.

    Attributes:
        starts: The first pixel of each.
        low: The place before.
        high: The place behind; the same where the value is held.
        weights: Of each pixel; NaN, which exceeds nothing, behind the last of a run.
    """

    starts: Int64[np.ndarray, " cells"]
    low: Int64[np.ndarray, " cells"]
    high: Int64[np.ndarray, " cells"]
    weights: Float64[np.ndarray, "cells longest"]


@dataclass(frozen=True, eq=False)
class Upsampling:
    """How the maps of a layer come to the grid.

    Attributes:
        rows: Along rows.
        columns: Along columns.
        kind: "field" or "resize".
        reason: Why it is not what was asked for; "" if it is.
    """

    rows: Axis
    columns: Axis
    kind: str
    reason: str = ""

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of the grid."""
        return len(self.rows.low), len(self.columns.low)


def grid_of(image_size: tuple[int, int], ratio: int) -> tuple[int, int]:
    """Return the grid of a network whose input has a size, in pixels.

    >>> grid_of((227, 224), 2)
    (114, 112)
    """
    return -(-image_size[0] // ratio), -(-image_size[1] // ratio)


def why_not(layer: Layer) -> str | None:
    """Return why a layer cannot be dissected; None: it can."""
    if layer.units is None:
        return "it has no units"
    if not has_maps(layer.node):
        return "its activations have no rows and columns"
    if layer.map_size == (1, 1):
        return "its maps have one place: that is the whole image, no segment of it"
    return None


def sample_coordinates(layer: Layer, ratio: int, upsampling: str = "field") -> Upsampling:
    """Return where the grid's pixels lie between the places of a layer's maps.

    Args:
        layer: The layer; where its neurons see the whole image, maps are resized.
        ratio: Pixels of the network's input for one pixel of the grid.
        upsampling: "field" or "resize".

    Returns:
        The coordinates along both axes; see the module.

    Raises:
        MethodError: If the layer has no maps, or there is no such upsampling.
    """
    reason = why_not(layer)
    if reason is not None:
        msg = f"{layer.address} cannot be compared with labelled pixels: {reason}"
        raise MethodError(msg)
    if upsampling not in UPSAMPLING:
        msg = f"upsampling {upsampling!r} is not one of {', '.join(UPSAMPLING)}"
        raise MethodError(msg)
    grid, places = grid_of(layer.image_size, ratio), layer.map_size
    field, said = layer.receptive_field, ""
    if upsampling == "field" and (field.stride is None or field.centre is None):
        upsampling, said = "resize", f"its neurons see the {field}"
    elif upsampling == "field" and field.stride is not None and min(field.stride) <= 0:
        upsampling, said = "resize", "its neurons all see the same place"
    if upsampling == "resize" or field.stride is None or field.centre is None:
        # The same points as in the grid's own pixels, (p + 0.5) places / grid - 0.5.
        axes = [
            axis_of(n, size, 0.5 * size / n - 0.5, size / n)
            for n, size in zip(places, grid, strict=True)
        ]
        return Upsampling(axes[0], axes[1], "resize", said)
    axes = [
        axis_of(n, size, (centre + 0.5) / ratio - 0.5, stride / ratio)
        for n, size, centre, stride in zip(places, grid, field.centre, field.stride, strict=True)
    ]
    return Upsampling(axes[0], axes[1], "field")


def axis_of(places: int, grid: int, first: float, step: float) -> Axis:
    """Return where pixels lie between places that are evenly spaced.

    Args:
        places: How many places.
        grid: How many pixels.
        first: Where the first place lies, in pixels.
        step: From a place to the next, in pixels, above 0.

    Example:
        >>> axis = axis_of(2, 6, first=1.0, step=2.0)
        >>> axis.low.tolist(), axis.weight.tolist()
        ([0, 0, 0, 1, 1, 1], [0.0, 0.0, 0.5, 0.0, 0.0, 0.0])
    """
    at = (np.arange(grid) - first) / step
    held = (at < 0) | (at >= places - 1)
    at = at.clip(0, places - 1)
    low = np.floor(at).astype(np.int64)
    return Axis(low, np.where(held, 0.0, at - low), held, places)


def upsampled(
    maps: Float[np.ndarray, "*units rows columns"], how: Upsampling
) -> Float64[np.ndarray, "*units grid_rows grid_columns"]:
    """Return maps on the grid: what `active_pixels` compares with the thresholds.

    Args:
        maps: Of some units.
        how: From `sample_coordinates`.
    """
    maps = maps.astype(np.float64)
    above, below = maps[..., how.rows.low, :], maps[..., how.rows.high, :]
    rows = above + how.rows.weight[:, None] * (below - above)
    left, right = rows[..., how.columns.low], rows[..., how.columns.high]
    values: np.ndarray = left + how.columns.weight * (right - left)
    return values


def masks(
    maps: Float[np.ndarray, "units rows columns"],
    thresholds: Float[np.ndarray, " units"],
    how: Upsampling,
) -> Bool[np.ndarray, "units grid_rows grid_columns"]:
    """Return where units are active, pixel by pixel: for pictures of a few of them.

    Args:
        maps: Of some units.
        thresholds: Theirs.
        how: From `sample_coordinates`.
    """
    return upsampled(maps, how) > thresholds[:, None, None]


def active_parts(
    maps: Float[np.ndarray, "units rows columns"],
    thresholds: Float[np.ndarray, " units"],
    how: Upsampling,
) -> Iterator[tuple[Int64[np.ndarray, " active"], Int64[np.ndarray, " active"]]]:
    """Yield what `active_pixels` returns, some units after others.

    Where all units are active everywhere, memory does not grow with their number.
    """
    for start in range(0, len(maps), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        unit, pixel = active_pixels(maps[part], thresholds[part], how)
        yield unit + start, pixel


def active_pixels(
    maps: Float[np.ndarray, "units rows columns"],
    thresholds: Float[np.ndarray, " units"],
    how: Upsampling,
) -> tuple[Int64[np.ndarray, " active"], Int64[np.ndarray, " active"]]:
    """Return which pixels of the grid are active: those whose value exceeds the threshold.

    Args:
        maps: Of all units on one image, finite.
        thresholds: Of the same units.
        how: From `sample_coordinates`.

    Returns:
        For each active pixel of each unit, the unit and the place in the grid's scan order. Units
        and, within one, cells ascend.

    Example:
        >>> how = Upsampling(axis_of(2, 2, 0.0, 1.0), axis_of(2, 3, 0.0, 2.0), "resize")
        >>> active_pixels(np.array([[[0.0, 0.0], [0.0, 2.0]]]), np.array([0.5]), how)
        (array([0, 0]), array([4, 5]))
    """
    rows, columns = how.rows.cells, how.columns.cells
    hot = maps > thresholds[:, None, None]
    by_row = hot[:, rows.low] | hot[:, rows.high]
    found = np.flatnonzero(by_row[:, :, columns.low] | by_row[:, :, columns.high])
    found, column = np.divmod(found, len(columns.starts))
    unit, row = np.divmod(found, len(rows.starts))
    base, weights = unit * hot[0].size if len(hot) else unit, rows.weights[row]
    sides = []
    for at in (columns.low[column], columns.high[column]):
        above = _at(maps, base, rows.low[row], at)
        sides.append(above + weights * (_at(maps, base, rows.high[row], at) - above))
    left, apart = sides[0][:, :, None], (sides[1] - sides[0])[:, :, None]
    values = left + columns.weights[column][:, None] * apart
    active = np.flatnonzero(values > thresholds[unit, None, None])
    cell, inside = np.divmod(active, values[0].size if len(values) else 1)
    inside_row, inside_column = np.divmod(inside, values.shape[2])
    corner = rows.starts[row] * len(how.columns.low) + columns.starts[column]
    return unit[cell], corner[cell] + inside_row * len(how.columns.low) + inside_column


def _at(maps: np.ndarray, base: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the values at some places of some maps, one below the other, in float64."""
    values: np.ndarray = maps.ravel()[base + row * maps.shape[2] + column]
    return values.astype(np.float64)[:, None]
