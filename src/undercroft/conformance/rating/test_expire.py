"""Retention in batches, the span of what is stored, and the examination of a store."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from undercroft.conformance.examination import problems
from undercroft.conformance.markers import clause, needs
from undercroft.conformance.rating.data import OpenStore, everything, frame, hour, of, quantity, sums
from undercroft.conformance.rows import rows
from undercroft.core.findings import Level, Share
from undercroft.rating import BaseStorage

pytestmark = pytest.mark.usefixtures("examined")

DAY = dt.timedelta(days=1)


def _fill(store: BaseStorage, hours: int = 100) -> None:
    """Two points an hour from hour 0 on."""
    store.push([frame(n, of("a", 1), of("b", n + 1)) for n in range(hours)])


@clause("R28")
@rows("limit", [-1, 0, 0.5, 1, 24, 30.25, 47, 99, 100, 200], empty="delete")
def test_everything_older_goes_and_nothing_else(store: BaseStorage, limit: float) -> None:
    _fill(store)
    kept = [p for p in everything(store) if p.start >= hour(limit)]
    assert store.expired(hour(limit)) == Share(200 - len(kept), 200)
    batches = list(store.expire_before(hour(limit)))
    assert everything(store) == kept
    assert sum(batch.points for batch in batches) == 200 - len(kept)
    assert quantity(store, groupby=["project_id"]) == sum(p.qty for p in kept)
    assert quantity(store) == sum(p.qty for p in kept)
    assert sum(batch.points for batch in store.expire_before(hour(limit))) == 0
    # Here, too: the store is emptied after each row.
    assert problems(store) == []


@clause("R28")
def test_a_batch_is_at_most_a_day_and_they_follow_each_other(store: BaseStorage) -> None:
    _fill(store)
    batches = list(store.expire_before(hour(90)))
    assert all(batch.begin < batch.end <= batch.begin + DAY for batch in batches)
    assert all(early.end <= late.begin for early, late in itertools.pairwise(batches))
    assert batches[-1].end == hour(90)
    assert all(batch.points <= 48 for batch in batches)


@clause("R28")
def test_a_walk_that_is_given_up_leaves_what_is_newer(store: BaseStorage) -> None:
    _fill(store)
    walk = store.expire_before(hour(90))
    first = next(walk)
    assert first.points > 0
    assert min(p.start for p in everything(store)) == first.end
    assert quantity(store, groupby=["project_id"]) == sum(p.qty for p in everything(store))
    second = next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert min(p.start for p in everything(store)) == second.end
    rest = list(store.expire_before(hour(90)))
    assert first.points + second.points + sum(batch.points for batch in rest) == 180
    assert min(p.start for p in everything(store)) == hour(90)


@clause("R28")
def test_others_write_between_the_batches(store: BaseStorage) -> None:
    _fill(store)
    for batch in store.expire_before(hour(72)):
        store.push([frame(batch.end + DAY * 30, of("late", 1))])
    assert {p.groupby["project_id"] for p in everything(store)} == {"a", "b", "late"}
    assert min(p.start for p in everything(store)) == hour(72)


@clause("R28")
def test_empty_years_cost_no_batches(store: BaseStorage) -> None:
    store.push([frame(dt.datetime(1999, 5, 5, tzinfo=dt.UTC), of("a")), frame(0, of("a")), frame(900, of("a"))])
    batches = list(store.expire_before(hour(800)))
    assert len(batches) <= 4
    assert sum(batch.points for batch in batches) == 2


@clause("R28")
@needs("group_calendar")
@pytest.mark.parametrize("zone", ["Europe/Paris", "Australia/Lord_Howe", "Pacific/Apia"])
def test_days_of_the_stores_zone(open_store: OpenStore, zone: str) -> None:
    """Days of 23 and 25 hours, and one that Apia never had (30 December 2011)."""
    store = open_store(timezone=zone)
    for start in (dt.datetime(2011, 12, 28, tzinfo=dt.UTC), dt.datetime(2024, 3, 29, tzinfo=dt.UTC)):
        store.push([frame(start + dt.timedelta(hours=n), of("a", 1)) for n in range(120)])
    limit = dt.datetime(2024, 4, 1, 5, tzinfo=dt.UTC)
    assert sum(batch.points for batch in store.expire_before(limit)) == 120 + 77
    assert min(p.start for p in everything(store)) == limit
    assert quantity(store, groupby=["time-d"]) == 43


@clause("R29")
def test_the_span_holds_every_point(store: BaseStorage) -> None:
    assert store.span() is None
    _fill(store, 30)
    bounds = store.span()
    assert bounds is not None
    begin, end = bounds
    assert all(begin <= p.start < end for p in everything(store))
    assert hour(0) - 2 * DAY < begin
    assert end < hour(30) + 2 * DAY
    store.delete(end=hour(25))
    later = store.span()
    assert later is not None
    assert begin < later[0] <= hour(25) < later[1]
    store.delete()
    assert store.span() is None


@clause("R29")
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_span_at_the_ends_of_time(open_store: OpenStore, zone: str) -> None:
    store = open_store(timezone=zone)
    moments = [dt.datetime(1, 1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 22, tzinfo=dt.UTC)]
    store.push([frame(moment, of("a")) for moment in moments])
    bounds = store.span()
    assert bounds is not None
    assert bounds[0] <= moments[0]
    assert moments[1] < bounds[1]
    assert sum(batch.points for batch in store.expire_before(hour(0))) == 1


@clause("R24")
def test_when_usage_expires(store: BaseStorage) -> None:
    assert store.expiry(hour(100), dt.timedelta(hours=40)) == hour(60)
    assert store.expiry(hour(100).replace(tzinfo=None), dt.timedelta(hours=1)) == hour(99)
    assert store.expiry(hour(0), dt.timedelta(0)) is None
    assert store.expiry(hour(0), dt.timedelta(days=2_000_000)) is None


@clause("R30")
@pytest.mark.parametrize("verify", [False, True])
def test_an_examination_changes_nothing_and_finds_nothing_wrong(store: BaseStorage, verify: bool) -> None:
    for fill in (False, True):
        if fill:
            _fill(store)
            store.delete(hour(3), hour(50), {"project_id": "a"})
        before = everything(store), sums(store, ["time", "project_id"])
        found = list(store.diagnose(verify=verify))
        assert found
        assert [one for one in found if one.level is Level.ERROR] == []
        assert len({one.check for one in found}) == len(found)
        assert (everything(store), sums(store, ["time", "project_id"])) == before
