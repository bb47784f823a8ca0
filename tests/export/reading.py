"""Helpers for the tests of reading: configurations, sources, samples."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from undercroft.export.client import Client
from undercroft.export.login import login
from undercroft.export.query import parse_meters, parse_query
from undercroft.export.sample import Sample
from undercroft.export.settings import Filter, Settings, load
from undercroft.export.source import Batch, Source

START = dt.datetime(2026, 1, 1)
MINUTE, MICROSECOND = dt.timedelta(minutes=1), dt.timedelta(microseconds=1)
BOTH = ("complex", "simple")


def settings_of(url: str, **keys: Any) -> Settings:
    """A configuration for an endpoint without a login."""
    values = {"endpoint": url, "auth": "none", "connection": "sqlite:///unused.db", "timeout": 20, **keys}
    lines = ["[exporter]", *(f"{name} = {value}" for name, value in values.items()), "[filter:all]", "meters = cpu", ""]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "export.ini"
        file.write_text("\n".join(lines))
        return load(file)


@contextlib.contextmanager
def reading(url: str, /, login_: Any = None, **keys: Any) -> Iterator[Source]:
    """A source at an endpoint, with these keys of the configuration."""
    settings = settings_of(url, **keys)
    client = Client(settings, login_ or login(settings))
    try:
        yield Source(settings, client)
    finally:
        client.close()


def asking(query: str = "", meters: str = "cpu") -> Filter:
    """A filter called `f`."""
    return Filter("f", parse_query(query), parse_meters(meters))


def made(number: int, at: dt.datetime | None = None, meter: str = "cpu", **more: Any) -> dict[str, Any]:
    """A sample in the old form: of the minute of its number."""
    return {
        "counter_name": meter, "counter_type": "gauge", "counter_unit": "%", "counter_volume": number, "user_id": f"u{number % 2}",
        "project_id": f"p{number % 2}", "resource_id": f"vm-{number % 3}", "message_id": f"m{number:05}", "source": "openstack",
        "timestamp": (at or START + number * MINUTE).isoformat(), "recorded_at": "2026-06-01T00:00:00",
        "resource_metadata": {"n": number, "flavor": {"name": "small"}}, **more,
    }  # fmt: skip


def whole(source: Source, begin: dt.datetime, end: dt.datetime, filter_: Filter | None = None, meter: str = "cpu") -> list[Batch]:
    """All batches of a window."""
    batches = list(source.read(filter_ or asking(), meter, begin, end))
    assert not batches or batches[-1].until == end
    return batches


def samples(batches: list[Batch]) -> list[Sample]:
    """What they hold."""
    return [sample for batch in batches for sample in batch.samples]


def ids(batches: list[Batch]) -> list[str]:
    """Message ids of what they hold, sorted."""
    return sorted(sample.message_id for sample in samples(batches))
