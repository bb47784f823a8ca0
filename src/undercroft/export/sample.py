"""A sample as the target's table holds it, made from either form in which the Ceilometer API gives one."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

# The seed's nine columns, in its order, and those that a configuration may add.
COLUMNS = (
    "counter_name", "counter_type", "counter_unit", "counter_volume", "message_id", "project_id", "resource_id", "source",
    "timestamp",
)  # fmt: skip
EXTRA_COLUMNS = ("user_id", "recorded_at", "resource_metadata")


class Sample(NamedTuple):
    """One row of the target's table.

    Attributes:
        counter_name: the meter.
        counter_type: `gauge`, `delta` or `cumulative`.
        counter_unit: the unit of the volume.
        counter_volume: the volume.
        message_id: the key; made from a hash of all fields when the service gives none.
        project_id, resource_id, source: as the service gives them.
        timestamp: naive UTC.
        user_id: as the service gives it.
        recorded_at: naive UTC.
        resource_metadata: JSON text.
    """

    counter_name: str
    counter_type: str | None
    counter_unit: str | None
    counter_volume: float
    message_id: str
    project_id: str | None
    resource_id: str | None
    source: str | None
    timestamp: dt.datetime
    user_id: str | None = None
    recorded_at: dt.datetime | None = None
    resource_metadata: str | None = None


class Refused(NamedTuple):
    """A sample that cannot be stored.

    Attributes:
        message_id: its id, empty when it has none that can be read.
        problem: what is wrong with it.
    """

    message_id: str
    problem: str
