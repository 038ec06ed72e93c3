"""A layer's dissection as a table, in the columns of the released results.

One row a unit, the best first: ``unit,category,label,score``, then for each category X the unit's
best concept in it: ``X-label,X-truth,X-activation,X-intersect,X-iou``, which are T, A, I and the
IoU. Units are counted from 1, as they were there.

Source:
    The files ``*-result.csv`` of Bau et al., "Network Dissection", CVPR 2017.
"""

import csv
import io
from typing import Any

import numpy as np

from striate.dissection.results import LEVEL, NO_CONCEPT, LayerDissection


def table(layer: LayerDissection) -> str:
    """Return the table of a layer as CSV.

    Args:
        layer: What was found. A unit that overlaps with no concept (of a category) has an empty
            label (in it) and an IoU of 0.
    """
    best_in = [layer.best_in(k) for k in range(len(layer.categories))]
    columns = ["label", "truth", "activation", "intersect", "iou"]
    head = ["unit", "category", "label", "score"]
    head += [f"{category}-{column}" for category in layer.categories for column in columns]
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(head)
    for unit in np.lexsort((np.arange(layer.units), -layer.best_iou)).tolist():
        best = int(layer.best[unit])
        named = ("", "") if best == NO_CONCEPT else (
            layer.concepts[best].category, layer.concepts[best].name
        )  # fmt: skip
        row: list[Any] = [unit + 1, *named, float(layer.best_iou[unit])]
        for number, (index, iou) in enumerate(best_in):
            concept = int(index[unit])
            active = int(layer.active[unit, number])
            if concept == NO_CONCEPT:
                row += ["", 0, active, 0, 0.0]
            else:
                truth, both = int(layer.overlap.pixels[concept]), int(layer.both[unit, concept])
                row += [layer.concepts[concept].name, truth, active, both, float(iou[unit])]
        rows.writerow(row)
    return text.getvalue()


def summary(layer: LayerDissection, level: float = LEVEL) -> dict[str, Any]:
    """Return what the units of a layer stand for, as JSON.

    Args:
        layer: What was found.
        level: IoU above which a unit is a detector.

    Returns:
        ``name``, ``units`` (each with ``unit``, ``concept``, ``category`` and ``iou``; the two in
        the middle are null where the unit overlaps with none), ``detectors`` (how many), ``unique``
        (of each category, how many concepts are detected) and ``upsampling``.
    """
    units = []
    for unit, (best, iou) in enumerate(zip(layer.best, layer.best_iou, strict=True)):
        concept = None if best == NO_CONCEPT else layer.concepts[int(best)]
        units.append({
            "unit": unit,
            "concept": concept.name if concept else None,
            "category": concept.category if concept else None,
            "iou": float(iou),
        })  # fmt: skip
    return {
        "name": layer.address,
        "units": units,
        "detectors": int(layer.detectors(level).sum()),
        "unique": {name: len(found) for name, found in layer.unique(level).items()},
        "upsampling": layer.upsampling,
    }
