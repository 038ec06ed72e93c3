"""Answers about the network as a whole and about its layers."""

import json
from typing import Any

from striate.atlas.sheets import SAMPLES, THUMBNAILS, UNITS, VIEWS, Sheet, samples_of
from striate.atlas.store.reader import LayerRow
from striate.image.preprocess import Preprocessing
from striate.web import of_concepts
from striate.web.findings import Findings, file_of, number, numbers, reason_of
from striate.web.messages import (
    Graph,
    Layer,
    LayerFacts,
    LayerLine,
    Network,
    Sheets,
    SkippedImage,
    Status,
    UnitColumns,
)

NAMES_PAGE = 500
_SKIPPED = 100


def status(findings: Findings) -> Status:
    """Return how far the atlas is."""
    atlas = findings.atlas
    return Status(
        revision=findings.revision,
        finished=atlas.finished,
        seen=atlas.seen,
        images=len(atlas.images),
    )


def network(findings: Findings) -> Network:
    """Return the first page."""
    atlas, plan = findings.atlas, findings.atlas.plan
    judged = [image.rank for image in atlas.images if image.rank is not None]
    skipped = [image for image in atlas.images if image.skipped is not None]
    lines = [_line(findings, row.number) for row in findings.layers]
    return Network(
        name=plan.network,
        identity=plan.hash(),
        status=status(findings),
        image_size=plan.image_size,
        preprocessing=in_words(Preprocessing.from_json(json.loads(plan.preprocessing))),
        skipped=len(skipped),
        skipped_images=[
            SkippedImage(image=image.id, file=file_of(image), reason=reason_of(image) or "")
            for image in skipped[:_SKIPPED]
        ],
        top1=_percent(sum(rank == 0 for rank in judged), len(judged)),
        top5=_percent(sum(rank < 5 for rank in judged), len(judged)),
        judged=len(judged),
        classes=len(findings.class_indices),
        units=sum(row.units for row in findings.layers),
        top=plan.top,
        layers=lines,
        aliases=atlas.aliases,
        views=list(VIEWS),
        sample_sheets=sheets(SAMPLES, SAMPLES.columns * len(findings.layers)),
        thumbnails=sheets(THUMBNAILS, len(atlas.images)),
        dissection=of_concepts.dissected(findings),
        names_page=NAMES_PAGE,
    )


def graph(findings: Findings) -> Graph:
    """Return the network's drawing."""
    found: dict[str, Any] = findings.atlas.graph
    return Graph(nodes=found["nodes"], edges=found["edges"])


def layer(findings: Findings, layer_number: int) -> Layer:
    """Return a layer, with what its grid sorts and filters by.

    Raises:
        AddressError: If there is no such layer.
    """
    row, columns = findings.layer(layer_number), findings.columns(layer_number)
    names = findings.atlas.class_names
    best = sorted({index for index in columns["best_class"] if index is not None})
    images = findings.synthetic.layer(layer_number)
    stored = findings.synthetic.stored(layer_number)
    reached = {unit: known.activation for unit, known in stored.items()}
    return Layer(
        **_facts(findings, row),
        columns=UnitColumns(
            maximum=numbers(columns["maximum"]),
            mean=[number(value) or 0.0 for value in columns["mean"]],
            fires=columns["fires"],
            fires_places=columns["fires_places"],
            selectivity=numbers(columns["selectivity"]),
            best_class=columns["best_class"],
            dead=columns["dead"],
            top_image=columns["top_image"],
            concept=of_concepts.columns(findings, layer_number),
        ),
        unprojected=row.unprojected,
        similarity=findings.alike(layer_number).order,
        class_names={str(index): names[index] for index in best if index in names},
        sheets=sheets(UNITS, row.units),
        synthetic=[reached.get(unit) for unit in range(row.units)] if reached else None,
        unsynthesized=images.refused,
        concepts=of_concepts.of_layer(findings, layer_number),
    )


def sheets(layout: Sheet, count: int) -> Sheets:
    """Return how many tiles are laid out."""
    return Sheets(
        tile=layout.tile, columns=layout.columns, rows=layout.rows, pages=layout.pages(count)
    )


def in_words(preprocessing: Preprocessing) -> str:
    """Say what happens to a picture before the network sees it.

    >>> in_words(Preprocessing(resize=256, crop=224, mean=(0.5,), std=(0.25,)))
    'short side to 256 (bilinear, antialiased), centre crop 224 x 224, minus 0.5, divided by 0.25'
    """
    steps = []
    if preprocessing.resize is not None:
        how = preprocessing.interpolation + ", antialiased" * preprocessing.antialias
        steps.append(f"{_side('short side to', preprocessing.resize)} ({how})")
    if preprocessing.crop is not None:
        crop = preprocessing.crop
        pair = crop if isinstance(crop, tuple) else (crop, crop)
        steps.append(f"centre crop {pair[0]} x {pair[1]}")
    if preprocessing.channels == 1:
        steps.append("grey")
    steps += [f"minus {_listed(preprocessing.mean)}", f"divided by {_listed(preprocessing.std)}"]
    return ", ".join(steps)


def _side(what: str, size: int | tuple[int, int]) -> str:
    return f"{what} {size}" if isinstance(size, int) else f"resized to {size[0]} x {size[1]}"


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _line(findings: Findings, layer_number: int) -> LayerLine:
    row = findings.layer(layer_number)
    return LayerLine(**_facts(findings, row), samples=samples_of(findings.atlas, row.address))


def _facts(findings: Findings, row: LayerRow) -> LayerFacts:
    detectors, detected = of_concepts.counts(findings, row.number)
    return LayerFacts(
        number=row.number,
        address=row.address,
        operation=row.operation,
        units=row.units,
        map_size=row.map_size,
        receptive_field=row.field,
        dead=sum(findings.columns(row.number)["dead"]),
        detectors=detectors,
        detected=detected,
    )


def _percent(count: int, whole: int) -> float | None:
    return 100.0 * count / whole if whole else None
