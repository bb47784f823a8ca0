"""What the base class refuses before a driver is asked: alike for all drivers, and so tested once, on one that does nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from undercroft.conformance.markers import clause
from undercroft.conformance.rating.data import ALWAYS, frame, hour, of
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.rating import BaseStorage

HOUR = dt.timedelta(hours=1)
METHODS = ["init", "close", "drop", "_push", "_delete", "_replace", "_page", "_stream", "_total", "_scopes", "_scope_ends"]


def reached(*_: Any, **__: Any) -> None:
    raise AssertionError("the driver was asked")


Stub: Any = type("Stub", (BaseStorage,), {**dict.fromkeys(METHODS, reached), "open": classmethod(reached)})


@pytest.fixture
def store() -> BaseStorage:
    stub: BaseStorage = Stub()
    return stub


def questions(store: BaseStorage) -> list[Any]:
    """The methods that take bounds, filters and types."""
    return [store.retrieve, store.total, lambda *given, **named: list(store.iter_frames(*given, **named))]


def test_the_stub_sees_what_gets_through(store: BaseStorage) -> None:
    for ask in (*questions(store), store.delete, lambda: store.push([frame(0, of("a"))])):
        with pytest.raises(AssertionError, match="the driver was asked"):
            ask()


@clause("R4")
@pytest.mark.parametrize("wrong", ["text", b"bytes", {"a": 1}, None, 7, [None], [frame(0, of("a")), "text"], [object()]])
def test_what_is_not_a_list_of_frames(store: BaseStorage, wrong: Any) -> None:
    for write in (store.push, lambda frames: store.replace(None, None, None, frames)):
        with pytest.raises(WrongType) as caught:
            write(wrong)
        assert caught.value.field.startswith("dataframes")


@clause("R12", "R21")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"filters": "text"}, "filters"),
        ({"filters": [("a", "b")]}, "filters"),
        ({"filters": {1: "a"}}, "filters"),
        ({"filters": {"x" * 256: "a"}}, "filters"),
        ({"filters": {"x": "\ud800"}}, "filters"),
        ({"metric_types": 7}, "metric_types"),
        ({"metric_types": [7]}, "metric_types"),
        ({"metric_types": {"cpu": 1}}, "metric_types"),
    ],
    ids=ascii,
)
def test_invalid_filters(store: BaseStorage, arguments: dict[str, Any], field: str) -> None:
    writes = [store.delete, lambda filters: store.replace(None, None, filters, [])] if field == "filters" else []
    for ask in [*questions(store), *writes]:
        with pytest.raises(InvalidInput) as caught:
            ask(**arguments)
        assert caught.value.field.startswith(field)


@clause("R12", "R21")
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"filters": {"id": [str(n) for n in range(201)]}}, "filters"),
        ({"filters": {f"name{n}": "a" for n in range(201)}}, "filters"),
        ({"filters": {"type": ["a"] * 150, "id": ["b"] * 51}}, "filters"),
        ({"filters": {"id": ["b"] * 100}, "metric_types": ["a"] * 101}, "metric_types"),
        ({"filters": {"id": ["b"] * 100}, "metric_types": "a", "resource": ["r"] * 100}, "resource"),
    ],
)
def test_too_many_filter_values(store: BaseStorage, arguments: dict[str, Any], field: str) -> None:
    writes = [store.delete, lambda filters: store.replace(None, None, filters, [])] if list(arguments) == ["filters"] else []
    for ask in [*questions(store), *writes]:
        with pytest.raises(InvalidInput) as caught:
            ask(**arguments)
        assert caught.value.field == field


@clause("R12", "R17")
def test_the_largest_lists(store: BaseStorage) -> None:
    with pytest.raises(AssertionError, match="the driver was asked"):
        store.total([f"name{n}" for n in range(32)], filters={f"name{n}": ["a"] * 6 for n in range(32)}, metric_types=["t"] * 8)


@clause("R12")
def test_too_many_filters(store: BaseStorage) -> None:
    with pytest.raises(InvalidInput, match="filters: 33 names were given; it takes 32 at most"):
        store.retrieve(filters={f"name{n}": "a" for n in range(33)})
    with pytest.raises(InvalidInput, match="filters: 3,000 names"):
        store.delete(filters={f"name{n}": "a" for n in range(3_000)})


@clause("R20")
def test_too_many_aggregates(store: BaseStorage) -> None:
    fields = ",".join(f"SUM(qty) AS n{n}" for n in range(1_500))
    with pytest.raises(InvalidInput, match="custom_fields: 1,500 aggregates were given; it takes 32 at most"):
        store.total(custom_fields=fields)


@clause("R17")
@pytest.mark.parametrize("names", [[f"name{n}" for n in range(33)], ["type"] * 33, itertools.repeat("type")])
def test_too_many_groups(store: BaseStorage, names: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.total(names)
    assert caught.value.field == "groupby"


def test_filters_of_another_type(store: BaseStorage) -> None:
    with pytest.raises(WrongType):
        store.delete(filters="text")  # type: ignore[arg-type]


@clause("R9")
@pytest.mark.parametrize(
    ("begin", "end", "field", "error"),
    [
        (hour(2), hour(1), "begin", InvalidInput),
        (hour(1) + dt.timedelta(microseconds=1), hour(1), "begin", InvalidInput),
        ("2024-03-01", hour(1), "begin", WrongType),
        (hour(0), 7, "end", WrongType),
        (dt.date(2024, 3, 1), hour(1), "begin", WrongType),
        (dt.datetime(1, 1, 1, tzinfo=dt.timezone(HOUR)), hour(1), "begin", InvalidInput),
    ],
)
def test_invalid_bounds(store: BaseStorage, begin: Any, end: Any, field: str, error: type[InvalidInput]) -> None:
    writes = [lambda begin, end: store.replace(begin, end, None, []), store.delete, store.get_tenants]
    for ask in [*questions(store), *writes]:
        with pytest.raises(error) as caught:
            ask(begin=begin, end=end)
        assert caught.value.field == field


@clause("R10", "R19")
@pytest.mark.parametrize(
    ("name", "wrong"),
    [("offset", -1), ("limit", -1), ("offset", 1.0), ("limit", "5"), ("limit", None), ("limit", True), ("offset", 2**63)],
)
def test_invalid_pages(store: BaseStorage, name: str, wrong: Any) -> None:
    for ask in (store.retrieve, store.total):
        with pytest.raises(InvalidInput) as caught:
            ask(**{name: wrong})
        assert caught.value.field == name


@clause("R17")
@pytest.mark.parametrize("wrong", ["time-", "time-x", "time-D", "time-dd", "time-month", "time-1"])
def test_unknown_time_groups(store: BaseStorage, wrong: str) -> None:
    for groupby in ([wrong], ["type", wrong]):
        with pytest.raises(InvalidInput) as caught:
            store.total(groupby, **ALWAYS)
        assert caught.value.field == "groupby"
        assert caught.value.code == 400


@clause("R15")
@pytest.mark.parametrize("wrong", [["begin"], ["end"], ["qty"], ["rate"], [7], [None], 7, ["\ud800"], ["x" * 256]])
def test_invalid_groups(store: BaseStorage, wrong: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.total(wrong, **ALWAYS)
    assert caught.value.field == "groupby"


@clause("R20")
@pytest.mark.parametrize(
    "hostile",
    [
        "", " ", ",", "qty", "SUM(qty)", "SUM(qty) AS", "SUM(qty) AS 1", "SUM(qty) AS a b", "SUM(qty) AS a;", "SUM(qty) AS a--",
        "SUM(qty) AS a, ", "AVG(qty) AS a", "SUM(secret) AS a", "SUM(*) AS a", "SUM(qty+1) AS a", "SUM(qty) AS a'",
        'SUM(qty) AS "a"', "SUM(qty) AS a FROM x", "(SELECT 1) AS a", "SUM(qty)/**/AS a", "1 AS a", "SUM(qty) AS \u00e9",
        "SUM(qty) AS a\x00", "SUM(qty) AS a; DROP TABLE point", "SUM(qty) AS begin", "SUM(qty) AS end", "SUM(qty) AS type",
        "SUM(qty) AS a, MAX(qty) AS a", "SUM(SUM(qty)) AS a", "*",
        7, ["SUM(qty) AS qty"], b"SUM(qty) AS qty",
    ],
    ids=ascii,
)  # fmt: skip
def test_invalid_aggregates(store: BaseStorage, hostile: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.total(["type"], **ALWAYS, custom_fields=hostile)
    assert caught.value.field == "custom_fields"
