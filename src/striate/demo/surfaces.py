"""What covers objects and grounds: textures, and the backgrounds made with them.

A surface is two colours, a *blend* between them (0 is the first, 1 the second) and a
*brightness* that multiplies both. The two colours have names, so every pixel's colour is known
before light, shadow and noise change it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from striate.demo.outlines import Plane
from striate.demo.palette import draw
from striate.image.concepts.colours import Colour

TEXTURES: tuple[str, ...] = ("smooth", "stripes", "checks", "dots", "waves", "bricks", "grain")
BACKGROUNDS: tuple[str, ...] = ("sky", "night", "grass", "sand", "water", "bricks", "wallpaper")

Pattern: TypeAlias = tuple[Plane, Plane]
"""A blend, 0 to 1, and a brightness around 1."""


@dataclass(frozen=True)
class Surface:
    """Two colours and how they cover a plane.

    Attributes:
        first: the colour where the blend is 0, *pixel* space.
        second: the colour where the blend is 1.
        blend: 0 to 1.
        brightness: what multiplies the colour, around 1.
        texture: one of `TEXTURES`, or None where no texture is meant.
    """

    first: Colour
    second: Colour
    blend: Plane
    brightness: Plane
    texture: str | None

    def pixels(self) -> Float[np.ndarray, "height width 3"]:
        """Mix the colours: *pixel* space, not clipped."""
        first = self.first.astype(np.float32)
        step = (self.second - self.first).astype(np.float32)
        return np.asarray((first + self.blend[..., None] * step) * self.brightness[..., None])


def texture(rng: np.random.Generator, name: str, u: Plane, v: Plane, period: float) -> Pattern:
    """Lay a texture over a plane.

    Args:
        rng: where chance comes from.
        name: one of `TEXTURES`.
        u: each pixel's place along the texture's first axis, in pixels.
        v: its place along the second axis.
        period: after how many pixels the texture repeats.

    Returns:
        The blend and the brightness; edges are soft over about one pixel.

    Raises:
        KeyError: no texture has this name.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> u, v = np.meshgrid(np.arange(64.0), np.arange(64.0))
        >>> blend, _ = texture(rng, "stripes", u, v, 8.0)
        >>> bool(np.allclose(blend[0], blend[9], atol=1e-6)), round(float(blend.mean()), 2)
        (True, 0.5)
    """
    return _PATTERNS[name](rng, u, v, period)


def background(rng: np.random.Generator, name: str, height: int, width: int) -> Surface:
    """Make a background.

    Args:
        rng: where chance comes from.
        name: one of `BACKGROUNDS`.
        height: in pixels.
        width: in pixels; also sets the scale of what is seen.

    Returns:
        The surface; its planes are (height, width).

    Raises:
        KeyError: no background has this name.

    Example:
        >>> sky = background(np.random.default_rng(0), "sky", 20, 64)
        >>> sky.pixels().shape, sky.texture
        ((20, 64, 3), None)
    """
    return _BACKGROUNDS[name](rng, height, width)


def clouds(rng: np.random.Generator, height: int, width: int, cells: int) -> Plane:
    """Make smooth noise: random values on a grid, eased between.

    Args:
        rng: where chance comes from.
        height: in pixels.
        width: in pixels.
        cells: how many grid cells lie side by side.

    Returns:
        Values 0 to 1.

    Example:
        >>> noise = clouds(np.random.default_rng(0), 32, 32, 4)
        >>> noise.shape, bool(np.abs(np.diff(noise)).max() < 0.25)
        ((32, 32), True)
    """
    down = max(1, round(cells * height / width))
    grid = rng.random((down + 1, cells + 1), dtype=np.float32)
    return np.asarray(_ease(height, down) @ grid @ _ease(width, cells).T)


@lru_cache(maxsize=512)
def _ease(pixels: int, cells: int) -> Float[np.ndarray, "pixels corners"]:
    place = (np.arange(pixels) + 0.5) * cells / pixels
    left = np.minimum(place.astype(int), cells - 1)
    part = place - left
    part = part * part * (3 - 2 * part)
    weights = np.zeros((pixels, cells + 1), dtype=np.float32)
    weights[np.arange(pixels), left] = 1 - part
    weights[np.arange(pixels), left + 1] = part
    return weights


def _soft(wave: Plane, period: float) -> Plane:
    """Turn a sine of this period into 0 and 1 with edges about a pixel wide."""
    return np.asarray(np.clip(0.5 + wave * np.float32(period / 6.3), 0.0, 1.0))


def _fold(place: Plane, period: float) -> Plane:
    """Measure how far a place is from the nearest multiple of the period."""
    return np.asarray(np.abs(place - period * np.round(place / period)))


def _smooth(rng: np.random.Generator, u: Plane, _v: Plane, _period: float) -> Pattern:
    height, width = u.shape
    return np.zeros_like(u), 0.96 + 0.08 * clouds(rng, height, width, 3)


def _stripes(_rng: np.random.Generator, u: Plane, _v: Plane, period: float) -> Pattern:
    return _soft(np.sin(u * (2 * np.pi / period)), period), np.ones_like(u)


def _checks(_rng: np.random.Generator, u: Plane, v: Plane, period: float) -> Pattern:
    wave = 2 * np.pi / (1.3 * period)
    one, other = (_soft(np.sin(place * wave), 1.3 * period) for place in (u, v))
    return one + other - 2 * one * other, np.ones_like(u)


def _dots(_rng: np.random.Generator, u: Plane, v: Plane, period: float) -> Pattern:
    across, down = 1.1 * period, 1.1 * 1.732 * period
    near = np.hypot(_fold(u, across), _fold(v, down))
    between = np.hypot(_fold(u + across / 2, across), _fold(v + down / 2, down))
    radius = 0.32 * across
    return np.clip(0.5 + radius - np.minimum(near, between), 0.0, 1.0), np.ones_like(u)


def _waves(rng: np.random.Generator, u: Plane, v: Plane, period: float) -> Pattern:
    length = 2.1 * period
    bend: Plane
    if rng.random() < 0.5:
        bend = np.sin(u * (2 * np.pi / length)) * np.float32(0.42 * period)
    else:
        bend = (_fold(u, length) * (4 / length) - 1) * np.float32(0.5 * period)
    return _soft(np.sin((v + bend) * (2 * np.pi / period)), period), np.ones_like(u)


def _bricks(rng: np.random.Generator, u: Plane, v: Plane, period: float) -> Pattern:
    high, long, joint = 0.85 * period, 1.9 * period, max(0.7, 0.075 * period)
    row = np.floor(v / high)
    along = u + np.float32(long / 2) * np.mod(row, 2)
    gap = np.minimum(_fold(along, long), _fold(v, high))
    column = np.floor(along / long)
    turn = float(rng.random() * 6.28)
    each = np.sin(row * np.float32(12.9) + column * np.float32(78.2) + turn)
    return np.clip(0.5 + joint - gap, 0.0, 1.0), 1 + 0.09 * each


def _grain(rng: np.random.Generator, u: Plane, _v: Plane, _period: float) -> Pattern:
    height, width = u.shape
    fine = rng.standard_normal((height + 1, width + 1), dtype=np.float32)
    soft = fine[1:, 1:] + fine[:-1, 1:] + fine[1:, :-1] + fine[:-1, :-1]
    return np.clip(soft * 1.2 - 2.0, 0.0, 1.0), 1 + 0.035 * soft


_PATTERNS: dict[str, Callable[[np.random.Generator, Plane, Plane, float], Pattern]] = {
    "smooth": _smooth,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "waves": _waves,
    "bricks": _bricks,
    "grain": _grain,
}


def _places(height: int, width: int) -> tuple[Plane, Plane]:
    rows = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], (height, width))
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    return columns, rows


def _sky(rng: np.random.Generator, height: int, width: int) -> Surface:
    first, second = draw(rng, "blue"), draw(rng, "white")
    first = 0.5 * first + 0.5 * np.array([0.52, 0.76, 0.93])
    cover = 0.6 * clouds(rng, height, width, 3) + 0.4 * clouds(rng, height, width, 9)
    blend = np.clip((cover - rng.uniform(0.5, 0.75)) * 3.5, 0.0, 0.92)
    depth = np.linspace(0.93, 1.1, height, dtype=np.float32)[:, None]
    return Surface(first, second, blend, np.broadcast_to(depth, blend.shape), None)


def _night(rng: np.random.Generator, height: int, width: int) -> Surface:
    first = draw(rng, str(rng.choice(["blue", "purple"]))) * 0.35 + np.array([0.05, 0.08, 0.17])
    blend = np.zeros((height, width), dtype=np.float32)
    count = max(4, height * width // 500)
    rows, columns = rng.integers(1, height - 1, count), rng.integers(1, width - 1, count)
    light = (rng.random(count, dtype=np.float32) ** 2) * 0.8 + 0.2
    for down, right in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        blend[rows + down, columns + right] = 0.25 * light
    blend[rows, columns] = light
    depth = np.linspace(0.8, 1.25, height, dtype=np.float32)[:, None]
    haze = 0.9 + 0.25 * clouds(rng, height, width, 4)
    return Surface(first, draw(rng, "white"), blend, depth * haze, None)


def _grass(rng: np.random.Generator, height: int, width: int) -> Surface:
    first, second = draw(rng, "green"), draw(rng, "green")
    long = max(3, width // 18)
    fine = rng.standard_normal((height + long, width), dtype=np.float32).cumsum(axis=0)
    blades = (fine[long:] - fine[:-long]) * np.float32(1 / np.sqrt(long))
    blend = np.clip(0.25 + 0.22 * blades + 0.3 * clouds(rng, height, width, 4), 0.0, 1.0)
    return Surface(first, second, blend, 1 + 0.09 * blades, None)


def _sand(rng: np.random.Generator, height: int, width: int) -> Surface:
    first = draw(rng, "yellow") * 0.5 + np.array([0.46, 0.42, 0.29])
    columns, rows = _places(height, width)
    period = width * rng.uniform(0.09, 0.14)
    warp = 5 * clouds(rng, height, width, 4) + columns * (0.8 / width)
    ripple = np.sin(rows * (2 * np.pi / period) + warp)
    specks, bright = _grain(rng, columns, rows, period)
    return Surface(first, draw(rng, "brown"), specks * 0.45, bright + 0.05 * ripple, "grain")


def _water(rng: np.random.Generator, height: int, width: int) -> Surface:
    first = draw(rng, "blue")
    second = first * 0.55 + np.array([0.34, 0.40, 0.43])
    columns, rows = _places(height, width)
    period, length = width * rng.uniform(0.07, 0.11), width * rng.uniform(0.16, 0.24)
    drift = clouds(rng, height, width, 5)
    bend = np.sin(columns * (2 * np.pi / length) + 4 * drift) * np.float32(0.2 * period)
    swell = np.sin((rows + bend) * (2 * np.pi / period))
    blend = np.clip(1.6 * (swell - 0.35) * (0.3 + drift), 0.0, 0.8)
    return Surface(first, second, blend, 0.95 + 0.1 * drift + 0.03 * swell, "waves")


def _wall(rng: np.random.Generator, height: int, width: int) -> Surface:
    first = draw(rng, str(rng.choice(["red", "brown", "orange", "brown"])))
    first = 0.85 * first + 0.06
    columns, rows = _places(height, width)
    shift = (rng.random(2) * width).astype(np.float32)
    blend, bright = _bricks(rng, columns + shift[0], rows + shift[1], width * rng.uniform(0.1, 0.2))
    second = draw(rng, str(rng.choice(["white", "grey"])))
    mottle = 0.93 + 0.14 * clouds(rng, height, width, 16)
    return Surface(first, second, blend * 0.8, bright * mottle, "bricks")


def _wallpaper(rng: np.random.Generator, height: int, width: int) -> Surface:
    names = ["white", "grey", "pink", "yellow", "green", "blue", "purple", "orange"]
    one, other = rng.choice(names, 2, replace=False)
    first, second = draw(rng, str(one)), draw(rng, str(other))
    pale = draw(rng, "white")
    first = 0.6 * first + 0.4 * pale
    second = 0.45 * first + 0.4 * second + 0.15 * pale
    columns, rows = _places(height, width)
    angle = float(rng.choice([0.0, np.pi / 2, np.pi / 4, rng.uniform(0, np.pi)]))
    cosine, sine = np.cos(angle), np.sin(angle)
    u = columns * np.float32(cosine) + rows * np.float32(sine) + np.float32(width)
    v = rows * np.float32(cosine) - columns * np.float32(sine) + np.float32(width)
    kind = TEXTURES[int(rng.integers(len(TEXTURES)))]
    blend, bright = texture(rng, kind, u, v, width * rng.uniform(0.07, 0.15))
    return Surface(first, second, blend, bright, kind)


_BACKGROUNDS: dict[str, Callable[[np.random.Generator, int, int], Surface]] = {
    "sky": _sky,
    "night": _night,
    "grass": _grass,
    "sand": _sand,
    "water": _water,
    "bricks": _wall,
    "wallpaper": _wallpaper,
}
