"""The page of an atlas as plain files, for any web host that serves files.

The files are what the server would answer, byte for byte. They are written beside their place and
put there when all are done; interrupted, the same export goes on. Small copies of the probe set's
pictures are among them.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from striate import __version__
from striate.atlas.picture_files import is_stored
from striate.atlas.pictures import Pictures
from striate.atlas.snapshot import open_atlas
from striate.atlas.store.files import write
from striate.atlas.store.lock import locked
from striate.atlas.store.reader import Atlas
from striate.atlas.synthetic import SyntheticImages
from striate.dissection.pictures import ConceptPictures
from striate.errors import AddressError, AtlasError
from striate.web.site import AGAIN, INDEX, static_files
from striate.web.tree import Leaf, Tree

MARKER = "striate-site.json"
_PLAIN = ".nojekyll"
_OURS = frozenset({INDEX, "static", "data", "pictures", _PLAIN, MARKER, ".lock"})
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Attributes:
        files: How many.
        bytes: Of all.
        absent: Units whose synthetic image is left out, as its file is gone or damaged, and which
            command makes it again.
    """

    files: int
    bytes: int
    absent: tuple[str, ...] = ()


def export(
    folder: Path | str,
    site: Path | str,
    *,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exported:
    """Write the page of a finished atlas as static files.

    Args:
        folder: The atlas.
        site: Where the page goes: a folder that is empty, absent, or an earlier export, of which
            what was put beside the page stays.
        progress: Called with the files done and in all.

    Returns:
        How many files and bytes the site has.

    Raises:
        AtlasError: If the atlas is not finished, or the site would overwrite something else, or a
            picture cannot be made, or what the page tells changes meanwhile, or the disk is full.
    """
    atlas, target = finished(folder), Path(site).absolute()
    check_site(target)
    part = target.with_name(f".{target.name}.part")
    try:
        with locked(part):
            made = _write(part, atlas, progress)
        (part / ".lock").unlink(missing_ok=True)
        _put(part, target)
    except OSError as error:
        msg = (
            f"cannot write {target}: {error.strerror or error}. What is done is kept: make room, "
            "or make the folder writable, and run the same command again"
        )
        raise AtlasError(msg) from error
    return made


def finished(folder: Path | str) -> Atlas:
    """Return a finished atlas.

    Raises:
        AtlasError: If it is not finished, or damaged.
    """
    atlas = open_atlas(Path(folder))
    if not atlas.finished:
        msg = (
            f"{folder} is not finished, {atlas.seen} of {len(atlas.images)} images: run the same "
            "`striate atlas` command again, then export (`striate serve` shows unfinished ones)"
        )
        raise AtlasError(msg)
    return atlas


def check_site(site: Path) -> None:
    """Refuse to write over anything but an earlier export.

    Raises:
        AtlasError: If something else is there.
    """
    if site.is_dir() and ((site / MARKER).is_file() or not any(site.iterdir())):
        return
    if site.exists() or site.is_symlink():
        msg = (
            f"{site} holds something else: name a folder that is empty, or not there yet, or an "
            f"earlier export (with {MARKER} in it)"
        )
        raise AtlasError(msg)


def without_pictures(atlas: Atlas) -> bool:
    """Return whether `striate illustrate` has something left to do for an atlas's page."""
    pictures = Pictures(atlas)
    leaves_ = Tree(atlas).pictures(pictures, ConceptPictures(atlas, pictures.network))
    # Images need no making, and those that are synthetic are made when they are asked for; those
    # of concepts are another command's.
    others = ("pictures/images/", "/synthetic/", "pictures/concepts/")
    paths = [leaf.path for leaf in leaves_ if not any(other in leaf.path for other in others)]
    return not all(is_stored(atlas.home / path) for path in paths)


def leaves(atlas: Atlas) -> Iterator[Leaf]:
    """Yield every file of an atlas's site but its marker."""
    for name, file in static_files().items():
        if name != AGAIN:
            path = name if name == INDEX else f"static/{name}"
            yield Leaf(path, partial(bytes, file.content))
    # Without it, GitHub's pages leave out some files.
    yield Leaf(_PLAIN, bytes)
    tree = Tree(atlas)
    yield from tree.data()
    pictures = Pictures(atlas)
    yield from tree.pictures(pictures, ConceptPictures(atlas, pictures.network))


def _write(part: Path, atlas: Atlas, progress: Callable[[int, int], None]) -> Exported:
    marker = part / MARKER
    identity, absent = _identity(atlas), tuple(_absent(atlas))
    todo = list(leaves(atlas))
    done, size = _done(marker, identity)
    if not done:
        _empty(part)
    for number, leaf in enumerate(todo[done:], start=done + 1):
        try:
            content = leaf.make()
        except AddressError:
            # It was there when the leaves were counted.
            _check_unchanged(atlas, identity)
            raise
        path = part / leaf.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        size += len(content)
        if number % _STEP == 0 or number == len(todo):
            _check_unchanged(atlas, identity)
            # Files count as done once they would outlive a power cut.
            getattr(os, "sync", lambda: None)()
            said = {"identity": identity, "done": number, "bytes": size}
            write(marker, json.dumps(said).encode())
        progress(number, len(todo))
    final = {"striate": __version__, "identity": identity, "atlas": atlas.plan.hash()}
    content = json.dumps({**final, "files": len(todo) + 1}).encode()
    write(marker, content)
    return Exported(len(todo) + 1, size + len(content), absent)


def _identity(atlas: Atlas) -> str:
    """Return a hash of all that decides the files: the atlas, and this version of the page."""
    told = [__version__, Tree(atlas).revision, atlas.plan.hash(), *_absent(atlas)]
    digest = hashlib.sha256(" ".join(told).encode())
    for name, file in static_files().items():
        digest.update(name.encode() + hashlib.sha256(file.content).digest())
    return digest.hexdigest()


def _absent(atlas: Atlas) -> Iterator[str]:
    """Say which synthetic images have a number and no picture."""
    images = SyntheticImages(atlas)
    for row in atlas.layers.values():
        for unit in sorted(images.layer(row.number).made.keys() - images.stored(row.number).keys()):
            yield images.absent(row.number, unit)


def _check_unchanged(atlas: Atlas, identity: str) -> None:
    """Refuse to go on where numbers would stand beside later pictures."""  # noqa: DOC501 - private
    if _identity(atlas) != identity:
        msg = (
            f"synthetic images or concepts of {atlas.home} changed while it was exported: when "
            "`striate illustrate` or `striate dissect` has ended, run the same command again"
        )
        raise AtlasError(msg)


def _done(marker: Path, identity: str) -> tuple[int, int]:
    """Return how many files, and bytes, an interrupted export of the same has written."""
    try:
        found = json.loads(marker.read_bytes())
        if found["identity"] == identity:
            return int(found["done"]), int(found["bytes"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return 0, 0


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == ".lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _put(part: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    if target.exists():
        _keep_others(old, target)
        target.rename(old)
    part.rename(target)
    _keep_others(old, target)


def _keep_others(old: Path, site: Path) -> None:
    """Remove an earlier export; what else lay in it (``.git``, ``CNAME``) goes into the site."""
    if not old.exists():
        return
    for path in old.iterdir():
        if path.name not in _OURS and not (site / path.name).exists():
            path.rename(site / path.name)
    shutil.rmtree(old)
