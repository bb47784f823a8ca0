"""A small TCP proxy that can go silent, or cut connections at any byte: the network between the service and its database."""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
import urllib.parse
from collections.abc import Iterator

from tests.engines.run import free_ports


class Proxy:
    """Forwards to `host:port`. `silent`: nothing is forwarded, nothing is refused. `cut_after`: bytes until a reset, at random."""

    def __init__(self, host: str, port: int, seed: int = 0) -> None:
        self._target = (host, port)
        self._random = random.Random(seed)
        self._open = threading.Event()
        self._open.set()
        self._stopped = threading.Event()
        self.cut_after: int | None = None
        self.cuts = 0
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener = socket.create_server(("127.0.0.1", free_ports(1)[0]))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def silence(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self.cut_after = None
        self._open.set()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(OSError):
                inner, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(inner,), daemon=True).start()

    def _serve(self, inner: socket.socket) -> None:
        with inner, contextlib.suppress(OSError):
            self._open.wait()
            with socket.create_connection(self._target) as outer, self._listed(inner, outer):
                left = None
                while not self._stopped.is_set():
                    readable, _, _ = select.select([inner, outer], [], [], 0.2)
                    for source in readable:
                        data = source.recv(65536)
                        self._open.wait()
                        if not data:
                            return
                        if self.cut_after is None:
                            left = None
                        elif left is None:
                            left = self._random.randrange(self.cut_after)
                        sink = outer if source is inner else inner
                        if left is not None and left < len(data):
                            sink.sendall(data[:left])
                            self._reset(inner, outer)
                            return
                        left = None if left is None else left - len(data)
                        sink.sendall(data)

    @contextlib.contextmanager
    def _listed(self, *pair: socket.socket) -> Iterator[None]:
        self._pairs.add((pair[0], pair[1]))
        try:
            yield
        finally:
            self._pairs.discard((pair[0], pair[1]))

    def cut(self) -> None:
        """End every connection, as a server ends those that are idle."""
        for pair in list(self._pairs):
            self.cuts += 1
            for each in pair:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _reset(self, *connections: socket.socket) -> None:
        self.cuts += 1
        for each in connections:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._stopped.set()
        self._open.set()
        # Wakes the thread that accepts.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def proxied(url: str, seed: int = 0) -> Iterator[tuple[Proxy, str]]:
    """A proxy before the server of `url`, and the URL that leads through it."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = Proxy(parts.hostname, parts.port, seed)
    credentials = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    try:
        yield proxy, parts._replace(netloc=f"{credentials}127.0.0.1:{proxy.port}").geturl()
    finally:
        proxy.close()
