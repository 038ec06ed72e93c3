"""The page itself."""

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from striate.web.replies import ERRORS, problem
from striate.web.site import INDEX, static_files


def static_routes() -> APIRouter:
    """Return the routes of the page and of the files that it is made of."""
    router = APIRouter(tags=["page"], responses=ERRORS)
    files = static_files()
    tags = {
        name: f'"{hashlib.sha256(file.content).hexdigest()[:20]}"' for name, file in files.items()
    }

    @router.get("/", response_class=Response, responses=_content("text/html"))
    @router.get(f"/{INDEX}", response_class=Response, include_in_schema=False)
    def index() -> Response:
        """The page; all views are fragments of it."""
        found = files[INDEX]
        return Response(found.content, media_type=found.kind, headers={"cache-control": "no-store"})

    @router.get(
        "/static/{name}",
        response_class=Response,
        responses={
            **_content("text/javascript", "text/css", "image/svg+xml"),
            304: {"description": "The browser has it already."},
        },
    )
    def static(request: Request, name: str) -> Response:
        """A module, style sheet or icon of the page."""
        found = files.get(name)
        if found is None or name == INDEX:
            return problem(404, "Not found", "the page has no such file")
        # A browser asks each time, so that it never mixes the modules of two versions.
        headers = {"cache-control": "no-cache", "etag": tags[name]}
        if _has(request, tags[name]):
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.kind, headers=headers)

    return router


def _has(request: Request, tag: str) -> bool:
    """Return whether a browser says that it has what bears this tag."""
    said = ",".join(request.headers.getlist("if-none-match"))
    offered = {one.strip().removeprefix("W/") for one in said.split(",")}
    return tag in offered or "*" in offered


def _content(*kinds: str) -> dict[int | str, dict[str, object]]:
    schema = {"schema": {"type": "string"}}
    return {200: {"content": dict.fromkeys(kinds, schema)}}
