"""Asks services over HTTP, with as little time of its own as can be.

httpx takes more than a millisecond for a request, which would be part of each time that is compared: as much as some answers take.
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

_PATIENCE = 600


class Client:
    """One connection, which stays open as long as the service lets it.

    Args:
        address: what all paths follow.
        headers: of every request.
    """

    def __init__(self, address: str, headers: Mapping[str, str]) -> None:
        parts = urllib.parse.urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
        self._base = parts.path
        self._headers = dict(headers)

    def ask(self, method: str, path: str, parameters: Mapping[str, Any], body: Any = None) -> Any:
        """What a request is answered with.

        Args:
            method, path: as HTTP has them.
            parameters: of the query; a list is repeated.
            body: sent as JSON; None for none.

        Raises:
            OSError: no answer.
            SystemExit: an answer that is an error.
        """
        place = f"{self._base}{path}"
        if parameters:
            place += f"?{urllib.parse.urlencode(parameters, doseq=True)}"
        if body is None:
            return self.send(method, place, None, self._headers)
        return self.send(method, place, json.dumps(body).encode(), {**self._headers, "Content-Type": "application/json"})

    def send(self, method: str, place: str, content: bytes | None, headers: Mapping[str, str]) -> Any:
        """The same with a path as it is sent, a body as it is sent, and these headers alone."""
        try:
            status, answer = self._once(method, place, content, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # The service closed the connection since the last request.
            status, answer = self._once(method, place, content, headers)
        if not 200 <= status < 300:
            raise SystemExit(f"{method} {place}: {status} {answer[:500]!r}")
        return json.loads(answer) if answer else None

    def _once(self, method: str, place: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            self._connection.request(method, place, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
