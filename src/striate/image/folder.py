"""A folder, or a list of files, as images with stable numbers; and their classes.

The number of an image is its place in the sorted names (in a list: its place in the list), so it
is the same on every machine and in every run. Names are POSIX paths relative to the source. A name
that is not valid Unicode keeps its bytes as surrogate escapes: ``os.fsencode(name)`` gives them
back.
"""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from striate.errors import ImageError

EXTENSIONS = frozenset((
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".avif"),
))
"""Suffixes, in lower case, of the files that are taken for images."""

_FILE_COLUMNS = ("file", "filename", "image", "path")
# "index" last: beside another column of whole numbers it is more often the number of the row.
_INDEX_COLUMNS = ("target", "label", "class", "index")
_NAME_COLUMNS = ("name", "category", "class_name", "label", "class")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One image of a probe set, not yet read.

    Attributes:
        id: Its number, from 0 without gaps.
        name: POSIX path relative to the source folder (or the list's folder; an absolute path if
            the list names a file outside).
        path: Where to read it.
        label: Name of its class folder, or None if the source is not one folder per class.
    """

    id: int
    name: str
    path: Path
    label: str | None


@dataclass(frozen=True, slots=True)
class Labels:
    """The classes of images.

    Attributes:
        index: The class index of each image in order, or None where it is not known.
        names: Name of each class index, as far as known.
        numbered: Whether somebody gave the indices; else they only count sorted names.
    """

    index: tuple[int | None, ...]
    names: dict[int, str]
    numbered: bool = field(default=True, repr=False, compare=False)


def find_images(source: Path) -> list[ImageFile]:
    """Find the images of a folder or a list.

    A folder is searched to its depth. Left out are hidden files and folders (a leading dot), links
    that lead outside the folder, linked folders (what they hold is found under its own name, and
    a loop cannot trap us), folders that may not be read, and files of other suffixes.

    A list is a text file with one path a line, relative to the list's own folder. Empty lines and
    lines that start with ``#`` are skipped; spaces around a path do not count.

    Args:
        source: The folder, or the list.

    Returns:
        The images, numbered from 0: sorted by name for a folder, in the given order for a list.
        They have labels if all lie in subfolders exactly one level deep, two at least.

    Raises:
        ImageError: If there is no such source or no image in it, or if a list names a file twice,
            one that is missing, or one that is no image by its suffix.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("cat", "dog"):
        ...         Path(folder, name).mkdir()
        ...         Path(folder, name, "1.jpg").touch()
        ...     [(image.id, image.name, image.label) for image in find_images(Path(folder))]
        [(0, 'cat/1.jpg', 'cat'), (1, 'dog/1.jpg', 'dog')]
    """
    if source.is_dir():
        root = source.resolve()
        found = {name: source / name for name in sorted(_walk(root))}
        looked = "in it or its subfolders (hidden files and links that lead outside do not count)"
    elif source.is_file():
        if source.suffix.lower() in EXTENSIONS:
            msg = f"{str(source)!r} is one image; give its folder, or a list with one path a line"
            raise ImageError(msg)
        found = _listed(source)
        looked = "as a list with one path a line"
    else:
        msg = f"there is no folder or list {str(source)!r}; check the path"
        raise ImageError(msg)
    if not found:
        suffixes = ", ".join(sorted(EXTENSIONS))
        msg = f"{str(source)!r} holds no image; looked for {suffixes} {looked}"
        raise ImageError(msg)
    parts = [PurePosixPath(name).parts for name in found]
    classes = {part[0] for part in parts}
    labelled = len(classes) > 1 and all(len(part) == 2 for part in parts)
    return [
        ImageFile(number, name, path, part[0] if labelled else None)
        for number, ((name, path), part) in enumerate(zip(found.items(), parts, strict=True))
    ]


def folder_labels(images: Sequence[ImageFile]) -> Labels | None:
    """Take the class folders as classes.

    Args:
        images: As `find_images` returns them.

    Returns:
        Class indices in the sorted order of the folder names, as torchvision's ``ImageFolder``
        counts them; None if the images do not lie in one folder per class.

    Example:
        >>> images = [ImageFile(i, f"{c}/1.png", Path(c), c) for i, c in enumerate(["b", "a"])]
        >>> folder_labels(images)
        Labels(index=(1, 0), names={0: 'a', 1: 'b'})
    """
    labels = [image.label for image in images if image.label is not None]
    if not labels or len(labels) != len(images):
        return None
    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    names = {index: name for name, index in numbers.items()}
    return Labels(tuple(numbers[label] for label in labels), names, numbered=False)


def read_labels(csv_path: Path, images: Sequence[ImageFile]) -> Labels:
    r"""Read the classes of images from a CSV file with a header.

    The file is named in the column ``file``, ``filename``, ``image`` or ``path``: by the image's
    name, or by as much of the end of the path as names one image only. The class index stands in
    ``target``, ``label``, ``class`` or ``index`` (the first of these that holds whole numbers),
    the class name in ``name``, ``category``, ``class_name``, ``label`` or ``class``. With names
    alone, indices are given in their sorted order, over all rows. An empty cell, or an index below
    0, is no label. Rows for other files are ignored.

    Args:
        csv_path: The CSV file, in UTF-8.
        images: As `find_images` returns them.

    Returns:
        The class of each image, and the names of all classes in the file.

    Raises:
        ImageError: If the file cannot be read or lacks such columns, if no row names any of the
            images, or if rows contradict each other.

    Example:
        >>> import tempfile
        >>> images = [ImageFile(0, "a.png", Path("a.png"), None)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("file,index,category\na.png,7,tabby\n")
        ...     read_labels(path, images)
        Labels(index=(7,), names={7: 'tabby'})
    """
    rows = _rows(csv_path)
    file_column = next((name for name in _FILE_COLUMNS if name in rows[0]), None)
    classes = _classes(rows)
    if file_column is None or classes is None:
        msg = (
            f"{str(csv_path)!r} has the columns {', '.join(rows[0])}; needed are one of "
            f"{', '.join(_FILE_COLUMNS)}, and one of {', '.join(_INDEX_COLUMNS)} (whole numbers) "
            f"or {', '.join(_NAME_COLUMNS)} (text)"
        )
        raise ImageError(msg)
    indices, names, numbered = classes
    finder = _Finder(images)
    index: list[int | None] = [None] * len(images)
    matched: dict[int, int] = {}
    for number, row in enumerate(rows):
        place = finder.find(row[file_column])
        if place is None:
            continue
        first = matched.setdefault(place, number)
        if indices[first] != indices[number]:
            msg = (
                f"{str(csv_path)!r} gives {images[place].name!r} two classes: {indices[first]} and "
                f"{indices[number]}, in rows {first + 1} and {number + 1}; keep one of them"
            )
            raise ImageError(msg)
        index[place] = indices[number]
    if not matched:
        ours = repr(images[0].name) if images else "there are none"
        msg = (
            f"no row of {str(csv_path)!r} names one of the images; the file says for example "
            f"{rows[0][file_column]!r}, the images are for example {ours}"
        )
        raise ImageError(msg)
    return Labels(tuple(index), names, numbered=numbered)


def _walk(root: Path) -> Iterator[str]:
    """The names of all images below a folder, in no particular order.

    Raises:
        ImageError: If the folder itself may not be read.
    """
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(root / folder) as entries:
                found = list(entries)
        except OSError:
            if not folder:
                msg = f"the folder {str(root)!r} may not be read; check its permissions"
                raise ImageError(msg) from None
            continue
        for entry in found:
            name = f"{folder}{entry.name}"
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            elif Path(entry.name).suffix.lower() in EXTENSIONS and _is_ours(entry, root):
                yield name


def _is_ours(entry: os.DirEntry[str], root: Path) -> bool:
    """Whether an entry is a regular file, in the folder even if it is a link."""
    try:
        if not entry.is_symlink():
            return entry.is_file()
        target = Path(entry.path).resolve(strict=True)
    except (OSError, RuntimeError):  # a dangling link, or one that leads to itself
        return False
    return target.is_file() and target.is_relative_to(root)


def _listed(source: Path) -> dict[str, Path]:
    folder = Path(os.path.abspath(source.parent))  # noqa: PTH100  # resolve() would follow links
    found: dict[str, Path] = {}
    lines: dict[str, int] = {}
    for number, raw in enumerate(source.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        text = os.fsdecode(raw.strip())
        if not text or text.startswith("#"):
            continue
        path = Path(os.path.normpath(folder / text))
        name = (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
        where = f"line {number} of {str(source)!r} names {text!r}"
        if name in found:
            msg = f"{where}, which line {lines[name]} names already; keep one of them"
            raise ImageError(msg)
        if path.suffix.lower() not in EXTENSIONS:
            msg = f"{where}, which is no image by its suffix ({', '.join(sorted(EXTENSIONS))})"
            raise ImageError(msg)
        if not path.is_file():
            msg = f"{where}, but there is no file {str(path)!r}; paths are relative to the list"
            raise ImageError(msg)
        found[name], lines[name] = path, number
    return found


def _rows(csv_path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by lower-case column name; at least one.

    Raises:
        ImageError: If the file cannot be read as such.
    """
    try:
        text = csv_path.read_bytes().decode("utf-8-sig", errors="surrogateescape")
        # strict: a quote that never closes would otherwise swallow the rest of the file.
        table = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (OSError, csv.Error) as error:
        msg = f"cannot read {str(csv_path)!r} as CSV: {error}"
        raise ImageError(msg) from error
    if len(table) < 2:
        msg = f"{str(csv_path)!r} has {len(table)} lines; needed are a header and one row at least"
        raise ImageError(msg)
    header = [name.strip().lower() for name in table[0]]
    return [dict(zip(header, row + [""] * len(header), strict=False)) for row in table[1:]]


def _classes(
    rows: Sequence[Mapping[str, str]],
) -> tuple[list[int | None], dict[int, str], bool] | None:
    """The class index of each row, the names of all, and whether indices were given, or None.

    Raises:
        ImageError: If one index has two names.
    """
    numeric = [name for name in _INDEX_COLUMNS if name in rows[0] and _whole_numbers(rows, name)]
    named = [name for name in _NAME_COLUMNS if name in rows[0] and name not in numeric]
    texts = [row[named[0]].strip() for row in rows] if named else [""] * len(rows)
    if numeric:
        cells = [row[numeric[0]].strip() for row in rows]
        indices = [int(cell) if cell and int(cell) >= 0 else None for cell in cells]
    elif named:
        numbers = {text: number for number, text in enumerate(sorted(set(texts) - {""}))}
        indices = [numbers.get(text) for text in texts]
    else:
        return None
    names: dict[int, str] = {}
    for index, text in zip(indices, texts, strict=True):
        if index is not None and text and names.setdefault(index, text) != text:
            msg = f"class {index} has two names, {names[index]!r} and {text!r}; keep one of them"
            raise ImageError(msg)
    return indices, dict(sorted(names.items())), bool(numeric)


def _whole_numbers(rows: Sequence[Mapping[str, str]], column: str) -> bool:
    cells = [row[column].strip() for row in rows]
    return any(cells) and all(re.fullmatch(r"-?[0-9]{1,18}|", cell) for cell in cells)


class _Finder:
    """Finds the image that a path written elsewhere means."""

    def __init__(self, images: Sequence[ImageFile]) -> None:
        self._exact = {image.name: place for place, image in enumerate(images)}
        self._by_file: dict[str, list[tuple[str, int]]] = {}
        for place, image in enumerate(images):
            known = _normal(image.name)
            self._by_file.setdefault(known.rpartition("/")[2], []).append((known, place))

    def find(self, text: str) -> int | None:
        """The image's place, or None if none or more than one fits."""
        if text in self._exact:
            return self._exact[text]
        asked = _normal(text)
        # Either may begin further up the tree than the other; what both say must agree.
        fitting = [
            place
            for known, place in self._by_file.get(asked.rpartition("/")[2], [])
            if f"/{known}".endswith(f"/{asked}") or f"/{asked}".endswith(f"/{known}")
        ]
        return fitting[0] if len(fitting) == 1 else None


def _normal(text: str) -> str:
    """One spelling for all: macOS writes accents apart, Windows turns the slashes round."""
    slashes = text.strip().replace("\\", "/").removeprefix("./")
    return unicodedata.normalize("NFC", slashes)
