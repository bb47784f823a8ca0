"""Aggregates: the window and its ends, which samples count, zero and nothing, what is passed wrongly."""

from __future__ import annotations

import itertools
import logging
import math
from typing import Any

import pytest

from undercroft.conformance.datasources.asking import AGGREGATES, ALL, Asked, close
from undercroft.conformance.datasources.data import HOST_METERS, UNITS
from undercroft.conformance.markers import clause
from undercroft.conformance.rows import part, rows
from undercroft.datasources import MetricNotAvailable


@clause("S2")
@rows("meter", ["host_cpu_usage", "host_power", "instance_cpu_usage", "instance_ram_usage", "instance_l3_cache_usage"])
def test_a_sample_at_the_start_is_out_and_one_at_the_end_is_in(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for aggregate in AGGREGATES:
            ask.same(meter, "window", 300, aggregate)
            ask.same(meter, "window", 301, aggregate)


@clause("S2")
def test_the_window_by_hand(ask: Asked) -> None:
    for meter in ask.served("host_cpu_usage", "host_power", "instance_ram_usage"):
        if ask.kinds[meter] != "gauge":
            continue
        assert ask.value(meter, "window", 300, "max") == pytest.approx(40)
        assert ask.value(meter, "window", 300, "min") == pytest.approx(10)
        assert close(ask.value(meter, "window", 300, "mean"), 23)
        if "count" in ask.aggregates:
            assert ask.value(meter, "window", 300, "count") == 5
            assert ask.value(meter, "window", 301, "count") == 6
        assert ask.value(meter, "window", 301, "max") == pytest.approx(80)


@clause("S2")
@rows("meter", ALL)
def test_every_meter_over_all_samples_of_the_window(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        asked = itertools.product(AGGREGATES, (120, 300, 600, 1_200, 2_400), ("random", "other"))
        for aggregate, period, word in part(asked, ALL.index(meter), 3):
            ask.same(meter, word, period, aggregate)


@clause("S2")
@rows("meter", ALL)
def test_granularity_does_not_change_the_result(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for granularity in (None, 1, 60, 300, 300.0, "60"):
            ask.same(meter, "random", 600, "mean", granularity)
            ask.same(meter, "random", 600, "max", granularity)


@clause("S2")
@rows("meter", ALL)
def test_one_method_for_each_meter(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        method = getattr(ask.source, f"get_{meter}")
        for aggregate in AGGREGATES:
            found = method(ask.resource(meter, "random"), None, 600, aggregate)
            assert close(found, ask.expected(meter, "random", 600, aggregate))
            assert found == method(ask.resource(meter, "random"), None, period=600, aggregate=aggregate, granularity=60)


@clause("S2")
def test_memory_of_a_host_by_both_names(ask: Asked) -> None:
    if ask.serves("host_ram_usage"):
        found = ask.source.get_host_memory_usage(ask.world.host("random"), "compute_node", 600, "mean")
        assert found == ask.source.get_host_ram_usage(ask.world.host("random"), "compute_node", 600, "mean")
        assert found is not None


@clause("S3")
@rows("meter", [meter for meter in ALL if meter not in ("instance_ram_allocated", "instance_root_disk_size")])
def test_zero_is_a_value(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for aggregate in ("mean", "min", "max"):
            found = ask.value(meter, "zero", 300, aggregate)
            assert found is not None
            assert found == pytest.approx(0, abs=1e-6)


@clause("S3")
@rows("meter", [meter for meter in ALL if meter not in ("instance_ram_allocated", "instance_root_disk_size")])
def test_nothing_in_the_window_is_none(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for aggregate in AGGREGATES:
            assert ask.value(meter, "old", 300, aggregate) is None
        if ask.kinds[meter] == "gauge" and meter in HOST_METERS:
            assert ask.value(meter, "old", 3_720, "mean") == pytest.approx(7)


@clause("S4")
@rows("aggregate", [None, "", "median", "MEAN", "sum", 3, ["mean"]])
def test_an_unknown_aggregate_is_the_mean(ask: Asked, caplog: pytest.LogCaptureFixture, aggregate: Any) -> None:
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
        caplog.clear()
        assert close(ask.value(meter, "random", 600, aggregate), ask.expected(meter, "random", 600, "mean"))
        assert _warned(caplog)


@clause("S4")
def test_an_aggregate_that_the_backend_lacks_is_the_mean(ask: Asked, caplog: pytest.LogCaptureFixture) -> None:
    for aggregate in set(AGGREGATES) - set(ask.aggregates):
        for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
            caplog.clear()
            assert close(ask.value(meter, "random", 600, aggregate), ask.expected(meter, "random", 600, "mean"))
            assert _warned(caplog)


@clause("S4")
@rows("period", ["600", 600.0, "600.0", " 600 "])
def test_a_period_as_text_or_float(ask: Asked, period: Any) -> None:
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
        assert close(ask.value(meter, "random", period), ask.expected(meter, "random", 600))


@clause("S4")
@rows("period", [None, -1, 0, "-600", math.inf, -math.inf, math.nan, "soon", "", [600], True])
def test_a_wrong_period_is_300_seconds(ask: Asked, caplog: pytest.LogCaptureFixture, period: Any) -> None:
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
        caplog.clear()
        assert close(ask.value(meter, "random", period), ask.expected(meter, "random", 300))
        assert _warned(caplog)


@clause("S4")
@rows("granularity", [-1, 0, "fine", math.inf, math.nan, [60], "", True])
def test_a_wrong_granularity_is_the_finest(ask: Asked, granularity: Any) -> None:
    for meter in ask.served("host_cpu_usage", "instance_cpu_usage"):
        ask.same(meter, "random", 600, "mean", granularity)


@clause("S4")
@rows("meter", [None, "", "host_disk_usage", "cpu", "HOST_CPU_USAGE", "' OR 1=1", 7])
def test_an_unknown_meter_is_not_available(ask: Asked, meter: Any) -> None:
    source, resource = ask.source, ask.world.host("random")
    for call in (source.statistic_aggregation, source.statistic_series, source.explain):
        with pytest.raises(MetricNotAvailable):
            call(resource, "compute_node", meter)
    with pytest.raises(MetricNotAvailable):
        source.statistic_batch([resource], "compute_node", meter)
    with pytest.raises(MetricNotAvailable):
        source.answers(meter)
    with pytest.raises(MetricNotAvailable):
        source.survey(meter)
    with pytest.raises(MetricNotAvailable):
        source._get_meter(meter)


@clause("S4")
@rows("meter", ALL)
def test_a_meter_that_the_map_does_not_serve(ask: Asked, meter: str) -> None:
    ask.serves(meter)
    ask.source.METRIC_MAP[meter] = None
    assert not Asked(ask.source, ask.world).serves(meter)


@clause("S12")
@rows("meter", [meter for meter in ALL if meter not in ("instance_ram_allocated", "instance_root_disk_size")])
def test_answers_have_nine_digits(ask: Asked, meter: str) -> None:
    if ask.serves(meter):
        for word in ("random", "other"):
            for period in (180, 420, 660):
                found = ask.value(meter, word, period)
                assert found is not None
                assert found == float(f"{found:.9g}")
    if meter == "instance_cpu_usage" and ask.serves(meter):
        assert ask.value(meter, "digits") == pytest.approx(0.238095238, rel=1e-9)


@clause("S1")
def test_units_are_those_of_the_contract(ask: Asked) -> None:
    assert {meter: each["unit"] for meter, each in ask.source.capabilities()["meters"].items()} == {
        meter: UNITS[meter] for meter in ask.served(*ALL)
    }


def _warned(caplog: pytest.LogCaptureFixture) -> bool:
    return any(each.levelno >= logging.WARNING for each in caplog.records)
