"""The one table of routes: the framework's routing, the OpenAPI document and the tests of isolation are made from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import falcon

from undercroft.api import events_query, events_types, events_v1, events_v2, rating_v1, rating_v2, types, wire
from undercroft.api.call import Answer, Call, Rule

RATING, EVENTS = "/rating", "/events"


@dataclasses.dataclass(frozen=True)
class Route:
    """One method of one path.

    Attributes:
        method: of HTTP.
        path: with variable parts in braces.
        handler: answers; its name and first line name the operation.
        rule: who may ask.
        answers: type of the answer's body by status, None for no body; for success only.
        query: struct of the query string.
        body: type of the body; None when there is none, or when it is not looked at.
        failures: statuses of failures, beyond those that every route has.
        is_long: whether a query makes this one of the long requests; None for never.
        read: makes the struct of a request's query string.
        breaks_off: when the store is away, the connection is broken off instead of answered: the sender keeps what it sent.
        media: content types of the answer.
    """

    method: str
    path: str
    handler: Callable[[Call], Answer]
    rule: Rule
    answers: dict[int, Any]
    query: Any = types.Nothing
    body: Any = None
    failures: tuple[int, ...] = ()
    is_long: Callable[[Any], bool] | None = None
    read: Callable[[falcon.Request, Any], Any] = wire.query
    breaks_off: bool = False
    media: tuple[str, ...] = (falcon.MEDIA_JSON,)

    @property
    def kind(self) -> str:
        """The kind of data that it is about."""
        return self.path.split("/")[1]

    @property
    def has_body(self) -> bool:
        """True when requests bring a body."""
        return self.method in ("POST", "PUT", "PATCH")


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, RATING + path, *arguments, **named)


V1, V2 = rating_v1, rating_v2

_RATING: tuple[Route, ...] = (
    _route("GET", "", V2.versions, Rule.OPEN, {200: types.Versions}),
    _route("POST", "/v2/dataframes", V2.add_dataframes, Rule.ADMIN, {204: None}, body=types.Frames, failures=(409,)),
    _route(
        "GET", "/v2/dataframes", V2.list_dataframes, Rule.PROJECT, {200: types.FramesOut}, types.FramesQuery,
        failures=(404,), is_long=V2.is_long_list,
    ),
    _route(
        "GET", "/v2/summary", V2.get_summary, Rule.PROJECT, {200: types.Summary}, types.SummaryQuery,
        failures=(501,), is_long=V2.is_long_summary,
    ),
    _route("GET", "/v2/scope", V2.list_scopes, Rule.ADMIN, {200: types.Scopes}, types.ScopeQuery, failures=(404,)),
    *(_route(method, "/v2/scope", V2.change_scope, Rule.ADMIN, {}, failures=(501,)) for method in ("POST", "PATCH", "PUT")),
    _route(
        "GET", "/v1/report/summary", V1.report_summary, Rule.PROJECT, {200: types.ReportSummary}, types.ReportSummaryQuery,
        is_long=V1.is_long_report,
    ),
    _route("GET", "/v1/report/total", V1.report_total, Rule.PROJECT, {200: str}, types.ReportQuery),
    _route("GET", "/v1/report/tenants", V1.list_tenants, Rule.ADMIN, {200: list[str]}, types.TenantsQuery),
    _route(
        "GET", "/v1/storage/dataframes", V1.storage_dataframes, Rule.PROJECT, {200: types.StorageFrames}, types.StorageQuery,
        is_long=V1.is_long_storage,
    ),
    *(
        route
        for name in ("metrics", "services")
        for route in (
            _route("GET", f"/v1/info/{name}", V1.list_metrics, Rule.ANYONE, {200: types.Metrics}, failures=(405,)),
            _route("GET", f"/v1/info/{name}/{{name}}", V1.get_metric, Rule.ANYONE, {200: types.Metric}, failures=(404, 405)),
        )
    ),
    _route("GET", "/v1/info/config", V1.get_config, Rule.ANYONE, {200: dict[str, Any]}, failures=(405,)),
)  # fmt: skip


def _event_route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, EVENTS + path, *arguments, **{"read": events_query.read, **named})


E1, E2, ET = events_v1, events_v2, events_types

_EVENTS: tuple[Route, ...] = (
    _event_route("GET", "", E2.versions, Rule.OPEN, {200: ET.EventsVersions}),
    _event_route("GET", "/v2", E2.no_version, Rule.OPEN, {}, failures=(404,)),
    _event_route("GET", "/v2/capabilities", E2.capabilities, Rule.OPEN, {200: ET.Capabilities}),
    _event_route(
        "GET", "/v2/events", E2.list_events, Rule.SCOPED, {200: list[ET.EventOut]}, ET.EventsQuery, failures=(415, 501),
        is_long=E2.is_long_list,
    ),
    _event_route("GET", "/v2/events/{message_id}", E2.get_event, Rule.SCOPED, {200: ET.EventOut}, failures=(404, 501)),
    _event_route("GET", "/v2/event_types", E2.list_event_types, Rule.SEGREGATED, {200: list[str]}, failures=(501,)),
    _event_route("GET", "/v2/event_types/{event_type}", E2.no_event_type, Rule.SEGREGATED, {}, failures=(404,)),
    _event_route(
        "GET", "/v2/event_types/{event_type}/traits", E2.list_trait_types, Rule.SEGREGATED, {200: list[ET.TraitType]},
        failures=(501,),
    ),
    _event_route(
        "GET", "/v2/event_types/{event_type}/traits/{name}", E2.list_traits, Rule.SEGREGATED, {200: list[ET.TraitOut]},
        failures=(501,),
    ),
    _event_route(
        "GET", "/v1/events", E1.download_events, Rule.SCOPED, {200: bytes}, ET.DownloadQuery, failures=(415, 501),
        is_long=E1.is_long, media=("application/x-ndjson", "text/csv", "application/vnd.apache.parquet"),
    ),
    _event_route("GET", "/v1/events/count", E1.count_events, Rule.SCOPED, {200: ET.Counts}, ET.CountQuery, failures=(415, 501)),
    _event_route(
        "GET", "/v1/events/tail", E1.tail_events, Rule.SCOPED, {200: str}, ET.TailQuery, failures=(415, 501), is_long=E1.is_long,
        media=("text/event-stream",),
    ),
    *(
        _event_route("POST", path, handler, Rule.WRITER, {200: ET.Taken}, body=Any, read=wire.query, breaks_off=True)
        for path, handler in (("/v1/ceilometer/events", E1.take_events), ("/v1/notifications", E1.take_notifications))
    ),
)  # fmt: skip

ROUTES: tuple[Route, ...] = (*_RATING, *_EVENTS)
