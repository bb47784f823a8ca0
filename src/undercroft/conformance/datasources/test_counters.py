"""Counters, complements and units: what is stored becomes what the contract says."""

from __future__ import annotations

import pytest

from undercroft.conformance.datasources.asking import AGGREGATES, Asked
from undercroft.conformance.datasources.data import MINUTE
from undercroft.conformance.datasources.feeding import CPU
from undercroft.conformance.markers import clause
from undercroft.conformance.rows import rows
from undercroft.core import time


@clause("S7")
@rows(("word", "period", "low", "mean", "high"), [
    # Pairs of irregular distance: 10, 30, 100, 10 and 50 percent.
    ("irregular", 600, 10, 40, 100),
    # The counter falls: that pair counts as nothing. 50, 0, 50 and 10 percent.
    ("reset", 300, 0, 27.5, 50),
    # 150, 100 and 150 percent of one vCPU.
    ("busy", 300, 100, 100, 100),
    ("zero", 300, 0, 0, 0),
    ("bare", 300, 50, 62.5, 75),
])  # fmt: skip
def test_cpu_time_becomes_percent_by_the_moments(
    ask: Asked, word: str, period: float, low: float, mean: float, high: float
) -> None:
    if ask.serves(CPU):
        assert ask.value(CPU, word, period, "min") == pytest.approx(low, abs=1e-6)
        assert ask.value(CPU, word, period, "mean") == pytest.approx(mean, abs=1e-6)
        assert ask.value(CPU, word, period, "max") == pytest.approx(high, abs=1e-6)


@clause("S7")
@rows("word", ["random", "other", "irregular", "reset", "single", "busy", "zero", "window"])
def test_cpu_time_over_every_period(ask: Asked, word: str) -> None:
    if ask.serves(CPU):
        for aggregate in AGGREGATES:
            for period in (60, 61, 120, 121, 299, 300, 301, 540, 541, 2_400):
                ask.same(CPU, word, period, aggregate)


@clause("S7", "S3")
def test_one_sample_of_a_counter_tells_no_use(ask: Asked) -> None:
    if ask.serves(CPU):
        for aggregate in ("mean", "min", "max"):
            assert ask.value(CPU, "single", 300, aggregate) is None


@clause("S7")
def test_vcpus_share_the_use(ask: Asked) -> None:
    if ask.serves(CPU) and ask.kinds[CPU] == "cumulative":
        whole = ask.source.statistic_aggregation(ask.world.instance("bare", vcpus=1), None, CPU)
        quarter = ask.source.statistic_aggregation(ask.world.instance("bare", vcpus=4), None, CPU)
        assert [whole, quarter] == pytest.approx([62.5, 15.625])


@clause("S8")
@rows("meter", ["host_cpu_usage", "host_ram_usage"])
def test_the_largest_is_the_largest_however_it_is_stored(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for word in ("random", "other"):
            for period in (300, 900):
                low, mean, high = (ask.value(meter, word, period, each) for each in ("min", "mean", "max"))
                assert low is not None
                assert mean is not None
                assert high is not None
                assert low < mean < high
                ask.same(meter, word, period, "min")
                ask.same(meter, word, period, "max")
                assert getattr(ask.source, f"get_{meter}")(ask.world.host(word), None, period, "max") == high


@clause("S4")
@rows("meter", ["host_outlet_temp", "host_inlet_temp"])
def test_temperatures_below_zero(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        found = [ask.value(meter, "cold", 300, each) for each in ("mean", "min", "max")]
        assert found == pytest.approx([-8.0, -20.0, 1.0])


@clause("S9")
def test_a_series_of_a_counter_is_cut_to_its_bounds(ask: Asked) -> None:
    if ask.serves(CPU):
        first = time.from_micros(ask.world.micros - 3 * MINUTE)
        found = ask.source.statistic_series(ask.world.instance("busy"), "instance", CPU, first, ask.world.now)
        assert list(found.values()) == pytest.approx([100.0, 100.0, 100.0])
