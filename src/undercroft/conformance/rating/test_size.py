"""Answers stay the same where there are many: series, days, points in a call, values, frames in a walk."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.rating.data import (
    ALWAYS,
    START,
    everything,
    flat,
    frame,
    hour,
    of,
    point,
    quantity,
    same_points,
    same_rows,
    sums,
    table,
)
from undercroft.conformance.rating.oracle import Oracle
from undercroft.rating import BaseStorage, DataFrame

DAY = dt.timedelta(days=1)
DAYS = 450
SERIES = 700


@pytest.fixture
def filled(store: BaseStorage) -> tuple[BaseStorage, Oracle]:
    """700 series on two days, eight of them each day for 450 days."""
    oracle = Oracle()
    many = [
        point(
            n,
            1,
            {"project_id": "few" if n % 100 == 0 else "many", "id": f"r{n}", "size": n % 3},
            {"zone": "north" if n % 2 else "south"},
        )
        for n in range(SERIES)
    ]
    frames = [frame(START + offset, *many) for offset in (dt.timedelta(0), 40 * DAY)]
    frames += [frame(START + n * DAY + dt.timedelta(hours=n % 24), *many[:8], metric="disk") for n in range(DAYS)]
    for one in (store, oracle):
        one.push(frames)
    return store, oracle


@clause("R11", "R12", "R17", "R18")
@promise("M2")
@needs("group_calendar")
@assumes("filter_metadata", "large_stores")
def test_many_series_and_many_days(filled: tuple[BaseStorage, Oracle]) -> None:
    store, oracle = filled
    asks: list[dict[str, Any]] = [
        {},
        {"filters": {"project_id": "many"}},
        {"filters": {"project_id": "few"}},
        {"filters": {"size": ["1", "2"]}},
        {"filters": {"size": 1, "project_id": "many"}, "metric_types": "cpu"},
        {"filters": {"zone": "north"}},
        {"filters": {"zone": "north", "project_id": "many"}},
        {"metric_types": ["disk"]},
        {"resource": ["r1", "r2", "r600"]},
        {"begin": hour(13), "end": hour(24 * 430.5)},
        {"begin": hour(13), "end": hour(24 * 430.5), "filters": {"project_id": "many"}},
        {"begin": hour(24 * 31), "end": hour(24 * 92), "filters": {"project_id": "few"}},
        {"begin": hour(24 * 3), "end": hour(24 * 4), "resource": "r7"},
    ]
    groups = [[], ["project_id", "type"], ["time-m", "size"], ["time-w", "type"], ["size"], ["time-d"], ["time-y"]]
    for number, arguments in enumerate(asks):
        bounds = {**ALWAYS, **arguments}
        wanted = oracle.retrieve(**bounds)
        chosen = Oracle()
        chosen.points = wanted
        for groupby in groups[number % 2 :: 2]:
            same_rows(sums(store, groupby, **arguments), chosen.total(groupby, bounds["begin"], bounds["end"]), groupby)
        found = everything(store, **arguments)
        same_points(found, wanted)
        assert flat(store.iter_frames(**bounds)) == found
        for offset in (0, len(found) // 2, max(0, len(found) - 7)):
            page = store.retrieve(**bounds, offset=offset, limit=7)
            assert page["total"] == len(found)
            assert flat(page["dataframes"]) == found[offset : offset + 7]


@clause("R21")
@promise("M2")
@needs("group_calendar")
@assumes("filter_metadata", "large_stores")
def test_deletes_where_there_are_many(filled: tuple[BaseStorage, Oracle]) -> None:
    store, oracle = filled
    for begin, end, filters in (
        (None, None, {"zone": "north", "size": 2}),
        (hour(24 * 5.5), hour(24 * 420), {"project_id": "many", "type": "disk"}),
        (None, hour(24 * 10), {"size": [0, 1]}),
        (hour(24 * 40), None, {"project_id": "many"}),
    ):
        for one in (store, oracle):
            one.delete(begin, end, filters)
        for groupby in ([], ["project_id", "size"], ["time-m", "type"], ["time-d"]):
            same_rows(sums(store, groupby), oracle.total(groupby, **ALWAYS), groupby)
        same_points(everything(store), oracle.retrieve())


@clause("R4", "R6")
@promise("C9")
@assumes("large_stores")
def test_many_points_in_one_call(store: BaseStorage) -> None:
    for factor in (1, 3):
        store.push([frame(n, *(of(f"p{m % 7}", factor, id=m) for m in range(3000))) for n in range(4)])
        assert quantity(store) == factor * 12_000
        assert sum(table(store, "project_id", "time").values()) == factor * 12_000
    assert store.retrieve(**ALWAYS, limit=1)["total"] == 12_000
    store.push([frame(n, *(of("p", 1) for _ in range(6000))) for n in range(2)])
    assert quantity(store, filters={"project_id": "p"}) == 12_000
    store.push([frame(n, of("p", 5)) for n in range(2)])
    assert quantity(store) == 36_010


@clause("R4", "R6")
@assumes("large_stores")
def test_many_periods_in_one_call(store: BaseStorage) -> None:
    frames = [frame(n, of("a", 1, n=n), metric=f"type{n % 10}") for n in range(6000)]
    for _ in range(2):
        store.push(frames)
        assert quantity(store) == 6000
        assert len(table(store, "time", "type", end=hour(700))) == 700
    store.delete(begin=hour(10))
    assert quantity(store) == 10


@clause("R14")
@pytest.mark.parametrize(("frames", "each"), [(60, 5), (60, 60), (1300, 1)])
def test_iter_frames_sees_one_moment(store: BaseStorage, frames: int, each: int) -> None:
    def batch(quantity: int) -> list[DataFrame]:
        return [frame(n, *(of("a", quantity, id=m) for m in range(each))) for n in range(frames)]

    store.push(batch(1))
    before = everything(store)
    walk = store.iter_frames(**ALWAYS, max_points=each)
    seen = [next(walk)]
    store.push(batch(7))
    store.push([frame(frames + 500, of("b", 1)), frame(-1, of("b", 1))])
    seen.append(next(walk))
    store.delete(begin=hour(frames / 2))
    seen += walk
    same_points(flat(seen), before)
    assert len(everything(store)) == frames * each // 2 + 1
