"""The guard in front of every answer: who may ask, and what each answer tells the browser.

Without the token nothing is told, not even which addresses exist. The token comes once in the
address that the command printed, and from then on in a cookie that scripts and other sites cannot
use; programs send it as ``Authorization: Bearer``.
"""

import html
import json
import logging
import secrets
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from striate.web.hosts import Hosts
from striate.web.site import AGAIN

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
SECURITY_HEADERS: dict[bytes, bytes] = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}
PROBLEM = "application/problem+json"
_SAFE = frozenset({"GET", "HEAD"})
_ASK = "open the address that `striate serve` printed when it started (it ends in ?token=...)"
_log = logging.getLogger("striate.web")

Headers = list[tuple[bytes, bytes]]


class Guard:
    """Middleware around a whole application, for HTTP and WebSockets alike.

    Args:
        app: What is guarded.
        hosts: The names it answers to.
        token: What one must know; None: anyone who can reach the port may look.
    """

    def __init__(self, app: ASGIApp, hosts: Hosts, token: str | None = None) -> None:
        self._app, self._hosts, self._token = app, hosts, token
        self._cookie = f"striate-{hosts.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await answer.problem(*refusal)
            return
        if scope["type"] == "http":
            moved = self._moved(scope)
            if moved is not None:
                await answer.start(303, moved)
                return
        inner = {**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope
        try:
            await self._app(inner, receive, answer.send)
        except Exception:
            _log.exception("an answer failed: %s %s", scope.get("method"), scope["path"])
            if not answer.started:
                said = "something went wrong inside striate; the terminal it runs in says what"
                await answer.problem(500, "Internal error", said)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Return status, title and detail of why a request is turned away."""
        hosts, origins = _all(scope, b"host"), _all(scope, b"origin")
        if not self._hosts.permit(hosts):
            said = "this server does not answer to that name; see `striate serve --allow-host NAME`"
            return 403, "Wrong host", said
        if scope["type"] == "websocket" or scope["method"] not in _SAFE:
            if any(not self._hosts.same_origin(origin, hosts) for origin in origins):
                return 403, "Wrong origin", "another site's page may not do this"
            if not origins and (self._token is None or not self._knows(scope)):
                return 403, "No origin", "a browser says which page asks; a program gives the token"
        if self._token is not None and not self._knows(scope):
            return 401, "Token needed", _ASK
        return None

    def _knows(self, scope: Scope) -> bool:
        """Return whether a request has the token, wherever."""
        if self._token is None:
            return True
        offered = [value for key, value in _query(scope) if key == "token"]
        offered += [
            value.decode("latin-1")[7:]
            for value in _all(scope, b"authorization")
            if value[:7].lower() == b"bearer "
        ]
        for header in _all(scope, b"cookie"):
            offered += _cookies(header.decode("latin-1"), self._cookie)
        token = self._token.encode()
        known = [
            secrets.compare_digest(value.encode("utf-8", "replace"), token) for value in offered
        ]
        return any(known)

    def _moved(self, scope: Scope) -> Headers | None:
        """Return where to go without the token that was in the address, with the cookie."""
        query = _query(scope)
        if self._token is None or scope["method"] not in _SAFE:
            return None
        if not any(key == "token" for key, _ in query):
            return None
        rest = urlencode([(key, value) for key, value in query if key != "token"])
        # Two slashes or a backslash at the start would lead to another site.
        path = "/" + quote(scope["path"].lstrip("/"), safe="/~!$&'()*+,;=:@-._")
        location = path + f"?{rest}" * bool(rest)
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        return [
            (b"location", location.encode()),
            (b"set-cookie", cookie.encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]


class _Answer:
    """One answer on its way out; each gets the security headers."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self.started = True
            ours = set(SECURITY_HEADERS)
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in ours]
            message = {**message, "headers": [*kept, *SECURITY_HEADERS.items()]}
        elif message["type"] == "http.response.body" and self._scope["method"] == "HEAD":
            message = {**message, "body": b""}
        elif message["type"] in {"websocket.accept", "websocket.close"}:
            self.started = True
        await self._send(message)

    async def start(self, status: int, headers: Headers, body: bytes = b"") -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})

    def _from_another_site(self) -> bool:
        return _all(self._scope, b"sec-fetch-site") == [b"cross-site"]

    async def problem(self, status: int, title: str, detail: str) -> None:
        """Say why not: to people in HTML, to programs in JSON, to sockets by closing."""
        if self._scope["type"] == "websocket":
            # Closing before accepting is answered with 403 by every ASGI server.
            await self.send({"type": "websocket.close", "code": 1008, "reason": title})
            return
        if any(b"text/html" in value for value in _all(self._scope, b"accept")):
            kind, body = (
                "text/html; charset=utf-8",
                _PAGE.format(
                    title=html.escape(title),
                    detail=html.escape(detail),
                    again=_AGAIN if status == 401 and self._from_another_site() else "",
                ),
            )
        else:
            kind = PROBLEM
            body = json.dumps({"title": title, "status": status, "detail": detail})
        content = body.encode()
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(content)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="striate"'))
        await self.start(status, headers, content)


# A strict cookie stays behind when a link is followed from another site, such as a mail. What this
# page asks for itself is no longer that site's request: the script comes with the cookie alone.
_AGAIN = f'<script src="/static/{AGAIN}"></script>'
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>striate: {title}</title>
<h1>{title}</h1><p>{detail}</p>{again}
"""


def _all(scope: Scope, name: bytes) -> list[bytes]:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return [value for key, value in headers if key.lower() == name]


def _query(scope: Scope) -> list[tuple[str, str]]:
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return []


def _cookies(header: str, name: str) -> list[str]:
    pairs = [part.partition("=") for part in header.split(";")]
    return [value.strip() for key, _, value in pairs if key.strip() == name]
