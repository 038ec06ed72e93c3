"""Which names a server answers to, and which pages may talk to it.

A web page anywhere can make a browser send requests to this machine; it can even point a name of
its own at 127.0.0.1. It cannot choose the ``Host`` and ``Origin`` that the browser sends.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

_HOST = re.compile(
    r"(?P<name>\[[0-9a-f:.%]+\]|[a-z0-9_][a-z0-9_.-]*)(?::(?P<port>[0-9]{1,5}))?", flags=re.ASCII
)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to recognize them


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which a server may be asked.

    Attributes:
        bound: Host that the server listens on.
        port: Port that it listens on.
        allowed: Further names, at whatever port: those of a proxy in front.
    """

    bound: str
    port: int
    allowed: tuple[str, ...] = ()

    def permit(self, hosts: Sequence[bytes]) -> bool:
        """Return whether a request with these ``Host`` headers is for this server.

        >>> hosts = Hosts("127.0.0.1", 8471)
        >>> hosts.permit([b"LOCALHOST.:8471"]), hosts.permit([b"evil.example:8471"])
        (True, False)
        """
        return len(hosts) == 1 and self._named(hosts[0].decode("latin-1")) is not None

    def same_origin(self, origin: bytes, hosts: Sequence[bytes]) -> bool:
        """Return whether an ``Origin`` is this server's own page, under the name now asked for.

        >>> hosts = Hosts("127.0.0.1", 8471)
        >>> hosts.same_origin(b"http://localhost:8471", [b"localhost:8471"])
        True
        >>> hosts.same_origin(b"https://localhost:8471", [b"localhost:8471"])
        False
        """
        scheme, separator, rest = origin.decode("latin-1").partition("://")
        if len(hosts) != 1 or scheme != "http" or not separator:
            return False
        own = self._named(hosts[0].decode("latin-1"))
        return own is not None and self._named(rest) == own

    def _named(self, host: str) -> tuple[str, int] | None:
        """Return name and port that a Host header says, or None if they are not this server's."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return None
        name = plain(found["name"])
        port = 80 if found["port"] is None else int(found["port"])
        if name in {plain(name) for name in self.allowed}:
            return name, port
        if port != self.port:
            return None
        if name in _LOOPBACK or name == plain(self.bound):
            return name, port
        # Nobody can make a browser send an address as the name of another site.
        return (name, port) if self.bound in _EVERYWHERE and _is_address(name) else None


def plain(name: str) -> str:
    """Return a host's name in one spelling: lower case, no final dot, no brackets.

    >>> plain("LocalHost."), plain("[0:0:0:0:0:0:0:1]")
    ('localhost', '::1')
    """
    bare = name.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a server on that host.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    name = plain(host)
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def in_url(host: str) -> str:
    """Return a host as it is written in an address.

    >>> in_url("::1"), in_url("127.0.0.1"), in_url("0.0.0.0")
    ('[::1]', '127.0.0.1', '127.0.0.1')
    """
    if host in _EVERYWHERE:
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104 - to recognize it
    return f"[{host}]" if ":" in host else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
