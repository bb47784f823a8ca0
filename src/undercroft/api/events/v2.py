"""Panko's API, version 2: events, their types and traits, as its clients know them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from undercroft.api import questions
from undercroft.api.call import Answer
from undercroft.api.events import query
from undercroft.api.events.ingest import EventsCall
from undercroft.api.events.schemas import (
    Capabilities,
    EventOut,
    EventsQuery,
    EventsVersion,
    EventsVersions,
    MediaType,
    TraitOut,
    TraitType,
    VersionLink,
    VersionValues,
)
from undercroft.core.errors import NotFound
from undercroft.events import Event, InvalidMarker, Trait
from undercroft.events.models import serialize_dt

_type_name, _NONE = Trait.type_names.get, Trait.type_names[Trait.NONE_TYPE]
_MEDIA = [
    MediaType(f"application/{form}", f"application/vnd.openstack.telemetry-v2+{form}") for form in ("json", "xml")
]  # fmt: skip


def versions(call: EventsCall) -> Answer:
    """Tell the versions of the API."""
    links = [
        VersionLink(f"{call.base}/v2", "self"),
        VersionLink("https://docs.openstack.org/", "describedby", "text/html"),
    ]
    return Answer(200, EventsVersions(VersionValues([EventsVersion("v2", links, _MEDIA)])))


def no_version(_call: EventsCall) -> Answer:
    """Nothing is at the root of the version."""
    raise NotFound("Not Found")


def capabilities(call: EventsCall) -> Answer:
    """Tell what can be asked."""
    simple = call.store.get_capabilities()["events"]["query"]["simple"]
    ready = call.store.get_storage_capabilities()["storage"]["production_ready"]
    return Answer(200, Capabilities({"events:query:simple": simple}, {"storage:production_ready": ready}))


def event_out(event: Event) -> EventOut:
    """An event as clients get it."""
    traits = sorted(event.traits or (), key=lambda trait: trait.name)
    return EventOut(
        event.message_id, event.event_type, event.generated.isoformat(), [_trait(each) for each in traits], event.raw
    )  # fmt: skip


def _trait(trait: Trait) -> TraitOut:
    value = trait.value
    text = value if value.__class__ is str else str(serialize_dt(value))
    return TraitOut(trait.name, _type_name(trait.dtype, _NONE), text)


def list_events(call: EventsCall) -> Answer:
    """Give a page of events."""
    asked: EventsQuery = call.query
    which = query.asked(asked, call.caller)
    page = query.page(asked, call.conf.events.default_limit)
    if page["marker"] is not None:
        # An event that the caller may not see is no marker, either.
        which.visible.message_id = page["marker"]
        if not _first(call.store.get_events(which.visible, {"limit": 1})):
            raise InvalidMarker(f"Marker {page['marker'][:255]} not found.")
    return Answer(200, [event_out(event) for event in call.store.get_events(which.event_filter, page)])


def get_event(call: EventsCall) -> Answer:
    """Give one event; an admin gets another project's with `all_tenants`, as in lists."""
    message_id = call.path["message_id"]
    which = query.asked(call.query, call.caller).event_filter
    if which.message_id not in (None, message_id):
        raise questions.Refused("message_id is named twice, and differently")
    which.message_id = message_id
    found = _first(call.store.get_events(which, {"limit": 1}))
    if found is None:
        raise NotFound(f"Event {message_id[:255]} Not Found")
    return Answer(200, event_out(found))


def _first(events: Iterable[Event]) -> Event | None:
    return next(iter(events), None)


def list_event_types(call: EventsCall) -> Answer:
    """List the types of events."""
    return Answer(200, list(call.store.get_event_types()))


def no_event_type(_call: EventsCall) -> Answer:
    """A type has no page of its own."""
    raise NotFound("Not Found")


def list_trait_types(call: EventsCall) -> Answer:
    """List the traits that events of a type have."""
    found: list[dict[str, Any]] = list(call.store.get_trait_types(call.path["event_type"]))
    return Answer(200, [TraitType(row["name"], Trait.get_name_by_type(row["data_type"])) for row in found])


def list_traits(call: EventsCall) -> Answer:
    """List the values of a trait of the events of a type."""
    return Answer(200, [_trait(each) for each in call.store.get_traits(call.path["event_type"], call.path["name"])])


def is_long_list(asked: EventsQuery) -> bool:
    """A page so large that it is worked on among the long requests."""
    return bool(asked.limit) and len(str(asked.limit)) > 3
