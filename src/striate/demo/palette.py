"""The eleven basic colours: drawn with natural variation, and named again.

A colour is a place in OKLab, and a name is the cell of the nearest prototype there. What
`draw` returns for a name always lies inside that name's cell, so the name is a truth and not
a guess.

Source: Berlin and Kay, *Basic Color Terms*, 1969 (the eleven names); Ottosson, *A perceptual
color space for image processing*, 2020 (OKLab).

Differs from the source: the prototypes were chosen by eye for pictures that are pleasant to
look at; they are no measured focal colours.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from striate.errors import ImageError

Colour = Float[np.ndarray, "3"]

PROTOTYPES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((203, 52, 48), (164, 36, 44)),
    "orange": ((239, 137, 48), (226, 112, 38)),
    "yellow": ((246, 205, 72), (236, 214, 140)),
    "green": ((84, 156, 82), (48, 108, 66), (158, 196, 108)),
    "blue": ((58, 116, 190), (38, 66, 128), (140, 190, 230)),
    "purple": ((128, 82, 168), (88, 50, 116), (178, 150, 212)),
    "pink": ((242, 156, 180), (224, 104, 150)),
    "brown": ((132, 86, 54), (92, 58, 38), (170, 126, 86)),
    "grey": ((132, 134, 138), (178, 179, 181), (92, 94, 98)),
    "black": ((34, 34, 40),),
    "white": ((244, 242, 237),),
}
"""Every basic colour's prototypes, sRGB, 0 to 255."""

COLOURS: tuple[str, ...] = tuple(PROTOTYPES)
WARM: tuple[str, ...] = ("red", "orange", "yellow", "pink", "brown")
COOL: tuple[str, ...] = ("green", "blue", "purple")

PARTNERS: dict[str, tuple[str, ...]] = {
    "red": ("white", "yellow", "pink", "black"),
    "orange": ("white", "yellow", "brown", "red"),
    "yellow": ("white", "orange", "brown", "red"),
    "pink": ("white", "red", "white", "brown"),
    "brown": ("white", "yellow", "orange", "pink"),
    "green": ("white", "white", "blue", "black"),
    "blue": ("white", "white", "green", "purple"),
    "purple": ("white", "blue", "white", "black"),
    "grey": ("white", "red", "yellow", "black"),
    "black": ("white", "orange", "yellow", "grey"),
    "white": ("red", "blue", "green", "purple", "orange", "black"),
}
"""What goes well beside a colour in a two-coloured texture; never warm beside cool."""

_TO_CONE = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])
_TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])
_FROM_CONE = np.linalg.inv(_TO_CONE)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def oklab(rgb: Float[np.ndarray, "*axes 3"]) -> Float[np.ndarray, "*axes 3"]:
    """Say where sRGB colours lie in OKLab.

    Args:
        rgb: colours in *pixel* space, 0 to 1.

    Returns:
        Lightness 0 to 1, green-red and blue-yellow, about -0.4 to 0.4.

    Example:
        >>> np.allclose(oklab(np.ones(3)), (1, 0, 0), atol=1e-4)
        True
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.cbrt(linear @ _TO_CONE.T) @ _TO_LAB.T)


def srgb(lab: Float[np.ndarray, "*axes 3"]) -> Float[np.ndarray, "*axes 3"]:
    """Turn OKLab places into sRGB colours, clipped to what a screen can show.

    Args:
        lab: places in OKLab.

    Returns:
        Colours in *pixel* space, 0 to 1.

    Example:
        >>> colour = np.array([0.2, 0.5, 0.7])
        >>> np.allclose(srgb(oklab(colour)), colour)
        True
    """
    linear = np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_CONE.T, 0.0, 1.0)
    bright = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, bright))


_OWNERS = np.array([i for i, name in enumerate(COLOURS) for _ in PROTOTYPES[name]])
_PLACES = oklab(np.array([rgb for name in COLOURS for rgb in PROTOTYPES[name]]) / 255.0)
_PLACES_OF = {name: _PLACES[np.equal(_OWNERS, index)] for index, name in enumerate(COLOURS)}


def colour_name(rgb: Sequence[float] | Colour) -> str:
    """Name a colour: the cell of OKLab it lies in.

    Args:
        rgb: red, green and blue in *pixel* space, 0 to 1.

    Returns:
        One of `COLOURS`.

    Example:
        >>> colour_name((0.9, 0.1, 0.1)), colour_name((0.5, 0.5, 0.5))
        ('red', 'grey')
    """
    return COLOURS[_nearest(oklab(np.asarray(rgb, dtype=np.float64)))]


def draw(rng: np.random.Generator, name: str) -> Colour:
    """Draw one natural variant of a basic colour.

    Args:
        rng: where chance comes from.
        name: one of `COLOURS`.

    Returns:
        Red, green and blue in *pixel* space, 0 to 1; `colour_name` gives `name` back.

    Raises:
        ImageError: no basic colour has this name.

    Example:
        >>> colour_name(draw(np.random.default_rng(0), "brown"))
        'brown'
    """
    if name not in _PLACES_OF:
        raise ImageError(f"no basic colour is called {name!r}; there are {', '.join(COLOURS)}")
    places = _PLACES_OF[name]
    index = COLOURS.index(name)
    place = places[int(rng.integers(len(places)))]
    for spread in (0.03, 0.02, 0.01):
        rgb = srgb(place + rng.normal(0.0, spread, 3) * (1.0, 0.6, 0.6))
        if _nearest(oklab(rgb)) == index:
            return rgb
    return srgb(place)


def distance(one: Colour, other: Colour) -> float:
    """Say how different two colours look.

    Args:
        one: a colour in *pixel* space, 0 to 1.
        other: another.

    Returns:
        Their distance in OKLab: 0 for the same, 1 from black to white.

    Example:
        >>> round(distance(np.zeros(3), np.ones(3)), 6)
        1.0
    """
    return float(np.linalg.norm(oklab(one) - oklab(other)))


def _nearest(lab: Colour) -> int:
    return int(_OWNERS[np.square(_PLACES - lab).sum(axis=1).argmin()])
