"""One clock, one form of time."""

from __future__ import annotations

import datetime as dt
import os
import time as process_time
import zoneinfo
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput, WrongType

MOMENTS = st.datetimes(timezones=st.just(dt.UTC))
EAST = dt.timezone(dt.timedelta(hours=9, minutes=30))


@pytest.fixture(autouse=True)
def unbound() -> Iterator[None]:
    yield
    time.bind(None)


@pytest.mark.promise("T2")
@given(MOMENTS)
def test_microseconds_and_moments_are_the_same(moment: dt.datetime) -> None:
    assert time.from_micros(time.to_micros(moment)) == moment
    assert time.to_micros(moment.replace(tzinfo=None)) == time.to_micros(moment)


@pytest.mark.promise("T2")
@given(MOMENTS)
def test_text_and_moments_are_the_same(moment: dt.datetime) -> None:
    assert time.parse(moment.isoformat()) == moment
    assert time.parse(moment.replace(tzinfo=None).isoformat()) == moment


@given(st.integers(time.FIRST, time.LAST))
def test_no_microsecond_is_lost(micros: int) -> None:
    assert time.to_micros(time.from_micros(micros)) == micros


def test_the_ends_of_time() -> None:
    assert time.from_micros(time.FIRST) == dt.datetime(1, 1, 1, tzinfo=dt.UTC)
    assert time.from_micros(time.LAST) == dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)
    assert time.to_micros(dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) == 0


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2019-07-23T12:28:10Z", dt.datetime(2019, 7, 23, 12, 28, 10)),
        ("2019-07-23T12:28:10", dt.datetime(2019, 7, 23, 12, 28, 10)),
        ("20190723T122810Z", dt.datetime(2019, 7, 23, 12, 28, 10)),
        ("2019-07-23T14:28:10+02:00", dt.datetime(2019, 7, 23, 12, 28, 10)),
        ("2019-07-23 12:28:10.000001", dt.datetime(2019, 7, 23, 12, 28, 10, 1)),
        ("2019-07-23", dt.datetime(2019, 7, 23)),
    ],
)
def test_parse(text: str, wanted: dt.datetime) -> None:
    assert time.parse(text) == wanted.replace(tzinfo=dt.UTC)


@pytest.mark.promise("T2")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2016-12-31T23:59:60Z",
        "2023-02-29",
        "2024-13-01",
        "2024-01-01T25:00",
        "1700000000",
        "0001-01-01T00:00+01:00",
        "x" * 500,
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        time.parse(text, "begin")
    assert caught.value.field == "begin"
    assert len(str(caught.value)) < 250


def test_a_moment_of_another_zone_is_put_in_utc() -> None:
    moment = dt.datetime(2024, 3, 1, 12, tzinfo=EAST)
    assert time.as_utc(moment) == moment
    assert time.as_utc(moment).utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize("wrong", ["2024-03-01", 7, None, dt.date(2024, 3, 1), 1.5])
def test_what_is_no_datetime(wrong: object) -> None:
    with pytest.raises(WrongType) as caught:
        time.to_micros(wrong, "end")  # type: ignore[arg-type]
    assert caught.value.field == "end"


@pytest.mark.parametrize(
    "moment", [dt.datetime(1, 1, 1, tzinfo=EAST), dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(-dt.timedelta(hours=2)))]
)
def test_a_moment_beyond_the_ends_of_time(moment: dt.datetime) -> None:
    with pytest.raises(InvalidInput, match="1 to 9999"):
        time.as_utc(moment)


def test_the_clock_may_be_bound_and_is_asked_each_time() -> None:
    moments = iter([dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2, tzinfo=EAST)])
    time.bind(lambda: next(moments))
    assert time.now() == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert time.now() == dt.datetime(2024, 1, 2, tzinfo=EAST)
    assert time.wall() > dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    time.bind(None)
    assert time.now() >= time.wall() - dt.timedelta(minutes=1)


def test_zones() -> None:
    assert time.zone("Europe/Paris") == zoneinfo.ZoneInfo("Europe/Paris")
    for wrong in ("Mars/Olympus", "", "../UTC", "/etc/passwd", "x" * 300, "a\x00b"):
        with pytest.raises(ConfigInvalid, match="timezone"):
            time.zone(wrong)


@pytest.mark.parametrize(
    ("now", "zone", "begin", "end"),
    [
        (dt.datetime(2024, 2, 10), "UTC", dt.datetime(2024, 2, 1), dt.datetime(2024, 3, 1)),
        (dt.datetime(2024, 12, 31, 23), "UTC", dt.datetime(2024, 12, 1), dt.datetime(2025, 1, 1)),
        (dt.datetime(2024, 12, 31, 23), "Europe/Paris", dt.datetime(2024, 12, 31, 23), dt.datetime(2025, 1, 31, 23)),
        (dt.datetime(2024, 3, 31, 12), "Europe/Paris", dt.datetime(2024, 2, 29, 23), dt.datetime(2024, 3, 31, 22)),
    ],
)
def test_this_month(now: dt.datetime, zone: str, begin: dt.datetime, end: dt.datetime) -> None:
    time.bind(lambda: now)
    assert time.this_month(time.zone(zone)) == (begin.replace(tzinfo=dt.UTC), end.replace(tzinfo=dt.UTC))


def test_this_month_where_the_process_is(monkeypatch: pytest.MonkeyPatch) -> None:
    time.bind(lambda: dt.datetime(2024, 3, 31, 23))
    monkeypatch.setenv("TZ", "Europe/Paris")
    process_time.tzset()
    try:
        assert time.this_month() == (dt.datetime(2024, 3, 31, 22, tzinfo=dt.UTC), dt.datetime(2024, 4, 30, 22, tzinfo=dt.UTC))
    finally:
        monkeypatch.undo()
        process_time.tzset()
        assert os.environ.get("TZ") != "Europe/Paris"
