"""Answers about one unit."""

import json
from pathlib import PurePath
from typing import Any

from striate.atlas.accumulators.histogram import BINS, edges
from striate.atlas.store.reader import Atlas, Entry
from striate.atlas.synthetic import Reached
from striate.network.address import Address
from striate.web import of_concepts, of_vectors
from striate.web.findings import Findings, Whole, file_of, number
from striate.web.messages import ClassMean, SimilarUnit, Synthetic, Top, Unit

_CLASSES = 12


def unit(findings: Findings, layer: int, index: int) -> Unit:
    """Return all that is known of a unit.

    Raises:
        AddressError: If there is no such unit.
    """
    row = findings.unit(layer, index)
    whole, atlas = findings.whole(layer), findings.atlas
    known, entries = whole.units[index], whole.shown[index]
    best = known["best_class"]
    images = findings.synthetic.layer(layer)
    made = findings.synthetic.reached(layer, index)
    address = Address(row.address, index)
    return Unit(
        address=str(address),
        layer=layer,
        unit=index,
        maximum=number(known["max"]),
        mean=number(known["mean"]) or 0.0,
        deviation=number(known["deviation"]),
        fires=known["fires"],
        fires_places=known["fires_places"],
        not_finite=known["not_finite"],
        dead=known["dead"],
        best_class=best,
        best_class_name=atlas.class_names.get(best),
        selectivity=number(known["selectivity"]),
        images=int(whole.summary.moments.images[index]),
        places=int(whole.summary.moments.places[index]),
        top=[_top(atlas, entry) for entry in entries],
        histogram=_histogram(whole, index),
        class_means=_class_means(atlas, whole, index),
        classes=int((whole.summary.by_class.images[:, index] > 0).sum()),
        similar=[
            SimilarUnit(unit=other, correlation=r)
            for other, r in findings.alike(layer).neighbours[index]
        ],
        unprojected=row.unprojected,
        synthetic=_synthetic(made),
        unsynthesized=images.why_not(index),
        concepts=of_concepts.of_unit(findings, layer, index),
        shares=of_vectors.shares(findings, layer, index),
        python=python(atlas, address, entries, made),
    )


def _synthetic(made: Reached | None) -> Synthetic | None:
    if made is None:
        return None
    return Synthetic(
        preset=made.settings.preset,
        seed=made.settings.seed,
        steps=made.settings.steps,
        activation=made.activation,
        rank=made.rank,
        centred_rank=made.centred_rank,
        contrast=made.contrast,
        size=made.size,
    )


def python(
    atlas: Atlas, address: Address, entries: list[Entry], made: Reached | None = None
) -> str:
    """Return the lines of Python that make a unit's strongest projection, and synthetic image.

    They are for any machine that has the weights and the pictures, and run in the folder of the
    pictures: of folders they say no more than where the picture lies in there.
    """
    lines = ["import striate", "", f"network = {_loaded(atlas)}"]
    return "\n".join([*lines, *_projecting(atlas, address, entries), *_maximizing(address, made)])


def _projecting(atlas: Atlas, address: Address, entries: list[Entry]) -> list[str]:
    if not entries:
        return [f"# {address} never fires: there is nothing to project"]
    first = entries[0]
    name = file_of(atlas.images[first.image])
    neuron = address.at(first.row, first.column)
    if atlas.layer(address.layer).unprojected is not None:
        record = f"network.record(image[None], [{address.layer!r}])"
        return [f"image = network.read({name!r})", record]
    return [
        f"image = network.read({name!r})",
        f"projection = striate.deconvnet(network, image, {str(neuron)!r})",
        "projection.map, projection.box",
    ]


def _maximizing(address: Address, made: Reached | None) -> list[str]:
    if made is None:
        return []
    how = f"preset={made.settings.preset!r}, steps={made.settings.steps}, seed={made.settings.seed}"
    return [
        "",
        f"best = striate.activation_maximization(network, [{str(address)!r}], {how})",
        "best.images, best.activations",
    ]


def _loaded(atlas: Atlas) -> str:
    recipe = _recipe(atlas)
    network = recipe.pop("network", None)
    if not isinstance(network, str):
        return f"striate.load(...)  # {atlas.plan.network!r}, as it was in Python"
    name, at, file = network.rpartition("@")
    if network.endswith(".pt2"):
        spec = PurePath(network).name
    else:
        spec = f"{name}@{PurePath(file).name}" if at else network
    unusual = {key: value for key, value in recipe.items() if value is not None}
    if unusual.get("weights") == "default":
        del unusual["weights"]
    # A thousand names of classes do not change the picture.
    unusual.pop("class_names", None)
    if recipe.get("weights", "default") is None:
        unusual["weights"] = None
    settings = "".join(f", {key}={_literal(value)}" for key, value in sorted(unusual.items()))
    return f"striate.load({spec!r}{settings})"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return repr(PurePath(value).name)
    return repr(tuple(value) if isinstance(value, list) else value)


def _recipe(atlas: Atlas) -> dict[str, Any]:
    try:
        found = json.loads((atlas.home / "recipe.json").read_text(encoding="utf-8"))
        return dict(found["recipe"] or {})
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _top(atlas: Atlas, entry: Entry) -> Top:
    image = atlas.images[entry.image]
    label = image.label
    return Top(
        image=entry.image,
        file=file_of(image),
        label=label,
        class_name=None if label is None else atlas.class_names.get(label),
        value=entry.value,
        row=entry.row,
        column=entry.column,
        box=entry.box,
    )


def _histogram(whole: Whole, index: int) -> list[tuple[float | None, float | None, int]]:
    bounds: list[float | None] = [*edges().tolist()]
    bounds[0] = bounds[BINS] = None
    counts = whole.summary.histogram.counts[index].tolist()
    return [(bounds[k], bounds[k + 1], count) for k, count in enumerate(counts) if count]


def _class_means(atlas: Atlas, whole: Whole, index: int) -> list[ClassMean]:
    by_class = whole.summary.by_class
    seen = by_class.images[:, index] > 0
    classes, means = by_class.classes[seen].tolist(), by_class.mean[seen, index].tolist()
    ranked = sorted(zip(classes, means, strict=True), key=lambda c: (-c[1], c[0]))
    return [
        ClassMean(class_index=c, name=atlas.class_names.get(c), mean=mean)
        for c, mean in ranked[:_CLASSES]
    ]
