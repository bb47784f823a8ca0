"""The routes of events."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from undercroft.api import questions, wire
from undercroft.api.call import Rule
from undercroft.api.events import schemas, v1, v2
from undercroft.api.routes import Route
from undercroft.api.schemas import Taken

PREFIX = "/events"


def _closes(conf: cfg.ConfigOpts) -> bool:
    """Ceilometer's publisher keeps what it sent only when no complete answer comes."""
    return bool(conf.events.on_error == "close")


def _route(method: str, path: str, *arguments: Any, **named: Any) -> Route:
    return Route(method, PREFIX + path, *arguments, **{"read": questions.read, **named})


ROUTES: tuple[Route, ...] = (
    _route("GET", "", v2.versions, Rule.OPEN, {200: schemas.EventsVersions}),
    _route("GET", "/v2", v2.no_version, Rule.OPEN, {}, failures=(404,)),
    _route("GET", "/v2/capabilities", v2.capabilities, Rule.OPEN, {200: schemas.Capabilities}),
    _route(
        "GET", "/v2/events", v2.list_events, Rule.SCOPED, {200: list[schemas.EventOut]}, schemas.EventsQuery, failures=(415, 501),
        is_long=v2.is_long_list,
    ),
    _route(
        "GET", "/v2/events/{message_id}", v2.get_event, Rule.SCOPED, {200: schemas.EventOut}, schemas.Filtered,
        failures=(404, 415, 501),
    ),
    _route("GET", "/v2/event_types", v2.list_event_types, Rule.SEGREGATED, {200: list[str]}, failures=(501,)),
    _route("GET", "/v2/event_types/{event_type}", v2.no_event_type, Rule.SEGREGATED, {}, failures=(404,)),
    _route(
        "GET", "/v2/event_types/{event_type}/traits", v2.list_trait_types, Rule.SEGREGATED, {200: list[schemas.TraitType]},
        failures=(501,),
    ),
    _route(
        "GET", "/v2/event_types/{event_type}/traits/{name}", v2.list_traits, Rule.SEGREGATED, {200: list[schemas.TraitOut]},
        failures=(501,),
    ),
    _route(
        "GET", "/v1/events", v1.download_events, Rule.SCOPED, {200: bytes}, schemas.DownloadQuery, failures=(415, 501),
        is_long=v1.is_long, media=("application/x-ndjson", "text/csv", "application/vnd.apache.parquet"),
    ),
    _route("GET", "/v1/events/count", v1.count_events, Rule.SCOPED, {200: schemas.Counts}, schemas.CountQuery, failures=(415, 501)),
    _route(
        "GET", "/v1/events/tail", v1.tail_events, Rule.SCOPED, {200: str}, schemas.TailQuery, failures=(415, 501),
        is_long=v1.is_long, media=("text/event-stream",),
    ),
    *(
        _route(
            "POST", path, handler, Rule.WRITER, {200: Taken}, body=schemas.Sent, read=wire.query, breaks_off=_closes,
            gathers=True, failures=(409,),
        )
        for path, handler in (("/v1/ceilometer/events", v1.take_events), ("/v1/notifications", v1.take_notifications))
    ),
)  # fmt: skip
