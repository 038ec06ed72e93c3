"""The JSON of every page."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from striate.web import messages, messages_concepts
from striate.web.replies import ERRORS, JSON, Number, Version, fresh, reply
from striate.web.shelf import Opened, Shelf
from striate.web.tree import to_json


def data_routes(shelf: Shelf) -> APIRouter:
    """Return the routes under ``data/``.

    Args:
        shelf: Where the atlas is.
    """
    router = APIRouter(prefix="/data", tags=["data"], responses=ERRORS)

    @router.get("/status.json", response_model=messages.Status)
    def status() -> Response:
        """How far the atlas is."""
        return fresh(shelf.newest().tree.status())

    @router.get("/network.json", response_model=messages.Network)
    def network() -> Response:
        """The network, what was observed, and its layers."""
        return fresh(shelf.newest().tree.network())

    @router.get("/graph.json", response_model=messages.Graph)
    def graph(v: Version = None) -> Response:
        """The network as nodes and edges."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.graph(), v)

    @router.get("/classes.json", response_model=messages.Classes)
    def classes(v: Version = None) -> Response:
        """All classes and the confusion matrix."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.classes(), v)

    @router.get("/classes/{index}.json", response_model=messages.ClassPage)
    def class_page(index: Number, v: Version = None) -> Response:
        """A class."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.class_page(index), v)

    @router.get("/layers/{layer}.json", response_model=messages.Layer)
    def layer(layer: Number, v: Version = None) -> Response:
        """A layer, with one value a unit of what its grid sorts and filters by."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.layer(layer), v)

    @router.get("/layers/{layer}/units/{unit}.json", response_model=messages.Unit)
    def unit(layer: Number, unit: Number, v: Version = None) -> Response:
        """All that is known of a unit."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.unit(layer, unit), v)

    @router.get("/images/names/{page}.json", response_model=messages.Names)
    def names(page: Number, v: Version = None) -> Response:
        """A run of images, in order of ids."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.names(page), v)

    @router.get("/images/{image}.json", response_model=messages.Image)
    def image(image: Number, v: Version = None) -> Response:
        """An image, and the units that it excites most."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.image(image), v)

    _add_concepts(router, shelf)
    return router


def _add_concepts(router: APIRouter, shelf: Shelf) -> None:
    """Add what an atlas has that is dissected."""

    @router.get("/concepts.json", response_model=messages_concepts.Concepts)
    def concepts(v: Version = None) -> Response:
        """All concepts that the units were compared with, and how much each layer detects."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.concepts(), v)

    @router.get("/concepts/{index}.json", response_model=messages_concepts.ConceptPage)
    def concept_page(index: Number, v: Version = None) -> Response:
        """A concept and the units that detect it."""
        opened = shelf.opened()
        return _kept(opened, opened.tree.concept_page(index), v)


def _kept(opened: Opened, message: Any, asked: str | None) -> Response:
    return reply(to_json(message), JSON, asked=asked, revision=opened.tree.revision)
