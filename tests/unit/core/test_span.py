"""Spans of time: one way to write them, and numbers without a unit told."""

from __future__ import annotations

import datetime as dt

import pytest

from undercroft.core import span
from undercroft.core.errors import InvalidInput
from undercroft.core.options import Span


@pytest.mark.parametrize(
    ("text", "hours"),
    [("90d", 2160), ("36h", 36), ("15m", 0.25), ("36s", 0.01), ("2w", 336), ("900ms", 0.00025), ("0d", 0), ("007d", 168)],
)
def test_what_is_a_span(text: str, hours: float) -> None:
    assert span.parse(text, "x") == dt.timedelta(hours=hours)
    assert Span("h")(text) == hours


@pytest.mark.parametrize(
    "text", ["", "d", "90", "90 d", "-90d", "+1d", "1.5d", "1e3s", "90D", "9y", "1d12h", "\u0661d", "90d\n", "inf"]
)
def test_what_is_not(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^x: .* is not a span of time such as 90d"):
        span.parse(text, "x")


def test_a_number_without_a_unit_where_it_has_one() -> None:
    assert span.parse("90", "x", "h") == dt.timedelta(hours=90)
    assert span.parse("0.5", "x", "s") == dt.timedelta(seconds=0.5)
    for wrong in ("-90", "1e3", "nan", "1_0"):
        with pytest.raises(InvalidInput):
            span.parse(wrong, "x", "h")


def test_one_that_no_timedelta_can_be() -> None:
    with pytest.raises(InvalidInput, match="longer than"):
        span.parse("999999999w", "x")
    for wrong in ("999999999w", "1e90", 10**60):
        with pytest.raises(ValueError, match="longer than"):
            Span("s")(wrong)


@pytest.mark.parametrize(
    ("given", "value"), [("2400", 2400), ("-1", -1), ("0", 0), ("1.5", 1.5), ("1e6", 1_000_000), (" 30s ", 30), (7, 7)]
)
def test_numbers_as_they_were_written_before(given: object, value: float) -> None:
    assert Span("s")(given) == value


@pytest.mark.parametrize("given", ["1.5", "-1", "1_0", "nan", "inf", "many", "", "-1d"])
def test_numbers_that_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Span("h", whole=True, least=0)(given)


def test_what_is_told_of_a_number() -> None:
    assert span.note("x =", "90", "h") == "x = 90 is taken as hours; write 90h, or another span such as 90d, 36h, 15m, 30s or 2w"
    assert "write 4500ms," in str(span.note("x", "4.5", "s"))
    assert "write 1000000s," in str(span.note("x", "1000000", "s"))
    assert [span.note("x", text, "h") for text in ("90d", "0", "-1", "", "soon")] == [None] * 5


@pytest.mark.parametrize(
    ("text", "words"), [("2w", "14d"), ("36h", "36h"), ("24h", "1d"), ("90m", "90m"), ("3s", "3s"), ("5ms", "5ms")]
)
def test_words(text: str, words: str) -> None:
    assert span.words(span.parse(text, "x")) == words
