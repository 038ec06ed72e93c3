"""Numbers to colours: one map for signed values, one for values that have a floor of zero.

Both were drawn in CIE LCh (D65) and are stored as a few anchors, joined by straight lines in sRGB.
Equal steps of the value are equal steps of lightness: the picture keeps its order in grey print
and for the colour-blind, and shows no edge where the values have none.

- *signed*: negative blue, zero a light grey (#f1f1f1) at exactly the middle of 257 colours,
  positive red. Both sides fall from lightness L* 95 to 28 alike, so that neither sign looks
  stronger.
- *unsigned*: zero near black (L* 3), through violet and orange to near white (L* 97).
"""

import numpy as np
from jaxtyping import Shaped, UInt8

from striate.errors import ImageError

_NEGATIVE = "004183 00569f 006cba 0083d5 009bf0 47b2ff 85c8ff b8defd"
_POSITIVE = "ffcebf ffae98 ff8a70 f56752 e04a3e c63131 a61d27 860f1e"
_UNSIGNED = (
    "070a18 10153c 2b1955 4d1765 700e6e 920070 af006d ca0f68 "
    "de2f61 ec4c5b f56858 f9845b fb9e66 fab779 f8ce95 f8e4b9 faf7e7"
)
_NOT_A_NUMBER = (128, 128, 128)  # in neither table


def _table(anchors: str, size: int) -> np.ndarray:
    colours = np.array([list(bytes.fromhex(anchor)) for anchor in anchors.split()], np.float64)
    places = np.linspace(0.0, len(colours) - 1.0, size)
    steps = np.arange(len(colours))
    channels = [np.interp(places, steps, colours[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


_SIGNED_TABLE = _table(f"{_NEGATIVE} f1f1f1 {_POSITIVE}", 257)
_UNSIGNED_TABLE = _table(_UNSIGNED, 256)


def signed_colors(
    values: Shaped[np.ndarray, "*shape"], limit: float
) -> UInt8[np.ndarray, "*shape 3"]:
    """Colour signed values: blue below zero, light grey at zero, red above.

    Args:
        values: Real numbers of any shape.
        limit: Values from -limit to limit take the whole range, those beyond take its ends. With
            limit 0 every value takes an end, and zero alone the middle.

    Returns:
        Red, green and blue on a new last axis; mid-grey (128) where a value is not a number.

    Raises:
        ImageError: If the limit is negative or not finite.

    Example:
        >>> signed_colors(np.array([-2.0, 0.0, 1.0]), limit=1.0).tolist()
        [[0, 65, 131], [241, 241, 241], [134, 15, 30]]
    """
    scaled = _scaled(values, limit)
    return _looked_up(_SIGNED_TABLE, (scaled + 1.0) * 128.0)


def unsigned_colors(
    values: Shaped[np.ndarray, "*shape"], limit: float
) -> UInt8[np.ndarray, "*shape 3"]:
    """Colour values that have a floor of zero: from near black to near white.

    Args:
        values: Real numbers of any shape; those below zero are shown as zero.
        limit: The value of the lightest colour; larger values take that colour too.

    Returns:
        Red, green and blue on a new last axis; mid-grey (128) where a value is not a number.

    Raises:
        ImageError: If the limit is negative or not finite.

    Example:
        >>> unsigned_colors(np.array([0.0, 5.0]), limit=5.0).tolist()
        [[7, 10, 24], [250, 247, 231]]
    """
    scaled = _scaled(values, limit)
    return _looked_up(_UNSIGNED_TABLE, np.maximum(scaled, 0.0) * 255.0)


def _scaled(values: np.ndarray, limit: float) -> np.ndarray:
    """Values over the limit, in [-1, 1]; what is not a number stays so.

    Raises:
        ImageError: If the limit is negative or not finite.
    """
    if not (np.isfinite(limit) and limit >= 0):
        msg = f"the limit of a colour scale must be a finite number from 0 up, not {limit}"
        raise ImageError(msg)
    numbers = np.asarray(values, np.float64)
    if limit == 0:
        return np.sign(numbers)
    # Clipped before the division, which then cannot overflow however small the limit.
    scaled: np.ndarray = np.clip(numbers, -limit, limit) / limit
    return scaled


def _looked_up(table: np.ndarray, places: np.ndarray) -> np.ndarray:
    unknown = np.isnan(places)
    colours = table[np.rint(np.where(unknown, 0.0, places)).astype(np.intp)]
    colours[unknown] = _NOT_A_NUMBER
    return np.asarray(colours, np.uint8)
