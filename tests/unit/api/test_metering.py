"""Which questions about samples are long requests, and how long their answers may be."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any

import pytest

import undercroft
from undercroft.api import wire
from undercroft.api.call import Call
from undercroft.api.metering import complex as complex_queries
from undercroft.api.metering import statistics, v2
from undercroft.api.metering.schemas import ComplexQuery, ListQuery, StatisticsQuery
from undercroft.api.questions import Refused
from undercroft.core import settings
from undercroft.core.caller import Caller


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
        (asked(HOUR, period="3600", groupby=["resource_id"]), True),
        (asked(HOUR, ("resource", "eq", "r"), period="3600", groupby=["resource_id"]), False),
        (asked(HOUR, groupby=["resource_metadata.instance_type"]), True),
        (asked(("metadata.flavor", "eq", "small")), True),
        (asked(("resource_metadata.flavor", "eq", "small")), True),
        (asked(("resource_metadata.flavor", "eq", "small"), ("resource_id", "eq", "r")), False),
        (asked(HOUR, ("resource", "eq", "r"), period="60", groupby=["resource_metadata.instance_type"]), False),
    ],
)
def test_statistics(question, is_long):
    assert statistics.is_long(question) is is_long


@pytest.fixture
def store():
    with contextlib.closing(undercroft.connect("metering", "sqlite:///:memory:")) as opened:
        opened.upgrade()
        opened.record_metering_data_batch(
            {
                "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": number,
                "resource_id": f"r{number % 5}", "message_id": str(number), "timestamp": dt.datetime(2026, 1, 1, 10 + number // 5),
            }
            for number in range(20)
        )  # fmt: skip
        yield opened


def answer(store, question):
    admin = Caller(roles=frozenset(("admin",)))
    call: Any = Call(store, None, admin, question, None, {"meter_name": "cpu"}, None, settings.current())
    return statistics.statistics_of_meter(call)


def test_a_long_answer_of_an_ordinary_request_is_refused(store, monkeypatch):
    assert len(answer(store, asked(HOUR, groupby=["resource_id"])).value) == 5
    monkeypatch.setattr(statistics, "_MOST", 4)
    with pytest.raises(Refused, match="more than 4 rows"):
        answer(store, asked(HOUR, groupby=["resource_id"]))


def test_a_long_answer_of_a_long_request_is_sent_in_parts(store, monkeypatch):
    question = asked(HOUR, period="3600", groupby=["resource_id"])
    whole = wire.encode(answer(store, question).value)
    monkeypatch.setattr(statistics, "_MOST", 4)
    assert b"".join(answer(store, question).stream) == whole
    assert whole.count(b"period_start") == 20


@pytest.mark.parametrize(("limit", "is_long"), [(None, False), ("1000", False), (" +1001 ", True), ("10000", True), ("x", False)])
def test_lists(limit, is_long):
    assert v2.is_long_list(ListQuery(limit=limit)) is is_long


@pytest.mark.parametrize(
    ("limit", "is_long"), [(None, False), (1_000, False), ("1000", False), (1_001, True), ("1001", True), ("x", False)]
)
def test_complex_queries(limit, is_long):
    assert complex_queries.is_long(ComplexQuery(limit=limit)) is is_long


@pytest.mark.parametrize(
    ("clause", "order", "is_long"),
    [
        ({"=": {"meter": "cpu"}}, None, False),
        ({"and": [{"=": {"meter": "cpu"}}, {">=": {"timestamp": "2026-01-01"}}]}, [{"timestamp": "asc"}], False),
        ({"=": {"metadata.k": 1}}, None, True),
        ({"and": [{"=": {"meter": "cpu"}}, {"=~": {"unit": "x"}}]}, None, True),
        ({"not": {"=": {"meter": "cpu"}}}, None, True),
        ({"and": [{"=": {"resource": "vm"}}, {"=": {"metadata.k": 1}}]}, None, False),
        ({"=": {"meter": "cpu"}}, [{"volume": "asc"}], True),
        (None, [{"timestamp": "asc"}, {"volume": "asc"}], True),
        ({"=": {"resource": "vm"}}, [{"volume": "asc"}], False),
        ({"=": {"unknown": 1}}, None, False),
    ],
)
def test_complex_queries_that_look_into_samples(clause, order, is_long):
    texts = [None if each is None else json.dumps(each) for each in (clause, order)]
    assert complex_queries.is_long(ComplexQuery(filter=texts[0], orderby=texts[1])) is is_long
