"""Labels of whole images: a `labels.csv` with a line for each image, or a folder for each class.

`labels.csv` has the column `file`, relative to its folder or to `images/` in it. The concept's name
stands in the column `name`, and its category in `category`. Without a column `name` it stands in
the first that is left, and that column's header is the category: `file,index,texture` lists
textures. An image on several lines has several labels. A column `split` or `part` says to which
part an image belongs; `index` is not looked at.
"""

from dataclasses import dataclass, field
from pathlib import Path

from striate.errors import ImageError
from striate.image.concepts.concept_set import Concept, ConceptSet, LabelledImage
from striate.image.concepts.folder import NAMELESS, part_column
from striate.image.concepts.tables import Row, Table, file_inside, is_file, read_table
from striate.image.folder import find_images

CATEGORY = "class"
"""Of labels that have none."""

_FILE_COLUMNS = ("file", "filename", "image", "path")
_OTHERS = frozenset({"index", "split", "part", "width", "height"})
_GENERIC = frozenset({"name", "category", "class", "class_name", "label"})
"""Headers that say no more than that names stand below."""


@dataclass(slots=True)
class _Labels:
    """What the lines said of one image."""

    path: Path
    part: str
    concepts: list[Concept] = field(default_factory=list)


def lists_files(table: Table) -> bool:
    """Whether a `labels.csv` has a line for each image, and not one for each label.

    Args:
        table: The file.

    Returns:
        Whether it has a column for the file.

    Example:
        >>> lists_files(Table(Path("labels.csv"), ("index", "name"), ()))
        False
    """
    return any(name in table.columns for name in _FILE_COLUMNS)


def read_image_labels(folder: Path, category: str | None = None) -> ConceptSet:
    """Find the images that the `labels.csv` of a folder names.

    Args:
        folder: That holds `labels.csv`.
        category: Of all labels; None: what the file says, or "class".

    Returns:
        Its concepts in the order in which they first appear, and its images likewise, by their
        paths in the folder.

    Raises:
        ImageError: If the file is missing or a line is wrong; it says which.

    Example:
        >>> read_image_labels(Path("dtd-textures")).categories  # doctest: +SKIP
        ('texture',)
    """
    table = read_table(folder / "labels.csv")
    file_column = next(name for name in _FILE_COLUMNS if name in table.columns)
    name_column = _name_column(table, file_column)
    part = part_column(table) or ""
    kind = category or (CATEGORY if name_column in _GENERIC else name_column)
    found: dict[str, _Labels] = {}
    for row in table.rows:
        path = _file(folder, row, file_column)
        labels = found.setdefault(path.relative_to(folder).as_posix(), _Labels(path, row[part]))
        if labels.part != row[part]:
            msg = f"{row.where} puts {row[file_column]!r} into {row[part]!r}, an earlier one into "
            raise ImageError(msg + repr(labels.part))
        if row[name_column].lower() not in NAMELESS:
            own = row["category"] if name_column != "category" and category is None else ""
            labels.concepts.append(Concept(row[name_column], own or kind))
    return _set(found)


def read_classes(folder: Path, category: str | None = None) -> ConceptSet | None:
    """Take the folders below a folder as classes.

    Args:
        folder: That holds one folder for each class, two at least, and no other images.
        category: Of the classes; None: "class".

    Returns:
        Its classes and its images, in the order of their names; None if it has no class folders.

    Raises:
        ImageError: If there is no image at all.

    Example:
        >>> read_classes(Path("animals"), "animal").categories  # doctest: +SKIP
        ('animal',)
    """
    images = find_images(folder)
    found: dict[str, _Labels] = {}
    for image in images:
        if image.label is None:
            return None
        concept = Concept(image.label, category or CATEGORY)
        found[image.name] = _Labels(image.path, "", [concept])
    return _set(found)


def _name_column(table: Table, file_column: str) -> str:
    """The column in which the concepts' names stand.

    Raises:
        ImageError: If no column is left for them.
    """
    if "name" in table.columns:
        return "name"
    left = [name for name in table.columns if name != file_column and name not in _OTHERS]
    if not left:
        msg = (
            f"{str(table.path)!r} has the columns {', '.join(table.columns)}; needed is one more "
            "with the names of the concepts, called 'name' or as their category is called"
        )
        raise ImageError(msg)
    return left[0]


def _file(folder: Path, row: Row, column: str) -> Path:
    inside = folder / "images"
    if is_file(inside / row[column]) and not is_file(folder / row[column]):
        return file_inside(inside, row[column], row.where)
    return file_inside(folder, row[column], row.where)


def _set(found: dict[str, _Labels]) -> ConceptSet:
    concepts = tuple(dict.fromkeys(c for labels in found.values() for c in labels.concepts))
    place = {concept: index for index, concept in enumerate(concepts)}
    images = tuple(
        LabelledImage(
            name,
            labels.path,
            whole=tuple(dict.fromkeys(place[concept] for concept in labels.concepts)),
            part=labels.part,
        )
        for name, labels in found.items()
    )
    return ConceptSet(concepts, images)
