"""Day keys, and time ranges split at whole local days."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercroft.core.time import FIRST, LAST, from_micros, to_micros
from undercroft.rating import calendar

# Steps of 30 minutes and of a whole day, a midnight that happens twice, days that never were and days that came again.
ZONES = [
    "UTC", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "America/Sao_Paulo", "America/Juneau",
    "Pacific/Kwajalein", "Asia/Manila", "Africa/Monrovia", "Asia/Kathmandu", "Pacific/Kiritimati", "America/Havana", "Africa/Cairo",
]  # fmt: skip
TURNS = {
    "Europe/Paris": dt.datetime(2024, 10, 27),
    "Australia/Lord_Howe": dt.datetime(2024, 4, 7),
    "Pacific/Apia": dt.datetime(2011, 12, 30),
    "America/St_Johns": dt.datetime(2010, 11, 7),
    "America/Sao_Paulo": dt.datetime(2018, 11, 4),
    "America/Juneau": dt.datetime(1867, 10, 18),
    "Pacific/Kwajalein": dt.datetime(1993, 8, 21),
    "Asia/Manila": dt.datetime(1844, 12, 31),
    "America/Havana": dt.datetime(2023, 11, 5),
    "Pacific/Kiritimati": dt.datetime(1995, 1, 1),
    "Africa/Cairo": dt.datetime(2010, 9, 30),
}
HOUR = 3_600_000_000


@given(st.dates())
def test_a_day_key_spells_the_attributes_out(date: dt.date) -> None:
    key = calendar.day_key(date)
    assert calendar.attributes(key) == {
        "year": str(date.year),
        "month": str(date.month),
        "week_of_the_year": date.strftime("%U"),
        "day_of_the_year": str(date.timetuple().tm_yday),
    }


@given(st.dates(), st.dates())
def test_day_keys_sort_like_dates(one: dt.date, other: dt.date) -> None:
    assert (one < other) == (calendar.day_key(one) < calendar.day_key(other))
    assert calendar.day_key(one) // calendar.MONTH_OF_DAY == one.year * 100 + one.month


@pytest.mark.promise("T3")
@given(
    st.sampled_from(ZONES),
    st.datetimes(min_value=dt.datetime(1, 1, 3), max_value=dt.datetime(9999, 12, 28), timezones=st.just(dt.UTC)),
)
def test_the_day_of_an_instant(zone: str, moment: dt.datetime) -> None:
    tz = zoneinfo.ZoneInfo(zone)
    assert calendar.day_of(to_micros(moment), tz) == calendar.day_key(moment.astimezone(tz).date())


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Juneau"])
def test_the_day_at_the_ends_of_time(zone: str) -> None:
    tz = zoneinfo.ZoneInfo(zone)
    assert calendar.day_of(FIRST, tz) in (calendar.day_key(dt.date.min), calendar.day_key(dt.date(1, 1, 1)))
    assert calendar.day_of(LAST, tz) == calendar.day_key(dt.date.max)


def moments(zone: str) -> st.SearchStrategy[int]:
    """Instants around a clock change of the zone, on and off the hour."""
    turn = to_micros(TURNS.get(zone, dt.datetime(2024, 3, 31)).replace(tzinfo=dt.UTC))
    near = st.integers(-60, 60).map(lambda hours: turn + hours * HOUR)
    exact = st.integers(-240, 240).map(lambda quarters: turn + quarters * HOUR // 4)
    far = st.integers(-400, 400).map(lambda days: turn + days * 24 * HOUR)
    return st.one_of(near, exact, far, st.integers(-(10**12), 10**12).map(lambda micros: turn + micros))


@pytest.mark.promise("T3")
@pytest.mark.parametrize("zone", ZONES)
@given(st.data())
def test_whole_days_and_edges_are_the_range(zone: str, data: st.DataObject) -> None:
    """An instant of a covered day is in the range; one of the range that is on no covered day is on an edge."""
    tz = zoneinfo.ZoneInfo(zone)
    begin, end = sorted(data.draw(st.tuples(moments(zone), moments(zone))))
    found = calendar.coverage(begin, end, tz)
    probes = [begin - 1, begin, end - 1, end, *(data.draw(st.lists(moments(zone), max_size=20)))]
    for instant in probes:
        inside = begin <= instant < end
        day = calendar.day_of(instant, tz)
        covered = found is not None and found.first_day <= day <= found.last_day
        if covered:
            assert inside
        if inside and not covered:
            assert found is None or found.has_edges


@pytest.mark.promise("T3")
@pytest.mark.parametrize("zone", ZONES)
@given(st.data())
def test_months_and_the_days_beside_them_are_the_whole_days(zone: str, data: st.DataObject) -> None:
    tz = zoneinfo.ZoneInfo(zone)
    begin, end = sorted(data.draw(st.tuples(moments(zone), moments(zone))))
    found = calendar.coverage(begin, end, tz)
    if found is None:
        return
    whole = list(calendar.days(found.first_day, found.last_day))
    assert whole[0] == found.first_day
    assert whole[-1] == found.last_day
    beside = [day for first, last in found.day_ranges() for day in calendar.days(first, last)]
    in_months: list[int] = []
    if found.first_month is not None and found.last_month is not None:
        in_months = [day for day in whole if found.first_month <= day // calendar.MONTH_OF_DAY <= found.last_month]
        months = list(calendar.months(found.first_month, found.last_month))
        assert months == sorted({day // calendar.MONTH_OF_DAY for day in in_months})
    assert sorted(beside + in_months) == whole
    assert found.buckets() == len(beside) + len({day // calendar.MONTH_OF_DAY for day in in_months})


def test_open_bounds_cover_all() -> None:
    found = calendar.coverage(None, None, dt.UTC)
    assert found is not None
    assert (found.first_day, found.last_day) == (calendar.day_key(dt.date.min), calendar.day_key(dt.date.max))
    assert not found.has_edges
    assert (found.first_month, found.last_month) == (101, 999912)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("end", [dt.datetime(9999, 1, 1), dt.datetime(9999, 12, 31), dt.datetime.max])
def test_the_first_and_the_last_year_are_whole(zone: str, end: dt.datetime) -> None:
    tz = zoneinfo.ZoneInfo(zone)
    found = calendar.coverage(to_micros(dt.datetime.min), to_micros(end), tz)
    assert found is not None
    assert found.first_day == calendar.day_key(dt.date.min)
    assert from_key(found.last_day) >= end.date() - dt.timedelta(days=2)
    assert calendar.day_of(to_micros(end) - 1, tz) >= found.last_day


@pytest.mark.parametrize("zone", ZONES)
def test_a_range_at_the_end_of_time_has_no_whole_day(zone: str) -> None:
    moment = to_micros(dt.datetime.max)
    assert calendar.coverage(moment - HOUR, moment, zoneinfo.ZoneInfo(zone)) is None
    moment = to_micros(dt.datetime.min)
    assert calendar.coverage(moment, moment + HOUR, zoneinfo.ZoneInfo(zone)) is None


@pytest.mark.parametrize(
    ("begin", "end", "days", "months", "edges"),
    [
        (dt.datetime(2024, 3, 1), dt.datetime(2024, 4, 1), (1, 31), (202403, 202403), False),
        (dt.datetime(2024, 3, 1, 1), dt.datetime(2024, 4, 1), (2, 31), None, True),
        (dt.datetime(2024, 3, 5), dt.datetime(2024, 3, 6), (5, 5), None, False),
        (dt.datetime(2024, 3, 5, 1), dt.datetime(2024, 3, 6, 23), None, None, None),
        (dt.datetime(2024, 3, 5), dt.datetime(2024, 3, 5), None, None, None),
    ],
)
def test_coverage(
    begin: dt.datetime, end: dt.datetime, days: tuple[int, int] | None, months: tuple[int, int] | None, edges: bool | None
) -> None:
    found = calendar.coverage(to_micros(begin), to_micros(end), dt.UTC)
    if days is None:
        assert found is None
        return
    assert found is not None
    assert [from_key(found.first_day), from_key(found.last_day)] == [dt.date(2024, 3, day) for day in days]
    assert ((found.first_month, found.last_month) if months else None) == months
    assert months or found.first_month is None
    assert found.has_edges is edges


def from_key(key: int) -> dt.date:
    return dt.date(key // 10_000_000, 1, 1) + dt.timedelta(days=key % 1000 - 1)


@pytest.mark.promise("T3")
@pytest.mark.parametrize("zone", ZONES)
@given(st.data())
def test_ranges_of_days_in_order_follow_each_other_in_time(zone: str, data: st.DataObject) -> None:
    """Also where two dates have instants in turn."""
    tz = zoneinfo.ZoneInfo(zone)
    instants = sorted(set(data.draw(st.lists(moments(zone), max_size=30))))
    counts: dict[int, int] = {}
    for instant in instants:
        day = calendar.day_of(instant, tz)
        counts[day] = counts.get(day, 0) + 1
    ranges = list(calendar.in_order(sorted(counts.items()), tz))
    assert sum(total for _, total in ranges) == len(instants)
    in_time = [next(n for n, ((first, last), _) in enumerate(ranges) if first <= calendar.day_of(i, tz) <= last) for i in instants]
    assert in_time == sorted(in_time)


@pytest.mark.parametrize("zone", ZONES)
@given(st.data())
def test_bounds_hold_every_instant_of_their_days(zone: str, data: st.DataObject) -> None:
    tz = zoneinfo.ZoneInfo(zone)
    instants = data.draw(st.lists(moments(zone), min_size=1, max_size=10))
    days = [calendar.day_of(instant, tz) for instant in instants]
    begin, end = calendar.bounds(min(days), max(days), tz)
    assert all(begin <= instant < end for instant in instants)
    assert from_micros(end) - from_micros(begin) <= dt.timedelta(
        days=from_key(max(days)).toordinal() - from_key(min(days)).toordinal() + 3
    )
