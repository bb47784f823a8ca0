"""Inside Watcher: run its strategies on the cluster of `planetlab`, on our datasource or on a reference.

    watcher_strategies.py CONFIGURATION RUN SECONDS ours
    watcher_strategies.py CONFIGURATION RUN SECONDS COUNTERS

SECONDS is the present since 1970. COUNTERS runs the reference: names of the meters that the source to compare with keeps as
counters, with commas between. Prints one line of JSON: the actions of each strategy, and how many queries it cost.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import random
import statistics
import sys
from collections.abc import Collection, Mapping
from typing import Any

from watcher import conf

from tests.hosts.inside import planetlab

# Parameters beside the defaults, so that each strategy has something to do on this cluster.
PARAMETERS: dict[str, dict[str, Any]] = {
    "basic": {"aggregation_method": {"instance": "mean", "compute_node": "mean", "node": ""}, "granularity": 60},
    "noisy_neighbor": {"cache_threshold": 35.0, "period": 100.0},
    "outlet_temperature": {"threshold": 30.0, "period": 300},
    "uniform_airflow": {"threshold_airflow": 340.0, "threshold_inlet_t": 28.0, "threshold_power": 250.0},
    "vm_workload_consolidation": {"period": 3_600, "granularity": 60},
    "workload_balance": {"threshold": 15.0, "metrics": "instance_cpu_usage"},
    "workload_stabilization": {
        "thresholds": {"instance_cpu_usage": 0.02, "instance_ram_usage": 0.02},
        "periods": {"instance": 720, "compute_node": 600, "node": 0},
    },
}


def model(cluster: planetlab.Cluster) -> Any:
    """The cluster, of Watcher's own elements."""
    from watcher.decision_engine.model import element, model_root

    root = model_root.ModelRoot()
    for number, host in enumerate(cluster.hosts):
        root.add_node(
            element.ComputeNode(
                uuid=cluster.host_uuid(number), hostname=host, status="enabled", state="up",
                memory=planetlab.HOST_MEMORY, memory_mb_reserved=0, disk=planetlab.HOST_DISK, disk_gb_reserved=0,
                vcpus=planetlab.HOST_VCPUS, vcpu_reserved=0, memory_ratio=1.0, vcpu_ratio=16.0, disk_ratio=1.0,
                disabled_reason=None,
            )
        )  # fmt: skip
    nodes = sorted(root.get_all_compute_nodes().values(), key=lambda node: node.uuid)
    for instance in cluster.instances:
        one = element.Instance(
            uuid=instance.uuid, name=instance.uuid, vcpus=instance.vcpus, memory=instance.memory, disk=instance.disk,
            state="active", metadata={"watcher-priority": instance.priority}, watcher_exclude=False, locked=False,
            project_id="6d2f1d9c-4b3e-4f0e-8d0b-2f7f2a3d9a55",
        )  # fmt: skip
        root.add_instance(one)
        root.map_instance(one, nodes[instance.host])
    return root


def reference(cluster: planetlab.Cluster, counters: Collection[str]) -> Any:
    """A datasource that computes from the same numbers, by code of its own."""
    from watcher.decision_engine.datasources import base

    known = {(each.meter, each.resource): each for each in cluster.measured()}
    names = {meter: meter for meter, _ in known}

    def levels(series: planetlab.Measured) -> list[tuple[int, float]]:
        if series.meter != "instance_cpu_usage":
            return series.points
        return [
            (after, (late - early) / 1e9 / (before - after) / series.vcpus * 100)
            for (before, early), (after, late) in itertools.pairwise(series.points)
        ]

    class Reference(base.DataSourceBase):
        NAME = "reference"
        METRIC_MAP = names

        def _statistic_aggregation(
            self, resource=None, resource_type=None, meter_name=None, period=300, aggregate="mean", granularity=300
        ):
            name = resource.hostname if meter_name.startswith("host_") else resource.uuid
            series = known[meter_name, name]
            numbers = [value for back, value in levels(series) if back < float(period)]
            if meter_name in counters:
                # What a counter did before the first sample of the window does not count.
                numbers = [value for back, value in levels(series) if back < float(period) - planetlab.STEP]
            chosen: Any = {"mean": statistics.fmean, "max": max, "min": min, "count": len}[aggregate]
            return float(f"{chosen(numbers):.9g}") if numbers else None

        def get_instance_l3_cache_usage(self, resource, _meter, period, aggregate, granularity=None):
            return self.statistic_aggregation(resource, "instance", "instance_l3_cache_usage", period, aggregate, granularity)

    def getter(meter):
        return lambda self, resource, period, aggregate, granularity=None: self.statistic_aggregation(
            resource, None, meter, period, aggregate, granularity
        )

    for meter in names:
        if meter != "instance_l3_cache_usage":
            setattr(Reference, f"get_{meter}", getter(meter))
    return Reference()


def run_one(name: str, root: Any, backend: Any, parameters: Mapping[str, Any]) -> list[Any]:
    """The actions that a strategy proposes for a cluster's model."""
    from watcher.common import utils
    from watcher.decision_engine.loading import default

    # One strategy tries hosts by chance.
    random.seed(1)
    strategy = default.DefaultStrategyLoader().load(name, osc=None)
    strategy._compute_model = root
    if backend is not None:
        strategy._datasource_backend = backend
    given = utils.Struct()
    for parameter, schema in strategy.get_schema().get("properties", {}).items():
        if "default" in schema:
            given[parameter] = schema["default"]
    given.update(parameters)
    strategy.input_parameters = given
    solution = strategy.execute()
    return [
        [action["action_type"], action["input_parameters"].get("resource_id"), action["input_parameters"].get("destination_node")]
        for action in solution.actions
    ]


def main() -> None:
    configuration, run, seconds, which = sys.argv[1:]
    conf.CONF([], project="watcher", default_config_files=[configuration])
    cluster = planetlab.Cluster(run)
    backend = None if which == "ours" else reference(cluster, which.split(","))
    queries = 0
    if backend is None:
        from undercroft.core import time
        from undercroft.datasources.retrying import Retrier

        moment = dt.datetime.fromtimestamp(int(seconds), dt.UTC)
        time.bind(lambda: moment)
        call = Retrier.call

        def counted(self: Any, *arguments: Any) -> Any:
            nonlocal queries
            queries += 1
            return call(self, *arguments)

        Retrier.call = counted  # type: ignore[assignment, method-assign]
    from watcher.common import exception

    found = {}
    for name, parameters in PARAMETERS.items():
        queries = 0
        try:
            actions = run_one(name, model(cluster), backend, parameters)
        except exception.MetricNotAvailable:
            # The source does not serve what it reads.
            actions = None
        found[name] = {"actions": actions, "queries": queries}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
