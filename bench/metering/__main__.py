"""Samples: our engines beside their own clients and beside a real Gnocchi on the same ones, one run, one machine, durable settings.

    make bench-metering                                   everything; hours
    make bench-metering ARGS='--only ingest,bytes'        parts: ingest, http, gnocchi, growth, bytes, export, export-memory
    make bench-metering ARGS=--quick                      small
    make bench-metering ENGINES=sqlite,postgresql,mariadb

A store lives in a process of its own. Engines, peers and subjects take turns, so that what else the machine does meets them all.
Results of the parts that were run go to bench/metering/results.json, beside those of the others, and to docs/metering-speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import functools
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench import sender
from bench.client import Client
from bench.harness import Process, database, part, say, store_urls
from bench.metering import export_floor, export_memory, peer, report, workload
from tests.api.service import serving

CALL = 1_000
# A file system in memory.
MEMORY = pathlib.Path("/dev/shm")


class Sizes:
    """How much is measured."""

    def __init__(self, *, quick: bool) -> None:
        self.ingest = 20_000 if quick else 300_000
        self.sent = 2_000 if quick else 16_000
        self.polls = 12 if quick else workload.POLLS
        self.growth: tuple[int, ...] = (100_000, 300_000) if quick else (1_000_000, 10_000_000)
        self.bytes = 100_000 if quick else 1_000_000
        self.exported = 20_000 if quick else 300_000
        self.exported_at_once = 300_000 if quick else 10_000_000
        self.asked = 10 if quick else 40
        self.all_asked = 3 if quick else 7


@contextlib.contextmanager
def store(url: str, name: str, folder: pathlib.Path) -> Iterator[tuple[str, Process]]:
    """An empty store in a process of its own, and its URL."""
    here = database(url, f"bench_metering_{name}", folder)
    worker = Process(name, pathlib.Path(sys.executable), "bench.metering.worker", here)
    try:
        yield here, worker
    finally:
        worker.close()


def fill(worker: Process, count: int, **more: Any) -> float:
    """Samples a second, with what is put off while writing."""
    seconds = worker.order("record", count=count, call=CALL, **more)["seconds"]
    return float(count / (seconds + worker.order("maintain")["seconds"]))


def ingest(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Batches of 1,000 beside the raw bulk rate of the same rows."""
    found = {}
    for engine, url in urls.items():
        with store(url, "ingest", folder) as (_, worker):
            fill(worker, sizes.ingest)
            found[engine] = worker.order("floor", count=sizes.ingest, call=CALL) | {"samples": sizes.ingest}
        say(f"{engine}: " + ", ".join(f"{way} {rate:,.0f}/s" for way, rate in found[engine].items()))
    return found


def http(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Single samples by 16 senders beside the same requests without a sample."""
    found = {}
    for engine, url in urls.items():
        with store(url, "http", folder) as (here, _), service(here) as address:
            to = f"{address}/metering/v1/ceilometer/samples"
            found[engine] = {
                "nothing": sender.rate(to, lambda _number: [], sizes.sent),
                "single": sender.rate(to, workload.published, sizes.sent),
            }
        say(f"{engine}: {found[engine]} requests/s")
    return found


@contextlib.contextmanager
def service(url: str) -> Iterator[str]:
    """A service on a store; its address."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("UNDERCROFT_")}
    try:
        with serving(None, metering=url) as found:
            yield found.url
    finally:
        os.environ.update(before)


class Ours:
    """Our service, asked as Gnocchi is.

    Args:
        address: of the service.
    """

    def __init__(self, address: str) -> None:
        self.client = Client(f"{address}/metering/v2", {"X-Roles": "admin"})

    def per_resource(self) -> dict[str, dict[str, float]]:
        """See `peer.Gnocchi`."""
        return {each["groupby"]["resource_id"]: _kept(each) for each in self._statistics(groupby="resource_id")}

    def of_one(self, machine: int) -> dict[str, float]:
        """See `peer.Gnocchi`."""
        (found,) = self._statistics(("resource_id", "eq", workload.resource(machine)))
        return _kept(found)

    def _statistics(self, *more: tuple[str, str, str], groupby: str | None = None) -> Any:
        stop = workload.START + dt.timedelta(days=1)
        bounds = (("timestamp", "ge", workload.START.isoformat()), ("timestamp", "lt", stop.isoformat()))
        tests = (*bounds, *more)
        parameters = {f"q.{name}": [test[place] for test in tests] for place, name in enumerate(("field", "op", "value"))}
        if groupby:
            parameters["groupby"] = [groupby]
        return self.client.ask("GET", f"/meters/{workload.ASKED}/statistics", parameters)


def _kept(statistic: dict[str, Any]) -> dict[str, float]:
    return {name: statistic[name] for name in ("count", "min", "max", "sum", "avg")}


def gnocchi(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Statistics of a day over HTTP beside Gnocchi's aggregates API, both checked against plain arithmetic."""
    with contextlib.ExitStack() as stack:
        index = database(urls["postgresql"], "bench_gnocchi", folder)
        # It makes some 100,000 files, which are slow to remove from a disk.
        place = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="undercroft-gnocchi-", dir=MEMORY if MEMORY.is_dir() else folder)
        )
        theirs = stack.enter_context(peer.running(index, pathlib.Path(place) / "gnocchi"))
        subjects: dict[str, Any] = {"gnocchi": theirs}
        seconds = {"gnocchi": theirs.fill(sizes.polls)}
        for engine, url in urls.items():
            here, worker = stack.enter_context(store(url, "beside", folder))
            seconds[engine] = sizes.polls * workload.A_POLL / fill(worker, sizes.polls * workload.A_POLL)
            subjects[engine] = Ours(stack.enter_context(service(here)))
            stack.callback(subjects[engine].client.close)
        for name, subject in subjects.items():
            workload.check(subject.per_resource(), sizes.polls, name)
        every = _turns({name: lambda _n, s=subject: s.per_resource() for name, subject in subjects.items()}, sizes.all_asked)  # type: ignore[misc]
        single = _turns({name: lambda n, s=subject: s.of_one(n) for name, subject in subjects.items()}, sizes.asked)  # type: ignore[misc]
        mean = _turns({"gnocchi": lambda _n: theirs.per_resource(("mean",))}, sizes.all_asked)
    say(f"per resource {every}, of one {single}, mean alone {mean}")
    return {
        name: {"samples": sizes.polls * workload.A_POLL, "fill": seconds[name], "per resource": every[name], "one": single[name]}
        | ({"mean": mean[name]} if name in mean else {})
        for name in subjects
    }


def _turns(asks: dict[str, Callable[[int], Any]], times: int) -> dict[str, float]:
    """Ask in turns; the median of each in seconds, without the first."""
    taken: dict[str, list[float]] = {name: [] for name in asks}
    for number in range(times + 1):
        for name, ask in asks.items():
            start = time.perf_counter()
            ask(number)
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in taken.items()}


def growth(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """The same questions at a size and at ten times that."""
    found: dict[str, Any] = {}
    for engine, url in urls.items():
        with store(url, "growth", folder) as (_, worker):
            stored = 0
            found[engine] = {}
            # The same hours at both sizes, all of them stored at the smaller one.
            hours = min(12, sizes.growth[0] // (workload.A_DAY // 24))
            for size in sizes.growth:
                rate = fill(worker, size - stored)
                stored = size
                found[engine][str(size)] = {"rate": rate, "ask": worker.order("ask", times=sizes.asked, hours=hours)}
                say(f"{engine}, {size:,} samples: {found[engine][str(size)]}")
    return found


def bytes_(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Bytes a sample, by table, index and column, with the ids that Ceilometer makes, and with random ones."""
    found: dict[str, Any] = {}
    for engine, url in urls.items():
        found[engine] = {"samples": sizes.bytes}
        for name, time_based in (("uuid1", True), ("uuid4", False)):
            with store(url, name, folder) as (_, worker):
                fill(worker, sizes.bytes, time_based=time_based)
                found[engine][name] = worker.order("bytes")
            say(f"{engine}, {name}: {found[engine][name]['total']:.1f} bytes a sample")
    return found


def export(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Pages of 1,000 samples that the export worker stores, with its points, beside the raw bulk insert of the same rows."""
    found = {}
    for engine, url in urls.items():
        here = database(url, "bench_metering_export", folder)
        found[engine] = export_floor.compare(here, sizes.exported, CALL, folder) | {"samples": sizes.exported}
        say(f"{engine}: " + ", ".join(f"{way} {rate:,.0f}/s" for way, rate in found[engine].items()))
    return found


def memory(_urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """The memory of the export worker, from an API whose samples are made by a formula to a SQLite file."""
    found = export_memory.measure(f"sqlite:///{folder}/target.db", sizes.exported_at_once, folder)
    say(f"{found['tenth'] / 2**20:.0f} MiB, then {found['whole'] / 2**20:.0f} MiB, {found['rate']:,.0f} samples/s")
    return {"sqlite": found}


PARTS: dict[str, Callable[[dict[str, str], Sizes, pathlib.Path], dict[str, Any]]] = {
    "ingest": ingest, "http": http, "gnocchi": gnocchi, "growth": growth, "bytes": bytes_, "export": export,
    "export-memory": memory,
}  # fmt: skip


def _more(name: str, sizes: Sizes) -> str:
    """The further arguments that a part was measured with."""
    if name == "growth":
        return f" --grow {sizes.growth[0]} {sizes.growth[1]}"
    return f" --exported {sizes.exported_at_once}" if name == "export-memory" else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--grow", type=int, nargs=2, metavar=("FROM", "TO"), help="samples of the part growth")
    parser.add_argument("--exported", type=int, metavar="COUNT", help="samples of the part export-memory")
    parser.add_argument("--quick", action="store_true", help="small; the figures are not kept")
    parser.add_argument("--keep", type=pathlib.Path, default=report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}; known: {', '.join(PARTS)}")
    urls = store_urls("metering")
    sizes = Sizes(quick=arguments.quick)
    sizes.growth = tuple(arguments.grow or sizes.growth)
    sizes.exported_at_once = arguments.exported or sizes.exported_at_once
    keep = None if arguments.quick and arguments.keep == report.RESULTS else arguments.keep
    results: dict[str, Any] = json.loads(keep.read_text()) if keep and keep.exists() else {}
    for name in wanted:
        measure = functools.partial(PARTS[name], urls, sizes)
        results[name] = part(f"--only {name}" + _more(name, sizes), measure)
        if keep:
            keep.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    if keep == report.RESULTS:
        (report.DOCS / "metering-speed.md").write_text(report.page(results))


if __name__ == "__main__":
    main()
