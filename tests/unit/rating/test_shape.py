"""Shapes of questions: what callers choose freely is a value, never a part of the shape."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import undercroft
from undercroft.conformance.rating.data import ALWAYS, frame, of
from undercroft.core import registry
from undercroft.engines.sql.dialect import load
from undercroft.rating import query
from undercroft.rating.drivers.sql import dialects, shape
from undercroft.rating.drivers.sql.schema import tables
from undercroft.rating.drivers.sql.shape import Probe, asked, built, whole_days

FEW, MANY = Probe((1,), (False,), frozenset()), Probe((1000,), (False,), frozenset())


def shape_of(filters: dict[str, Any], probe: Probe = FEW, **named: Any) -> shape.Shape:
    return asked(query.selection(None, None, filters, **named), probe).shape


def test_names_and_values_are_not_in_the_shape() -> None:
    first = shape_of({"id": "a"})
    assert first == shape_of({"other": ["b", "c", "d"]}) == shape_of({"id": ""})
    assert first != shape_of({"id": "a"}, MANY)
    assert first != shape_of({"id": "a"}, metric_types="cpu")
    assert shape_of({"id": "a"}, metric_types="cpu") == shape_of({"id": "a"}, metric_types=["disk", "net"])


def test_calendar_attributes_are_in_the_shape_where_a_value_can_be_one() -> None:
    assert shape_of({"month": "x"}) == shape_of({"id": "x"}) == shape_of({"month": "03"})
    assert shape_of({"month": "3"}) == shape_of({"month": ["1", "12", "x"]}) != shape_of({"year": "2024"})


@pytest.mark.parametrize("selective", [True, False])
def test_ranges_of_the_same_form_share_a_shape(selective: bool) -> None:
    ranges = [
        whole_days(*(int(dt.datetime(2024, month, day, tzinfo=dt.UTC).timestamp()) * 10**6 for month, day in bounds), dt.UTC,
                   months=True, selective=selective)
        for bounds in (((1, 5), (6, 9)), ((2, 7), (10, 3)))
    ]  # fmt: skip
    first, second = (found for found in ranges if found is not None)
    assert first.days == second.days
    assert len(first.days.runs) == 3
    assert first.values != second.values


@pytest.mark.parametrize("name", sorted(set(registry.schemes("rating")) - set(registry.SYNONYMS)))
def test_stores_of_one_namespace_share_their_statements(name: str) -> None:
    layout = load(dialects.__name__, name).layout
    assert tables("shared", layout) is tables("shared", layout)
    assert layout.short is layout.short
    assert len(layout.partial(tables("shared", layout).point, "qty")) == layout.parts
    assert len(layout.short.partial(tables("shared", layout).point, "qty")) == layout.short.parts


def test_names_that_callers_make_up_do_not_fill_the_cache() -> None:
    store = undercroft.connect("rating", "sqlite:///:memory:")
    store.init()
    store.push([frame(0, of("cpu", id="a", **{f"name{n}": "x" for n in range(40)}))])
    question: Any = {**ALWAYS, "paginate": False}
    assert [row["name0"] for row in store.total(["name0"], filters={"name1": "x"}, **question)["results"]] == ["x"]
    before = built.cache_info()
    for number in range(40):
        assert store.total([f"name{number}"], filters={f"name{39 - number}": "x"}, **question)["total"] == 1
    after = built.cache_info()
    assert after.misses == before.misses
    assert after.maxsize == 64
    store.close()
