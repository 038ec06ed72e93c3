"""The pictures of an atlas, as WebP: those that are stored, and the others made when asked for.

Nothing is written here. What `striate illustrate` stored is read; what is missing or damaged is
made in memory, if the images (and for projections the network) are still where they were.
"""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from striate.atlas import sheets
from striate.atlas.picture_files import PictureFiles, encoded, stored, tile_of
from striate.atlas.portraits import (
    Originals,
    crop_picture,
    projection_of,
    projections,
    seen_box,
    shown_entries,
    unit_pictures,
)
from striate.atlas.recipe import image_paths, network_of
from striate.atlas.sheets import (
    SAMPLES,
    SYNTHETIC,
    THUMBNAILS,
    UNITS,
    VIEWS,
    Sheet,
    samples_of,
)
from striate.atlas.store.reader import Atlas, Entry, LayerRow
from striate.atlas.synthetic import SyntheticImages
from striate.errors import AddressError, AtlasError, ImageError, StriateError
from striate.image.decode import decode
from striate.image.render import Picture
from striate.network.network import Network

__all__ = ["SAMPLES", "THUMBNAILS", "UNITS", "VIEWS", "Pictures", "Sheet", "samples_of"]


class Pictures:
    """All pictures of an atlas. Any number of threads may ask; one picture is made at a time.

    Args:
        atlas: The atlas, finished or not.
        network: Its network; None: loaded as the atlas's recipe says, when it is needed first.
        originals: Its images; None: found as the recipe says, when they are needed first.
        keep: How many bytes of pictures made here to keep.
    """

    def __init__(
        self,
        atlas: Atlas,
        network: Network | None = None,
        *,
        originals: Originals | None = None,
        keep: int = 1 << 26,
    ) -> None:
        self._atlas, self._network, self._room = atlas, network, keep
        self.files, self._synthetic = PictureFiles(atlas.home), SyntheticImages(atlas)
        self._rows = list(atlas.layers.values())
        self._originals = originals
        self._side = sheets.strip_tile(atlas.plan.top)
        self._no_network: StriateError | None = None
        self._made: OrderedDict[Path, bytes] = OrderedDict()
        self._making, self._looking = threading.Lock(), threading.Lock()

    def unit(self, layer: int, unit: int) -> bytes:
        """Return a unit's strip: crops above, projections below, one tile an image.

        Args:
            layer: Number of the layer.
            unit: Its unit.

        Returns:
            The strip as WebP; one grey pixel for a unit that never fires.

        Raises:
            AddressError: If there is no such unit.
            AtlasError: If it is not stored, and images or network are not there any more.
        """
        row = self._row(layer)
        self._within("unit", unit, row.units, row.address)
        return self._answer(self.files.unit(layer, unit), lambda: self._strip(row, unit))

    def layer_sheet(self, layer: int, view: str, page: int) -> bytes:
        """Return 64 units of a layer, one tile each; see `VIEWS` and `SYNTHETIC`.

        Raises:
            AddressError: If there is no such layer, view or page, or no synthetic image of it.
            AtlasError: If it is not stored, and images or network are not there any more.
        """
        row = self._row(layer)
        if view not in {*VIEWS, SYNTHETIC}:
            msg = f"there is no view {view!r}; the views are {', '.join((*VIEWS, SYNTHETIC))}"
            raise AddressError(msg)
        self._within("page", page, UNITS.pages(row.units), row.address)
        path = self.files.layer_sheet(layer, view, page)
        if view == SYNTHETIC:
            # Not kept: while more images are made, there is more to show a moment later.
            return self._synthetic_sheet(row, page)
        return self._answer(path, lambda: self._layer_sheet(row, view, page))

    def synthetic(self, layer: int, unit: int) -> bytes:
        """Return the synthetic image of a unit, which is never made here.

        Raises:
            AddressError: If there is no such unit, or no such image.
        """
        row = self._row(layer)
        self._within("unit", unit, row.units, row.address)
        path = self.files.synthetic(layer, unit)
        content = stored(path) if unit in self._synthetic.layer(layer).made else None
        if content is None:
            raise AddressError(self._synthetic.absent(layer, unit))
        return content

    def samples(self, page: int) -> bytes:
        """Return some units of each of 64 layers (see `samples_of`), one row a layer.

        Raises:
            AddressError: If there is no such page.
            AtlasError: If it is not stored, and images are not there any more.
        """
        layers = self._rows[page * SAMPLES.rows : (page + 1) * SAMPLES.rows]
        pages = SAMPLES.pages(SAMPLES.columns * len(self._rows))
        self._within("page", page, pages, "the samples")
        return self._answer(self.files.samples(page), lambda: self._samples(layers))

    def thumbnails(self, page: int) -> bytes:
        """Return a hundred images, small; what could not be seen is grey.

        Raises:
            AddressError: If there is no such page.
            AtlasError: If it is not stored, and images are not there any more.
        """
        pages = THUMBNAILS.pages(len(self._atlas.images))
        self._within("page", page, pages, "the thumbnails")
        return self._answer(self.files.thumbnails(page), lambda: self._thumbnails(page))

    def image(self, image: int) -> bytes:
        """Return an image as the network gets it.

        Raises:
            AddressError: If there is no such image.
            AtlasError: If it cannot be read.
        """
        self._within("image", image, len(self._atlas.images), "the atlas")

        def make() -> bytes:
            return encoded(self.originals().shown(image), max(self._atlas.plan.image_size[1:]))

        return self._answer(self.files.image(image), make)

    # ------------------------------------------------------------------ stored, kept or made

    def at_hand(self, path: Path) -> bytes | None:
        """Return a picture that need not be made; None if it must be.

        Args:
            path: Where it lies if it is stored; see `files`.
        """
        # Nothing is stored of an atlas in progress, but it may lie where a finished one was.
        content = stored(path) if self._atlas.finished else None
        return content or self._kept(path)

    def _answer(self, path: Path, make: Callable[[], bytes]) -> bytes:
        content = self.at_hand(path)
        if content is not None:
            return content
        with self._making:
            content = self._kept(path)
            if content is not None:
                return content
            content = make()
            with self._looking:
                self._made[path] = content
                self._room -= len(content)
                while self._room < 0 and len(self._made) > 1:
                    self._room += len(self._made.popitem(last=False)[1])
        return content

    def _kept(self, path: Path) -> bytes | None:
        with self._looking:
            if path in self._made:
                self._made.move_to_end(path)
            return self._made.get(path)

    def _row(self, layer: int) -> LayerRow:
        self._within("layer", layer, len(self._rows), "the atlas")
        return self._rows[layer]

    @staticmethod
    def _within(what: str, number: int, count: int, where: str) -> None:
        """Refuse a number that does not exist."""  # noqa: DOC501 - private
        if not 0 <= number < count:
            has = f"{what}s 0 to {count - 1}" if count else f"no {what}s"
            msg = f"{what} {number} does not exist: {where} has {has}"
            raise AddressError(msg)

    # ------------------------------------------------------------------ what they are made from

    def originals(self) -> Originals:
        """Return the images of the atlas.

        Raises:
            AtlasError: If they are not where they were.
        """
        if self._originals is None:
            self._originals = Originals(self._atlas, image_paths(self._atlas))
        return self._originals

    def network(self) -> Network:
        """Return the network; what went wrong once is not tried for each picture again.

        Raises:
            StriateError: If it cannot be loaded as the recipe says.
        """
        if self._no_network is not None:
            # Without the trace of the last time, which would grow each time.
            raise self._no_network.with_traceback(None)
        if self._network is None:
            try:
                self._network = network_of(self._atlas)
            except StriateError as error:
                self._no_network = error
                raise
        return self._network

    def _strip(self, row: LayerRow, unit: int) -> bytes:
        if not shown_entries(self._atlas, row.address)[unit]:
            return encoded(sheets.strip([], []), 1)
        originals = self.originals()
        network = self.network() if row.unprojected is None else None
        (made,) = unit_pictures(
            network, self._atlas, originals, row.address, [unit], side=self._side
        )
        strip = sheets.strip(made.crops, made.projections)
        return encoded(strip, max(made.crops[0].shape[:2]))

    def _layer_sheet(self, row: LayerRow, view: str, page: int) -> bytes:
        every = shown_entries(self._atlas, row.address)
        units = UNITS.items(page, row.units)
        entries = {unit: every[unit] for unit in units if every[unit]}
        tiles = self._stored_tiles(row, view, entries)
        missing = {unit: found for unit, found in entries.items() if unit not in tiles}
        if view == "projection":
            tiles |= self._first_projections(row, missing)
        elif missing:
            made, trouble = self._crops(row, missing, view)
            tiles |= made
            if trouble is not None and not tiles:
                raise trouble
        places = {unit - units.start: tile for unit, tile in tiles.items()}
        return encoded(UNITS.draw(places, len(units)), UNITS.tile)

    def _synthetic_sheet(self, row: LayerRow, page: int) -> bytes:
        if not self._synthetic.any_stored(row.number):
            raise AddressError(self._synthetic.absent(row.number))
        made = self._synthetic.layer(row.number).made
        whole = stored(self.files.layer_sheet(row.number, SYNTHETIC, page))
        if whole is not None:
            return whole
        units = UNITS.items(page, row.units)
        tiles: dict[int, Picture] = {}
        for place, unit in enumerate(units):
            content = stored(self.files.synthetic(row.number, unit)) if unit in made else None
            with contextlib.suppress(ImageError):
                tiles |= {} if content is None else {place: decode(content)}
        return encoded(UNITS.draw(tiles, len(units)), UNITS.tile)

    def _stored_tiles(
        self, row: LayerRow, view: str, entries: dict[int, list[Entry]]
    ) -> dict[int, Picture]:
        found = {}
        for unit, shown in entries.items() if self._atlas.finished else ():
            content = stored(self.files.unit(row.number, unit))
            tile = tile_of(content, shown, view) if content is not None else None
            if tile is not None:
                found[unit] = tile
        return found

    def _first_projections(
        self, row: LayerRow, entries: dict[int, list[Entry]]
    ) -> dict[int, Picture]:
        if not entries or row.unprojected is not None:
            return {}
        originals, network, units = self.originals(), self.network(), list(entries)
        first = [entries[unit][0] for unit in units]
        return {
            units[k]: projection_of(made, seen_box(row, first[k], originals.size), self._side)
            for k, made in projections(network, originals, row, first, units)
        }

    def _crops(
        self, row: LayerRow, entries: dict[int, list[Entry]], view: str
    ) -> tuple[dict[int, Picture], AtlasError | None]:
        """Return the first crop of units, or the mean of all; and why some are missing."""
        originals, found = self.originals(), {}
        trouble: AtlasError | None = None
        for unit, shown in entries.items():
            wanted = [entry for entry in shown if entry.value > 0] if view == "mean" else shown[:1]
            try:
                crops = [crop_picture(originals, row, entry, self._side) for entry in wanted]
            except AtlasError as error:
                trouble = error
                continue
            found[unit] = sheets.mean_picture(crops)
        return found, trouble

    def _samples(self, layers: Sequence[LayerRow]) -> bytes:
        tiles: dict[int, Picture] = {}
        trouble: AtlasError | None = None
        for number, row in enumerate(layers):
            units = samples_of(self._atlas, row.address)
            every = shown_entries(self._atlas, row.address)
            entries = {unit: every[unit] for unit in units if every[unit]}
            found = self._stored_tiles(row, "crop", entries)
            missing = {unit: shown for unit, shown in entries.items() if unit not in found}
            if missing:
                made, unread = self._crops(row, missing, "crop")
                found, trouble = found | made, trouble or unread
            start = number * SAMPLES.columns
            tiles |= {start + k: found[unit] for k, unit in enumerate(units) if unit in found}
        if trouble is not None and not tiles:
            raise trouble
        return encoded(SAMPLES.draw(tiles, SAMPLES.columns * len(layers)), SAMPLES.tile)

    def _thumbnails(self, page: int) -> bytes:
        originals, images = self.originals(), self._atlas.images
        shown = THUMBNAILS.items(page, len(images))
        tiles, trouble = {}, None
        for place, image in enumerate(shown):
            if images[image].skipped is not None:
                continue
            try:
                tiles[place] = originals.shown(image)
            except AtlasError as error:
                trouble = error
        if trouble is not None and not tiles:
            raise trouble
        return encoded(THUMBNAILS.draw(tiles, len(shown)), THUMBNAILS.tile)
