"""A meter over time."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import pytest

from undercroft.conformance.datasources.asking import ALL, CLOSE, Asked
from undercroft.conformance.datasources.feeding import CPU
from undercroft.conformance.markers import clause
from undercroft.conformance.rows import rows
from undercroft.core import time


def expected(ask: Asked, meter: str, word: str, first: int, last: int) -> dict[dt.datetime, Any]:
    """What the oracle says from `first` to `last` minutes before now."""
    found = ask.series(meter, word, first, last)
    return {time.from_micros(moment): pytest.approx(value, rel=CLOSE, abs=1e-9) for moment, value in found.items()}


def ago(ask: Asked, minutes: int) -> dt.datetime:
    return ask.world.now - dt.timedelta(minutes=minutes)


@clause("S9")
@rows("meter", ALL)
def test_every_meter_over_time(ask: Asked, meter: str) -> None:
    if not ask.serves(meter):
        return
    for word in ("random", "other"):
        for first, last in ((10, 0), (20, 5), (3, 3)):
            resource = ask.resource(meter, word)
            found = ask.source.statistic_series(resource, None, meter, ago(ask, first), ago(ask, last), granularity=60)
            if ask.kinds[meter] == "inventory":
                assert list(found) == [ago(ask, last)]
                continue
            assert found == expected(ask, meter, word, first, last)
            assert all(moment.utcoffset() == dt.timedelta(0) for moment in found)
            assert all(before < after for before, after in itertools.pairwise(found))
            assert all(isinstance(value, float) for value in found.values())


@clause("S9")
@rows("meter", ["host_cpu_usage", "host_power", CPU, "instance_ram_usage"])
def test_bounds_without_a_zone_are_utc(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        bounds = ago(ask, 10), ago(ask, 2)
        abroad = dt.timezone(dt.timedelta(hours=-7))
        found = ask.source.statistic_series(ask.resource(meter, "random"), None, meter, *bounds)
        naive = [each.replace(tzinfo=None) for each in bounds]
        assert ask.source.statistic_series(ask.resource(meter, "random"), None, meter, naive[0], naive[1]) == found
        elsewhere = [each.astimezone(abroad) for each in bounds]
        assert ask.source.statistic_series(ask.resource(meter, "random"), None, meter, elsewhere[0], elsewhere[1]) == found
        assert found


@clause("S9")
@rows("meter", ["host_cpu_usage", "host_power", "instance_ram_usage"])
def test_without_bounds_it_is_the_last_hour(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        assert ask.source.statistic_series(ask.resource(meter, "random"), None, meter) == expected(ask, meter, "random", 60, 0)


@clause("S9")
@rows("meter", ["host_cpu_usage", CPU, "instance_ram_usage"])
def test_nothing_is_empty(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        resource = ask.resource(meter, "old")
        assert ask.source.statistic_series(resource, None, meter, ago(ask, 10), ago(ask, 0)) == {}
        assert ask.source.statistic_series(ask.resource(meter, "random"), None, meter, ago(ask, 0), ago(ask, 10)) == {}


@clause("S9", "S3")
@rows("meter", ["host_cpu_usage", "host_power", CPU, "instance_ram_usage"])
def test_zero_is_in_the_series(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        found = ask.source.statistic_series(ask.resource(meter, "zero"), None, meter, ago(ask, 2), ago(ask, 0))
        assert len(found) == len(ask.series(meter, "zero", 2, 0))
        assert list(found.values()) == pytest.approx([0.0] * len(found), abs=1e-6)
        assert found
