"""Which questions about samples are long requests."""

from __future__ import annotations

import pytest

from undercroft.api.metering import complex as complex_queries
from undercroft.api.metering import statistics, v2
from undercroft.api.metering.schemas import ComplexQuery, ListQuery, StatisticsQuery


def asked(*items: tuple[str, str, str], **more: object) -> StatisticsQuery:
    lists = {f"q_{name}": [item[place] for item in items] for place, name in enumerate(("field", "op", "value"))}
    return StatisticsQuery(**lists, **more)  # type: ignore[arg-type]


HOUR = ("timestamp", "ge", "2026-01-01T10:00:00")


@pytest.mark.parametrize(
    ("question", "is_long"),
    [
        (asked(), False),
        (asked(HOUR), False),
        (asked(("timestamp", "ge", "2026-01-01T10:20:00")), False),
        (asked(HOUR, period="3600"), False),
        (asked(HOUR, ("timestamp", "lt", "2026-01-02T10:10:00"), period="86400"), False),
        *(
            (asked(("timestamp", "gt", hour), period="7200"), False)
            for hour in ("2026-01-01", "2026-01-01 10:00", "20260101T1000Z")
        ),
        (asked(("timestamp", "gt", "2026-01-01T10:00:00.000+05:00"), period="7200"), False),
        (asked(("timestamp", "gt", "2026-01-01T10:00:00+05:30"), period="7200"), True),
        (asked(("timestamp", "ge", "2026-01-01T10:20:00"), period="3600"), True),
        (asked(HOUR, ("timestamp", "ge", "2026-01-01T10:00:00.5"), period="3600"), True),
        (asked(period="3600"), True),
        (asked(HOUR, period="60"), True),
        (asked(HOUR, period="0"), False),
        (asked(HOUR, period="x"), False),
        (asked(HOUR, groupby=["resource_id", "user_id"]), False),
        (asked(HOUR, groupby=["resource_metadata.instance_type"]), True),
        (asked(("metadata.flavor", "eq", "small")), True),
        (asked(("resource_metadata.flavor", "eq", "small")), True),
        (asked(("resource_metadata.flavor", "eq", "small"), ("resource_id", "eq", "r")), False),
        (asked(HOUR, ("resource", "eq", "r"), period="60", groupby=["resource_metadata.instance_type"]), False),
    ],
)
def test_statistics(question, is_long):
    assert statistics.is_long(question) is is_long


@pytest.mark.parametrize(("limit", "is_long"), [(None, False), ("1000", False), (" +1001 ", True), ("10000", True), ("x", False)])
def test_lists(limit, is_long):
    assert v2.is_long_list(ListQuery(limit=limit)) is is_long


@pytest.mark.parametrize(
    ("limit", "is_long"), [(None, False), (1_000, False), ("1000", False), (1_001, True), ("1001", True), ("x", False)]
)
def test_complex_queries(limit, is_long):
    assert complex_queries.is_long(ComplexQuery(limit=limit)) is is_long
