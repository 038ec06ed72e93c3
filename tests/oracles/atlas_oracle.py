"""An atlas of one layer, retold with loops over images and units in numpy.

Nothing here is shared with ``striate.atlas``: the bins of the histogram come from ``frexp``, the
strongest images from sorting all of them, the sums from one map after the other in float64.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

BINS = 257
MIDDLE = 128
Arrays = dict[str, np.ndarray]


def bin_of(value: float) -> int:
    """Quarter octaves from 2^-16 to 2^16 on either side of one bin for what is smaller."""
    size = abs(float(value))
    if size < 2.0**-16:
        return MIDDLE
    mantissa, exponent = math.frexp(size)
    quarter = math.floor((2 * mantissa - 1) * 4)
    step = min((exponent - 1 + 16) * 4 + quarter + 1, MIDDLE)
    return MIDDLE + (step if value > 0 else -step)


def lattice_of(size: int) -> list[int]:
    """Rows (or columns) that the histogram counts: at most four, in the middle of their share."""
    if size <= 4:
        return list(range(size))
    return [math.floor((2 * i + 1) * size / 8) for i in range(4)]


def top_of(values: np.ndarray, ids: Sequence[int], places: np.ndarray, k: int) -> Arrays:
    """Sort all images of each unit: strongest first, of equals the lower id; -inf is nobody.

    Args:
        values: (images, units) activation of the strongest neuron.
        ids: Id of each image.
        places: (images, units, 2) row and column of that neuron.
        k: How many to keep.
    """
    units = values.shape[1]
    found = {
        "value": np.full((units, k), -np.inf, np.float32),
        "image": np.full((units, k), -1, np.int64),
        "row": np.zeros((units, k), np.int32),
        "column": np.zeros((units, k), np.int32),
    }
    for unit in range(units):
        entries = [
            (-float(values[n, unit]), ids[n], *places[n, unit])
            for n in range(len(ids))
            if values[n, unit] > -np.inf
        ]
        for place, (value, image, row, column) in enumerate(sorted(entries)[:k]):
            found["value"][unit, place] = -value
            found["image"][unit, place] = image
            found["row"][unit, place] = row
            found["column"][unit, place] = column
    return found


def summarize(maps: np.ndarray, ids: Sequence[int], labels: Sequence[int], k: int) -> Arrays:
    """Return what ``LayerSummary.to_arrays`` should hold for these maps.

    Args:
        maps: (images, units, rows, columns).
        ids: Id of each image.
        labels: Class of each image; -1 for none.
        k: How many strongest images to keep.
    """
    count, units, rows, columns = maps.shape
    good = np.array([[np.isfinite(maps[n, u]).all() for u in range(units)] for n in range(count)])
    good = good.reshape(count, units)
    values, places = np.full((count, units), -np.inf), np.zeros((count, units, 2), np.int64)
    moments = {name: np.zeros(units, np.int64) for name in (
        "images", "places", "fired_images", "fired_places", "not_finite")}  # fmt: skip
    moments |= {name: np.zeros(units, np.float64) for name in ("total", "squares")}
    moments["maximum"] = np.full(units, -np.inf, np.float32)
    histogram = np.zeros((units, BINS), np.int64)
    classes = sorted({label for label in labels if label >= 0})
    class_images = np.zeros((len(classes), units), np.int64)
    class_total = np.zeros((len(classes), units), np.float64)
    for n in range(count):
        for u in range(units):
            map_ = maps[n, u].astype(np.float64)
            for value in map_[np.ix_(lattice_of(rows), lattice_of(columns))].ravel():
                if good[n, u]:
                    histogram[u, bin_of(np.float32(value))] += 1
            if not good[n, u]:
                moments["not_finite"][u] += 1
                continue
            place = int(map_.argmax())  # of equals the first in scan order
            values[n, u], places[n, u] = maps[n, u].flat[place], divmod(place, columns)
            moments["images"][u] += 1
            moments["places"][u] += rows * columns
            moments["total"][u] += map_.sum()
            moments["squares"][u] += (map_**2).sum()
            moments["maximum"][u] = max(moments["maximum"][u], np.float32(map_.max()))
            moments["fired_places"][u] += int((map_ > 0).sum())
            moments["fired_images"][u] += bool((map_ > 0).any())
            if labels[n] >= 0:
                class_images[classes.index(labels[n]), u] += 1
                class_total[classes.index(labels[n]), u] += map_.sum() / (rows * columns)
    return (
        {f"top.{name}": array for name, array in top_of(values, ids, places, k).items()}
        | {f"moments.{name}": array for name, array in moments.items()}
        | {"histogram.counts": histogram, "by_class.classes": np.array(classes, np.int64)}
        | {"by_class.images": class_images, "by_class.total": class_total}
    )


def selectivity(class_means: Sequence[float]) -> float:
    """(m - r) / (m + r) of Morcos et al. 2018; NaN without two classes or with negative means."""
    if len(class_means) < 2 or min(class_means) < 0 or max(class_means) == 0:
        return math.nan
    best = max(range(len(class_means)), key=lambda c: class_means[c])
    rest = [mean for c, mean in enumerate(class_means) if c != best]
    return (class_means[best] - np.mean(rest)) / (class_means[best] + np.mean(rest))


def ranks(scores: np.ndarray, labels: Sequence[int]) -> list[int]:
    """Place of the true class among the scores, of equals the lower class first; -1 if unknown."""
    found = []
    for row, label in zip(scores.tolist(), labels, strict=True):
        known = 0 <= label < len(row)
        ahead = [c for c, s in enumerate(row) if known and (-s, c) < (-row[label], label)]
        found.append(len(ahead) if known else -1)
    return found


def hooked(module: nn.Module, images: Tensor, paths: Sequence[str]) -> dict[str, np.ndarray]:
    """Run the eager module, keeping a copy of what these submodules return."""
    kept: dict[str, np.ndarray] = {}

    def keeper(path: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            kept[path] = output.detach().numpy().copy()

        return keep

    handles = [module.get_submodule(p).register_forward_hook(keeper(p)) for p in paths]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return kept
