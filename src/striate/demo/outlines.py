"""The shapes of objects, as signed distances.

An outline maps a place `(x, y)` (x to the right, y downwards, the object's radius being 1) to
its distance from the edge: negative inside, positive outside. One function thus gives the exact
mask (below zero), the anti-aliased edge, the rim's shading and the shadow.

Source: Quilez, *2D distance functions*, 2020 (the heart; the others are elementary).

Differs from the source: near a corner, `square`, `triangle`, `star` and `cross` give the
distance to the nearest edge's *line*; `flower` and `gear` give it to first order. The zero set,
hence every mask, is exact.

Example:
    >>> [bool(inside) for inside in ring(np.array([0.0, 0.7, 1.2]), np.zeros(3)) < 0]
    [False, True, False]
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

Plane: TypeAlias = Float[np.ndarray, "*plane"]
Outline: TypeAlias = Callable[[Plane, Plane], Plane]


def disc(x: Plane, y: Plane) -> Plane:
    """Radius 0.92."""
    edge: Plane = np.hypot(x, y) - 0.92
    return edge


def ring(x: Plane, y: Plane) -> Plane:
    """Radii 0.44 and 0.96."""
    edge: Plane = np.abs(np.hypot(x, y) - 0.70) - 0.26
    return edge


def square(x: Plane, y: Plane) -> Plane:
    """Side 1.56."""
    edge: Plane = np.maximum(np.abs(x), np.abs(y)) - 0.78
    return edge


def triangle(x: Plane, y: Plane) -> Plane:
    """Equal sides; the inscribed circle's radius is 0.56."""
    edge: Plane = np.maximum(y, np.abs(x) * 0.8660254 - y * 0.5) - 0.56
    return edge


def star(x: Plane, y: Plane) -> Plane:
    """Five points at radius 1.1, five hollows at radius 0.5."""
    tip, hollow, step = 1.1, 0.5, np.pi / 5
    angle = np.abs(np.mod(np.arctan2(x, -y) + step, 2 * step) - step)
    radius = np.hypot(x, y)
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    side = np.array([hollow * np.cos(step) - tip, hollow * np.sin(step)])
    normal = np.array([side[1], -side[0]]) / np.hypot(side[0], side[1])
    edge: Plane = (along - tip) * np.float32(normal[0]) + across * np.float32(normal[1])
    return edge


def cross(x: Plane, y: Plane) -> Plane:
    """Two bars of 1.92 by 0.66."""
    across, down = np.abs(x), np.abs(y)
    edge: Plane = np.minimum(
        np.maximum(across - 0.96, down - 0.33), np.maximum(across - 0.33, down - 0.96)
    )
    return edge


def moon(x: Plane, y: Plane) -> Plane:
    """A disc of radius 0.98, less a disc of radius 0.82 that lies 0.46 to its right."""
    edge: Plane = np.maximum(np.hypot(x, y) - 0.98, 0.82 - np.hypot(x - 0.46, y))
    return edge


def heart(x: Plane, y: Plane) -> Plane:
    """A square on its corner with half a disc on each upper side; 1.76 wide, 1.6 high."""
    scale = 1.46
    right, up = np.abs(x) / scale, 0.56 - y / scale
    lobe = np.hypot(right - 0.25, up - 0.75) - 0.35355339
    along = 0.5 * np.maximum(right + up, 0.0)
    body = np.sqrt(
        np.minimum(
            np.square(right) + np.square(up - 1.0), np.square(right - along) + np.square(up - along)
        )
    )
    edge: Plane = np.where(right + up > 1.0, lobe, body * np.sign(right - up)) * scale
    return edge


def flower(x: Plane, y: Plane) -> Plane:
    """Six petals: the radius swings from 0.52 to 1.0."""
    angle, radius = np.arctan2(x, -y), np.hypot(x, y)
    slope = 1.44 * np.sin(6 * angle) / np.maximum(radius, 0.4)
    edge: Plane = (radius - 0.76 - 0.24 * np.cos(6 * angle)) / np.sqrt(1 + np.square(slope))
    return edge


def gear(x: Plane, y: Plane) -> Plane:
    """Nine teeth between the radii 0.72 and 0.98, and a hole of radius 0.3."""
    angle, radius = np.arctan2(x, -y), np.hypot(x, y)
    wave = 2.2 * np.cos(9 * angle)
    slope = np.where(np.abs(wave) < 1, 2.574 * np.sin(9 * angle), 0.0) / np.maximum(radius, 0.4)
    rim = (radius - 0.85 - 0.13 * np.clip(wave, -1.0, 1.0)) / np.sqrt(1 + np.square(slope))
    edge: Plane = np.maximum(rim, 0.3 - radius)
    return edge


OUTLINES: dict[str, Outline] = {
    "disc": disc,
    "ring": ring,
    "square": square,
    "triangle": triangle,
    "star": star,
    "cross": cross,
    "moon": moon,
    "heart": heart,
    "flower": flower,
    "gear": gear,
}
"""Every object's outline by name."""
