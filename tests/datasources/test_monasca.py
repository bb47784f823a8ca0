"""Monasca: its exchanges byte by byte, pages, and answers that are not what was asked for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.datasources.answering import Answering, Asked, answering
from tests.datasources.noon import HOST, NOW, opened
from undercroft.datasources import DataSourceBase, MetricNotAvailable

VM = {"uuid": "u1", "vcpus": 4, "project_id": "p"}
NOTHING: dict[str, Any] = {"links": [], "elements": []}


pytestmark = pytest.mark.usefixtures("noon")


def source(server: Answering, **options: Any) -> DataSourceBase:
    return opened(f"monasca://{server.place}?token=T", **{"query_max_retries": 1, "query_interval": 0, **options})


def element(dimensions: dict[str, str], columns: list[str], *rows: list[float | None], **more: Any) -> dict[str, Any]:
    return {
        "name": "x", "dimensions": dimensions, "columns": ["timestamp", *columns],
        "statistics": [["2026-03-01T11:55:00.000Z", *row] for row in rows], **more,
    }  # fmt: skip


def page(*elements: dict[str, Any], following: str | None = None) -> dict[str, Any]:
    return {"elements": list(elements), "links": [{"rel": "next", "href": following}] if following else []}


def test_the_request_for_hosts() -> None:
    with answering(page(element({"hostname": "c1.example.com"}, ["avg", "count"], [12.5, 5]))) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage") == 12.5
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/v2.0/metrics/statistics")
    assert asked.query == [
        ("name", "cpu.percent"), ("start_time", "2026-03-01T11:55:00.000001"), ("end_time", "2026-03-01T12:00:00.000001"),
        ("dimensions", "hostname"), ("period", "301"), ("statistics", "avg,count"), ("group_by", "*"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("aggregate", "statistic", "wanted"), [("min", "min", 10.0), ("max", "max", 40.0), ("count", "count", 200)]
)
def test_each_aggregate_is_asked_for_and_applied(aggregate: str, statistic: str, wanted: float) -> None:
    """The rows of all elements of a resource count, not those of the last one."""
    rows = page(
        element({"resource_id": "u1", "device": "a"}, [aggregate], [40.0], [80.0]),
        element({"resource_id": "u2"}, [aggregate], [1.0]),
        element({"resource_id": "u1", "device": "b"}, [aggregate], [160.0 if aggregate == "max" else 80.0]),
    )
    with answering(rows) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_cpu_usage", aggregate=aggregate) == wanted
    asked = dict(server.asked[0].query)
    assert (asked["statistics"], asked["dimensions"]) == (aggregate, "resource_id:u1")


def test_a_mean_is_weighed_by_counts() -> None:
    answer = page(
        element({"resource_id": "u1"}, ["avg", "count"], [100.0, 1], [None, 0], [200.0, 3]),
        element({"resource_id": "u1"}, ["avg", "count"], [0.0, 1]),
    )
    with answering(answer) as server:
        # (100 + 3 * 200 + 0) / 5 of one processor, and the instance has 4.
        assert source(server).statistic_aggregation(VM, None, "instance_cpu_usage") == 35.0


def test_further_pages_are_read_from_the_same_server() -> None:
    following = "http://elsewhere.example.com:1/v2.0/metrics/statistics?name=cpu.percent&offset=1"
    first = page(element({"hostname": "c0"}, ["max"], [1.0]), following=following)
    with answering(first, page(element({"hostname": "c1.example.com"}, ["max"], [2.0]))) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage", aggregate="max") == 2.0
    assert server.asked[1].path == "/v2.0/metrics/statistics"
    assert server.asked[1].query == [("name", "cpu.percent"), ("offset", "1")]


def test_a_link_to_itself_does_not_end_the_strategy() -> None:
    def circle(asked: Asked) -> Any:
        query = "&".join(f"{name}={value}" for name, value in asked.query if name != "dimensions")
        return page(following=f"http://x/?{query}")

    with answering(circle) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage") is None
        assert len(server.asked) == 2


def test_many_instances_are_one_request() -> None:
    with answering(page(element({"resource_id": "u7"}, ["avg", "count"], [0.0, 1]))) as server:
        many = [{**VM, "uuid": f"u{number}"} for number in range(500)]
        found = source(server).statistic_batch(many, "instance", "instance_cpu_usage")
    assert {key: value for key, value in found.items() if value is not None} == {"u7": 0.0}
    (asked,) = server.asked
    assert dict(asked.query)["dimensions"] == "resource_id"


@pytest.mark.parametrize("hostile", ["u1,hostname:x", "u1|u2", "a:b"])
def test_an_id_does_not_change_the_query(hostile: str) -> None:
    with answering(NOTHING) as server:
        assert source(server).statistic_aggregation({**VM, "uuid": hostile}, None, "instance_cpu_usage") is None
    assert dict(server.asked[0].query)["dimensions"] == "resource_id"


def test_series() -> None:
    measurements = [
        ["2026-03-01T12:00:00.000Z", 40.0, {}], ["2026-03-01T11:56:00Z", 80.0, {}], ["2026-03-01T11:57:00.5Z", None, {}],
        ["2026-03-01T12:00:00.001Z", 400.0, {}],
    ]  # fmt: skip
    answer = page(element({"resource_id": "u1"}, ["value", "value_meta"], measurements=measurements))
    with answering(answer) as server:
        found = source(server).statistic_series(VM, None, "instance_cpu_usage", NOW - dt.timedelta(minutes=5), NOW)
    assert found == {NOW - dt.timedelta(minutes=4): 20.0, NOW: 10.0}
    assert list(found) == sorted(found)
    (asked,) = server.asked
    assert asked.path == "/v2.0/metrics/measurements"
    assert dict(asked.query)["start_time"] == "2026-03-01T11:55:00.000000"


def test_names_and_availability() -> None:
    with answering(page({"name": "cpu.percent"}, {"name": "mem.free_mb"})) as server:
        made = source(server)
        assert made.list_metrics() == {"cpu.percent"}
        assert made.check_availability() == "available"
    assert [(each.path, each.query) for each in server.asked] == [("/v2.0/metrics/names", []), ("/v2.0/metrics", [("limit", "1")])]


def test_other_meters_are_not_available() -> None:
    with answering(NOTHING) as server:
        with pytest.raises(MetricNotAvailable):
            source(server).statistic_aggregation(HOST, None, "host_ram_usage")
        assert server.asked == []


def test_a_token_is_renewed_once_after_401() -> None:
    """A client that answers 401 is asked again; a second 401 is meant."""
    with answering(401, page(element({"hostname": "c1.example.com"}, ["max"], [2.0]))) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage", aggregate="max") == 2.0
        assert len(server.asked) == 2
    with answering(401) as server:
        assert source(server, query_max_retries=5).statistic_aggregation(HOST, None, "host_cpu_usage") is None
        assert len(server.asked) == 2


@pytest.mark.parametrize("answer", [b"{", b'{"elements": 1}', b"<html>", 500])
def test_half_an_answer_is_tried_again(answer: Any) -> None:
    with answering(answer, page(element({"hostname": "c1.example.com"}, ["max"], [0.0]))) as server:
        made = source(server, query_max_retries=2)
        assert made.statistic_aggregation(HOST, None, "host_cpu_usage", aggregate="max") == 0.0


def test_an_answer_without_the_column_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with answering(page(element({"hostname": "c1.example.com"}, ["avg"], [2.0]))) as server:
        assert source(server, query_max_retries=5).statistic_aggregation(HOST, None, "host_cpu_usage", aggregate="max") is None
        assert len(server.asked) == 1
    assert "no column 'max', but timestamp, avg" in caplog.text


def test_an_endpoint_may_have_the_version() -> None:
    with answering(NOTHING) as server:
        made = opened(f"monasca://{server.place}/monitoring/v2.0/")
        assert made.check_availability() == "available"
    assert server.asked[0].path == "/monitoring/v2.0/metrics"
