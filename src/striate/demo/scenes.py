"""Pictures with known truth: objects, textures, colours and backgrounds, each with its mask.

A scene is a paper collage: one *main* object, which gives the class, up to three smaller objects
of any shape that distract from it, on a ground. Six classes are a shape whatever covers it; two
pairs tell one shape apart by texture; one pair tells one shape apart by colour. So a network
that learns them all must see shape, texture and colour.

A scene depends on `(seed, index)` alone: no global state, no order.

Applies to: anything that needs images whose segments are known exactly, such as network
dissection, in place of Broden.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int8

from striate.demo.outlines import OUTLINES, Plane
from striate.demo.palette import COOL, PARTNERS, WARM, draw
from striate.demo.surfaces import BACKGROUNDS, TEXTURES, Surface, background, texture
from striate.errors import ImageError
from striate.image.concepts.colours import COLOURS, Colour, colour_name, distance
from striate.shapes import Display

CLASSES: tuple[str, ...] = (
    "star",
    "moon",
    "heart",
    "flower",
    "cross",
    "ring",
    "striped-disc",
    "dotted-disc",
    "checked-square",
    "wavy-square",
    "warm-triangle",
    "cool-triangle",
)
"""What the main object is; a label is an index into this."""

CONCEPTS: tuple[str, ...] = (
    *(f"object/{name}" for name in OUTLINES),
    *(f"texture/{name}" for name in TEXTURES),
    *(f"colour/{name}" for name in COLOURS),
    *(f"background/{name}" for name in BACKGROUNDS),
)
"""Every mask's possible name."""

SMALLEST = 32
"""The least size of a scene, in pixels."""

_KINDS: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    "striped-disc": ("disc", "stripes", COLOURS),
    "dotted-disc": ("disc", "dots", COLOURS),
    "checked-square": ("square", "checks", COLOURS),
    "wavy-square": ("square", "waves", COLOURS),
    "warm-triangle": ("triangle", None, WARM),
    "cool-triangle": ("triangle", None, COOL),
}
_COVERS = (*TEXTURES, "smooth")
_ABOVE, _BELOW = ("sky", "night"), ("grass", "sand", "water")

Mask = Bool[np.ndarray, "height width"]


@dataclass(frozen=True)
class Scene:
    """A picture and what is where in it.

    Attributes:
        pixels: the picture, *display* space.
        masks: for every concept present, such as `object/star`, `texture/stripes`,
            `colour/red` or `background/sand`, the pixels that show it.
        label: the class, an index into `CLASSES`.
    """

    pixels: Display
    masks: dict[str, Mask]
    label: int


@dataclass(frozen=True)
class _Item:
    """One object: what it is and where."""

    shape: str
    texture: str
    first: Colour
    second: Colour
    row: float
    column: float
    radius: float
    angle: float


class _Canvas:
    """A picture in the making, with who owns each pixel."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels: Float[np.ndarray, "size size 3"] = np.zeros((size, size, 3), np.float32)
        self.shape: Int8[np.ndarray, "size size"] = np.full((size, size), -1, np.int8)
        self.texture: Int8[np.ndarray, "size size"] = np.full((size, size), -1, np.int8)
        self.colour: Int8[np.ndarray, "size size"] = np.full((size, size), -1, np.int8)
        self.ground: Int8[np.ndarray, "size size"] = np.full((size, size), -1, np.int8)

    def label(self, where: tuple[slice, slice], surface: Surface, inside: Mask) -> None:
        """Note a surface's texture and colours."""
        kind = -1 if surface.texture is None else TEXTURES.index(surface.texture)
        self.texture[where][inside] = kind
        names = [COLOURS.index(colour_name(rgb)) for rgb in (surface.first, surface.second)]
        colours = np.where(surface.blend < 0.5, np.int8(names[0]), np.int8(names[1]))
        self.colour[where][inside] = colours[inside]

    def masks(self) -> dict[str, Mask]:
        """One mask for each concept that some pixel shows."""
        masks: dict[str, Mask] = {}
        for category, owners, names in (
            ("object", self.shape, tuple(OUTLINES)),
            ("texture", self.texture, TEXTURES),
            ("colour", self.colour, COLOURS),
            ("background", self.ground, BACKGROUNDS),
        ):
            counts = np.bincount(owners.ravel() + 1, minlength=len(names) + 1)
            for index, name in enumerate(names):
                if counts[index + 1]:
                    masks[f"{category}/{name}"] = owners == index
        return masks


def scene(seed: int, index: int, size: int = 128) -> Scene:
    """Draw one scene.

    Args:
        seed: the series of scenes.
        index: which scene of the series; its class is `index % len(CLASSES)`, so every run of
            twelve has each class once.
        size: height and width in pixels; the same scene is drawn at every size, save its noise.

    Returns:
        The picture with its masks and its label.

    Raises:
        ImageError: a seed or index below 0, or a size below 32.

    Example:
        >>> one = scene(seed=0, index=0)
        >>> one.pixels.shape, CLASSES[one.label], "object/star" in one.masks
        ((128, 128, 3), 'star', True)
    """
    if seed < 0 or index < 0 or size < SMALLEST:
        raise ImageError(
            f"seed and index start at 0 and a scene's size at {SMALLEST} pixels; "
            f"asked for seed {seed}, index {index}, size {size}"
        )
    rng = np.random.default_rng([seed, index])
    label = index % len(CLASSES)
    canvas = _Canvas(size)
    _paint_ground(rng, canvas)
    main = _main(rng, CLASSES[label], canvas)
    others = [_distractor(rng, main, canvas) for _ in range(int(rng.integers(1, 4)))]
    behind = int(rng.integers(len(others) + 1))
    for item in (*others[:behind], main, *others[behind:]):
        _paint_object(rng, canvas, item)
    return Scene(_finish(rng, canvas), canvas.masks(), label)


def write_scenes(folder: Path, count: int, seed: int) -> None:
    """Write scenes as PNG files, class by class, with a list of their labels.

    Args:
        folder: where; `<folder>/<class>/<index>.png` and `<folder>/labels.csv` (file, index,
            name) are written, and what is there by these names is replaced.
        count: how many scenes, the first of the series.
        seed: the series of scenes.

    Raises:
        ImageError: `count` is below 1, or `seed` below 0.

    Example:
        >>> write_scenes(Path("scenes"), 100, seed=7)  # doctest: +SKIP
    """
    if count < 1:
        raise ImageError(f"asked for {count} scenes; one is the least")
    from striate.image.encode import save

    rows: list[tuple[str, int, str]] = []
    for index in range(count):
        drawn = scene(seed, index)
        name = CLASSES[drawn.label]
        path = folder / name / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(drawn.pixels, path)
        rows.append((f"{name}/{path.name}", drawn.label, name))
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "index", "name"))
        writer.writerows(rows)


def _choose(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _paint_ground(rng: np.random.Generator, canvas: _Canvas) -> None:
    size = canvas.size
    bands: tuple[tuple[str, int, int], ...]
    if rng.random() < 0.4:
        horizon = round(size * rng.uniform(0.35, 0.65))
        bands = ((_choose(rng, _ABOVE), 0, horizon), (_choose(rng, _BELOW), horizon, size))
    else:
        bands = ((_choose(rng, BACKGROUNDS), 0, size),)
    for name, top, bottom in bands:
        surface = background(rng, name, bottom - top, size)
        where = (slice(top, bottom), slice(0, size))
        canvas.pixels[where] = surface.pixels()
        canvas.ground[where] = BACKGROUNDS.index(name)
        canvas.label(where, surface, np.ones((bottom - top, size), dtype=bool))


def _main(rng: np.random.Generator, kind: str, canvas: _Canvas) -> _Item:
    shape, pattern, colours = _KINDS.get(kind, (kind, None, COLOURS))
    size = canvas.size
    radius = size * rng.uniform(0.21, 0.32)
    row, column = rng.uniform(0.3 * size, 0.7 * size, 2)
    pattern = _choose(rng, _COVERS) if pattern is None else pattern
    return _item(rng, canvas, (shape, pattern, colours), (row, column, radius))


def _distractor(rng: np.random.Generator, main: _Item, canvas: _Canvas) -> _Item:
    size = canvas.size
    shape, pattern = _choose(rng, tuple(OUTLINES)), _choose(rng, _COVERS)
    radius = size * rng.uniform(0.06, 0.11)
    row = column = 0.0
    for _ in range(8):
        row, column = rng.uniform(0.04 * size, 0.96 * size, 2)
        if np.hypot(row - main.row, column - main.column) > 0.8 * main.radius + 0.6 * radius:
            break
    return _item(rng, canvas, (shape, pattern, COLOURS), (row, column, radius))


def _item(
    rng: np.random.Generator,
    canvas: _Canvas,
    look: tuple[str, str, tuple[str, ...]],
    place: tuple[float, float, float],
) -> _Item:
    """Colour an object so that it stands out from what lies below it."""
    shape, pattern, colours = look
    row, column, radius = place
    limit = canvas.size - 1
    below = canvas.pixels[min(max(round(row), 0), limit), min(max(round(column), 0), limit)]
    name, first = "", np.zeros(3)
    for _ in range(5):
        name = _choose(rng, colours)
        first = draw(rng, name)
        if distance(first, np.clip(below, 0.0, 1.0)) > 0.2:
            break
    second = draw(rng, _choose(rng, PARTNERS[name]))
    if distance(first, second) < 0.2:
        second = draw(rng, "white" if name != "white" else "grey")
    angle = rng.uniform(-0.7, 0.7)
    return _Item(shape, pattern, first, second, row, column, radius, angle)


def _paint_object(rng: np.random.Generator, canvas: _Canvas, item: _Item) -> None:
    size, radius = canvas.size, item.radius
    reach = 1.15 * radius + 0.06 * size
    where = tuple(
        slice(max(0, int(centre - reach)), min(size, int(centre + reach) + 2))
        for centre in (item.row, item.column)
    )
    rows, columns = where
    down = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - np.float32(item.row)
    right = np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(item.column)
    cosine, sine = np.float32(np.cos(item.angle)), np.float32(np.sin(item.angle))
    u, v = right * cosine + down * sine, down * cosine - right * sine
    edge = OUTLINES[item.shape](u / np.float32(radius), v / np.float32(radius)) * np.float32(radius)
    box = (rows, columns)
    _cast_shadow(canvas, box, edge, radius)
    surface = _cover(rng, item, u, v)
    light = _light(down / np.float32(radius), right / np.float32(radius), edge, size / 128)
    below = canvas.pixels[box]
    alpha = np.clip(0.5 - edge, 0.0, 1.0)[..., None]
    below += alpha * (surface.pixels() * light[..., None] - below)
    inside = edge < 0
    canvas.shape[box][inside] = tuple(OUTLINES).index(item.shape)
    canvas.ground[box][inside] = -1
    canvas.label(box, surface, inside)


def _cover(rng: np.random.Generator, item: _Item, u: Plane, v: Plane) -> Surface:
    """Lay the object's texture at an angle of its own."""
    turn = float(rng.uniform(0, np.pi))
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    period = float(item.radius * (0.3 + 0.12 * rng.random()) + 1.5)
    far = np.float32(64 * period)
    along, across = u * cosine + v * sine + far, v * cosine - u * sine + far
    blend, bright = texture(rng, item.texture, along, across, period)
    return Surface(item.first, item.second, blend, bright, item.texture)


def _cast_shadow(canvas: _Canvas, box: tuple[slice, slice], edge: Plane, radius: float) -> None:
    """Darken what lies to the lower right, softly."""
    step = max(1, round(0.07 * radius + canvas.size / 128))
    softness = np.float32(1.6 * step + 1.5)
    dark = np.clip(0.5 - edge[:-step, :-step] / softness, 0.0, 1.0)
    shade = 1 - np.float32(0.36) * dark * dark * (3 - 2 * dark)
    canvas.pixels[box][step:, step:] *= shade[..., None]


def _light(
    down: Float[np.ndarray, "height 1"],
    right: Float[np.ndarray, " width"],
    edge: Float[np.ndarray, "height width"],
    scale: float,
) -> Plane:
    """Light from the upper left: a slope, a soft highlight and a darker rim."""
    slope = -0.09 * right - 0.11 * down
    glow = np.maximum(1 - 1.6 * (np.square(right + 0.3) + np.square(down + 0.35)), 0.0)
    rim = np.clip(1 + edge / np.float32(2.5 * scale), 0.0, 1.0)
    return np.asarray(1 + slope + 0.10 * np.square(glow) - 0.10 * rim)


def _finish(rng: np.random.Generator, canvas: _Canvas) -> Display:
    """Add a vignette and a film's noise, and round."""
    size = canvas.size
    axis = np.square(np.linspace(-1, 1, size, dtype=np.float32))
    vignette = 1 - np.float32(0.05) * (axis[:, None] + axis)
    picture = canvas.pixels * (vignette * np.float32(255))[..., None]
    picture += rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(2.2) + 0.5
    return np.asarray(np.clip(picture, 0, 255), dtype=np.uint8)
