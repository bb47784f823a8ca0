"""Questions, parsed: what a driver gets to see."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.conformance.metering.data import START, after
from undercroft.core import time
from undercroft.metering import Aggregate, SampleFilter, expression, query
from undercroft.metering.expression import Except, conjuncts, holds, parse

AT = time.to_micros(START)


def test_nothing_is_every_sample() -> None:
    for given in (None, SampleFilter()):
        assert query.selection(given) == query.Selection()
    assert not query.Selection().is_empty
    assert not query.Selection().reads_samples


@pytest.mark.parametrize(
    ("start_op", "end_op", "start", "end"),
    [("gt", "le", AT + 1, AT + 2_000_001), ("ge", "lt", AT, AT + 2_000_000), (None, None, AT, AT + 2_000_000),
        ("GT", "LE", AT, AT + 2_000_000)],
)  # fmt: skip
def test_bounds_become_microseconds(start_op: str | None, end_op: str | None, start: int, end: int) -> None:
    given = SampleFilter(start_timestamp=START, start_timestamp_op=start_op, end_timestamp=after(2), end_timestamp_op=end_op)
    found = query.selection(given)
    assert (found.start, found.end) == (start, end)


def test_the_text_none_means_nobody() -> None:
    found = query.selection(SampleFilter(user="None", project="None", source="None", meter="None", resource="None"))
    assert (found.users, found.projects) == (frozenset((None,)),) * 2
    assert (found.sources, found.meters, found.resources) == (frozenset(("None",)),) * 3


def test_metadata_keys_under_both_names() -> None:
    for name in ("metadata.a.b", "resource_metadata.a.b"):
        found = query.selection(SampleFilter(metaquery={name: 1.0}))
        assert found.metadata == (("a.b", 1.0),)
        assert found.reads_samples


def test_questions() -> None:
    assert query.question(None, None, None) == query.question(0, [], []) == query.Question()
    assert query.question(0.5, "user_id", None) == query.Question(500_000, ("user_id",))
    assert query.question(60, ["user_id", "source", "user_id"], None).groupby == ("user_id", "source")
    named = query.question(
        None, None, [Aggregate("max"), Aggregate("cardinality", "user_id"), Aggregate("max", ""), Aggregate("max")]
    )
    assert named.aggregates == (Aggregate("max"), Aggregate("cardinality", "user_id"))
    assert named.cardinalities == ("user_id",)
    assert query.question(None, ["resource_metadata.instance_type"], None).reads_samples


MICROS = {"2024-03-01T12:00:00": AT, "2024-03-01T12:00:01": AT + 1_000_000}


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"=": {"meter": "a"}}, {"meters": frozenset("a")}),
        ({"in": {"resource": ["a", "b"]}}, {"resources": frozenset("ab")}),
        ({"and": [{"=": {"user": "a"}}, {"in": {"user_id": ["a", "b"]}}]}, {"users": frozenset("a")}),
        ({"AND": [{"=": {"project": "a"}}, {"and": [{"=": {"source": "b"}}, {"=": {"message_id": "c"}}]}]},
         {"projects": frozenset("a"), "sources": frozenset("b"), "message_ids": frozenset("c")}),
        ({">": {"timestamp": "2024-03-01T12:00:00"}}, {"start": AT + 1}),
        ({"=>": {"timestamp": "2024-03-01T12:00:00"}}, {"start": AT}),
        ({"=<": {"timestamp": "2024-03-01T12:00:00"}}, {"end": AT + 1}),
        ({"<": {"timestamp": "2024-03-01T14:00:00+02:00"}}, {"end": AT}),
        ({"=": {"timestamp": "2024-03-01T12:00:00"}}, {"start": AT, "end": AT + 1}),
        ({"and": [{">=": {"timestamp": text}} for text in MICROS]}, {"start": AT + 1_000_000}),
        ({"and": [{"<": {"timestamp": text}} for text in MICROS]}, {"end": AT}),
    ],
    # Not both: the order of a set is another in each process.
    ids=lambda each: "" if any(isinstance(value, (frozenset, int)) for value in each.values()) else ascii(each),
)  # fmt: skip
def test_what_is_taken_out_of_an_expression(given: Any, wanted: dict[str, Any]) -> None:
    """A driver finds these by its indexes; nothing is left to look up in samples."""
    assert query.complex_selection(given) == query.Selection(**wanted)


@pytest.mark.parametrize(
    "given",
    [
        {"or": [{"=": {"meter": "a"}}, {"=": {"meter": "b"}}]}, {"not": {"=": {"meter": "a"}}}, {"!=": {"meter": "a"}},
        {"<": {"meter": "a"}},
        {"=~": {"meter": "a"}}, {"=": {"volume": 1}}, {"=": {"metadata.meter": "a"}}, {"!=": {"timestamp": "2024-03-01T12:00:00"}},
        {"=": {"unit": "a"}}, {"=": {"recorded_at": "2024-03-01T12:00:00"}}, {"in": {"timestamp": ["2024-03-01T12:00:00"]}},
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_left_in_an_expression(given: Any) -> None:
    found = query.complex_selection(given)
    assert found == query.Selection(where=found.where)
    assert found.where is not None
    both = query.complex_selection({"and": [{"=": {"meter": "x"}}, given]})
    assert both.meters == frozenset(("x",))
    assert both.where is not None


def test_nothing_is_no_clause() -> None:
    assert parse(None) is parse({}) is None
    assert list(conjuncts(None)) == []
    assert isinstance(parse({"not": {"=": {"meter": "a"}}}), Except)
    assert isinstance(parse({"=": {"metadata.k": True}}), expression.Test)


def test_a_clause_is_asked_of_a_sample() -> None:
    from tests.unit.metering.test_models import a_sample

    for given, wanted in [
        ({"=": {"volume": 1.0}}, True), ({"=": {"metadata.a.b": 1.0}}, False), ({"=": {"metadata.a.b": 1}}, True),
        ({"<": {"metadata.a.b": 1.5}}, True), ({"<": {"metadata.a.b": True}}, False), ({"!=": {"project_id": "x"}}, False),
        ({"not": {"=": {"project_id": "x"}}}, True), ({"=~": {"resource": "^r$"}}, True),
        ({">": {"recorded_at": "2024-03-01T12:00:00"}}, True),
    ]:  # fmt: skip
        clause = parse(given)
        assert clause is not None
        assert holds(clause)(a_sample()) is wanted, given


def test_orders() -> None:
    assert query.orderby(None) == query.orderby([]) == (("timestamp", True),)
    assert query.orderby([{"meter": "ASC"}, {"volume": "desc"}, {"counter_name": "desc"}]) == (
        ("counter_name", False),
        ("counter_volume", True),
    )


def test_selections_that_cannot_match() -> None:
    assert query.Selection(meters=frozenset()).is_empty
    assert query.Selection(start=5, end=5).is_empty
    assert not query.Selection(start=5, end=6).is_empty


def test_moments() -> None:
    for moment in (dt.datetime.min, START, dt.datetime.max):
        assert query.moment(time.to_micros(moment)) == moment
