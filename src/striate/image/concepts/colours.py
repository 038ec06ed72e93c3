"""The eleven basic colours: the name of every pixel, as a concept computed from the picture.

A colour is a place in OKLab, and a name is the cell of the nearest prototype there: each pixel has
one name, whatever lies around it.

Source: Berlin and Kay, *Basic Color Terms*, 1969 (the eleven names); Ottosson, *A perceptual
color space for image processing*, 2020 (OKLab); Bau, Zhou, Khosla, Oliva and Torralba, *Network
Dissection*, 2017 (the eleven names as a category of concepts).

Differs from the source: Network Dissection names each pixel by the most probable of the eleven in
the table of van de Weijer, Schmid, Verbeek and Larlus, *Learning color names for real-world
applications*, 2009, which was learnt from pictures that a web search for the names had found. Here
the names are cells around prototypes chosen by eye; they are no measured focal colours, and where
one colour ends and the next begins differs from that table. Numbers for colours are therefore not
comparable with those published for Broden.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, UInt8

CATEGORY = "colour"
"""The category of these concepts."""

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


def _linear(rgb: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


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
    return np.asarray(np.cbrt(_linear(rgb) @ _TO_CONE.T) @ _TO_LAB.T)


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

PLACES: dict[str, Float[np.ndarray, "prototypes 3"]] = {
    name: _PLACES[np.equal(_OWNERS, index)] for index, name in enumerate(COLOURS)
}
"""Every basic colour's prototypes in OKLab."""

# For whole pictures, in single precision. The nearest prototype is the one with the largest
# product with the place, less half its own square.
_LEVELS = _linear(np.arange(256) / 255.0).astype(np.float32)
_CONES, _LABS = _TO_CONE.T.astype(np.float32), _TO_LAB.T.astype(np.float32)
_TARGETS = _PLACES.T.astype(np.float32)
_HALVES = (np.square(_PLACES).sum(axis=1) / 2).astype(np.float32)

_BITS = 5
_SEVERAL = 255
"""In `_table`: colours of this cell have different names."""


def nearest_colour(lab: Colour) -> int:
    """Say in which colour's cell a place lies.

    Args:
        lab: The place in OKLab.

    Returns:
        Index into `COLOURS`.

    Example:
        >>> COLOURS[nearest_colour(oklab(np.array([0.0, 0.0, 0.0])))]
        'black'
    """
    return int(_OWNERS[np.square(_PLACES - lab).sum(axis=1).argmin()])


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
    return COLOURS[nearest_colour(oklab(np.asarray(rgb, dtype=np.float64)))]


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


def name_pixels(picture: UInt8[np.ndarray, "*axes 3"]) -> UInt8[np.ndarray, "*axes"]:
    """Name the colour of every pixel as `colour_name` does, save 1 in 10 000 colours.

    Args:
        picture: Red, green and blue, 0 to 255.

    Returns:
        Index into `COLOURS`. A few colours at the border of two names are named after the other.

    Example:
        >>> [COLOURS[index] for index in name_pixels(np.array([[250, 5, 5], [9, 9, 9]], np.uint8))]
        ['red', 'black']
    """
    coarse = picture >> (8 - _BITS)
    cells = (coarse[..., 0].astype(np.intp) << 2 * _BITS) | (
        (coarse[..., 1].astype(np.intp) << _BITS) | coarse[..., 2]
    )
    names = np.asarray(_table()[cells])
    unsure = names == _SEVERAL
    names[unsure] = _named(picture[unsure])
    return names


@cache
def _table() -> UInt8[np.ndarray, " cells"]:
    """The name that all colours of a cell of 8 x 8 x 8 colours share, or `_SEVERAL`.

    The eight corners speak for all: of the 16 777 216 colours 885 are named otherwise so, all at
    the border of two names.
    """
    count, side = 2**_BITS, 256 >> _BITS
    ends = np.arange(0, 256, side)[:, None] + (0, side - 1)
    levels = ends.reshape(-1).astype(np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1)
    names = _named(lattice.reshape(-1, 3)).reshape(count, 2, count, 2, count, 2)
    lowest, highest = names.min(axis=(1, 3, 5)), names.max(axis=(1, 3, 5))
    return np.where(lowest == highest, lowest, np.uint8(_SEVERAL)).reshape(-1)


def _named(colours: UInt8[np.ndarray, "count 3"]) -> UInt8[np.ndarray, " count"]:
    lab = np.cbrt(_LEVELS[colours] @ _CONES) @ _LABS
    nearest = (lab @ _TARGETS - _HALVES).argmax(axis=1)
    return np.asarray(_OWNERS[nearest].astype(np.uint8))
