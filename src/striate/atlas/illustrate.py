"""What the strongest images of a unit look like to it: crops, and their deconvnet projections.

Source:
    Zeiler & Fergus, ECCV 2014, figure 2: the nine strongest activations of a feature map, projected
    down to the pixels, beside the patches that caused them.
"""

import fnmatch
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from striate.atlas.store.files import write
from striate.atlas.store.reader import Atlas, Entry
from striate.image.crop import crop
from striate.image.decode import decode
from striate.image.encode import encode
from striate.image.grid import side_by_side
from striate.image.render import Picture, image_picture, projection_picture, resize_picture
from striate.network.layers import Layer
from striate.network.network import Network
from striate.network.projection import Spot, project_spots
from striate.shapes import Box, Display, Image

TILE = 96
"""Pictures of larger receptive fields are stored at this side, in pixels."""


@dataclass(frozen=True, slots=True)
class UnitPictures:
    """A unit's strongest images as it sees them.

    Attributes:
        unit: Its index in the layer.
        entries: Its strongest images with a positive activation; empty for a dead unit.
        crops: What the strongest neuron sees of each, padded with grey where it looks past the
            border; at the size of the receptive field, or of the image where that is smaller.
        projections: The deconvnet projection of that neuron, at the same size; grey is zero.
    """

    unit: int
    entries: Sequence[Entry]
    crops: Sequence[Display]
    projections: Sequence[Display]


class Images:
    """The images of an atlas, preprocessed; the last ones used are kept.

    Args:
        network: Whose preprocessing to apply.
        paths: File of each image, by id.
        keep: How many to keep.
    """

    def __init__(self, network: Network, paths: Sequence[Path], keep: int = 1024) -> None:
        self._network, self._paths, self._keep = network, paths, keep
        self._preprocessing = network.how_to_read()
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def __getitem__(self, image: int) -> Image:
        """Return an image by id, in network space."""
        if image not in self._kept:
            self._kept[image] = self._preprocessing.pixels(decode(self._paths[image]))
            if len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(image)
        network = self._network
        ready = self._preprocessing.from_picture(self._kept[image])
        return ready.to(network.device, network.dtype)


def unit_pictures(
    network: Network, atlas: Atlas, images: Images, layer: str, units: Sequence[int]
) -> Iterator[UnitPictures]:
    """Make the pictures of some units of a layer.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        images: Its images.
        layer: Address of the layer.
        units: Which units.

    Yields:
        Each unit's pictures, in order.

    Raises:
        MethodError: If the deconvnet does not apply to the network.
    """
    top = atlas.top(layer)
    preprocessing = network.how_to_read()
    found = network.layers[layer]
    for unit in units:
        entries = [entry for entry in top[unit] if entry.value > 0]
        if not entries:
            yield UnitPictures(unit, (), (), ())
            continue
        batch = torch.stack([images[entry.image] for entry in entries])
        spots = [Spot(k, unit, entry.row, entry.column) for k, entry in enumerate(entries)]
        projected = project_spots(network, batch, layer, spots, "deconvnet")
        crops, projections = [], []
        for k, entry in enumerate(entries):
            box = seen_box(found, entry)
            pixels = preprocessing.to_pixels(batch[k]).float().cpu()
            crops.append(image_picture(_rgb(crop(pixels, box, fill=0.5))))
            explained = crop(projected[k].map.float().cpu(), box, fill=0.0)
            projections.append(projection_picture(_rgb(explained)))
        yield UnitPictures(unit, entries, crops, projections)


def seen_box(layer: Layer, entry: Entry) -> Box:
    """Return the box to show: the receptive field, centred on the neuron, or the whole side.

    Where the field is larger than the image there is no use in showing what lies outside.
    """
    regular = layer.box(entry.row, entry.column, clip=False)
    height, width = layer.image_size
    top, bottom = (0, height) if regular[2] - regular[0] >= height else (regular[0], regular[2])
    left, right = (0, width) if regular[3] - regular[1] >= width else (regular[1], regular[3])
    return top, left, bottom, right


def _rgb(image: Tensor) -> Tensor:
    return image.expand(3, -1, -1) if image.shape[0] == 1 else image


def picture_paths(atlas: Atlas, layer: str, unit: int) -> tuple[Path, Path]:
    """Return where the crops and the projections of a unit lie: each a strip of tiles."""
    folder = atlas.folder / "pictures" / f"{atlas.layer(layer).number:04d}"
    return folder / f"{unit:05d}-crops.webp", folder / f"{unit:05d}-projections.webp"


def illustrate(
    network: Network,
    atlas: Atlas,
    paths: Sequence[Path],
    *,
    layers: Sequence[str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> int:
    """Make the pictures of every unit of an atlas, once; interrupted, it goes on.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        paths: File of each image, by id.
        layers: Addresses or globs; None for all layers of the atlas.
        progress: Called with the units done and in all.

    Returns:
        How many units were pictured now; those that had pictures are left as they are.

    Raises:
        MethodError: If the deconvnet does not apply to the network.
        AddressError: If a layer is not in the atlas.
    """
    chosen = list(atlas.layers) if layers is None else _in_atlas(atlas, layers)
    images = Images(network, paths)
    total = sum(atlas.layers[layer].units for layer in chosen)
    done, made = 0, 0
    for layer in chosen:
        units = range(atlas.layers[layer].units)
        missing = [u for u in units if not all(p.exists() for p in picture_paths(atlas, layer, u))]
        done += len(units) - len(missing)
        for pictures in unit_pictures(network, atlas, images, layer, missing):
            _store(atlas, layer, pictures)
            done, made = done + 1, made + 1
            progress(done, total)
    return made


def _in_atlas(atlas: Atlas, patterns: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    for pattern in patterns:
        found = [name for name in atlas.layers if fnmatch.fnmatchcase(name, pattern)]
        chosen += found or [atlas.layer(pattern).address]
    return [name for name in atlas.layers if name in chosen]


def _store(atlas: Atlas, layer: str, pictures: UnitPictures) -> None:
    crops, projections = picture_paths(atlas, layer, pictures.unit)
    for path, tiles in ((crops, pictures.crops), (projections, pictures.projections)):
        strip = side_by_side([_tile(tile) for tile in tiles], gap=0) if tiles else _nothing()
        write(path, encode(strip, "webp"))


def _tile(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = TILE / max(height, width)
    if scale >= 1:
        return picture
    return resize_picture(picture, (round(height * scale), round(width * scale)), smooth=True)


def _nothing() -> Display:
    """A dead unit has no pictures: one grey pixel says that there is nothing to show."""
    return np.full((1, 1, 3), 128, np.uint8)
