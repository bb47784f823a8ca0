"""The base class over a driver in memory: what it asks, and how it reads what it gets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from tests.datasources.memory import Source
from undercroft.conformance.clock import now
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput, Unavailable
from undercroft.datasources import DataSourceBase, Metric, MetricNotAvailable

NOW = dt.datetime(2026, 3, 4, 5, 6, tzinfo=dt.UTC)
UNTIL = time.to_micros(NOW)
SECOND, NS = 1_000_000, 1_000_000_000
HOST: dict[str, Any] = {"uuid": "h", "hostname": "c1.example.com"}
INSTANCE: dict[str, Any] = {"uuid": "i", "vcpus": 2, "memory": 512}


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source(url="memory://", query_max_retries=2, query_interval=0.0)
    made.samples = {
        "idle": {"c1": [(UNTIL - 300 * SECOND, 1.0), (UNTIL - 200 * SECOND, 90.0), (UNTIL, 60.0)]},
        "airflow": {"c1.example.com": [(UNTIL, 12.0)]},
        "cpu": {"i": [(UNTIL - 60 * SECOND, 0.0), (UNTIL, 60.0 * NS)]},
        "memory": {"i": [(UNTIL, 0.0)]},
        "l3": {"i": [(UNTIL, 80.0)]},
    }
    with now(NOW):
        yield made


def test_complement_scale_and_vcpus(source: Source) -> None:
    found = [source.statistic_aggregation(HOST, None, "host_cpu_usage", aggregate=each) for each in ("mean", "min", "max")]
    assert found == [25.0, 10.0, 40.0]
    assert source.get_host_airflow(HOST, None, 300, "mean") == 120.0
    assert source.get_instance_cpu_usage(INSTANCE, None, 300, "mean") == 50.0
    assert source.get_instance_l3_cache_usage(INSTANCE, None, 300, "mean") == 40.0
    assert source.get_instance_ram_usage(INSTANCE, None, 300, "max") == 0.0
    assert source.get_instance_ram_allocated(INSTANCE, None, 300, "mean") == 512.0


def test_questions_carry_checked_arguments(source: Source) -> None:
    source.statistic_aggregation(HOST, "instance", "host_cpu_usage", period="120", granularity="60", aggregate="min")  # type: ignore[arg-type]
    source.statistic_aggregation(INSTANCE, None, "instance_ram_usage", granularity=None)
    first, second = source.asked
    assert first.window == (UNTIL - 120 * SECOND, UNTIL)
    assert (first.granularity, first.ids, first.aggregate, first.metric.name) == (60, None, "max", "idle")
    assert (second.granularity, second.ids, second.window.seconds) == (None, ["i"], 300.0)


def test_periods_that_begin_before_all_time(source: Source) -> None:
    for period in (1e30, 1e308, 10**400):
        source.statistic_aggregation(HOST, None, "host_power", period)
    assert all(question.window.until == UNTIL > question.window.after for question in source.asked)


def test_a_count_that_the_backend_lacks_is_the_mean(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    assert source.statistic_aggregation(INSTANCE, None, "instance_cpu_usage", aggregate="count") == 50.0
    assert "no aggregate count" in caplog.text
    assert source.capabilities()["aggregates"] == ["mean", "min", "max"]


def test_the_map_may_be_changed_by_hosts(source: Source) -> None:
    source.samples["other"] = {"c1.example.com": [(UNTIL, 3.0)]}
    source.METRIC_MAP["host_airflow"] = "other"
    source.METRIC_MAP["host_outlet_temp"] = "other"
    assert source.get_host_airflow(HOST, None, 300, "mean") == 30.0
    assert source.get_host_outlet_temp(HOST, None, 300, "mean") == 3.0
    source.METRIC_MAP["host_airflow"] = None
    with pytest.raises(MetricNotAvailable) as caught:
        source.get_host_airflow(HOST, None, 300, "mean")
    assert caught.value.metric == "host_airflow"
    assert Source(url="memory://").METRIC_MAP["host_airflow"] == "airflow"


def test_parts_of_500_instances_and_none_for_those_without_samples(source: Source) -> None:
    others = [{"uuid": f"n{number}", "vcpus": 1} for number in range(1_000)]
    found = source.statistic_batch([INSTANCE, *others], "instance", "instance_ram_usage")
    assert [len(question.ids or ()) for question in source.asked] == [500, 500, 1]
    assert found == {"i": 0.0} | dict.fromkeys(str(each["uuid"]) for each in others)


def test_a_part_that_fails_leaves_the_others(source: Source) -> None:
    calls = iter([None, InvalidInput("ids", "too long"), None])

    def fails() -> None:
        if (error := next(calls)) is not None:
            raise error

    source.fails = fails
    others = [{"uuid": f"n{number}", "vcpus": 1} for number in range(1_000)]
    found = source.statistic_batch([*others, INSTANCE], "instance", "instance_ram_usage")
    assert found["i"] == 0.0
    assert len(source.asked) == 3


def test_an_unreachable_backend_is_asked_no_more(source: Source) -> None:
    def fails() -> None:
        raise Unavailable("away")

    source.fails = fails
    assert source.get_host_power(HOST, None, 300, "mean") is None
    assert len(source.asked) == 2
    assert source.statistic_batch([INSTANCE], "instance", "instance_ram_usage") == {"i": None}
    assert source.list_metrics() == set()
    assert source.explain(HOST, None, "host_power").note == "the backend does not answer; the log says more"
    assert source.check_availability() == "not available"
    assert len(source.asked) == 2


def test_explanations(source: Source) -> None:
    told = source.explain(HOST, "compute_node", "host_cpu_usage", 300, "max")
    assert (told.value, told.unit, told.samples, told.age, told.note) == (40.0, "%", 2, 0.0, None)
    assert told.first == NOW - dt.timedelta(seconds=200)
    assert (told.after, told.until) == (NOW - dt.timedelta(seconds=300), NOW)
    one = source.explain(INSTANCE, None, "instance_cpu_usage", 30)
    assert (one.value, one.samples) == (None, 1)
    assert "two samples" in str(one.note)
    assert "is a meter of compute_node" in str(source.explain(INSTANCE, None, "host_power").note)


def test_series_have_both_bounds(source: Source) -> None:
    first = NOW - dt.timedelta(seconds=300)
    assert source.statistic_series(HOST, None, "host_cpu_usage", first, NOW) == {
        first: 99.0, NOW - dt.timedelta(seconds=200): 10.0, NOW: 40.0,
    }  # fmt: skip
    assert source.statistic_series(HOST, None, "host_cpu_usage", NOW, first) == {}


def test_retries_call_the_reset_of_the_driver() -> None:
    reset: list[BaseException] = []

    class Renewing(Source):
        def query_retry_reset(self, exception_instance: BaseException) -> None:
            reset.append(exception_instance)

    source = Renewing(url="memory://", query_max_retries=2, query_interval=0.0)
    errors = [KeyError("once")]

    def ask(text: str, *, more: str) -> str:
        if errors:
            raise errors.pop()
        return text + more

    assert source.query_retry(ask, "a", more="b") == "ab"
    assert [type(error) for error in reset] == [KeyError]
    assert source.query_retry(ask, "a", more="b", ignored_exc=KeyError) == "ab"


@pytest.mark.parametrize("option", ["query_max_retry=2", "query_interval=soon", "x=1"])
def test_wrong_options_are_refused(option: str) -> None:
    with pytest.raises(ConfigInvalid):
        Source(url=f"memory://?{option}")


def test_a_subclass_maps_every_meter() -> None:
    class Small(Source):
        METRICS: ClassVar[Mapping[str, Metric]] = {"host_power": Metric("w")}

    assert Small.METRIC_MAP["host_power"] == "w"
    assert set(Small.METRIC_MAP) == set(DataSourceBase.METRIC_MAP)
    assert {name for name, found in Small.METRIC_MAP.items() if found} == {"host_power"}
