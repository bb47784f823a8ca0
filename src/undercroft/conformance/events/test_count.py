"""Counts by type, by traits and by intervals of time."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest

from undercroft.conformance.events.data import FIRST, LAST, START, event, text, whole
from undercroft.conformance.markers import assumes, clause, needs
from undercroft.core.errors import InvalidInput
from undercroft.events import EventFilter, Store

pytestmark = needs("count")


def counts(store: Store, *names: str, **asked: Any) -> list[tuple[Any, ...]]:
    """Values of the groups, start and count."""
    given = EventFilter(**asked.pop("given", {}))
    return [(*each.group.values(), each.start, each.events) for each in store.count_events(given, groupby=names, **asked)]


@clause("E24")
def test_everything_is_one_group(store: Store) -> None:
    assert counts(store) == []
    store.record_events([event(f"m{n}") for n in range(7)])
    assert counts(store) == [(None, 7)]
    assert counts(store, given={"event_type": "nobody's"}) == []


@clause("E24")
@needs("filter_traits")
def test_by_type_and_by_traits(store: Store) -> None:
    store.record_events([
        event("a", text("host", "x"), text("project_id", "p1"), kind="k1"),
        event("b", text("host", "y"), text("project_id", "p1"), kind="k2"),
        event("c", text("host", "x"), kind="k2"),
        event("d", whole("host", 5), text("project_id", ""), kind="k1"),
    ])  # fmt: skip
    assert counts(store, "event_type") == [("k1", None, 2), ("k2", None, 2)]
    assert counts(store, "host") == [(None, None, 1), ("x", None, 2), ("y", None, 1)]
    assert counts(store, "project_id") == [(None, None, 1), ("", None, 1), ("p1", None, 2)]
    assert counts(store, "project_id", "event_type", given={"admin_proj": "p1"}) == [
        (None, "k2", None, 1), ("p1", "k1", None, 1), ("p1", "k2", None, 1),
    ]  # fmt: skip
    assert counts(store, "never heard of") == [(None, None, 4)]
    assert counts(store, "host", given={"traits_filter": [{"key": "host", "string": "x"}]}) == [("x", None, 2)]


@clause("E24")
@needs("expressions")
def test_of_an_expression(store: Store) -> None:
    store.record_events([event(f"m{n}", whole("n", n), kind=f"k{n % 3}") for n in range(10)])
    assert counts(store, "event_type", where="n >= 4 or n = 0") == [("k0", None, 3), ("k1", None, 2), ("k2", None, 2)]


@clause("E24")
def test_intervals_begin_at_1970(store: Store) -> None:
    zero = dt.datetime(1970, 1, 1)
    second = dt.timedelta(seconds=1)
    moments = [
        zero - second,
        zero - dt.timedelta(microseconds=1),
        zero,
        zero + 59 * second,
        zero + 60 * second,
        zero + 179 * second,
    ]
    store.record_events([event(f"m{n}", at=moment) for n, moment in enumerate(moments)])
    minute = dt.timedelta(minutes=1)
    wanted = [(zero - minute, 2), (zero, 2), (zero + minute, 1), (zero + 2 * minute, 1)]
    assert counts(store, interval=60) == counts(store, interval=minute) == wanted
    assert counts(store, interval=60, given={"start_timestamp": zero, "end_timestamp": zero + minute}) == [
        (zero, 2),
        (zero + minute, 1),
    ]


@clause("E24")
def test_the_first_and_the_last_year(store: Store) -> None:
    store.record_events([event("a", at=FIRST), event("b", at=LAST), event("c", at=START)])
    assert sum(each.events for each in store.count_events(interval=dt.timedelta(days=7))) == 3
    assert [each.events for each in store.count_events(interval=dt.timedelta(days=366_000))] in ([1, 2], [3], [1, 1, 1], [2, 1])
    assert counts(store, interval=dt.timedelta(days=1))[0] == (FIRST, 1)


@clause("E24")
def test_random_events_are_counted_as_one_would_by_hand(store: Store) -> None:
    rng = random.Random(3)
    events = [
        event(f"m{n}", text("host", f"h{rng.randrange(4)}"), kind=f"k{rng.randrange(3)}", at=rng.randrange(-9_000, 9_000))
        for n in range(300)
    ]
    store.record_events(events)
    hour = dt.timedelta(hours=1)

    def start(moment: dt.datetime) -> dt.datetime:
        return moment - (moment - dt.datetime(1970, 1, 1)) % hour

    wanted = Counter((e.event_type, e.traits[0].value, start(e.generated)) for e in events if e.traits)
    found = {tuple(row[:-1]): row[-1] for row in counts(store, "event_type", "host", interval=3_600)}
    assert found == wanted
    rows = counts(store, "event_type", "host", interval=3_600)
    assert rows == sorted(rows, key=lambda row: (row[2], row[0], row[1]))


@clause("E24")
@assumes("large_stores")
def test_more_groups_than_anybody_reads_are_refused(store: Store) -> None:
    store.record_events([event(f"m{n}", at=n) for n in range(10_001)])
    with pytest.raises(InvalidInput, match="10,000"):
        store.count_events(interval=1)
    assert len(store.count_events(interval=2)) == 5_001
