"""Clients that take their time: idle, dripping, silent. One thread keeps all of them up; who is thrown out comes again at once."""

from __future__ import annotations

import contextlib
import resource
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

HEADERS = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def body(path: str = "/events/v1/ceilometer/events", method: str = "POST", length: int = 1_000_000, token: str = "") -> bytes:
    """The headers of a request whose body is still to come."""
    named = f"X-Auth-Token: {token}\r\n" if token else ""
    kind = "Content-Type: application/json"
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{named}{kind}\r\nContent-Length: {length}\r\n\r\n".encode()


class Sort(NamedTuple):
    """What some clients do: say `first` when they come, then `drip` each second."""

    clients: int
    first: bytes
    drip: bytes = b""


class Attack:
    """Clients of several sorts on one port.

    Attributes:
        open: connections at the moment.
        held: those when it ended.
        thrown_out: how many the service has closed.
    """

    def __init__(self, port: int, sorts: list[Sort]) -> None:
        self.port, self.sorts = port, sorts
        self.open = self.held = self.thrown_out = 0
        self._stopped = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _come(self, sort: Sort) -> None:
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", self.port))
        self._selector.register(client, selectors.EVENT_READ | selectors.EVENT_WRITE, sort)
        self.open += 1

    def _leave(self, client: socket.socket) -> None:
        self._selector.unregister(client)
        client.close()
        self.open -= 1

    def _hear(self, client: socket.socket, sort: Sort, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                client.send(sort.first)
                self._selector.modify(client, selectors.EVENT_READ, sort)
            elif not client.recv(65536):
                raise ConnectionError
        except BlockingIOError:
            pass
        except OSError:
            self._leave(client)
            self.thrown_out += 1
            self._come(sort)

    def _run(self) -> None:
        for sort in self.sorts:
            for _ in range(sort.clients):
                self._come(sort)
        due = time.monotonic() + 1
        while not self._stopped.is_set():
            for key, events in self._selector.select(0.1):
                self._hear(key.fileobj, key.data, events)  # type: ignore[arg-type]
            if time.monotonic() > due:
                due += 1
                for key in list(self._selector.get_map().values()):
                    if key.data.drip and key.events == selectors.EVENT_READ:
                        with contextlib.suppress(OSError):
                            key.fileobj.send(key.data.drip)  # type: ignore[union-attr]
        for key in list(self._selector.get_map().values()):
            self._leave(key.fileobj)  # type: ignore[arg-type]
        self._selector.close()


@contextlib.contextmanager
def attacking(port: int, *sorts: Sort) -> Iterator[Attack]:
    """An attack for as long as the block runs; it has begun when the block begins."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    attack = Attack(port, list(sorts))
    attack._thread.start()
    try:
        time.sleep(1)
        yield attack
        attack.held = attack.open
    finally:
        attack._stopped.set()
        attack._thread.join()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


def everything(token: str = "", share: int = 1) -> list[Sort]:
    """The attack of N4, or of that a share: 500 idle, 200 header and 200 body drips, 60 silent bodies, 30 on /healthz."""
    return [
        Sort(500 // share, WHOLE),
        Sort(200 // share, HEADERS, b"x"),
        Sort(200 // share, body(token=token), b"["),
        Sort(30 // share, body("/nobody/knows", token=token)),
        Sort(30 // share, body("/healthz", "GET")),
        Sort(60 // share if token else 0, body(token=token)),
    ]
