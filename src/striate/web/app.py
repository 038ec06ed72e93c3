"""The server's application: routes, one handler of errors, and the guard around all of it."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from striate import __version__
from striate.errors import AddressError, StriateError
from striate.web.data_routes import data_routes
from striate.web.hosts import Hosts
from striate.web.picture_routes import picture_routes
from striate.web.replies import problem
from striate.web.security import PROBLEM, Guard
from striate.web.shelf import Shelf
from striate.web.static_routes import static_routes
from striate.web.worker import BusyError, Worker

_log = logging.getLogger("striate.web")


def create_app(
    folder: Path | str,
    *,
    host: str = "127.0.0.1",
    port: int = 8471,
    token: str | None = None,
    allowed: Sequence[str] = (),
) -> FastAPI:
    """Return the application that shows an atlas.

    Args:
        folder: The atlas; an unfinished one shows what is done.
        host: Host that it is served on.
        port: Port that it is served on.
        token: What one must know to see anything; None: nothing.
        allowed: Further names it answers to.

    Returns:
        The application.

    Raises:
        AtlasError: If there is no atlas, or it is damaged.
    """
    shelf, worker = Shelf(Path(folder)), Worker()

    app = _Application(
        title="striate",
        version=__version__,
        description="What an atlas knows of a network: every layer, every unit, every image.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.stop, app.state.close = worker.close, shelf.close
    app.include_router(static_routes())
    app.include_router(data_routes(shelf))
    app.include_router(picture_routes(shelf, worker))
    for kind in (StriateError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _as_problem)
    app.add_middleware(Guard, hosts=Hosts(host, port, tuple(allowed)), token=token)
    return app


class _Application(FastAPI):
    """FastAPI, but errors are described as what they are: problems (RFC 9457)."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    for status, answer in operation["responses"].items():
                        if status >= "400" and "content" in answer:
                            schemas = list(answer["content"].values())
                            answer["content"] = {PROBLEM: schemas[0]}
        return super().openapi()


def _as_problem(_: Request, error: Exception) -> Response:
    match error:
        case HTTPException(status_code=405):
            allow = {"allow": "GET, HEAD"}
            return problem(405, "Not allowed", "this server only shows: use GET", allow)
        case HTTPException():
            return problem(error.status_code, "Not found", "there is nothing at this address")
        case RequestValidationError():
            wrong = error.errors()[0]
            said = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
            return problem(422, "Not well formed", said)
        case AddressError():
            return problem(404, "Not found", str(error))
        case BusyError():
            return problem(503, "Busy", str(error), {"retry-after": "1"})
    _log.warning("%s", error)
    return problem(500, "Cannot be shown", str(error))
