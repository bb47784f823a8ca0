"""Pages of points and of groups; the walk without pages."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.conformance.markers import clause, needs, promise
from undercroft.conformance.rating.data import ALWAYS, everything, flat, frame, hour, of, same_points, sums
from undercroft.conformance.rating.oracle import identity
from undercroft.conformance.rows import rows
from undercroft.rating import BaseStorage, DataFrame


@pytest.fixture
def filled(store: BaseStorage) -> BaseStorage:
    """28 points: equal ones, several types and lengths, pushed out of order."""
    store.push([frame(3, *(of("a", n, id="same") for n in range(7)))])
    store.push(
        [DataFrame(hour(n), hour(n + 1), {type_: [of("a", n), of("b", n)] for type_ in ("net", "cpu", "disk")}) for n in (2, 0, 1)]
    )
    store.push([frame(1, of("c", 1), end=hour(5)), frame(1, of("c", 1), end=hour(1.5)), frame(-9, of("\u00e9", 5, x=None))])
    return store


@clause("R10", "R11")
@promise("M2")
@rows("limit", [1, 2, 3, 4, 5, 7, 10, 26, 27, 28, 1000])
def test_pages_give_each_point_once(filled: BaseStorage, limit: int) -> None:
    whole = everything(filled)
    walked, offset = [], 0
    while True:
        answer = filled.retrieve(**ALWAYS, offset=offset, limit=limit)
        assert answer["total"] == 28 == len(whole)
        page = flat(answer["dataframes"])
        assert len(page) == min(limit, max(0, len(whole) - offset))
        bounds = [(one.start, one.end) for one in answer["dataframes"]]
        assert bounds == sorted(set(bounds))
        walked += page
        offset += limit
        if not page:
            break
    assert [identity(list(p)) for p in walked] == [identity(list(p)) for p in whole]


@clause("R10", "R11")
@rows("offset", [0, 1, 6, 13, 27])
def test_any_page_of_the_walk(filled: BaseStorage, offset: int) -> None:
    whole = everything(filled)
    for limit in (1, 5, 28):
        page = filled.retrieve(**ALWAYS, offset=offset, limit=limit)
        same_points(flat(page["dataframes"]), whole[offset : offset + limit])


@clause("R11")
@rows("offset", [28, 29, 10_000, 2**31, 2**63 - 1])
def test_an_offset_past_the_end(filled: BaseStorage, offset: int) -> None:
    assert filled.retrieve(**ALWAYS, offset=offset) == {"total": 28, "dataframes": []}
    assert filled.total(**ALWAYS, groupby=["type"], offset=offset) == {"total": 3, "results": []}
    assert filled.total(**ALWAYS, offset=offset) == {"total": 1, "results": []}


@clause("R10", "R19")
def test_a_limit_of_nothing(filled: BaseStorage) -> None:
    assert filled.retrieve(**ALWAYS, limit=0) == {"total": 28, "dataframes": []}
    assert filled.total(["type"], **ALWAYS, limit=0) == {"total": 3, "results": []}
    assert filled.retrieve(**ALWAYS, limit=2**63 - 1)["total"] == 28


@clause("R10")
def test_nothing_found(filled: BaseStorage) -> None:
    assert filled.retrieve(hour(500), hour(600)) == {"total": 0, "dataframes": []}
    assert filled.retrieve(**ALWAYS, filters={"project_id": "nobody"}, offset=3) == {"total": 0, "dataframes": []}
    assert filled.retrieve(**ALWAYS, metric_types="nobody", paginate=False) == {"total": 0, "dataframes": []}
    assert list(filled.iter_frames(hour(500), hour(600))) == []


@clause("R10")
def test_paginate_false_ignores_offset_and_limit(filled: BaseStorage) -> None:
    answer = filled.retrieve(**ALWAYS, offset=20, limit=2, paginate=False)
    assert answer["total"] == len(flat(answer["dataframes"])) == 28
    answer = filled.total(["time", "type"], **ALWAYS, offset=20, limit=2, paginate=False)
    assert answer["total"] == len(answer["results"]) == 13


@clause("R10", "R12")
@rows("limit", [1, 3, 100])
def test_pages_of_a_filtered_walk(filled: BaseStorage, limit: int) -> None:
    arguments: dict[str, Any] = {
        "begin": hour(0),
        "end": hour(3),
        "filters": {"project_id": ["a", "c"]},
        "metric_types": ["cpu", "net"],
    }
    whole = everything(filled, **arguments)
    assert len(whole) == 8
    walked = []
    for offset in range(0, 9, limit):
        answer = filled.retrieve(**arguments, offset=offset, limit=limit)
        assert answer["total"] == 8
        walked += flat(answer["dataframes"])
    same_points(walked, whole)


@clause("R10")
def test_a_default_page_is_a_thousand_points(store: BaseStorage) -> None:
    store.push([frame(n, *(of("a", 1, id=m) for m in range(21))) for n in range(50)])
    first, second = store.retrieve(**ALWAYS), store.retrieve(**ALWAYS, offset=1000)
    assert [answer["total"] for answer in (first, second)] == [1050, 1050]
    assert [len(flat(answer["dataframes"])) for answer in (first, second)] == [1000, 50]
    same_points(flat(first["dataframes"]) + flat(second["dataframes"]), everything(store))


@clause("R19")
@promise("M2")
@pytest.mark.parametrize(
    "groupby",
    [
        ["project_id"],
        ["type", "time"],
        ["time", "type"],
        ["x", "project_id"],
        pytest.param(["time-d", "type", "id"], marks=needs("group_calendar")),
    ],
)
@rows("limit", [1, 2, 5, 100])
def test_pages_give_each_group_once(filled: BaseStorage, groupby: list[str], limit: int) -> None:
    whole = sums(filled, groupby)
    walked: list[dict[str, Any]] = []
    for offset in range(0, len(whole) + limit, limit):
        answer = filled.total(groupby, **ALWAYS, offset=offset, limit=limit)
        assert answer["total"] == len(whole)
        walked += answer["results"]
    assert [identity(row) for row in walked] == [identity(row) for row in whole]


@clause("R19")
def test_groups_whose_texts_are_equal_come_once_each(store: BaseStorage) -> None:
    values: list[Any] = [1, "1", True, "True", 1.0, "1.0", None, "None", "", [1], "[1]"]
    store.push([frame(0, *(of("a", 1, x=value) for value in values))])
    pages = [store.total(["x"], **ALWAYS, offset=n, limit=1) for n in range(len(values))]
    assert {identity(page["results"][0]["x"]) for page in pages} == {identity(value) for value in values}


@clause("R19")
def test_a_default_page_is_a_thousand_groups(store: BaseStorage) -> None:
    store.push([frame(0, *(of("a", n, id=f"{n:04}") for n in range(1007)))])
    answer = store.total(["id"], **ALWAYS)
    assert answer["total"] == 1007
    assert [row["id"] for row in answer["results"]] == [f"{n:04}" for n in range(1000)]
    assert len(sums(store, ["id"])) == 1007


# -- iter_frames -----------------------------------------------------------------------------------------------------


@clause("R14")
@rows("max_points", [1, 2, 3, 6, 7, 10_000])
def test_iter_frames_gives_what_retrieve_gives(filled: BaseStorage, max_points: int) -> None:
    frames = list(filled.iter_frames(**ALWAYS, max_points=max_points))
    assert [identity(list(p)) for p in flat(frames)] == [identity(list(p)) for p in everything(filled)]
    assert all(len(list(one.iterpoints())) <= max_points for one in frames)
    if max_points >= 7:
        assert [one.as_dict() for one in frames] == [
            one.as_dict() for one in filled.retrieve(**ALWAYS, paginate=False)["dataframes"]
        ]
    chosen: dict[str, Any] = {"begin": hour(1), "end": hour(4), "filters": {"project_id": "a"}, "metric_types": ["cpu", "net"]}
    same_points(flat(filled.iter_frames(**chosen, max_points=max_points)), everything(filled, **chosen))


@clause("R14")
def test_a_walk_that_is_given_up(filled: BaseStorage) -> None:
    for _ in range(30):
        walk = filled.iter_frames(**ALWAYS)
        next(walk)
        walk.close()  # type: ignore[attr-defined]
    filled.push([frame(0, of("z", 1))])
    assert len(everything(filled)) == 29


@clause("R11")
def test_frames_are_by_start_and_end(store: BaseStorage) -> None:
    minute = dt.timedelta(minutes=1)
    store.push([frame(n, of("a", 1), length=k * minute) for n in (2, 0, 1) for k in (3, 1, 2)])
    bounds = [(one.start, one.end) for one in store.retrieve(**ALWAYS)["dataframes"]]
    assert bounds == [(hour(n), hour(n) + k * minute) for n in range(3) for k in (1, 2, 3)]
