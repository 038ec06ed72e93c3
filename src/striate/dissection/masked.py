"""Where a unit is active on its strongest images of the concept set, as pictures.

Bright where the upsampled map exceeds the unit's threshold, dark elsewhere; the segment of the
unit's best concept is outlined, so that both can be compared.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, figures 3 and 5: each
    unit's images, at a fifth of their brightness outside the mask.
Differs from the source:
    The mask is that of the grid on which pixels were counted, and the concept is outlined.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool

from striate.atlas.sheets import scaled_to
from striate.atlas.store.reader import Atlas
from striate.dissection.cells import Upsampling, masks, sample_coordinates
from striate.dissection.results import NO_CONCEPT, Dissection, LayerDissection
from striate.errors import AtlasError, StriateError
from striate.image.concepts.concept_set import ConceptSet, LabelledImage
from striate.image.concepts.reading import concept_set, segments
from striate.image.decode import decode
from striate.image.preprocess import Preprocessing
from striate.image.render import Picture
from striate.network.network import Network

SHOWN = 5
"""How many images of a unit are shown, if so many exceed its threshold."""

SIDE = 128
_OUTSIDE = 0.2
_MAGNIFIED = 4
_BATCH = 16
_LIGHT, _DARK = (255, 221, 64), (0, 0, 0)

Mask = Bool[np.ndarray, "grid_rows grid_columns"]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A tile to draw: which of a unit's images, and what to outline."""

    unit: int
    place: int
    concept: int


def shown_images(found: LayerDissection, unit: int, most: int = SHOWN) -> list[int]:
    """Return which of a unit's strongest images show where it is active: places in `found.top`.

    Args:
        found: The unit's layer.
        unit: Its index.
        most: How many at most.
    """
    threshold = found.thresholds[unit]
    taken = (found.top.image[unit] >= 0) & (found.top.value[unit] > threshold)
    return [int(place) for place in np.flatnonzero(taken)[:most]]


def masked_picture(
    picture: Picture, active: Mask, segment: Mask | None = None, side: int = SIDE
) -> Picture:
    """Darken an image where a unit is not active, and outline a segment.

    Args:
        picture: The image as the network gets it.
        active: Where the unit is active, on a grid over the image.
        segment: Where the concept is, on the same grid; None: nothing is outlined. One that covers
            all has no outline.
        side: The longer side of the result, in pixels.

    Returns:
        The picture: as it is inside the mask, a fifth as bright outside. The outline is yellow just
        inside the segment and black just outside, so that it is seen on any ground.

    Example:
        >>> white = np.full((2, 4, 3), 255, np.uint8)
        >>> active = np.array([[True, False], [False, False]])
        >>> masked_picture(white, active, side=4)[:, :, 0].tolist()
        [[255, 255, 51, 51], [51, 51, 51, 51]]
    """
    shown = _scaled(picture, side)
    size = (shown.shape[0], shown.shape[1])
    bright = _on(active, size)[:, :, None]
    drawn = np.where(bright, shown, np.rint(_OUTSIDE * shown)).astype(np.uint8)
    if segment is not None:
        inside = _on(segment, size)
        drawn[inside & _beside(~inside)] = _LIGHT
        drawn[~inside & _beside(inside)] = _DARK
    return drawn


class Masked:
    """Draws the images of a dissection's units.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        dissection: Its dissection.
        side: The longer side of each picture, in pixels.
    """

    def __init__(
        self, network: Network, atlas: Atlas, dissection: Dissection, side: int = SIDE
    ) -> None:
        self._network, self._dissection, self._side = network, dissection, side
        self._preprocessing = Preprocessing.from_json(json.loads(atlas.plan.preprocessing))
        self._size = atlas.plan.image_size

    def tiles(
        self, layer: str, units: Sequence[int], concepts: Mapping[int, int] | None = None
    ) -> Iterator[tuple[int, list[Picture] | AtlasError]]:
        """Draw some units of a layer; each image goes through the network once.

        Args:
            layer: Address of the layer.
            units: Which units, each once.
            concepts: What to outline of units; None, or where a unit is not named: its best.

        Yields:
            Each unit with its pictures, in the order of `shown_images`; or why an image of it
            cannot be drawn any more.
        """
        found, chosen = self._dissection.layer(layer), concepts or {}
        how = sample_coordinates(
            self._network.layers_at(self._size)[layer],
            self._dissection.settings.ratio,
            found.upsampling,
        )
        by_image: dict[int, list[_Wanted]] = defaultdict(list)
        places = {unit: shown_images(found, unit) for unit in units}
        for unit, shown in places.items():
            concept = chosen.get(unit, int(found.best[unit]))
            for place in shown:
                image = int(found.top.image[unit, place])
                by_image[image].append(_Wanted(unit, place, concept))
        drawn, troubles = self._drawn(found, by_image, how)
        for unit, shown in places.items():
            yield unit, troubles.get(unit) or [drawn[unit, place] for place in shown]

    def _drawn(
        self, found: LayerDissection, by_image: Mapping[int, Sequence[_Wanted]], how: Upsampling
    ) -> tuple[dict[tuple[int, int], Picture], dict[int, AtlasError]]:
        drawn: dict[tuple[int, int], Picture] = {}
        troubles: dict[int, AtlasError] = {}
        images = sorted(by_image)
        for start in range(0, len(images), _BATCH):
            read: dict[int, tuple[Picture, Picture]] = {}
            for image in images[start : start + _BATCH]:
                try:
                    read[image] = self._read(image)
                except AtlasError as error:
                    troubles |= {wanted.unit: error for wanted in by_image[image]}
            for image, maps in self._maps(found.address, read):
                picture, decoded = read[image]
                wants = by_image[image]
                units = [wanted.unit for wanted in wants]
                active = masks(maps[units], found.thresholds[units], how)
                find = self._segment_of(image, decoded)
                for wanted, mask in zip(wants, active, strict=True):
                    segment = find(wanted.concept)
                    drawn[wanted.unit, wanted.place] = masked_picture(
                        picture, mask, segment, self._side
                    )
        return drawn, troubles

    def _read(self, image: int) -> tuple[Picture, Picture]:
        """Return an image as the network gets it, and as it was decoded."""  # noqa: DOC501 - private
        path = self._dissection.images.paths[image]
        try:
            decoded = decode(path)
            return self._preprocessing.pixels(decoded), decoded
        except StriateError as error:
            name = self._dissection.images.names[image]
            msg = f"the concept set's image {name} cannot be read any more: {error}"
            raise AtlasError(msg) from error

    def _maps(
        self, layer: str, read: Mapping[int, tuple[Picture, Picture]]
    ) -> Iterator[tuple[int, np.ndarray]]:
        if not read:
            return
        network = self._network
        inputs = [self._preprocessing.from_picture(picture) for picture, _ in read.values()]
        images = torch.stack(inputs).to(network.device, network.dtype)
        with torch.no_grad():
            output = network.record(images, [layer])[layer]
        maps = network.layers_at(self._size)[layer].maps(output).float().cpu().numpy()
        yield from zip(read, maps, strict=True)

    def _segment_of(self, image: int, decoded: Picture) -> Callable[[int], Mask | None]:
        """Return what finds the segment of a concept in an image: None if nobody knows it."""
        labelled = self._labelled(image)
        known: dict[int, Mask | None] = {NO_CONCEPT: None}
        if labelled is None or self._set is None:
            return lambda _: None
        concepts = self._set
        try:
            found = segments(
                concepts, labelled, decoded, self._preprocessing, self._dissection.settings.ratio
            )
        except StriateError:
            return lambda _: None

        def find(concept: int) -> Mask | None:
            if concept not in known:
                place = (found.planes == concept).any(axis=0)
                known[concept] = None if concept in found.whole else np.asarray(place)
            return known[concept]

        return find

    def _labelled(self, image: int) -> LabelledImage | None:
        """Return an image of the concept set; None if the set is not what it was."""
        if self._set is None or image >= len(self._set.images):
            return None
        found = self._set.images[image]
        return found if found.name == self._dissection.images.names[image] else None

    @cached_property
    def _set(self) -> ConceptSet | None:
        """The concept set; without it the pictures have no outlines."""
        try:
            found = concept_set(self._dissection.settings.sources)
        except (StriateError, OSError):
            return None
        return found if found.concepts == self._dissection.concepts else None


def _scaled(picture: Picture, side: int) -> Picture:
    """Bring the longer side to a length: very small pictures pixel by pixel, others smoothly."""
    factor = side // max(picture.shape[:2])
    if factor >= _MAGNIFIED:
        return picture.repeat(factor, axis=0).repeat(factor, axis=1)
    return scaled_to(picture, side)


def _on(mask: Mask, size: tuple[int, int]) -> np.ndarray:
    """Return a mask of a grid on pixels that cover the same image."""
    rows, columns = (
        np.minimum((np.arange(length) + 0.5) * places / length, places - 1).astype(np.int64)
        for length, places in zip(size, mask.shape, strict=True)
    )
    return np.asarray(mask[rows[:, None], columns])


def _beside(mask: np.ndarray) -> np.ndarray:
    """Return the pixels that have one of a mask above, below, left or right of them."""
    found = np.zeros_like(mask)
    found[1:] |= mask[:-1]
    found[:-1] |= mask[1:]
    found[:, 1:] |= mask[:, :-1]
    found[:, :-1] |= mask[:, 1:]
    return found
