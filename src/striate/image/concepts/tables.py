"""CSV files with a header, read strictly: whatever is wrong is said with its file and line."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from striate.errors import ImageError

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table.

    Attributes:
        where: The line and its file, for messages: "line 3 of 'camvid/labels.csv'".
        cells: What it holds, without spaces around, by lower-case column.
    """

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        """The cell of a column; empty where the table has no such column."""
        return self.cells.get(column, "")

    def number(self, column: str) -> int:
        """A cell as a whole number of 0 or more.

        Args:
            column: Which cell.

        Returns:
            The number.

        Raises:
            ImageError: If it is none, or has more than nine digits.

        Example:
            >>> Row("line 2 of 'a.csv'", {"index": "7"}).number("index")
            7
        """
        text = self[column]
        if not re.fullmatch("[0-9]{1,9}", text):
            msg = f"{self.where}: {column} is {text!r}, and must be a whole number, 0 or more"
            raise ImageError(msg)
        return int(text)


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file.

    Attributes:
        path: The file.
        columns: Names of its columns, in lower case.
        rows: All but the header and empty lines.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: Path, needed: Sequence[str] = ()) -> Table:
    r"""Read a CSV file with a header, in UTF-8.

    Args:
        path: The file.
        needed: Columns that it must have.

    Returns:
        Its rows, as many as there are, in order.

    Raises:
        ImageError: If the file cannot be read, a column is missing or stands there twice, or a
            line has more or fewer cells than the header.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "labels.csv")
        ...     _ = path.write_text("index,name\n3,sky\n")
        ...     read_table(path, ["index", "name"]).rows[0]["name"]
        'sky'
    """
    lines = _lines(path)
    _, header = next(lines, (0, []))
    columns = tuple(name.strip().lower() for name in header)
    missing = [name for name in needed if name not in columns]
    if missing or len(set(columns)) != len(columns):
        wrong = f"lacks {', '.join(missing)}" if missing else "names a column twice"
        found = ", ".join(columns) or "none"
        msg = f"{str(path)!r} {wrong}; its first line must name the columns, found: {found}"
        raise ImageError(msg)
    rows: list[Row] = []
    for line, cells in lines:
        where = f"line {line} of {str(path)!r}"
        if len(cells) != len(columns):
            msg = (
                f"{where} has {len(cells)} cells where the header has {len(columns)}; a cell that "
                "holds a comma must stand in quotes"
            )
            raise ImageError(msg)
        rows.append(Row(where, dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
    return Table(path, columns, tuple(rows))


def file_inside(folder: Path, text: str, where: str) -> Path:
    """Find the file that a table names.

    Args:
        folder: Where paths of the table begin.
        text: The path, with slashes.
        where: The line, for the message.

    Returns:
        The path; the file is there.

    Raises:
        ImageError: If the path leads out of the folder, or there is no such file.

    Example:
        >>> file_inside(Path("images"), "../secret.png", "line 2")
        Traceback (most recent call last):
        ...
        striate.errors.ImageError: line 2: '../secret.png' leads out of the folder 'images'
    """
    relative = PurePosixPath(text)
    if relative.is_absolute() or ".." in relative.parts:
        msg = f"{where}: {text!r} leads out of the folder {str(folder)!r}"
        raise ImageError(msg)
    path = folder / relative
    if not is_file(path):
        msg = f"{where} names {text!r}, but there is no file {str(path)!r}"
        raise ImageError(msg)
    return path


def is_file(path: Path) -> bool:
    """Whether a file is there and can be looked at; no name is too long to be asked for.

    Args:
        path: Where it would be.

    Example:
        >>> is_file(Path("x" * 1000))
        False
    """
    try:
        return path.is_file()
    except OSError:
        return False


def some(names: Sequence[str]) -> str:
    """Name the first few of many, for messages.

    Args:
        names: All.

    Returns:
        Up to five of them, and how many more there are.

    Example:
        >>> some(["a", "b", "c", "d", "e", "f"])
        'a, b, c, d, e and 1 more'
    """
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines with something in them, by the number of the last one that a row fills.

    Raises:
        ImageError: If the file cannot be read as CSV.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        # strict: a quote that never closes would otherwise swallow the rest of the file.
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        found = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"cannot read {str(path)!r} as CSV in UTF-8: {error}"
        raise ImageError(msg) from error
    yield from found
