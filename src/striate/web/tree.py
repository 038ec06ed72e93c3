"""All answers of one atlas as a tree of files: what the server serves and the export writes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from striate.atlas.pictures import Pictures
from striate.atlas.sheets import SAMPLES, SYNTHETIC, THUMBNAILS, UNITS, VIEWS
from striate.atlas.store.reader import Atlas
from striate.dissection.pictures import ConceptPictures
from striate.web import of_classes, of_concepts, of_images, of_network, of_units
from striate.web.findings import Findings
from striate.web.messages import (
    Classes,
    ClassPage,
    Graph,
    Image,
    Layer,
    Names,
    Network,
    Status,
    Unit,
)
from striate.web.messages_concepts import ConceptPage, Concepts


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file of the tree: its path, and what makes its bytes."""

    path: str
    make: Callable[[], bytes]


class Tree:
    """What the page may ask of an atlas; any thread may ask.

    Args:
        atlas: The atlas.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self._findings = Findings(atlas)

    @property
    def revision(self) -> str:
        """What `status` calls the revision."""
        return self._findings.revision

    def status(self) -> Status:
        """Return how far the atlas is."""
        return of_network.status(self._findings)

    def network(self) -> Network:
        """Return the first page."""
        return of_network.network(self._findings)

    def graph(self) -> Graph:
        """Return the network's drawing."""
        return of_network.graph(self._findings)

    def classes(self) -> Classes:
        """Return all classes and the confusion matrix."""
        return of_classes.classes(self._findings)

    def layer(self, layer: int) -> Layer:
        """Return a layer."""
        return of_network.layer(self._findings, layer)

    def unit(self, layer: int, unit: int) -> Unit:
        """Return a unit."""
        return of_units.unit(self._findings, layer, unit)

    def image(self, image: int) -> Image:
        """Return an image."""
        return of_images.image(self._findings, image)

    def names(self, page: int) -> Names:
        """Return a run of images."""
        return of_images.names(self._findings, page)

    def class_page(self, index: int) -> ClassPage:
        """Return a class."""
        return of_classes.class_page(self._findings, index)

    def concepts(self) -> Concepts:
        """Return all concepts."""
        return of_concepts.concepts(self._findings)

    def concept_page(self, index: int) -> ConceptPage:
        """Return a concept."""
        return of_concepts.concept_page(self._findings, index)

    def data(self) -> Iterator[Leaf]:
        """Yield every file under ``data/``, layer by layer, so that each is read once."""
        findings = self._findings
        yield _json("status", self.status)
        yield _json("network", self.network)
        yield _json("graph", self.graph)
        yield _json("classes", self.classes)
        for row in findings.layers:
            yield _json(f"layers/{row.number}", partial(self.layer, row.number))
            for unit in range(row.units):
                make = partial(self.unit, row.number, unit)
                yield _json(f"layers/{row.number}/units/{unit}", make)
        for page in range(of_images.names_pages(self.atlas)):
            yield _json(f"images/names/{page}", partial(self.names, page))
        for image in range(len(self.atlas.images)):
            yield _json(f"images/{image}", partial(self.image, image))
        for index in findings.class_indices:
            yield _json(f"classes/{index}", partial(self.class_page, index))
        known = findings.dissected
        if known is not None:
            yield _json("concepts", self.concepts)
            for index in range(len(known.results.concepts)):
                yield _json(f"concepts/{index}", partial(self.concept_page, index))

    def pictures(self, made: Pictures, concepts: ConceptPictures) -> Iterator[Leaf]:
        """Yield every file under ``pictures/``.

        Args:
            made: The pictures of this atlas.
            concepts: Those of its concept set's images.
        """
        layers = self._findings.layers
        for page in range(SAMPLES.pages(SAMPLES.columns * len(layers))):
            yield Leaf(f"pictures/samples/{page}.webp", partial(made.samples, page))
        for row in layers:
            synthetic = self._findings.synthetic.stored(row.number)
            for view in (*VIEWS, SYNTHETIC) if synthetic else VIEWS:
                for page in range(UNITS.pages(row.units)):
                    path = f"pictures/layers/{row.number}/{view}/{page}.webp"
                    yield Leaf(path, partial(made.layer_sheet, row.number, view, page))
            for unit in range(row.units):
                path = f"pictures/units/{row.number}/{unit}.webp"
                yield Leaf(path, partial(made.unit, row.number, unit))
            for unit in sorted(synthetic):
                path = f"pictures/synthetic/{row.number}/{unit}.webp"
                yield Leaf(path, partial(made.synthetic, row.number, unit))
        for page in range(THUMBNAILS.pages(len(self.atlas.images))):
            yield Leaf(f"pictures/thumbnails/{page}.webp", partial(made.thumbnails, page))
        for image in self.atlas.images:
            if image.skipped is None:
                yield Leaf(f"pictures/images/{image.id}.webp", partial(made.image, image.id))
        yield from _strips(concepts)


def _strips(made: ConceptPictures) -> Iterator[Leaf]:
    for layer, unit in made.units():
        yield Leaf(f"pictures/concepts/{layer}/{unit}.webp", partial(made.unit, layer, unit))


def _json(name: str, make: Callable[[], Any]) -> Leaf:
    return Leaf(f"data/{name}.json", lambda: to_json(make()))


def to_json(message: Any) -> bytes:
    r"""Return a message as the page gets it: no NaN, valid UTF-8 whatever bytes files are named by.

    >>> to_json({"file": "caf\udce9.jpg", "mean": 0.5})
    b'{"file":"caf?.jpg","mean":0.5}'
    """
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
