"""Days, weeks, months and years of a named zone, across every change of its clocks, beside zoneinfo day by day (T3)."""

from __future__ import annotations

import collections
import datetime as dt
import random
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest

from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import frame, of
from undercroft.core.time import from_micros
from undercroft.rating import BaseStorage, calendar

pytestmark = [pytest.mark.promise("T3"), pytest.mark.timeout(7200)]
HALF = dt.timedelta(minutes=30)
DAY = dt.timedelta(days=1)
# Days of 23 and 25 hours, of 23½ and 24½, a midnight that never was, a day that never was, and a zone without changes.
KNOWN = [
    ("Europe/Paris", 2024), ("Australia/Lord_Howe", 2024), ("Pacific/Apia", 2011), ("America/Sao_Paulo", 2018),
    ("America/St_Johns", 2010), ("Asia/Kathmandu", 2024),
]  # fmt: skip
GROUPS = (["time-d", "time-y"], ["time-w", "time-y"], ["time-m", "time-y"], ["time-y"])


def chosen(seed: int, count: int) -> list[tuple[str, int]]:
    """The known ones, and as many more zones and years as are asked for."""
    rng = random.Random(seed)
    zones = sorted(zoneinfo.available_timezones())
    return (KNOWN + [(rng.choice(zones), rng.randrange(1970, 2038)) for _ in range(count)])[:count]


def moments(zone: dt.tzinfo, year: int) -> list[dt.datetime]:
    """Every half hour of the days around each change of the clocks and around the turns of the year, every seventh hour else."""
    first, last = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) - 3 * DAY, dt.datetime(year + 1, 1, 1, tzinfo=dt.UTC) + 3 * DAY)
    near: set[dt.date] = {first.date() + n * DAY for n in (0, 1, 2, 3, 4, 5)} | {last.date() - n * DAY for n in (1, 2, 3, 4, 5)}
    day = first
    while day < last:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            near |= {day.date() + n * DAY for n in (-1, 0, 1, 2)}
        day += DAY
    halves = [first + n * HALF for n in range((last - first) // HALF)]
    return [moment for n, moment in enumerate(halves) if moment.date() in near or n % 14 == 0]


def wrong(store: BaseStorage, zone: dt.tzinfo, year: int) -> list[Any]:
    """Push a point at each moment; the groups that zoneinfo counts otherwise, and the local days whose own sum differs."""
    when = moments(zone, year)
    store.push([frame(moment, of("a", n), length=HALF) for n, moment in enumerate(when)])
    by_date: dict[dt.date, Decimal] = collections.defaultdict(Decimal)
    for n, moment in enumerate(when):
        by_date[moment.astimezone(zone).date()] += n
    bad: list[Any] = []
    bounds = when[0], when[-1] + HALF
    for groupby in GROUPS:
        wanted: dict[Any, Decimal] = collections.defaultdict(Decimal)
        for date, qty in by_date.items():
            parts = {"time-d": str(date.timetuple().tm_yday), "time-w": date.strftime("%U"), "time-m": str(date.month)}
            wanted[tuple(parts.get(name, str(date.year)) for name in groupby)] += qty
        rows = store.total(groupby, *bounds, paginate=False)["results"]
        names = [BaseStorage.TIME_COMMANDS_MAP[name.partition("-")[2]] for name in groupby]
        found = {tuple(row[name] for name in names): row["qty"] for row in rows}
        bad += [(groupby, key) for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
    # A local day asked for by itself: from its midnight to the next one's, where both happen once.
    for date in sorted(by_date)[2:-2]:
        begin, end = (dt.datetime.combine(date + n * DAY, dt.time(), zone) for n in (0, 1))
        if all(one.replace(fold=0).utcoffset() == one.replace(fold=1).utcoffset() for one in (begin, end)):
            rows = store.total(["time-d"], begin, end, paginate=False)["results"]
            if [(row["day_of_the_year"], row["qty"]) for row in rows] != [(str(date.timetuple().tm_yday), by_date[date])]:
                bad.append(date)
    return bad


def compared(opener: Opener, places: list[tuple[str, int]]) -> dict[str, list[Any]]:
    """What is wrong, by zone and year."""
    found = {}
    for number, (name, year) in enumerate(places):
        fresh = Opener(opener.target, opener.url, f"{opener.namespace}_{number}")
        try:
            found[f"{name} {year}"] = wrong(fresh(timezone=name), zoneinfo.ZoneInfo(name), year)
        finally:
            fresh.clear()
    return found


def test_local_days_are_those_of_the_zone(opener: Opener, seed: int, record, figure):
    found = compared(opener, chosen(seed, figure(len(KNOWN), 100)))
    record(zones_and_years=len(found), different=sum(map(len, found.values())))
    assert {place: bad[:3] for place, bad in found.items() if bad} == {}


@pytest.mark.parametrize("twin", ["days of UTC", "one offset all year"])
def test_twin_is_caught(opener: Opener, twin: str, record, monkeypatch: pytest.MonkeyPatch):
    day_of = calendar.day_of

    def simpler(micros: int, zone: dt.tzinfo) -> int:
        offset = from_micros(micros).replace(month=1, day=1).astimezone(zone).utcoffset() if twin != "days of UTC" else None
        return day_of(micros, dt.timezone(offset or dt.timedelta(0)))

    monkeypatch.setattr(calendar, "day_of", simpler)
    found = compared(opener, KNOWN[:3])
    record(zones_and_years=len(found), different=sum(map(len, found.values())))
    assert all(found.values())
