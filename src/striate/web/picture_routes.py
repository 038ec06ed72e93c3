"""The pictures: those on disk at once, the others as soon as the worker has made them."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from striate.atlas.pictures import Pictures
from striate.atlas.sheets import SYNTHETIC
from striate.web.replies import BUSY, ERRORS, WEBP, Number, Version, reply
from striate.web.shelf import Opened, Shelf
from striate.web.worker import Worker

_BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {WEBP: {"schema": {"type": "string", "format": "binary"}}}}
}


class View(StrEnum):
    """What a layer's sheets show of each unit."""

    CROP = "crop"
    MEAN = "mean"
    PROJECTION = "projection"


def picture_routes(shelf: Shelf, worker: Worker) -> APIRouter:
    """Return the routes under ``pictures/``.

    Args:
        shelf: Where the atlas is.
        worker: Makes the pictures that are not on disk.
    """
    router = APIRouter(
        prefix="/pictures",
        tags=["pictures"],
        default_response_class=Response,
        responses={**_BINARY, **ERRORS, **BUSY},
    )

    async def answer(
        request: Request, asked: str | None, where: Path, make: Callable[[Opened], bytes]
    ) -> Response:
        opened = shelf.opened()
        content = await run_in_threadpool(opened.pictures.at_hand, where)
        if content is None:
            content = await worker.made(lambda: make(opened), request.is_disconnected)
        if content is None:
            return Response(status_code=204)
        return reply(content, WEBP, asked=asked, revision=opened.tree.revision)

    _add_synthetic(router, shelf)
    _add_concepts(router, shelf, worker)
    files = shelf.opened().pictures.files

    @router.get("/samples/{page}.webp")
    async def samples(request: Request, page: Number, v: Version = None) -> Response:
        """Some units of each layer, one row a layer."""
        return await answer(request, v, files.samples(page), lambda o: o.pictures.samples(page))

    @router.get("/layers/{layer}/{view}/{page}.webp")
    async def sheet(
        request: Request, layer: Number, view: View, page: Number, v: Version = None
    ) -> Response:
        """Units of a layer, one tile each."""
        where = files.layer_sheet(layer, view.value, page)
        return await answer(
            request, v, where, lambda o: o.pictures.layer_sheet(layer, view.value, page)
        )

    @router.get("/units/{layer}/{unit}.webp")
    async def unit(request: Request, layer: Number, unit: Number, v: Version = None) -> Response:
        """A unit's strongest images as it sees them: crops above, projections below."""
        return await answer(
            request, v, files.unit(layer, unit), lambda o: o.pictures.unit(layer, unit)
        )

    @router.get("/thumbnails/{page}.webp")
    async def thumbnails(request: Request, page: Number, v: Version = None) -> Response:
        """Images by id."""
        return await answer(
            request, v, files.thumbnails(page), lambda o: o.pictures.thumbnails(page)
        )

    @router.get("/images/{image}.webp")
    async def image(request: Request, image: Number, v: Version = None) -> Response:
        """An image as the network gets it."""
        return await answer(request, v, files.image(image), lambda o: o.image(image))

    return router


def _add_synthetic(router: APIRouter, shelf: Shelf) -> None:
    """Add what needs neither network nor images, and so does not wait for the worker."""

    async def answer(asked: str | None, find: Callable[[Pictures], bytes]) -> Response:
        opened = shelf.opened()
        content = await run_in_threadpool(find, opened.pictures)
        return reply(content, WEBP, asked=asked, revision=opened.tree.revision)

    @router.get("/layers/{layer}/synthetic/{page}.webp")
    async def sheet(layer: Number, page: Number, v: Version = None) -> Response:
        """Synthetic images of units of a layer, one tile each."""
        return await answer(v, lambda pictures: pictures.layer_sheet(layer, SYNTHETIC, page))

    @router.get("/synthetic/{layer}/{unit}.webp")
    async def synthetic(layer: Number, unit: Number, v: Version = None) -> Response:
        """An image that was made to excite a unit; these are never made here."""
        return await answer(v, lambda pictures: pictures.synthetic(layer, unit))


def _add_concepts(router: APIRouter, shelf: Shelf, worker: Worker) -> None:
    """Add the pictures of the concept set's images."""

    @router.get("/concepts/{layer}/{unit}.webp")
    async def concepts(
        request: Request, layer: Number, unit: Number, v: Version = None
    ) -> Response:
        """A unit's strongest images of the concept set, bright where it is above its threshold."""
        opened = shelf.opened()
        content = await run_in_threadpool(opened.concepts.at_hand, layer, unit)
        if content is None:
            content = await worker.made(
                lambda: opened.concepts.unit(layer, unit), request.is_disconnected
            )
        if content is None:
            return Response(status_code=204)
        return reply(content, WEBP, asked=v, revision=opened.tree.revision)
