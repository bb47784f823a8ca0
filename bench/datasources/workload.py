"""The cluster: 100 hosts with 1,000 machines of the PlanetLab day, and how it comes into each backend."""

from __future__ import annotations

import contextlib
import json
import pathlib
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from bench.client import Client
from tests.hosts.inside.planetlab import Cluster
from undercroft.conformance.datasources import feeding
from undercroft.conformance.datasources.feeders import gnocchi

STRATEGIES = ("vm_workload_consolidation", "basic", "workload_balance")
HOSTS = 100
# Samples go on after the start of the run, so that none is too old for the last questions; within the present's two hours.
AHEAD = 3_600
# Seconds, far above what Prometheus takes to read a file.
PATIENCE = 120
# What the strategies read.
METERS = {
    "host_cpu_usage", "host_ram_usage", "instance_cpu_usage", "instance_ram_usage", "instance_ram_allocated",
    "instance_root_disk_size",
}  # fmt: skip


def cluster(run: str, hosts: int = HOSTS) -> Cluster:
    """Hosts with 1, 3, 5 up to 19 instances, again and again."""
    return Cluster(run, [1 + 2 * (number % 10) for number in range(hosts)])


class Polled(gnocchi.Feeder):
    """Gnocchi as Ceilometer sets it up: what it polls every five minutes is kept in this archive policy of its own."""

    policy: Mapping[str, Any] = {
        "name": "ceilometer-low-rate",
        "back_window": 0,
        "definition": [{"granularity": "300s", "points": 8_640}],
        "aggregation_methods": ["mean", "rate:mean"],
    }


def fill(url: str, measured: Cluster, now: int) -> int:
    """Store the cluster's samples; how many."""
    made = Polled(url) if url.startswith("gnocchi") else feeding.feeder(url)
    if url.startswith("prometheus"):
        _target(url, measured.hosts)
    with contextlib.closing(made):
        series = [each for each in measured.series(now // 60 * 60 + AHEAD) if each.meter in METERS]
        made.feed(series)
    return sum(len(each.points) for each in series)


def _target(url: str, hosts: list[str]) -> None:
    """Make hosts known to Prometheus as targets: Watcher's own driver looks for them there. They offer nothing."""
    parts = urllib.parse.urlsplit(url)
    with contextlib.closing(Client(f"http://{parts.hostname}:{parts.port}/api/v1", {})) as server:
        place = pathlib.Path(server.ask("GET", "/status/flags", {})["data"]["config.file"]).with_name("targets.json")
        groups = [{"targets": [f"127.0.0.1:{number + 1}"], "labels": {"fqdn": host}} for number, host in enumerate(hosts)]
        written = place.with_suffix(".new")
        written.write_text(json.dumps(groups))
        written.rename(place)
        end = time.monotonic() + PATIENCE
        while len(server.ask("GET", "/targets", {"state": "active"})["data"]["activeTargets"]) < len(hosts):
            if time.monotonic() > end:
                raise SystemExit(f"Prometheus has not read {place}")
            time.sleep(0.5)
