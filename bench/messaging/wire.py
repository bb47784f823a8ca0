"""A proxy before a server that counts round trips: how often a client speaks after the server did."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Iterator


class Counting:
    """Round trips of all connections together.

    Attributes:
        turns: how many there were.
        port: where clients connect to on the loopback address.
    """

    def __init__(self, host: str, port: int) -> None:
        self.turns = 0
        self._server = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, selectors.DefaultSelector() as ready:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            spoke = server
            with contextlib.suppress(OSError):
                while True:
                    for key, _ in ready.select():
                        data = key.fileobj.recv(65_536)  # type: ignore[union-attr]
                        if not data:
                            return
                        self.turns += key.fileobj is client and spoke is server
                        spoke = key.fileobj  # type: ignore[assignment]
                        key.data.sendall(data)

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()


@contextlib.contextmanager
def counting(host: str, port: int) -> Iterator[Counting]:
    """A proxy before a server, for as long as the block runs."""
    proxy = Counting(host, port)
    try:
        yield proxy
    finally:
        proxy.close()
