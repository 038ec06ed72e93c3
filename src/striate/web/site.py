"""The page itself: a fixed table of files, read once; no request ever names a file."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Media types by ending: never the machine's own idea of them."""
INDEX = "index.html"
AGAIN = "again.js"
"""What the guard's own page runs: of no use where there is no guard."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the page, with its media type."""

    content: bytes
    kind: str


@cache
def static_files() -> dict[str, StaticFile]:
    """Return the page's files by name, `INDEX` among them.

    >>> static_files()["index.html"].kind
    'text/html; charset=utf-8'
    """
    found = {}
    for file in resources.files("striate.web").joinpath("static").iterdir():
        kind = KINDS.get("." + file.name.rpartition(".")[2])
        if kind is not None and not file.name.startswith("."):
            found[file.name] = StaticFile(file.read_bytes(), kind)
    return dict(sorted(found.items()))
