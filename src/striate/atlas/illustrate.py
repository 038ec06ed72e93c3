"""All pictures of an atlas, stored as files: a strip of each unit, and sheets made from strips.

A file is whole or absent, and what is there is not made again: interrupted at any point, the same
call goes on.
"""

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from striate.atlas import sheets
from striate.atlas.picture_files import PictureFiles, encoded, is_stored
from striate.atlas.pictures import Pictures
from striate.atlas.portraits import Originals, UnitPictures, in_threads, unit_pictures
from striate.atlas.recipe import check_network
from striate.atlas.sheets import SAMPLES, THUMBNAILS, UNITS, VIEWS
from striate.atlas.snapshot import revision_of
from striate.atlas.store.files import write
from striate.atlas.store.lock import locked
from striate.atlas.store.reader import Atlas, LayerRow
from striate.errors import AtlasError
from striate.network.network import Network

_TOGETHER = 256
"""Units of a layer made together: where neurons see the whole image, the more of them the fewer
images go forward; but all of them are lost if the run is stopped."""

Progress = Callable[[int, int], None]


def illustrate(
    network: Network,
    atlas: Atlas,
    paths: Sequence[Path] | None = None,
    *,
    layers: Sequence[str] | None = None,
    progress: Progress = lambda _done, _total: None,
    thumbnails: Progress = lambda _done, _total: None,
) -> int:
    """Make and store the pictures of an atlas's units, layers and images, once.

    Args:
        network: The atlas's network.
        atlas: The atlas, finished.
        paths: File of each image, by id; None: found as the atlas's recipe says, if something is
            missing that is made of them.
        layers: Addresses or globs; None for all layers of the atlas.
        progress: Called with the units done and in all.
        thumbnails: Called with the images done and in all.

    Returns:
        How many units were pictured now; those that had pictures are left as they are.

    Raises:
        AddressError: If a layer is not in the atlas.
        AtlasError: If the atlas is not finished or not there any more, the network is another,
            another run is writing, or a file cannot be written or an image read.
    """
    chosen = chosen_layers(atlas, layers)
    with writing(atlas, network):
        return _Run(network, atlas, paths).all_of(chosen, progress, thumbnails)


@contextmanager
def writing(atlas: Atlas, network: Network) -> Iterator[None]:
    """Hold an atlas's folder while pictures are written into it.

    Args:
        atlas: The atlas, finished.
        network: Its network.

    Raises:
        AtlasError: If the atlas is not finished or not there any more, the network is another, or
            another run is writing.
    """
    if not atlas.finished:
        msg = (
            f"{atlas.home} is not finished, and its pictures would change: run the same `striate "
            "atlas` command again; `striate serve` shows an unfinished one"
        )
        raise AtlasError(msg)
    check_network(atlas, network)
    with locked(atlas.home):
        if revision_of(atlas.home) != atlas.revision:
            msg = f"{atlas.home} was built anew meanwhile: run the same command again"
            raise AtlasError(msg)
        yield


def chosen_layers(atlas: Atlas, patterns: Sequence[str] | None) -> list[str]:
    """Return the layers of an atlas that addresses or globs name, in execution order.

    Args:
        atlas: The atlas.
        patterns: Addresses or globs; None for all layers.

    Raises:
        AddressError: If one names nothing in the atlas.
    """
    if patterns is None:
        return list(atlas.layers)
    chosen: list[str] = []
    for pattern in patterns:
        found = [name for name in atlas.layers if fnmatch.fnmatchcase(name, pattern)]
        chosen += found or [atlas.layer(pattern).address]
    return [name for name in atlas.layers if name in chosen]


class _Run:
    """One run over what is not stored yet."""

    def __init__(self, network: Network, atlas: Atlas, paths: Sequence[Path] | None) -> None:
        self._network, self._atlas = network, atlas
        originals = None if paths is None else Originals(atlas, paths)
        self._pictures = Pictures(atlas, network, originals=originals)
        self._files = PictureFiles(atlas.home)

    def all_of(self, chosen: Sequence[str], progress: Progress, thumbnails: Progress) -> int:
        rows = [self._atlas.layers[layer] for layer in chosen]
        total = sum(row.units for row in rows)
        done = made = 0
        for row in rows:
            paths = [self._files.unit(row.number, unit) for unit in range(row.units)]
            missing = [unit for unit, path in enumerate(paths) if not is_stored(path)]
            done += row.units - len(missing)
            for _ in self._units(row, missing):
                done, made = done + 1, made + 1
                progress(done, total)
            self._sheets_of(row)
        self._samples()
        self._thumbnails(thumbnails)
        return made

    def _units(self, row: LayerRow, missing: Sequence[int]) -> Iterator[None]:
        """Make and store strips; yield after each."""

        def store(made: UnitPictures) -> None:
            strip = sheets.strip(made.crops, made.projections)
            side = max(made.crops[0].shape[:2]) if made.crops else 1
            self._write(self._files.unit(row.number, made.unit), encoded(strip, side))

        for start in range(0, len(missing), _TOGETHER):
            pictures = unit_pictures(
                self._network,
                self._atlas,
                self._pictures.originals(),
                row.address,
                missing[start : start + _TOGETHER],
                side=sheets.strip_tile(self._atlas.plan.top),
            )
            yield from in_threads(store, pictures)

    def _sheets_of(self, row: LayerRow) -> None:
        for view in VIEWS:
            for page in range(UNITS.pages(row.units)):
                path = self._files.layer_sheet(row.number, view, page)
                if not is_stored(path):
                    self._write(path, self._pictures.layer_sheet(row.number, view, page))

    def _samples(self) -> None:
        """Store the sheets of samples of those 64 layers that all have strips."""
        rows = list(self._atlas.layers.values())
        for page in range(SAMPLES.pages(SAMPLES.columns * len(rows))):
            path = self._files.samples(page)
            shown = rows[page * SAMPLES.rows : (page + 1) * SAMPLES.rows]
            strips = [
                self._files.unit(row.number, unit)
                for row in shown
                for unit in sheets.samples_of(self._atlas, row.address)
            ]
            if not is_stored(path) and all(strip.exists() for strip in strips):
                self._write(path, self._pictures.samples(page))

    def _thumbnails(self, progress: Progress) -> None:
        images = self._atlas.images
        pages = range(THUMBNAILS.pages(len(images)))
        missing = [page for page in pages if not is_stored(self._files.thumbnails(page))]
        for page in missing:
            shown = THUMBNAILS.items(page, len(images))
            # Read here, in threads: and what cannot be read ends the run, rather than being grey
            # for ever after.
            seen = [image for image in shown if images[image].skipped is None]
            # Once, before threads ask for them.
            self._pictures.originals()
            for _ in in_threads(self._read, seen):
                pass
            self._write(self._files.thumbnails(page), self._pictures.thumbnails(page))
            progress(shown.stop, len(images))

    def _write(self, path: Path, content: bytes) -> None:
        write(path, content, within=self._atlas.home)

    def _read(self, image: int) -> None:
        self._pictures.originals().picture(image)
