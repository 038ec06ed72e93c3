"""Network Dissection: the tally beside NetDissect-Lite's, the pass beside the network, and memory.

The tally: 256 units with maps of 13 x 13, a grid of 113 x 113, quantile 0.005, and an image with
five planes of labels and one for the whole image, about 40 of 100 concepts. NetDissect-Lite's
``tally_job`` is told again plainly: each unit whose maximum exceeds its threshold is upsampled in
full and thresholded, and its labels are counted. There, ``scipy.misc.imresize`` was Pillow's
bilinear filter in float32. Counts are compared twice: with Pillow, which rounds otherwise, and with
the same bilinear values in float64, where not one may differ.

The pass needs ``STRIATE_DATA``: CamVid, and the trained SqueezeNet.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import striate
from benchmarks.measure import ratios, repeated
from benchmarks.memory import forget_peak, peak
from benchmarks.report import print_table
from striate.atlas.accumulators.overlap import Overlap
from striate.atlas.accumulators.topk import TopK
from striate.dissection.cells import (
    Upsampling,
    active_pixels,
    axis_of,
    sample_coordinates,
    upsampled,
)
from striate.dissection.labels import Labels
from striate.dissection.passes import TOP
from striate.dissection.reading import LabelledReader
from striate.dissection.run import dissect
from striate.dissection.tally import TallyWatcher, count
from striate.dissection.watch import LabelledBatch, Watched
from striate.image.concepts.concept_set import ConceptSet, Segments
from striate.image.concepts.reading import concept_set

UNITS, SIDE, GRID, CONCEPTS, PLANES = 256, 13, 113, 100, 5
LAYERS = ("features.3.cat", "features.5.cat", "features.8.cat", "features.12.cat")
WEIGHTS = Path("weights", "squeezenet1_0_deepcompressed.safetensors")
SIZES = (100, 200, 468)
_TIMES = 20


def run(*, quick: bool, rounds: int) -> Any:
    """Measure and print; return the results."""
    found: dict[str, Any] = {"tally": tally(rounds)}
    folder = os.environ.get("STRIATE_DATA")
    if folder is None:
        print("dissection: STRIATE_DATA is needed for the rest")
        return found
    found["pass"] = whole_pass(Path(folder), rounds, 64 if quick else 128)
    found["memory"] = [peak_of(size, Path(folder)) for size in (SIZES[:2] if quick else SIZES)]
    print_table(
        "Peak memory of a dissection (SqueezeNet, four layers, CamVid and colours)",
        ("images", "peak MiB", "peak of loading MiB", "largest / first"),
        [
            [r["images"], r["peak"], r["before"], f"{r['peak'] / found['memory'][0]['peak']:.3f}"]
            for r in found["memory"]
        ],
    )
    return found


# --- the tally -----------------------------------------------------------------------------------


def tally(rounds: int) -> dict[str, Any]:
    """Measure the tally of one image, and compare its counts."""
    maps, thresholds = made_maps()
    segments = made_labels()
    planes, whole = segments.planes, segments.whole.tolist()
    axis = axis_of(SIDE, GRID, 0.5 * GRID / SIDE - 0.5, GRID / SIDE)
    how = Upsampling(axis, axis, "resize")
    categories = np.arange(CONCEPTS) % 6

    def ours() -> Overlap:
        overlap = Overlap.empty(UNITS, CONCEPTS, 6)
        labels = Labels.of(segments, categories, 6)
        count(overlap, [active_pixels(maps, thresholds, how)], labels)
        return overlap

    def theirs(enlarge: Callable[[np.ndarray], np.ndarray] = pillow) -> Overlap:
        return netdissect_lite(maps, thresholds, planes, whole, categories, enlarge)

    mine, exact, other = ours(), theirs(lambda one: upsampled(one, how)), theirs()
    different = sum(
        int(np.abs(a - exact.to_arrays()[name]).sum()) for name, a in mine.to_arrays().items()
    )
    pillows = int(np.abs(mine.both - other.both).sum())
    measured = ratios(repeated(theirs, 3), {"three": repeated(ours, 3 * _TIMES)}, rounds)["three"]
    ratio = type(measured)(tuple(value / _TIMES for value in measured.rounds))
    shown = len(np.unique(planes[planes >= 0])) + len(whole)
    print_table(
        f"Tally of {UNITS} units and one image of {shown} labels / NetDissect-Lite's, told plainly",
        ("ratio", "joint counts", "different", "different from Pillow's"),
        [[ratio, int(mine.both.sum()), different, pillows]],
    )
    return {
        "ratio": ratio, "labels": shown, "joint": int(mine.both.sum()), "different": different,
        "different_from_pillow": pillows,
    }  # fmt: skip


def made_maps() -> tuple[np.ndarray, np.ndarray]:
    """Return one image's maps, smooth noise, and thresholds from those of 60 images."""
    chance = np.random.default_rng(0)
    many = chance.standard_normal((60, UNITS, SIDE, SIDE)).astype(np.float32)
    for _ in range(2):
        many = (
            many + np.roll(many, 1, 2) + np.roll(many, 1, 3) + np.roll(many, (1, 1), (2, 3))
        ) / 4
    values = many.transpose(1, 0, 2, 3).reshape(UNITS, -1)
    return many[0], np.quantile(values, 0.995, axis=1, method="higher").astype(np.float32)


def made_labels() -> Segments:
    """Return the labels of an image: patches in five planes, and a scene."""
    chance = np.random.default_rng(1)
    planes = np.full((PLANES, GRID, GRID), -1, np.int32)
    for number in range(PLANES):
        own = np.arange(number * 19, (number + 1) * 19)
        coarse = chance.choice(chance.permutation(own)[:8], (8, 8))
        grown = coarse.repeat(15, 0).repeat(15, 1)[:GRID, :GRID]
        planes[number] = np.where(chance.random((GRID, GRID)) < 0.9, grown, -1)
    return Segments(planes, np.array([99], np.int32))


def pillow(one: np.ndarray) -> np.ndarray:
    """Enlarge a map as ``imresize(..., mode="F")`` did."""
    return np.asarray(Image.fromarray(one).resize((GRID, GRID), Image.Resampling.BILINEAR))


def netdissect_lite(
    maps: np.ndarray,
    thresholds: np.ndarray,
    planes: np.ndarray,
    whole: list[int],
    categories: np.ndarray,
    enlarge: Callable[[np.ndarray], np.ndarray],
) -> Overlap:
    """Count as ``FeatureOperator.tally_job`` does, unit after unit.

    One change: an activation counts for the categories that the image carries, not for those that
    lie under it. Labels count from 1, as there.
    """
    labels = planes + 1
    kinds = np.eye(6, dtype=np.int64)[categories]
    tally_labels = np.zeros(CONCEPTS + 1, np.int64)
    tally_units_cat = np.zeros((UNITS, 6), np.int64)
    tally_both = np.zeros((UNITS, CONCEPTS + 1), np.int64)
    tally_label = np.bincount(labels.ravel(), minlength=CONCEPTS + 1)
    tally_label[0] = 0
    for scalar in whole:
        tally_label[scalar + 1] += GRID * GRID
    tally_labels += tally_label
    carried = (kinds[tally_label[1:] > 0].sum(0) > 0).astype(np.int64)
    for unit in range(UNITS):
        feature_map = maps[unit]
        if feature_map.max() > thresholds[unit]:
            indexes = np.argwhere(enlarge(feature_map) > thresholds[unit])
            tally_bt = np.bincount(labels[:, indexes[:, 0], indexes[:, 1]].ravel())
            if len(tally_bt) > 0:
                tally_bt[0] = 0
            tally_both[unit, : len(tally_bt)] += tally_bt
            for scalar in whole:
                tally_both[unit, scalar + 1] += len(indexes)
            tally_units_cat[unit] += len(indexes) * carried
    return Overlap(tally_labels[1:], tally_units_cat, tally_both[:, 1:], carried)


# --- the pass ------------------------------------------------------------------------------------


def loaded(folder: Path) -> Any:
    """Return the trained SqueezeNet."""
    spec = f"squeezenet1_0@{folder / WEIGHTS}"
    return striate.load(spec, device="cpu")


def sources_of(folder: Path) -> list[str]:
    """Return what units are compared with."""
    return [str(folder / "camvid"), "colours"]


def whole_pass(folder: Path, rounds: int, images: int) -> dict[str, Any]:
    """Measure both passes over CamVid, decoding aside, beside the bare network."""
    network, concepts = loaded(folder), concept_set(sources_of(folder))
    concepts = ConceptSet(concepts.concepts, concepts.images[:images], concepts.colours)
    with tempfile.TemporaryDirectory() as place:
        atlas = small_atlas(network, folder, Path(place))
        found = dissect(network, atlas, concepts, layers=LAYERS)
        batches = read(network, concepts)
        sizes = len(concepts.concepts), len(concepts.categories)
        watchers = [
            TallyWatcher(
                network.layers[name], None, found.layers[name].thresholds,
                sample_coordinates(network.layers[name], 2),
                Overlap.empty(found.layers[name].units, *sizes),
                TopK.empty(found.layers[name].units, TOP),
            )
            for name in LAYERS
        ]  # fmt: skip
        watched = Watched(network, atlas, watchers)
    fast = network.fast(lambda trace: trace.outputs, network.image_size)

    def bare(forward: Callable[[Any], Any]) -> Callable[[], None]:
        def each() -> None:
            with torch.inference_mode():
                for batch in batches:
                    forward(batch.images)

        return each

    contenders = {"tally": lambda: [watched(batch) for batch in batches], "fast": bare(fast)}
    measured = ratios(bare(network), contenders, rounds)
    print_table(
        f"Tally pass over {images} images of CamVid / the bare forward pass (SqueezeNet, batch 32)",
        ("whole tally pass", "fast forward alone"),
        [[measured["tally"], measured["fast"]]],
    )
    return {"images": images, **measured}


def read(network: Any, concepts: ConceptSet) -> list[LabelledBatch]:
    """Return all batches."""
    with LabelledReader(network, concepts, ratio=2, batch=32, workers=1) as reader:
        found = [batch for batch, _ in reader.batches(range(len(concepts.images)))]
    return [batch for batch in found if batch is not None]


def small_atlas(network: Any, folder: Path, place: Path) -> Any:
    """Return an atlas of the layers, over a few photographs."""
    photographs = sorted((folder / "imagenet-samples" / "images").iterdir())[:4]
    (place / "list.txt").write_text("\n".join(map(str, photographs)))
    return striate.build_atlas(network, place / "list.txt", place / "atlas", layers=LAYERS)


# --- memory --------------------------------------------------------------------------------------


def peak_of(size: int, folder: Path) -> dict[str, Any]:
    """Return the peak resident memory of a process that dissects with so many images."""
    command = [sys.executable, "-m", "benchmarks.dissection", str(size), str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"images": size, **json.loads(said.stdout.splitlines()[-1])}


def child(size: int, folder: Path) -> None:
    """Dissect and print the peaks; the body of the child process."""
    torch.set_num_threads(1)
    network, concepts = loaded(folder), concept_set(sources_of(folder))
    concepts = ConceptSet(concepts.concepts, concepts.images[:size], concepts.colours)
    with tempfile.TemporaryDirectory() as place:
        atlas = small_atlas(network, folder, Path(place))
        before = peak()
        forget_peak()
        dissect(network, atlas, concepts, layers=LAYERS)
    print(json.dumps({"peak": peak(), "before": before}))


if __name__ == "__main__":
    child(int(sys.argv[1]), Path(sys.argv[2]))
