"""A server of webhooks on this machine, whose paths say how it behaves, and which keeps what it was sent."""

from __future__ import annotations

import collections
import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

# Longer than any sender waits; ends with the server.
_FOREVER = 60.0


class Receiver:
    """What was sent to it, and what it does about that.

    Attributes:
        tried: bodies that came, by path, in their order; those that it did not take, too.
        taken: those that it answered with 200.
        documents: what came as a whole, by path.
    """

    def __init__(self, server: http.server.ThreadingHTTPServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self.tried: dict[str, list[Any]] = collections.defaultdict(list)
        self.taken: dict[str, list[Any]] = collections.defaultdict(list)
        self.documents: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
        self.over = threading.Event()
        self.behaviours: dict[str, Callable[[Receiver, str, Any], int | None]] = {
            "ok": lambda _me, _path, _body: 200,
            "first": Receiver._fails_first,
            "dead": lambda _me, _path, _body: 500,
            "gone": lambda _me, _path, _body: 404,
            "busy": lambda _me, _path, _body: 503,
            "hang": Receiver._hangs,
            "slow": Receiver._slow,
            "reset": lambda _me, _path, _body: None,
        }

    def url(self, behaviour: str, name: str = "a") -> str:
        """Where to send to."""
        return f"http://127.0.0.1:{self._server.server_port}/{behaviour}/{name}?token=secret-of-{name}"

    def came(self, path: str, document: dict[str, Any]) -> int | None:
        """Note what came to a path; the status to answer with, None to break the connection off."""
        body = document.get("body")
        with self._lock:
            self.tried[path].append(body)
            self.documents[path].append(document)
        status = self.behaviours[path.split("/")[1]](self, path, body)
        if status == 200:
            with self._news:
                self.taken[path].append(body)
                self._news.notify_all()
        return status

    def wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is true of what was taken; whether it came to be."""
        with self._news:
            return self._news.wait_for(is_done, seconds)

    def _fails_first(self, path: str, body: Any) -> int:
        with self._lock:
            return 200 if self.tried[path].count(body) > 1 else 500

    def _hangs(self, _path: str, _body: Any) -> None:
        self.over.wait(_FOREVER)

    def _slow(self, _path: str, _body: Any) -> int:
        self.over.wait(1.2)
        return 200


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.receiver.came(self.path.partition("?")[0], json.loads(data))
        if status is None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(status)
        if self.path.startswith("/busy"):
            self.send_header("Retry-After", "2")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is told."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """A sender that was killed is none of its business."""


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that serves until the block ends."""
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        found = handler.receiver = Receiver(server)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.over.set()
            server.shutdown()
            thread.join()
