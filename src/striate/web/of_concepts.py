"""Answers about concepts: what each unit, layer and the whole network detect of them."""

import math
from collections.abc import Mapping, Sequence

from striate.dissection.pictures import shown_images
from striate.dissection.results import LEVEL, NO_CONCEPT, LayerDissection
from striate.errors import AddressError
from striate.web import messages_concepts as messages
from striate.web import of_vectors
from striate.web.dissected import Detected, Dissected, Strongest
from striate.web.findings import Findings, number


def dissected(findings: Findings) -> messages.Dissected | None:
    """Return how units were compared with concepts; None: they were not."""
    known = findings.dissected
    return None if known is None else _how(findings, known)


def concepts(findings: Findings) -> messages.Concepts:
    """Return all concepts, and how much each layer detects.

    Raises:
        AddressError: If the atlas is not dissected.
    """
    known = _known(findings)
    categories = range(len(known.results.categories))
    return messages.Concepts(
        dissection=_how(findings, known),
        concepts=[_line(findings, known, index) for index in range(len(known.results.concepts))],
        layers=[
            messages.DissectedLayer(
                layer=layer,
                address=findings.layer(layer).address,
                units=findings.layer(layer).units,
                detectors=int(found.detectors.sum()),
                unique=[len(found.unique(category)) for category in categories],
            )
            for layer, found in known.layers.items()
        ],
    )


def concept_page(findings: Findings, index: int) -> messages.ConceptPage:
    """Return a concept and the units that detect it.

    Raises:
        AddressError: If there is no such concept.
    """
    known = _known(findings)
    count = len(known.results.concepts)
    if not 0 <= index < count:
        msg = f"there is no concept {index}: this atlas has concepts 0 to {count - 1}"
        raise AddressError(msg)
    category = known.category_of[index]
    units = {layer: each.detecting(index, category) for layer, each in known.layers.items()}
    detecting = {layer: found for layer, found in units.items() if found}
    line = _line(findings, known, index)
    best = line["best"]
    near = {} if detecting or best is None else {best["layer"]: [best["unit"]]}
    return messages.ConceptPage(
        concept=index,
        name=line["name"],
        category=line["category"],
        pixels=line["pixels"],
        layers=_detecting(findings, known, index, detecting),
        nearest=_detecting(findings, known, index, near),
        learnt=of_vectors.learnt(findings, line["name"], line["category"]),
    )


def of_layer(findings: Findings, layer: int) -> messages.LayerConcepts | None:
    """Return what a layer detects; None: it was not dissected."""
    known = findings.dissected
    found = None if known is None else known.layers.get(layer)
    if known is None or found is None:
        return None
    categories = [
        messages.DetectedCategory(category=name, concepts=_of_category(known, found, place))
        for place, name in enumerate(known.results.categories)
    ]
    return messages.LayerConcepts(
        detectors=int(found.detectors.sum()),
        unique=sum(len(each["concepts"]) for each in categories),
        categories=categories,
    )


def counts(findings: Findings, layer: int) -> tuple[int | None, int | None]:
    """Return how many units of a layer are detectors, and of how many concepts; None: unknown."""
    known = findings.dissected
    found = None if known is None else known.layers.get(layer)
    if known is None or found is None:
        return None, None
    categories = range(len(known.results.categories))
    unique = sum(len(found.unique(category)) for category in categories)
    return int(found.detectors.sum()), unique


def columns(findings: Findings, layer: int) -> messages.ConceptColumns | None:
    """Return the best concept of each unit; None: the layer was not dissected."""
    known = findings.dissected
    found = None if known is None else known.layers.get(layer)
    if known is None or found is None:
        return None
    every = known.results.concepts
    chosen = [None if index == NO_CONCEPT else int(index) for index in found.best]
    return messages.ConceptColumns(
        index=chosen,
        name=[None if index is None else every[index].name for index in chosen],
        category=[None if index is None else every[index].category for index in chosen],
        iou=[
            None if index is None else float(iou)
            for index, iou in zip(chosen, found.best_iou, strict=True)
        ],
    )


def of_unit(findings: Findings, layer: int, unit: int) -> messages.UnitConcepts | None:
    """Return what a unit has in common with concepts; None: its layer was not dissected."""
    known = findings.dissected
    found = None if known is None else known.whole(layer)
    if known is None or found is None:
        return None
    pairs = [found.best_in(place) for place in range(len(found.categories))]
    chosen = [int(index[unit]) for index, _ in pairs if index[unit] != NO_CONCEPT]
    overlaps = [_overlap(known, found, unit, index) for index in chosen]
    best, top, names = int(found.best[unit]), found.top, known.results.images.names
    return messages.UnitConcepts(
        threshold=number(found.thresholds[unit]),
        best=None if best == NO_CONCEPT else _overlap(known, found, unit, best),
        in_categories=sorted(overlaps, key=lambda each: (-each["iou"], each["concept"])),
        images=[
            messages.ConceptImage(
                file=names[top.image[unit, place]],
                value=float(top.value[unit, place]),
                row=int(top.row[unit, place]),
                column=int(top.column[unit, place]),
            )
            for place in shown_images(found, unit)
        ],
    )


def _known(findings: Findings) -> Dissected:
    """Return the results."""  # noqa: DOC501 - private
    known = findings.dissected
    if known is None:
        msg = "this atlas is not dissected: `striate dissect DIR --concepts SET` compares its units"
        raise AddressError(msg)
    return known


def _how(findings: Findings, known: Dissected) -> messages.Dissected:
    settings = known.results.settings
    height, width = findings.atlas.plan.image_size[1:]
    return messages.Dissected(
        concepts=len(known.results.concepts),
        categories=list(known.results.categories),
        images=settings.images - len(settings.skipped),
        skipped=len(settings.skipped),
        quantile=settings.quantile,
        level=LEVEL,
        sides=(math.ceil(height / settings.ratio), math.ceil(width / settings.ratio)),
        upsampling=settings.upsampling,
    )


def _line(findings: Findings, known: Dissected, index: int) -> messages.ConceptLine:
    concept = known.results.concepts[index]
    found = {layer: each.strongest[index] for layer, each in known.layers.items()}
    return messages.ConceptLine(
        concept=index,
        name=concept.name,
        category=concept.category,
        pixels=int(known.results.pixels[index]),
        detectors=sum(each.detectors for each in found.values()),
        best=_best(findings, found),
    )


def _best(findings: Findings, found: Mapping[int, Strongest]) -> messages.ConceptUnit | None:
    """Return the unit of the largest IoU, the first of equals."""
    ranked = [
        (-each.iou, layer, each.unit) for layer, each in found.items() if each.unit is not None
    ]
    if not ranked:
        return None
    negative, layer, unit = min(ranked)
    address = f"{findings.layer(layer).address}:{unit}"
    return messages.ConceptUnit(layer=layer, address=address, unit=unit, iou=-negative)


def _of_category(known: Dissected, found: Detected, place: int) -> list[messages.DetectedConcept]:
    detected = [
        messages.DetectedConcept(
            concept=index,
            name=known.results.concepts[index].name,
            units=[
                messages.UnitIou(
                    unit=unit, iou=float(found.iou[unit, place]), images=found.images[unit]
                )
                for unit in found.detecting(index, place)
            ],
        )
        for index in found.unique(place)
    ]
    return sorted(detected, key=lambda each: (-len(each["units"]), each["concept"]))


def _detecting(
    findings: Findings, known: Dissected, index: int, units: Mapping[int, Sequence[int]]
) -> list[messages.DetectingLayer]:
    wholes = {layer: known.whole(layer) for layer in sorted(units)}
    return [
        messages.DetectingLayer(
            layer=layer,
            address=findings.layer(layer).address,
            units=[_detecting_unit(known, whole, unit, index) for unit in units[layer]],
        )
        for layer, whole in wholes.items()
        if whole is not None
    ]


def _detecting_unit(
    known: Dissected, found: LayerDissection, unit: int, index: int
) -> messages.DetectingUnit:
    overlap = _overlap(known, found, unit, index)
    return messages.DetectingUnit(
        unit=unit,
        iou=overlap["iou"],
        truth=overlap["truth"],
        activation=overlap["activation"],
        intersection=overlap["intersection"],
        best=int(found.best[unit]),
        best_name=known.results.concepts[found.best[unit]].name,
        images=len(shown_images(found, unit)),
    )


def _overlap(known: Dissected, found: LayerDissection, unit: int, index: int) -> messages.Overlap:
    concept, category = known.results.concepts[index], known.category_of[index]
    return messages.Overlap(
        concept=index,
        name=concept.name,
        category=concept.category,
        iou=float(found.iou[unit, index]),
        truth=int(known.results.pixels[index]),
        activation=int(found.active[unit, category]),
        intersection=int(found.both[unit, index]),
    )
