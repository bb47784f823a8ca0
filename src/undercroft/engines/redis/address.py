"""Where servers are: `redis://user:password@host:port,host:port/database`."""

from __future__ import annotations

import urllib.parse
from typing import NamedTuple

import msgspec

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid

PORT = 6379
_TLS = {"redis": False, "rediss": True}


class Node(NamedTuple):
    """A server.

    Attributes:
        host: its name or address.
        port: of TCP.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL says.

    Attributes:
        nodes: servers that may be asked for the others.
        user, password: of the login; None without.
        database: the number of the database.
        tls: whether TLS is spoken.
        place: the URL without a password, for messages.
    """

    nodes: tuple[Node, ...]
    user: str | None
    password: str | None
    database: int
    tls: bool
    place: str

    @classmethod
    def of(cls, url: str) -> Address:
        """The address that a URL without options names.

        Raises:
            ConfigInvalid: it names none.
        """
        place = urls.redacted(url)
        scheme = urls.scheme(url)
        if scheme not in _TLS:
            raise urls.unknown("scheme", scheme, _TLS)
        login, at, rest = url.partition("://")[2].rpartition("@")
        hosts, _, database = rest.partition("/")
        if not (database or "0").isascii() or not (database or "0").isdigit():
            raise ConfigInvalid(f"{place!r}: {database[:32]!r} is not the number of a database")
        user, colon, password = login.partition(":")
        return cls(
            nodes=tuple(_node(text, place) for text in hosts.split(",")),
            user=urllib.parse.unquote(user) if at and user else None,
            password=urllib.parse.unquote(password) if colon else None,
            database=int(database or 0),
            tls=_TLS[scheme],
            place=place,
        )


def _node(text: str, place: str) -> Node:
    try:
        parts = urllib.parse.urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise ConfigInvalid(f"{place!r}: {text[:64]!r} is not a server such as 10.0.0.1:{PORT}")
    return Node(host, PORT if port is None else port)
