"""What happened on the demo's day: 140 notifications of OpenStack Nova, as events (their origin: data/ORIGIN.md)."""

from __future__ import annotations

import collections
import datetime as dt
import gzip
from collections.abc import Mapping
from typing import Any

import msgspec

from undercroft.demo.traces import DATA, DAY, HOURS
from undercroft.events import Event, EventFilter, Store
from undercroft.events.wire import parse

FILE = "nova-events.jsonl.gz"


def notifications() -> list[Any]:
    """The lines of the file, as JSON values."""
    with (DATA / FILE).open("rb") as packed, gzip.open(packed, "rb") as lines:
        return [msgspec.json.decode(line) for line in lines]


def events() -> list[Event]:
    """The events, spread over the day in the order of the file: the notifications say no time of their own."""
    found = list(map(parse, notifications()))
    step = dt.timedelta(hours=HOURS) / len(found)
    for number, event in enumerate(found):
        event.generated = DAY.replace(tzinfo=None) + number * step
    return found


def by_hour(store: Store) -> Mapping[int, Mapping[str, int]]:
    """What the store counts: events by hour and by the first word of their type."""
    begin = DAY.replace(tzinfo=None)
    day = EventFilter(begin, begin + dt.timedelta(hours=HOURS) - dt.timedelta(microseconds=1))
    counts: dict[int, collections.Counter[str]] = {hour: collections.Counter() for hour in range(HOURS)}
    for each in store.count_events(day, groupby=["event_type"], interval=3_600):
        if each.start is not None:
            counts[each.start.hour][str(each.group["event_type"]).partition(".")[0]] += each.events
    return counts
