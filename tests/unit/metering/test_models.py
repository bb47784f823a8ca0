"""The models of samples: what the host and the contract say of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.core.errors import InvalidInput
from undercroft.metering import Aggregate, Meter, Resource, Sample, SampleFilter, Statistics

NOON = dt.datetime(2024, 3, 1, 12, 0, 0, 5)


def a_sample(**other: Any) -> Sample:
    given: dict[str, Any] = {
        "source": "s", "counter_name": "cpu", "counter_type": "gauge", "counter_unit": "%", "counter_volume": 1, "user_id": "u",
        "project_id": None, "resource_id": "r", "timestamp": NOON, "resource_metadata": {"a": {"b": 1}}, "message_id": "m",
        "message_signature": None, "recorded_at": NOON,
    }  # fmt: skip
    return Sample(**(given | other))


def test_they_compare_by_what_they_hold() -> None:
    assert a_sample() == a_sample()
    assert a_sample() != a_sample(counter_volume=2)
    assert a_sample() != a_sample(resource_metadata={})
    assert a_sample() != "sample"
    with pytest.raises(TypeError):
        hash(a_sample())
    assert Meter("a", "gauge", "%", "r", "p", "s", "u") == Meter(
        name="a", type="gauge", unit="%", resource_id="r", project_id="p", source="s", user_id="u"
    )
    assert Meter("a", "gauge", "%", "r", "p", "s", "u") != Meter("a", "gauge", "%", "r", "p", "s", "v")
    assert Resource("r", "p", NOON, NOON, "s", "u", {}) == Resource("r", "p", NOON, NOON, "s", "u", {})


def test_as_dicts() -> None:
    found = a_sample().as_dict()
    assert list(found)[:3] == ["source", "counter_name", "counter_type"]
    assert found["resource_metadata"] == {"a": {"b": 1}}
    assert Sample(**found) == a_sample()


def test_statistics_have_what_was_asked_for() -> None:
    found = Statistics(
        "%", 60, NOON, NOON, 0.0, NOON, NOON, {"user_id": None}, max=3, aggregate={"max": 3.0}, **{"cardinality/user_id": 2}
    )
    told = found.as_dict()
    assert (told["max"], told["aggregate"], told["cardinality/user_id"]) == (3, {"max": 3.0}, 2)
    assert not hasattr(found, "min")
    assert list(found.as_dict())[:8] == [
        "unit", "period", "period_start", "period_end", "duration", "duration_start", "duration_end", "groupby"
    ]  # fmt: skip


def test_they_show_what_they_are() -> None:
    told = " ".join(
        map(repr, (a_sample(), Meter("a", "gauge", "%", "r", "p", "s", "u"), Resource("r", "p", NOON, NOON, "s", "u", {})))
    )
    assert "cpu" in told
    assert "'r'" in told or " r" in told
    assert "2024" in repr(SampleFilter(start_timestamp=NOON))


def test_a_filter_takes_moments_in_all_forms() -> None:
    utc = dt.datetime(2024, 3, 1, 12)
    zone = dt.timezone(dt.timedelta(hours=2))
    for given in (
        utc,
        utc.replace(tzinfo=dt.UTC),
        utc.replace(hour=14, tzinfo=zone),
        "2024-03-01T12:00:00",
        "2024-03-01T14:00:00+02:00",
    ):
        found = SampleFilter(start_timestamp=given, end_timestamp=given)
        assert found.start_timestamp == found.end_timestamp == utc
        assert found.start_timestamp is not None
        assert found.start_timestamp.tzinfo is None
    for nothing in (None, ""):
        assert SampleFilter(start_timestamp=nothing).start_timestamp is None
    assert SampleFilter().metaquery == {}
    with pytest.raises(InvalidInput):
        SampleFilter(end_timestamp="soon")


def test_an_aggregate_may_lack_its_parameter() -> None:
    assert Aggregate("max") == ("max", None)
    assert Aggregate("cardinality", param="user_id").param == "user_id"
