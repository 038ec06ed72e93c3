"""All that an atlas says of network, images and classes, written down before the first image.

From here on, neither the network nor the images are needed to write the atlas: it is a pure
function of the ledger, finished or not.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from striate.atlas.plan import Plan
from striate.image.folder import ImageFile, Labels
from striate.network.backward import refusals
from striate.network.drawing import drawing
from striate.network.layers import Layer
from striate.network.network import Network

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """A layer's geometry.

    Attributes:
        address: Its name.
        operation: What computes it.
        units: How many it has.
        map_size: (rows, columns) of a unit's map.
        field: (height, width) of the receptive field in pixels; None: the whole image.
        rows: (top, bottom) of what the neurons of each row see of the image.
        columns: (left, right) of what the neurons of each column see.
        unprojected: Why the deconvnet does not apply to it; None: it does.
    """

    address: str
    operation: str
    units: int
    map_size: tuple[int, int]
    field: tuple[int, int] | None
    rows: list[Span]
    columns: list[Span]
    unprojected: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the writer of an atlas must know besides the shards.

    Attributes:
        layers: The observed layers, in the plan's order.
        images: Name, size in bytes and class index of each image, by id.
        class_names: Name of each class index (as text).
        scores: Address of the layer whose units are the classes' scores.
        aliases: Other names of observed layers.
        graph: The network as nodes and edges; see `striate.network.drawing`.
    """

    layers: list[LayerFacts]
    images: list[tuple[str, int, int | None]]
    class_names: dict[str, str]
    scores: str
    aliases: dict[str, str]
    graph: dict[str, Any]

    def to_json(self) -> str:
        """Return the facts as JSON; names that are no text keep their bytes as escapes."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> "Facts":
        """Read what `to_json` wrote."""
        found = json.loads(text)
        layers = [
            LayerFacts(**{
                **layer,
                "map_size": tuple(layer["map_size"]),
                "field": tuple(layer["field"]) if layer["field"] else None,
                "rows": [tuple(span) for span in layer["rows"]],
                "columns": [tuple(span) for span in layer["columns"]],
            })
            for layer in found["layers"]
        ]
        images = [tuple(image) for image in found["images"]]
        return cls(**{**found, "layers": layers, "images": images})


def facts_of(
    plan: Plan, network: Network, images: Sequence[ImageFile], labels: Labels | None
) -> Facts:
    """Return all that the atlas of a plan says of network, images and classes.

    Args:
        plan: What is observed.
        network: The network.
        images: The probe set.
        labels: Class of each image.
    """
    reasons = refusals(network.trace())
    observed = [network.layers[address] for address in plan.layers]
    return Facts(
        layers=[_layer(layer, reasons.get(layer.node)) for layer in observed],
        images=[
            (
                image.name,
                image.path.stat().st_size if image.path.exists() else -1,
                labels.index[image.id] if labels is not None else None,
            )
            for image in images
        ],
        class_names=class_names_of(network, labels),
        scores=network.scores,
        aliases={
            alias: address
            for alias, address in network.layers.aliases().items()
            if address in plan.layers
        },
        graph=_graph(network, plan),
    )


def _layer(layer: Layer, unprojected: str | None) -> LayerFacts:
    rows, columns = layer.map_size
    down = [layer.box(row, 0) for row in range(rows)]
    across = [layer.box(0, column) for column in range(columns)]
    return LayerFacts(
        layer.address,
        layer.operation,
        layer.units or 0,
        layer.map_size,
        layer.receptive_field.size,
        [(top, bottom) for top, _, bottom, _ in down],
        [(left, right) for _, left, _, right in across],
        unprojected,
    )


def class_names_of(network: Network, labels: Labels | None) -> dict[str, str]:
    """Return the name of each class index (as text): the network's, then those of the labels.

    Args:
        network: The network.
        labels: Class of each image.
    """
    names = dict(labels.names) if labels is not None else {}
    names |= dict(enumerate(network.class_names or ()))
    return {str(index): name for index, name in sorted(names.items())}


def _graph(network: Network, plan: Plan) -> dict[str, Any]:
    found = drawing(network)
    numbers = {address: number for number, address in enumerate(plan.layers)}
    nodes = [
        {**asdict(node), "layer": numbers.get(node.address) if place else None}
        for place, node in enumerate(found.nodes)
    ]
    return {"nodes": nodes, "edges": found.edges}
