"""Times come back to the microsecond, from the year 1 to 9999; a time without a zone is UTC; leap seconds are refused (T2)."""

from __future__ import annotations

import datetime as dt
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS, everything, of
from undercroft.conformance.rating.oracle import utc
from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.rating import BaseStorage, DataFrame

pytestmark = [pytest.mark.promise("T2"), pytest.mark.timeout(1800)]
EDGES = [
    dt.datetime.min,
    dt.datetime(1, 1, 1, 0, 0, 0, 1),
    dt.datetime(1582, 10, 10, 3, 4, 5, 678901),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2026, 11, 21, 11, 12, 13, 141516),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999998),
]
# A day from either end, so that every offset leaves the time within the years 1 to 9999.
MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.one_of(st.none(), st.timezones()))


def wrong(store: BaseStorage, moments: list[dt.datetime]) -> list[Any]:
    """Push one point at each moment; the moments that did not come back, as points, as periods, or within bounds."""
    store.delete()
    store.push([DataFrame(moment, moment, {"cpu": [of("p", number)]}) for number, moment in enumerate(moments)])
    wanted = {number: utc(moment) for number, moment in enumerate(moments)}
    found = {int(point.qty): (point.start, point.end) for point in everything(store)}
    periods = {(row["begin"], row["end"]) for row in store.total(["time"], **ALWAYS, paginate=False)["results"]}
    bad: list[Any] = [wanted[n] for n in wanted if found.get(n) != (wanted[n], wanted[n])]
    bad += [moment for moment in wanted.values() if (moment, moment) not in periods]
    some = sorted(wanted.values())[len(wanted) // 2]
    inside = store.retrieve(some, some + dt.timedelta(microseconds=1))
    bad += [] if inside["total"] == list(wanted.values()).count(some) else [some]
    assert all(moment.utcoffset() == dt.timedelta(0) for pair in found.values() for moment in pair)
    return bad


def examples(store: BaseStorage, seed: int, count: int) -> list[Any]:
    """Try `count` lists of moments; what did not come back of the first bad one."""
    bad: list[Any] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(max_examples=count, deadline=None, database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(st.lists(MOMENTS, min_size=1, max_size=40))
    def attempt(moments: list[dt.datetime]) -> None:
        if not bad:
            bad.extend(wrong(store, moments))

    attempt()
    return bad


def test_times_come_back_to_the_microsecond(opener: Opener, seed: int, record, figure):
    store = opener()
    count = figure(25, 1000)
    assert wrong(store, EDGES) == []
    bad = examples(store, seed, count)
    record(lists_of_times=count, different=len(bad))
    assert bad == []


def test_twin_with_float_timestamps_is_caught(opener: Opener, seed: int, record, monkeypatch: pytest.MonkeyPatch):
    store = opener()
    last = time.to_micros(dt.datetime.max)

    def through_a_float(moment: dt.datetime, field: str = "time") -> int:
        """Right to the microsecond in our days, and off far from them."""
        return min(round(time.as_utc(moment, field).timestamp() * 1e6), last)

    monkeypatch.setattr(time, "to_micros", through_a_float)
    bad = examples(store, seed, 25)
    record(different=len(bad))
    assert bad


@pytest.mark.parametrize(
    "text", ["2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5+00:00", "20161231T235960Z", "2017-01-01T00:59:60+01:00"]
)
def test_leap_seconds_are_refused_and_nothing_is_stored(opener: Opener, text: str):
    store = opener()
    usage = {"cpu": [of("p", 1).as_dict(mutable=True)]}
    for period, field in (
        ({"begin": text, "end": "2017-01-02"}, "period.begin"),
        ({"begin": "2016-01-01", "end": text}, "period.end"),
    ):
        with pytest.raises(InvalidInput) as refused:
            store.push([DataFrame.from_dict({"period": period, "usage": usage})])
        assert refused.value.field == field
        assert refused.value.http == 400
    assert everything(store) == []
