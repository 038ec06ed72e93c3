"""Basic colours with natural variation, and which of them go together.

What `draw` returns for a name always lies inside that name's cell of OKLab, so the name is a
truth and not a guess. How colours are named is in `striate.image.concepts.colours`.
"""

import numpy as np

from striate.errors import ImageError
from striate.image.concepts.colours import (
    COLOURS,
    PLACES,
    Colour,
    nearest_colour,
    oklab,
    srgb,
)

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


def draw(rng: np.random.Generator, name: str) -> Colour:
    """Draw one natural variant of a basic colour.

    Args:
        rng: where chance comes from.
        name: one of `COLOURS`.

    Returns:
        Red, green and blue in *pixel* space, 0 to 1; `colour_name` of
        `striate.image.concepts.colours` gives `name` back.

    Raises:
        ImageError: no basic colour has this name.

    Example:
        >>> COLOURS[nearest_colour(oklab(draw(np.random.default_rng(0), "brown")))]
        'brown'
    """
    if name not in PLACES:
        raise ImageError(f"no basic colour is called {name!r}; there are {', '.join(COLOURS)}")
    places = PLACES[name]
    index = COLOURS.index(name)
    place = places[int(rng.integers(len(places)))]
    for spread in (0.03, 0.02, 0.01):
        rgb = srgb(place + rng.normal(0.0, spread, 3) * (1.0, 0.6, 0.6))
        if nearest_colour(oklab(rgb)) == index:
            return rgb
    return srgb(place)
