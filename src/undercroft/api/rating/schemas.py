"""The forms of what goes in and out about rated usage."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from undercroft.api.schemas import Limit, Offset
from undercroft.rating import query
from undercroft.rating.wire import Frame, Moment, Period

# Different keys of filters; one more is the caller's own project.
MOST_KEYS = query.MOST_FILTERS - 1
Filters = Annotated[
    list[str],
    Meta(
        max_length=query.MOST_VALUES,
        description=f"`key:value`; the key is an attribute's name, or `type`. At most {MOST_KEYS} different keys.",
    ),
]
# Frames of one request.
MOST_FRAMES = 10_000
# One list of values to choose from.
Choice = Annotated[list[str], Meta(max_length=query.MOST_VALUES)]
# A JSON number; no digit is lost.
Number = Annotated[Decimal, Meta(extra_json_schema={"type": "number", "format": "decimal"})]


# -- frames ------------------------------------------------------------------------------------------------------------


class Frames(Struct, forbid_unknown_fields=True):
    """Frames to store; how many points they have is bounded by the size of a body."""

    dataframes: Annotated[list[Frame], Meta(min_length=1, max_length=MOST_FRAMES)]


class VolOut(Struct):
    """A quantity of a unit."""

    unit: str
    qty: Number


class RatingOut(Struct):
    """What it costs."""

    price: Number


class PointOut(Struct):
    """One stored quantity."""

    vol: VolOut
    rating: RatingOut
    groupby: dict[str, Any]
    metadata: dict[str, Any]


class FrameOut(Struct):
    """The stored usage of one period, by metric type."""

    period: Period
    usage: dict[str, list[PointOut]]


class FramesOut(Struct):
    """A page of points, as frames; `total` counts points."""

    total: int
    dataframes: list[FrameOut]


class FramesQuery(Struct, forbid_unknown_fields=True):
    """Which points."""

    offset: Offset = 0
    limit: Limit = 100
    begin: Moment | None = None
    end: Moment | None = None
    filters: Filters = []


# -- summary -----------------------------------------------------------------------------------------------------------


class SummaryQuery(Struct, forbid_unknown_fields=True):
    """Which sums."""

    offset: Offset = 0
    limit: Limit = 100
    begin: Moment | None = None
    end: Moment | None = None
    groupby: Annotated[
        list[str],
        Meta(
            max_length=query.MOST_GROUPS,
            description="Attributes, `type`, `time`, `time-d`, `time-w`, `time-m`, `time-y`.",
        ),
    ] = []
    filters: Filters = []
    response_format: Literal["table", "object"] = "table"
    custom_fields: Annotated[
        list[str],
        Meta(
            max_length=query.MOST_MEASURES,
            description="`FUNCTION(column) AS alias`: SUM, MIN, MAX, MEAN or COUNT of qty or price.",
        ),
    ] = []


class Summary(Struct):
    """Sums: rows of values under `columns`, or objects."""

    total: int
    results: list[Any]
    format: Literal["table", "object"]
    columns: list[str] | None = None


# -- scopes ------------------------------------------------------------------------------------------------------------


class ScopeQuery(Struct, forbid_unknown_fields=True):
    """Which scopes; a list matches any of its values."""

    offset: Offset = 0
    limit: Limit = 100
    scope_id: Choice = []
    scope_key: Choice = []
    fetcher: Choice = []
    collector: Choice = []
    active: Annotated[list[bool], Meta(max_length=query.MOST_VALUES)] = []


class Scope(Struct):
    """A scope that has points."""

    scope_id: str
    scope_key: str
    fetcher: str | None
    collector: str | None
    last_processed_timestamp: str
    active: bool
    scope_activation_toggle_date: str | None


class Scopes(Struct):
    """A page of scopes."""

    results: list[Scope]


class Link(Struct):
    """Where a version is."""

    href: str
    rel: str = "self"


class Version(Struct):
    """A version of the API."""

    id: str
    status: str
    links: list[Link]


class Versions(Struct):
    """The versions there are."""

    versions: list[Version]


# -- version 1 ---------------------------------------------------------------------------------------------------------


class ReportQuery(Struct, forbid_unknown_fields=True):
    """Whose usage of which service."""

    begin: Moment | None = None
    end: Moment | None = None
    tenant_id: str | None = None
    service: str | None = None
    all_tenants: bool = False


class ReportSummaryQuery(ReportQuery, forbid_unknown_fields=True):
    """Whose usage of which service, grouped."""

    groupby: Annotated[list[str], Meta(max_length=query.MOST_GROUPS, description="`tenant_id`, `res_type`.")] = []


class TenantsQuery(Struct, forbid_unknown_fields=True):
    """When."""

    begin: Moment | None = None
    end: Moment | None = None


class SummaryRow(Struct):
    """A sum; what is not grouped says ALL."""

    begin: str
    end: str
    tenant_id: str
    res_type: str
    rate: str


class ReportSummary(Struct):
    """Sums."""

    summary: list[SummaryRow]


class StorageQuery(Struct, forbid_unknown_fields=True):
    """Whose usage of which type."""

    begin: Moment | None = None
    end: Moment | None = None
    tenant_id: str | None = None
    resource_type: str | None = None


class Resource(Struct):
    """One rated quantity."""

    service: str
    desc: dict[str, Any]
    volume: str
    rating: str


class StorageFrame(Struct):
    """The usage of one metric type in one period."""

    begin: str
    end: str
    tenant_id: str
    resources: list[Resource]


class StorageFrames(Struct):
    """All of it."""

    dataframes: list[StorageFrame]


class Metric(Struct):
    """A metric type that is collected."""

    metric_id: str
    metadata: list[str]
    unit: str


class Metrics(Struct):
    """The metric types that are collected."""

    metrics: list[Metric]
