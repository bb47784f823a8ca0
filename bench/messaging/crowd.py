"""Many requests that wait at a service, from one process.

python -m bench.messaging.crowd PORT COUNT
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from typing import Any

from bench.harness import obey, own_stdout
from bench.messaging import workload

# Of each queue so many wait.
_EACH = 5


class Crowd:
    """Takes orders.

    Args:
        port: of the service.
        count: how many requests wait at once.
    """

    def __init__(self, port: str, count: str) -> None:
        self._port, self._count = int(port), int(count)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def begin(self) -> dict[str, Any]:
        """Let them wait, and go on with it."""
        for number in range(self._count):
            asyncio.run_coroutine_threadsafe(self._wait(number), self._loop)
        threading.Event().wait(3)
        return {}

    async def _wait(self, number: int) -> None:
        request = (
            f"POST /messaging/v2/queues/idle-{number // _EACH}/claims?wait=20 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Client-ID: {workload.CLIENT}\r\nX-Project-ID: {workload.PROJECT}\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
                while True:
                    writer.write(request)
                    answer = await reader.readuntil(b"\r\n\r\n")
                    if not answer.startswith(b"HTTP/1.1 204"):
                        os._exit(1)


if __name__ == "__main__":
    answers = own_stdout()
    obey(Crowd(*sys.argv[1:3]), answers)
    # They hang up with the process.
    os._exit(0)
