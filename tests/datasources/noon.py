"""What tests of single exchanges share: a fixed clock, and sources that are closed after each test."""

from __future__ import annotations

import datetime as dt
from typing import Any

import undercroft
from undercroft.datasources import DataSourceBase

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
HOST = {"hypervisor_hostname": "c1.example.com", "id": "n-1"}
OPENED: list[DataSourceBase] = []


def opened(url: str, **options: Any) -> DataSourceBase:
    """A source, which the fixture `noon` closes."""
    found: DataSourceBase = undercroft.connect("datasources", url, **options)
    OPENED.append(found)
    return found
