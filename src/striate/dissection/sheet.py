"""The best detectors of a layer in one picture: each with its concept, IoU and masked images.

Source:
    Bau, Zhou, Khosla, Oliva & Torralba, "Network Dissection", CVPR 2017, figure 5.
"""

from collections.abc import Sequence

import numpy as np

from striate.atlas.store.reader import Atlas
from striate.dissection.masked import Masked, shown_images
from striate.dissection.results import LEVEL, NO_CONCEPT, Dissection, LayerDissection
from striate.errors import AddressError, AtlasError
from striate.image.concepts.concept_set import Concept
from striate.image.grid import captioned, grid, side_by_side, stack
from striate.image.render import Picture
from striate.network.address import nearest
from striate.network.network import Network


def detector_sheet(
    network: Network,
    atlas: Atlas,
    dissection: Dissection,
    layer: str,
    *,
    concept: str | None = None,
    count: int = 12,
    columns: int = 2,
) -> Picture:
    """Draw the units of a layer that agree best with their concepts, or with one.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        dissection: Its dissection.
        layer: Address of the layer.
        concept: A concept as `find_concept` takes it; None: each unit's best one.
        count: How many units, at most.
        columns: Units side by side.

    Returns:
        The sheet: under each image the activation of its strongest neuron.

    Raises:
        AddressError: If the layer is not dissected, there is no such concept, or nothing to draw.
        AtlasError: If no image can be read any more.
    """
    found = dissection.layer(atlas.layer(layer).address)
    index = None if concept is None else find_concept(dissection.concepts, concept)
    chosen = _best_units(found, index, count)
    drawn, trouble = [], None
    for unit, tiles in Masked(network, atlas, dissection).tiles(
        found.address, list(chosen), chosen
    ):
        if isinstance(tiles, AtlasError):
            trouble = tiles
            continue
        drawn.append(_cell(found, unit, chosen[unit], tiles))
    if not drawn:
        raise trouble or AtlasError(f"there is nothing to draw of {found.address}")
    drawn = _aligned(drawn)
    rows = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    settings, size = dissection.settings, found.units
    detectors = int(found.detectors().sum())
    return captioned(
        stack([side_by_side(row, gap=18) for row in rows], gap=14),
        f"{atlas.plan.network}  {found.address}",
        lines=[
            f"{detectors} of {size} units are detectors (IoU above {LEVEL:g}), of "
            f"{sum(map(len, found.unique().values()))} concepts. {settings.images} images, "
            f"quantile {settings.quantile:g}, upsampling {found.upsampling}.",
            "Bright: where the unit is above its threshold. Yellow line: the edge of the labelled "
            "segment. Under each image: the activation of its strongest neuron.",
        ],
    )


def _aligned(pictures: Sequence[Picture]) -> list[Picture]:
    """Return pictures of one width, white on their right: units with few images too.

    >>> [one.shape for one in _aligned([np.zeros((1, size, 3), np.uint8) for size in (2, 5)])]
    [(1, 5, 3), (1, 5, 3)]
    """
    widest = max(picture.shape[1] for picture in pictures)
    return [
        np.pad(one, ((0, 0), (0, widest - one.shape[1]), (0, 0)), constant_values=255)
        for one in pictures
    ]


def find_concept(concepts: Sequence[Concept], text: str) -> int:
    """Return the index of a concept.

    Args:
        concepts: All of them.
        text: Its name, or ``CATEGORY:NAME`` where several categories have that name.

    Raises:
        AddressError: If there is none, or several.

    Example:
        >>> concepts = [Concept("sky", "object"), Concept("blue", "colour"), Concept("sky", "room")]
        >>> find_concept(concepts, "blue"), find_concept(concepts, "room:sky")
        (1, 2)
    """
    full = [f"{concept.category}:{concept.name}" for concept in concepts]
    found = [index for index, concept in enumerate(concepts) if text in {concept.name, full[index]}]
    if len(found) == 1:
        return found[0]
    if found:
        msg = f"{text!r} is a concept of several categories: {', '.join(full[k] for k in found)}"
        raise AddressError(msg)
    close = ", ".join(nearest(text, [concept.name for concept in concepts]))
    msg = f"there is no concept {text!r}; the nearest of {len(concepts)} are {close}"
    raise AddressError(msg)


def _best_units(found: LayerDissection, index: int | None, count: int) -> dict[int, int]:
    """Return units to draw, and the concept that each is compared with.

    The best of each concept come first, so that one concept does not fill the sheet.
    """  # noqa: DOC501 - private
    if index is None:
        concepts, iou = found.best, found.best_iou
        taken = found.detectors()
    else:
        concepts, iou = np.full(found.units, index), found.iou[:, index]
        taken = iou > 0
    order = [int(unit) for unit in np.argsort(-iou, kind="stable") if taken[unit]]
    order = [unit for unit in order if shown_images(found, unit)]
    firsts: dict[int, int] = {}
    for unit in order:
        firsts.setdefault(int(concepts[unit]), unit)
    shown = [*dict.fromkeys([*firsts.values(), *order])][:count]
    if not shown:
        msg = f"no unit of {found.address} has an IoU above {0 if index is not None else LEVEL:g}"
        if index is None and (found.best != NO_CONCEPT).any():
            best = int(iou.argmax())
            name = found.concepts[found.best[best]].name
            msg += f"; the largest is {iou[best]:.3f}, of unit {best} with {name}"
        raise AddressError(msg)
    return {unit: int(concepts[unit]) for unit in shown}


def _cell(found: LayerDissection, unit: int, index: int, tiles: Sequence[Picture]) -> Picture:
    concept, iou = found.concepts[index], float(found.iou[unit, index])
    values = [float(found.top.value[unit, place]) for place in shown_images(found, unit)]
    pictures = grid(tiles, len(tiles), captions=[f"{value:.4g}" for value in values])
    said = f"IoU {iou:.2f}" + ("" if iou > LEVEL else f", not above {LEVEL:g}")
    return captioned(
        pictures,
        f"{found.address}:{unit}  {concept.name} ({concept.category})",
        lines=[f"{said}; threshold {float(found.thresholds[unit]):.4g}"],
    )
