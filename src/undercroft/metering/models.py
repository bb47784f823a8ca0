"""The models of metering: samples, what they are samples of, their statistics, and the filter that selects them.

Names, attributes and their order are Ceilometer's. Moments are datetimes in UTC without a zone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

from undercroft.core import time
from undercroft.core.model import Model

GAUGE, DELTA, CUMULATIVE = "gauge", "delta", "cumulative"
TYPES = (GAUGE, DELTA, CUMULATIVE)


class Sample(Model):
    """A value of a meter, measured at a resource at a moment.

    Args:
        source: which system measured it; may be None.
        counter_name: the meter.
        counter_type: `gauge` (a level), `delta` (a change since the last sample), `cumulative` (a count that only grows).
        counter_unit: the unit.
        counter_volume: the value, an int or a float as it came.
        user_id, project_id: whose resource it is; may be None.
        resource_id: the resource.
        timestamp: when it was measured, naive UTC.
        resource_metadata: what was known of the resource then, a dict.
        message_id: unique id.
        message_signature: as it came; may be None.
        recorded_at: when it was stored, naive UTC.
    """

    # On the class, as samples are made by the thousand.
    fields = (
        "source", "counter_name", "counter_type", "counter_unit", "counter_volume", "user_id", "project_id", "resource_id",
        "timestamp", "resource_metadata", "message_id", "message_signature", "recorded_at",
    )  # fmt: skip

    def __init__(
        self,
        source: str | None,
        counter_name: str,
        counter_type: str,
        counter_unit: str,
        counter_volume: float,
        user_id: str | None,
        project_id: str | None,
        resource_id: str,
        timestamp: dt.datetime,
        resource_metadata: dict[str, Any],
        message_id: str,
        message_signature: str | None,
        recorded_at: dt.datetime,
    ) -> None:
        self.source = source
        self.counter_name = counter_name
        self.counter_type = counter_type
        self.counter_unit = counter_unit
        self.counter_volume = counter_volume
        self.user_id = user_id
        self.project_id = project_id
        self.resource_id = resource_id
        self.timestamp = timestamp
        self.resource_metadata = resource_metadata
        self.message_id = message_id
        self.message_signature = message_signature
        self.recorded_at = recorded_at

    def __repr__(self) -> str:
        return f"<Sample {self.counter_name} of {self.resource_id}: {self.counter_volume} at {self.timestamp}>"


class Meter(Model):
    """A meter of a resource, with what its latest sample says; of no resource where only the meters themselves were asked for."""

    fields = ("name", "type", "unit", "resource_id", "project_id", "source", "user_id")

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002 - the host's name
        unit: str,
        resource_id: str | None,
        project_id: str | None,
        source: str | None,
        user_id: str | None,
    ) -> None:
        self.name = name
        self.type = type
        self.unit = unit
        self.resource_id = resource_id
        self.project_id = project_id
        self.source = source
        self.user_id = user_id

    def __repr__(self) -> str:
        return f"<Meter {self.name} of {self.resource_id}>"


class Resource(Model):
    """A resource, with what its latest sample says of it, and the moments of its first and last sample."""

    fields = ("resource_id", "project_id", "first_sample_timestamp", "last_sample_timestamp", "source", "user_id", "metadata")

    def __init__(
        self,
        resource_id: str,
        project_id: str | None,
        first_sample_timestamp: dt.datetime,
        last_sample_timestamp: dt.datetime,
        source: str | None,
        user_id: str | None,
        metadata: dict[str, Any],
    ) -> None:
        self.resource_id = resource_id
        self.project_id = project_id
        self.first_sample_timestamp = first_sample_timestamp
        self.last_sample_timestamp = last_sample_timestamp
        self.source = source
        self.user_id = user_id
        self.metadata = metadata

    def __repr__(self) -> str:
        return f"<Resource {self.resource_id}>"


class Statistics(Model):
    """Statistics of samples of one unit, group and period.

    Args:
        unit: the unit.
        period: length of the period in seconds, 0 for none.
        period_start, period_end: its bounds, naive UTC; without a period the first and the last timestamp.
        duration: seconds between the first and the last timestamp, clamped to the question's bounds; may be None.
        duration_start, duration_end: these two; may be None.
        groupby: the group, value by field; None where none was asked for.
        data: an attribute for each aggregate: `min`, `max`, `avg`, `sum`, `count`, or those that were named; those are in
            `aggregate`, too, a dict of float by name (`cardinality/resource_id`).
    """

    def __init__(
        self,
        unit: str,
        period: float,
        period_start: dt.datetime,
        period_end: dt.datetime,
        duration: float | None,
        duration_start: dt.datetime | None,
        duration_end: dt.datetime | None,
        groupby: dict[str, str | None] | None,
        **data: Any,
    ) -> None:
        super().__init__(
            unit=unit, period=period, period_start=period_start, period_end=period_end, duration=duration,
            duration_start=duration_start, duration_end=duration_end, groupby=groupby, **data,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Statistics {self.as_dict()}>"


class Aggregate(NamedTuple):
    """A measure that is asked for by name.

    Attributes:
        func: `max`, `min`, `sum`, `avg`, `count`, `stddev` or `cardinality`.
        param: of `cardinality`: `resource_id`, `user_id` or `project_id`.
    """

    func: str
    param: str | None = None


class Window(NamedTuple):
    """What the samples of a meter of one resource come to in a stretch of time, as floats.

    Attributes:
        samples: how many there are.
        min, max, mean: of their volumes.
        newest: the timestamp of the last one, in microseconds since 1970.
    """

    samples: int
    min: float
    max: float
    mean: float
    newest: int


class SampleFilter:
    """Which samples are meant; what is None is no restriction.

    Args:
        user, project: of this user, project; the text `None` means those of none.
        start_timestamp: not before this moment (`start_timestamp_op` gt: only after it); a datetime or ISO 8601 text.
        end_timestamp: before this moment (`end_timestamp_op` le: or at it).
        resource, meter, source, message_id: exactly these.
        metaquery: `{'metadata.KEY': value}`, all must hold; the value's type counts.

    Raises:
        InvalidInput: a bound is no moment.
    """

    def __init__(
        self,
        user: str | None = None,
        project: str | None = None,
        start_timestamp: Any = None,
        start_timestamp_op: str | None = None,
        end_timestamp: Any = None,
        end_timestamp_op: str | None = None,
        resource: str | None = None,
        meter: str | None = None,
        source: str | None = None,
        message_id: str | None = None,
        metaquery: Mapping[str, Any] | None = None,
    ) -> None:
        self.user = user
        self.project = project
        self.start_timestamp = naive_utc(start_timestamp) if start_timestamp else None
        self.start_timestamp_op = start_timestamp_op
        self.end_timestamp = naive_utc(end_timestamp) if end_timestamp else None
        self.end_timestamp_op = end_timestamp_op
        self.resource = resource
        self.meter = meter
        self.source = source
        self.message_id = message_id
        self.metaquery = metaquery or {}

    def __repr__(self) -> str:
        return f"<SampleFilter {vars(self)}>"


def naive_utc(value: Any) -> dt.datetime:
    """A moment, or ISO 8601 text, as a UTC datetime without a zone.

    Raises:
        InvalidInput: it is no moment, or lies outside the years 1 to 9999 in UTC.
    """
    return (time.parse(value) if isinstance(value, str) else time.as_utc(value)).replace(tzinfo=None)
