"""Names of tensor axes, used in every annotation.

Axes: ``images`` in a batch, ``units`` (channels), ``height`` and ``width`` in pixels or, for
activation maps, in neurons. Values live in one of three spaces, never mixed: *pixel* in [0, 1],
*network* (after preprocessing) and *display* (uint8).
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

Image: TypeAlias = Float[Tensor, "channels height width"]
Images: TypeAlias = Float[Tensor, "images channels height width"]
Maps: TypeAlias = Float[Tensor, "images units rows columns"]
Display: TypeAlias = UInt8[np.ndarray, "height width 3"]

Box: TypeAlias = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels, half-open; may leave the image where a map is padded."""
