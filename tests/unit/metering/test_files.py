"""Samples as files: nothing is lost, and nothing is a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

import pyarrow.parquet
import pytest

from undercroft.metering import files, wire
from undercroft.metering.models import Sample

NOON = dt.datetime(2026, 1, 1, 12, 0, 0, 7)
METADATA = {"a": {"b.c": [1, 2.5, None, True]}, "n": 2**70}


def sample(volume, **more):
    found = {
        "source": "openstack", "counter_name": "cpu", "counter_type": "cumulative", "counter_unit": "ns", "counter_volume": volume,
        "user_id": None, "project_id": "p", "resource_id": "vm", "timestamp": NOON, "resource_metadata": METADATA,
        "message_id": f"m{volume}", "message_signature": None, "recorded_at": NOON + dt.timedelta(seconds=1),
    }  # fmt: skip
    return Sample(**{**found, **more})


SAMPLES = [
    sample(2**63 + 1), sample(10**99 + 1), sample(-3), sample(0.1), sample(-1e-07), sample(2.0), sample(0), sample(-0.0),
    sample(1, source=None, resource_metadata={}, message_signature="s"),
]  # fmt: skip


def whole(form, samples=SAMPLES):
    return b"".join(files.FORMS[form][1](iter(samples)))


def typed(volume):
    return type(volume), repr(volume)


def test_json_lines_are_read_back():
    found = [wire.data(json.loads(line)) for line in whole("jsonl").splitlines()]
    assert found == [{key: value for key, value in each.as_dict().items() if key != "recorded_at"} for each in SAMPLES]
    assert [typed(each["counter_volume"]) for each in found] == [typed(each.counter_volume) for each in SAMPLES]


def test_csv_has_every_digit():
    rows = list(csv.DictReader(io.StringIO(whole("csv").decode())))
    assert list(rows[0]) == list(files.COLUMNS)
    volumes = [row["counter_volume"] for row in rows]
    assert volumes[:3] == [str(2**63 + 1), str(10**99 + 1), "-3"]
    assert [float(each) for each in volumes] == [float(each.counter_volume) for each in SAMPLES]
    assert rows[0]["user_id"] == ""
    assert rows[0]["timestamp"] == "2026-01-01T12:00:00.000007"
    assert json.loads(rows[0]["resource_metadata"]) == METADATA
    assert rows[0]["resource_metadata"].count("1180591620717411303424") == 1


@pytest.mark.promise("S3")
def test_csv_has_no_formula():
    bad = ["=1+1", "+cmd", "-x", "@sum", "\tx", "\rx"]
    samples = [sample(1, resource_id=text, source=text, counter_unit=text) for text in bad]
    for row, text in zip(csv.DictReader(io.StringIO(whole("csv", samples).decode(), newline="")), bad, strict=True):
        assert row["resource_id"] == row["source"] == row["counter_unit"] == f"'{text}"
    raw = b"".join(files.csv_rows(samples, raw=True)).decode()
    assert [row["source"] for row in csv.DictReader(io.StringIO(raw, newline=""))] == bad


def test_parquet_loses_nothing():
    table = pyarrow.parquet.read_table(io.BytesIO(whole("parquet")))
    rows = table.to_pylist()
    for row, each in zip(rows, SAMPLES, strict=True):
        integer = row.pop("counter_volume_integer")
        assert typed(row["counter_volume"] if integer is None else int(integer)) == typed(each.counter_volume)
        assert row["counter_volume"] == float(each.counter_volume)
        row["counter_volume"] = each.counter_volume
        for name in ("timestamp", "recorded_at"):
            row[name] = row[name].replace(tzinfo=None)
        row["resource_metadata"] = json.loads(row["resource_metadata"])
        assert Sample(**row) == each


def test_nothing_is_a_file_too():
    assert whole("jsonl", []) == b""
    assert whole("csv", []).decode() == ",".join(files.COLUMNS) + "\n"
    assert pyarrow.parquet.read_table(io.BytesIO(whole("parquet", []))).num_rows == 0
