"""A sample on its way into a store: what is kept of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from undercroft.conformance.metering.data import START, sample
from undercroft.core import time
from undercroft.core.errors import InvalidInput
from undercroft.metering.record import Record, Series, record, weight


def test_what_is_kept() -> None:
    given = sample(
        "id", 5, resource_metadata={"b": [1, None], "a": {"d": 1.0, "c": "é"}}, message_signature="sig", counter_type="delta"
    )
    assert record(given) == Record(
        "id",
        Series("cpu_util", "delta", "%", "r", "u", "p", "openstack"),
        5,
        time.to_micros(START),
        '{"a":{"c":"é","d":1.0},"b":[1,null]}',
        "sig",
    )


def test_what_may_be_missing_or_is_ignored() -> None:
    optional = ("user_id", "project_id", "source", "resource_metadata", "message_signature")
    given = {key: value for key, value in sample("a").items() if key not in optional}
    for form in (given, given | dict.fromkeys(optional), given | {"recorded_at": START, "monotonic_time": 1.5, "event_type": "x"}):
        found = record(form)
        assert (found.series[4:], found.metadata, found.signature) == ((None, None, None), "{}", None)


@pytest.mark.parametrize("volume", [0, -1, 2**63, -(2**70), 10**100 - 1, 0.0, 5e-324, 1.7e308])
def test_volumes_keep_their_type(volume: Any) -> None:
    found = record(sample("a", volume)).volume
    assert (found, type(found)) == (volume, type(volume))


def test_volumes_of_other_classes_become_plain() -> None:
    class Real(float):
        pass

    class Whole(int):
        pass

    assert [type(record(sample("a", volume)).volume) for volume in (Real(1.5), Whole(7))] == [float, int]
    assert repr(record(sample("a", -0.0)).volume) == "-0.0"


def test_text_loses_nul() -> None:
    found = record(sample("a\0b", meter="\0m", resource_id="r\0", user_id="\0"))
    assert (found.message_id, found.series.meter, found.series.resource, found.series.user) == ("ab", "m", "r", "")


@pytest.mark.parametrize(
    "moment",
    ["2024-03-01T12:00:00", "2024-03-01 12:00:00.000", "2024-03-01T12:00:00+00:00", "2024-03-01T14:30:00+02:30",
        "2024-03-01T12:00:00Z", START],
)  # fmt: skip
def test_moments_in_all_forms(moment: Any) -> None:
    assert record(sample("a", at=moment)).timestamp == time.to_micros(START)
    assert (
        record(sample("a", at=START.replace(tzinfo=dt.timezone(dt.timedelta(hours=1))))).timestamp
        == time.to_micros(START) - 3_600_000_000
    )


def test_equal_metadata_are_equal_text() -> None:
    """Whatever order the keys come in; what is not equal is not."""
    one, other = {"a": 1, "b": {"d": 1, "c": 2}}, {"b": {"c": 2, "d": 1}, "a": 1}
    assert record(sample("a", resource_metadata=one)).metadata == record(sample("a", resource_metadata=other)).metadata
    texts = {
        record(sample("a", resource_metadata={"k": value})).metadata
        for value in (1, 1.0, True, "1", None, [1], {"1": 1}, -0.0, 0.0)
    }
    assert len(texts) == 9


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"counter_volum.*did you mean 'counter_volume'"):
        record({key: value for key, value in sample("a").items() if key != "counter_volume"} | {"counter_volum": 1})


def test_weight_grows_with_the_metadata() -> None:
    assert weight(record(sample("a", resource_metadata={"x": "y" * 10_000}))) > 10_000 > weight(record(sample("a"))) > 0
