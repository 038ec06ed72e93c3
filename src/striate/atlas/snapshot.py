"""An atlas to look at while the pass that makes it is still running.

What is done so far is written by the writer of finished atlases into a folder of its own, which
goes when nobody looks at it any more. The pass notices nothing: its lock is not taken, nothing is
written into its folder, and what it replaces meanwhile is left out or read again.
"""

import shutil
import tempfile
import time
import weakref
from pathlib import Path

from striate.atlas.store.ledger import Ledger
from striate.atlas.store.reader import REVISION_DIGITS, Atlas
from striate.atlas.store.writer import write_atlas
from striate.errors import AtlasError

_TRIES = 5
_PAUSE = 0.1


def open_atlas(folder: Path | str) -> Atlas:
    """Open an atlas, finished or not.

    Args:
        folder: Where it lies.

    Returns:
        The finished atlas; or what the shards done so far give, with ``finished`` false, ``home``
        the folder and ``seen`` the images that were seen.

    Raises:
        AtlasError: If there is no atlas, it is damaged, or no shard is done yet.

    Example:
        >>> open_atlas("demo-atlas/atlas").seen  # doctest: +SKIP
        600
    """
    place = Path(folder)
    for _ in range(_TRIES):
        revision = revision_of(place)
        if not _in_progress(place):
            return Atlas(place)
        try:
            return _snapshot(place, revision)
        except AtlasError:
            # Only a pass that ends, or has done another shard, explains trouble that passes.
            if _in_progress(place) and revision_of(place) == revision:
                raise
            time.sleep(_PAUSE)
    msg = f"{place} changes faster than it can be read; try again"
    raise AtlasError(msg)


def revision_of(folder: Path | str) -> str:
    """Return a short hash that changes whenever `open_atlas` would return something else.

    Args:
        folder: Where the atlas lies.

    Returns:
        What `Atlas.revision` says of the atlas that `open_atlas` returns.

    Raises:
        AtlasError: If there is no atlas.

    Example:
        >>> revision_of("demo-atlas/atlas")  # doctest: +SKIP
        '5d4c0f9a1b2e3f40'
    """
    place = Path(folder)
    if _in_progress(place):
        try:
            return Ledger(place, read_only=True).revision()[:REVISION_DIGITS]
        except AtlasError:
            # When a pass ends, its ledger goes.
            if _in_progress(place):
                raise
    try:
        # Nothing else of an atlas counts without its database.
        if (place / "atlas.sqlite").exists():
            return (place / "atlas.sha256").read_text("ascii")[:REVISION_DIGITS]
    except (OSError, ValueError):
        pass
    return Atlas(place).revision


def _in_progress(folder: Path) -> bool:
    """Say whether a pass has begun that has not ended."""
    return not (folder / "atlas.sqlite").exists() and (folder / "ledger.sqlite").exists()


def _snapshot(folder: Path, revision: str) -> Atlas:
    ledger = Ledger(folder, read_only=True)
    plan, _ = ledger.begun()
    done = ledger.done()
    if not done:
        images = len(plan.shard_range(0))
        msg = f"{folder}: no shard of {images} images is done yet; look again when one is"
        raise AtlasError(msg)
    temporary = Path(tempfile.mkdtemp(prefix="striate-snapshot-"))
    try:
        write_atlas(temporary, ledger, list(done), lasting=False)
        atlas = Atlas(temporary, home=folder, revision=revision)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    weakref.finalize(atlas, shutil.rmtree, temporary, ignore_errors=True)
    return atlas
