"""InfluxDB behind Grafana: its exchanges byte by byte, templates, and answers that are not what was asked for."""

from __future__ import annotations

import datetime as dt
import logging
import pathlib
from typing import Any

import pytest

import undercroft
from tests.datasources.answering import Answering, answering
from tests.datasources.noon import HOST, NOW, opened
from undercroft.core import time
from undercroft.core.errors import ConfigInvalid
from undercroft.datasources import DataSourceBase, MetricNotAvailable

END = 1772366400
VM = {"uuid": "u1", "vcpus": 4, "project_id": "p"}
NOTHING = {"results": [{"statement_id": 0}]}


pytestmark = pytest.mark.usefixtures("noon")


def source(server: Answering, **options: Any) -> DataSourceBase:
    url = f"grafana://{server.place}/api/datasources/proxy/1?token=T&database=watcher&query_max_retries=1"
    return opened(url, **options)


def of(tag: str, *series: tuple[str, list[str], list[list[Any]]]) -> dict[str, Any]:
    return {
        "results": [
            {"series": [{"name": "m", "tags": {tag: key}, "columns": columns, "values": rows} for key, columns, rows in series]}
        ]
    }


def test_the_request_for_hosts() -> None:
    with answering(of("resource", ("c1.example.com", ["time", "mean"], [[0, 12.5]]))) as server:
        assert source(server).statistic_aggregation(HOST, None, "host_cpu_usage") == 12.5
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("GET", "/api/datasources/proxy/1/query")
    assert asked.headers["authorization"] == "Bearer T"
    assert asked.query == [
        ("db", "watcher"), ("epoch", "ms"),
        (
            "q",
            (f'SELECT mean("value") FROM "host_cpu_usage" WHERE time > {END - 300}000000000 AND time <= {END}000000000 '
            'GROUP BY "resource"'),
        ),
    ]  # fmt: skip


def test_an_instance_is_named_as_a_string() -> None:
    hostile = "x' OR '1'='1"
    with answering(of("uuid", (hostile, ["time", "max"], [[0, 7]]))) as server:
        made = source(server, tag="uuid", field="v", retention_policy="week")
        assert made.statistic_aggregation({**VM, "uuid": hostile}, None, "instance_ram_usage", aggregate="max") == 7
    query = dict(server.asked[0].query)["q"]
    assert query.startswith('SELECT max("v") FROM "week"."instance_ram_usage" WHERE time > ')
    assert query.endswith(""" AND ("uuid" = 'x\\' OR \\'1\\'=\\'1') GROUP BY "uuid\"""")


def test_many_instances_are_one_post() -> None:
    with answering(of("resource", ("u3", ["time", "mean"], [[0, 0]]))) as server:
        many = [{**VM, "uuid": f"u{number}"} for number in range(500)]
        found = source(server).statistic_batch(many, "instance", "instance_ram_usage")
    assert len(found) == 500
    assert {key: value for key, value in found.items() if value is not None} == {"u3": 0.0}
    (asked,) = server.asked
    assert asked.method == "POST"
    assert dict(asked.query)["q"].count(" OR ") == 499


@pytest.mark.parametrize(
    "answer",
    [
        NOTHING,
        {"results": [{"series": []}]},
        of("resource", ("c1.example.com", ["time", "mean"], [[0, None]])),
        of("resource", ("", ["time", "mean"], [[0, 5]])),
        of("resource", ("c2.example.com", ["time", "mean"], [[0, 5]])),
        of("resource", ("c1.example.com", ["time", "mean"], [])),
    ],
)
def test_nothing_there_is_none(answer: Any) -> None:
    with answering(answer) as server:
        made = source(server)
        assert made.statistic_aggregation(HOST, None, "host_power") is None
        # The breaker stayed closed: that there is nothing is an answer.
        assert made.check_availability() == "available"
        assert made.statistic_aggregation(HOST, None, "host_power") is None
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"results": [{"error": "database not found: watcher"}]}, "database not found: watcher"),
        (of("resource", ("c1.example.com", ["time", "other"], [[0, 5]])), "no column 'mean', but time, other: write AS {0}"),
        ({"results": [{"series": [{"columns": ["time", "mean"], "values": [[0, 5]]}]}]}, 'write GROUP BY "resource"'),
        (of("resource", ("c1.example.com", ["time", "mean"], [[0, "hot"]])), "'hot' where a number is expected"),
        ({"results": [{"partial": True}]}, "raise max-row-limit"),
        (400, "400"),
    ],
)
def test_a_refused_query_is_told_and_not_repeated(answer: Any, told: str, caplog: pytest.LogCaptureFixture) -> None:
    with answering(answer) as server:
        made = source(server, query_max_retries=5)
        assert made.statistic_aggregation(HOST, None, "host_power") is None
        assert len(server.asked) == 1
    assert told in caplog.text


@pytest.mark.parametrize("answer", [b"{", b'{"results": 5}', b"<html>", {"results": [{"error": "query-timeout exceeded"}]}, 502])
def test_half_an_answer_is_tried_again(answer: Any) -> None:
    good = of("resource", ("c1.example.com", ["time", "mean"], [[0, 0.0]]))
    with answering(answer, good) as server:
        made = source(server, query_max_retries=2, query_interval=0)
        assert made.statistic_aggregation(HOST, None, "host_power") == 0.0
        assert len(server.asked) == 2


def test_series_are_read_in_microseconds() -> None:
    moment = END * 1_000_000 - 1
    with answering(of("resource", ("c1.example.com", ["time", "value"], [[moment, 3], [moment + 1, None]]))) as server:
        found = source(server).statistic_series(HOST, None, "host_power", NOW - dt.timedelta(minutes=5), NOW)
    assert found == {time.from_micros(moment): 3.0}
    asked = dict(server.asked[0].query)
    assert asked["epoch"] == "u"
    assert asked["q"].startswith('SELECT "value" FROM "host_power" WHERE time > ')


TEMPLATES = """
[host_cpu_usage]
query = '''SELECT {0}("idle") AS {0} FROM {4}.cpu WHERE "host" =~ /^{1}$/ AND time > now() - {2}s'''
project = "7"
database = "collectd"
complement = 100

[instance_ram_usage]
query = '''SELECT {0}(v) FROM ram WHERE time > {start} AND time <= {end} AND {resources} GROUP BY "vm"'''
series = '''SELECT v FROM ram WHERE time > {start} AND time <= {end} AND {resources} GROUP BY "vm"'''
tag = "vm"
measurement = "ram"

[instance_l3_cache_usage]
query = '''SELECT {0}(v) FROM l3 WHERE name = '{1}' AND time > now() - {2}s'''
attribute = "name"

[host_power]
measurement = "ipmi"
where = '''"sensor" = 'power' OR "sensor" = 'psu' '''
scale = 1000

[retention_periods]
short = 60
long = 3600
"""


@pytest.fixture
def queries(tmp_path: pathlib.Path) -> str:
    file = tmp_path / "grafana.toml"
    file.write_text(TEMPLATES)
    return str(file)


def test_a_template_of_watcher_is_sent_for_each_resource(queries: str) -> None:
    answer = {"results": [{"series": [{"columns": ["time", "mean"], "values": [[0, 30]]}]}]}
    with answering(answer) as server:
        made = source(server, queries=queries)
        hosts = [HOST, {"hypervisor_hostname": "c2/x", "id": "n-2"}]
        assert made.statistic_batch(hosts, "compute_node", "host_cpu_usage") == {"n-1": 70.0, "n-2": 70.0}
        with pytest.raises(MetricNotAvailable, match="one resource at a time"):
            made.answers("host_cpu_usage")
    assert [each.path for each in server.asked] == ["/api/datasources/proxy/1/7/query"] * 2
    assert [dict(each.query)["q"] for each in server.asked] == [
        'SELECT mean("idle") AS mean FROM long.cpu WHERE "host" =~ /^c1\\.example\\.com$/ AND time > now() - 300s',
        'SELECT mean("idle") AS mean FROM long.cpu WHERE "host" =~ /^c2\\/x$/ AND time > now() - 300s',
    ]
    assert dict(server.asked[0].query)["db"] == "collectd"


def test_a_template_takes_an_instances_name(queries: str) -> None:
    answer = {"results": [{"series": [{"columns": ["time", "min"], "values": [[0, 5]]}]}]}
    with answering(answer) as server:
        made = source(server, queries=queries)
        instance = {**VM, "name": "it's"}
        assert made.statistic_aggregation(instance, None, "instance_l3_cache_usage", aggregate="min") == 5
        assert made.statistic_aggregation(VM, None, "instance_l3_cache_usage", aggregate="min") is None
    (asked,) = server.asked
    assert dict(asked.query)["q"] == "SELECT min(v) FROM l3 WHERE name = 'it\\'s' AND time > now() - 300s"


def test_a_template_for_many_is_sent_once(queries: str) -> None:
    with answering(of("vm", ("u1", ["time", "mean"], [[0, 5]]), ("u2", ["time", "mean"], [[0, 6]]))) as server:
        made = source(server, queries=queries)
        answers = made.answers("instance_ram_usage")
        assert answers is not None
        assert len(answers) == 2
        assert made.statistic_batch([VM], "instance", "instance_ram_usage") == {"u1": 5.0}
    assert [dict(each.query)["q"].partition("AND time <= ")[2].partition(" AND ")[2] for each in server.asked] == [
        """"vm" != '' GROUP BY "vm\"""", """("vm" = 'u1') GROUP BY "vm\"""",
    ]  # fmt: skip


def test_settings_of_a_meter(queries: str) -> None:
    with answering(of("resource", ("c1.example.com", ["time", "mean"], [[0, 0.25]]))) as server:
        made = source(server, queries=queries)
        assert made.statistic_aggregation(HOST, None, "host_power") == 250.0
        with pytest.raises(MetricNotAvailable):
            made.statistic_aggregation(HOST, None, "host_airflow")
        assert made.METRIC_MAP["host_power"] == "ipmi"
    assert dict(server.asked[0].query)["q"].startswith('SELECT mean("value") FROM "ipmi" WHERE time > ')
    assert """ AND ("sensor" = 'power' OR "sensor" = 'psu' ) GROUP BY""" in dict(server.asked[0].query)["q"]


def test_series_of_a_template_without_one(queries: str, caplog: pytest.LogCaptureFixture) -> None:
    with answering(NOTHING) as server:
        assert source(server, queries=queries).statistic_series(HOST, None, "host_cpu_usage") == {}
        assert server.asked == []
    assert "have a template `query`, and none `series`" in caplog.text


def test_names_are_asked_for_in_each_database(queries: str) -> None:
    there = {"results": [{"series": [{"name": "measurements", "columns": ["name"], "values": [["ipmi"], ["other"]]}]}]}
    with answering(there) as server:
        assert source(server, queries=queries).list_metrics() == {"host_cpu_usage", "ram", "instance_l3_cache_usage", "ipmi"}
    assert [dict(each.query)["db"] for each in server.asked] == ["collectd", "watcher"]
    assert dict(server.asked[0].query)["q"] == "SHOW MEASUREMENTS WITH MEASUREMENT =~ /^(host_cpu_usage)$/"


@pytest.mark.parametrize(
    ("queries", "told"),
    [
        ({"host_cpu": {}}, "unknown meter 'host_cpu'; did you mean 'host_cpu_usage'"),
        ({"host_power": {"querry": "x"}}, "host_power: .*querry"),
        ({"host_power": {"query": "{9}"}}, r"host_power: query: unknown field \{9\}"),
        ({"host_power": {"attribute": "name"}}, "compute_node has no attribute 'name'"),
        ({"host_power": {"series": "x"}}, "`series` is for meters with a template `query`"),
        ({"instance_cpu_usage": {"query": "x", "kind": "cumulative"}}, "needs `series`"),
        ({}, "no meter is named"),
        ("/nowhere/grafana.toml", "No such file"),
    ],
)
def test_settings_that_are_refused(queries: Any, told: str) -> None:
    with pytest.raises(ConfigInvalid, match=told):
        undercroft.connect("datasources", "grafana://127.0.0.1:9/x?database=d", queries=queries)


def test_a_database_is_needed() -> None:
    with pytest.raises(ConfigInvalid, match="no database is named for host_cpu_usage: give database="):
        undercroft.connect("datasources", "grafana://127.0.0.1:9/x")


def test_a_wrong_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with answering(401) as server:
        made = source(server)
        assert made.check_availability() == "not available"
        assert made.statistic_aggregation(HOST, None, "host_power") is None
    assert "401" in caplog.text
