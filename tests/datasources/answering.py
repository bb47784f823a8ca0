"""A server that sends prepared responses and records the requests: for exact exchanges and for invalid responses."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]


class Answering:
    """A server of one test. `answers` are given one after the other, the last one again and again."""

    def __init__(self, place: str, answers: list[Any]) -> None:
        self.place, self.answers = place, answers
        self.asked: list[Asked] = []


@contextlib.contextmanager
def answering(*answers: Any) -> Iterator[Answering]:
    """Run it. An answer is JSON, a status, raw bytes, or a function of the request that gives one of these."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parts = urllib.parse.urlsplit(self.path)
            query = urllib.parse.parse_qsl(parts.query or body, keep_blank_values=True)
            asked = Asked(self.command, parts.path, query, {name.lower(): value for name, value in self.headers.items()})
            running.asked.append(asked)
            answer = running.answers.pop(0) if len(running.answers) > 1 else running.answers[0]
            if callable(answer):
                answer = answer(asked)
            status = answer if isinstance(answer, int) else 200
            content = answer if isinstance(answer, bytes) else json.dumps({} if isinstance(answer, int) else answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Answering(f"127.0.0.1:{server.server_address[1]}", list(answers))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
