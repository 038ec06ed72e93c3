"""Runs ``striate serve`` and plain file servers, as a person does."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120.0


@contextmanager
def running(
    *command: object, cwd: Path | None = None, stderr: int = subprocess.STDOUT
) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with Ctrl-C, and killed if it does not end."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", *map(str, command)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=stderr,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def wait_for(process: subprocess.Popen[str], pattern: str) -> str:
    """Read what a process prints until something matches; returns that."""
    assert process.stdout is not None
    said, until = "", time.monotonic() + PATIENCE
    while time.monotonic() < until:
        ready, _, _ = select.select([process.stdout], [], [], 0.5)
        line = os.read(process.stdout.fileno(), 4096).decode(errors="replace") if ready else ""
        said += line
        found = re.search(pattern, said)
        if found:
            return found.group()
        if ready and not line:
            break
    msg = f"{process.args} printed no {pattern!r} but: {said}"
    raise AssertionError(msg)


def striate(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a verb of the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "striate.cli.main", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )


@contextmanager
def served(atlas: Path, *options: object) -> Iterator[str]:
    """Serve an atlas; yields the address with its token."""
    command = ("striate.cli.main", "serve", atlas.name, "--port", free_port(), *options)
    with running(*command, cwd=atlas.parent) as process:
        yield wait_for(process, r"http://\S+(?=\s)")


@contextmanager
def plain_files(root: Path) -> Iterator[str]:
    """Serve a folder with Python's own server; yields the address of the folder."""
    command = ("http.server", free_port(), "--bind", "127.0.0.1", "--directory", root)
    # It writes a line a request: into a pipe that nobody empties, it would stop after 800.
    with running(*command, stderr=subprocess.DEVNULL) as process:
        yield wait_for(process, r"http://[^\s)]+/")


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
