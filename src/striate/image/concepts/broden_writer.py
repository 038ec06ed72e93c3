"""Labelled images written in Broden's format, from truth that is known in the program.

The layout is told in `striate.image.concepts.broden`. Labels are numbered from 1 in the order in
which the images show them. Frequency is the number of images that show a label, and coverage the
sum over the images of the share that it covers. Label pictures are of the size of the masks.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, UInt16

from striate.errors import ImageError
from striate.files import write_whole
from striate.image.concepts.broden import INDEX_COLUMNS, LARGEST
from striate.image.concepts.concept_set import Concept
from striate.image.concepts.geometry import same_shape
from striate.image.encode import encode
from striate.shapes import Display

Plane = UInt16[np.ndarray, "rows columns"]


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """An image and what it shows, to be written.

    Attributes:
        name: Where it goes, below `images/`, with the suffix .png: "scenes/00001.png".
        picture: The image.
        masks: Of each concept where it is; all masks of one size and of the picture's proportions.
        whole: Concepts that cover the whole image.
        part: "train", "val" or "".
    """

    name: str
    picture: Display
    masks: Mapping[Concept, Bool[np.ndarray, "_ _"]] = field(default_factory=dict)
    whole: Sequence[Concept] = ()
    part: str = ""


@dataclass(slots=True)
class _Tally:
    """In how many images a label is, and how much of them it covers."""

    frequency: int = 0
    coverage: float = 0.0


def write_broden(folder: Path, examples: Iterable[Example]) -> None:
    """Write a set of labelled images; each is written, and let go, as it comes.

    A label is its name alone, and may stand in several categories: read back, it is one concept,
    of the category in which it covers most. Labels of one category that share pixels go into
    several label pictures.

    Args:
        folder: Made if need be. `index.csv` is written last: if it is there, all is.
        examples: The images, at least one.

    Raises:
        ImageError: If a name, a category or the size of a mask cannot be written, two images have
            one name, or there are none.

    Example:
        >>> import tempfile
        >>> sky = Concept("sky", "object")
        >>> picture = np.zeros((4, 4, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_broden(Path(folder), [Example("1.png", picture, whole=[sky])])
        ...     Path(folder, "index.csv").read_text().split()[1]
        '1.png,,4,4,4,4,1'
    """
    writer = _Writer(folder)
    for example in examples:
        writer.add(example)
    writer.finish()


class _Writer:
    """The files of the images that were added, and what the tables will say of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: dict[str, int] = {}
        self._tallies: dict[str, dict[int, _Tally]] = {}
        self._rows: list[dict[str, str | int]] = []
        self._names: set[str] = set()

    def add(self, example: Example) -> None:
        """Write one image and its labels.

        Raises:
            ImageError: If it cannot be written.
        """
        image = _checked_name(example.name)
        if image in self._names:
            msg = f"two images are called {image!r}; each needs a name of its own"
            raise ImageError(msg)
        self._names.add(image)
        shape = _checked_shape(example)
        path = self._folder / "images" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(example.picture))
        height, width = example.picture.shape[:2]
        sizes = (image, example.part, height, width, *shape)
        row: dict[str, str | int] = dict(zip(INDEX_COLUMNS, sizes, strict=True))
        cells = self._whole(example.whole)
        for category, masks in _by_category(example.masks).items():
            cells.setdefault(category, []).extend(self._planes(image, category, masks))
        row |= {category: ";".join(cell) for category, cell in cells.items()}
        self._rows.append(row)

    def finish(self) -> None:
        """Write the tables.

        Raises:
            ImageError: If there is no image.
        """
        if not self._rows:
            msg = "no image is to be written; give one at least"
            raise ImageError(msg)
        first = {name: min(tallies) for name, tallies in self._tallies.items()}
        categories = sorted(self._tallies, key=lambda name: first[name])
        for category in categories:
            self._write_codes(category)
        self._write_labels(categories)
        rows: list[list[object]] = []
        for category in categories:
            tallies = self._tallies[category]
            frequency = sum(tally.frequency for tally in tallies.values())
            rows.append([category, min(tallies), max(tallies), len(tallies), frequency])
        self._write("category.csv", ("name", "first", "last", "count", "frequency"), rows)
        columns = (*INDEX_COLUMNS, *categories)
        index = [[row.get(column, "") for column in columns] for row in self._rows]
        self._write("index.csv", columns, index)

    def _whole(self, concepts: Sequence[Concept]) -> dict[str, list[str]]:
        cells: dict[str, list[str]] = {}
        for concept in dict.fromkeys(concepts):
            number = self._count(concept, 1.0)
            cells.setdefault(concept.category, []).append(str(number))
        return cells

    def _planes(
        self, image: str, category: str, masks: Mapping[str, Bool[np.ndarray, "_ _"]]
    ) -> list[str]:
        """Write masks of one category into layers: into the first where their pixels are free.

        Raises:
            ImageError: If another image has the name of a label picture.
        """
        planes: list[Plane] = []
        for name, mask in sorted(masks.items(), key=lambda item: -int(item[1].sum())):
            if not mask.any():
                continue
            number = self._count(Concept(name, category), float(mask.mean()))
            free = next((plane for plane in planes if not plane[mask].any()), None)
            if free is None:
                free = np.zeros(mask.shape, np.uint16)
                planes.append(free)
            free[mask] = number
        stem = image.removesuffix(".png")
        files: list[str] = []
        for count, plane in enumerate(planes, 1):
            files.append(f"{stem}_{category}{f'_{count}' if count > 1 else ''}.png")
            if files[-1] in self._names:
                msg = f"the labels of {image!r} would be called {files[-1]!r}, as another image is"
                raise ImageError(msg)
            self._names.add(files[-1])
            channels = (plane & 255, plane >> 8, np.zeros_like(plane))
            coded = np.stack(channels, axis=-1).astype(np.uint8)
            (self._folder / "images" / files[-1]).write_bytes(encode(coded))
        return files

    def _count(self, concept: Concept, share: float) -> int:
        """Note that an image shows a label; returns the label's number.

        Raises:
            ImageError: If its name or category cannot be written.
        """
        if concept.name != concept.name.strip() or not concept.name:
            msg = f"a label cannot be called {concept.name!r}: empty, or with spaces around it"
            raise ImageError(msg)
        category = concept.category
        # Columns are read without regard to case.
        others = {name.lower() for name in self._tallies if name != category}
        taken = category.lower() in {*INDEX_COLUMNS, *others}
        if taken or not re.fullmatch(r"\w([\w .-]*\w)?", category):
            msg = (
                f"a category cannot be called {category!r}: letters, digits, '_', '-', '.' and "
                f"spaces between them can be written, {', '.join(INDEX_COLUMNS)} have another "
                "meaning, and two categories must not differ by case alone"
            )
            raise ImageError(msg)
        number = self._numbers.setdefault(concept.name, len(self._numbers) + 1)
        if number > LARGEST:
            msg = f"there are more than {LARGEST} labels, which is all that red + 256 green holds"
            raise ImageError(msg)
        tally = self._tallies.setdefault(category, {}).setdefault(number, _Tally())
        tally.frequency += 1
        tally.coverage += share
        return number

    def _write_codes(self, category: str) -> None:
        names = {number: name for name, number in self._numbers.items()}
        tallies = self._tallies[category]
        order = sorted(tallies, key=lambda n: (-tallies[n].frequency, -tallies[n].coverage, n))
        rows = [
            [code, number, names[number], tallies[number].frequency, tallies[number].coverage]
            for code, number in enumerate(order, 1)
        ]
        self._write(f"c_{category}.csv", ("code", "number", "name", "frequency", "coverage"), rows)

    def _write_labels(self, categories: Sequence[str]) -> None:
        rows: list[list[object]] = []
        for name, number in self._numbers.items():
            own = {c: self._tallies[c][number] for c in categories if number in self._tallies[c]}
            order = sorted(own, key=lambda c: -own[c].frequency)
            listed = ";".join(f"{category}({own[category].frequency})" for category in order)
            frequency = sum(tally.frequency for tally in own.values())
            coverage = sum(tally.coverage for tally in own.values())
            rows.append([number, name, listed, frequency, f"{coverage:f}", ""])
        columns = ("number", "name", "category", "frequency", "coverage", "syns")
        self._write("label.csv", columns, rows)

    def _write(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        write_whole(self._folder / name, text.getvalue().encode())


def _checked_name(name: str) -> str:
    """An image's name as a path.

    Raises:
        ImageError: If it leads out of the folder or is no PNG.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.suffix != ".png" or not path.stem:
        msg = f"an image cannot be called {name!r}; give a path below images/ that ends in .png"
        raise ImageError(msg)
    return str(path)


def _checked_shape(example: Example) -> tuple[int, int]:
    """The size of all masks; the picture's without masks.

    Raises:
        ImageError: If sizes differ, or the proportions are not the picture's.
    """
    height, width = example.picture.shape[:2]
    shapes = {(mask.shape[0], mask.shape[1]) for mask in example.masks.values()}
    if not shapes:
        return height, width
    shape = min(shapes)
    if len(shapes) > 1 or not same_shape(shape, (height, width)):
        msg = (
            f"the masks of {example.name!r} are {sorted(shapes)} in size, and the image "
            f"{(height, width)}; all masks need one size, like the image's but for the scale"
        )
        raise ImageError(msg)
    return shape


def _by_category(
    masks: Mapping[Concept, Bool[np.ndarray, "_ _"]],
) -> dict[str, dict[str, Bool[np.ndarray, "_ _"]]]:
    parted: dict[str, dict[str, Bool[np.ndarray, "_ _"]]] = {}
    for concept, mask in masks.items():
        parted.setdefault(concept.category, {})[concept.name] = mask
    return parted
