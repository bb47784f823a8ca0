"""A server or proxy that fails as networks do (silence, resets, half responses), and counts the requests."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

# What is done with a request; afterwards the connection is closed.
Behaviour = Callable[["Broken", socket.socket, bytes], None]
# Seconds after which a server that drips ends.
DRIPS = 20.0


class Broken:
    """Reads whole requests, and does with each what `behaviour` says. Threads may change it.

    Args:
        behaviour: at first.
        target: the address of the server that `forwarded` asks.
        context: of TLS.
        host: the address that it listens on.
        port: any when 0.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        target: tuple[str, int] | None = None,
        context: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.behaviour, self.target = behaviour, target
        self.requests: list[bytes] = []
        self.stopped = threading.Event()
        self._context = context
        self.host = host
        self._listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = self._started(self._listener)

    @property
    def url(self) -> str:
        return f"http{'s' if self._context else ''}://{self.host}:{self.port}"

    def refuse(self) -> None:
        """Take no connections any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()

    def accept(self) -> None:
        """Take connections again."""
        self._listener = socket.create_server((self.host, self.port))
        self._accepting = self._started(self._listener)

    def close(self) -> None:
        self.stopped.set()
        self.refuse()

    def _started(self, listener: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        # Ends when the listener is closed.
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
            request = read(connection)
            if request:
                self.requests.append(request)
                self.behaviour(self, connection, request)


@contextlib.contextmanager
def broken(
    behaviour: Behaviour,
    target: tuple[str, int] | None = None,
    context: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Broken]:
    """Run one."""
    server = Broken(behaviour, target, context, host, port)
    try:
        yield server
    finally:
        server.close()


def read(connection: socket.socket) -> bytes:
    """A request, whole; nothing where the client went away."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end:
            length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            if len(body) >= length:
                return data
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more


# -- behaviours ----------------------------------------------------------------------------------------------------------------


def silent(server: Broken, connection: socket.socket, request: bytes) -> None:
    """Never answer."""
    server.stopped.wait()


def half(server: Broken, connection: socket.socket, request: bytes) -> None:
    """Break the answer off."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"results": [')


def reset(server: Broken, connection: socket.socket, request: bytes) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drips(server: Broken, connection: socket.socket, request: bytes) -> None:
    """Send a byte now and then, so that no single read takes long."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    end = time.monotonic() + DRIPS
    while time.monotonic() < end and not server.stopped.wait(0.05):
        connection.sendall(b" ")


def answers(status: int, body: bytes = b"{}", *headers: str) -> Behaviour:
    """Answer so."""
    head = "\r\n".join([f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers])

    def answer(server: Broken, connection: socket.socket, request: bytes) -> None:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)

    return answer


def told(status: int, /, **body: object) -> Behaviour:
    """Answer with JSON."""
    return answers(status, json.dumps(body).encode())


def keeps(status: int = 204) -> Behaviour:
    """Answer this request and those that come over the same connection."""

    def answer(server: Broken, connection: socket.socket, request: bytes) -> None:
        while True:
            connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
            if not (following := read(connection)):
                return
            server.requests.append(following)

    return answer


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, the last one again and again."""
    left = list(behaviours)

    def behave(server: Broken, connection: socket.socket, request: bytes) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(server, connection, request)

    return behave


def forwarded(server: Broken, connection: socket.socket, request: bytes) -> None:
    """Give what the real server answers."""
    assert server.target is not None
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
    with socket.create_connection(server.target) as outer:
        outer.sendall(b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body)
        while data := outer.recv(65_536):
            connection.sendall(data)
