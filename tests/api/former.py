"""`undercroft serve` with the HTTP server set as it was before there was a front: the twin of N4.

python -m tests.api.former serve ...
"""

from __future__ import annotations

from typing import Any

from undercroft.cli import serve
from undercroft.cli.main import main

THREADS = 28


def _server(address: str, port: int, workers: int, header_deadline: float, log_format: str) -> Any:
    from granian.constants import HTTPModes, Interfaces
    from granian.server import Server

    return Server(
        "undercroft.api.app:from_settings", address=address, port=port, interface=Interfaces.WSGI, factory=True,
        http=HTTPModes.http1, websockets=False, workers=workers, blocking_threads=THREADS, backpressure=THREADS * 4,
        workers_kill_timeout=8, respawn_failed_workers=True,
    )  # fmt: skip


if __name__ == "__main__":
    serve._server = _server
    main()
