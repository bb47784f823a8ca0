"""The source: a Ceilometer v2 API, asked by complex queries where it has them, by simple ones elsewhere."""

from __future__ import annotations

import ast
import datetime as dt
import fnmatch
import logging
import math
import time as monotonic
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.engines.http import Parameters
from undercroft.export import wire
from undercroft.export.client import Client
from undercroft.export.errors import FilterRefused, MetricsMoved, SourceUnavailable
from undercroft.export.query import Condition, is_pattern
from undercroft.export.settings import Filter, Settings
from undercroft.export.windows import MOST, Batch, Unsorted, ascending, halving
from undercroft.export.wire import Page

__all__ = ["Batch", "Source"]

LOG = logging.getLogger(__name__)

DAY = dt.timedelta(days=1)
COMPLEX, SIMPLE = "complex", "simple"
_OPERATORS = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
# Answers of services that have no complex queries.
_WITHOUT_COMPLEX = (404, 405, 501)
# Names and resources that one request asks for first.
_FIRST_LIMIT = 1000
# Before the first release of Ceilometer there are no samples.
_OLDEST = dt.datetime(2012, 1, 1)  # noqa: DTZ001 - moments are naive UTC here
_KEPT_SECONDS = 60.0


class _Named(msgspec.Struct):
    name: str


class _Resource(msgspec.Struct):
    first_sample_timestamp: str | None = None


class Source:
    """Reads samples of one endpoint. Used by one thread.

    Args:
        settings: `mode`, `page` and `extra_columns` are used.
        client: asks the service; closed by the caller.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings, self._client = settings, client
        self._reader = wire.Reader(settings.extra_columns)
        self._mode = None if settings.mode == "auto" else settings.mode
        self._oldest: dict[tuple[Condition, ...], tuple[float, dt.datetime | None]] = {}

    @property
    def endpoint(self) -> str:
        """The root of the API; raises as a login does, where the catalogue names it."""
        return self._client.endpoint

    @property
    def mode(self) -> str:
        """`complex` or `simple`; asks the service once where the settings leave it open."""
        if self._mode is None:
            self._mode = COMPLEX if self._has_complex() else SIMPLE
        return self._mode

    def _has_complex(self) -> bool:
        try:
            body = self._client.get("/v2/capabilities")
        except (MetricsMoved, FilterRefused):
            return False
        try:
            found = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            raise SourceUnavailable("GET /v2/capabilities: the answer is not JSON, or only the beginning of it came") from None
        api = found.get("api", found)
        return isinstance(api, dict) and api.get("samples:query:complex") is True

    # -- which meters ----------------------------------------------------------------------------------------------

    def meters(self, filter_: Filter) -> list[str]:
        """The meters of a filter: names as they are, patterns looked up.

        Raises:
            FilterRefused: the service does not take the filter's query.
            SourceUnavailable, SourceForbidden, MetricsMoved: as `Client.get`.
        """
        if not any(map(is_pattern, filter_.meters)):
            return list(filter_.meters)
        known = self._names(filter_)
        found = [
            name
            for each in filter_.meters
            for name in ([each] if not is_pattern(each) else [name for name in known if fnmatch.fnmatchcase(name, each)])
        ]
        return list(dict.fromkeys(found))

    def _names(self, filter_: Filter) -> list[str]:
        """Names of all meters that the service lists for a filter, sorted."""
        query = _simple(filter_.query)
        try:
            found = self._all("/v2/meters", [*query, ("unique", "True")], list[_Named])
        except FilterRefused:
            # Older services do not know the argument, and list a meter once for each of its resources.
            found = self._asked_of(filter_, lambda: self._all("/v2/meters", query, list[_Named]))
        return sorted({each.name for each in found})

    def _all(self, path: str, parameters: Parameters, form: Any) -> list[Any]:
        """A whole list of a service that cuts lists and has no marker."""
        limit = _FIRST_LIMIT
        while True:
            body = self._client.get(path, [*parameters, ("limit", str(limit))])
            try:
                found: list[Any] = msgspec.json.decode(body, type=form)
            except msgspec.DecodeError:
                raise SourceUnavailable(f"GET {path}: the answer is not JSON, or only the beginning of it came") from None
            if len(found) < limit:
                return found
            if limit >= MOST:
                raise SourceUnavailable(f"GET {path}: more than {limit:,} entries; make the filter narrower")
            limit *= 4

    # -- samples ---------------------------------------------------------------------------------------------------

    def first(self, filter_: Filter, meter: str, begin: dt.datetime | None = None) -> dt.datetime | None:
        """The timestamp of the first sample of a meter, or of one before it; None where there is none.

        Args:
            filter_, meter: which samples.
            begin: naive UTC; what is older does not count.

        Raises:
            as `meters`.
        """
        if self.mode == COMPLEX:
            try:
                page = self._first_page(filter_, meter, begin)
            except (MetricsMoved, Unsorted) as error:
                self._fall_back(error)
            else:
                if page.times or not page.of:
                    return page.times[0] if page.times else None
        oldest = self._oldest_resource(filter_)
        return oldest if oldest is None or begin is None else max(oldest, begin)

    def _first_page(self, filter_: Filter, meter: str, begin: dt.datetime | None) -> Page:
        """A page of the first sample, when nothing is before it: a service that does not sort gives any, or the last."""

        def ask(end: dt.datetime | None) -> Page:
            page: Page = self._asked_of(filter_, lambda: self._complex(filter_, meter, begin, end, 1))
            return page

        page = ask(None)
        if page.times and page.times[0] != begin:
            before = ask(page.times[0])
            if before.times and before.times[0] < page.times[0]:
                # It may have come in between.
                page = ask(None)
                if not page.times or page.times[0] > before.times[0]:
                    raise Unsorted("the first sample is not the one with the first timestamp")
        return page

    def _oldest_resource(self, filter_: Filter) -> dt.datetime | None:
        """The first timestamp of all resources of a filter; kept for a moment, because each of its meters asks."""
        asked, found = self._oldest.get(filter_.query, (-_KEPT_SECONDS, None))
        if monotonic.monotonic() - asked < _KEPT_SECONDS:
            return found
        query = _simple(filter_.query)
        try:
            resources = self._all("/v2/resources", [*query, ("meter_links", "0")], list[_Resource])
        except FilterRefused:
            resources = self._asked_of(filter_, lambda: self._all("/v2/resources", query, list[_Resource]))
        times = [_moment(each.first_sample_timestamp) for each in resources]
        found = min(times, default=None)
        self._oldest[filter_.query] = monotonic.monotonic(), found
        return found

    def read(self, filter_: Filter, meter: str, begin: dt.datetime, end: dt.datetime) -> Iterator[Batch]:
        """The samples with `begin` <= timestamp < `end`, in windows of a day at most.

        Args:
            filter_, meter: which samples.
            begin, end: naive UTC.

        Yields:
            batches; the `until` of the last one is `end`.

        Raises:
            as `meters`.
        """
        while begin < end:
            stop = min(begin + DAY, end)
            is_empty = True
            for batch in self._window(filter_, meter, begin, stop):
                is_empty = is_empty and not (batch.samples or batch.refused)
                yield batch
            begin = stop
            if is_empty and end - begin > DAY and self.mode == COMPLEX:
                # Over days without a sample, which would be asked for one by one.
                following = self.first(filter_, meter, begin)
                begin = end if following is None else min(max(following, begin), end)
                yield Batch([], [], begin)

    def _window(self, filter_: Filter, meter: str, begin: dt.datetime, end: dt.datetime) -> Iterator[Batch]:
        size = self._settings.page
        if self.mode == COMPLEX:
            try:
                yield from ascending(
                    lambda at, stop, limit: self._asked_of(filter_, lambda: self._complex(filter_, meter, at, stop, limit)),
                    size, begin, end,
                )  # fmt: skip
            except (MetricsMoved, Unsorted) as error:
                self._fall_back(error)
            else:
                return
        yield from halving(
            lambda at, stop, limit: self._asked_of(filter_, lambda: self._newest(filter_, meter, at, stop, limit)), size, begin, end
        )

    def _fall_back(self, error: MetricsMoved | Unsorted) -> None:
        """Go on by simple queries, where the settings allow it and the complex ones are what fails."""
        if isinstance(error, MetricsMoved) and (self._settings.mode == COMPLEX or error.status not in _WITHOUT_COMPLEX):
            raise error
        if self._settings.mode == COMPLEX:
            raise SourceUnavailable(f"complex queries of this service cannot be used: {error}; write mode = simple") from error
        LOG.warning("complex queries of this service cannot be used, going on by simple ones: %s", error)
        self._mode = SIMPLE

    def _asked_of(self, filter_: Filter, ask: Any) -> Any:
        """What `ask` gives; a refusal names the filter."""
        try:
            return ask()
        except FilterRefused as error:
            raise FilterRefused(filter_.section, error.problem) from None

    def _complex(self, filter_: Filter, meter: str, begin: dt.datetime | None, end: dt.datetime | None, limit: int) -> Page:
        conditions: list[dict[str, Any]] = [{"=": {"meter": meter}}]
        if begin is not None:
            conditions.append({">=": {"timestamp": begin.isoformat()}})
        if end is not None:
            conditions.append({"<": {"timestamp": end.isoformat()}})
        conditions += [{_OPERATORS[each.op]: {_complex_field(each.field): _typed(each)}} for each in filter_.query]
        asked = {"and": conditions} if len(conditions) > 1 else conditions[0]
        body = {"filter": _json(asked), "orderby": _json([{"timestamp": "ASC"}]), "limit": limit}
        return self._reader.page(self._client.post("/v2/query/samples", body))

    def _newest(self, filter_: Filter, meter: str, begin: dt.datetime, end: dt.datetime, limit: int) -> Page:
        bounds = [Condition("timestamp", "ge", begin.isoformat()), Condition("timestamp", "lt", end.isoformat())]
        path, of = f"/v2/meters/{urllib.parse.quote(meter, safe='')}", []
        if "/" in meter:
            # Servers take a quoted slash for one that parts a path.
            path, of = "/v2/samples", [Condition("meter", "eq", meter)]
        query = _simple([*of, *filter_.query, *bounds])
        return self._reader.page(self._client.get(path, [*query, ("limit", str(limit))]))


def _simple(conditions: Sequence[Condition]) -> list[tuple[str, str]]:
    """Conditions as parameters of a query, each with all four."""
    return [
        pair
        for each in conditions
        for pair in (("q.field", each.field), ("q.op", each.op), ("q.type", each.type), ("q.value", each.value))
    ]


def _complex_field(field: str) -> str:
    return field.removeprefix("resource_") if field.startswith("resource_metadata.") else field


def _typed(condition: Condition) -> Any:
    """The value of a condition, of the type that it names; of metadata without one, what simple queries take it for."""
    text, kind = condition.value, condition.type
    if "metadata." in condition.field and not kind:
        return _literal(text)
    if kind == "boolean" and text.lower() in ("true", "false", "1", "0"):
        return text.lower() in ("true", "1")
    try:
        return {"integer": int, "float": float}.get(kind, str)(text)
    except ValueError:
        # The service says what it thinks of that.
        return text


def _literal(text: str) -> Any:
    """The value of a Python literal, which is what services read there; the text where it is none."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return found if isinstance(found, (str, bool, int)) or (isinstance(found, float) and math.isfinite(found)) else text


def _moment(text: str | None) -> dt.datetime:
    try:
        return _OLDEST if text is None else time.parse(text).replace(tzinfo=None)
    except InvalidInput:
        return _OLDEST


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
