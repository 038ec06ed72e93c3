"""Listening, and answering until a signal comes."""

import contextlib
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from striate.errors import StriateError
from striate.web.app import create_app
from striate.web.hosts import in_url, is_loopback

DEFAULT_PORT = 8471
_TRIED = 50
_LAST_WORD = 1.5


class PortError(StriateError, OSError):
    """Nothing can be served there."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that listens already; `run` answers.

    Attributes:
        app: The application.
        listener: Its socket.
        host: Host that it listens on.
        port: Port that it listens on.
        token: What one must know to see anything; None: nothing.
    """

    app: FastAPI
    listener: socket.socket
    host: str
    port: int
    token: str | None

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        query = "" if self.token is None else f"?token={self.token}"
        return f"http://{in_url(self.host)}:{self.port}/{query}"

    def run(self, stopped: Callable[[int], None]) -> int:
        """Answer until SIGINT or SIGTERM comes.

        Args:
            stopped: Called with the signal's number if requests do not end in time; must end the
                process.

        Returns:
            The signal's number.
        """
        config = uvicorn.Config(
            self.app,
            loop="asyncio",
            lifespan="off",
            http="h11",
            ws="none",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        state = self.app.state

        def out_of_time(number: int) -> None:
            state.close()
            stopped(number)

        server = _Server(config, state.stop, out_of_time)
        try:
            server.run([self.listener])
        finally:
            state.close()
        return server.signal


class _Server(uvicorn.Server):
    """Uvicorn, but a signal ends it soon, whatever is being computed."""

    def __init__(
        self,
        config: uvicorn.Config,
        stopping: Callable[[], None],
        out_of_time: Callable[[int], None],
    ) -> None:
        super().__init__(config)
        self._stopping, self._out_of_time = stopping, out_of_time
        self.signal = 0

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.signal:
            # A thread in the midst of a computation cannot be stopped: it is not waited for.
            timer = threading.Timer(_LAST_WORD, self._out_of_time, [sig])
            timer.daemon = True
            timer.start()
        self.signal = sig
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


def prepare(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    with_token: bool = True,
    allowed: Sequence[str] = (),
) -> Serving:
    """Open an atlas and begin to listen.

    Args:
        folder: The atlas.
        host: Host to listen on.
        port: Port to listen on, 0 for any that is free; None: the first free one from 8471.
        with_token: Whether one must know a token, drawn now, to see anything.
        allowed: Further names that the server answers to.

    Returns:
        What listens.

    Raises:
        AtlasError: If there is no atlas, or it is damaged.
        PortError: If the port is taken, or the host is none of this machine's, or others could look
            without a token.
    """
    if not with_token and not is_loopback(host):
        msg = (
            f"without a token everybody who reaches {host} could look: leave out --no-token, or "
            "serve on this machine alone (leave out --host)"
        )
        raise PortError(msg)
    listener = _listen(host, port)
    try:
        bound = listener.getsockname()[1]
        token = secrets.token_urlsafe(24) if with_token else None
        app = create_app(folder, host=host, port=bound, token=token, allowed=allowed)
    except BaseException:
        listener.close()
        raise
    return Serving(app, listener, host, bound, token)


def _listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens."""  # noqa: DOC501 - private
    ports = [port] if port is not None else range(DEFAULT_PORT, DEFAULT_PORT + _TRIED)
    reason: OSError | None = None
    for one in ports:
        try:
            return _bound(host, one)
        except OSError as error:
            reason = error
            if isinstance(error, socket.gaierror):
                break
    where = f"port {port} of {host}" if port is not None else f"{host}"
    why = "" if reason is None else (reason.strerror or str(reason)).lower()
    msg = f"cannot listen on {where}: {why}. Choose another with --port, or leave --port out"
    raise PortError(msg)


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
