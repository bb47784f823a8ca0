"""Questions are parsed once, and hostile text ends there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.time import to_micros
from undercroft.rating import query
from undercroft.rating.query import By, Condition, Function, GroupKey, Measure, Selection

BEGIN, END = dt.datetime(2024, 3, 1, tzinfo=dt.UTC), dt.datetime(2024, 4, 1, tzinfo=dt.UTC)


def attempt(ask: Callable[[], Any]) -> tuple[Any, InvalidInput | None]:
    """What a question is parsed to, or why it is refused."""
    try:
        return ask(), None
    except InvalidInput as error:
        return None, error


def test_a_selection() -> None:
    found = query.selection(
        BEGIN, END, {"b": ["2", 1, "1"], "a": True}, ["y", "x", "x"], resource="r", resource_keys=("id", "resource_id")
    )
    assert found == Selection(
        to_micros(BEGIN),
        to_micros(END),
        ("x", "y"),
        (Condition(("b",), ("1", "2")), Condition(("a",), ("True",)), Condition(("id", "resource_id"), ("r",))),
    )


def test_no_arguments_select_all() -> None:
    assert query.selection(None, None, None) == Selection() == query.selection(None, None, {}, [])
    assert not Selection().is_empty


@pytest.mark.parametrize(
    ("types", "filters", "wanted"),
    [
        (None, {"type": "a"}, ("a",)),
        (["a", "b"], {"type": ["b", "c"]}, ("b",)),
        ("a", {"type": "b"}, ()),
        ("", None, None),
        ("a", None, ("a",)),
    ],
)
def test_metric_types_and_the_filter_of_that_name(types: Any, filters: Any, wanted: Any) -> None:
    found = query.selection(None, None, filters, types)
    assert found.types == wanted
    assert found.conditions == ()
    assert found.is_empty is (wanted == ())


@pytest.mark.parametrize(
    ("arguments", "empty"),
    [
        ((BEGIN, BEGIN, None), True),
        ((BEGIN, END, None), False),
        ((None, None, {"a": []}), True),
        ((None, None, {"a": [""]}), False),
        ((None, BEGIN, None), False),
    ],
)
def test_what_no_point_can_match(arguments: tuple[Any, ...], empty: bool) -> None:
    assert query.selection(*arguments).is_empty is empty


@pytest.mark.parametrize(
    ("arguments", "field", "error"),
    [
        ((END, BEGIN, None), "begin", InvalidInput),
        (("x", None, None), "begin", WrongType),
        ((None, 5, None), "end", WrongType),
        ((None, None, "a"), "filters", WrongType),
        ((None, None, {5: "a"}), "filters key", WrongType),
        ((None, None, {"a": "\ud800"}), "filters['a']", InvalidInput),
        ((None, None, None, 5), "metric_types", WrongType),
        ((None, None, None, [5]), "metric_types", WrongType),
    ],
)
def test_what_cannot_be_meant(arguments: tuple[Any, ...], field: str, error: type[InvalidInput]) -> None:
    with pytest.raises(error) as caught:
        query.selection(*arguments)
    assert caught.value.field == field


def test_group_keys() -> None:
    assert query.groupby_elements(["type", "time", "time-d", "time-w", "time-m", "time-y", "x", "time-a-b"]) == [
        GroupKey(By.TYPE, "type"),
        GroupKey(By.PERIOD, ""),
        GroupKey(By.CALENDAR, "day_of_the_year"),
        GroupKey(By.CALENDAR, "week_of_the_year"),
        GroupKey(By.CALENDAR, "month"),
        GroupKey(By.CALENDAR, "year"),
        GroupKey(By.ATTRIBUTE, "x"),
        GroupKey(By.ATTRIBUTE, "time-a-b"),
    ]
    assert query.groupby_elements(None) == query.groupby_elements([]) == []
    assert query.groupby_elements("type") == [GroupKey(By.TYPE, "type")]


@pytest.mark.parametrize("given_", [["month", "time-m"], ["time-m", "month"]])
def test_an_attribute_and_its_calendar_are_one_key(given_: list[str]) -> None:
    assert query.groupby_elements(given_) == [GroupKey(By.CALENDAR, "month")]


def test_the_default_measures_are_the_sums() -> None:
    assert query.measures(None) == (Measure(Function.SUM, "qty", "qty"), Measure(Function.SUM, "price", "rate"))


def test_measures() -> None:
    assert query.measures(" sum( qty ) as q ,MAX(price) AS _m1") == (
        Measure(Function.SUM, "qty", "q"),
        Measure(Function.MAX, "price", "_m1"),
    )
    assert [m.function for m in query.measures("SUM(qty) AS a,MIN(qty) AS b,MAX(qty) AS c,MEAN(qty) AS d,COUNT(qty) AS e")] == list(
        Function
    )


def test_an_alias_may_be_no_other_columns_name() -> None:
    for taken in ("begin", "end", "type"):
        with pytest.raises(InvalidInput, match=taken):
            query.measures(f"SUM(qty) AS {taken}", [GroupKey(By.TYPE, "type")])
    assert query.measures("SUM(qty) AS rate")


@given(st.text(max_size=60))
def test_text_is_parsed_or_refused(text: str) -> None:
    """Whatever is let through is spelt of the known words and a plain alias."""
    found, refusal = attempt(lambda: query.measures(text))
    if refusal is not None:
        assert refusal.field == "custom_fields"
        assert len(str(refusal)) < 400
    else:
        assert all(measure.alias.isidentifier() and measure.alias.isascii() for measure in found)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_filters_of_any_shape(value: Any) -> None:
    found, refusal = attempt(lambda: query.selection(None, None, value))
    if refusal is not None:
        assert refusal.field.startswith("filters")
    else:
        assert all(isinstance(text, str) for condition in found.conditions for text in condition.values)


def test_this_month_fills_what_is_not_given() -> None:
    assert query.this_month(BEGIN, END, None) == (BEGIN, END)
    begin, end = query.this_month(None, None, dt.UTC)
    assert begin.day == end.day == 1
    assert query.this_month(BEGIN, None, dt.UTC) == (BEGIN, end)
    assert query.this_month(None, END, dt.UTC) == (begin, END)
