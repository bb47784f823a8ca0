"""Rated usage: our engines beside CloudKitty's own storage drivers, one run, one machine, durable settings.

    make bench-rating                                    two runs of data, up to 1,000,000 points
    make bench-rating ARGS=--full                        the first up to 10,000,000 points
    make bench-rating ARGS='--sizes 50000 --peers ""'    ours alone, small

Each subject lives in a process of its own, the peers' in an environment with the real CloudKitty. They take turns: a slice of a
push, then the next subject's; a question, then the next subject's. What else the machine does meets them all. Results go to
bench/rating/results.json, and from there to docs/speed.md and its plot.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from bench.harness import TOP, Process, database, machine, say, store_urls
from bench.rating import report
from tests.hosts.conftest import make as environment

ENGINES = TOP / "tests" / "engines"
SIZES = [50_000, 500_000, 1_000_000]
FULL = 10_000_000
# What a peer loads in about five minutes.
MOST = {"influxdb": 500_000, "v1": 50_000}
DATA = {
    "12 decimals": {"digits": 12, "churn": 0.0},
    "28 decimals, 2 % new metadata an hour": {"digits": 28, "churn": 0.02},
}
QUESTIONS = (
    "project and type", "type", "ungrouped", "time", "time-d", "project", "resource", "page first", "page middle", "page last",
)  # fmt: skip
BIG, SMALL = 10_000, 40
SLICE = 100_000
SMALL_POINTS, SMALL_SLICE = 12_000, 2_000
FLOOR_POINTS = 200_000
REPEATS = 5
# A question that takes longer is asked twice only.
SLOW = 2.0


class Subject(Process):
    """A worker process and what it found."""

    def __init__(self, name: str, python: pathlib.Path, kind: str, url: str, folder: pathlib.Path, data: dict[str, Any]) -> None:
        self.ours = kind == "ours"
        self.most = MOST.get(kind)
        self.points = 0
        self.sizes: dict[str, Any] = {}
        self.found: dict[str, Any] = {"sizes": self.sizes}
        super().__init__(name, python, "bench.rating.worker", kind, url, "--folder", folder, "--data", json.dumps(data))


# -- stores ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def influxdb(folder: pathlib.Path) -> Iterator[str]:
    """InfluxDB on a free port."""
    from tests.engines.run import free_ports

    try:
        done = subprocess.run(
            [ENGINES / "start-influxdb.sh", folder, str(free_ports(1)[0])], stdout=subprocess.PIPE, text=True, check=True
        )
        yield done.stdout.strip()
    finally:
        subprocess.run([ENGINES / "stop.sh", folder], check=False)


def subjects(
    stack: contextlib.ExitStack, urls: dict[str, str], peers: dict[str, tuple[pathlib.Path, str]], number: int,
    folder: pathlib.Path, data: dict[str, Any],
) -> list[Subject]:  # fmt: skip
    """Start a worker for each store, each store empty."""
    found = []
    for name, url in urls.items():
        here = database(url, f"bench_{number}", folder)
        found.append(Subject(name, pathlib.Path(sys.executable), "ours", here, folder, data))
    for kind, (python, url) in peers.items():
        here = f"{url}/bench_{number}" if kind == "influxdb" else database(url, f"bench_{kind}_{number}", folder)
        found.append(Subject(kind, python, kind, here, folder / kind, data))
    for subject in found:
        stack.callback(subject.close)
    return found


# -- measures ----------------------------------------------------------------------------------------------------------------


def load(found: list[Subject], points: int, call: int, slice_: int) -> dict[str, float]:
    """Every subject pushes the next `points`, slice by slice in turns; points a second, what they put off included."""
    seconds = dict.fromkeys((subject.name for subject in found), 0.0)
    for first in range(0, points, slice_):
        count = min(slice_, points - first)
        for subject in found:
            taken = subject.order("push", points=count, call=call)["seconds"]
            seconds[subject.name] += taken
            subject.points += count
            say(f"{subject.name:12} {subject.points:>10,} points; calls of {call:,}: {count / taken:>9,.0f} points/s")
    for subject in found:
        seconds[subject.name] += subject.order("settle")["seconds"]
    return {name: points / taken for name, taken in seconds.items()}


def ask(found: list[Subject]) -> dict[str, dict[str, Any]]:
    """Every question to every subject in turns; the best of several."""
    answers: dict[str, dict[str, Any]] = {subject.name: {} for subject in found}
    for name in QUESTIONS:
        for _ in range(REPEATS):
            for subject in found:
                known = answers[subject.name].get(name)
                if known and (known["seconds"] > SLOW and known["asked"] >= 2):
                    continue
                answer = subject.order("ask", name=name)
                if not answer:
                    continue
                if known:
                    answer["seconds"] = min(answer["seconds"], known["seconds"])
                answers[subject.name][name] = {**answer, "asked": known["asked"] + 1 if known else 1}
        say(f"{name}: " + ", ".join(f"{s} {a[name]['seconds'] * 1e3:,.1f} ms" for s, a in answers.items() if name in a))
    return answers


def agree(found: list[Subject], answers: dict[str, dict[str, Any]]) -> None:
    """Ours must say the same on every engine, to the last digit."""
    for name in QUESTIONS:
        said = {s.name: (a["rows"], a.get("rate")) for s in found if s.ours and (a := answers[s.name].get(name))}
        if len(set(said.values())) > 1:
            raise SystemExit(f"different answers to {name!r}: {said}")


def measure(found: list[Subject], sizes: list[int]) -> None:
    """Fill, ask, and look, at each size; in the end delete a day."""
    at = 0
    for size in sizes:
        active = [subject for subject in found if subject.most is None or subject.most >= size]
        say(f"to {size:,} points: {', '.join(subject.name for subject in active)}")
        small = min(SMALL_POINTS, (size - at) // 2)
        big = load(active, size - at - small, BIG, min(SLICE, max(BIG, (size - at) // 5)))
        little = load(active, small, SMALL, SMALL_SLICE)
        at = size
        pushing = {subject.name: subject.order("facts") for subject in active}
        answers = ask(active)
        agree(active, answers)
        for subject in active:
            facts = subject.order("facts")
            subject.found["version"] = facts["version"]
            subject.sizes[str(size)] = {
                "push 10,000": round(big[subject.name]),
                "push 40": round(little[subject.name]),
                "bytes": round(facts["bytes"] / size, 1),
                "memory": {
                    "push": round(pushing[subject.name]["peak_memory"] / 2**20),
                    "ask": round(facts["peak_memory"] / 2**20),
                },
                "ask": answers[subject.name],
            }
            last = max(each for each in sizes if subject.most is None or subject.most >= each)
            if subject.ours and size == min(last, 500_000, sizes[-1]):
                points = min(FLOOR_POINTS, size)
                seconds = subject.order("floor", points=points, call=BIG)["seconds"]
                subject.found["floor"] = {"rows": round(points / seconds), "size": str(size)}
                say(f"{subject.name}: raw floor {points / seconds:,.0f} rows/s")
            if size == last:
                gone = subject.order("delete")
                if gone:
                    subject.sizes[str(size)]["delete a day"] = gone
                    say(f"{subject.name}: deleted {gone['rows']:,} points in {gone['seconds']:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(each) for each in text.split(",")], default=SIZES)
    parser.add_argument("--full", action="store_true", help=f"also {FULL:,} points, of the first data")
    parser.add_argument("--peers", default="influxdb,v1", help="of influxdb and v1, with commas between")
    parser.add_argument("--data", default="all", help="which data: 1, 2 or all")
    parser.add_argument("--keep", type=pathlib.Path, default=report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    urls = store_urls("rating")
    wanted = [name for name in arguments.peers.split(",") if name]
    runs = list(DATA.items())
    if arguments.data != "all":
        runs = [runs[int(arguments.data) - 1]]
    results: dict[str, Any] = {
        "began": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}",
        "durable": os.environ.get("UCTEST_DURABLE") == "1",
        "machine": machine(),
        "load": [],
        "runs": [],
    }
    with tempfile.TemporaryDirectory(prefix="undercroft-bench-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        peers: dict[str, tuple[pathlib.Path, str]] = {}
        if wanted:
            python = environment("cloudkitty").python
            if "influxdb" in wanted:
                peers["influxdb"] = python, stack.enter_context(influxdb(folder / "influxdb"))
            if "v1" in wanted and "postgresql" in urls:
                peers["v1"] = python, urls["postgresql"]
        for number, (title, data) in enumerate(runs):
            say(f"data: {title}")
            with contextlib.ExitStack() as workers:
                # v1 writes row by row whatever the data are, and takes longest: once is enough.
                here = peers if number == 0 else {kind: peer for kind, peer in peers.items() if kind != "v1"}
                found = subjects(workers, urls, here, number, folder, data)
                results["load"].append([round(each, 1) for each in os.getloadavg()])
                measure(found, sorted({*arguments.sizes, FULL} if arguments.full and number == 0 else set(arguments.sizes)))
                results["load"].append([round(each, 1) for each in os.getloadavg()])
                results["runs"].append({"data": title, **data, "subjects": {s.name: s.found for s in found}})
            arguments.keep.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    if arguments.keep == report.RESULTS:
        (report.DOCS / "speed.md").write_text(report.page(results))
        (report.DOCS / "images" / "rating-speed.svg").write_text(report.plot(results))


if __name__ == "__main__":
    main()
