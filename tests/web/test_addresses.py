"""What an address can reach: S6 (no paths), S11 (nothing changes), caching, media types."""

import hashlib
import mimetypes
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from striate.web import site
from striate.web.site import INDEX, static_files
from web.test_security import flat
from web.tiny import Answer, ask

TRAVERSALS = [
    "..", "../..", "..%2f..", "%2e%2e%2f", "....//", "..\\..", "..%5c..%5c", "%2e%2e/%2e%2e", ".",
    "", "/", "//", "/etc/passwd", "%2fetc%2fpasswd", "C:\\Windows\\win.ini", "C:/Windows",
    "\\\\host\\x",
    "CON", "NUL", "aux.js", "main.js.", "main.js ", "main.js::$DATA", "main.js%00.css", "main.js\0",
    "\uff0e\uff0e\uff0fmain.js", "\u2025/main.js", "..\u2215", "MAIN.JS", "main.js/", "./main.js",
    "static-secret/x", "../static-secret/x", "index.html", "~root", "$HOME", "*", "main.j?",
    "-1", "+1", "1e3", "0x10", "\u0661", "9" * 5000, "1.0", "1;2", "1 ", " 1", "1_0", "1%00", "01",
    "0/../0", "0%2f..%2f0", "nan", "null", "true", "\udcff", "crop/../crop", "\U0001f3a8",
]  # fmt: skip


def templates(app: FastAPI) -> list[str]:
    return sorted({route.path for route in flat(app.routes) if "{" in route.path})


@pytest.mark.parametrize("bad", TRAVERSALS, ids=ascii)
def test_s06_no_part_of_an_address_is_a_path(tiny_app: FastAPI, tiny_atlas: Path, bad: str) -> None:
    paths = templates(tiny_app)
    assert len(paths) >= 11
    secret = tiny_atlas / "secret.txt"
    for template in paths:
        for part in re.findall(r"\{\w+\}", template):
            path = template.replace(part, bad).replace("{view}", "crop")
            path = re.sub(r"\{\w+\}", "0", path)
            found = ask(tiny_app, path)
            assert found.status in {404, 422}, (path, found.status, found.body[:80])
            assert found.json()["status"] == found.status
            assert str(tiny_atlas).encode() not in found.body
    assert not secret.exists()


@pytest.mark.parametrize("bad", TRAVERSALS, ids=ascii)
def test_s06_nor_is_the_whole_of_it(tiny_app: FastAPI, bad: str) -> None:
    for path in (f"/{bad}", f"/static/{bad}", f"/data/{bad}", f"/pictures/{bad}"):
        if path not in {"/", f"/{INDEX}"}:
            assert ask(tiny_app, path).status in {404, 422}, path


def test_s06_no_route_has_a_parameter_that_could_be_a_path(tiny_app: FastAPI) -> None:
    """Whole numbers and fixed choices only; the one name is looked up in a table."""
    assert not [path for path in templates(tiny_app) if ":path" in path]
    schema = tiny_app.openapi()
    for path, operations in schema["paths"].items():
        for parameter in operations["get"].get("parameters", []):
            kind = parameter["schema"]
            if parameter["in"] == "path" and path != "/static/{name}":
                resolved = schema["components"]["schemas"].get(
                    kind.get("$ref", "").rpartition("/")[2], kind
                )
                assert resolved["type"] == "integer" or "enum" in resolved, (path, parameter)
    assert INDEX in static_files()
    assert all("/" not in name and "\\" not in name for name in static_files())


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_s11_only_looking_is_allowed(tiny_app: FastAPI, method: str) -> None:
    own = [(b"host", b"127.0.0.1:8471"), (b"origin", b"http://127.0.0.1:8471")]
    for path in ("/", "/data/status.json", "/data/layers/0.json", "/pictures/images/0.webp",
                 "/static/main.js", "/openapi.json"):  # fmt: skip
        found = ask(tiny_app, path, method=method, headers=own)
        assert (found.status, found.header("allow")) == (405, "GET, HEAD")


def test_s11_looking_changes_nothing(tiny_app: FastAPI, tiny_atlas: Path) -> None:
    def state() -> dict[str, str]:
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(tiny_atlas.rglob("*"))
            if path.is_file()
        }

    before = state()
    for template in templates(tiny_app):
        path = template.replace("{view}", "mean").replace("{name}", "main.js")
        found = ask(tiny_app, re.sub(r"\{\w+\}", "1" if "class" in path else "0", path))
        absent = "synthetic" in path or "concepts" in path
        assert found.status == (404 if absent else 200)
    assert state() == before


def test_head_is_get_without_the_body(tiny_app: FastAPI) -> None:
    for path in ("/", "/data/network.json", "/pictures/thumbnails/0.webp", "/data/layers/77.json"):
        get, head = ask(tiny_app, path), ask(tiny_app, path, method="HEAD")
        assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
        assert get.body


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/", "no-store"), ("/data/status.json", "no-store"), ("/data/network.json", "no-store"),
        ("/static/main.js", "no-cache"), ("/data/graph.json", "for ever"),
        ("/data/classes.json", "for ever"), ("/data/classes/0.json", "for ever"),
        ("/data/layers/0.json", "for ever"), ("/data/layers/0/units/0.json", "for ever"),
        ("/data/images/0.json", "for ever"), ("/data/images/names/0.json", "for ever"),
        ("/pictures/units/0/0.webp", "for ever"), ("/pictures/samples/0.webp", "for ever"),
        ("/pictures/layers/1/projection/1.webp", "for ever"),
        ("/pictures/thumbnails/0.webp", "for ever"), ("/pictures/images/0.webp", "for ever"),
    ],
)  # fmt: skip
def test_how_long_an_answer_may_be_kept(tiny_app: FastAPI, path: str, kept: str) -> None:
    def control(query: str = "") -> str | None:
        found: Answer = ask(tiny_app, path, query=query)
        assert found.status == 200
        return found.header("cache-control")

    revision = ask(tiny_app, "/data/status.json").json()["revision"]
    if kept == "for ever":
        assert control(f"v={revision}") == "private, max-age=31536000, immutable"
        assert control() == control("v=") == control("v=other") == "no-cache"
    else:
        assert control() == control(f"v={revision}") == kept


def test_media_types_do_not_depend_on_the_machine(monkeypatch: Any) -> None:
    monkeypatch.setattr(mimetypes, "guess_type", lambda *_: ("text/plain", None))
    site.static_files.cache_clear()
    kinds = {name.rpartition(".")[2]: file.kind for name, file in static_files().items()}
    assert kinds["js"] == "text/javascript; charset=utf-8"
    assert kinds["css"] == "text/css; charset=utf-8"


def test_s07_the_page_has_no_data_in_it(tiny_app: FastAPI, guarded_app: FastAPI) -> None:
    """Names come as JSON and become text nodes; the HTML is the same for every atlas."""
    found = ask(tiny_app, "/")
    assert found.body == static_files()[INDEX].content
    assert not re.search(rb"<script(?![^>]*\bsrc=)", found.body)
    assert not re.search(rb"\son\w+=|style=|javascript:", found.body)
    for answer in (ask(tiny_app, "/data/network.json"), ask(tiny_app, "/data/images/names/0.json")):
        assert answer.header("content-type") == "application/json"
        assert answer.header("x-content-type-options") == "nosniff"


def test_everything_that_the_page_loads_is_relative() -> None:
    for name, file in static_files().items():
        text = file.content.decode()
        assert not re.search(r"""(?:src|href|from|import|fetch\()\s*[=(]?\s*["'`]/""", text), name
        assert not re.search(r"""(?:src|href|from|import)\s*[=(]?\s*["'`]https?:""", text), name
