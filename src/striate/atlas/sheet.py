"""A sheet of units as in Zeiler & Fergus's figure 2: nine projections beside nine crops for each.

Source:
    Zeiler & Fergus, ECCV 2014, figure 2. Each patch is scaled on its own; mid-grey is zero.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from striate.atlas.portraits import Originals, UnitPictures, unit_pictures
from striate.atlas.sheets import samples_of
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError
from striate.image.grid import captioned, grid, side_by_side, stack
from striate.image.render import Picture, resize_picture
from striate.network.address import Address
from striate.network.network import Network
from striate.shapes import Display

_CELL = 84
_OF_A_LAYER = 12


def sheet(
    network: Network,
    atlas: Atlas,
    paths: Sequence[Path],
    addresses: Sequence[str],
    *,
    columns: int = 2,
) -> Display:
    """Draw units with their strongest images.

    Args:
        network: The atlas's network.
        atlas: The atlas.
        paths: File of each image, by id.
        addresses: Units; a layer stands for its twelve units with the highest class selectivity
            (without labels: twelve that fire, spread over the layer).
        columns: Units side by side.

    Returns:
        The sheet: for each unit its projections on the left and the crops on the right, under each
        crop the activation of its strongest neuron.

    Raises:
        AddressError: If a layer or unit is not in the atlas.
        MethodError: If the deconvnet does not apply to the network.
    """
    originals = Originals(atlas, paths)
    wanted: dict[str, list[int]] = {}
    for text in addresses:
        address = Address.parse(text)
        row = atlas.layer(address)
        units = _of_layer(atlas, row.address) if address.unit is None else [address.unit]
        wanted.setdefault(row.address, []).extend(units)
    drawn = []
    for layer, units in wanted.items():
        facts = atlas.units(layer)
        distinct = list(dict.fromkeys(units))
        made = {
            pictures.unit: pictures
            for pictures in unit_pictures(network, atlas, originals, layer, distinct)
        }
        drawn += [_unit(atlas, layer, made[unit], facts[unit]) for unit in units]
    rows = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
    layers = ", ".join(wanted)
    return captioned(
        stack([side_by_side(row, gap=18) for row in rows], gap=14),
        f"{atlas.plan.network}  {layers}",
        lines=[
            "Left: deconvnet projection of the strongest neuron in each of the nine strongest "
            "images, each scaled on its own; mid-grey is zero.",
            f"Right: what that neuron sees, with its activation. {atlas.plan.images} images.",
        ],
    )


def _of_layer(atlas: Atlas, layer: str) -> list[int]:
    units = samples_of(atlas, layer, _OF_A_LAYER)
    if not units:
        msg = f"no unit of {layer} ever fires: there is nothing to draw"
        raise AddressError(msg)
    return sorted(units)


def _unit(atlas: Atlas, layer: str, pictures: UnitPictures, facts: dict[str, Any]) -> Display:
    title = f"{layer}:{pictures.unit}"
    if not pictures.entries:
        blank = resize_picture(_blank(), (_CELL, 6 * _CELL), smooth=False)
        return captioned(blank, title, lines=["dead: never positive on any image"])
    positive = [k for k, entry in enumerate(pictures.entries) if entry.value > 0]
    cells = [
        [_scaled(tiles[k]) for k in positive] for tiles in (pictures.projections, pictures.crops)
    ]
    values = [f"{pictures.entries[k].value:.4g}" for k in positive]
    left = grid(cells[0], 3, captions=[""] * len(values))
    right = grid(cells[1], 3, captions=values)
    said = f"max {facts['max']:.4g}, fires on {100 * facts['fires']:.0f} % of images"
    if facts["selectivity"] is not None:
        name = atlas.class_names.get(facts["best_class"], str(facts["best_class"]))
        said += f", most for {name} (selectivity {facts['selectivity']:.2f})"
    return captioned(side_by_side([left, right], gap=6), title, lines=[said])


def _blank() -> Display:
    return np.full((1, 1, 3), 128, np.uint8)


def _scaled(tile: Picture) -> Picture:
    height, width = tile.shape[:2]
    scale = _CELL / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return resize_picture(tile, size, smooth=scale < 1 or max(height, width) > _CELL // 4)
