"""The demo's scenes with the truth of every pixel, as a set of concepts in Broden's format."""

from collections.abc import Iterator
from pathlib import Path

from striate.demo.scenes import CLASSES, SMALLEST, scene
from striate.errors import ImageError
from striate.image.concepts.broden_writer import Example, write_broden
from striate.image.concepts.concept_set import Concept

_VALIDATION = 4
"""Each block of twelve scenes has every class once; each fourth block is for validation."""

_OWN_NAMES = {"background/bricks": "brick wall"}
"""In Broden's format a name is one label, whatever its category; "bricks" is the texture."""


def concept_of(mask: str) -> Concept:
    """Say which concept a scene's mask shows.

    Args:
        mask: Its name, one of `striate.demo.scenes.CONCEPTS`.

    Returns:
        The concept, of the category "object", "texture", "colour" or "background".

    Example:
        >>> concept_of("object/star"), concept_of("background/bricks").name
        (Concept(name='star', category='object'), 'brick wall')
    """
    category, _, name = mask.partition("/")
    return Concept(_OWN_NAMES.get(mask, name), category)


def write_demo_concepts(folder: Path, count: int, seed: int, size: int = 128) -> Path:
    """Draw scenes with the masks of all that they show, unless they are there.

    Args:
        folder: In which a folder named after the scenes is made.
        count: How many scenes, the first of the series; 36 of each 48 are the part "train", the
            others "val", and both have every class equally often.
        seed: The series of scenes.
        size: Height and width in pixels, at least 32.

    Returns:
        The folder of the scenes, in Broden's format.

    Raises:
        ImageError: `count` is below 1, `seed` below 0, or `size` below 32.

    Example:
        >>> write_demo_concepts(Path("demo"), 96, seed=7)  # doctest: +SKIP
        PosixPath('demo/96-of-7-at-128')
    """
    if count < 1 or seed < 0 or size < SMALLEST:
        raise ImageError(
            f"one scene is the least, seeds start at 0 and sizes at {SMALLEST} pixels; "
            f"asked for {count} scenes of seed {seed}, {size} pixels wide"
        )
    drawn = folder / f"{count}-of-{seed}-at-{size}"
    if not (drawn / "index.csv").exists():
        write_broden(drawn, _examples(count, seed, size))
    return drawn


def _examples(count: int, seed: int, size: int) -> Iterator[Example]:
    for index in range(count):
        drawn = scene(seed, index, size)
        validates = index // len(CLASSES) % _VALIDATION == _VALIDATION - 1
        yield Example(
            f"scenes/{index:05d}.png",
            drawn.pixels,
            {concept_of(name): mask for name, mask in drawn.masks.items()},
            part="val" if validates else "train",
        )
