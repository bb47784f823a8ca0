"""push: all or nothing, replacement by the series key, several equal points in one call."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.rating.data import (
    OpenStore,
    everything,
    flat,
    foreign,
    frame,
    hour,
    of,
    point,
    quantities,
    quantity,
    same_points,
    sums,
    table,
)
from undercroft.conformance.rows import rows
from undercroft.core.errors import Conflict, WrongType
from undercroft.rating import BaseStorage, DataFrame

pytestmark = essential


@clause("R4")
def test_what_was_pushed_comes_back(store: BaseStorage) -> None:
    first = point("12.5", "0.0125", {"project_id": "p", "id": "r", "flavor_id": "m1"}, {"name": "web", "az": "north"}, unit="GiB")
    second = point(3, 7, {"project_id": "q"}, {}, unit="instance")
    frames = [DataFrame(hour(0), hour(1), {"cpu": [first], "disk": [second]}), frame(1, first)]
    store.push(frames)
    same_points(everything(store), flat(frames))


@clause("R4")
@assumes("survives_restart")
def test_what_was_pushed_is_there_for_another_object(store: BaseStorage, open_store: OpenStore) -> None:
    store.push([frame(0, of("a", 2))])
    store.close()
    assert quantity(open_store(init=False)) == 2


@clause("R5")
@rows("frames", [[], [frame(0)], [DataFrame(hour(0), hour(1))], [frame(0), frame(1)], ()])
def test_nothing_to_push(store: BaseStorage, frames: list[DataFrame]) -> None:
    store.push(frames)
    assert everything(store) == []
    assert sums(store) == []


@clause("R5")
def test_a_frame_without_points_replaces_nothing(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 2))])
    store.push([frame(0)])
    assert quantity(store) == 2


@clause("R5")
def test_frames_are_not_changed(store: BaseStorage) -> None:
    given = [frame(0, of("a", "1.50", 2), point(1, 1, {"year": "2024", "x": [1]}, {"m": {"k": None}})), frame(0, of("a"))]
    before = [one.as_dict() for one in given]
    store.push(given)
    store.push(given)
    assert [one.as_dict() for one in given] == before


@clause("R5")
def test_an_iterator_of_frames(store: BaseStorage) -> None:
    store.push(frame(n, of("a")) for n in range(3))
    assert quantity(store) == 3


@clause("R4")
def test_scope_id_stores_and_filters_nothing(store: BaseStorage) -> None:
    store.push([frame(0, of("a"))], "another scope")
    store.push([frame(1, of("b"))], scope_id=None)
    assert table(store, "project_id") == {"a": 1, "b": 1}
    assert store.get_tenants() == ["a", "b"]


@clause("R4")
def test_frames_of_many_scopes_types_and_periods_in_one_call(store: BaseStorage) -> None:
    frames = [
        DataFrame(hour(n), hour(n + 1), {type_: [of(project, n + 1, id=f"r{n}") for project in "abc"] for type_ in ("cpu", "disk")})
        for n in range(5)
    ]
    store.push(frames)
    assert table(store, "project_id", "type") == {(project, type_): 15 for project in "abc" for type_ in ("cpu", "disk")}


# -- replacement -----------------------------------------------------------------------------------------------------


@clause("R6")
@promise("C9")
@needs("group_calendar")
def test_pushing_a_period_again_adds_nothing_up(store: BaseStorage) -> None:
    frames = [frame(n, of("a", 2, id="x"), of("a", 3, id="y"), of("b", 5)) for n in range(3)]
    for _ in range(3):
        store.push(frames)
    for one in reversed(frames):
        store.push([one])
    assert quantity(store) == 30
    assert len(everything(store)) == 9
    assert table(store, "time-m") == {"3": 30}


@clause("R6")
@promise("C9")
@rows("change", [{"metadata": {"name": "new"}}, {"metadata": {}}, {"unit": "MiB"}, {"qty": 9}, {"price": 9}], empty="delete")
def test_unit_metadata_and_numbers_are_not_in_the_key(store: BaseStorage, change: dict[str, object]) -> None:
    original = {"qty": 1, "price": 1, "groupby": {"id": "r"}, "metadata": {"name": "old"}, "unit": "GiB"}
    replaced = frame(0, point(**{**original, **change}))  # type: ignore[arg-type]
    store.push([frame(0, point(**original))])  # type: ignore[arg-type]
    store.push([replaced])
    same_points(everything(store), flat([replaced]))
    assert sums(store)[0]["rate"] == next(replaced.iterpoints())[1].price


@clause("R6")
@promise("C9")
@rows("again", [1, 2, 3, 5], empty="delete")
@needs("group_calendar")
def test_fewer_or_more_equal_points_replace_all_of_them(store: BaseStorage, again: int) -> None:
    store.push([frame(0, of("a", 1), of("a", 2), of("a", 4))])
    store.push([frame(0, *(of("a", 10 * (n + 1)) for n in range(again)))])
    assert quantities(everything(store)) == [10 * (n + 1) for n in range(again)]
    assert quantity(store) == sum(10 * (n + 1) for n in range(again))
    assert table(store, "time-d", "project_id") == {("61", "a"): quantity(store)}


@clause("R6")
def test_only_the_pushed_keys_are_replaced(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1), of("b", 2)), frame(1, of("a", 4)), frame(0, of("a", 8), metric="disk")])
    store.push([frame(0, of("a", 100))])
    assert quantities(everything(store)) == [2, 4, 8, 100]


@clause("R6")
@rows(
    ("left", "right"),
    [
        ({"x": 1}, {"x": "1"}),
        ({"x": 1}, {"x": 1.0}),
        ({"x": 1}, {"x": True}),
        ({"x": None}, {}),
        ({"x": ""}, {}),
        ({"x": None}, {"x": "None"}),
        ({"x": [1, 2]}, {"x": [2, 1]}),
        ({"x": {"k": 1}}, {"x": {"k": "1"}}),
        ({"x": "a"}, {"x": "A"}),
        ({"x": "a"}, {"x": "a "}),
        ({"x": "\u00e9"}, {"x": "e\u0301"}),
        ({"x": "a", "y": "b"}, {"x": "b", "y": "a"}),
        ({"x": "a|y=b"}, {"x": "a", "y": "b"}),
        ({"year": "2024"}, {}),
        ({"year": "2024"}, {"year": 2024}),
        ({"month": "3"}, {"month": "03"}),
        ({"year": "2024", "month": "3"}, {"year": "2024"}),
    ],
    empty="delete",
)
def test_keys_that_differ_only_a_little(store: BaseStorage, left: dict[str, object], right: dict[str, object]) -> None:
    store.push([frame(0, point(1, 0, left))])
    store.push([frame(0, point(2, 0, right))])
    assert quantities(everything(store)) == [1, 2]


@clause("R6")
def test_the_order_of_attributes_is_not_in_the_key(store: BaseStorage) -> None:
    store.push([frame(0, point(1, 0, {"x": {"a": 1, "b": 2}, "y": "2", "year": "2024"}))])
    store.push([frame(0, point(7, 0, {"year": "2024", "y": "2", "x": {"b": 2, "a": 1}}))])
    assert quantities(everything(store)) == [7]


@clause("R6")
def test_the_frames_end_is_in_the_key(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1))])
    store.push([frame(0, of("a", 2), end=hour(2))])
    assert quantities(everything(store)) == [1, 2]
    store.push([frame(0, of("a", 5), end=hour(2))])
    assert quantities(everything(store)) == [1, 5]


@clause("R6")
def test_the_same_instant_in_another_zone_is_the_same_key(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1))])
    east = dt.timezone(dt.timedelta(hours=5, minutes=30))
    store.push([DataFrame(hour(0).astimezone(east), hour(1).replace(tzinfo=None), {"cpu": [of("a", 2)]})])
    assert quantities(everything(store)) == [2]


@clause("R6")
@needs("group_calendar")
def test_late_data_joins_what_is_there(store: BaseStorage) -> None:
    for n in (5, 30, 0, 800, 2, 29):
        store.push([frame(n, of("a", n + 1))])
    assert quantity(store) == 872
    assert [p.start for p in everything(store)] == [hour(n) for n in (0, 2, 5, 29, 30, 800)]
    assert table(store, "time-m") == {"3": 71, "4": 801}
    assert table(store, "time-d") == {"61": 10, "62": 61, "94": 801}


@clause("R6")
def test_deleted_keys_may_be_pushed_again(store: BaseStorage) -> None:
    for _ in range(3):
        store.push([frame(0, of("a", 3)), frame(1, of("b", 4))])
        store.delete()
        assert sums(store) == []
    store.push([frame(0, of("a", 5))])
    assert table(store, "project_id") == {"a": 5}


# -- equal keys in one call ------------------------------------------------------------------------------------------


@clause("R7")
def test_equal_keys_in_a_frame_are_several_points(store: BaseStorage) -> None:
    frames = [frame(0, of("a", 1), of("a", 1), of("a", 2))]
    store.push(frames)
    same_points(everything(store), flat(frames))
    assert quantity(store) == 4


@clause("R7")
def test_equal_keys_in_two_frames_of_a_call_are_several_points(store: BaseStorage) -> None:
    frames = [frame(0, of("a", 1)), frame(1, of("a", 2)), frame(0, of("a", 4), of("a", 8)), frame(0, of("a", 1))]
    for _ in range(2):
        store.push(frames)
        same_points(everything(store), sorted(flat(frames), key=lambda p: p[:3]))
    assert quantity(store) == 16


@clause("R4", "R7")
def test_points_with_the_same_metadata_keep_their_own_unit(store: BaseStorage) -> None:
    units = ["GiB", "MiB", "GiB", None]
    frames = [frame(0, *(point(n, 1, {"id": n}, {"name": "web"}, unit=unit) for n, unit in enumerate(units)))]  # type: ignore[arg-type]
    for _ in range(2):
        store.push(frames)
        found = {p.groupby["id"]: p.unit for p in everything(store)}
        assert found == {n: unit or "undefined" for n, unit in enumerate(units)}


@clause("R7")
def test_equal_keys_with_other_metadata_keep_it_each(store: BaseStorage) -> None:
    frames = [frame(0, *(point(n, n, {"id": "r"}, {"part": n}, unit=f"u{n}") for n in range(4)))]
    store.push(frames)
    same_points(everything(store), flat(frames))


# -- on_conflict -----------------------------------------------------------------------------------------------------


@clause("R6")
@needs("conflict_append")
def test_append_adds_to_the_key(open_store: OpenStore) -> None:
    store = open_store(on_conflict="append")
    for n in range(1, 4):
        store.push([frame(0, of("a", n), of("a", n)), frame(n, of("b", n))])
    assert quantities(everything(store)) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert table(store, "project_id") == {"a": 12, "b": 6}


@clause("R6")
@needs("conflict_append")
@assumes("survives_restart")
def test_what_was_appended_is_replaced_as_a_whole(open_store: OpenStore) -> None:
    store = open_store(on_conflict="append")
    store.push([frame(0, of("a", 1))])
    store.push([frame(0, of("a", 2))])
    open_store(on_conflict="replace").push([frame(0, of("a", 7))])
    assert quantities(everything(store)) == [7]
    assert quantity(store) == 7


@clause("R6")
@needs("conflict_error")
def test_error_refuses_a_key_that_is_there_and_stores_nothing(open_store: OpenStore) -> None:
    store = open_store(on_conflict="error")
    store.push([frame(0, of("a", 1), of("a", 2))])
    before = everything(store)
    with pytest.raises(Conflict):
        store.push([frame(5, of("b", 1)), frame(0, of("a", 9))])
    same_points(everything(store), before)
    assert table(store, "project_id") == {"a": 3}
    store.push([frame(0, of("b", 1)), frame(0, of("a", 1), metric="disk"), frame(1, of("a", 1))])
    assert quantity(store) == 6


@clause("R6")
@needs("conflict_error")
def test_error_lets_equal_keys_of_one_call_in(open_store: OpenStore) -> None:
    store = open_store(on_conflict="error")
    store.push([frame(0, of("a", 1)), frame(0, of("a", 2))])
    assert quantity(store) == 3


@clause("R6")
@needs("conflict_error")
def test_error_takes_a_key_whose_points_were_deleted(open_store: OpenStore) -> None:
    store = open_store(on_conflict="error")
    store.push([frame(0, of("a", 1))])
    store.delete()
    store.push([frame(0, of("a", 2))])
    assert quantity(store) == 2


# -- frames of another class -----------------------------------------------------------------------------------------


class ForeignFrame:
    """A host's own frame."""

    def __init__(self, *points: Any) -> None:
        self.start, self.end = hour(0), hour(1)
        self._points = list(points)

    def iterpoints(self) -> Any:
        return (("cpu", point) for point in self._points)

    def itertypes(self) -> Any:
        return iter([("cpu", self._points)])


@clause("R5")
def test_frames_of_another_class(store: BaseStorage) -> None:
    given: Any = ForeignFrame(foreign(unit=None, qty=Decimal("1.5"), price=3), foreign(unit="", qty="2", price=0.121))
    store.push([given])
    found = everything(store)
    assert [(p.unit, p.qty, p.price) for p in found] == [("undefined", Decimal("1.5"), 3), ("undefined", 2, Decimal("0.121"))]
    assert all(type(number) is Decimal for p in found for number in (p.qty, p.price))
    assert [p.groupby for p in found] == [{"project_id": "p", "id": "r"}] * 2


@clause("R5")
@rows("missing", ["unit", "qty", "price", "groupby", "metadata"])
def test_a_point_that_lacks_a_field(store: BaseStorage, missing: str) -> None:
    incomplete = foreign()
    delattr(incomplete, missing)
    with pytest.raises(WrongType, match=missing) as caught:
        store.push([frame(0, of("a")), frame(1, point(), incomplete)])
    assert caught.value.field.startswith("dataframes[1]")
    assert everything(store) == []


@clause("R5")
def test_a_price_set_without_conversion(store: BaseStorage) -> None:
    store.push([frame(0, point(1, 0).set_price(5), point(1, 0).set_price("0.25"), point(1, 0).set_price(0.1))])
    assert sums(store)[0]["rate"] == Decimal("5.35")
