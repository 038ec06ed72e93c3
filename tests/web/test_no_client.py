"""S10: the server fetches nothing; no module of ours could open a connection to anywhere."""

import ast
import socket
from pathlib import Path
from typing import Any

import pytest

import striate
from striate.web.app import create_app
from web.tiny import ask

CLIENTS = {
    "aiohttp", "ftplib", "http.client", "httpx", "httpx2", "imaplib", "paramiko", "poplib",
    "requests", "smtplib", "telnetlib", "urllib.request", "urllib3", "websockets", "xmlrpc",
}  # fmt: skip
SOURCES = sorted(Path(striate.__file__).parent.rglob("*.py"))


def imported(source: str) -> set[str]:
    """Modules that some source imports, anywhere in it, with the packages they are in."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            names |= {a.value for a in node.args if isinstance(a, ast.Constant)}
    return {name.rsplit(".", k)[0] for name in map(str, names) for k in range(3)} | names


def test_s10_no_module_imports_a_network_client() -> None:
    assert len(SOURCES) > 80
    found = {path.name: imported(path.read_text(encoding="utf-8")) & CLIENTS for path in SOURCES}
    assert not {name: clients for name, clients in found.items() if clients}


def test_s10_only_the_server_has_sockets() -> None:
    with_sockets = [p.name for p in SOURCES if "socket" in imported(p.read_text("utf-8"))]
    assert with_sockets == ["serving.py"]
    assert "connect" not in Path(striate.__file__).parent.joinpath("web/serving.py").read_text()


def test_s10_the_rule_can_fail() -> None:
    assert imported("def f():\n    import urllib.request") & CLIENTS
    assert imported("from urllib import request") & CLIENTS
    assert imported("from http.client import HTTPConnection") & CLIENTS
    assert imported("importlib.import_module('requests')") & CLIENTS
    assert not imported("from urllib.parse import quote") & CLIENTS


def test_s10_all_answers_come_without_a_connection(
    tiny_atlas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        calls.append(arguments)
        msg = "something tried to reach the network"
        raise AssertionError(msg)

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    app = create_app(tiny_atlas)
    for path in ("/", "/data/network.json", "/data/layers/1.json", "/data/layers/1/units/5.json",
                 "/data/images/1.json", "/data/classes/1.json", "/pictures/units/1/5.webp",
                 "/pictures/layers/0/projection/0.webp", "/pictures/images/1.webp"):  # fmt: skip
        assert ask(app, path).status == 200
    app.state.stop()
    assert not calls
