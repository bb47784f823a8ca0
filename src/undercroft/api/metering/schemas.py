"""The forms of what goes in and out about samples."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType, field

from undercroft.metering.query import GROUPS, MOST_AGGREGATES, MOST_FILTERS

Number = int | float
# One more part is of the caller's own project.
Items = Annotated[list[str], Meta(max_length=MOST_FILTERS - 2)]
Format = Annotated[str, Meta(description="`jsonl`, `csv` or `parquet`.")]
Limit = Annotated[str, Meta(description="How many to give at most; 1 or more.")] | None


# -- what is asked -----------------------------------------------------------------------------------------------------


class Filtered(Struct, forbid_unknown_fields=True):
    """Which: lists whose items belong together by position."""

    q_field: Items = field(default=[], name="q.field")
    q_op: Items = field(default=[], name="q.op")
    q_value: Items = field(default=[], name="q.value")
    q_type: Items = field(default=[], name="q.type")


class ListQuery(Filtered, forbid_unknown_fields=True):
    """Which, and how many."""

    limit: Limit = None


class MetersQuery(ListQuery, forbid_unknown_fields=True):
    """Which meters."""

    unique: str | None = None


class ResourcesQuery(ListQuery, forbid_unknown_fields=True):
    """Which resources; `meter_links=0` leaves out the links to their meters."""

    meter_links: str | None = None


class StatisticsQuery(Filtered, forbid_unknown_fields=True):
    """Statistics of which samples, by what; functions and parameters belong together by position."""

    period: Annotated[str, Meta(description="Whole seconds.")] | None = None
    groupby: Annotated[list[str], Meta(description=f"One of {', '.join(GROUPS)}.", max_length=len(GROUPS) * 2)] = []
    func: Annotated[list[str], Meta(max_length=MOST_AGGREGATES)] = field(default=[], name="aggregate.func")
    param: Annotated[list[str], Meta(max_length=MOST_AGGREGATES)] = field(default=[], name="aggregate.param")


class PostQuery(Struct, forbid_unknown_fields=True):
    """Samples are always stored at once: `direct` is known and has no meaning."""

    direct: str | None = None


class DownloadQuery(Filtered, forbid_unknown_fields=True):
    """Which samples, as what."""

    format: Format = "jsonl"


class ComplexQuery(Struct, forbid_unknown_fields=True):
    """Which samples, in which order: `filter` and `orderby` are JSON in a text."""

    filter: Annotated[str, Meta(max_length=65_536)] | None = None
    orderby: Annotated[str, Meta(max_length=65_536)] | None = None
    limit: int | Annotated[str, Meta(max_length=64)] | None = None


# -- what is sent ------------------------------------------------------------------------------------------------------

# One, or a list; of any form, because what is wrong with one is told of that one.
Sent = Annotated[list[Any], Meta(max_length=10_000)] | dict[str, Any]


class NewSample(Struct, forbid_unknown_fields=True):
    """A sample that is posted, in the old form; what is missing is completed."""

    counter_name: str
    counter_type: str
    counter_unit: str
    counter_volume: Annotated[Number | str, Meta(description="A number; clients send it as text, too.")]
    resource_id: str
    user_id: str | None = None
    project_id: str | None = None
    source: str | None = None
    timestamp: str | None = None
    recorded_at: str | None = None
    resource_metadata: dict[str, Any] | None = None
    message_id: str | None = None


Posted = Annotated[list[NewSample], Meta(max_length=10_000)]


# -- what is answered --------------------------------------------------------------------------------------------------


class VersionLink(Struct):
    """Where a version is."""

    href: str
    rel: str


class Version(Struct):
    """A version of the API."""

    id: str
    links: list[VersionLink]
    status: str = "stable"
    updated: str = "2013-02-13T00:00:00Z"


class VersionValues(Struct):
    """The versions there are."""

    values: list[Version]


class Versions(Struct):
    """The versions there are."""

    versions: VersionValues


class Capabilities(Struct):
    """What can be asked."""

    api: dict[str, bool]
    storage: dict[str, bool]


class MeterOut(Struct):
    """A meter of a resource; with `unique`, of none."""

    name: str
    type: str
    unit: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    source: str | None
    meter_id: str


class OldSample(Struct):
    """A sample, in the old form; metadata are flat, and text."""

    source: str | None
    counter_name: str
    counter_type: str
    counter_unit: str
    counter_volume: Number
    user_id: str | None
    project_id: str | None
    resource_id: str
    timestamp: str
    recorded_at: str | None
    resource_metadata: dict[str, str]
    message_id: str


class SampleOut(Struct):
    """A sample; metadata are flat, and text."""

    id: str
    meter: str
    type: str
    unit: str
    volume: Number
    user_id: str | None
    project_id: str | None
    resource_id: str
    source: str | None
    timestamp: str
    recorded_at: str | None
    metadata: dict[str, str]


class Link(Struct):
    """Where more is."""

    rel: str
    href: str


class ResourceOut(Struct):
    """A resource, as its latest sample says; metadata are flat, and text."""

    resource_id: str
    project_id: str | None
    user_id: str | None
    source: str | None
    first_sample_timestamp: str
    last_sample_timestamp: str
    metadata: dict[str, str]
    links: list[Link]


class StatisticsOut(Struct):
    """Statistics of samples of one unit, group and period; aggregates that were not asked for are left out."""

    unit: str
    groupby: dict[str, str | None] | None
    duration: float | None
    duration_start: str | None
    duration_end: str | None
    period: float
    period_start: str
    period_end: str
    min: Number | UnsetType = UNSET
    max: Number | UnsetType = UNSET
    avg: Number | UnsetType = UNSET
    sum: Number | UnsetType = UNSET
    count: int | UnsetType = UNSET
    aggregate: dict[str, float] | UnsetType = UNSET
