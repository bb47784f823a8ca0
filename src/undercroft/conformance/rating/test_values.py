"""Attributes: any key, any value, back with the same type; calendar attributes as the collector wrote them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs
from undercroft.conformance.rating.data import everything, flat, foreign, frame, hour, of, point, same_points, sums, table
from undercroft.conformance.rating.oracle import identity
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating import BaseStorage, DataFrame, DataPoint

VALUES: list[Any] = [
    "text", "", " ", "1", "1.0", "True", "None", "null", '"', "'", "''", "\\", "\\\\", "%", "_", "*", "?", ";", "--", "/*", "\n",
    "\r\n", "\t", "\x00", "a\x00b", "\x7f", "|", ",", ":", "{}", "[]", "$where", "$1", ":x", "%s", "{0}",
    "'; DROP TABLE points; --", "' OR '1'='1", "\u00e9", "e\u0301", "\u65e5\u672c", "\U0001f600", "\u202e", "\ufeff", "\uffff",
    "\U0010ffff", 1, 0, -1, 2**53 + 1, 2**63, -(2**63), 2**64, 2**100, 1.0, 0.1, -0.5, 1e300, 5e-324, 1e16, True, False, None, [],
    [1, "1", 1.0, True, None], {}, {"k": "v"}, {"a": {"b": [{"c": None}]}}, [[[]]], {"": 0}, {"1": 1}, ["\x00"],
]  # fmt: skip
NAMES = [
    "type", "unit", "qty", "price", "rate", "time", "start", "end", "begin", "groupby", "metadata", "vol", "usage", "id", "_id",
    "rowid", "select", "a b", "a.b", "$a", "a$b", "a-b", "time-d", "time-x-y", "'", '"', "`", "\\", "%", "_", "*", "|", ",", ":",
    "?", ";", "\n", "\x00", "", " ", "A", "a", "\u00e9", "e\u0301", "\u65e5\u672c", "\U0001f600", "x" * 255, "\U0001f600" * 255,
]  # fmt: skip


@clause("R4", "R6")
def test_every_value_comes_back_with_its_type(store: BaseStorage) -> None:
    frames = [frame(0, *(point(n, 0, {"n": n, "x": value}, {"x": value}) for n, value in enumerate(VALUES)))]
    store.push(frames)
    same_points(everything(store), flat(frames))
    store.push(frames)
    same_points(everything(store), flat(frames))


@clause("R4", "R6")
def test_every_name_comes_back(store: BaseStorage) -> None:
    frames = [frame(0, *(point(n, 0, {"n": n, name: "g"}, {name: "m"}) for n, name in enumerate(NAMES)))]
    store.push(frames)
    same_points(everything(store), flat(frames))
    everywhere = [frame(1, point(1, 1, dict.fromkeys(NAMES, "g"), dict.fromkeys(NAMES, 7)))]
    store.push(everywhere)
    same_points(everything(store, begin=hour(1)), flat(everywhere))


@clause("R6", "R18")
def test_every_value_is_a_group_of_its_own(store: BaseStorage) -> None:
    store.push([frame(0, *(point(n + 1, 0, {"x": value}) for n, value in enumerate(VALUES)))])
    rows = sums(store, ["x"])
    found = {identity(row["x"]): row["qty"] for row in rows}
    assert found == {identity(value): n + 1 for n, value in enumerate(VALUES)}
    assert [str(row["x"]) for row in rows] == sorted(str(value) for value in VALUES)


# What an engine must take in one piece, to take a megabyte of any text; and above it, what is not tried.
_SIXTEEN, _MANY = 2**24, 2**26


@clause("R4")
@pytest.mark.parametrize("text", ["x" * 1_000_000, "\U0001f600" * 250_000, "\x00'\\%" * 250_000], ids=["long", "wide", "hostile"])
@assumes("filter_metadata")
def test_a_megabyte_of_text(store: BaseStorage, text: str) -> None:
    if store.largest is not None and store.largest < _SIXTEEN:
        text = text[: len(text) * store.largest // _SIXTEEN]
    frames = [
        frame(0, point(1, 1, {"id": "r", "x": text}, {"y": text + "!"}), point(2, 2, {"id": "r", "x": text[:-1]}, {"y": text}))
    ]
    store.push(frames)
    same_points(everything(store), flat(frames))
    assert table(store, "x") == {text: 1, text[:-1]: 2}
    assert sums(store, filters={"x": text})[0]["qty"] == 1
    assert sums(store, filters={"y": text})[0]["qty"] == 2


@clause("R4")
def test_values_in_values(store: BaseStorage) -> None:
    deep: Any = "core"
    for level in range(32):
        deep = [deep] if level % 2 else {"level": deep}
    frames = [frame(0, point(1, 1, {"x": deep}, {"x": deep}))]
    store.push(frames)
    same_points(everything(store), flat(frames))
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested") as caught:
        store.push([frame(1, foreign(metadata={"x": deep}))])
    assert "metadata" in caught.value.field


@clause("R4")
@rows("name", [name for name in NAMES if name] + ["x" * 255], empty="delete")
def test_every_metric_type_and_unit(store: BaseStorage, name: str) -> None:
    frames = [DataFrame(hour(0), hour(1), {name: [point(1, 1, unit=name)], "other": [point(2, 2)]})]
    store.push(frames)
    same_points(everything(store, metric_types=name), [p for p in flat(frames) if p.type == name])
    assert table(store, "type") == {name: 1, "other": 2}
    assert table(store, "type", filters={"type": name}) == {name: 1}


@clause("R4")
@rows("unit", [None, ""], empty="delete")
def test_no_unit_is_undefined(store: BaseStorage, unit: str | None) -> None:
    store.push([frame(0, point(unit=unit))])  # type: ignore[arg-type]
    assert [p.unit for p in everything(store)] == ["undefined"]


@clause("R4")
@pytest.mark.parametrize("place", ["groupby", "metadata"])
@rows(
    ("wrong", "error"),
    [
        ({"x": float("nan")}, InvalidInput),
        ({"x": [float("inf")]}, InvalidInput),
        ({"x": "\ud800"}, InvalidInput),
        ({"\udc00": 1}, InvalidInput),
        ({"x" * 256: 1}, InvalidInput),
        ({1: "x"}, WrongType),
        ({"x": {1: "y"}}, WrongType),
        ({"x": b"bytes"}, WrongType),
        ({"x": object()}, WrongType),
        ({"x": {1, 2}}, WrongType),
        ([("x", 1)], WrongType),
        ("text", WrongType),
        (None, WrongType),
    ],
)
def test_attributes_that_could_not_come_back(store: BaseStorage, place: str, wrong: Any, error: type[InvalidInput]) -> None:
    with pytest.raises(error) as caught:
        DataPoint("GiB", 1, 1, **{"groupby": {}, "metadata": {}, place: wrong})
    assert caught.value.field.startswith(place)
    with pytest.raises(error) as caught:
        store.push([frame(0, of("a")), frame(1, foreign(**{place: wrong}))])
    assert caught.value.field.startswith("dataframes[1]")
    assert place in caught.value.field
    assert everything(store) == []


# -- calendar attributes ---------------------------------------------------------------------------------------------

FOLLOWING = {"year": "2024", "month": "3", "week_of_the_year": "08", "day_of_the_year": "61"}
CALENDARS: list[dict[str, Any]] = [
    FOLLOWING,
    {},
    {"month": "3"},
    {"year": "2024", "day_of_the_year": "61"},
    {"year": "1999", "month": "12", "week_of_the_year": "52", "day_of_the_year": "365"},
    {**FOLLOWING, "day_of_the_year": "62"},
    {"year": 2024, "month": 3, "week_of_the_year": 8, "day_of_the_year": 61},
    {**FOLLOWING, "month": 3},
    {"week_of_the_year": "8"},
    {"day_of_the_year": "061"},
    {"year": ""},
    {"year": None, "month": ["3"], "week_of_the_year": 8.0, "day_of_the_year": True},
    {"month": "no month at all"},
]


@clause("R6", "R17")
def test_calendar_attributes_come_back_as_they_were_stored(store: BaseStorage) -> None:
    frames = [frame(0, *(point(n, 0, {"id": n, **given}, {"year": "of the metadata"}) for n, given in enumerate(CALENDARS)))]
    store.push(frames)
    same_points(everything(store), flat(frames))
    store.push(frames)
    same_points(everything(store), flat(frames))


@clause("R6", "R17")
def test_each_calendar_is_a_key_of_its_own(store: BaseStorage) -> None:
    for n, given in enumerate(CALENDARS):
        store.push([frame(0, point(n + 1, 0, {"id": "r", **given}))])
    assert [p.groupby for p in sorted(everything(store), key=lambda p: p.qty)] == [{"id": "r", **given} for given in CALENDARS]


@clause("R12")
@rows(("name", "letter"), [("year", "y"), ("month", "m"), ("week_of_the_year", "w"), ("day_of_the_year", "d")])
@assumes("filter_metadata")
@needs("group_calendar")
def test_filters_and_groups_on_stored_calendar_attributes(store: BaseStorage, name: str, letter: str) -> None:
    store.push([frame(0, *(point(n + 1, 0, {"id": n, **given}) for n, given in enumerate(CALENDARS)))])
    stored = {n + 1: given.get(name) for n, given in enumerate(CALENDARS) if name in given}
    for text in {str(value) for value in stored.values()}:
        wanted = sorted(qty for qty, value in stored.items() if str(value) == text)
        assert sorted(p.qty for p in everything(store, filters={name: text})) == wanted
        assert sums(store, filters={name: [text]})[0]["qty"] == sum(wanted)
    groups: dict[Any, int] = {}
    plain: dict[Any, int] = {}
    for n, given in enumerate(CALENDARS):
        derived, missing = identity(given.get(name, FOLLOWING[name])), identity(given.get(name, ""))
        groups[derived] = groups.get(derived, 0) + n + 1
        plain[missing] = plain.get(missing, 0) + n + 1
    assert {identity(row[name]): row["qty"] for row in sums(store, [f"time-{letter}"])} == groups
    assert {identity(row[name]): row["qty"] for row in sums(store, [name])} == plain


@clause("R12")
def test_a_derived_calendar_attribute_is_no_attribute_to_filter_on(store: BaseStorage) -> None:
    store.push([frame(0, of("a", 1)), frame(1, of("a", 2, **FOLLOWING))])
    assert [p.qty for p in everything(store, filters={"month": "3"})] == [2]


@clause("R32")
def test_a_point_that_is_too_large_is_refused_by_itself(store: BaseStorage) -> None:
    most = store.largest
    size = most + 1 if most is not None and most < _MANY else 2**20
    given = [frame(0, of("a")), frame(1, of("b"), point(metadata={"x": "y" * size}), of("c"))]
    if size == 2**20:
        store.push(given)
        same_points(everything(store), flat(given))
        return
    with pytest.raises(InvalidInput) as refused:
        store.push(given)
    assert refused.value.field == "dataframes[1].usage['cpu'][1]"
    assert f"{most:,}" in refused.value.problem
    assert len(re.findall(r"\d+,\d{3},\d{3}", refused.value.problem)) == 2
    assert everything(store) == []
    store.push(given[:1])
    same_points(everything(store), flat(given[:1]))
