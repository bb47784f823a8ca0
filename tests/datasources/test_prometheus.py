"""Prometheus and Aetos: the queries as they are sent, series that belong together, and answers that are not what was asked for."""

from __future__ import annotations

import logging
import re
import urllib.parse
import uuid
from typing import Any

import pytest

import undercroft
from tests.datasources.answering import Answering, answering
from tests.datasources.noon import HOST, NOW, opened
from undercroft.core.errors import ConfigInvalid
from undercroft.datasources import DataSourceBase, MetricNotAvailable, promql

UNTIL = NOW.timestamp()
VM = {"uuid": "u1", "vcpus": 2}
HOSTILE = ['a"} or vector(1) #', "a\\", "a|b", ".*", "a\nb", "a$b", "(x", "é-1", "[a-z]"]


pytestmark = pytest.mark.usefixtures("noon")


def source(server: Answering, scheme: str = "prometheus", **options: Any) -> DataSourceBase:
    return opened(f"{scheme}://{server.place}", **{"query_max_retries": 1, "query_interval": 0, "step": 60.0, **options})


def vector(*series: tuple[dict[str, str], str], **more: Any) -> dict[str, Any]:
    result = [{"metric": labels, "value": [UNTIL, value]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}, **more}


def matrix(*series: tuple[dict[str, str], list[tuple[float, float]]]) -> dict[str, Any]:
    result = [{"metric": labels, "values": [[UNTIL + second, str(value)] for second, value in points]} for labels, points in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_the_query_of_a_level_is_for_the_window_without_its_beginning() -> None:
    with answering(vector(({"resource": "u1"}, "512"))) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage", aggregate="max") == 512
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/query")
    assert asked.query == [
        ("query", 'max by (resource) (max_over_time(ceilometer_memory_usage{resource=~"u1"}[299999ms]))'),
        ("time", f"{UNTIL:.3f}"),
    ]


def test_the_mean_weighs_each_sample_of_all_series_of_a_resource_alike() -> None:
    with answering(vector(({"resource": "u1"}, "0"))) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage") == 0
    series = 'ceilometer_memory_usage{resource=~"u1"}[299999ms]'
    expected = f"sum by (resource) (sum_over_time({series})) / sum by (resource) (count_over_time({series}))"
    assert dict(server.asked[0].query)["query"] == expected


def test_memory_of_hosts_is_what_is_not_available_and_its_largest_is_of_the_smallest() -> None:
    with answering(vector(({"fqdn": "c1.example.com"}, "2048"), ({"fqdn": "c2"}, "4096"))) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_ram_usage", aggregate="max") == 2
    query = dict(server.asked[0].query)["query"]
    assert "last_over_time(node_memory_MemTotal_bytes" in query
    assert "min_over_time(node_memory_MemAvailable_bytes" in query
    assert "c1" not in query


def test_processors_are_averaged_by_the_server_and_moments_here() -> None:
    idle = matrix(({"fqdn": "c1.example.com"}, [(-120, 0.75), (-60, 0.25), (0, 0.5)]))
    with answering(idle) as server:
        found = source(server)
        answers = [found.statistic_aggregation(HOST, None, "host_cpu_usage", aggregate=each) for each in ("mean", "min", "max")]
    assert answers == [50, 25, 75]
    expected = '(avg by (fqdn) (irate(node_cpu_seconds_total{mode="idle",fqdn!=""}[120000ms])))[180001ms:60000ms]'
    assert {dict(asked.query)["query"] for asked in server.asked} == {expected}


def test_the_interval_of_scrapes_is_asked_once_and_the_longest_counts() -> None:
    targets = {
        "status": "success",
        "data": {
            "activeTargets": [
                {"labels": {"fqdn": "c1"}, "scrapeInterval": "15s"},
                {"labels": {"fqdn": "c2"}, "scrapeInterval": "1m0s"},
                {"labels": {"job": "prometheus"}, "scrapeInterval": "1h"},
            ]
        },
    }
    with answering(lambda asked: targets if asked.path.endswith("targets") else matrix()) as server:
        found = source(server, step=0.0)
        for _ in range(2):
            assert found.statistic_aggregation(HOST, None, "host_cpu_usage") is None
    assert [asked.path.rpartition("/")[2] for asked in server.asked] == ["targets", "query", "query"]
    assert "[120000ms]" in dict(server.asked[1].query)["query"]


def test_a_scrape_interval_that_is_not_known_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    targets = {"status": "success", "data": {"activeTargets": [{"labels": {"job": "prometheus"}, "scrapeInterval": "1h"}]}}
    with answering(lambda asked: targets if asked.path.endswith("targets") else matrix()) as server:
        found = source(server, step=0.0)
        for _ in range(2):
            assert found.statistic_aggregation(HOST, None, "host_cpu_usage") is None
    assert "[30000ms]" in dict(server.asked[1].query)["query"]
    (told,) = (each.getMessage() for each in caplog.records if "step=" in each.getMessage())
    assert "no active target has the label fqdn" in told


def test_samples_of_several_series_are_merged_by_their_moments_and_a_reset_between_them_is_0() -> None:
    second = 10**9
    answer = matrix(
        ({"resource": "u1", "host": "b"}, [(-60, 0), (0, 120 * second)]),
        ({"resource": "u1", "host": "a"}, [(-180, 7 * second), (-120, 67 * second)]),
    )
    with answering(answer) as server:
        found = source(server)
        assert found.statistic_aggregation(VM, None, "instance_cpu_usage", aggregate="max") == 100
        assert found.statistic_aggregation(VM, None, "instance_cpu_usage", aggregate="min") == 0
    assert dict(server.asked[0].query)["query"] == 'ceilometer_cpu{resource=~"u1"}[299999ms]'


def test_a_counter_that_goes_on_after_its_instance_has_moved_is_left() -> None:
    """The old exporter goes on to offer what it knew last, beside the new one, where a quarter of each vCPU is used."""
    second = 10**9
    old = [(-60.0 * back, (9_000.0 + min(0, 120 - 60 * back)) * second) for back in (4, 3, 2, 1, 0)]
    new = [(-60.0 * back, (100.0 - 30 * back) * second) for back in (2, 1, 0)]
    for series in ((old, new), (new, old)):
        with answering(matrix(*(({"resource": "u1", "host": str(place)}, each) for place, each in enumerate(series)))) as server:
            found = source(server)
            # Of the old one 50 % before it moved, then the reset, then two pairs of the new one.
            assert list(found.statistic_series(VM, None, "instance_cpu_usage").values()) == [50, 0, 25, 25]
            assert found.statistic_aggregation(VM, None, "instance_cpu_usage", aggregate="max") == 50


def test_500_instances_are_one_query() -> None:
    with answering(vector(({"resource": "u3"}, "1"))) as server:
        resources = [{"uuid": f"u{number}", "vcpus": 1} for number in range(500)]
        found = source(server).statistic_batch(resources, "instance", "instance_ram_usage")
    assert len(server.asked) == 1
    assert [key for key, value in found.items() if value is not None] == ["u3"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_matched_as_it_is_and_no_other(name: str) -> None:
    with answering(vector()) as server:
        source(server).statistic_aggregation({"uuid": name, "vcpus": 1}, "instance", "instance_ram_usage", aggregate="min")
    query = dict(server.asked[0].query)["query"]
    found = re.fullmatch(
        r'min by \(resource\) \(min_over_time\(ceilometer_memory_usage\{resource=~"((?:[^"\\\n]|\\.)*)"\}\[299999ms\]\)\)', query
    )
    assert found is not None, query
    pattern = re.sub(r"\\(.)", lambda escaped: {"n": "\n", "r": "\r"}.get(escaped[1], escaped[1]), found[1])
    assert [other for other in [*HOSTILE, "a", "b", "x", "ab"] if re.fullmatch(pattern, other)] == [name]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
def test_what_is_not_a_number_is_no_data(value: str) -> None:
    with answering(vector(({"resource": "u1"}, value))) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage") is None


def test_each_meter_may_have_a_metric_of_its_own() -> None:
    with answering(vector(({"name": "c1.example.com"}, "0.25"))) as server:
        found = source(server, host_label="name", host_power='power_kilowatts{sensor="total"} * 1000')
        assert found.METRIC_MAP["host_power"] == "power_kilowatts"
        assert found.statistic_aggregation(HOST, None, "host_power", aggregate="max") == 250
        with pytest.raises(MetricNotAvailable):
            found.statistic_aggregation(HOST, None, "host_airflow")
    assert 'max_over_time(power_kilowatts{sensor="total",name!=""}[' in dict(server.asked[0].query)["query"]


@pytest.mark.parametrize("text", ["", "1x", "x{", 'x{a="b"', "x{a=b}", 'x{a="b" c="d"}', 'x{a="b"} or y', "x * y", "rate(x[5m])"])
def test_a_metric_that_is_an_expression_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid, match="host_power"):
        promql.parse("host_power", text)


@pytest.mark.parametrize("options", [{"host_label": 'a"b'}, {"instance_label": ""}, {"step": -1.0}])
def test_labels_and_steps_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigInvalid, match=next(iter(options))):
        undercroft.connect("datasources", "prometheus://127.0.0.1:1", **options)


def test_a_warning_of_the_server_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with (
        answering(vector(({"resource": "u1"}, "1"), warnings=["only a part was read"])) as server,
        caplog.at_level(logging.WARNING),
    ):
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage") == 1
    assert "only a part was read" in caplog.text


@pytest.mark.parametrize(
    "answer", [500, 401, 422, b"<html>", b"", {"status": "error", "error": "too many samples"}, {"status": "success"}]
)
def test_an_answer_that_is_not_one_gives_none(answer: Any) -> None:
    with answering(answer) as server:
        assert source(server).statistic_aggregation(VM, None, "instance_ram_usage") is None


def test_names_are_those_of_the_meters() -> None:
    with answering({"status": "success", "data": ["ceilometer_cpu", "up"]}) as server:
        assert source(server).list_metrics() >= {"ceilometer_cpu"}
        assert "up" not in source(server).list_metrics()
    assert server.asked[0].path == "/api/v1/label/__name__/values"
    assert server.asked[0].query[0][0] == "match[]"


def test_aetos_is_asked_by_get() -> None:
    with answering(vector(({"resource": "u1"}, "3"))) as server:
        assert source(server, "aetos", token="T").statistic_aggregation(VM, None, "instance_ram_usage") == 3
    (asked,) = server.asked
    assert (asked.method, asked.headers["authorization"]) == ("GET", "Bearer T")


@pytest.mark.parametrize(("many", "are_named"), [(1, True), (15, True), (16, False), (500, False)])
def test_aetos_is_asked_for_so_many_instances_by_name_as_a_url_takes(many: int, are_named: bool) -> None:
    resources = [{"uuid": str(uuid.UUID(int=number)), "vcpus": 1} for number in range(many)]
    last = resources[-1]["uuid"]
    with answering(vector(({"resource": str(last)}, "3"), ({"resource": "other"}, "4"))) as server:
        found = source(server, "aetos", token="T").statistic_batch(resources, "instance", "instance_ram_usage")
    assert {key for key, value in found.items() if value == 3} == {last}
    assert "other" not in found
    (asked,) = server.asked
    query = dict(asked.query)["query"]
    assert (str(last) in query, 'resource!=""' in query) == (are_named, not are_named)
    assert len(urllib.parse.urlencode(asked.query)) < 1_500
