"""OpenSearch and Elasticsearch: one client, deadlines, and the translation of errors."""

from __future__ import annotations

import contextlib
import functools
import urllib.parse
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import msgspec
import opensearchpy
import tenacity
from opensearchpy import exceptions as search

from undercroft.core import deadline
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Declined, Denied, InvalidInput, OutcomeUnknown, Unavailable, UndercroftError
from undercroft.core.findings import Finding, error, ok, size, warning

PORT = 9200
# The oldest versions that the drivers are made for.
OLDEST = {"opensearch": 2, "elasticsearch": 7}
# Bytes of a request, unless a server was set to another limit.
_LARGEST = 100 * 2**20
# What a server says of a document's own values.
_OF_DOCUMENT = ("document_parsing_exception", "mapper_parsing_exception", "strict_dynamic_mapping_exception")
_TOO_MUCH = ("immense term", "nested documents")
# Seconds for which a question is asked again: each index that is deleted beside it may cost a try.
_PATIENCE = 10.0
# No index is an answer, too; part of one is none.
_ALL_OR_NOTHING = {"ignore_unavailable": "true", "allow_no_indices": "true", "allow_partial_search_results": "false"}


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


def failed(status: int, text: str) -> Unavailable:
    """The error for a request that was answered with such a status.

    Any failure of the server itself may be over in a moment: Elasticsearch 7 answers 500 where a search meets an index that is
    being closed, and where more views are asked for than it may hold.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return Busy(text)
    return (Denied if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) else Declined)(text)


def refused(status: int, reason: Any, place: str) -> UndercroftError:
    """The error for one document of a request that was answered with such a status.

    Args:
        status: of the document.
        reason: the server's object with `type` and `reason`.
        place: the URL without a password.
    """
    kind, text = (str(reason.get(name)) for name in ("type", "reason")) if isinstance(reason, dict) else ("", "")
    # `illegal_argument_exception` is said of documents, of pipelines and of clusters alike.
    if kind in _OF_DOCUMENT or (kind == "illegal_argument_exception" and any(words in text for words in _TOO_MUCH)):
        return InvalidInput("item", f"the store cannot hold one of its values ({kind})")
    return failed(status, f"{place}: {status} {str(reason)[:300]}")


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

    @functools.cached_property
    def largest(self) -> int:
        """How many bytes a request may have; the servers' default where they do not tell."""
        try:
            nodes = self.call("GET", "/_nodes/http", filter_path="nodes.*.http.max_content_length_in_bytes")["nodes"].values()
        except Declined:
            return _LARGEST
        return min((int(node["http"]["max_content_length_in_bytes"]) for node in nodes), default=_LARGEST)

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
        once = functools.partial(self._once, method, path, body, params, accept, writes=writes)
        return once() if writes else self._patiently(once)

    def search(self, indices: str, body: Any) -> Any:
        """The answer of all indices of a name or a pattern, complete; of none, too.

        Raises:
            Unavailable: no answer in time, or the server is busy.
        """
        return self._patiently(functools.partial(self._search, f"/{indices}/_search", body, _ALL_OR_NOTHING))

    def scroll(self, indices: str, body: Any, keep: str) -> Iterator[list[dict[str, Any]]]:
        """The hits of all indices of a pattern, in parts of `size`, as they were when the first part was asked for.

        Args:
            indices: a name or a pattern.
            body: of the search.
            keep: how long the server holds that view until the next part is asked for, such as `2m`.

        Raises:
            Busy: the server cannot hold the view, or holds it no longer; nothing is asked again.
        """
        answer = self._search(f"/{indices}/_search", body, {"scroll": keep, **_ALL_OR_NOTHING})
        try:
            while hits := answer["hits"]["hits"]:
                yield hits
                if len(hits) < body["size"]:
                    return
                answer = self._search("/_search/scroll", {"scroll": keep, "scroll_id": answer["_scroll_id"]}, {})
        finally:
            if "_scroll_id" in answer:
                with contextlib.suppress(UndercroftError):
                    self.call("DELETE", "/_search/scroll", {"scroll_id": [answer["_scroll_id"]]}, accept=(404,))

    def _search(self, path: str, body: Any, params: dict[str, Any]) -> Any:
        answer = self._once("POST", path, body, params, (404,), writes=False)
        # An index that is deleted between two phases, or two parts, is told as not found, or as a part that failed.
        if answer is None or answer["_shards"]["failed"]:
            raise Busy(f"{self.place}: an index went away, or was not ready, while it was searched")
        return answer

    def _patiently(self, once: Callable[[], Any]) -> Any:
        """Ask again for a while where the server is busy: an index that has just been made answers in a moment."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Busy),
            stop=self._is_over,
            wait=tenacity.wait_random_exponential(0.01, 0.3),
            reraise=True,
        )
        return retrying(once)

    @staticmethod
    def _is_over(retry_state: tenacity.RetryCallState) -> bool:
        left = deadline.remaining()
        return (retry_state.seconds_since_start or 0) > _PATIENCE or (left is not None and left < 0.5)

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
        except search.ConnectionError as failure:
            text = f"{self.place}: {str(failure.error)[:300]}"
            refused = "refused" in text or "Name or service" in text
            raise (OutcomeUnknown(text) if writes and not refused else Unavailable(text)) from failure
        except search.TransportError as failure:
            if failure.status_code in accept:
                return
            text = f"{self.place}: {failure.status_code} {str(failure.error)[:120]} {str(failure.info)[:400]}"
            raise failed(int(failure.status_code), text) from failure

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


# -- examining ---------------------------------------------------------------------------------------------------------

_MOST_SHARDS = "cluster.max_shards_per_node"
# Of the shards that a cluster may have.
_NEARLY = 0.8
_DURABLE, _BLOCKED = "index.translog.durability", "index.blocks."


def examine(client: Client, indices: str) -> Iterator[Finding]:
    """Version, health, and whether the indices may be written and flush what they acknowledge. Nothing is changed.

    Args:
        client: of the server.
        indices: a pattern of our indices' names.
    """
    about = client.call("GET", "/")["version"]
    name = about.get("distribution", "elasticsearch")
    found = f"{name} {about['number']} at {client.place}"
    oldest = OLDEST.get(name, 0)
    is_new = int(about["number"].partition(".")[0]) >= oldest
    yield ok("connection", found) if is_new else error("connection", found, f"upgrade to {oldest} or later")
    yield _health(client.call("GET", f"/_cluster/health/{indices}"))
    yield _shards(client, indices)
    wanted = f"{_DURABLE},{_BLOCKED}*"
    answer = client.call("GET", f"/{indices}/_settings/{wanted}", flat_settings="true", include_defaults="true")
    settings = {index: {**of.get("defaults", {}), **of["settings"]} for index, of in answer.items()}
    yield _durability(settings)
    yield _writable(settings)
    stored = client.call("GET", f"/{indices}/_stats/store")["_all"].get("total", {}).get("store", {}).get("size_in_bytes", 0)
    yield ok("size", f"{size(stored)} in {len(settings):,} indices")


def _health(answer: dict[str, Any]) -> Finding:
    nodes, status = answer["number_of_data_nodes"], answer["status"]
    found = f"{status}, {nodes} data nodes"
    if status == "red":
        return error("health", found, "part of the indices is missing: bring their nodes back, or restore a snapshot")
    if status == "yellow":
        return warning("health", f"{found}, {answer['unassigned_shards']} copies have no place", "add a node, or set replicas=0")
    return ok("health", found)


def _shards(client: Client, indices: str) -> Finding:
    """How many shards the cluster has, and how many it may have: an index more is refused then."""
    try:
        whole, mine = (client.call("GET", path) for path in ("/_cluster/health", f"/_cluster/health/{indices}"))
        answer = client.call("GET", "/_cluster/settings", flat_settings="true", include_defaults="true")
    except Declined as failure:
        return warning("shards", str(failure), "let this user monitor the cluster, to see how many more indices there can be")
    settings = {**answer.get("defaults", {}), **answer["persistent"], **answer["transient"]}
    most = int(settings.get(_MOST_SHARDS, 1_000)) * max(1, whole["number_of_data_nodes"])
    kinds = ("active_shards", "unassigned_shards", "initializing_shards")
    used, ours = (sum(health[kind] for kind in kinds) for health in (whole, mine))
    found = f"{used:,} of {most:,} in the cluster, {ours:,} of them are ours"
    if used > most * _NEARLY:
        advice = f"no index can be made soon: expire what is old, raise {_MOST_SHARDS}, or make the store with longer index periods"
        return warning("shards", found, advice)
    return ok("shards", found)


def _durability(settings: dict[str, dict[str, Any]]) -> Finding:
    late = sorted(index for index, of in settings.items() if of.get(_DURABLE, "REQUEST").lower() != "request")
    if late:
        return warning("durability: translog", f"{_some(late)}: async", f"the last seconds may be lost: set {_DURABLE} to request")
    return ok("durability: translog", "flushed with each request")


def _writable(settings: dict[str, dict[str, Any]]) -> Finding:
    blocks = (f"{_BLOCKED}{what}" for what in ("read_only", "read_only_allow_delete", "write"))
    names = tuple(blocks)
    blocked = sorted(index for index, of in settings.items() if any(str(of.get(name)).lower() == "true" for name in names))
    if blocked:
        return error("writes", f"{_some(blocked)}: read only", "a full disk does that, too: make room, then take the block off")
    return ok("writes", "no index is read only")


def _some(names: list[str]) -> str:
    """The first of several names, and how many there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
