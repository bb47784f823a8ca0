"""Filters, metric types and resources: all names, any value, as text, never interpreted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause
from undercroft.conformance.rating.data import OpenStore, everything, frame, hour, of, point, quantities, quantity, table
from undercroft.conformance.rating.test_values import NAMES, VALUES
from undercroft.conformance.rows import rows
from undercroft.rating import BaseStorage


@pytest.fixture
def filled(store: BaseStorage) -> BaseStorage:
    """Eight points whose quantities are powers of two."""
    store.push(
        [
            frame(0, point(1, 1, {"project_id": "a", "size": "m"}, {"zone": "north"})),
            frame(0, point(2, 1, {"project_id": "a", "size": "l"}, {"zone": "south"}), metric="disk"),
            frame(1, point(4, 1, {"project_id": "b", "size": "m"}, {"zone": "north"})),
            frame(1, point(8, 1, {"project_id": "b"}, {"zone": "south", "size": "m"}), metric="disk"),
            frame(2, point(16, 1, {"project_id": "c", "zone": "north"}, {})),
            frame(2, point(32, 1, {}, {"project_id": "c", "zone": "north"}), metric="net"),
            frame(3, point(64, 1, {"project_id": "a", "zone": "south"}, {"zone": "north"})),
            frame(3, point(128, 1, {"zone": ""}, {"zone": None})),
        ]
    )
    return store


@clause("R12")
@assumes("filter_metadata")
@rows(
    ("filters", "wanted"),
    [
        (None, 255),
        ({}, 255),
        ({"project_id": "a"}, 67),
        ({"project_id": ["a"]}, 67),
        ({"project_id": ["a", "b"]}, 79),
        ({"project_id": ("a", "b", "a")}, 79),
        ({"project_id": "c"}, 48),
        ({"size": "m"}, 13),
        ({"zone": "north"}, 117),
        ({"zone": "south"}, 74),
        ({"zone": ["north", "south"]}, 127),
        ({"zone": ""}, 128),
        ({"zone": "None"}, 128),
        ({"zone": None}, 128),
        ({"project_id": "a", "zone": "north"}, 65),
        ({"project_id": ["a", "b"], "zone": "south", "size": "m"}, 8),
        ({"project_id": ["a", "b"], "size": ["m", "l"], "zone": ["north", "south"]}, 15),
        ({"project_id": "a", "size": "x"}, 0),
        ({"project_id": "A"}, 0),
        ({"project_id": "a "}, 0),
        ({"Project_id": "a"}, 0),
        ({"project_id": ""}, 0),
        ({"project_id": []}, 0),
        ({"project_id": "a", "nobody": []}, 0),
        ({"nobody": "a"}, 0),
        ({"nobody": None}, 0),
        ({"nobody": ""}, 0),
        ({"type": "cpu"}, 213),
        ({"type": ["disk", "net"]}, 42),
        ({"type": "cpu", "project_id": "a"}, 65),
        ({"type": "CPU"}, 0),
        ({"type": "nobody"}, 0),
        ({"type": []}, 0),
    ],
)
def test_all_names_and_any_value(filled: BaseStorage, filters: dict[str, Any] | None, wanted: int) -> None:
    points = everything(filled, filters=filters)
    assert sum(p.qty for p in points) == wanted
    assert quantity(filled, filters=filters) == wanted
    assert sum(table(filled, "type", "time", "project_id", filters=filters).values()) == wanted
    if filled.capabilities.group_calendar:
        assert sum(table(filled, "time-m", filters=filters).values()) == wanted


@clause("R12")
@rows(
    ("types", "filters", "wanted"),
    [
        (None, None, 255),
        ([], None, 255),
        ("", None, 255),
        ("cpu", None, 213),
        (["cpu"], None, 213),
        (["cpu", "net"], None, 245),
        (["cpu", "cpu", "nobody"], None, 213),
        ("nobody", None, 0),
        ("c%", None, 0),
        (["cpu", "disk"], {"type": ["disk", "net"]}, 10),
        ("cpu", {"type": "disk"}, 0),
        ("disk", {"project_id": "b"}, 8),
    ],
)
def test_metric_types(filled: BaseStorage, types: Any, filters: dict[str, Any] | None, wanted: int) -> None:
    assert sum(p.qty for p in everything(filled, metric_types=types, filters=filters)) == wanted
    assert quantity(filled, metric_types=types, filters=filters) == wanted
    assert sum(table(filled, "project_id", "time", metric_types=types, filters=filters).values()) == wanted
    if filled.capabilities.group_calendar:
        assert sum(table(filled, "project_id", "time-d", metric_types=types, filters=filters).values()) == wanted


@clause("R12")
def test_type_is_the_metric_type_even_where_an_attribute_has_that_name(store: BaseStorage) -> None:
    store.push([frame(0, point(1, 1, {"type": "disk"}, {"type": "disk"})), frame(0, point(2, 1, {"type": "cpu"}), metric="disk")])
    assert quantity(store, filters={"type": "disk"}) == 2
    assert table(store, "type") == {"cpu": 1, "disk": 2}


@clause("R12")
@assumes("filter_metadata")
def test_values_compare_as_text(store: BaseStorage) -> None:
    """A filter finds exactly the values whose text is the same, in groupby and in metadata."""
    store.push([frame(0, *(point(n, 0, {"n": n, "g": value}, {"m": value}) for n, value in enumerate(VALUES)))])
    for value in VALUES:
        if isinstance(value, list):
            continue
        wanted = [n for n, other in enumerate(VALUES) if str(other) == str(value)]
        assert quantities(everything(store, filters={"g": value})) == wanted, value
        assert quantities(everything(store, filters={"m": str(value)})) == wanted, value
        assert quantity(store, filters={"g": [str(value)]}) == sum(wanted), value


@clause("R12")
@rows(
    ("stored", "asked", "found"),
    [
        (True, "True", True),
        (True, "true", False),
        (True, True, True),
        (True, 1, False),
        (1, "1", True),
        (1, "1.0", False),
        (1.0, "1.0", True),
        (1.0, 1, False),
        ("1", 1, True),
        (1e16, "1e+16", True),
        (None, "None", True),
        ([1, "a"], "[1, 'a']", True),
        ({"k": 1}, "{'k': 1}", True),
    ],
    empty="delete",
)
def test_text_of_values(store: BaseStorage, stored: Any, asked: Any, found: bool) -> None:
    store.push([frame(0, point(1, 1, {"x": stored}))])
    assert bool(everything(store, filters={"x": asked})) is found


@clause("R12")
@rows(
    "hostile",
    [
        "'", '"', "''", "\\", "\\'", "%", "_", "*", "?", "a%", "%a%", "a_c", "a*", ".*", "[a-c]", "' OR '1'='1",
        "'; DROP TABLE x; --", "\x00", "abc\x00", "\n", "\U0001f600", "$ne", "{'$ne': 1}", "a OR b", "a AND NOT b", "field:abc",
        "(abc)", "abc~", "null", "\\x61", "%(x)s", ":x", "$1", "?1", "{}", "|", "abc|", "a,b", "ABC", "abc ", " abc", "\u0430bc",
    ], empty="delete")  # fmt: skip
def test_values_are_data(store: BaseStorage, hostile: str) -> None:
    """Beside it lies what a pattern, a quote or a fold of case would match."""
    others = [text for text in ("abc", "a", "aXc", "1", "", hostile * 2) if text != hostile]
    store.push([frame(0, of("p", 1, x=hostile), *(of("p", 100, x=text) for text in others))])
    assert quantity(store, filters={"x": hostile}) == 1
    assert table(store, "x", filters={"x": [hostile, "no one"]}) == {hostile: 1}
    assert [p.groupby["x"] for p in everything(store, filters={"x": hostile})] == [hostile]
    store.delete(filters={"x": hostile})
    assert quantity(store) == 100 * len(others)


@clause("R12")
@assumes("filter_metadata")
def test_names_are_data(store: BaseStorage) -> None:
    names = [name for name in NAMES if name != "type"]
    store.push([frame(0, *(point(n, 0, {name: "v"}) for n, name in enumerate(names)))])
    store.push([frame(1, *(point(1000 + n, 0, {"n": n}, {name: "v"}) for n, name in enumerate(names)))])
    for n, name in enumerate(names):
        assert quantities(everything(store, filters={name: "v"})) == [n, 1000 + n], name
        assert quantities(everything(store, filters={name: "w"})) == [], name


@clause("R12")
@assumes("filter_metadata")
def test_the_same_name_in_groupby_and_metadata(store: BaseStorage) -> None:
    store.push([frame(0, point(1, 1, {"x": "g"}, {"x": "m"}))])
    assert quantity(store, filters={"x": "g"}) == 1
    assert quantity(store, filters={"x": "m"}) == 1
    assert len(everything(store, filters={"x": ["g", "m"]})) == 1
    assert table(store, "x") == {"g": 1}


@clause("R12")
def test_arguments_are_not_changed(filled: BaseStorage) -> None:
    filters = {"project_id": ["b", "a", "b"], "type": ["cpu"], "zone": "north"}
    types, groups, resources = ["disk", "cpu"], ["time", "type", "type"], ["z", "y"]
    before = copy.deepcopy((filters, types, groups, resources))
    filled.retrieve(hour(0), hour(9), filters, types, resource=resources)
    filled.total(groups, hour(0), hour(9), types, filters, resource=resources)
    list(filled.iter_frames(hour(0), hour(9), filters, types, resource=resources))
    filled.delete(hour(8), hour(9), filters)
    if filled.capabilities.replace_atomic:
        filled.replace(hour(8), hour(9), filters, [])
    assert (filters, types, groups, resources) == before


@clause("R12")
def test_many_values_of_one_name(store: BaseStorage) -> None:
    store.push([frame(0, *(of("p", 1, n=str(n)) for n in range(200)))])
    assert quantity(store, filters={"n": [str(n) for n in range(100, 300)]}) == 100


# -- resources -------------------------------------------------------------------------------------------------------


@clause("R12")
@assumes("filter_metadata")
def test_a_resource_by_any_of_its_names(store: BaseStorage) -> None:
    store.push(
        [
            frame(0, point(1, 1, {"id": "x"}), point(2, 1, {"resource_id": "x"}), point(4, 1, {}, {"id": "x"})),
            frame(1, point(8, 1, {"id": "y"}, {"resource_id": "x"}), point(16, 1, {"id": "y"}), point(32, 1, {"name": "x"})),
            frame(2, point(64, 1, {"id": 7})),
        ]
    )
    assert quantity(store, resource="x") == 15
    assert quantity(store, resource=["x", "y"]) == 31
    assert quantity(store, resource="7") == 64
    assert quantity(store, resource="nobody") == 0
    assert quantity(store, resource=[]) == 0
    assert quantity(store, resource="x", filters={"id": "y"}) == 8
    assert table(store, "type", "id", resource="x") == {("cpu", "x"): 1, ("cpu", ""): 6, ("cpu", "y"): 8}
    assert quantities(everything(store, resource="x", end=hour(1))) == [1, 2, 4]
    assert sum(len(list(one.iterpoints())) for one in store.iter_frames(hour(0), hour(9), resource=["y", "x"])) == 5


@clause("R12")
@assumes("filter_metadata")
def test_the_names_of_a_resource_are_an_option(open_store: OpenStore) -> None:
    store = open_store(resource_keys=["server", "volume"])
    store.push([frame(0, point(1, 1, {"server": "x"}), point(2, 1, {"id": "x"}), point(4, 1, {}, {"volume": "x"}))])
    assert quantity(store, resource="x") == 5
