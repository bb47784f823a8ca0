"""Samples as JSON: three forms, one meaning."""

from __future__ import annotations

import datetime as dt
import json
import pathlib

import pytest

from undercroft.core.errors import InvalidInput
from undercroft.metering import wire
from undercroft.metering.models import Sample

RECORDED = (pathlib.Path(__file__).parents[2] / "metering" / "data" / "ceilometer.jsonl").read_bytes().splitlines()
NOON = dt.datetime(2026, 1, 1, 12)
DATA = {
    "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": 2**70, "user_id": "u",
    "project_id": None, "resource_id": "vm", "timestamp": NOON, "resource_metadata": {"a": {"b": 1}}, "source": "openstack",
    "message_id": "m", "message_signature": None,
}  # fmt: skip
SAMPLE = Sample(
    "openstack", "cpu", "cumulative", "ns", 2**70, "u", None, "vm", NOON, {"a": {"b": {"c": 1}}}, "m", None,
    dt.datetime(2026, 1, 1, 12, 0, 1, 5),
)  # fmt: skip
OLD = {
    "source": "openstack", "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": 2**70,
    "user_id": "u", "project_id": None, "resource_id": "vm", "timestamp": "2026-01-01T12:00:00",
    "recorded_at": "2026-01-01T12:00:01.000005", "resource_metadata": {"a.b:c": "1"}, "message_id": "m",
}  # fmt: skip
NEW = {
    "id": "m", "meter": "cpu", "type": "cumulative", "unit": "ns", "volume": 2**70, "user_id": "u", "project_id": None,
    "resource_id": "vm", "source": "openstack", "timestamp": "2026-01-01T12:00:00", "recorded_at": "2026-01-01T12:00:01.000005",
    "metadata": {"a.b:c": "1"},
}  # fmt: skip
SENT = {
    "name": "cpu", "type": "cumulative", "unit": "ns", "volume": 2**70, "user_id": "u", "user_name": None, "project_id": None,
    "project_name": None, "resource_id": "vm", "timestamp": "2026-01-01T12:00:00+00:00", "resource_metadata": {"a": {"b": 1}},
    "source": "openstack", "id": "m", "monotonic_time": 12.5,
}  # fmt: skip


def test_the_forms_of_the_api():
    assert wire.old(SAMPLE) == OLD
    assert list(wire.old(SAMPLE)) == list(OLD)
    assert wire.new(SAMPLE) == NEW


def test_every_form_means_the_same():
    nested = {"resource_metadata": {"a": {"b": 1}}}
    assert wire.data({**OLD, **nested}) == DATA
    assert wire.data({**NEW, "metadata": nested["resource_metadata"]}) == DATA
    assert wire.data(SENT) == DATA
    assert list(wire.data(SENT)) == list(DATA)


def test_a_file_loses_nothing():
    signed = Sample(**{**SAMPLE.as_dict(), "message_signature": "s", "counter_volume": 0.1})
    found = wire.data(json.loads(json.dumps(wire.serialize(signed))))
    assert found == {key: value for key, value in signed.as_dict().items() if key != "recorded_at"}


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-01T12:00:00", NOON),
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T13:30:00+01:30", NOON),
        ("2026-01-01T12:00:00.000007+00:00", NOON.replace(microsecond=7)),
        ("2026-01-01T12:00:00.5", NOON.replace(microsecond=500_000)),
        ("2026-01-01 12:00:00", NOON),
    ],
)
def test_timestamps_with_and_without_a_zone(text, moment):
    assert wire.data({**SENT, "timestamp": text})["timestamp"] == moment


@pytest.mark.parametrize(
    ("text", "volume"),
    [("12", 12), (str(2**70), 2**70), (" -7 ", -7), ("1.5", 1.5), ("1e3", 1000.0), ("1_000", "1_000"), ("n/a", "n/a"), ("", "")],
)
def test_a_volume_that_is_text_is_a_number_where_ceilometer_takes_it_for_one(text, volume):
    """Its pipeline asks `float`, and passes the text on."""
    found = wire.data({**SENT, "volume": text})["counter_volume"]
    assert (found, type(found)) == (volume, type(volume))
    assert wire.data({**OLD, "counter_volume": text})["counter_volume"] == text


def test_names_of_user_and_project_are_kept_in_the_metadata():
    found = wire.data({**SENT, "user_name": "alice", "project_name": "demo", "resource_metadata": {"user_name": "own"}})
    assert found["resource_metadata"] == {"user_name": "own", "project_name": "demo"}
    assert wire.data({**SENT, "user_name": "alice", "resource_metadata": None})["resource_metadata"] == {"user_name": "alice"}


def test_what_is_optional_may_be_missing():
    few = {name: SENT[name] for name in ("name", "type", "unit", "volume", "resource_id", "timestamp", "id")}
    assert wire.data(few) == {**DATA, "user_id": None, "source": None, "resource_metadata": {}}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (7, "sample: expected an object, got int"),
        ({}, "sample: has no name of a meter: one of counter_name, name, meter"),
        ({"name": "cpu"}, "type: is missing"),
        ({"counter_name": "cpu"}, "counter_type: is missing"),
        ({"meter": "cpu", "type": "gauge", "unit": "", "volume": 1, "resource_id": "r", "timestamp": "x"}, "id: is missing"),
        ({**SENT, "counter_volume": 1}, "sample: has unknown key 'volume'"),
        ({**SENT, "bogus": 1}, "sample: has unknown key 'bogus'"),
        ({**OLD, "metadata": {}}, "sample: has unknown key 'metadata'"),
        ({**SENT, "timestamp": "yesterday"}, "timestamp: 'yesterday' is not an ISO 8601 time"),
        ({**SENT, "timestamp": 12}, "timestamp: expected ISO 8601 text, got int"),
        ({**SENT, "timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp: 0001-01-01T00:00:00+14:00 lies outside"),
        ({**SENT, "resource_metadata": [1]}, "resource_metadata: expected an object, got list"),
        ({**NEW, "metadata": "x"}, "metadata: expected an object, got str"),
    ],
)
def test_what_is_not_a_sample(given, message):
    if isinstance(given, dict) and "counter_volume" in given and "name" in given:
        message = message.replace("volume", "counter_volume")
    with pytest.raises(InvalidInput) as caught:
        wire.data(given)
    assert str(caught.value).startswith(message)


def test_bodies_as_ceilometer_sends_them():
    found = [sample for body in RECORDED for sample in wire.decode(body)]
    assert len(RECORDED) == 24
    assert len(found) == 44
    assert {type(sample["counter_volume"]) for sample in found} == {int, float}
    assert all(sample["timestamp"].tzinfo is None for sample in found)
    assert not any(sample.keys() != DATA.keys() for sample in found)


def test_one_or_a_list():
    assert wire.decode(json.dumps(SENT).encode()) == [DATA]
    assert wire.decode(json.dumps([SENT, NEW]).encode())[0] == DATA
    assert wire.decode(b"[]") == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "samples: is not JSON"),
        (b'[{"name": "a", "name": "b"}]', "samples: holds an object with the same key twice"),
        (b'[{"name": "a", "volume": NaN}]', "samples: is not JSON"),
        (b'[{"name": "a", "volume": 1e999}]', "samples[0][...]: Number out of range"),
        (b'{"name": "a", "volume": ' + b"9" * 5_000 + b"}", "samples[...]: Integer value out of range"),
        (b'{"resource_metadata": ' + b'{"a":' * 70 + b"1" + b"}" * 71, "samples: is nested more than 64 levels deep"),
        (b'{"name": "\\ud800"}', "samples: is not JSON"),
        (b"[1]", "[0].sample: expected an object, got int"),
        (b'[{"name": "a"}]', "[0].type: is missing"),
    ],
)
def test_bodies_that_are_none(body, message):
    with pytest.raises(InvalidInput) as caught:
        wire.decode(body)
    assert str(caught.value).startswith(message)
