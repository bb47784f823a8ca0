"""OpenSearch and Elasticsearch: one client, deadlines, and the translation of errors."""

from __future__ import annotations

import contextlib
import urllib.parse
from collections.abc import Iterator
from typing import Any

import msgspec
import opensearchpy
import tenacity
from opensearchpy import exceptions as search

from undercroft.core import deadline
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, OutcomeUnknown, Unavailable, UndercroftError

PORT = 9200
_BUSY = {429, 502, 503, 504}
# Seconds for which a question is asked again.
_PATIENCE = 3.0


class EngineOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options that every driver for OpenSearch and Elasticsearch takes.

    Attributes:
        namespace: prefix of every index.
        pool_size: connections kept open.
        statement_timeout: seconds that one request may take.
        replicas: copies of each index beside the first.
        tls: speak HTTPS.
        ca_certs: file of the certificates to trust.
    """

    namespace: str = "undercroft"
    pool_size: int = 10
    statement_timeout: float = 60.0
    replicas: int = 1
    tls: bool = False
    ca_certs: str | None = None


class Busy(Unavailable):
    """The server answers that it cannot answer now."""


class Client:
    """A server, or a cluster behind one address. Shared by threads.

    Args:
        url: `opensearch://user:password@host:port`, or `es://...`.
        options: see `EngineOptions`.

    Raises:
        ConfigInvalid: the URL names no host.
    """

    def __init__(self, url: str, options: EngineOptions) -> None:
        parts = urllib.parse.urlsplit(url)
        if not parts.hostname:
            raise ConfigInvalid(f"{urls.redacted(url)!r} names no host")
        self.place = urls.redacted(url)
        self._seconds = options.statement_timeout
        login = (urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")) if parts.username else None
        self._client: Any = opensearchpy.OpenSearch(
            [{"host": parts.hostname, "port": parts.port or PORT, "url_prefix": parts.path.strip("/")}], http_auth=login,
            use_ssl=options.tls, ca_certs=options.ca_certs, pool_maxsize=options.pool_size,
            # A write that a library repeats may be done twice.
            max_retries=0, retry_on_timeout=False, timeout=options.statement_timeout,
        )  # fmt: skip

    def call(
        self, method: str, path: str, body: Any = None, *, writes: bool = False, accept: tuple[int, ...] = (), **params: Any
    ) -> Any:
        """Send a request; its answer, or None for an accepted failure.

        Args:
            method, path: of HTTP.
            body: becomes JSON; bytes are sent as they are.
            writes: when the connection breaks, it is not known whether it was done.
            accept: statuses of failures that are none here.
            params: of the query string.

        Raises:
            Unavailable: no answer in time, or the server is busy; with `writes`, OutcomeUnknown where it may have been done.
        """
        if writes:
            return self._once(method, path, body, params, accept, writes=True)
        # An index that has just been made answers in a moment: a question may be asked again.
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Busy),
            stop=self._is_over,
            wait=tenacity.wait_random_exponential(0.01, 0.3),
            reraise=True,
        )
        return retrying(self._once, method, path, body, params, accept, writes=False)

    @staticmethod
    def _is_over(state: tenacity.RetryCallState) -> bool:
        left = deadline.remaining()
        return (state.seconds_since_start or 0) > _PATIENCE or (left is not None and left < 0.5)

    def _once(self, method: str, path: str, body: Any, params: dict[str, Any], accept: tuple[int, ...], *, writes: bool) -> Any:
        left = deadline.remaining()
        seconds = self._seconds if left is None else min(left, self._seconds)
        if seconds <= 0:
            raise Unavailable(f"{self.place}: no time is left for this call")
        with self._translated(writes, accept):
            return self._client.transport.perform_request(method, path, params={**params, "request_timeout": seconds}, body=body)
        return None

    @contextlib.contextmanager
    def _translated(self, writes: bool, accept: tuple[int, ...]) -> Iterator[None]:
        try:
            yield
        except search.ConnectionError as error:
            text = f"{self.place}: {str(error.error)[:300]}"
            refused = "refused" in text or "Name or service" in text
            raise (OutcomeUnknown(text) if writes and not refused else Unavailable(text)) from error
        except search.TransportError as error:
            if error.status_code in accept:
                return
            text = f"{self.place}: {error.status_code} {str(error.error)[:120]} {str(error.info)[:400]}"
            raise (Busy(text) if error.status_code in _BUSY else UndercroftError(text)) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
