"""The atlas that is being shown: opened again when more of it is there."""

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from striate.atlas.pictures import Pictures
from striate.atlas.snapshot import open_atlas, revision_of
from striate.atlas.store.reader import Atlas
from striate.dissection.pictures import ConceptPictures
from striate.errors import AddressError, AtlasError
from striate.web.tree import Tree

_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An atlas as it was at one moment, with its answers and pictures."""

    atlas: Atlas
    tree: Tree
    pictures: Pictures
    concepts: ConceptPictures

    @classmethod
    def of(cls, folder: Path) -> "Opened":
        """Open an atlas, finished or not.

        Raises:
            AtlasError: If there is none, or it is damaged.
        """
        atlas = open_atlas(folder)
        pictures = Pictures(atlas)
        return cls(atlas, Tree(atlas), pictures, ConceptPictures(atlas, pictures.network))

    def image(self, image: int) -> bytes:
        """Return an image as the network gets it.

        Raises:
            AddressError: If there is none, or it was skipped: there is nothing to show of it.
        """
        rows = self.atlas.images
        if image < len(rows) and rows[image].skipped is not None:
            msg = f"image {image} has no picture, it was skipped: {rows[image].skipped}"
            raise AddressError(msg)
        return self.pictures.image(image)


class Shelf:
    """Keeps the newest state of an atlas open; any thread may ask.

    Requests that hold an older state go on with it.

    Args:
        folder: Where the atlas lies.

    Raises:
        AtlasError: If there is none, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = revision_of(folder)
        self._opened = Opened.of(folder)
        self._looked = time.monotonic()
        self._lock = threading.Lock()

    def opened(self) -> Opened:
        """Return the state that was opened last."""
        return self._opened

    def newest(self) -> Opened:
        """Return the state that is on disk now; looked up at most once a second."""
        # Whoever comes while another looks takes what there is.
        if not self._lock.acquire(blocking=False):
            return self._opened
        try:
            if time.monotonic() - self._looked >= _LOOK_EVERY:
                self._look()
            return self._opened
        finally:
            self._lock.release()

    def close(self) -> None:
        """Remove what was written to show an unfinished atlas."""
        atlas = self._opened.atlas
        # A process that is ended in the midst of a picture runs no clean-up of its own.
        if atlas.folder != atlas.home:
            shutil.rmtree(atlas.folder, ignore_errors=True)

    def _look(self) -> None:
        try:
            revision = revision_of(self._folder)
            if revision != self._known:
                self._opened = Opened.of(self._folder)
                self._known = revision
        except AtlasError:
            # It is being written, or gone: what was opened is still true.
            pass
        self._looked = time.monotonic()
