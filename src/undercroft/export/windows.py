"""The two ways in which a window of time is read to its end, whatever a single answer holds."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from undercroft.export.errors import SourceUnavailable
from undercroft.export.sample import Refused, Sample
from undercroft.export.wire import Page

MICROSECOND = dt.timedelta(microseconds=1)
# Samples of one timestamp that can be asked for.
MOST = 2**20
# Services round times: to milliseconds, or to seconds.
_ROUNDED = dt.timedelta(seconds=1)
# Services that cap their answers do so at a round number.
_ROUND = 100

# Refused samples of a window that are remembered.
_TOLD = 10_000
_IGNORES = "the service ignores the timestamps that it is asked for"

# Takes the bounds (`begin` <= timestamp < `end`) and the limit of a request.
Ask = Callable[[dt.datetime, dt.datetime, int], Page]


class Batch(NamedTuple):
    """Part of a window.

    Attributes:
        samples: in the order of their timestamps, or any.
        refused: samples that cannot be read.
        until: naive UTC; everything of the window before it has come, with this batch or an earlier one.
    """

    samples: list[Sample]
    refused: list[Refused]
    until: dt.datetime


class Unsorted(Exception):
    """The service does not do what it was asked: answers are not in ascending order."""


def ascending(ask: Ask, size: int, begin: dt.datetime, end: dt.datetime) -> Iterator[Batch]:
    """Read a window from a service that sorts: the next page begins at the last timestamp of this one.

    Args:
        ask: asks for samples in ascending order of timestamps.
        size: samples of a page.
        begin, end: naive UTC.

    Raises:
        Unsorted: the service does not sort.
        SourceUnavailable: more samples have one timestamp than can be asked for, or the service ignores where a window begins.
    """
    at, limit = begin, size
    seen: set[str] = set()
    told: set[Refused] = set()
    while True:
        page = ask(at, end, limit)
        if any(later < earlier for earlier, later in itertools.pairwise(page.times)):
            raise Unsorted("answers are not in ascending order of timestamps")
        _check_begin(page, at)
        fresh = [sample for sample in page.samples if sample.timestamp < end and sample.message_id not in seen]
        refused = [one for one in page.refused if one not in told]
        # Pages overlap. A sample without an id is told twice rather than not at all.
        told = (told if len(told) < _TOLD else set()) | {one for one in refused if one.message_id}
        first, last = (page.times[0], page.times[-1]) if page.times else (at, at)
        is_full = page.of >= limit
        if last >= end or not (is_full or (_may_be_cut(page.of) and last > at)):
            yield Batch(fresh, refused, end)
            return
        if last > at and (last > first or not is_full):
            yield Batch(fresh, refused, last)
            # Those of the last timestamp come again, with their neighbours that did not fit.
            seen = {sample.message_id for sample in page.samples if sample.timestamp == last}
            at, limit = last, size
        else:
            # One timestamp fills the page, which then does not show either whether the service sorts.
            yield Batch(fresh, refused, at)
            seen.update(sample.message_id for sample in fresh)
            limit = _doubled(limit, last)


def halving(ask: Ask, size: int, begin: dt.datetime, end: dt.datetime) -> Iterator[Batch]:
    """Read a window from a service that gives the newest samples of it: a full answer means a shorter window, the older part first.

    Args:
        ask: asks for samples.
        size: samples of an answer.
        begin, end: naive UTC.

    Raises:
        SourceUnavailable: more samples have one timestamp than can be asked for, or the service ignores the bounds.
    """
    at, width = begin, end - begin
    while at < end:
        stop, limit = min(at + width, end), size
        page = ask(at, stop, limit)
        while page.of >= limit or (_may_be_cut(page.of) and stop - at > MICROSECOND):
            _check_bounds(page, at, stop)
            if stop - at > MICROSECOND:
                stop = at + (stop - at) // 2
                width = stop - at
            else:
                limit = _doubled(limit, at)
            page = ask(at, stop, limit)
        _check_bounds(page, at, stop)
        yield Batch(page.samples, page.refused, stop)
        at = stop
        if page.of * 2 < size:
            width = min(width * 2, end - begin)


def _check_begin(page: Page, begin: dt.datetime) -> None:
    if page.times and min(page.times) < begin - _ROUNDED:
        raise SourceUnavailable(f"{_IGNORES}: asked for samples since {begin.isoformat()}, got {min(page.times).isoformat()}")


def _check_bounds(page: Page, begin: dt.datetime, end: dt.datetime) -> None:
    _check_begin(page, begin)
    if page.times and max(page.times) > end + _ROUNDED:
        raise SourceUnavailable(f"{_IGNORES}: asked for samples before {end.isoformat()}, got {max(page.times).isoformat()}")


def _may_be_cut(count: int) -> bool:
    """Whether a service may have given fewer than it was asked for and has, which it does not say."""
    return count > 0 and count % _ROUND == 0


def _doubled(limit: int, at: dt.datetime) -> int:
    if limit * 2 > MOST:
        raise SourceUnavailable(f"more than {limit:,} samples have the timestamp {at.isoformat()}: that cannot be read")
    return limit * 2
