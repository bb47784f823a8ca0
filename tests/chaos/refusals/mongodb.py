"""A server of MongoDB's protocol refuses: a proxy before it answers writes with an error, as a real server words it.

The servers that tests can start have neither rights nor full disks.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import socketserver
import struct
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import bson

from tests.chaos.refusals import TOLD, Refusal, Way, named
from undercroft.conformance.plugin import Opener

# Of the wire protocol: length, request, answer to, kind of message.
_HEADER = struct.Struct("<iiii")
_MESSAGE = 2013
_WRITES = {"insert", "update", "findAndModify", "findandmodify"}


class _Proxy(socketserver.ThreadingTCPServer):
    """Passes messages on; answers writes by itself while it has an error to answer with."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, server: tuple[str, int]) -> None:
        self.server, self.error = server, None
        super().__init__(("127.0.0.1", 0), _Connection)

    server: tuple[str, int]
    error: dict[str, Any] | None


class _Connection(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        with socket.create_connection(self.server.server) as upstream, contextlib.suppress(OSError, EOFError):
            while True:
                message = _read(self.request)
                _, number, _, kind = _HEADER.unpack_from(message)
                command = _command(message) if kind == _MESSAGE and message[20] == 0 else ""
                if self.server.error is not None and command in _WRITES:
                    self.request.sendall(_answer(number, self.server.error))
                else:
                    upstream.sendall(message)
                    self.request.sendall(_read(upstream))


def _command(message: bytes) -> str:
    """After the flags and the kind of the first section comes the command, whose first key is its name."""
    size = int.from_bytes(message[21:25], "little")
    return next(iter(bson.decode(message[21 : 21 + size])))


def _read(connection: socket.socket) -> bytes:
    head = _exactly(connection, _HEADER.size)
    return head + _exactly(connection, _HEADER.unpack(head)[0] - len(head))


def _exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _answer(number: int, document: dict[str, Any]) -> bytes:
    body = struct.pack("<IB", 0, 0) + bson.encode(document)
    return _HEADER.pack(_HEADER.size + len(body), 1, number, _MESSAGE) + body


@contextlib.contextmanager
def _answered(opener: Opener, code: int, name: str) -> Iterator[Refusal]:
    """Every write is answered with an error."""
    parts = urllib.parse.urlsplit(opener.url)
    with _Proxy((parts.hostname or "", parts.port or 27017)) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()

        def answer_with(error: dict[str, Any] | None) -> None:
            proxy.error = error

        url = named(opener, parts._replace(netloc=f"127.0.0.1:{proxy.server_address[1]}").geturl())
        error = {"ok": 0.0, "errmsg": TOLD, "code": code, "codeName": name}
        try:
            yield Refusal(url, functools.partial(answer_with, error), functools.partial(answer_with, None))
        finally:
            proxy.shutdown()


WAYS: Mapping[str, Way] = {
    "rights withdrawn (13)": functools.partial(_answered, code=13, name="Unauthorized"),
    "read only (20)": functools.partial(_answered, code=20, name="IllegalOperation"),
    "disk full (14031)": functools.partial(_answered, code=14031, name="OutOfDiskSpace"),
    "stepped down (10107)": functools.partial(_answered, code=10107, name="NotWritablePrimary"),
    "an unknown code (99999)": functools.partial(_answered, code=99999, name="Whatever"),
}
