"""Datasources: Watcher's strategies on ours beside its own, on the same servers, one run, one machine, durable settings.

    make bench-datasources                                                  100 hosts, 1,000 instances; half an hour
    make bench-datasources ENGINES=sqlite,gnocchi,prometheus ARGS=--quick   ten hosts; not kept

Each datasource runs in a process of its own within an unmodified Watcher: first through a proxy that counts the requests, then
without it, in turns with the others. Results go to bench/datasources/results.json and to docs/datasources-speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import pathlib
import secrets
import statistics
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from bench.client import Client
from bench.datasources import report, workload
from bench.harness import Process, database, part, say, store_urls
from tests.datasources.broken import broken, forwarded
from tests.hosts.conftest import make as environment

WORKER = "bench.datasources.worker"
# Backends that Watcher has a driver of its own for.
SERVERS = ("gnocchi", "prometheus")


@dataclasses.dataclass(frozen=True)
class Subject:
    """A datasource on a backend.

    Attributes:
        datasource: `undercroft` or Watcher's own of the backend's name.
        engine: of the backend.
        url: of the backend.
        times: how often a strategy is run.
    """

    datasource: str
    engine: str
    url: str
    times: int

    @property
    def name(self) -> str:
        """For the results."""
        return self.engine if self.datasource == "undercroft" else f"watcher on {self.engine}"

    @contextlib.contextmanager
    def process(self, url: str, run: str, hosts: int) -> Iterator[Process]:
        """It in a process of its own, with its backend at `url`."""
        worker = Process(self.name, environment("watcher").python, WORKER, self.datasource, url, run, hosts)
        try:
            yield worker
        finally:
            worker.close()


def subjects(urls: dict[str, str], times: int) -> list[Subject]:
    """Watcher's own datasources and ours."""
    found = []
    for engine, url in urls.items():
        if engine in SERVERS:
            found.append(Subject(engine, engine, url, 1))
        found.append(Subject("undercroft", engine, url, times))
    return found


def counted(subject: Subject, run: str, hosts: int) -> dict[str, Any]:
    """How many queries each strategy costs, and how long the bare requests take; the first run of a process."""
    parts = urllib.parse.urlsplit(subject.url)
    if subject.engine not in SERVERS:
        with subject.process(subject.url, run, hosts) as worker:
            return {each: {"queries": worker.order("run", strategy=each)["statements"]} for each in workload.STRATEGIES}
    target = (str(parts.hostname), int(parts.port or 0))
    found: dict[str, Any] = {}
    with broken(forwarded, target) as proxy:
        user, at, _ = parts.netloc.rpartition("@")
        through = parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}").geturl()
        with subject.process(through, run, hosts) as worker:
            for strategy in workload.STRATEGIES:
                proxy.requests.clear()
                worker.order("run", strategy=strategy)
                found[strategy] = {"queries": len(proxy.requests), "policies": sum(map(_is_policy, proxy.requests))}
                if subject.datasource == "undercroft":
                    found[strategy]["floor"] = _replayed(proxy.requests, target)
    return found


def _is_policy(request: bytes) -> bool:
    """Whether it reads the archive policy of a metric."""
    return request.startswith(b"GET /v1/metric")


def _replayed(requests: list[bytes], target: tuple[str, int]) -> float:
    """Seconds that a server takes to answer the requests once more, JSON parsed: the least that they can cost."""
    client = Client(f"http://{target[0]}:{target[1]}", {})
    total = 0.0
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split()
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines) if name.lower() != "accept-encoding"}
        start = time.perf_counter()
        # Gnocchi says 404 where a part of the cloud is empty.
        with contextlib.suppress(SystemExit):
            client.send(method, path, body, headers)
        total += time.perf_counter() - start
    client.close()
    return total


def compare(urls: dict[str, str], hosts: int, times: int, folder: pathlib.Path) -> dict[str, Any]:
    """Fill all backends with the same cluster, then run the strategies on each datasource."""
    run, now = secrets.token_hex(4), int(time.time())
    cluster = workload.cluster(run, hosts)
    places = {engine: url if engine in SERVERS else database(url, "bench_datasources", folder) for engine, url in urls.items()}
    if "prometheus" in places:
        # What its driver takes for granted: instances' memory and disks are what the inventory says.
        places["prometheus"] = places["prometheus"].partition("?")[0] + "?step=60"
    for engine, url in places.items():
        begun = time.perf_counter()
        samples = workload.fill(url, cluster, now)
        say(f"{engine}: {samples:,} samples stored in {time.perf_counter() - begun:.0f} s")
    found: dict[str, Any] = {}
    every = subjects(places, times)
    for subject in every:
        found[subject.name] = counted(subject, run, hosts)
        say(f"{subject.name}: {found[subject.name]}")
    with contextlib.ExitStack() as stack:
        workers = {each: stack.enter_context(each.process(each.url, run, hosts)) for each in every}
        for strategy in workload.STRATEGIES:
            answers: dict[str, list[dict[str, float]]] = {}
            for turn in range(times):
                for subject, worker in workers.items():
                    if turn < subject.times:
                        answers.setdefault(subject.name, []).append(worker.order("run", strategy=strategy))
            for name, told in answers.items():
                for each in told:
                    if each["answered"] != each["asked"]:
                        raise SystemExit(f"{name}, {strategy}: {each['answered']} of {each['asked']} questions answered")
                found[name][strategy] |= {
                    "asked": told[0]["asked"],
                    "seconds": statistics.median(each["seconds"] for each in told),
                    "whole": statistics.median(each["whole"] for each in told),
                }
                say(f"{strategy}, {name}: {found[name][strategy]}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=workload.HOSTS, help="with ten instances each, on average")
    parser.add_argument("--times", type=int, default=3, help="runs of each strategy on ours; the median counts")
    parser.add_argument("--quick", action="store_true", help="10 hosts; the figures are not kept")
    parser.add_argument("--keep", type=pathlib.Path, default=report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    hosts = 10 if arguments.quick else arguments.hosts
    urls = store_urls("datasources")
    results = part("", lambda folder: compare(urls, hosts, arguments.times, folder)) | {"hosts": hosts}
    print(report.text(results))
    if arguments.quick and arguments.keep == report.RESULTS:
        return
    arguments.keep.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.keep == report.RESULTS:
        report.PAGE.write_text(report.page(results))


if __name__ == "__main__":
    main()
