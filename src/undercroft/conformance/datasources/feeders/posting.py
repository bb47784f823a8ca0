"""A POST of a feeder, over HTTP without TLS, as agents on the same machine do."""

from __future__ import annotations

import http.client
import urllib.parse

from undercroft.core.errors import Unavailable

_SECONDS = 30


class Poster:
    """Posts to one path with a bearer token.

    Args:
        url: of the source: its host, its path, and its options `token` and others.
    """

    def __init__(self, url: str) -> None:
        self._parts = urllib.parse.urlsplit(url)
        self.options = dict(urllib.parse.parse_qsl(self._parts.query))

    def post(self, path: str, body: bytes, kind: str) -> None:
        """Send `body`; it is stored when this returns.

        Raises:
            Unavailable: it is refused.
        """
        headers = {"Authorization": f"Bearer {self.options.get('token', '')}", "Content-Type": kind}
        connection = http.client.HTTPConnection(self._parts.netloc, timeout=_SECONDS)
        try:
            connection.request("POST", f"{self._parts.path}{path}", body, headers)
            answer = connection.getresponse()
            told = answer.read().decode(errors="replace")
        finally:
            connection.close()
        if answer.status >= 300:
            raise Unavailable(f"POST {path}: {answer.status}: {told:.200}")
