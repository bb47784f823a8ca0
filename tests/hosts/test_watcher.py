"""An unmodified Watcher runs its strategies on our datasource, over each source, and proposes what it does on a reference."""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

import undercroft
from tests.hosts.conftest import HERE, Environment, make
from tests.hosts.inside import planetlab
from undercroft.conformance.datasources.feeding import feeder
from undercroft.datasources.strategies import STRATEGIES

SCRIPT = HERE / "inside" / "watcher_strategies.py"
CONFIGURATION = """
[DEFAULT]
config_source = undercroft
[undercroft]
driver = undercroft
[watcher_datasources]
datasources = undercroft
[undercroft_datasource]
connection = {url}
"""
# Without the source of the configuration; only a strategy's own option can name the datasource then.
PER_STRATEGY = """
[undercroft_datasource]
connection = sqlite:///{folder}/metering.db
[watcher_strategies.workload_balance]
datasources = undercroft
"""
STARTED = """
import sys
from watcher import conf
conf.CONF([], project="watcher", default_config_files=[sys.argv[1]])
from watcher.decision_engine.loading import default
from watcher.decision_engine.scoring import scoring_factory
# As the synchronisation of its database does at start.
scoring_factory.get_scoring_engine_list()
strategy = default.DefaultStrategyLoader().load("workload_balance", osc=None)
print(strategy.datasource_backend.NAME)
"""
# The most queries that each may cost: one per meter; the first of the second strategy asks for two periods.
QUERIES = {
    "basic": 2, "noisy_neighbor": 2, "outlet_temperature": 1, "uniform_airflow": 3, "vm_workload_consolidation": 6,
    "workload_balance": 1, "workload_stabilization": 3,
}  # fmt: skip


@pytest.fixture(scope="session")
def watcher() -> Environment:
    return make("watcher")


def run(watcher: Environment, folder: pathlib.Path, text: str, name: str, moment: int, which: str) -> dict[str, dict[str, Any]]:
    configuration = folder / "watcher.conf"
    configuration.write_text(text)
    done = watcher.run("-W", "ignore", SCRIPT, configuration, name, moment, which, cwd=folder)
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def cluster() -> tuple[str, int]:
    """The name of this run's cluster, and the present of its samples."""
    return secrets.token_hex(4), int(time.time()) // 60 * 60


@pytest.fixture(scope="session")
def wanted(watcher: Environment, cluster: tuple[str, int], tmp_path_factory: Any) -> Callable[[str], dict[str, dict[str, Any]]]:
    """What strategies propose on the reference, given the meters that a source keeps as counters."""
    folder = tmp_path_factory.mktemp("reference")
    return functools.cache(lambda counters: run(watcher, folder, "", *cluster, counters))


@pytest.mark.kind("datasources")
@pytest.mark.one_per_driver
def test_strategies_propose_what_they_do_on_a_reference(engine, watcher, cluster: tuple[str, int], wanted, tmp_path):
    url = engine.url.replace("{tmp}", str(tmp_path)).replace("{name}", "watcher")
    name, moment = cluster
    with contextlib.closing(feeder(url)) as backend:
        backend.feed(planetlab.Cluster(name).series(moment))
    with contextlib.closing(undercroft.connect("datasources", url)) as source:
        counters = [name for name, told in source.capabilities()["meters"].items() if told["kind"] == "cumulative"]
    expected = wanted(",".join(counters) or "none")
    # Every strategy has something to do on this cluster.
    assert [strategy for strategy, told in expected.items() if not told["actions"]] == []
    found = run(watcher, tmp_path, CONFIGURATION.format(url=url.replace("$", "$$")), *cluster, "ours")
    has = source.METRIC_MAP
    served = [name for name, needed in STRATEGIES.items() if all(has[meter] for meter in needed)]
    assert served
    assert {name: found[name]["actions"] for name in served} == {name: expected[name]["actions"] for name in served}
    assert {name: told["queries"] for name, told in found.items() if told["queries"] > QUERIES[name]} == {}
    assert any(found[name]["queries"] for name in served)
    # Without a meter a strategy stops, or does nothing.
    assert [name for name, told in found.items() if told["actions"] and name not in served] == []


def test_a_single_strategy_can_name_the_datasource(watcher, tmp_path):
    (tmp_path / "watcher.conf").write_text(PER_STRATEGY.format(folder=tmp_path))
    done = watcher.run("-W", "ignore", "-c", STARTED, tmp_path / "watcher.conf", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert done.stdout.split()[-1] == "undercroft"
