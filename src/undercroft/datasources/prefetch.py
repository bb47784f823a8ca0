"""Answers for all resources, loaded with the first question: strategies ask for one resource after the other.

A table of answers is as of the moment when it was loaded. A resource that appears later has no value until the table is loaded
anew.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import time as clock
from typing import Any

from undercroft.datasources.answers import Answers
from undercroft.datasources.contract import DataSourceBase
from undercroft.datasources.errors import MetricNotAvailable

# Seconds that a table is used, where the question's granularity is not shorter; and how many tables are kept.
_LASTS, _KEPT = 60.0, 64

# Meter, period, aggregate and granularity as given, so that each invalid value is logged.
_Key = tuple[Any, ...]


@dataclasses.dataclass
class _Table:
    """Answers, or the failure to get them.

    Attributes:
        loading: one thread loads, others wait.
        answers: None where the backend failed.
        until: by the monotonic clock; 0: not loaded.
    """

    loading: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    answers: Answers | None = None
    until: float = 0.0


class Prefetch:
    """Answers single questions from tables. Shared by threads.

    Args:
        source: what is asked.
    """

    def __init__(self, source: DataSourceBase) -> None:
        self.source = source
        self._lock = threading.Lock()
        self._tables: collections.OrderedDict[_Key, _Table] = collections.OrderedDict()

    def statistic_aggregation(
        self, resource: Any, resource_type: str | None, meter_name: str | None, period: Any, granularity: Any, aggregate: Any
    ) -> float | None:
        """As the source's own, from a table where the meter is measured.

        Raises:
            MetricNotAvailable: the source does not serve this meter.
        """
        if self.source.is_measured(meter_name):
            # An operator's own query may be for one resource only.
            with contextlib.suppress(MetricNotAvailable):
                answers = self._answers(meter_name, period, granularity, aggregate)
                return None if answers is None else self.source.pick(answers, resource, resource_type)
        return self.source.statistic_aggregation(resource, resource_type, meter_name, period, granularity, aggregate)

    def _answers(self, meter_name: str | None, period: Any, granularity: Any, aggregate: Any) -> Answers | None:
        table = self._table((meter_name, str(period), str(granularity), str(aggregate)))
        with table.loading:
            if clock.monotonic() >= table.until:
                table.answers = self.source.answers(meter_name, period, aggregate, granularity)
                # A backend that is away is asked again when the source does; a question that it refuses, not so soon.
                if table.answers is not None or not self.source.is_resting:
                    table.until = clock.monotonic() + _lasts(granularity)
            return table.answers

    def _table(self, key: _Key) -> _Table:
        with self._lock:
            table = self._tables.setdefault(key, _Table())
            self._tables.move_to_end(key)
            while len(self._tables) > _KEPT:
                self._tables.popitem(last=False)
            return table


def _lasts(granularity: Any) -> float:
    """Seconds that answers are used."""
    return min(float(granularity), _LASTS) if isinstance(granularity, (int, float)) and granularity > 0 else _LASTS
