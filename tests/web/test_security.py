"""Who may ask, and what each answer tells the browser: S2, S3, S4, S5 and S8."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.routing import Route, WebSocketRoute

from striate.web import security
from striate.web.app import create_app
from striate.web.hosts import Hosts
from striate.web.security import SECURITY_HEADERS
from web.tiny import OWN, Answer, ask

TOKEN = "secret"  # noqa: S105
BEARER = (b"authorization", b"Bearer secret")
COOKIE = (b"cookie", b"theme=dark; striate-8471=secret; other=%%;x")


def hosted(*hosts: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", host) for host in hosts]


# --- S2: the names it answers to -----------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [b"127.0.0.1:8471", b"localhost:8471", b"LOCALHOST:8471", b"localhost.:8471", b"[::1]:8471",
     b"[0:0:0:0:0:0:0:1]:8471"],
)  # fmt: skip
def test_s02_own_names_are_answered(tiny_app: FastAPI, host: bytes) -> None:
    assert ask(tiny_app, "/", headers=hosted(host)).status == 200


@pytest.mark.parametrize(
    "hosts",
    [
        [b"evil.example:8471"], [b"evil.example"], [b"localhost"], [b"localhost:80"],
        [b"localhost:84710"], [b"127.0.0.1:8471@evil.example"], [b"localhost.evil.example:8471"],
        [b"127.0.0.2:8471"], [b"192.168.1.7:8471"], [b"[::2]:8471"], [b"::1:8471"], [b""], [],
        [b"127.0.0.1:8471", b"127.0.0.1:8471"], [b"127.0.0.1:8471", b"evil.example"],
        [b"localhost..:8471"], [b" localhost:8471"], [b"localhost:8471 "], [b"localhost:+8471"],
        [b"localhost:\xd9\xa8\xd9\xa4"], [b"localhost:8471:8471"], [b"\xff:8471"],
        [b"http://localhost:8471"], [b"localhost:8471/"], [b"0.0.0.0:8471"], [b"2130706433:8471"],
    ],
)  # fmt: skip
def test_s02_other_names_are_not(tiny_app: FastAPI, hosts: list[bytes]) -> None:
    found = ask(tiny_app, "/", headers=hosted(*hosts))
    assert found.status == 403
    assert found.json()["title"] == "Wrong host"
    allowed = ask(
        tiny_app, "/", headers=[*hosted(*hosts), (b"x-forwarded-host", b"localhost:8471")]
    )
    assert allowed.status == 403


def test_s02_a_name_may_be_added_and_addresses_count_when_all_may_come() -> None:
    proxied = Hosts("127.0.0.1", 8471, ("Atlas.Example",))
    assert all(proxied.permit([h]) for h in (b"atlas.example", b"atlas.example:443"))
    assert not proxied.permit([b"other.example"])
    everywhere = Hosts("0.0.0.0", 8471)  # noqa: S104
    assert everywhere.permit([b"192.168.1.7:8471"])
    assert everywhere.permit([b"[fe80::1]:8471"])
    assert not everywhere.permit([b"192.168.1.7:80"])
    assert not everywhere.permit([b"evil.example:8471"])


# --- S3: where a request comes from --------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (b"http://127.0.0.1:8471", True), (b"http://evil.example", False), (b"null", False),
        (b"https://127.0.0.1:8471", False), (b"http://127.0.0.1:8472", False),
        (b"http://localhost:8471", False), (b"", False),
        (b"http://127.0.0.1:8471.evil.example", False),
        (b"127.0.0.1:8471", False), (b"http://127.0.0.1:8471@evil.example", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["POST", "DELETE", "websocket"])
def test_s03_only_its_own_page_may_do_more_than_look(
    guarded_app: FastAPI, kind: str, origin: bytes, passes: bool
) -> None:
    found = changing(guarded_app, kind, [*OWN, BEARER, (b"origin", origin)])
    assert (found.status != 403) is passes
    both = [*OWN, BEARER, (b"origin", origin), (b"origin", b"http://evil.example")]
    assert changing(guarded_app, kind, both).status == 403


@pytest.mark.parametrize("kind", ["POST", "websocket"])
def test_s03_no_origin_needs_the_token(guarded_app: FastAPI, tiny_app: FastAPI, kind: str) -> None:
    assert changing(tiny_app, kind, OWN).status == 403
    assert changing(guarded_app, kind, OWN).status == 403
    assert changing(guarded_app, kind, [*OWN, BEARER]).status in {101, 405}


def changing(app: FastAPI, kind: str, headers: Any) -> Answer:
    """A request that could change something; sockets go to a route made for this test."""
    if kind != "websocket":
        return ask(app, "/", method=kind, headers=headers)

    async def accept(socket: WebSocket) -> None:
        await socket.accept()

    guard = next(m for m in app.user_middleware if m.cls is security.Guard)
    inner = WebSocketRoute("/socket", accept)
    return ask(
        security.Guard(inner, *guard.args, **guard.kwargs), "/socket", kind="websocket",
        headers=headers,
    )  # fmt: skip


# --- S4: the token -------------------------------------------------------------------------------


def test_s04_the_address_gives_a_cookie_and_goes_away(guarded_app: FastAPI) -> None:
    found = ask(guarded_app, "/", query="token=secret&v=a%26b")
    assert found.status == 303
    assert found.header("location") == "/?v=a%26b"
    cookie = found.header("set-cookie") or ""
    assert cookie.startswith("striate-8471=secret;")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert found.header("cache-control") == "no-store"
    assert found.header("referrer-policy") == "no-referrer"
    assert ask(guarded_app, "/", headers=[*OWN, (b"cookie", cookie.split(";")[0].encode())])


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "/\r\nx: y", "///"])
def test_s04_the_redirect_stays_here(guarded_app: FastAPI, path: str) -> None:
    location = ask(guarded_app, path, query="token=secret").header("location") or ""
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert not set("\\\r\n") & set(location)


@pytest.mark.parametrize("credential", [BEARER, COOKIE, (b"authorization", b"bearer secret")])
def test_s04_cookie_and_header_open(guarded_app: FastAPI, credential: tuple[bytes, bytes]) -> None:
    assert ask(guarded_app, "/data/status.json", headers=[*OWN, credential]).status == 200


@pytest.mark.parametrize(
    "credential",
    [
        (b"authorization", b"Bearer "), (b"authorization", b"Bearer secret2"),
        (b"authorization", b"Basic secret"), (b"authorization", b"secret"),
        (b"authorization", b"Bearer SECRET"), (b"authorization", b"Bearer \xff"),
        (b"cookie", b"striate-8471="), (b"cookie", b"striate-8472=secret"),
        (b"cookie", b"token=secret"),
        (b"cookie", b"x-striate-8471=secret"),
    ],
)  # fmt: skip
def test_s04_anything_else_does_not(guarded_app: FastAPI, credential: tuple[bytes, bytes]) -> None:
    found = ask(guarded_app, "/data/status.json", headers=[*OWN, credential])
    assert found.status == 401
    assert "striate serve" in found.json()["detail"]
    for query in ("token=", "token=wrong", "token", "Token=secret", "token=secret%00"):
        assert ask(guarded_app, "/", query=query).status == 401


def test_s04_tokens_are_compared_in_constant_time(
    guarded_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        seen.append((one, other))
        return one == other

    monkeypatch.setattr(security.secrets, "compare_digest", compare)
    ask(guarded_app, "/", headers=[*OWN, BEARER])
    ask(guarded_app, "/", headers=[*OWN, (b"cookie", b"striate-8471=guess")])
    ask(guarded_app, "/", query="token=other")
    assert seen == [(b"secret", b"secret"), (b"guess", b"secret"), (b"other", b"secret")]


def test_s04_the_token_is_in_no_log(guarded_app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ask(guarded_app, "/", query="token=secret")
    ask(guarded_app, "/data/layers/99.json", query="token=secret")
    ask(guarded_app, "/data/layers/99.json", headers=[*OWN, BEARER])
    assert "secret" not in caplog.text


def test_s04_a_person_is_told_in_html(guarded_app: FastAPI) -> None:
    found = ask(guarded_app, "/", headers=[*OWN, (b"accept", b"text/html,*/*")])
    assert found.status == 401
    assert found.header("content-type") == "text/html; charset=utf-8"
    assert b"striate serve" in found.body
    assert b"<script" not in found.body


# --- S5: every route -----------------------------------------------------------------------------


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    """Kind and path of each route; a kind of route that is not known here fails."""
    found = []
    for route in flat(app.routes):
        path = route.path.replace("{view}", "crop").replace("{name}", "main.js")
        for part in ("layer", "unit", "page", "image", "index"):
            path = path.replace(f"{{{part}}}", "0")
        assert "{" not in path, f"say in this test what {path} stands for"
        if isinstance(route, WebSocketRoute) or type(route).__name__ == "APIWebSocketRoute":
            found.append(("websocket", path))
        else:
            assert isinstance(route, Route) or hasattr(route, "methods"), route
            found += [(method, path) for method in sorted(route.methods or ())]
    return found


def flat(routes: Any) -> list[Any]:
    """Routes, those of included routers too."""
    found = []
    for route in routes:
        router = getattr(route, "original_router", None)
        found += [route] if router is None else flat(router.routes)
    return found


def test_s05_without_the_token_no_route_tells_anything(tiny_atlas: Any) -> None:
    app = create_app(tiny_atlas, token=TOKEN)

    @app.websocket("/socket")
    async def socket(connection: WebSocket) -> None:
        await connection.accept()

    routes = every_route(app)
    paths = {path for _, path in routes}
    assert {"/", "/static/main.js", "/openapi.json", "/data/status.json", "/socket",
            "/pictures/units/0/0.webp"} <= paths  # fmt: skip
    assert len(paths) >= 18
    for method, path in routes:
        kind = {"kind": "websocket"} if method == "websocket" else {"method": method}
        assert ask(app, path, **kind).status in {401, 403}, path
        # An owner is let in: so it was the token that was missing.
        if path != "/pictures/units/0/0.webp":
            opened = ask(app, path, headers=[*OWN, BEARER], **kind)
            # No synthetic image has been made of this atlas, and it is not dissected.
            absent = "synthetic" in path or "concepts" in path
            assert opened.status in ({404} if absent else {101, 200}), path
    assert ask(app, "/nothing").status == 401
    app.state.stop()


# --- S8: headers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/", {}, 200), ("/static/main.js", {}, 200), ("/data/network.json", {}, 200),
        ("/pictures/images/0.webp", {}, 200), ("/openapi.json", {}, 200), ("/nothing", {}, 404),
        ("/data/layers/99.json", {}, 404), ("/data/layers/x.json", {}, 422),
        ("/", {"headers": hosted(b"evil.example")}, 403), ("/", {"method": "PUT"}, 403),
        ("/", {"method": "PUT", "headers": [*OWN, (b"origin", b"http://127.0.0.1:8471")]}, 405),
    ],
)  # fmt: skip
def test_s08_every_answer_has_the_headers(
    tiny_app: FastAPI, path: str, options: Any, status: int
) -> None:
    found = ask(tiny_app, path, **options)
    assert found.status == status
    for name, value in SECURITY_HEADERS.items():
        assert found.header(name.decode()) == value.decode()
    assert found.header("x-content-type-options") == "nosniff"
    policy = found.header("content-security-policy") or ""
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy
    assert not any(key.startswith(b"access-control") for key, _ in found.headers)
    assert found.header("server") is None
    if status >= 400:
        assert found.header("content-type") == "application/problem+json"
        assert found.header("cache-control") == "no-store"
        assert found.json()["status"] == status


def test_s08_an_answer_that_fails_has_them_too(tiny_atlas: Any, caplog: Any) -> None:
    app = create_app(tiny_atlas)

    @app.get("/fails")
    def fails() -> None:
        msg = "a detail of the inside"
        raise RuntimeError(msg)

    found = ask(app, "/fails")
    assert found.status == 500
    assert found.header("x-content-type-options") == "nosniff"
    assert b"a detail of the inside" not in found.body
    assert "a detail of the inside" in caplog.text
    app.state.stop()
