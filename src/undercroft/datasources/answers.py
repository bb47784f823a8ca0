"""What a datasource answers: values of many resources, where a value comes from, and what a backend has of a meter."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from undercroft.datasources import values
from undercroft.datasources.hosts import Hosts
from undercroft.datasources.meters import COMPUTE_NODE, COUNT
from undercroft.datasources.question import Found, Question
from undercroft.datasources.resources import Reference


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Where a value comes from.

    Attributes:
        meter, unit, aggregate: what was asked for; a count has no unit.
        value: as `statistic_aggregation` gives it.
        resource: the uuid or host name.
        metric: the backend's name of what was read.
        after, until: the window; `after` lies outside it.
        samples: how many samples of the window were read.
        first, last: when the first and the last of them were taken.
        age: seconds from the last one to the window's end.
        note: the reason for a missing value, or a remark about the value, or None.
    """

    meter: str
    unit: str
    aggregate: str
    value: float | None
    resource: str | None
    metric: str
    after: dt.datetime
    until: dt.datetime
    samples: int
    first: dt.datetime | None
    last: dt.datetime | None
    age: float | None
    note: str | None


@dataclasses.dataclass(frozen=True)
class Survey:
    """What a backend has of a meter.

    Attributes:
        resources: how many resources have samples in the window.
        newest: the timestamp of the latest of these samples; None if there are no samples.
    """

    resources: int
    newest: dt.datetime | None


class Answers:
    """A meter's values of many resources, as of one moment."""

    def __init__(self, question: Question, aggregate: str, found: Mapping[str, Any]) -> None:
        self.question, self.aggregate = question, aggregate
        self._found = found
        self._hosts = Hosts(found) if question.meter.of == COMPUTE_NODE else None

    def of(self, reference: Reference) -> float | None:
        """The value of one resource; None where it has no sample."""
        found = self.stored(reference)
        if found is None:
            return None
        meter, metric = self.question.meter, self.question.metric
        if not isinstance(found, Found):
            return values.of_points(meter, metric, found, self.aggregate, reference.vcpus)
        if self.aggregate == COUNT:
            return round(found.value) or None
        return values.bounded(meter, values.converted(metric, found.value, reference.vcpus))

    def stored(self, reference: Reference) -> Any:
        """What the backend has of one resource."""
        if self._hosts is None:
            return self._found.get(reference.uuid or "")
        key = self._hosts.find(reference.host or "")
        return None if key is None else self._found[key]

    def __len__(self) -> int:
        return len(self._found)
