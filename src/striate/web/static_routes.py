"""The page itself."""

from fastapi import APIRouter
from fastapi.responses import Response

from striate.web.replies import ERRORS, problem
from striate.web.site import INDEX, static_files


def static_routes() -> APIRouter:
    """Return the routes of the page and of the files that it is made of."""
    router = APIRouter(tags=["page"], responses=ERRORS)
    files = static_files()

    @router.get("/", response_class=Response, responses=_content("text/html"))
    @router.get(f"/{INDEX}", response_class=Response, include_in_schema=False)
    def index() -> Response:
        """The page; all views are fragments of it."""
        found = files[INDEX]
        return Response(found.content, media_type=found.kind, headers={"cache-control": "no-store"})

    @router.get(
        "/static/{name}",
        response_class=Response,
        responses=_content("text/javascript", "text/css", "image/svg+xml"),
    )
    def static(name: str) -> Response:
        """A module, style sheet or icon of the page."""
        found = files.get(name)
        if found is None or name == INDEX:
            return problem(404, "Not found", "the page has no such file")
        return Response(found.content, media_type=found.kind, headers={"cache-control": "no-cache"})

    return router


def _content(*kinds: str) -> dict[int | str, dict[str, object]]:
    schema = {"schema": {"type": "string"}}
    return {200: {"content": dict.fromkeys(kinds, schema)}}
