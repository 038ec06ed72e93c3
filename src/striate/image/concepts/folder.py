"""A folder of images and masks: `images/`, `masks/` and `labels.csv`.

The mask of `images/a/1.jpg` is `masks/a/1.png`: one channel (grey of up to 16 bits, or the index
into a palette) that holds a label's index at each pixel, of any size of the image's proportions.
What the labels are called stands in `labels.csv`: columns `index` and `name`, and `category` if
they have one. Labels called unlabelled, void, ignore or none are nothing; several indices of one
name and category are one concept. `images.csv` may say to which part an image belongs: columns
`file`, with or without its extension, and `split` or `part`.
"""

from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int32

from striate.errors import ImageError
from striate.image.concepts.concept_set import (
    NOTHING,
    UNKNOWN,
    Concept,
    ConceptSet,
    LabelledImage,
    MaskFile,
)
from striate.image.concepts.tables import Table, read_table, some
from striate.image.folder import find_images

CATEGORY = "object"
"""Of labels that have none."""

NAMELESS = frozenset({"", "-", "unlabelled", "unlabeled", "void", "ignore", "none"})
"""Names, in lower case, of labels that mean none."""

_LARGEST = 65535
"""The largest number that a PNG channel holds."""


def read_masks(folder: Path, category: str | None = None) -> ConceptSet:
    """Find the images and masks of a folder; no picture is read yet.

    Args:
        folder: That holds `images/`, `masks/` and `labels.csv`.
        category: Of all labels; None: what `labels.csv` says, or "object".

    Returns:
        Its concepts in the order of `labels.csv`, and its images in the order of their names, which
        begin with "images/".

    Raises:
        ImageError: If something is missing or a line is wrong; it says which.

    Example:
        >>> read_masks(Path("camvid")).categories  # doctest: +SKIP
        ('object',)
    """
    for needed in ("images", "masks"):
        if not (folder / needed).is_dir():
            msg = f"{str(folder)!r} has no folder {needed!r}; beside masks/ there must be images/"
            raise ImageError(msg)
    concepts, meaning = _labels(folder / "labels.csv", category)
    found = find_images(folder / "images")
    masks = {image.name: folder / "masks" / _mask_name(image.name) for image in found}
    bare = [f"images/{name}" for name, mask in masks.items() if not mask.is_file()]
    if bare:
        msg = (
            f"{len(bare)} of {len(found)} images of {str(folder)!r} have no mask of the same name, "
            f"ending in .png, in masks/: {some(bare)}; add the masks, or take those images away"
        )
        raise ImageError(msg)
    parts = _parts(folder / "images.csv", list(masks))
    images = tuple(
        LabelledImage(
            f"images/{image.name}",
            image.path,
            (MaskFile(masks[image.name], meaning),),
            part=parts.get(image.name, ""),
        )
        for image in found
    )
    return ConceptSet(concepts, images)


def _labels(
    path: Path, category: str | None
) -> tuple[tuple[Concept, ...], Int32[np.ndarray, " codes"]]:
    """The concepts, and which of them each code of a mask means.

    Raises:
        ImageError: If the file is missing or wrong.
    """
    table = read_table(path, ["index", "name"])
    known: dict[int, Concept | None] = {}
    for row in table.rows:
        index, name = row.number("index"), row["name"]
        if index > _LARGEST or index in known:
            wrong = "stands there twice" if index in known else f"is above {_LARGEST}"
            msg = f"{row.where}: the index {index} {wrong}"
            raise ImageError(msg)
        nameless = name.lower() in NAMELESS
        kind = category or row["category"] or CATEGORY
        known[index] = None if nameless else Concept(name, kind)
    concepts = tuple(dict.fromkeys(concept for concept in known.values() if concept is not None))
    if not concepts:
        msg = f"{str(path)!r} names no concept; it needs lines such as '0,sky' below 'index,name'"
        raise ImageError(msg)
    place = {concept: index for index, concept in enumerate(concepts)}
    meaning = np.full(max(known) + 1, UNKNOWN, np.int32)
    for index, concept in known.items():
        meaning[index] = NOTHING if concept is None else place[concept]
    return concepts, meaning


def _mask_name(image: str) -> str:
    return str(PurePosixPath(image).with_suffix(".png"))


def _parts(path: Path, images: list[str]) -> dict[str, str]:
    """The part of each image of which `images.csv` says one.

    Raises:
        ImageError: If the file is wrong, or names none of the images.
    """
    if not path.is_file():
        return {}
    table = read_table(path, ["file"])
    column = part_column(table)
    if column is None:
        return {}
    by_name: dict[str, list[str]] = {}
    for image in images:
        for known in {image, str(PurePosixPath(image).with_suffix(""))}:
            by_name.setdefault(known, []).append(image)
    parts: dict[str, str] = {}
    for row in table.rows:
        for image in by_name.get(row["file"].removeprefix("images/"), []):
            if parts.setdefault(image, row[column]) != row[column]:
                msg = f"{row.where} puts {image!r} into {row[column]!r}, an earlier one into "
                raise ImageError(msg + repr(parts[image]))
    if not parts:
        msg = f"{str(path)!r} names none of the images, which are for example {images[0]!r}"
        raise ImageError(msg)
    return parts


def part_column(table: Table) -> str | None:
    """Which column says to what part of the set an image belongs.

    Args:
        table: Of images.

    Returns:
        "split" or "part", or None.

    Example:
        >>> part_column(Table(Path("images.csv"), ("file", "split"), ()))
        'split'
    """
    return next((name for name in ("split", "part") if name in table.columns), None)
