"""``striate serve`` as a process: S1 and S15."""

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from striate.web.hosts import is_loopback
from striate.web.serving import PortError, prepare
from web.tiny import TESTS, build_tiny

ENVIRONMENT = {
    key: value for key, value in os.environ.items() if key not in {"SSH_CONNECTION", "CI"}
} | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}


@dataclass
class Running:
    """A server that has said where it is."""

    process: subprocess.Popen[str]
    url: str
    port: int
    token: str | None

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            connection.request("GET", path, headers=bearer | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def end(self, number: int = signal.SIGINT) -> tuple[float, int, str, str]:
        """Send a signal; returns seconds until the end, exit code, and what was said since."""
        began = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=20)
        return time.monotonic() - began, self.process.returncode, out, err


@contextlib.contextmanager
def running(*arguments: object, **environment: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [sys.executable, "-m", "striate.cli.main", "serve", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env=ENVIRONMENT | environment,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 120)[0], "it says nothing"
        line = process.stdout.readline()
        found = re.fullmatch(r"open (http://\S+?:(\d+)/(?:\?token=(\S+))?)\n", line)
        assert found, (line, process.stderr.read() if process.stderr and not line else "")
        yield Running(process, found[1], int(found[2]), found[3])
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def served(tiny_atlas: Path) -> Iterator[Running]:
    with running(tiny_atlas, "--port", 0) as server:
        yield server


def refused(*arguments: object) -> str:
    """Run `striate serve`, which must end with one line and exit code 2."""
    run = subprocess.run(
        [sys.executable, "-m", "striate.cli.main", "serve", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert run.returncode == 2, run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert run.stderr.startswith("striate: ")
    assert not run.stdout
    return run.stderr


# --- S1: where it listens ------------------------------------------------------------------------


def test_s01_only_this_machine_reaches_it_and_only_with_the_token(served: Running) -> None:
    assert served.url == f"http://127.0.0.1:{served.port}/?token={served.token}"
    assert len(served.token or "") >= 32
    assert served.get("/data/status.json")[0] == 200
    assert served.get("/data/status.json", Authorization="")[0] == 401
    for address in others():
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((address, served.port), timeout=2).close()


def others() -> list[str]:
    """Addresses of this machine that are not loopback."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    return sorted({str(entry[4][0]) for entry in found if not is_loopback(str(entry[4][0]))})


def test_s01_another_host_needs_the_token(tiny_atlas: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):  # noqa: S104
        with pytest.raises(PortError, match="leave out --no-token"):
            prepare(tiny_atlas, host=host, port=0, with_token=False)
    assert "--no-token" in refused(tiny_atlas, "--host", "0.0.0.0", "--no-token")  # noqa: S104


def test_s01_another_host_is_warned_of(tiny_atlas: Path) -> None:
    with running(tiny_atlas, "--port", 0, "--host", "0.0.0.0") as server:  # noqa: S104
        assert server.token
        assert server.get("/data/status.json")[0] == 200
        assert server.get("/data/status.json", Host=f"evil.example:{server.port}")[0] == 403
        _, _, _, err = server.end()
    assert "warning: 0.0.0.0 is open to other machines" in err


def test_s01_the_other_loopback(tiny_atlas: Path) -> None:
    try:
        serving = prepare(tiny_atlas, host="::1", port=0)
    except PortError as error:
        pytest.skip(f"no IPv6 here: {error}")
    serving.listener.close()
    assert serving.url.startswith(f"http://[::1]:{serving.port}/?token=")


# --- S15: ports, endings, clients ----------------------------------------------------------------


def test_s15_the_next_free_port(tiny_atlas: Path) -> None:
    servings = [prepare(tiny_atlas, with_token=False) for _ in range(2)]
    for serving in servings:
        serving.listener.close()
    assert 8471 <= servings[0].port < servings[1].port < 8471 + 50


def test_s15_a_port_that_is_taken(tiny_atlas: Path, served: Running) -> None:
    said = refused(tiny_atlas, "--port", served.port)
    assert f"port {served.port}" in said
    assert "--port" in said
    with pytest.raises(PortError, match="cannot listen on"):
        prepare(tiny_atlas, host="no.such.host.invalid")


def test_s15_no_atlas(tmp_path: Path) -> None:
    assert "holds no atlas" in refused(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_s15_a_signal_ends_it_soon_whatever_it_does(
    tiny_atlas: Path, tmp_path: Path, number: int, code: int
) -> None:
    """Requests wait for a picture that is never done, and one client reads nothing."""
    (tmp_path / "sitecustomize.py").write_text(_SLOW)
    path = f"{tmp_path}{os.pathsep}{TESTS}"
    with running(tiny_atlas, "--port", 0, "--no-token", PYTHONPATH=path) as server:
        waiting = socket.create_connection(("127.0.0.1", server.port))
        waiting.sendall(
            b"GET /pictures/images/0.webp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port
        )
        idle = socket.create_connection(("127.0.0.1", server.port))
        time.sleep(1.0)
        assert server.get("/data/status.json")[0] == 200
        seconds, ended, out, err = server.end(number)
        waiting.close()
        idle.close()
    assert seconds < 2.5
    assert ended == code
    assert "Traceback" not in err
    assert "token" not in out + err


_SLOW = """
import sys, threading, time

def slow():
    while "striate.atlas.pictures" not in sys.modules or not hasattr(
        sys.modules["striate.atlas.pictures"], "Pictures"
    ):
        time.sleep(0.01)
    sys.modules["striate.atlas.pictures"].Pictures.image = lambda self, image: time.sleep(600)

threading.Thread(target=slow, daemon=True).start()
"""


def test_s15_a_client_that_goes_in_the_midst_of_an_answer(served: Running) -> None:
    for path in (b"/data/layers/1.json", b"/pictures/layers/1/mean/0.webp", b"/nothing"):
        client = socket.create_connection(("127.0.0.1", served.port))
        client.sendall(
            b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer %s\r\n\r\n"
            % (path, served.port, (served.token or "").encode())
        )
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.close()
    assert served.get("/data/layers/1.json")[0] == 200


def test_s15_two_clients_at_once_get_the_same(served: Running) -> None:
    paths = ["/data/layers/1/units/3.json", "/pictures/units/1/3.webp", "/data/images/0.json"]
    found: dict[tuple[str, int], Any] = {}

    def ask(path: str, client: int) -> None:
        found[path, client] = served.get(path)

    threads = [threading.Thread(target=ask, args=(p, c)) for p in paths for c in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for path in paths:
        answers = [found[path, client] for client in range(4)]
        assert answers[0][0] == 200
        assert all(answer == answers[0] for answer in answers)


def test_s04_the_token_is_in_nothing_that_the_server_says_later(tiny_atlas: Path) -> None:
    there = "198.51.100.4 50000 198.51.100.9 22"
    with running(tiny_atlas, "--port", 0, SSH_CONNECTION=there) as server:
        server.get(f"/?token={server.token}")
        server.get(f"/nothing?token={server.token}")
        _, _, out, err = server.end()
    assert server.token
    assert server.token not in out + err
    # Over ssh, how to reach the page is told too.
    assert f"ssh -L {server.port}:127.0.0.1:{server.port} 198.51.100.9" in err


def test_an_unfinished_atlas_grows_while_it_is_shown(tmp_path: Path) -> None:
    atlas, temporary = build_tiny(tmp_path, shards=1), tmp_path / "temporary"
    temporary.mkdir()
    with running(atlas, "--port", 0, "--no-token", TMPDIR=str(temporary)) as server:
        assert len([*temporary.glob("striate-snapshot-*")]) == 1
        status = server.get("/data/status.json")[1]
        assert b'"finished":false,"seen":4' in status
        assert server.get("/pictures/units/0/0.webp")[0] == 200
        build_tiny(tmp_path)
        time.sleep(1.2)
        later = server.get("/data/status.json")[1]
        assert b'"finished":true,"seen":10' in later
        assert server.get("/pictures/units/0/0.webp")[0] == 200
        server.end()
    assert not [*temporary.glob("striate-snapshot-*")]
