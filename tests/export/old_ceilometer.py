"""A stand-in for the API v2 of an old Ceilometer, over HTTP: as strict as that was, and as faulty as a test asks for.

It shares no code with Undercroft. It does what Ceilometer's last release with this API did: the newest samples first, 100 where
no limit is asked for, no marker, 400 for every argument, operator or timestamp that it does not know, 410 when metrics are in
Gnocchi.
"""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.export.old_samples import (
    FIELDS,
    NEW,
    BadRequest,
    Question,
    Sample,
    Samples,
    Window,
    flat,
    read_filter,
    read_orderby,
    read_q,
)

MOVED = (
    "This telemetry installation is configured to use Gnocchi. Please use the Gnocchi API available on the metric endpoint to "
    "retrieve data."
)
_RAW = re.compile(r'"@raw:(.*?)@"')


def raw(text: str) -> str:
    """A value that is sent as this text, such as `1e999`."""
    return f"@raw:{text}@"


class Asked(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    params: dict[str, list[str]]
    body: Any
    headers: dict[str, str]


class Fault(NamedTuple):
    """What happens to a request instead of, or with, its answer.

    Attributes:
        status: of the answer; None for the true one.
        headers: beside the usual ones, such as `Retry-After` or `Location`.
        body: the answer; None for an error in Ceilometer's form, or the true one where status is None.
        delay: seconds before anything is sent.
        drip: seconds between two bytes of the body.
        cut: this many bytes of the body are sent, then the connection ends. Content-Length says the whole.
        chunked: the body is sent in chunks, without Content-Length; with `cut`, the last one does not come.
        closes: the connection is closed without an answer.
        path: the fault is for paths that begin so.
    """

    status: int | None = None
    headers: dict[str, str] = {}  # noqa: RUF012
    body: bytes | None = None
    delay: float = 0
    drip: float = 0
    cut: int | None = None
    chunked: bool = False
    closes: bool = False
    path: str = "/"


class OldCeilometer:
    """A server on loopback; it serves from the beginning of a `with` block to its end.

    Attributes:
        faults: a list, of which the first whose path fits is taken out for each request; or a function of `Asked` that gives a
            `Fault` or None.
        requests: what was asked, in order.
        complex_queries: whether `/v2/query/samples` is served and named in the capabilities.
        knows_unique: whether GET /v2/meters knows `unique`; else it is an unknown argument.
        moved: whether all of metering answers 410.
        tokens: the tokens that are let in, each with the project that it is limited to or None for an admin; None lets all in.
        sorts: False for a server that answers in any order (and cuts that to the limit).
        ties: False for samples of equal timestamps in an order that changes with each request, as that of a database may.
        bounds: False for a server that ignores timestamps in questions.
        limits: False for a server that ignores limits.
        orders: False for a server that ignores `orderby` and gives the newest first.
        most: samples, meters or resources of an answer at most, whatever limit is asked for; None without such a cap.
    """

    def __init__(
        self, samples: Iterable[Sample] = (), *, complex_queries: bool = True, knows_unique: bool = True,
        tokens: dict[str, str | None] | None = None, sorts: bool = True, ties: bool = True, bounds: bool = True,
        limits: bool = True, orders: bool = True, most: int | None = None,
        prefix: str = "", tls: ssl.SSLContext | None = None, port: int = 0,
    ) -> None:  # fmt: skip
        self.faults: list[Fault] | Callable[[Asked], Fault | None] = []
        self.requests: list[Asked] = []
        self.complex_queries, self.knows_unique, self.tokens, self.moved = complex_queries, knows_unique, tokens, False
        self.sorts, self.ties, self.bounds, self.limits = sorts, ties, bounds, limits
        self.orders, self.most = orders, most
        self.samples = Samples()
        self.samples.add(samples)
        self.prefix = prefix
        self._lock = threading.Lock()
        self._random = random.Random(0)
        self._server = _Server(("127.0.0.1", port), _handler(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}{prefix}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.end_connections()
        self._thread.join()

    def add(self, samples: Iterable[Sample]) -> None:
        """More samples, in the old form; also while it serves.

        `timestamp` is an ISO text or a datetime; where it cannot be read, `_at` says when the sample is. A key that is absent is
        not served.
        """
        self.samples.add(samples)

    def fault_for(self, asked: Asked) -> Fault | None:
        """The fault of a request, which is noted."""
        with self._lock:
            self.requests.append(asked)
            if callable(self.faults):
                return self.faults(asked)
            for place, fault in enumerate(self.faults):
                if asked.path.startswith(fault.path):
                    return self.faults.pop(place)
        return None

    # -- answers -----------------------------------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """The status and body of a request."""
        if asked.path == "/":
            return 200, {
                "versions": {"values": [{"id": "v2", "status": "stable", "links": [{"href": f"{self.url}/v2", "rel": "self"}]}]}
            }
        project = None
        if self.tokens is not None:
            token = asked.headers.get("x-auth-token", "")
            if token not in self.tokens:
                return 401, "The request you have made requires authentication."
            project = self.tokens[token]
        parts = [urllib.parse.unquote(part) for part in asked.path.rstrip("/").split("/")[1:]]
        try:
            match asked.method, parts:
                case "GET", ["v2", "capabilities"]:
                    return 200, self._capabilities()
                case _, ["v2", "meters" | "samples" | "resources", *_] | ["v2", "query", "samples"] if self.moved:
                    return 410, MOVED
                case "GET", ["v2", "meters"]:
                    return 200, self._meters(asked, project)
                case "GET", ["v2", "meters", name]:
                    return 200, [_old(sample) for sample in self._simple(asked, project, name)]
                case "GET", ["v2", "samples"]:
                    return 200, [_new(sample) for sample in self._simple(asked, project)]
                case "GET", ["v2", "samples", one]:
                    found = [
                        e[2] for e in self.samples.select(None, Window()) if e[2].get("message_id") == one and _of(project, e[2])
                    ]
                    return (200, _new(found[0])) if found else (404, f"Sample {one} Not Found")
                case "GET", ["v2", "resources"]:
                    return 200, self._resources(asked, project)
                case "GET", ["v2", "resources", one]:
                    found = self._resources(asked, project, urllib.parse.unquote(one))
                    return (200, found[0]) if found else (404, f"Resource {one} Not Found")
                case "POST", ["v2", "query", "samples"] if self.complex_queries:
                    return 200, [_new(sample) for sample in self._complex(asked, project)]
                case _, ["v2", "meters" | "samples" | "resources" | "capabilities", *_]:
                    return 405, "The method is not allowed for this resource."
        except BadRequest as error:
            return 400, str(error)
        return 404, "The resource could not be found."

    def _capabilities(self) -> Any:
        simple = {f"{kind}:query:{what}": True for kind in ("meters", "resources", "samples") for what in ("simple", "metadata")}
        return {
            "api": {**simple, "samples:query:complex": self.complex_queries},
            "storage": {"storage:production_ready": True},
            "event_storage": {"storage:production_ready": True},
        }

    def _simple(self, asked: Asked, project: str | None, meter: str | None = None) -> list[Sample]:
        _only(asked, "limit")
        allowed = {"user_id", "project_id", "resource_id", "source", "message_id", "counter_name"}
        question = read_q(asked.params, allowed)
        limit = self._limit(asked.params.get("limit", [""])[-1])
        return self._found(question._replace(meter=meter or question.meter), project, limit, None)

    def _complex(self, asked: Asked, project: str | None) -> list[Sample]:
        _only(asked)
        body = asked.body if asked.body is not None else {}
        if not isinstance(body, dict):
            raise BadRequest("Invalid input: an object is expected")
        for name in body:
            if name not in ("filter", "orderby", "limit"):
                raise BadRequest(f'Unknown attribute: "{name}"')
        question = read_filter(body["filter"]) if body.get("filter") else Question(Window(), [], None)
        order = read_orderby(body["orderby"]) if body.get("orderby") else None
        return self._found(question, project, self._limit(body.get("limit") or ("" if body.get("limit") is None else 0)), order)

    def _limit(self, value: Any) -> int:
        limit = _limit(value)
        return limit if self.most is None else min(limit, self.most)

    def _found(self, question: Question, project: str | None, limit: int, order: list[tuple[str, bool]] | None) -> list[Sample]:
        window, tests = question.window, question.tests
        if not self.bounds:
            window, tests = Window(), tests if order is None else []
        entries = self.samples.select(question.meter, window)
        if order is None or not self.orders:
            order = [("timestamp", True)]
        if not self.sorts or not self.ties:
            with self._lock:
                entries = self._random.sample(entries, len(entries))
            if self.sorts:
                entries.sort(key=lambda entry: entry[0])
        for name, descends in reversed(order if self.sorts else []):
            if name == "timestamp":
                entries.sort(key=lambda entry: entry[0], reverse=descends)
            else:
                entries.sort(key=lambda entry: _sortable(entry[2].get(name)), reverse=descends)
        found: list[Sample] = []
        for _at, _number, sample in entries:
            if self.limits and len(found) == limit:
                break
            if _of(project, sample) and all(test(sample) for test in tests):
                found.append(sample)
        return found

    def _latest(
        self, question: Question, project: str | None, by: Callable[[Sample], Any]
    ) -> dict[Any, tuple[Any, Any, Sample, set[str]]]:
        """The first and last timestamp, the latest sample and the meters of each group, those with the latest sample first."""
        found: dict[Any, tuple[Any, Any, Sample, set[str]]] = {}
        for at, _number, sample in self.samples.select(None, question.window if self.bounds else Window()):
            if _of(project, sample) and all(test(sample) for test in question.tests):
                key = by(sample)
                first, _last, _sample, names = found.pop(key, (at, at, sample, set()))
                names.add(sample["counter_name"])
                found[key] = first, at, sample, names
        return dict(reversed(found.items()))

    def _meters(self, asked: Asked, project: str | None) -> list[Any]:
        _only(asked, "limit", *(["unique"] if self.knows_unique else []))
        question = read_q(asked.params, {"user_id", "project_id", "resource_id", "source"}, timestamps=False)
        limit = self._limit(asked.params.get("limit", [""])[-1])
        unique = asked.params.get("unique", [""])[-1].lower() in ("true", "1")
        rows = []
        names = ("project_id", "resource_id", "source", "user_id")
        found = self._latest(
            question, project, lambda sample: (sample["counter_name"], None if unique else sample.get("resource_id"))
        )
        for (name, resource), (_first, _last, sample, _meters) in found.items():
            ids = dict.fromkeys(names) if unique else {each: sample.get(each) for each in names}
            meter_id = base64.b64encode(f"{resource}+{name}".encode()).decode()
            rows.append(
                {"name": name, "type": sample.get("counter_type"), "unit": sample.get("counter_unit"), "meter_id": meter_id, **ids}
            )
        return rows[:limit] if self.limits else rows

    def _resources(self, asked: Asked, project: str | None, only: str | None = None) -> list[Any]:
        _only(asked, "limit", "meter_links")
        question = read_q(asked.params, {"user_id", "project_id", "resource_id", "source"})
        limit = self._limit(asked.params.get("limit", [""])[-1])
        rows = []
        for resource, (first, last, sample, meters) in self._latest(question, project, lambda one: one.get("resource_id")).items():
            if only is not None and resource != only:
                continue
            links = [{"href": f"{self.url}/v2/resources/{resource}", "rel": "self"}]
            if asked.params.get("meter_links", ["1"])[-1] != "0":
                for name in sorted(meters):
                    href = f"{self.url}/v2/meters/{name}?q.field=resource_id&q.value={resource}"
                    links.append({"href": href, "rel": name})
            rows.append({
                "resource_id": resource, "project_id": sample.get("project_id"), "user_id": sample.get("user_id"),
                "source": sample.get("source"), "metadata": flat(sample.get("resource_metadata")), "links": links,
                "first_sample_timestamp": first.isoformat(), "last_sample_timestamp": last.isoformat(),
            })  # fmt: skip
        return rows[:limit] if self.limits else rows


def _of(project: str | None, sample: Sample) -> bool:
    return project is None or sample.get("project_id") == project


def _sortable(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value or 0 if not isinstance(value, str) else value


def _only(asked: Asked, *known: str) -> None:
    for name in asked.params:
        if name not in (*known, "q.field", "q.op", "q.value", "q.type"):
            raise BadRequest(f'Unknown argument: "{name}"')


def _limit(value: Any) -> int:
    if value == "":
        return 100
    try:
        limit = int(value)
    except (ValueError, TypeError):
        raise BadRequest(f"Invalid input for field/attribute limit. Value: '{value}'. unable to convert to int") from None
    if limit <= 0:
        raise BadRequest("Limit must be positive")
    return limit


def _old(sample: Sample) -> Sample:
    return {**{name: sample[name] for name in FIELDS if name in sample}, "resource_metadata": flat(sample.get("resource_metadata"))}


def _new(sample: Sample) -> Sample:
    return {NEW.get(name, name): value for name, value in _old(sample).items()}


# -- HTTP --------------------------------------------------------------------------------------------------------------


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """End those that are kept alive: a server that ended answers none."""
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what tests are about."""


def _handler(ceilometer: OldCeilometer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            parts = urllib.parse.urlsplit(self.path)
            try:
                body = json.loads(content) if content else None
            except ValueError:
                body = content
            params = urllib.parse.parse_qs(parts.query, keep_blank_values=True)
            path = parts.path.removeprefix(ceilometer.prefix) or "/"
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, path, params, body, headers)
            fault = ceilometer.fault_for(asked) or Fault()
            time.sleep(fault.delay)
            if fault.closes:
                self.close_connection = True
                return
            if fault.status is None:
                status, found = ceilometer.answer(asked)
            else:
                status, found = fault.status, "The service says so."
            if fault.body is not None:
                answer = fault.body
            else:
                if status >= 300:
                    code = "Client" if status < 500 else "Server"
                    found = {"error_message": {"debuginfo": None, "faultcode": code, "faultstring": found}}
                answer = b"" if status == 204 else _RAW.sub(r"\1", json.dumps(found)).encode()
            self._send(status, answer, fault)

        def _send(self, status: int, answer: bytes, fault: Fault) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            for name, value in fault.headers.items():
                self.send_header(name, value)
            if fault.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if fault.cut is not None:
                self.close_connection = True
                answer = answer[: fault.cut]
            size = 1 if fault.drip else 65536
            for start in range(0, len(answer), size):
                part = answer[start : start + size]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if fault.chunked else part)
                time.sleep(fault.drip)
            if fault.chunked and fault.cut is None:
                self.wfile.write(b"0\r\n\r\n")

    return Handler
