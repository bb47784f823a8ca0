"""What feeders over HTTP share: a client for the endpoint that a source's URL names."""

from __future__ import annotations

import urllib.parse

import httpx

# Seconds, far above what a request takes.
_PATIENCE = 120


class OverHttp:
    """A feeder's client. The `token` and the user of the URL are sent with each request.

    Args:
        url: of the source.
        root: below the path of the URL.
    """

    def __init__(self, url: str, root: str = "") -> None:
        parts = urllib.parse.urlsplit(url)
        self.options = dict(urllib.parse.parse_qsl(parts.query))
        headers = {"Authorization": f"Bearer {self.options['token']}"} if "token" in self.options else {}
        auth = None if parts.username is None else (parts.username, parts.password or "")
        endpoint = f"http://{parts.hostname}:{parts.port}{parts.path}{root}"
        self.client = httpx.Client(base_url=endpoint, headers=headers, auth=auth, timeout=_PATIENCE)

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
