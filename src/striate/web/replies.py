"""How an answer goes out: its kind, and how long a browser may keep it."""

import re
from typing import Annotated, Any

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import BeforeValidator

from striate.web.messages import Problem
from striate.web.security import PROBLEM
from striate.web.tree import to_json

JSON = "application/json"
WEBP = "image/webp"
_DIGITS = re.compile(r"0|[1-9][0-9]{0,9}", flags=re.ASCII)


def in_digits(text: object) -> object:
    """Refuse numbers that are written in another way: each thing has one address.

    Raises:
        ValueError: If it is.

    >>> in_digits("12")
    '12'
    """
    if isinstance(text, str) and _DIGITS.fullmatch(text) is None:
        msg = "a whole number is written in digits, without signs, spaces or leading zeros"
        raise ValueError(msg)
    return text


Number = Annotated[int, BeforeValidator(in_digits), Path(ge=0, le=2**31 - 1)]
Version = Annotated[
    str | None,
    Query(max_length=64, description="The revision in data/status.json; lets the answer be kept."),
]

ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The token is missing."},
    403: {"model": Problem, "description": "Wrong host or origin."},
    404: {"model": Problem, "description": "There is no such thing."},
    422: {"model": Problem, "description": "The address is not well formed."},
    500: {"model": Problem, "description": "It is damaged, or cannot be made; `detail` says why."},
}
BUSY: dict[int | str, dict[str, Any]] = {
    503: {"model": Problem, "description": "Too many pictures are waited for."},
}


def reply(content: bytes, kind: str, *, asked: str | None, revision: str) -> Response:
    """Return an answer that may be kept for ever if its address names the revision.

    Args:
        content: The bytes.
        kind: Media type.
        asked: Revision that was asked for, if any.
        revision: Revision that this answer is of.

    >>> reply(b"{}", JSON, asked="a1", revision="a1").headers["cache-control"]
    'private, max-age=31536000, immutable'
    """
    kept = "private, max-age=31536000, immutable" if asked == revision else "no-cache"
    return Response(content, media_type=kind, headers={"cache-control": kept})


def fresh(message: Any) -> Response:
    """Return a message that is never kept."""
    return Response(to_json(message), media_type=JSON, headers={"cache-control": "no-store"})


def problem(
    status: int, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    """Return an error."""
    content = to_json(Problem(title=title, status=status, detail=detail))
    kept = {"cache-control": "no-store", **(headers or {})}
    return Response(content, status_code=status, media_type=PROBLEM, headers=kept)
