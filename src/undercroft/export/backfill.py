"""Samples of a time that the worker has passed: those that came later than its overlap reaches back."""

from __future__ import annotations

import datetime as dt
import functools
import logging
import threading
from collections.abc import Callable, Collection, Iterator

from undercroft.core.errors import UndercroftError
from undercroft.export.errors import FilterRefused
from undercroft.export.schedule import Schedule
from undercroft.export.settings import Filter, Settings, endpoint_id
from undercroft.export.source import Source
from undercroft.export.state import Unit
from undercroft.export.storing import Step, Storing, Window
from undercroft.export.target import Target

LOG = logging.getLogger(__name__)
_DAY = dt.timedelta(days=1)


class Backfill:
    """Reads a stretch of time again, a day after the other; points stay where they are, so a worker may run beside it.

    Args:
        settings: the configuration.
        source, target: closed by the caller.
        storing: stores batches in the target.
        stop: set to end.

    Attributes:
        reached: everything before this moment is stored, naive UTC: where to go on after an interruption.
        refused: filters that the source refused, with its answer.
    """

    def __init__(self, settings: Settings, source: Source, target: Target, storing: Storing, stop: threading.Event) -> None:
        self._settings, self._source, self._target, self._storing, self._stop = settings, source, target, storing, stop
        self.reached: dt.datetime | None = None
        self.refused: dict[str, FilterRefused] = {}

    def run(self, window: Window, filters: Collection[str] = ()) -> Iterator[Step]:
        """Store what the source has of a window; what is stored is yielded as it is stored.

        Args:
            window: naive UTC.
            filters: names of filters; all of them when empty.

        Raises:
            UndercroftError: a temporary failure that lasted for as many attempts as the settings allow, or a lasting one.
        """
        self.reached = window.begin
        schedule = Schedule(0, self._settings.backoff_base, self._settings.backoff_max, self._settings.retries)
        yield from self._patiently(schedule, "prepare", self._prepare)
        chosen = [each for each in self._settings.filters if not filters or each.name in filters]
        days = list(_days(window))
        for number, day in enumerate(days):
            for place, filter_ in enumerate(chosen):
                if filter_.name in self.refused:
                    continue
                position = number * len(chosen) + place, len(days) * len(chosen)
                try:
                    yield from self._patiently(schedule, filter_.name, functools.partial(self._day, filter_, day, *position))
                except FilterRefused as error:
                    LOG.error("filter refused, and left out: %s", error, extra={"filter": filter_.name})  # noqa: TRY400 - its answer tells all
                    self.refused[filter_.name] = error
                if self._stop.is_set():
                    return
            self.reached = day.end

    def _prepare(self) -> Iterator[Step]:
        self._target.prepare()
        return iter(())

    def _day(self, filter_: Filter, day: Window, place: int, of: int) -> Iterator[Step]:
        endpoint = endpoint_id(self._source.endpoint)
        for meter in self._source.meters(filter_):
            unit = Unit(endpoint, filter_.name, meter)
            for batch in self._source.read(filter_, meter, day.begin, day.end):
                yield self._storing.store(unit, batch, day, place, of, moves=False)
                if self._stop.is_set():
                    return

    def _patiently(self, schedule: Schedule, key: str, work: Callable[[], Iterator[Step]]) -> Iterator[Step]:
        """What `work` yields; begun again, after a wait, when it fails for now."""
        while not self._stop.is_set():
            try:
                yield from work()
            except UndercroftError as error:
                if not error.retryable:
                    raise
                wait = schedule.failed(key, at_least=getattr(error, "retry_after", None))
                if schedule.is_given_up(key):
                    raise
                LOG.warning("%s; next try in %.3g s", error, wait)
                self._stop.wait(wait)
            else:
                schedule.recovered(key)
                return


def _days(window: Window) -> Iterator[Window]:
    begin = window.begin
    while begin < window.end:
        end = min(begin + _DAY, window.end)
        yield Window(begin, end)
        begin = end
