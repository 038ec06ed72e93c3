"""Broden's format: `index.csv`, `category.csv`, `label.csv`, `c_<category>.csv` and `images/`.

A line of `index.csv` is an image with one column for each category: empty, or a list with `;`
between its entries. An entry is a label's number, which covers the whole image, or a PNG file in
`images/` with the number at each pixel as red + 256 green. Several files are several layers, so a
pixel may carry several labels of one category. The number 0 is no label.

A label may stand in several categories ("fabric": a material, seldom an object). It counts as one
concept, of its primary category, wherever it stands: the one in which it covers most, by the
`coverage` of `c_<category>.csv`; where these files are missing, the one with the largest number
in `label.csv`, which writes "material(36);object(3)". Of equals the first in `label.csv` counts.

Source: Bau, Zhou, Khosla, Oliva and Torralba, *Network Dissection: Quantifying Interpretability of
Deep Visual Representations*, CVPR 2017, and its code.

Differs from the source: of two categories with the same coverage that code takes the later one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
from striate.image.concepts.tables import Row, file_inside, read_table

INDEX_COLUMNS: tuple[str, ...] = ("image", "split", "ih", "iw", "sh", "sw")
"""Columns of `index.csv` before those of the categories."""

LARGEST = 65535
"""The largest number that red + 256 green can hold."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """What `label.csv` says: the concepts, and which of them each number means."""

    concepts: tuple[Concept, ...]
    meaning: Int32[np.ndarray, " numbers"]

    def whole(self, number: int, where: str) -> int:
        """The concept that a whole image shows; `NOTHING` for 0.

        Raises:
            ImageError: If no label has this number.
        """
        concept = int(self.meaning[number]) if number < len(self.meaning) else UNKNOWN
        if concept == UNKNOWN:
            msg = f"{where}: no label in label.csv has the number {number}"
            raise ImageError(msg)
        return concept


def is_broden(folder: Path) -> bool:
    """Whether a folder looks like Broden's.

    Args:
        folder: Where to look.

    Returns:
        Whether `index.csv` and `label.csv` are there.

    Example:
        >>> is_broden(Path("nowhere"))
        False
    """
    return all((folder / name).is_file() for name in ("index.csv", "label.csv"))


def read_broden(folder: Path) -> ConceptSet:
    """Find the images and labels of a folder in Broden's format; no picture is read yet.

    Args:
        folder: That holds `index.csv` and the rest.

    Returns:
        Its concepts in the order of their numbers, also those that no image shows, and its images
        in the order of `index.csv`, by their paths in the folder, which begin with "images/".

    Raises:
        ImageError: If a file is missing or a line is wrong; it says which.

    Example:
        >>> read_broden(Path("broden1_224")).categories  # doctest: +SKIP
        ('color', 'object', 'part', 'material', 'scene', 'texture')
    """
    categories = tuple(row["name"] for row in read_table(folder / "category.csv", ["name"]).rows)
    labels = _read_labels(folder, categories)
    index = read_table(folder / "index.csv", ["image", *(name.lower() for name in categories)])
    images: dict[str, LabelledImage] = {}
    for row in index.rows:
        image = _image(folder, row, categories, labels)
        if image.name in images:
            msg = f"{row.where} names the image {row['image']!r}, which an earlier line names too"
            raise ImageError(msg)
        images[image.name] = image
    return ConceptSet(labels.concepts, tuple(images.values()))


def _image(folder: Path, row: Row, categories: tuple[str, ...], labels: _Labels) -> LabelledImage:
    root = folder / "images"
    path = file_inside(root, row["image"], row.where)
    masks: dict[Path, MaskFile] = {}
    whole: list[int] = []
    for category in categories:
        for entry in filter(None, (part.strip() for part in row[category.lower()].split(";"))):
            if re.fullmatch("[0-9]{1,9}", entry):
                whole.append(labels.whole(int(entry), row.where))
                continue
            file = file_inside(root, entry, row.where)
            masks[file] = MaskFile(file, labels.meaning, two_bytes=True)
    return LabelledImage(
        path.relative_to(folder).as_posix(),
        path,
        tuple(masks.values()),
        tuple(dict.fromkeys(concept for concept in whole if concept != NOTHING)),
        part=row["split"],
    )


def _read_labels(folder: Path, categories: tuple[str, ...]) -> _Labels:
    """The labels, each in its primary category.

    Raises:
        ImageError: If a line of `label.csv` or of `c_<category>.csv` is wrong.
    """
    coverage = {category: _coverage(folder / f"c_{category}.csv") for category in categories}
    known: dict[int, Concept] = {}
    for row in read_table(folder / "label.csv", ["number", "name", "category"]).rows:
        number = row.number("number")
        if number == 0:
            continue
        if number > LARGEST or number in known or not row["name"]:
            wrong = (
                "has no name" if not row["name"] else f"stands there twice or is above {LARGEST}"
            )
            msg = f"{row.where}: the label {number} {wrong}"
            raise ImageError(msg)
        shares = _shares(row, categories)
        if any(number in coverage[category] for category in shares):
            shares = {category: coverage[category].get(number, 0.0) for category in shares}
        known[number] = Concept(row["name"], max(shares, key=lambda name: shares[name]))
    concepts = tuple(dict.fromkeys(known[number] for number in sorted(known)))
    place = {concept: index for index, concept in enumerate(concepts)}
    meaning = np.full(max(known, default=0) + 1, UNKNOWN, np.int32)
    meaning[0] = NOTHING
    for number, concept in known.items():
        meaning[number] = place[concept]
    return _Labels(concepts, meaning)


def _shares(row: Row, categories: tuple[str, ...]) -> Mapping[str, float]:
    """The categories that a line of `label.csv` names, with their numbers; 0 without one.

    Raises:
        ImageError: If it names none, or one that `category.csv` lacks.
    """
    shares: dict[str, float] = {}
    for entry in row["category"].split(";"):
        match = re.fullmatch(r"\s*([^()]+?)\s*(?:\(([0-9]{1,9})\))?\s*", entry)
        if match is None or match[1] not in categories:
            msg = (
                f"{row.where}: the category {entry!r} must be one of category.csv, such as "
                f"'{', '.join(categories)}', with or without a number in brackets behind it"
            )
            raise ImageError(msg)
        shares[match[1]] = float(match[2] or 0)
    return shares


def _coverage(path: Path) -> dict[int, float]:
    """How much of the images each label covers in one category; nothing where no file says so.

    Raises:
        ImageError: If a line is wrong.
    """
    if not path.is_file():
        return {}
    coverage: dict[int, float] = {}
    for row in read_table(path, ["number", "coverage"]).rows:
        if not row["coverage"]:
            continue
        if not re.fullmatch(r"[0-9]+(\.[0-9]*)?(e[-+]?[0-9]{1,2})?", row["coverage"]):
            msg = f"{row.where}: coverage is {row['coverage']!r}, and must be a number"
            raise ImageError(msg)
        coverage[row.number("number")] = float(row["coverage"])
    return coverage
