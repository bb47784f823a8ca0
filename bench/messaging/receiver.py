"""A receiver of webhooks that costs little: it takes everything, counts, and tells when the first and the last one came.

python -m bench.messaging.receiver
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Any

from bench.harness import obey, own_stdout

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"


class _Connection(asyncio.Protocol):
    """One connection of a sender."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower() + b"\r\n"
            begins = head.find(_LENGTH) + len(_LENGTH)
            whole = end + 4 + int(head[begins : head.find(b"\r\n", begins)])
            if len(self._data) < whole:
                return
            self._data = self._data[whole:]
            self._receiver.note()
            self._transport.write(_ANSWER)  # type: ignore[attr-defined]


class Receiver:
    """Takes orders."""

    def __init__(self) -> None:
        self._count, self._first, self._last = 0, 0.0, 0.0
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def note(self) -> None:
        """Count one request."""
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self._count += 1

    def listen(self) -> dict[str, Any]:
        """Begin; the port."""
        made = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        server = asyncio.run_coroutine_threadsafe(made, self._loop).result()
        return {"port": server.sockets[0].getsockname()[1]}

    def told(self) -> dict[str, Any]:
        """What came, and seconds from the first to the last; counts anew."""
        found = {"count": self._count, "seconds": self._last - self._first}
        self._count, self._first, self._last = 0, 0.0, 0.0
        return found


if __name__ == "__main__":
    answers = own_stdout()
    obey(Receiver(), answers)
    os._exit(0)
