"""The pictures of a dissection: for each unit a strip of its strongest images, masked.

A strip is a file, whole or absent. Which dissection the strips of a layer show stands in a file
beside them, which goes before the first strip of another dissection comes: without it no strip
counts.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from striate.atlas.illustrate import chosen_layers, writing
from striate.atlas.picture_files import PictureFiles, encoded, is_stored, stored
from striate.atlas.store.files import remove, write
from striate.atlas.store.reader import Atlas
from striate.dissection.masked import SHOWN, Masked, shown_images
from striate.dissection.newest import NewestDissection, layer_of
from striate.dissection.results import Dissection, LayerDissection
from striate.errors import AddressError, AtlasError
from striate.image.render import Picture
from striate.network.network import Network

__all__ = ["SHOWN", "ConceptPictures", "Pictured", "picture_concepts", "shown_images"]

_DRAWING = 1
"""Another way to draw is another number: strips of the old way do not count any more."""
_TOGETHER = 256
_KEPT = 1 << 25

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Pictured:
    """What a run did.

    Attributes:
        made: How many strips it made.
        there: How many there are of the units asked for.
        troubles: Why units have none, by address.
    """

    made: int
    there: int
    troubles: dict[str, str]


class Strips:
    """Where the strips of an atlas lie, and which of them are of a dissection.

    Args:
        home: The atlas's folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = PictureFiles(home).folder / "concepts"

    def unit(self, layer: int, unit: int) -> Path:
        """Return the strip of a unit."""
        return self._folder / str(layer) / f"{unit}.webp"

    def of(self, layer: int) -> str | None:
        """Return of which dissection the strips of a layer are; None: they do not count."""
        try:
            said = json.loads(self._note(layer).read_bytes())
            return str(said["of"])
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, layer: int, key: str) -> None:
        """Make a layer's folder one of a dissection: strips of another one go.

        Raises:
            AtlasError: If files cannot be removed or written.
        """
        if self.of(layer) == key:
            return
        remove(self._note(layer))
        for path in (self._folder / str(layer)).glob("*.webp"):
            remove(path)
        write(self._note(layer), json.dumps({"of": key}).encode(), within=self._home)

    def _note(self, layer: int) -> Path:
        return self._folder / f"{layer}.json"


class ConceptPictures:
    """The strips of an atlas's newest dissection; any thread may ask, one is made at a time.

    Args:
        atlas: The atlas.
        network: Gives its network, when it is needed first.
    """

    def __init__(self, atlas: Atlas, network: Callable[[], Network]) -> None:
        self._atlas, self._network = atlas, network
        self._strips, self._newest = Strips(atlas.home), NewestDissection(atlas)
        self._rows = list(atlas.layers.values())
        self._masked: tuple[Dissection, Masked] | None = None
        self._keys: dict[tuple[str, int], str] = {}
        self._made: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._room = _KEPT
        self._making, self._looking = threading.Lock(), threading.Lock()

    def units(self) -> Iterator[tuple[int, int]]:
        """Yield the number of the layer, and the unit, of each strip that there is to show."""
        dissection = self._newest.now()
        for row in self._rows if dissection is not None else ():
            found = layer_of(dissection, row)
            for unit in range(row.units) if found is not None else ():
                if found is not None and shown_images(found, unit):
                    yield row.number, unit

    def at_hand(self, layer: int, unit: int) -> bytes | None:
        """Return a strip that need not be made; None if it must be.

        Raises:
            AddressError: If there is none to make.
        """
        _, _, key = self._known(layer, unit)
        if self._strips.of(layer) == key:
            content = stored(self._strips.unit(layer, unit))
            if content is not None:
                return content
        with self._looking:
            return self._made.get((key, layer, unit))

    def unit(self, layer: int, unit: int) -> bytes:
        """Return a unit's strip: one tile an image, as WebP.

        Args:
            layer: Number of the layer.
            unit: Its unit.

        Raises:
            AddressError: If there is no such unit, or nothing to show of it.
            AtlasError: If it is not stored, and images or network are not there any more.
        """
        content = self.at_hand(layer, unit)
        if content is not None:
            return content
        with self._making:
            dissection, found, key = self._known(layer, unit)
            ((_, tiles),) = self._drawing(dissection).tiles(found.address, [unit])
            if isinstance(tiles, AtlasError):
                raise tiles
            content = strip(tiles)
            with self._looking:
                self._made[key, layer, unit] = content
                self._room -= len(content)
                while self._room < 0 and len(self._made) > 1:
                    self._room += len(self._made.popitem(last=False)[1])
        return content

    def _known(self, layer: int, unit: int) -> tuple[Dissection, LayerDissection, str]:
        """Return what a strip is made from."""  # noqa: DOC501 - private
        dissection = self._newest.now()
        row = self._rows[layer] if layer < len(self._rows) else None
        found = None if dissection is None or row is None else layer_of(dissection, row)
        if dissection is None or found is None or row is None:
            msg = f"layer {layer} is not dissected: `striate dissect DIR` compares its units"
            raise AddressError(msg)
        if unit >= row.units or not shown_images(found, unit):
            has = "is above its threshold on no image" if unit < row.units else "does not exist"
            msg = f"there is no picture of {row.address}:{unit}: it {has}"
            raise AddressError(msg)
        place = (dissection.revision, layer)
        if place not in self._keys:
            self._keys[place] = key_of(dissection, found)
        return dissection, found, self._keys[place]

    def _drawing(self, dissection: Dissection) -> Masked:
        if self._masked is None or self._masked[0] is not dissection:
            self._masked = dissection, Masked(self._network(), self._atlas, dissection)
        return self._masked[1]


def picture_concepts(
    network: Network,
    atlas: Atlas,
    dissection: Dissection,
    *,
    layers: Sequence[str] | None = None,
    every: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Pictured:
    """Make and store the strips of a dissection, once; interrupted, the same call goes on.

    Args:
        network: The atlas's network.
        atlas: The atlas, finished.
        dissection: Its dissection.
        layers: Addresses or globs; None for all that are dissected.
        every: Whether to make those of units that detect nothing, too.
        progress: Called with the strips done and in all, of those that are missing.

    Returns:
        What was done. A unit whose images cannot be read any more is left out and named.

    Raises:
        AddressError: If a layer is not in the atlas.
        AtlasError: If the atlas is not finished, the network is another, another run is writing, or
            a file cannot be written.
    """
    strips, masked = Strips(atlas.home), Masked(network, atlas, dissection)
    rows = [atlas.layers[name] for name in chosen_layers(atlas, layers)]
    with writing(atlas, network):
        wanted: dict[int, list[int]] = {}
        for row in rows:
            found = layer_of(dissection, row)
            if found is not None:
                strips.begin(row.number, key_of(dissection, found))
                wanted[row.number] = _units(found, every=every)
        missing = {
            layer: [unit for unit in units if not is_stored(strips.unit(layer, unit))]
            for layer, units in wanted.items()
        }
        total, done, troubles = sum(map(len, missing.values())), 0, dict[str, str]()
        for row in rows:
            units = missing.get(row.number, [])
            for start in range(0, len(units), _TOGETHER):
                part = units[start : start + _TOGETHER]
                for unit, tiles in masked.tiles(row.address, part):
                    if isinstance(tiles, AtlasError):
                        troubles[f"{row.address}:{unit}"] = str(tiles)
                    else:
                        path = strips.unit(row.number, unit)
                        write(path, strip(tiles), within=atlas.home)
                    done += 1
                    progress(done, total)
    there = sum(map(len, wanted.values())) - len(troubles)
    return Pictured(total - len(troubles), there, troubles)


def without_strips(atlas: Atlas, dissection: Dissection) -> bool:
    """Return whether some unit of a dissection has no strip yet."""
    strips = Strips(atlas.home)
    for row in atlas.layers.values():
        found = layer_of(dissection, row)
        if found is None:
            continue
        if strips.of(row.number) != key_of(dissection, found):
            return True
        units = _units(found, every=True)
        if not all(is_stored(strips.unit(row.number, unit)) for unit in units):
            return True
    return False


def strip(tiles: Sequence[Picture]) -> bytes:
    """Return pictures of one size side by side, as WebP."""
    return encoded(np.concatenate(list(tiles), axis=1), max(tiles[0].shape[:2]))


def key_of(dissection: Dissection, found: LayerDissection) -> str:
    """Return a hash of all that decides the strips of a layer."""
    images = [int(image) for image in np.unique(found.top.image) if image >= 0]
    told = {
        "drawing": _DRAWING,
        # Outlines are drawn from the labels, which are found through these.
        "sources": dissection.settings.sources,
        "ratio": dissection.settings.ratio,
        "upsampling": found.upsampling,
        "concepts": [str(concept) for concept in dissection.concepts],
        "images": {image: dissection.images.names[image] for image in images},
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for array in (found.thresholds, found.best, *found.top.to_arrays().values()):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _units(found: LayerDissection, *, every: bool) -> list[int]:
    chosen = range(found.units) if every else np.flatnonzero(found.detectors()).tolist()
    return [unit for unit in chosen if shown_images(found, unit)]
