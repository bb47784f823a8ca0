"""From what is stored to the contract's values, and host names."""

from __future__ import annotations

import math

import pytest

from undercroft.datasources import METERS, Metric, values
from undercroft.datasources.hosts import Hosts, by_host, resource_id

CPU, POWER = METERS["host_cpu_usage"], METERS["host_power"]
IDLE = Metric("idle", complement=100.0)
SECOND, NS = 1_000_000, 1_000_000_000


def test_the_least_idle_time_is_the_most_use() -> None:
    assert [values.stored_aggregate(IDLE, each) for each in ("mean", "min", "max", "count")] == ["mean", "max", "min", "count"]
    assert [values.stored_aggregate(Metric("use"), each) for each in ("min", "max")] == ["min", "max"]
    assert values.stored_aggregate(Metric("free", complement="total"), "min") == "max"
    assert values.converted(IDLE, 30.0, None) == 70.0


@pytest.mark.parametrize(
    ("metric", "vcpus", "expected"),
    [
        (Metric("m", scale=10.0), None, 420.0),
        (Metric("m", scale=0.5), 4, 21.0),
        (Metric("m", per_vcpu=True), 4, 10.5),
        (Metric("m", per_vcpu=True), 0, 42.0),
        (Metric("m", per_vcpu=True), None, 42.0),
        (Metric("m", complement=1.0, scale=100.0), None, -4100.0),
    ],
)
def test_levels_are_scaled(metric: Metric, vcpus: float | None, expected: float) -> None:
    assert values.converted(metric, 42.0, vcpus) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (-0.1, 0.0),
        (100.1, 100.0),
        (0.0, 0.0),
        (1 / 3, 0.333333333),
        (12.3456789012, 12.3456789),
        (math.nan, None),
        (math.inf, None),
    ],
)
def test_bounds_and_digits(number: float, expected: float | None) -> None:
    assert values.bounded(CPU, number) == expected


def test_what_has_no_bounds_may_be_negative() -> None:
    assert values.bounded(METERS["host_inlet_temp"], -40.5) == -40.5
    assert values.bounded(POWER, 1_234_567_891.0) == 1_234_567_890.0


def test_rates_follow_the_moments() -> None:
    points = [(0, 0.0), (10 * SECOND, 5.0 * NS), (11 * SECOND, 6.0 * NS), (71 * SECOND, 1.0 * NS), (81 * SECOND, 11.0 * NS)]
    assert list(values.rates(points, 2)) == [(10 * SECOND, 25.0), (11 * SECOND, 50.0), (71 * SECOND, 0.0), (81 * SECOND, 50.0)]


def test_two_samples_of_one_moment_are_no_pair() -> None:
    assert list(values.rates([(5, 1.0), (5, 9.0)], 1)) == []


def test_aggregates() -> None:
    assert [values.aggregated([3.0, 1.0, 2.0], each) for each in ("mean", "min", "max", "count")] == [2.0, 1.0, 3.0, 3]
    assert [values.aggregated([], each) for each in ("mean", "min", "max", "count")] == [None] * 4
    assert values.aggregated([0.1] * 10, "mean") == 0.1


def test_counts_are_of_samples_not_of_pairs() -> None:
    cpu, counter = METERS["instance_cpu_usage"], Metric("cpu", "cumulative")
    points = [(0, 0.0), (SECOND, 0.5 * NS), (2 * SECOND, 0.5 * NS)]
    assert values.of_points(cpu, counter, points, "count", 1) == 3
    assert values.of_points(cpu, counter, points, "mean", 1) == 25.0
    assert values.of_points(cpu, counter, points[:1], "mean", 1) is None
    assert values.of_points(cpu, counter, [], "count", 1) is None


def test_samples_that_are_not_finite_are_left_out() -> None:
    points = [(1, math.nan), (2, 10.0), (3, math.inf)]
    assert list(values.series(POWER, Metric("p"), points, None)) == [(2, 10.0)]
    assert values.of_points(POWER, Metric("p"), points, "mean", None) == 10.0


def test_hosts_by_full_and_short_name() -> None:
    hosts = Hosts(["a.example.com", "b", "c.x", "c.y", "d", "d.example.com"])
    assert [hosts.find(name) for name in ("a.example.com", "a", "b", "b.example.com")] == [
        "a.example.com", "a.example.com", "b", "b",
    ]  # fmt: skip
    assert [hosts.find(name) for name in ("c.x", "c.y", "c", "c.z")] == ["c.x", "c.y", None, None]
    assert [hosts.find(name) for name in ("d", "d.example.com", "d.elsewhere", "e", "")] == ["d", "d.example.com", "d", None, None]
    assert hosts.find("a.elsewhere") is None


def test_ids_of_ceilometer_are_host_names() -> None:
    assert by_host({"h_h": 1, "h": 2, "g": 3, "a_b": 4, "_": 5, "x_x_x_x": 6}) == {"h": 1, "g": 3, "a_b": 4, "": 5, "x_x": 6}
    assert by_host({resource_id("c1.example.com"): 7}) == {"c1.example.com": 7}
    assert by_host({"h": 2, "h_h": 1}) == {"h": 1}
