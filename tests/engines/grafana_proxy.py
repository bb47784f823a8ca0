"""Grafana's data source proxy, as far as clients see it: checks the bearer token, and passes requests on to InfluxDB.

    python grafana_proxy.py PORT INFLUXDB-URL TOKEN

Requests below /api/datasources/proxy/1 go to InfluxDB as they come: method, path, query, body; and the answer goes back. Grafana
itself is not run: it is neither in Debian nor in a package registry.
"""

from __future__ import annotations

import http.client
import http.server
import json
import sys
import urllib.parse

PREFIX = "/api/datasources/proxy/1"
_KEPT = ("content-type", "content-encoding", "x-influxdb-version", "x-influxdb-error")


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and one to InfluxDB."""

    protocol_version = "HTTP/1.1"
    place: str
    token: str

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != f"Bearer {self.token}":
            self._answer(401, {"Content-Type": "application/json"}, json.dumps({"message": "Invalid API key"}).encode())
        elif not self.path.startswith(f"{PREFIX}/"):
            self._answer(404, {"Content-Type": "application/json"}, json.dumps({"message": "Data source not found"}).encode())
        else:
            self._pass_on(body)

    do_POST = do_GET  # noqa: N815 - http.server's name

    def _pass_on(self, body: bytes) -> None:
        headers = {name: self.headers[name] for name in ("Content-Type", "Accept-Encoding") if name in self.headers}
        backend = http.client.HTTPConnection(self.place, timeout=60)
        try:
            backend.request(self.command, self.path.removeprefix(PREFIX), body or None, headers)
            answer = backend.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() in _KEPT}
            self._answer(answer.status, kept, answer.read())
        except OSError as error:
            self._answer(502, {"Content-Type": "application/json"}, json.dumps({"message": str(error)}).encode())
        finally:
            backend.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(http.server.ThreadingHTTPServer):
    """It ends while clients are connected."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    Handler.place = urllib.parse.urlsplit(sys.argv[2]).netloc
    Handler.token = sys.argv[3]
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
