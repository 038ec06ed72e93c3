"""The pictures of an atlas on disk: where each lies, whether it is whole, how it is encoded.

The files are called as the page asks for them.
"""

from collections.abc import Sequence
from pathlib import Path

from striate.atlas import sheets
from striate.atlas.store.reader import Entry
from striate.errors import ImageError
from striate.image.decode import decode
from striate.image.encode import encode
from striate.image.render import Picture
from striate.shapes import Display

_EXACT_UP_TO = 32
_QUALITY = 85


class PictureFiles:
    """Where the pictures of an atlas lie.

    Args:
        home: The atlas's folder.
    """

    def __init__(self, home: Path) -> None:
        self.folder = home / "pictures"

    def unit(self, layer: int, unit: int) -> Path:
        """Return the strip of a unit."""
        return self.folder / "units" / str(layer) / f"{unit}.webp"

    def layer_sheet(self, layer: int, view: str, page: int) -> Path:
        """Return a sheet of a layer's units."""
        return self.folder / "layers" / str(layer) / view / f"{page}.webp"

    def samples(self, page: int) -> Path:
        """Return a sheet with some units of each layer."""
        return self.folder / "samples" / f"{page}.webp"

    def thumbnails(self, page: int) -> Path:
        """Return a sheet of images."""
        return self.folder / "thumbnails" / f"{page}.webp"

    def synthetic(self, layer: int, unit: int) -> Path:
        """Return the synthetic image of a unit."""
        return self.folder / "synthetic" / str(layer) / f"{unit}.webp"

    def synthetic_numbers(self, layer: int) -> Path:
        """Return what the synthetic images of a layer reached."""
        return self.folder / "synthetic" / f"{layer}.json"

    def image(self, image: int) -> Path:
        """Return an image as the network gets it."""
        return self.folder / "images" / f"{image}.webp"


def is_stored(path: Path) -> bool:
    """Say whether a picture lies there, as far as its first bytes and its size tell."""
    try:
        with path.open("rb") as file:
            return _is_whole(file.read(12), path.stat().st_size)
    except OSError:
        return False


def stored(path: Path) -> bytes | None:
    """Return a stored picture; None if it is missing or is no whole WebP file."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if _is_whole(content[:12], len(content)) else None


def _is_whole(head: bytes, size: int) -> bool:
    said = int.from_bytes(head[4:8], "little")
    return head[:4] == b"RIFF" and head[8:] == b"WEBP" and said + 8 == size


def encoded(picture: Display, tile: int) -> bytes:
    """Return a picture as WebP, fit for the size of what it shows.

    WebP keeps one colour for four pixels. In tiles of 32 pixels and below that is seen, as a page
    enlarges them, and exact pixels cost little; in larger ones quality 85 looks like 90 and is a
    fifth smaller. The grey that means zero stays exactly that.

    Args:
        picture: A strip or sheet.
        tile: Side of one of its tiles.
    """
    return encode(picture, "webp", quality=100 if tile <= _EXACT_UP_TO else _QUALITY)


def tile_of(content: bytes, entries: Sequence[Entry], view: str) -> Picture | None:
    """Return what a sheet shows of a unit, from its stored strip.

    Args:
        content: The strip.
        entries: The images that it shows.
        view: One of `VIEWS`.

    Returns:
        The picture, of any size; None if the strip is damaged.
    """
    try:
        crops, projected = sheets.parts(decode(content), len(entries))
    except (ImageError, ValueError):
        return None
    if view == "projection":
        return projected[0]
    positive = [crop for crop, entry in zip(crops, entries, strict=True) if entry.value > 0]
    return sheets.mean_picture(positive) if view == "mean" else crops[0]
