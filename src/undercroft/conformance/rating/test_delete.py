"""delete, replace and get_tenants."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs
from undercroft.conformance.rating.data import (
    ALWAYS,
    OpenStore,
    everything,
    foreign,
    frame,
    hour,
    of,
    point,
    quantities,
    quantity,
    same_points,
    same_rows,
    sums,
    table,
)
from undercroft.conformance.rating.oracle import Oracle
from undercroft.conformance.rows import rows
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.rating import BaseStorage, DataFrame


def _frames() -> list[DataFrame]:
    """Sixty hours of two projects; quantities tell the points apart."""
    return [
        DataFrame(
            hour(n),
            hour(n + 1),
            {
                "cpu": [point(n * 4 + 1, 1, {"project_id": "a", "id": "x"}, {"zone": "north"})],
                "disk": [
                    point(n * 4 + 2, 1, {"project_id": "b"}, {"zone": "south"}),
                    point(n * 4 + 3, 1, {"project_id": "b"}, {"zone": "north"}),
                ],
            },
        )
        for n in range(60)
    ]


def _groups(store: BaseStorage) -> list[list[str]]:
    calendars = [["time-d", "project_id"], ["time-m"]] if store.capabilities.group_calendar else []
    return [[], ["type"], ["project_id"], ["time"], ["zone", "type"], *calendars]


def _same_totals(store: BaseStorage, oracle: Oracle) -> None:
    for groupby in _groups(store):
        same_rows(sums(store, groupby), oracle.total(groupby, **ALWAYS), groupby)


@clause("R21")
@rows(
    ("begin", "end", "filters"),
    [
        (None, None, None),
        (None, None, {}),
        (hour(10), hour(30), None),
        (hour(10), hour(10), None),
        (hour(10), None, None),
        (None, hour(30), None),
        (hour(9.5), hour(10.5), None),
        (hour(0).replace(tzinfo=None), hour(24).replace(tzinfo=None), None),
        (None, None, {"project_id": "a"}),
        (hour(20), hour(40), {"project_id": ["a", "nobody"]}),
        (hour(20), None, {"project_id": "b", "zone": "north"}),
        (None, hour(40), {"zone": ["south"]}),
        (None, None, {"zone": ["south", "north"], "type": "disk"}),
        (hour(5), hour(50), {"type": ["cpu"]}),
        (None, None, {"type": "disk", "project_id": "a"}),
        (None, None, {"nobody": "a"}),
        (None, None, {"project_id": "a%"}),
        (None, None, {"project_id": []}),
        (hour(500), hour(600), None),
    ],
    empty="delete",
)
@assumes("filter_metadata")
def test_delete_takes_what_matches_and_nothing_else(
    store: BaseStorage, begin: dt.datetime | None, end: dt.datetime | None, filters: dict[str, Any] | None
) -> None:
    oracle = Oracle()
    for one in (store, oracle):
        one.push(_frames())
        one.delete(begin, end, filters)
    same_points(everything(store), oracle.retrieve())
    _same_totals(store, oracle)
    store.delete(begin, end, filters)
    same_points(everything(store), oracle.retrieve())


@clause("R21")
def test_delete_without_arguments_empties_the_store(store: BaseStorage) -> None:
    store.delete()
    store.push(_frames())
    assert store.delete() is None  # type: ignore[func-returns-value]
    assert everything(store) == []
    assert all(sums(store, groupby) == [] for groupby in _groups(store))
    assert store.get_tenants() == []
    store.push(_frames()[:2])
    assert quantity(store) == 24


@clause("R21")
@assumes("filter_metadata")
def test_begin_and_end_may_be_given_by_name(store: BaseStorage) -> None:
    store.push(_frames())
    store.delete(begin=hour(1), end=None, filters={"project_id": "a"})
    store.delete(end=hour(1))
    store.delete(filters={"zone": "north"})
    assert quantities(everything(store)) == [n * 4 + 2 for n in range(1, 60)]


@clause("R21")
@assumes("filter_metadata")
@needs("group_calendar")
def test_equal_points_are_deleted_together_or_by_their_metadata(store: BaseStorage) -> None:
    store.push([frame(0, *(point(2**n, 1, {"id": "x"}, {"part": n % 2}) for n in range(6)))])
    store.delete(filters={"part": 1})
    assert quantities(everything(store)) == [1, 4, 16]
    assert table(store, "time-d", "id") == {("61", "x"): 21}
    store.push([frame(0, point(5, 1, {"id": "x"}))])
    assert quantities(everything(store)) == [5]
    store.push([frame(0, point(6, 1, {"id": "x"}), point(7, 1, {"id": "x"}))])
    store.delete(filters={"id": "x"})
    assert everything(store) == []


@clause("R21")
@rows("text", ["'", "%", "*", "' OR '1'='1", "'; DELETE FROM x; --", "\x00", "\\", ""])
def test_a_hostile_filter_deletes_nothing_else(store: BaseStorage, text: str) -> None:
    store.push([frame(0, of("a", 1), of("b", 2, x="plain"))])
    store.delete(filters={"project_id": text})
    store.delete(filters={text: "a"})
    store.delete(filters={"x": [text]})
    assert quantity(store) == 3


@clause("R21")
@assumes("survives_restart")
def test_what_one_object_deletes_another_may_push_again(open_store: OpenStore) -> None:
    """An object must not trust what it remembers of a store that others change."""
    one, other = open_store(), open_store()
    for n in range(1, 4):
        one.push(_frames()[:5])
        other.push([frame(0, of("a", n, id="new"))])
        assert quantity(one) == quantity(other) == 150 + n
        other.delete()
        one.push([frame(0, of("c", n, id="c"))])
        assert table(other, "project_id") == table(one, "project_id") == {"c": n}
        one.delete()


@clause("R21")
def test_a_scope_is_reprocessed_as_cloudkitty_does(store: BaseStorage) -> None:
    """It deletes [start, end), then pushes every period from start to end, both included."""
    store.push(_frames())
    again = [DataFrame(hour(n), hour(n + 1), {"cpu": [of("a", 1000, id="x")]}) for n in range(10, 21)]
    store.delete(begin=hour(10).replace(tzinfo=None), end=hour(20).replace(tzinfo=None), filters={"project_id": "a"})
    for one in again:
        store.push([one], "a")
    found = [p for p in everything(store) if p.groupby["project_id"] == "a"]
    assert quantities(found) == [n * 4 + 1 for n in range(60) if not 10 <= n <= 20] + [1000] * 11
    assert table(store, "project_id")["b"] == sum(n * 8 + 5 for n in range(60))


# -- replace ---------------------------------------------------------------------------------------------------------


@clause("R22")
@needs("replace_atomic")
@rows(
    ("begin", "end", "filters"),
    [
        (hour(10), hour(20), {"project_id": "a"}),
        (None, None, None),
        (hour(5), None, {"zone": "north"}),
        (hour(500), hour(600), None),
        (hour(3), hour(3), None),
    ],
    empty="delete",
)
def test_replace_is_delete_and_push(
    store: BaseStorage, begin: dt.datetime | None, end: dt.datetime | None, filters: dict[str, Any] | None
) -> None:
    oracle = Oracle()
    fresh = [frame(n, of("a", 1000 + n, id="x"), of("a", 2000 + n, id="x"), of("c", 7)) for n in range(8, 25)]
    for one in (store, oracle):
        one.push(_frames())
        one.replace(begin, end, filters, fresh)
    same_points(everything(store), oracle.retrieve())
    _same_totals(store, oracle)


@clause("R22")
@needs("replace_atomic")
def test_replace_by_nothing_deletes(store: BaseStorage) -> None:
    store.push(_frames())
    store.replace(hour(0), hour(30), {"project_id": "a"}, [])
    assert min(p.start for p in everything(store, filters={"project_id": "a"})) == hour(30)
    store.replace(None, None, None, [])
    assert everything(store) == []


@clause("R22")
@needs("replace_atomic")
def test_a_refused_replace_changes_nothing(store: BaseStorage) -> None:
    store.push(_frames()[:5])
    before = everything(store)
    with pytest.raises(InvalidInput):
        store.replace(None, None, None, [frame(0, of("a")), frame(1, foreign(qty="NaN"))])
    with pytest.raises(InvalidInput):
        store.replace(hour(3), hour(1), None, [frame(0, of("a"))])
    same_points(everything(store), before)
    assert quantity(store) == sum(p.qty for p in before)


@clause("R22")
@needs("replace_atomic", "conflict_error")
def test_replace_where_keys_may_not_be_taken(open_store: OpenStore) -> None:
    store = open_store(on_conflict="error")
    store.push([frame(0, of("a", 1)), frame(1, of("a", 2))])
    store.replace(hour(0), hour(1), None, [frame(0, of("a", 10))])
    assert quantities(everything(store)) == [2, 10]
    with pytest.raises(Conflict):
        store.replace(hour(0), hour(1), None, [frame(0, of("a", 20)), frame(1, of("a", 20))])
    assert quantities(everything(store)) == [2, 10]
    assert quantity(store) == 12


# -- scopes ----------------------------------------------------------------------------------------------------------


@clause("R23")
def test_tenants_have_points_in_the_period(store: BaseStorage) -> None:
    assert store.get_tenants() == []
    store.push(
        [frame(0, of("b"), of("a"), of("a", id=2)), frame(1, of("c"), metric="disk"), frame(2, of("B"), point(1, 1, {"id": "x"}))]
    )
    assert store.get_tenants() == ["B", "a", "b", "c"]
    assert store.get_tenants(hour(0), hour(1)) == ["a", "b"]
    assert store.get_tenants(hour(1)) == ["B", "c"]
    assert store.get_tenants(None, hour(1)) == ["a", "b"]
    assert store.get_tenants(begin=hour(1), end=hour(1)) == []
    assert store.get_tenants(hour(3), hour(9)) == []


@clause("R23")
def test_tenants_that_are_gone(store: BaseStorage) -> None:
    store.push([frame(0, of("a"), of("b")), frame(1, of("a"))])
    store.delete(filters={"project_id": "b"})
    assert store.get_tenants() == ["a"]
    store.delete(end=hour(1))
    assert store.get_tenants() == ["a"]
    store.delete()
    assert store.get_tenants() == []


@clause("R23")
def test_tenants_are_texts_of_another_attribute_where_one_is_named(open_store: OpenStore) -> None:
    store = open_store(scope_key="account")
    store.push([frame(0, *(point(1, 1, {"account": value, "project_id": "p"}) for value in ("x", 7, "7", True, "\u00e9", "'")))])
    assert store.get_tenants() == ["'", "7", "True", "x", "\u00e9"]
