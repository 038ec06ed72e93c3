"""Answers about classes, and which of them the network confuses."""

from striate.errors import AddressError
from striate.web.findings import Findings
from striate.web.messages import Classes, ClassLine, ClassPage, Confused, SelectiveUnit

_UNITS = 24


def classes(findings: Findings) -> Classes:
    """Return all classes and the confusion matrix."""
    confusion = findings.confusion
    return Classes(
        classes=[_line(findings, k) for k in findings.class_indices],
        order=list(confusion.order),
        cells=list(confusion.cells),
    )


def class_page(findings: Findings, index: int) -> ClassPage:
    """Return a class: what it is taken for, and which units respond most to it.

    Raises:
        AddressError: If there is no such class.
    """
    if index not in findings.class_places:
        known = findings.class_indices
        range_ = f"{known[0]} to {known[-1]}" if known else "none: no labels, names or scores"
        msg = f"there is no class {index}: this atlas has {len(known)} classes, {range_}"
        raise AddressError(msg)
    line = _line(findings, index)
    cells = findings.confusion.images
    guesses = {guess: ids for (true, guess), ids in cells.items() if true == index}
    trues = {true: ids for (true, guess), ids in cells.items() if guess == index and true != index}
    return ClassPage(
        class_index=index,
        name=line["name"],
        images=line["images"],
        judged=line["judged"],
        correct=line["correct"],
        top5=line["top5"],
        taken_for=_confused(findings, guesses),
        mistaken_for_it=_confused(findings, trues),
        unjudged=[
            image.id
            for image in findings.atlas.images
            if image.label == index and image.rank is None
        ],
        units=_units(findings, index),
    )


def _line(findings: Findings, index: int) -> ClassLine:
    counts = findings.by_class
    return ClassLine(
        class_index=index,
        name=findings.atlas.class_names.get(index),
        images=counts["images"][index],
        judged=counts["judged"][index],
        correct=counts["correct"][index],
        top5=counts["top5"][index],
        predicted=counts["guessed"][index],
    )


def _confused(findings: Findings, groups: dict[int, list[int]]) -> list[Confused]:
    most_first = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        Confused(class_index=k, name=findings.atlas.class_names.get(k), images=ids)
        for k, ids in most_first
    ]


def _units(findings: Findings, index: int) -> list[SelectiveUnit]:
    return [
        SelectiveUnit(
            layer=layer,
            address=f"{findings.layers[layer].address}:{unit}",
            unit=unit,
            selectivity=selectivity,
            maximum=findings.columns(layer)["maximum"][unit],
        )
        for selectivity, layer, unit in findings.selective.get(index, [])[:_UNITS]
    ]
