"""`undercroft datasource`: values with what they are made of, series, what a source serves, and whether strategies can run."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json

import pytest

from undercroft.conformance.datasources.feeders.metering import Feeder
from undercroft.conformance.datasources.feeding import Series
from undercroft.core import time

HOST, INSTANCE = "c1.example.org", "6f2d2a0e-2f37-4dc3-9b47-0f5d4f8f9c11"


@pytest.fixture
def place(tmp_path):
    """A store with ten minutes of a host's power and of an instance's CPU time: one of its two vCPUs busy for half of it."""
    url = f"sqlite:///{tmp_path}/metering.db"
    now = time.to_micros(time.now()) // 1_000_000 * 1_000_000
    moments = [now - 60_000_000 * back for back in range(10, -1, -1)]
    with contextlib.closing(Feeder(url)) as feeder:
        feeder.feed(
            [
                Series("host_power", HOST, [(moment, 100.0 + number) for number, moment in enumerate(moments)]),
                Series("instance_cpu_usage", INSTANCE, [(moment, number * 30e9) for number, moment in enumerate(moments)], 2),
            ]
        )
    return url


def test_get_explains_each_value(run, place):
    done = run("datasource", "get", "host_power", "c1", HOST, "other", "--period", "10m", "--store", place, code=1)
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    found = {line[0]: line[1:4] for line in lines}
    assert found["c1"] == found[HOST] == ["105.5", "W", "10"]
    assert "no sample lies in the window" in next(line for line in done.stdout.splitlines() if line.split()[:1] == ["other"])


def test_get_as_json(run, place):
    done = run("datasource", "get", "instance_cpu_usage", INSTANCE, "--vcpus", "2", "--store", place, "--format", "json")
    (found,) = json.loads(done.stdout)
    assert (found["value"], found["unit"], found["metric"], found["samples"]) == (25.0, "%", "cpu", 5)
    assert 0 <= found["age"] < 60
    assert dt.datetime.fromisoformat(found["last"]) <= dt.datetime.fromisoformat(found["until"])


def test_a_counter_with_one_sample_tells_why_it_has_no_value(run, place):
    done = run("datasource", "get", "instance_cpu_usage", INSTANCE, "--period", "50s", "--store", place, "--format", "json", code=1)
    (found,) = json.loads(done.stdout)
    assert found["value"] is None
    assert "ask for a longer period" in found["note"]


def test_series_as_csv(run, place):
    done = run("datasource", "series", "host_power", "c1", "--store", place, "--format", "csv")
    head, *rows = csv.reader(io.StringIO(done.stdout))
    assert head == ["time", "host_power, W"]
    assert [float(value) for _, value in rows] == [100.0 + number for number in range(11)]


def test_series_of_nothing_is_noted(run, place):
    done = run("datasource", "series", "host_power", "c1", "--end", "2020-01-01", "--store", place)
    assert done.stdout == ""
    assert "no samples found" in done.stderr


def test_list_tells_units_and_metrics(run, place):
    done = run("datasource", "list", "--store", place)
    assert "hardware.ipmi.node.power" in done.stdout
    named = run("datasource", "list", "--store", "prometheus://127.0.0.1:9?host_power=ipmi_watts*2", "--format", "json")
    assert json.loads(named.stdout)["meters"]["host_power"] == {"unit": "W", "kind": "gauge", "source": "ipmi_watts"}


def test_doctor_tells_what_strategies_lack(run, place):
    done = run("datasource", "doctor", "--store", place, "--format", "json", code=1)
    found = {one["check"]: (one["level"], one["found"]) for one in json.loads(done.stdout)}
    level, told = found["uniform_airflow: host_power"]
    assert level == "ok"
    assert told.startswith("hardware.ipmi.node.power: 1 resource, the last sample ")
    assert found["noisy_neighbor: instance_l3_cache_usage"][0] == "warning"
    assert found["uniform_airflow"] == ("warning", "cannot run as it is meant to: see host_airflow, host_inlet_temp")
    with contextlib.closing(Feeder(place)) as feeder:
        feeder.feed([Series("host_outlet_temp", HOST, [(time.to_micros(time.now()), 30.0)])])
    done = run("datasource", "doctor", "--store", place, "--format", "json", code=1)
    (of_outlet,) = [one for one in json.loads(done.stdout) if one["check"] == "outlet_temperature"]
    assert (of_outlet["level"], of_outlet["found"]) == ("ok", "can run: what it reads is served and fresh")


def test_doctor_of_a_source_that_is_away(run):
    done = run("datasource", "doctor", "--store", "gnocchi://admin@127.0.0.1:9", code=2)
    assert "gnocchi does not answer" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("get", "host_pwer", "c1"), "unknown meter 'host_pwer'; did you mean 'host_power'"),
        (("get", "host_power", "c1", "--period", "0s"), "longer than nothing"),
        (("get", "host_power", "c1", "--store", "promethius://h"), "did you mean 'prometheus'"),
        (("get", "host_power", "c1", "--store", "prometheus://h?hostlabel=x"), "did you mean 'host_label'"),
        (("get", "host_power", "c1", "--store", "prometheus://h?host_power=a b"), "is not a metric such as NAME"),
        (("get", "host_power", "c1", "--store", "gnocchi://"), "names no host"),
        (("get", "host_power", "c1"), "no store is named"),
    ],
)
def test_errors_name_the_way_out(run, arguments, told):
    assert told in " ".join(run("datasource", *arguments, code=2).stderr.split())
