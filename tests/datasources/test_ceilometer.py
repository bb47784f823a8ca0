"""An old Ceilometer's API: its exchanges byte by byte, and what it answers that ours does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.datasources.answering import Answering, answering
from tests.datasources.noon import HOST, opened
from undercroft.datasources import DataSourceBase
from undercroft.datasources.drivers import ceilometer

pytestmark = pytest.mark.usefixtures("noon")
VM = {"uuid": "u1", "vcpus": 4}


def source(server: Answering) -> DataSourceBase:
    return opened(f"ceilometer://{server.place}?token=T", query_max_retries=1, query_interval=0)


def statistics(resource: str | None, **functions: float) -> dict[str, Any]:
    return {"groupby": {"resource_id": resource}, "aggregate": functions, "unit": "%", "period": 0, **functions}


def test_the_request_orders_parameters_as_the_client_of_the_api_does() -> None:
    with answering([statistics("u1", avg=12.5, count=4)]) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_cpu_usage") == 12.5
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/v2/meters/cpu_util/statistics")
    assert asked.query == [
        ("q.field", "resource_id"), ("q.field", "timestamp"), ("q.field", "timestamp"),
        ("q.op", "eq"), ("q.op", "gt"), ("q.op", "le"),
        ("q.type", ""), ("q.type", ""), ("q.type", ""),
        ("q.value", "u1"), ("q.value", "2026-03-01T11:55:00"), ("q.value", "2026-03-01T12:00:00"),
        ("groupby", "resource_id"), ("aggregate.func", "avg"), ("aggregate.func", "count"),
    ]  # fmt: skip


def test_500_instances_are_one_request_that_names_none() -> None:
    resources = [{"uuid": f"u{number}", "vcpus": 1} for number in range(500)]
    with answering([statistics("u1", avg=1.5, count=2), statistics("stranger", avg=9.0, count=1)]) as server:
        found = source(server).statistic_batch(resources, "instance", "instance_ram_usage")
    assert {key: value for key, value in found.items() if value is not None} == {"u1": 1.5}
    (asked,) = server.asked
    assert "resource_id" not in [value for name, value in asked.query if name == "q.field"]


def test_statistics_of_several_units_are_joined() -> None:
    rows = [statistics("u1", avg=10.0, count=3), statistics("u1", avg=50.0, count=1), statistics(None, avg=99.0, count=1)]
    with answering(rows) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage") == 20.0


def test_a_host_is_found_by_either_form_of_its_id() -> None:
    for resource in ("c1.example.com_c1.example.com", "c1.example.com", "c1"):
        with answering([statistics(resource, avg=7.0, count=1)]) as server:
            assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage") == 7.0


def test_samples_that_are_left_out_are_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(ceilometer, "_MOST_SAMPLES", 2)
    rows = [{"resource_id": "u1", "counter_volume": 2.0, "timestamp": f"2026-03-01T11:5{minute}:00"} for minute in (9, 8)]
    with answering(rows) as server:
        assert len(source(server).statistic_series(VM, None, "instance_ram_usage")) == 2
    assert ("limit", "2") in server.asked[0].query
    assert "the oldest are left out" in caplog.text
