"""CSV for people: every output is read back as it was by a reader of CSV, whatever ends a line within a cell."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest

import undercroft
from undercroft.core import cells
from undercroft.events import Event, Trait
from undercroft.rating import DataFrame, DataPoint

TEXT = "t\r=1+1"
TEXTS = [TEXT, "t\n=1+1", "t\r\n=1", 'a,"b"', "\r=1", "=1\r", "é\u2028=1", ""]
PERIOD = ("--begin", "2026-01-01", "--end", "2026-02-01")
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OUTPUTS = {
    "rating total": ("rating", "total", *PERIOD, "--by", "name", "--format", "csv"),
    "rating retrieve": ("rating", "retrieve", *PERIOD, "--format", "csv"),
    "rating export": ("rating", "export", "{folder}", *PERIOD, "--format", "csv"),
    "events list": ("events", "list", "--format", "csv"),
    "events count": ("events", "count", "--by", "event_type", "--format", "csv"),
    "events export": ("events", "export", "{folder}", "--format", "csv"),
    "meter list": ("meter", "list", "--format", "csv"),
    "meter resources": ("meter", "resources", "--format", "csv"),
    "meter samples": ("meter", "samples", "--format", "csv"),
    "meter statistics": ("meter", "statistics", "--meter", TEXT, "--groupby", "resource_id", "--format", "csv"),
    "meter export": ("meter", "export", "{folder}", "--format", "csv"),
}


def read(data: bytes) -> list[list[str]]:
    """The rows as a spreadsheet reads them: any end of a line ends a row, unless it is quoted."""
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@pytest.mark.promise("S11")
@pytest.mark.parametrize("raw", [True, False])
def test_what_is_written_is_read_back(raw):
    out = io.StringIO(newline="")
    rows = [[text, other] for text in TEXTS for other in TEXTS]
    cells.write_csv(out, TEXTS[:2], rows, raw)
    keep = str if raw else cells.guarded
    assert read(out.getvalue().encode()) == [[keep(text) for text in row] for row in [TEXTS[:2], *rows]]
    assert not out.getvalue().endswith("\r\n")


@pytest.fixture
def stores(tmp_path: Any) -> dict[str, str]:
    found = {kind: f"sqlite:///{tmp_path}/{kind}.db" for kind in ("rating", "events", "metering")}
    rating, events, metering = (undercroft.connect(kind, url) for kind, url in found.items())
    for store in (rating, events, metering):
        store.init()
    points = [DataPoint(TEXT, 1, 1, {"name": TEXT, TEXT: TEXT}, {TEXT: TEXT})]
    rating.push([DataFrame(START, START + dt.timedelta(hours=1), {TEXT: points})])
    events.record_events([Event(TEXT, TEXT, START.replace(tzinfo=None), [Trait("name", 1, TEXT)], {"a": TEXT})])
    text = dict.fromkeys(("counter_name", "counter_unit", "resource_id", "project_id", "source", "message_id"), TEXT)
    number = {"counter_type": "gauge", "counter_volume": 1, "timestamp": START, "resource_metadata": {"a": TEXT}}
    metering.record_metering_data({**text, **number})
    for store in (rating, events, metering):
        store.close()
    return found | {"meter": found["metering"]}


def check(data: bytes) -> None:
    header, *rows = read(data)
    assert len(rows) == 1, data
    assert len(rows[0]) == len(header)
    assert TEXT in rows[0]


@pytest.mark.promise("S11")
@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_of_the_command_line_is_one_row_a_row(run, stores, name, tmp_path):
    folder = tmp_path / "out"
    arguments = [each.format(folder=folder) for each in OUTPUTS[name]]
    printed = run(*arguments, "--store", stores[arguments[0]]).stdout_bytes
    files = list(folder.rglob("*.csv")) if folder.exists() else []
    for data in [file.read_bytes() for file in files] or [printed]:
        check(data)
