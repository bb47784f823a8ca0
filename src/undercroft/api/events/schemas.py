"""The forms of what goes in and out about events."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from undercroft.events.query import MOST_NAMES, MOST_TESTS

Where = Annotated[str, Meta(description='An expression: `event_type ^= "compute." and not memory_mb < 512`.')]


class MediaType(Struct):
    """A form in which answers come."""

    base: str
    type: str


class VersionLink(Struct):
    """Where a version is."""

    href: str
    rel: str
    type: str | None = None


class EventsVersion(Struct, rename={"media_types": "media-types"}):
    """A version of the API."""

    id: str
    links: list[VersionLink]
    media_types: list[MediaType]
    status: str = "stable"
    updated: str = "2013-02-13T00:00:00Z"


class VersionValues(Struct):
    """The versions there are."""

    values: list[EventsVersion]


class EventsVersions(Struct):
    """The versions there are."""

    versions: VersionValues


class Capabilities(Struct):
    """What can be asked."""

    api: dict[str, bool]
    event_storage: dict[str, bool]


class TraitOut(Struct):
    """A trait; every value is text."""

    name: str
    type: str
    value: str


class EventOut(Struct):
    """An event; its moment is UTC without a zone."""

    message_id: str
    event_type: str
    generated: str
    traits: list[TraitOut]
    raw: Any


class TraitType(Struct):
    """A trait that events of a type have."""

    name: str
    type: str


# What is sent: one, or a list; of any form, because what is wrong with one is told of that one.
Sent = Annotated[list[Any], Meta(max_length=10_000)] | dict[str, Any]

# The parameters of `q`: each may have as many items as a query may have tests; two more are of the caller's own project and user.
Items = Annotated[list[str], Meta(max_length=MOST_TESTS - 2)]


class Filtered(Struct, forbid_unknown_fields=True):
    """Which events: lists whose items belong together by position."""

    q_field: Items = field(default=[], name="q.field")
    q_op: Items = field(default=[], name="q.op")
    q_value: Items = field(default=[], name="q.value")
    q_type: Items = field(default=[], name="q.type")


class EventsQuery(Filtered, forbid_unknown_fields=True):
    """Which events, and which page of them."""

    limit: str | None = None
    marker: str | None = None
    sort: Annotated[list[str], Meta(max_length=MOST_NAMES)] = []


class WhereQuery(Filtered, forbid_unknown_fields=True):
    """Which events, with an expression."""

    where: Where | None = None


class DownloadQuery(WhereQuery, forbid_unknown_fields=True):
    """Which events, as what."""

    format: Annotated[str, Meta(description="`jsonl`, `csv` or `parquet`.")] = "jsonl"


class CountQuery(WhereQuery, forbid_unknown_fields=True):
    """Which events, counted by what."""

    groupby: Annotated[list[str], Meta(description="`event_type`, or names of text traits.", max_length=MOST_NAMES)] = []
    interval: Annotated[float, Meta(description="Seconds.")] | None = None


class TailQuery(WhereQuery, forbid_unknown_fields=True):
    """Which events, from where on."""

    after: Annotated[str | None, Meta(description="The id of the last event that came; `start` for everything.")] = None
    seconds: Annotated[float, Meta(ge=0, description="How long to follow at most; 0 gives what is there.")] | None = None


class CountOut(Struct):
    """A group of events."""

    group: dict[str, str | None]
    start: str | None
    count: int


class Counts(Struct):
    """Groups that have events."""

    counts: list[CountOut]
