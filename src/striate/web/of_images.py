"""Answers about the probe set's images."""

import numpy as np

from striate.atlas.similarity import deviations
from striate.atlas.store.reader import Atlas
from striate.errors import AddressError
from striate.web.findings import Findings, file_of, reason_of
from striate.web.messages import Class, Excited, ExcitedLayer, Image, Names
from striate.web.of_network import NAMES_PAGE

_EXCITED = 6


def image(findings: Findings, index: int) -> Image:
    """Return an image, and the units that it excites most.

    Raises:
        AddressError: If there is no such image.
    """
    atlas = findings.atlas
    if not 0 <= index < len(atlas.images):
        msg = f"there is no image {index}: the probe set has images 0 to {len(atlas.images) - 1}"
        raise AddressError(msg)
    row = atlas.images[index]
    layers = range(len(findings.layers)) if row.seen else ()
    found = [_excited(findings, layer, index) for layer in layers]
    height, width = atlas.plan.image_size[1:]
    return Image(
        image=index,
        file=file_of(row),
        bytes=row.bytes,
        label=row.label,
        class_name=None if row.label is None else atlas.class_names.get(row.label),
        best=[Class(class_index=k, name=atlas.class_names.get(k)) for k in row.best],
        rank=row.rank,
        seen=row.seen,
        skipped=reason_of(row),
        size=(height, width),
        layers=[layer for layer in found if layer["units"]],
    )


def _excited(findings: Findings, layer: int, index: int) -> ExcitedLayer:
    row, known = findings.layer(layer), findings.spread(layer)
    responses = findings.atlas.responses(row.address)
    values = np.asarray(responses[index], np.float64)
    apart = np.nan_to_num(deviations(responses, index, known.usual), nan=-np.inf)
    strongest = np.argsort(-apart, kind="stable")[:_EXCITED]
    units = []
    for unit in strongest.tolist():
        if not apart[unit] > 0:
            continue
        (places,) = np.nonzero(known.top[unit] == index)
        units.append(
            Excited(
                unit=unit,
                value=float(values[unit]),
                deviations=float(apart[unit]),
                place=int(places[0]) + 1 if len(places) and values[unit] > 0 else None,
            )
        )
    return ExcitedLayer(layer=layer, address=row.address, units=units)


def names_pages(atlas: Atlas) -> int:
    """Return on how many pages the names of the images are."""
    return -(-len(atlas.images) // NAMES_PAGE)


def names(findings: Findings, page: int) -> Names:
    """Return a run of images, in order of ids.

    Raises:
        AddressError: If there is no such page.
    """
    pages = names_pages(findings.atlas)
    if not 0 <= page < pages:
        msg = f"there is no page {page} of names: there are {pages}, from 0"
        raise AddressError(msg)
    rows = findings.atlas.images[page * NAMES_PAGE : (page + 1) * NAMES_PAGE]
    return Names(
        first=page * NAMES_PAGE,
        names=[file_of(row) for row in rows],
        labels=[row.label for row in rows],
        predicted=[row.best[0] if row.best else None for row in rows],
        correct=[None if row.rank is None else row.rank == 0 for row in rows],
        skipped=[row.skipped is not None for row in rows],
    )
