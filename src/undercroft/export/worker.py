"""Rounds: what is new of each filter and meter goes to the target, and its point moves on with it."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Hashable, Iterator, Mapping

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, Denied, Unavailable, UndercroftError
from undercroft.export.errors import FilterRefused, MetricsMoved, SourceForbidden, SourceUnavailable
from undercroft.export.schedule import Schedule
from undercroft.export.settings import Filter, Settings, endpoint_id
from undercroft.export.source import Batch, Source
from undercroft.export.state import Point, Unit
from undercroft.export.storing import Step, Storing, Window
from undercroft.export.target import Target

LOG = logging.getLogger(__name__)

# The key of what every filter needs: the target, the login, the endpoint. A filter cannot have this name.
EVERYTHING = "[exporter]"
_LOCK_SECONDS = 2.0
# Clocks of machines that take turns differ by less.
_FUTURE = dt.timedelta(minutes=1)
_FIRST = dt.datetime.min  # noqa: DTZ901 - moments are naive UTC here
# What gets better only when somebody does something about it.
_LASTING = (SourceForbidden, MetricsMoved, Denied)
Key = Hashable


class Worker:
    """Reads from a source, and stores in a target, until it is told to stop.

    Args:
        settings: the configuration.
        source, target: closed by the caller.
        storing: stores batches in the target.
        stop: set to end; what is being stored is finished.

    Attributes:
        problems: the last error of what has not succeeded since: of `EVERYTHING`, a filter's name, or (filter, meter).
    """

    def __init__(self, settings: Settings, source: Source, target: Target, storing: Storing, stop: threading.Event) -> None:
        self._settings, self._source, self._target, self._storing, self._stop = settings, source, target, storing, stop
        self._schedule = Schedule(settings.interval, settings.backoff_base, settings.backoff_max, settings.retries)
        self._start = settings.begin()
        # Where a meter began in this process: the overlap does not reach back beyond it.
        self._floors: dict[Unit, dt.datetime] = {}
        self._meters: dict[str, list[str]] = {}
        self._left_out: set[str] = set()
        self._ahead: set[Unit] = set()
        self._endpoint = ""
        self._points: Mapping[Unit, Point] = {}
        self._is_prepared = self._waits_for_lock = self._is_once = False
        self.problems: dict[Key, UndercroftError] = {}

    def run(self, *, once: bool = False) -> Iterator[Step]:
        """Do rounds until `stop` is set, or one round where `once` is; what is stored is yielded as it is stored.

        Temporary failures are tried again as the settings say. With `once`, what only an operator can mend ends the round. It ends
        as well when the source has refused every filter.

        Raises:
            ConfigInvalid: the target's table cannot be used; the message says which statement mends it.
        """
        self._is_once = once
        while not self._stop.is_set():
            self._schedule.begin()
            if self._schedule.is_due(EVERYTHING) and self._is_ready():
                yield from self._pass()
            if not self._filters() or (once and self._is_over()):
                return
            self._stop.wait(self._wait())

    # -- one pass --------------------------------------------------------------------------------------------------

    def _is_ready(self) -> bool:
        """Whether tables, login and lock are there; a failure is noted."""
        try:
            if not self._is_prepared:
                self._target.prepare()
                self._is_prepared = True
            self._endpoint = endpoint_id(self._source.endpoint)
            if not self._target.holds() and not self._target.acquire(self._endpoint):
                if not self._waits_for_lock:
                    LOG.info("waiting: another worker exports from this endpoint to this table")
                self._waits_for_lock = True
                return False
            self._waits_for_lock = False
            self._points = self._target.points(self._endpoint)
        except UndercroftError as error:
            if isinstance(error, ConfigInvalid) and not error.retryable:
                raise
            self._failed(EVERYTHING, error)
            return False
        return True

    def _pass(self) -> Iterator[Step]:
        """Do what is due."""
        for filter_ in self._filters():
            if self._can_go_on() and self._schedule.is_due(filter_.name):
                self._look_up(filter_)
        due = [
            (filter_, meter)
            for filter_ in self._filters()
            for meter in self._meters.get(filter_.name, ())
            if self._schedule.is_due((filter_.name, meter))
        ]
        for place, (filter_, meter) in enumerate(due):
            if not self._can_go_on():
                return
            if filter_.name not in self._left_out:
                yield from self._advance(filter_, meter, place, len(due))

    def _filters(self) -> list[Filter]:
        return [each for each in self._settings.filters if each.name not in self._left_out]

    def _can_go_on(self) -> bool:
        return not self._stop.is_set() and self._schedule.is_due(EVERYTHING)

    def _look_up(self, filter_: Filter) -> None:
        """Find a filter's meters."""
        try:
            meters = self._source.meters(filter_)
        except UndercroftError as error:
            self._failed(filter_.name, error)
            return
        if tuple(meters) != filter_.meters:
            self._recovered()
        self._meters[filter_.name] = meters
        self._schedule.done(filter_.name)
        self.problems.pop(filter_.name, None)

    def _advance(self, filter_: Filter, meter: str, place: int, of: int) -> Iterator[Step]:
        """Read what is new of a meter."""
        key = (filter_.name, meter)
        unit = Unit(self._endpoint, filter_.name, meter)
        end = time.now().replace(tzinfo=None) - dt.timedelta(seconds=self._settings.lag)
        try:
            window = Window(self._begin(filter_, unit, end), end)
            if window.begin < end:
                batches = self._source.read(filter_, meter, window.begin, end)
            else:
                self._warn_of_future(unit, end)
                # What it begins with is still to come; a point keeps where it begins.
                batches = iter(() if unit in self._points else (Batch([], [], end),))
            for batch in batches:
                yield self._storing.store(unit, batch, window, place, of, moves=True)
                self._recovered()
                if self._stop.is_set():
                    return
        except UndercroftError as error:
            self._failed(key, error, unit)
            return
        except Exception as error:
            LOG.exception("unexpected failure", extra={"filter": unit.filter, "meter": unit.meter})
            self._failed(key, UndercroftError(f"unexpected {type(error).__name__}; please report it"), unit)
            return
        self._schedule.done(key)
        self.problems.pop(key, None)

    def _warn_of_future(self, unit: Unit, end: dt.datetime) -> None:
        """Say once that a point is ahead of the clock: nothing is read until the clock has come that far."""
        point = self._points.get(unit)
        if point is not None and point.position > end + _FUTURE and unit not in self._ahead:
            self._ahead.add(unit)
            LOG.error(
                "the point is ahead of this machine's clock, so nothing is read: was the clock wrong? "
                "Mend it, delete the meter's row from the table of points, and start again",
                extra={"filter": unit.filter, "meter": unit.meter, "point": point.position.isoformat()},
            )

    def _begin(self, filter_: Filter, unit: Unit, end: dt.datetime) -> dt.datetime:
        """Where the window of a unit begins."""
        point = self._points.get(unit)
        if point is not None:
            overlap = min(dt.timedelta(seconds=self._settings.overlap), point.position - _FIRST)
            floor = self._floors.get(unit) or self._settings.earliest()
            begin = point.position - overlap
            return begin if floor is None else max(begin, min(floor, point.position))
        if self._start is None:
            first = self._source.first(filter_, unit.meter)
            # Of a meter without samples there is nothing to be read up to now.
            return end - dt.timedelta(microseconds=1) if first is None else first
        self._floors[unit] = self._start
        return self._start

    # -- failures --------------------------------------------------------------------------------------------------

    def _recovered(self) -> None:
        """The source and the target answer."""
        self._schedule.recovered(EVERYTHING)
        self.problems.pop(EVERYTHING, None)

    def _failed(self, key: Key, error: UndercroftError, unit: Unit | None = None) -> None:
        """Note a failure: what waits for it, and for how long."""
        extra: dict[str, object] = {} if unit is None else {"filter": unit.filter, "meter": unit.meter}
        if unit is not None:
            self._storing.metrics.failed(unit.filter, unit.meter)
            self._target.failed(unit, str(error))
        if isinstance(error, FilterRefused):
            name = str(key) if unit is None else unit.filter
            self._left_out.add(name)
            self.problems[name] = error
            LOG.error("filter refused, and left out from now on: %s", error, extra={"filter": name})
            return
        if _concerns_everything(error):
            key = EVERYTHING
        self.problems[key] = error
        longest = isinstance(error, _LASTING) or not error.retryable
        wait = self._schedule.failed(key, longest=longest, at_least=getattr(error, "retry_after", None))
        following = f"next try in {wait:.3g} s"
        if self._is_once and self._lasts(key):
            following = "not tried again in this round"
        elif self._schedule.is_given_up(key):
            following = "left to the next round"
        LOG.log(logging.ERROR if longest else logging.WARNING, "%s; %s", error, following, extra=extra)

    def _wait(self) -> float:
        """Seconds until something is due."""
        if not self._schedule.is_due(EVERYTHING):
            return self._schedule.wait([EVERYTHING])
        if self._waits_for_lock:
            return min(self._settings.interval, _LOCK_SECONDS)
        return self._schedule.wait(self._keys())

    def _keys(self) -> list[Key]:
        """What is done once a round."""
        names = [each.name for each in self._filters()]
        return [*names, *((name, meter) for name in names for meter in self._meters.get(name, ()))]

    def _is_over(self) -> bool:
        """Whether a round is done; what only an operator can mend is not waited for."""
        if EVERYTHING in self.problems:
            return self._lasts(EVERYTHING) or self._schedule.is_given_up(EVERYTHING)
        if self._waits_for_lock:
            return False
        return all(self._schedule.is_settled(key) or self._lasts(key) for key in self._keys())

    def _lasts(self, key: Key) -> bool:
        """Whether a key failed in a way that waiting does not mend."""
        error = self.problems.get(key)
        return error is not None and (isinstance(error, _LASTING) or not error.retryable)


def _concerns_everything(error: UndercroftError) -> bool:
    """Whether other filters would fail as well."""
    if isinstance(error, SourceUnavailable):
        return error.is_everything
    # What the source does not raise is the target's.
    return isinstance(error, (MetricsMoved, Unavailable, ConfigInvalid))
