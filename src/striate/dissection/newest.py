"""The dissection of an atlas as it is on disk at this moment."""

import math
import threading

from striate.atlas.store.kept import stamp_of
from striate.atlas.store.reader import Atlas, LayerRow
from striate.dissection.results import Dissection, LayerDissection, folder_of
from striate.errors import AtlasError


class NewestDissection:
    """Looks up the results when asked, and reads them again if they have changed.

    Any thread may ask. Of an unfinished atlas there is none, and damaged results count as none.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        folder = folder_of(atlas.home)
        self._paths = folder / "dissection.json", folder / "images.json"
        self._lock = threading.Lock()
        self._stamp: object = None
        self._found: Dissection | None = None

    def now(self) -> Dissection | None:
        """Return the results; None where there are none."""
        if not self._atlas.finished:
            return None
        with self._lock:
            try:
                stamp = [stamp_of(path) for path in self._paths]
            except OSError:
                self._stamp = self._found = None
                return None
            if stamp != self._stamp:
                self._found = self._read()
                self._stamp = stamp
            return self._found

    def _read(self) -> Dissection | None:
        try:
            found = Dissection(self._atlas)
        except AtlasError:
            return None
        return found if _agrees(found) else None


def layer_of(dissection: Dissection | None, row: LayerRow) -> LayerDissection | None:
    """Return what was found in a layer.

    Args:
        dissection: The results; None: there are none.
        row: The layer.

    Returns:
        Its part of the results; None where it was not dissected, or its file is damaged.
    """
    if dissection is None:
        return None
    try:
        found = dissection.layers.get(row.address)
    except (AtlasError, TypeError, ValueError):
        return None
    return found if found is not None and _fits(found, dissection, row) else None


def _agrees(found: Dissection) -> bool:
    """Return whether what is told of concepts and images is of as many as there are."""
    settings, images = found.settings, found.images
    return (
        len(found.concepts) > 0
        and found.pixels.shape == (len(found.concepts),)
        and len(images.names) == len(images.paths)
        and math.isfinite(settings.quantile)
        and settings.ratio >= 1
    )


def _fits(layer: LayerDissection, found: Dissection, row: LayerRow) -> bool:
    """Return whether a layer's arrays are of its units, and of these concepts and images."""
    shapes = (layer.active.shape, layer.both.shape, len(layer.overlap.pixels))
    concepts, categories = len(found.concepts), len(found.categories)
    return (
        layer.units == row.units == len(layer.top.image)
        and shapes == ((row.units, categories), (row.units, concepts), concepts)
        and int(layer.top.image.max(initial=-1)) < len(found.images.names)
    )
