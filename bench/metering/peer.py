"""Gnocchi in an environment of its own: its API server and its metricd, an index in PostgreSQL, and files.

Its archive policy keeps the polls and the day, so that a day is one point of each aggregate: the question that costs it least.
"""

from __future__ import annotations

import base64
import contextlib
import pathlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Any

from bench.client import Client
from bench.harness import say
from bench.metering import workload
from tests.engines import run
from tests.hosts.conftest import make as environment

SERVER = pathlib.Path(run.__file__).with_name("gnocchi_server.py")
# Seconds, far above what starting and digesting take.
STARTING, PATIENCE = 120, 3_600
AGGREGATES = ("mean", "min", "max", "sum", "count")
# Their names in our statistics.
OURS = {"mean": "avg"}
DAY = 86_400
POLICY = "polled"
CONFIGURATION = """
[api]
auth_mode = basic
max_limit = 10000
[indexer]
url = {index}
[storage]
driver = file
file_basepath = {folder}/data
[metricd]
workers = 2
metric_processing_delay = 1
"""


class Gnocchi:
    """A running one.

    Args:
        port: of its API.
    """

    def __init__(self, port: int) -> None:
        self.client = Client(f"http://127.0.0.1:{port}/v1", {"Authorization": f"Basic {base64.b64encode(b'admin:').decode()}"})

    def answers(self) -> bool:
        """Whether it listens."""
        try:
            self.call("GET", "/status")
        except OSError:
            return False
        return True

    def call(self, method: str, path: str, *, json: Any = None, **parameters: Any) -> Any:
        """One request; its answer."""
        return self.client.ask(method, path, parameters, json)

    def fill(self, polls: int) -> float:
        """Store the workload's first polls, and wait until it has digested them; seconds."""
        definition = [{"granularity": "300s", "points": 8_640}, {"granularity": "86400s", "points": 365}]
        policy = {"name": POLICY, "back_window": 0, "definition": definition, "aggregation_methods": list(AGGREGATES)}
        self.call("POST", "/archive_policy", json=policy)
        start = time.perf_counter()
        for machine in range(workload.RESOURCES):
            self.call("POST", "/resource/generic", json={"id": workload.resource(machine), "project_id": workload.project(machine)})
        for first in range(0, workload.RESOURCES, 20):
            measures = {
                workload.resource(machine): {meter.name: _measures(meter.name, machine, polls) for meter in workload.METERS}
                for machine in range(first, first + 20)
            }
            self.call("POST", "/batch/resources/metrics/measures", json=measures, create_metrics="true")
        say(f"Gnocchi: {polls * workload.A_POLL:,} measures sent in {time.perf_counter() - start:.0f} s")
        self._digest()
        return time.perf_counter() - start

    def _digest(self) -> None:
        end = time.monotonic() + PATIENCE
        while left := self.call("GET", "/status")["storage"]["summary"]["measures"]:
            if time.monotonic() > end:
                raise SystemExit(f"Gnocchi: {left:,} measures are still not digested")
            time.sleep(1)

    def per_resource(self, aggregates: Sequence[str] = AGGREGATES) -> dict[str, dict[str, float]]:
        """Statistics of one meter over all resources for the day, per resource, by one request to its aggregates API."""
        found = self._aggregates("type = 'generic'", aggregates, groupby="id")
        return {each["group"]["id"]: _statistics(each["measures"]["measures"]) for each in found}

    def of_one(self, machine: int) -> dict[str, float]:
        """The same of one resource."""
        return _statistics(self._aggregates(f"id = '{workload.resource(machine)}'", AGGREGATES)["measures"])

    def _aggregates(self, search: str, aggregates: Sequence[str], **more: Any) -> Any:
        operations = ["metric", *[[workload.ASKED, aggregate] for aggregate in aggregates]]
        body = {"operations": operations, "search": search, "resource_type": "generic"}
        stop = workload.START.replace(day=workload.START.day + 1)
        bounds = {"start": workload.START.isoformat(), "stop": stop.isoformat()}
        return self.call("POST", "/aggregates", json=body, granularity=DAY, **bounds, **more)


def _measures(meter: str, machine: int, polls: int) -> dict[str, Any]:
    measures = [
        {"timestamp": workload.timestamp(number).isoformat(), "value": workload.volume(number)}
        for number in workload.numbers(meter, machine, polls)
    ]
    return {"archive_policy_name": POLICY, "measures": measures}


def _statistics(measures: dict[str, Any]) -> dict[str, float]:
    """Its answer: aggregates of the metrics of each resource, each with one point, the day's."""
    (found,) = measures.values()
    return {OURS.get(name, name): points[0][2] for name, points in found[workload.ASKED].items()}


@contextlib.contextmanager
def running(index: str, folder: pathlib.Path) -> Iterator[Gnocchi]:
    """Start it, empty.

    Args:
        index: the URL of an empty database of PostgreSQL.
        folder: for its files.
    """
    python = environment("gnocchi").python
    configuration = folder / "gnocchi.conf"
    (folder / "data").mkdir(parents=True)
    configuration.write_text(CONFIGURATION.format(index=index, folder=folder))
    configured = ("--config-file", str(configuration))
    (port,) = run.free_ports(1)
    with (folder / "gnocchi.log").open("w") as log, contextlib.ExitStack() as stack:
        subprocess.run([python.parent / "gnocchi-upgrade", *configured], check=True, stdout=log, stderr=log)
        process = subprocess.Popen([str(word) for word in (python, SERVER, configuration, port)], stdout=log, stderr=log)
        stack.callback(_stop, process)
        gnocchi = Gnocchi(port)
        stack.callback(gnocchi.client.close)
        end = time.monotonic() + STARTING
        while not gnocchi.answers():
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit(f"Gnocchi did not start: {(folder / 'gnocchi.log').read_text()[-2_000:]}")
            time.sleep(0.2)
        yield gnocchi


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
