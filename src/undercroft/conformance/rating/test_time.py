"""Time: bounds, zones, days of 23 and 25 hours, periods of any length."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import time as process_time
import zoneinfo
from collections.abc import Iterator

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.rating.data import (
    ALWAYS,
    HOUR,
    START,
    OpenStore,
    everything,
    flat,
    frame,
    hour,
    of,
    quantities,
    quantity,
    same_points,
    same_rows,
    sums,
    table,
)
from undercroft.conformance.rating.oracle import Oracle
from undercroft.conformance.rows import rows
from undercroft.core.errors import ConfigInvalid, InvalidInput, WrongType
from undercroft.rating import BaseStorage, DataFrame

MICROSECOND = dt.timedelta(microseconds=1)


@clause("R9")
def test_a_frame_that_starts_at_the_end_is_out(store: BaseStorage) -> None:
    store.push([frame(n, of("a", 2**n)) for n in range(4)])
    assert quantity(store, begin=hour(1), end=hour(3)) == 6
    assert quantities(everything(store, begin=hour(1), end=hour(3))) == [2, 4]
    assert quantity(store, begin=hour(1), end=hour(3) + MICROSECOND) == 14
    assert quantity(store, begin=hour(1) + MICROSECOND, end=hour(3)) == 4
    assert quantity(store, begin=hour(1), end=hour(1)) == 0


@clause("R9")
def test_the_frames_end_does_not_matter(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1), end=hour(100)), frame(1, of("a", 2), end=hour(1)), frame(-50, of("a", 4), end=hour(1.5))])
    assert quantity(store, begin=hour(0), end=hour(2)) == 3
    assert quantities(everything(store, begin=hour(0), end=hour(1))) == [1]
    assert quantity(store, begin=hour(50)) == 0


@clause("R9")
@promise("M2")
@needs("group_calendar")
def test_two_months_side_by_side_share_and_lose_nothing(store: BaseStorage) -> None:
    first = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    store.push([frame(first + n * 6 * HOUR, of("a", n + 1), length=6 * HOUR) for n in range(-8, 380)])
    bounds = [dt.datetime(2024, month, 1, tzinfo=dt.UTC) for month in (1, 2, 3, 4)]
    months = [quantity(store, begin=begin, end=end) for begin, end in itertools.pairwise(bounds)]
    assert months == [sum(n + 1 for n in range(124)), sum(n + 1 for n in range(124, 240)), sum(n + 1 for n in range(240, 364))]
    assert sum(months) == quantity(store, begin=bounds[0], end=bounds[-1])
    grouped = table(store, "time-m", begin=bounds[0], end=bounds[-1])
    assert grouped == dict(zip("123", months, strict=True))


@clause("R9", "R17")
def test_periods_of_several_lengths_at_once(store: BaseStorage) -> None:
    lengths = [dt.timedelta(0), dt.timedelta(seconds=1), 5 * HOUR / 60, HOUR, 24 * HOUR, dt.timedelta(days=400), MICROSECOND]
    store.push([frame(0, of("a", 2**n), length=length) for n, length in enumerate(lengths)])
    assert quantity(store) == 127
    by_period = table(store, "time")
    assert by_period == {(hour(0), hour(0) + length): 2**n for n, length in enumerate(lengths)}
    assert list(by_period) == sorted(by_period)
    assert len(store.retrieve(**ALWAYS)["dataframes"]) == len(lengths)


@clause("R9")
@promise("T2")
@rows(
    "moment",
    [
        dt.datetime(1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC),
        dt.datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(1582, 10, 10, tzinfo=dt.UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC),
        dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=dt.UTC),
        dt.datetime(2038, 1, 19, 3, 14, 8, tzinfo=dt.UTC),
        dt.datetime(2262, 4, 12, tzinfo=dt.UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999998, tzinfo=dt.UTC),
    ],
    empty="delete",
)
@needs("group_calendar")
def test_every_microsecond_from_year_1_to_9999(store: BaseStorage, moment: dt.datetime) -> None:
    store.push([DataFrame(moment, moment + MICROSECOND, {"cpu": [of("a", 3)]})])
    (found,) = everything(store)
    assert (found.start, found.end) == (moment, moment + MICROSECOND)
    assert found.start.tzinfo is not None
    assert quantity(store, begin=moment, end=moment + MICROSECOND) == 3
    assert quantity(store, begin=moment + MICROSECOND) == 0
    assert quantity(store, end=moment) == 0
    local = moment.timetuple()
    assert table(store, "time-y", "time-m", "time-d") == {(str(local.tm_year), str(local.tm_mon), str(local.tm_yday)): 3}


@clause("R9")
@promise("T2")
def test_no_zone_means_utc(store: BaseStorage) -> None:
    naive = START.replace(tzinfo=None)
    store.push([DataFrame(naive, naive + HOUR, {"cpu": [of("a", 1)]}), frame(1, of("a", 2))])
    assert [p.start for p in everything(store)] == [hour(0), hour(1)]
    assert quantity(store, begin=naive, end=naive + HOUR) == 1
    east = dt.timezone(dt.timedelta(hours=9))
    assert quantity(store, begin=hour(1).astimezone(east), end=hour(2).astimezone(east)) == 2
    store.delete(begin=naive, end=naive + HOUR)
    assert quantity(store) == 2


@clause("R9")
@needs("group_calendar")
def test_bounds_at_the_ends_of_time(store: BaseStorage) -> None:
    store.push([frame(n, of("a", 1)) for n in range(3)])
    naive = {"begin": dt.datetime.min, "end": dt.datetime.max}
    assert quantity(store, **naive) == 3
    assert quantity(store, groupby=["time-m", "project_id"], **naive) == 3
    assert quantity(store, groupby=["time-d"], **naive) == 3


@clause("R4")
@rows(
    ("start", "end", "field", "error"),
    [
        (hour(1), hour(0), "start", InvalidInput),
        ("2024-03-01", hour(0), "start", WrongType),
        (hour(0), None, "end", WrongType),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(HOUR)), hour(0), "start", InvalidInput),
    ],
)
def test_a_frames_bounds_are_checked(store: BaseStorage, start: object, end: object, field: str, error: type[InvalidInput]) -> None:
    """A frame of ours refuses them when it is made; one that was changed afterwards, when it is pushed."""
    with pytest.raises(error) as caught:
        DataFrame(start, end)  # type: ignore[arg-type]
    assert caught.value.field == field
    changed = frame(0, of("a"))
    changed.start, changed.end = start, end  # type: ignore[assignment]
    with pytest.raises(error) as caught:
        store.push([frame(1, of("b")), changed])
    assert caught.value.field.endswith(field)
    assert everything(store) == []


# -- the default: this month -----------------------------------------------------------------------------------------


@pytest.fixture
def new_year() -> Iterator[dt.datetime]:
    """It is half an hour before 2024 ends, in UTC."""
    moment = dt.datetime(2024, 12, 31, 23, 30, tzinfo=dt.UTC)
    with now(moment):
        yield moment


@pytest.fixture
def local_zone() -> Iterator[str]:
    """The process's own zone is one that is in the next year by then."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tokyo"
    process_time.tzset()
    yield "Asia/Tokyo"
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    process_time.tzset()


def _around(store: BaseStorage, begin: dt.datetime, end: dt.datetime) -> None:
    store.push([frame(moment, of("a", 2**n)) for n, moment in enumerate((begin - MICROSECOND, begin, end - MICROSECOND, end))])
    (row,) = store.total()["results"]
    assert (row["begin"], row["end"], row["qty"]) == (begin, end, 6)
    assert store.retrieve()["total"] == 2
    assert len(list(store.iter_frames())) == 2
    assert store.total(begin=begin - HOUR)["results"][0]["qty"] == 7
    assert store.total(end=end + HOUR)["results"][0]["qty"] == 14
    assert store.retrieve(end=end + HOUR)["total"] == 3


@clause("R13")
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_no_bounds_mean_this_month_in_the_stores_zone(open_store: OpenStore, new_year: dt.datetime, zone: str) -> None:
    local = new_year.astimezone(zoneinfo.ZoneInfo(zone))
    begin = local.replace(day=1, hour=0, minute=0)
    following = (begin + dt.timedelta(days=40)).replace(day=1)
    _around(open_store(timezone=zone), begin.astimezone(dt.UTC), following.astimezone(dt.UTC))


@clause("R13")
def test_no_bounds_mean_this_month_in_the_processs_zone(store: BaseStorage, new_year: dt.datetime, local_zone: str) -> None:
    zone = zoneinfo.ZoneInfo(local_zone)
    begin, end = dt.datetime(2025, 1, 1, tzinfo=zone), dt.datetime(2025, 2, 1, tzinfo=zone)
    _around(store, begin.astimezone(dt.UTC), end.astimezone(dt.UTC))


# -- zones -----------------------------------------------------------------------------------------------------------


@clause("R17")
@promise("T3")
@needs("group_calendar")
@pytest.mark.parametrize(
    ("zone", "first", "step", "wanted"),
    [
        ("Europe/Paris", dt.datetime(2024, 3, 29, 23, tzinfo=dt.UTC), 60, {"90": 24, "91": 23, "92": 24}),
        ("Europe/Paris", dt.datetime(2024, 10, 25, 22, tzinfo=dt.UTC), 60, {"300": 24, "301": 25, "302": 24}),
        ("Australia/Lord_Howe", dt.datetime(2024, 4, 5, 13, tzinfo=dt.UTC), 30, {"97": 48, "98": 49, "99": 48}),
        ("Australia/Lord_Howe", dt.datetime(2024, 10, 4, 13, 30, tzinfo=dt.UTC), 30, {"279": 48, "280": 47, "281": 48}),
        ("Pacific/Apia", dt.datetime(2011, 12, 28, 10, tzinfo=dt.UTC), 60, {"362": 24, "363": 24, "365": 24}),
        ("America/Sao_Paulo", dt.datetime(2018, 11, 3, 3, tzinfo=dt.UTC), 60, {"307": 24, "308": 23, "309": 24}),
        ("Asia/Kathmandu", dt.datetime(2024, 2, 28, 18, 15, tzinfo=dt.UTC), 15, {"60": 96, "61": 96}),
    ],
)
def test_days_of_any_length(open_store: OpenStore, zone: str, first: dt.datetime, step: int, wanted: dict[str, int]) -> None:
    """Each local day is as many periods as it has; none are merged, none are lost."""
    store = open_store(timezone=zone)
    length = dt.timedelta(minutes=step)
    store.push([frame(first + n * length, of("a", 1), length=length) for n in range(sum(wanted.values()))])
    assert table(store, "time-d") == wanted
    assert len(table(store, "time")) == sum(wanted.values())
    assert table(store, "time-d", "project_id") == {(day, "a"): count for day, count in wanted.items()}


@clause("R17")
@promise("T3")
@needs("group_calendar")
@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns", "Africa/Monrovia"]
)
def test_calendar_groups_of_ranges_with_any_edges(open_store: OpenStore, zone: str) -> None:
    """Days, weeks, months and years of whole and of cut days are those of the oracle."""
    store, oracle = open_store(timezone=zone), Oracle(timezone=zone)
    first = dt.datetime(2011, 11, 20, 4, 30, tzinfo=dt.UTC)
    frames = [frame(first + n * 5.5 * HOUR, of("ab"[n % 2], n + 1, id=n % 3), metric=("cpu", "disk")[n % 2]) for n in range(260)]
    for store_or_oracle in (store, oracle):
        for n in range(0, len(frames), 60):
            store_or_oracle.push(frames[n : n + 60])
    ranges = [
        (first, first + 2000 * HOUR),
        (first + 37 * HOUR, first + 1200.25 * HOUR),
        (dt.datetime(2011, 12, 1), dt.datetime(2012, 1, 1)),
        (dt.datetime(2011, 12, 29, 13, tzinfo=dt.UTC), dt.datetime(2011, 12, 31, 13, tzinfo=dt.UTC)),
        (first + 100 * HOUR, first + 103 * HOUR),
    ]
    for begin, end in ranges:
        for groupby in (
            ["time-d"],
            ["time-w", "time-y"],
            ["time-m", "project_id"],
            ["type", "time-y"],
            ["id"],
            ["time-d", "type", "id"],
            [],
        ):
            same_rows(sums(store, groupby, begin=begin, end=end), oracle.total(groupby, begin, end), groupby)


@clause("R17")
@promise("T3")
@needs("group_calendar")
@rows(
    ("moment", "week", "day"),
    [
        (dt.datetime(2023, 1, 1), "01", "1"),
        (dt.datetime(2024, 1, 1), "00", "1"),
        (dt.datetime(2024, 1, 6, 23, 59), "00", "6"),
        (dt.datetime(2024, 1, 7), "01", "7"),
        (dt.datetime(2024, 12, 31), "52", "366"),
        (dt.datetime(2000, 12, 31), "53", "366"),
        (dt.datetime(2022, 12, 31), "52", "365"),
    ],
    empty="delete",
)
def test_weeks_count_from_the_years_first_sunday(store: BaseStorage, moment: dt.datetime, week: str, day: str) -> None:
    store.push([frame(moment, of("a", 1))])
    assert table(store, "time-w", "time-d") == {(week, day): 1}


@clause("R11", "R17")
@promise("T3")
@needs("group_calendar")
def test_a_day_that_comes_back(open_store: OpenStore) -> None:
    """One minute into 7 November 2010, St. John's set its clocks back into the 6th. Points stay in the order of time."""
    store, oracle = open_store(timezone="America/St_Johns"), Oracle(timezone="America/St_Johns")
    first = dt.datetime(2010, 11, 7, 2, 28, tzinfo=dt.UTC)
    half = dt.timedelta(seconds=30)
    frames = [frame(first + n * half, of("a", n + 1, id=n % 2), length=half) for n in range(12)]
    frames += [frame(first + n * HOUR, of("a", 1000 * n, id=n % 2)) for n in range(-30, 60)]
    for one in (store, oracle):
        one.push(frames)
    same_points(everything(store), oracle.retrieve())
    walked = [page for n in range(102) for page in flat(store.retrieve(**ALWAYS, offset=n, limit=1)["dataframes"])]
    same_points(walked, oracle.retrieve())
    same_points(flat(store.iter_frames(**ALWAYS, max_points=5)), oracle.retrieve())
    for begin in (first - 30 * HOUR, *(first + n * half for n in range(0, 12, 3))):
        for end in (first + 5 * half, first + HOUR, first + 40 * HOUR):
            for groupby in (["time-d"], ["time-d", "id"], ["id"], ["time-w", "type"], []):
                same_rows(
                    sums(store, groupby, begin=begin, end=max(begin, end)), oracle.total(groupby, begin, max(begin, end)), groupby
                )


@clause("R17")
@needs("group_calendar")
def test_a_zone_changes_no_stored_attribute_and_no_bound(open_store: OpenStore) -> None:
    store = open_store(timezone="Pacific/Auckland")
    late = dt.datetime(2024, 6, 30, 18, tzinfo=dt.UTC)
    store.push([frame(late, of("a", 1, month="6"), of("a", 2), of("b", 4, month="7", year="2024"))])
    assert table(store, "time-m") == {"6": 1, "7": 6}
    assert quantity(store, begin=late, end=late + HOUR) == 7
    assert [p.start for p in everything(store)] == [late] * 3
    assert sorted(str(p.groupby.get("month")) for p in everything(store)) == ["6", "7", "None"]


@clause("R17")
@assumes("survives_restart")
@needs("group_calendar")
def test_the_stores_zone_stays_what_it_was(open_store: OpenStore) -> None:
    store = open_store(timezone="Asia/Tokyo")
    store.push([frame(dt.datetime(2024, 3, 31, 20, tzinfo=dt.UTC), of("a", 1))])
    before = everything(store)
    for other in ("UTC", "Europe/Paris"):
        with pytest.raises(ConfigInvalid, match="Asia/Tokyo"):
            open_store(init=False, timezone=other).push([frame(0, of("a", 1))])
        with pytest.raises(ConfigInvalid, match="timezone"):
            open_store(init=False, timezone=other).total()
    for options in ({}, {"timezone": "Asia/Tokyo"}):
        again = open_store(init=False, **options)
        assert table(again, "time-m") == {"4": 1}
        again.push([frame(dt.datetime(2024, 4, 30, 20, tzinfo=dt.UTC), of("a", 2))])
        again.delete(begin=dt.datetime(2024, 4, 30, tzinfo=dt.UTC))
        same_points(everything(again), before)


@clause("R17")
@rows("wrong", ["Mars/Olympus", "", "../etc/passwd", "europe/paris "])
def test_a_zone_that_nobody_knows(open_store: OpenStore, wrong: str) -> None:
    with pytest.raises(ConfigInvalid, match="timezone"):
        open_store(timezone=wrong)
