"""Gnocchi: archive policies of all sorts on a real server, and refusals of one metric among many."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
import time as clock
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

import undercroft
from tests.conftest import stores
from tests.datasources.noon import NOW
from undercroft.conformance.datasources.feeders.posting import OverHttp
from undercroft.core import url
from undercroft.datasources import DataSourceBase
from undercroft.datasources.drivers.gnocchi import suitable

FULL = ("mean", "min", "max", "count", "sum", "last")
# Seconds, far above what digesting takes.
PATIENCE = 120

pytestmark = pytest.mark.usefixtures("noon")


class Server:
    """A real Gnocchi. Metrics of a meter have names of this test's own."""

    def __init__(self, url: str) -> None:
        self.url, self.run = url, uuid.uuid4().hex[:12]
        self.client = OverHttp(url, "/v1").client

    def policy(self, aggregates: Sequence[str], *granularities: int) -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        definition = [{"granularity": f"{length}s", "points": 2_000} for length in granularities]
        body = {"name": name, "back_window": 0, "definition": definition, "aggregation_methods": list(aggregates)}
        self.client.post("/archive_policy", json=body).raise_for_status()
        return name

    def store(self, policy: str, samples: Mapping[int, float], name: str) -> str:
        """An instance with samples by seconds before now; its id."""
        instance = str(uuid.uuid4())
        self.client.post("/resource/generic", json={"id": instance}).raise_for_status()
        measures = [
            {"timestamp": (NOW - dt.timedelta(seconds=ago)).replace(tzinfo=None).isoformat(), "value": value}
            for ago, value in samples.items()
        ]
        body = {instance: {f"{name}.{self.run}": {"archive_policy_name": policy, "measures": measures}}}
        self.client.post("/batch/resources/metrics/measures", params={"create_metrics": "true"}, json=body).raise_for_status()
        end = clock.monotonic() + PATIENCE
        while self.client.get("/status").raise_for_status().json()["storage"]["summary"]["measures"]:
            assert clock.monotonic() < end, "Gnocchi has not digested"
            threading.Event().wait(0.1)
        return instance

    def source(self, meter: str, name: str) -> DataSourceBase:
        made: DataSourceBase = undercroft.connect("datasources", self.url, query_max_retries=1, query_interval=0)
        # As an operator names metrics.
        made.METRIC_MAP[meter] = f"{name}.{self.run}"
        return made


@pytest.fixture
def server(pytestconfig: pytest.Config) -> Iterator[Server]:
    # Not once for each engine of the kind: archive policies are of this one only.
    urls = [store.url for store in stores(pytestconfig, "datasources") if url.scheme(store.url) == "gnocchi"]
    if not urls:
        pytest.skip("NOT RUN: this run has no Gnocchi")
    found = Server(urls[0])
    yield found
    found.client.close()


def ask(server: Server, instances: Sequence[str], meter: str, name: str, aggregate: str = "mean", **more: Any) -> list[Any]:
    with contextlib.closing(server.source(meter, name)) as made:
        answers = made.statistic_batch(
            [{"uuid": each, "vcpus": 1} for each in instances], "instance", meter, aggregate=aggregate, **more
        )
    return [answers[each] for each in instances]


RAM = ("instance_ram_usage", "memory.resident")
CPU = ("instance_cpu_usage", "cpu")
LEVELS = {0: 10.0, 60: 20.0, 61: 40.0, 120: 90.0}


@pytest.mark.parametrize(("wanted", "length"), [(None, 60), (60, 60), (300, 60), (3_600, 3_600), (10, 60), (86_400, 3_600)])
def test_the_coarsest_granularity_that_is_not_above_the_wanted_one(wanted: int | None, length: int) -> None:
    assert suitable([3_600, 60], wanted) == length


def test_buckets_are_weighed_by_their_samples(server: Server) -> None:
    """61 and 120 s ago are one bucket: its mean counts twice."""
    instance = server.store(server.policy(FULL, 60, 3_600), LEVELS, "memory.resident")
    assert ask(server, [instance], *RAM) == [40.0]
    assert ask(server, [instance], *RAM, "min") == [10.0]
    assert ask(server, [instance], *RAM, "max") == [90.0]
    assert ask(server, [instance], *RAM, "count") == [4]


def test_an_aggregate_that_is_not_kept_is_made_of_means_and_told(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    instance = server.store(server.policy(("mean", "rate:mean"), 60), LEVELS, "memory.resident")
    assert ask(server, [instance], *RAM, "max") == [65.0]
    assert "does not keep max" in caplog.text
    assert ask(server, [instance], *RAM, "count") == [3]
    assert ask(server, [instance], *RAM) == [pytest.approx((10 + 20 + 65) / 3)]


@pytest.mark.parametrize("first", ["fine", "coarse"])
def test_metrics_of_several_granularities(server: Server, first: str) -> None:
    """One metric of another policy does not take the values of all others."""
    policies = {"fine": server.policy(FULL, 60), "coarse": server.policy(FULL, 300)}
    order = sorted(policies, key=lambda each: each != first)
    found = {each: server.store(policies[each], LEVELS if each == "fine" else {0: 7.0}, "memory.resident") for each in order}
    assert ask(server, [found["fine"], found["coarse"]], *RAM, granularity=300) == [40.0, 7.0]
    assert ask(server, [found["fine"], found["coarse"]], *RAM, "max", granularity=300) == [90.0, 7.0]


def test_metrics_of_several_aggregates(server: Server) -> None:
    whole, means = server.policy(FULL, 60), server.policy(("mean",), 60)
    instances = [server.store(policy, {0: 10.0, 60: 30.0}, "memory.resident") for policy in (whole, means)]
    assert ask(server, instances, *RAM) == [20.0, 20.0]


def test_a_refusal_of_a_policy_that_was_not_seen_is_met(server: Server) -> None:
    """The policy is read once; what comes later has the request refused, which is asked again so that all can answer."""
    name = "memory.resident"
    fine = server.store(server.policy(FULL, 60), LEVELS, name)
    with contextlib.closing(server.source(*RAM)) as made:
        vm = [{"uuid": fine, "vcpus": 1}]
        assert list(made.statistic_batch(vm, "instance", RAM[0]).values()) == [40.0]
        later = [server.store(server.policy(FULL, 300), {0: 7.0}, name), server.store(server.policy(("mean",), 60), {0: 5.0}, name)]
        vm += [{"uuid": each, "vcpus": 1} for each in later]
        answers = made.statistic_batch(vm, "instance", RAM[0], granularity=300)
    assert list(answers.values()) == [pytest.approx((10 + 20 + 65) / 3), 7.0, 5.0]


def test_an_aggregate_that_a_later_metric_lacks_takes_no_value_from_the_others(server: Server) -> None:
    """Gnocchi refuses the request by a 404 that says which metric it is by a structure."""
    fine = server.store(server.policy(FULL, 60), {0: 10.0, 60: 30.0}, "memory.resident")
    with contextlib.closing(server.source(*RAM)) as made:
        assert made.statistic_batch([{"uuid": fine, "vcpus": 1}], "instance", RAM[0]) == {fine: 20.0}
        later = server.store(server.policy(("mean",), 60), {0: 5.0}, "memory.resident")
        vms = [{"uuid": each, "vcpus": 1} for each in (fine, later)]
        assert made.statistic_batch(vms, "instance", RAM[0]) == {fine: 20.0, later: 5.0}


@pytest.mark.parametrize("aggregates", [FULL, ("mean",), ("rate:mean",)])
def test_a_counter_of_each_policy_gives_its_use(server: Server, aggregates: Sequence[str]) -> None:
    """Half of the time for each of 5 minutes."""
    samples = {60 * ago: (10 - ago) * 30e9 for ago in range(10)}
    instance = server.store(server.policy(aggregates, 60), samples, "cpu")
    assert ask(server, [instance], *CPU) == [pytest.approx(50.0)]


@pytest.mark.parametrize(("aggregates", "wanted"), [(("mean", "rate:mean"), 50.0), (FULL, None)])
def test_a_window_of_one_bucket_takes_the_difference_that_ceilometers_policies_keep(
    server: Server, aggregates: Sequence[str], wanted: float | None
) -> None:
    """Polls every five minutes, and a strategy that asks for the last five."""
    samples = {300 * ago: (5 - ago) * 150e9 for ago in range(5)}
    instance = server.store(server.policy(aggregates, 300), samples, "cpu")
    assert ask(server, [instance], *CPU, period=300, granularity=300) == [wanted if wanted is None else pytest.approx(wanted)]
    assert ask(server, [instance], *CPU, period=900, granularity=300) == [pytest.approx(50.0)]


def test_a_reset_counts_as_no_use(server: Server) -> None:
    samples = {240: 300e9, 180: 330e9, 120: 1e9, 60: 31e9, 0: 61e9}
    instance = server.store(server.policy(FULL, 60), samples, "cpu")
    # Four pairs, one of which is a reset.
    assert ask(server, [instance], *CPU) == [pytest.approx(37.5)]


def test_ids_that_are_no_uuids_are_not_searched_for(server: Server) -> None:
    instance = server.store(server.policy(FULL, 60), LEVELS, "memory.resident")
    hostile = ["\x00", "x" * 5_000, f"{instance}' OR '1'='1", f"{instance}\n", "*"]
    assert ask(server, [*hostile, instance], *RAM) == [None] * len(hostile) + [40.0]
