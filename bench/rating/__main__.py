"""Rated usage: our engines beside CloudKitty's own storage drivers, one run, one machine, durable settings.

    make bench-rating                                    two runs of data, up to 1,000,000 points
    make bench-rating ARGS=--full                        the first up to 10,000,000 points
    make bench-rating ARGS='--sizes 50000 --peers ""'    ours alone, small
    make bench-rating ARGS='--only "cost of one project"'   one row, at 50,000 points; nothing is kept
    make bench-rating ARGS='--only "at once"' ENGINES=postgresql   the processes that push at once, on one engine

Each subject lives in a process of its own, the peers' in an environment with the real CloudKitty. They take turns: a slice of a
push, then the next subject's; a question, then the next subject's. What else the machine does meets them all. Results go to
bench/rating/results.json, and from there to docs/speed.md and its plot. After each question, ours is followed by the same question
by hand (see byhand.py).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from bench.harness import TOP, Process, database, machine, say, store_urls
from bench.rating import pushers, report
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
# Rows that can be asked for alone, beside the questions; by the words of the table.
PUSH, RAW, DELETE, AT_ONCE = "push", "raw floor", "delete", "at once"
ROWS = {PUSH: PUSH, RAW: RAW, DELETE: DELETE, AT_ONCE: AT_ONCE, **{title: name for name, title in report.ASKED.items()}}
BIG, SMALL = 10_000, 40
SLICE = 100_000
SMALL_POINTS, SMALL_SLICE = 12_000, 2_000
FLOOR_POINTS = 200_000
REPEATS = 5
# A question that takes longer is asked twice only; one that takes less, more often, since the best of few is the luck of few.
SLOW, QUICK, QUICK_REPEATS = 2.0, 0.05, 20
# The first of those whose usage of the first day is deleted.
GONE = 400


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


def ask(found: list[Subject], names: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Every question to every subject in turns, ours followed by the same by hand; the best of several."""
    answers: dict[str, dict[str, Any]] = {subject.name: {} for subject in found}
    for name in names:
        for turn in range(QUICK_REPEATS):
            for subject in found:
                known = answers[subject.name].get(name, {})
                best = known.get("seconds", 0.0)
                if turn >= (QUICK_REPEATS if best < QUICK else 2 if best > SLOW else REPEATS):
                    continue
                answer = subject.order("ask", name=name)
                if not answer:
                    continue
                if subject.ours:
                    answer["floor"] = min(subject.order("by_hand", name=name)["seconds"], known.get("floor", math.inf))
                answer["seconds"] = min(answer["seconds"], known.get("seconds", math.inf))
                answers[subject.name][name] = {**answer, "asked": turn + 1}
        said = [(s, a[name]["seconds"], a[name].get("floor")) for s, a in answers.items() if name in a]
        parts = [f"{s} {best * 1e3:,.2f} ms" + (f" ({floor / best:.0%} of by hand)" if floor else "") for s, best, floor in said]
        say(f"{name}: {', '.join(parts)}")
    return answers


def agree(found: list[Subject], answers: dict[str, dict[str, Any]]) -> None:
    """Ours must say the same on every engine, to the last digit."""
    for name in QUESTIONS:
        said = {s.name: (a["rows"], a.get("rate")) for s in found if s.ours and (a := answers[s.name].get(name))}
        if len(set(said.values())) > 1:
            raise SystemExit(f"different answers to {name!r}: {said}")


def delete(found: list[Subject], number: int) -> dict[str, dict[str, Any]]:
    """From every subject that can, in turns, through the contract: a project's first day, the best of several projects; an hour of
    all, once. Others at each size.
    """
    gone: dict[str, dict[str, Any]] = {subject.name: {} for subject in found}

    def order(subject: Subject, what: str, **arguments: int) -> None:
        answer = subject.order("delete", **arguments)
        if answer:
            subject.points -= answer["rows"]
            known = gone[subject.name].get(what, answer)
            gone[subject.name][what] = min(known, answer, key=lambda each: float(each["seconds"]))

    for turn in range(REPEATS):
        for subject in found:
            order(subject, "delete a project's day", begin=0, end=24, project=GONE + number * REPEATS + turn)
    for subject in found:
        order(subject, "delete an hour", begin=number, end=number + 1)
    for name, answers in gone.items():
        for what, answer in answers.items():
            say(f"{name}: {what}: {answer['rows']:,} points in {answer['seconds'] * 1e3:,.1f} ms")
    return gone


def measure(found: list[Subject], sizes: list[int], rows: set[str]) -> None:
    """Fill, ask, delete, and look, at each size; in the end delete a day."""
    at = 0
    for number, size in enumerate(sizes):
        active = [subject for subject in found if subject.most is None or subject.most >= size]
        say(f"to {size:,} points: {', '.join(subject.name for subject in active)}")
        small = min(SMALL_POINTS, (size - at) // 2) if PUSH in rows else 0
        rates = {"push 10,000": load(active, size - at - small, BIG, min(SLICE, max(BIG, (size - at) // 5)))}
        if small:
            rates["push 40"] = load(active, small, SMALL, SMALL_SLICE)
        at = size
        pushing = {subject.name: subject.order("facts") for subject in active}
        answers = ask(active, tuple(name for name in QUESTIONS if name in rows))
        agree(active, answers)
        for subject in active:
            facts = subject.order("facts")
            subject.found["version"] = facts["version"]
            subject.sizes[str(size)] = {
                **({what: round(rate[subject.name]) for what, rate in rates.items()} if PUSH in rows else {}),
                "bytes": round(facts["bytes"] / subject.points, 1),
                "memory": {
                    "push": round(pushing[subject.name]["peak_memory"] / 2**20),
                    "ask": round(facts["peak_memory"] / 2**20),
                },
                "ask": answers[subject.name],
            }
            if RAW in rows and subject.ours and size == min(last_of(subject, sizes), 500_000):
                points = min(FLOOR_POINTS, subject.points)
                seconds = subject.order("floor", points=points, call=BIG)["seconds"]
                subject.found["floor"] = {"rows": round(points / seconds), "size": str(size)}
                say(f"{subject.name}: raw floor {points / seconds:,.0f} rows/s")
        if DELETE not in rows:
            continue
        for name, gone in delete(active, number).items():
            subject = next(each for each in active if each.name == name)
            subject.sizes[str(size)] |= gone
            if size == last_of(subject, sizes) and (answer := subject.order("delete", begin=0, end=24)):
                subject.sizes[str(size)]["delete a day"] = answer
                say(f"{name}: deleted {answer['rows']:,} points in {answer['seconds']:.2f} s")


def last_of(subject: Subject, sizes: list[int]) -> int:
    """The largest size that a subject is filled to."""
    return max(each for each in sizes if subject.most is None or subject.most >= each)


def at_once(
    urls: dict[str, str], peers: dict[str, tuple[pathlib.Path, str]], folder: pathlib.Path, data: dict[str, Any]
) -> dict[str, Any]:
    """Ours beside InfluxDB, each with several processes that push at once."""
    say(f"{pushers.PUSHERS} processes push at once")
    with contextlib.ExitStack() as stack:
        teams = [
            pushers.Team(stack, name, pathlib.Path(sys.executable), "ours", database(url, "bench_at_once", folder), folder, data)
            for name, url in urls.items()
        ]
        # v1 takes a minute for what the others do in seconds.
        for kind, (python, url) in peers.items():
            if kind != "v1":
                teams.append(pushers.Team(stack, kind, python, kind, f"{url}/bench_at_once", folder / kind, data))
        return pushers.measure(teams)


def chosen(text: str) -> set[str]:
    """Rows by their names in the table, or by those of questions, with commas between."""
    found = set()
    for each in map(str.strip, text.split(",")):
        name = ROWS.get(each, each)
        if name not in ROWS.values():
            raise argparse.ArgumentTypeError(f"no row {each!r}; there are {', '.join(ROWS.values())}")
        found.add(name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=chosen, help=f"of these, with commas between: {', '.join(ROWS.values())}; nothing is kept")
    parser.add_argument("--sizes", type=lambda text: [int(each) for each in text.split(",")], help="with --only, 50000 at first")
    parser.add_argument("--full", action="store_true", help=f"also {FULL:,} points, of the first data")
    parser.add_argument("--peers", default="influxdb,v1", help="of influxdb and v1, with commas between")
    parser.add_argument("--data", help="which data: 1, 2 or all; with --only, 1 at first")
    parser.add_argument("--keep", type=pathlib.Path, help=f"where the results go, {report.RESULTS.name} at first")
    arguments = parser.parse_args()
    rows: set[str] = arguments.only or set(ROWS.values())
    sizes: list[int] = arguments.sizes or (SIZES[:1] if arguments.only else SIZES)
    keep: pathlib.Path | None = arguments.keep or (None if arguments.only else report.RESULTS)
    which: str = arguments.data or ("1" if arguments.only else "all")
    # InfluxDB is not among the engines that are stopped for us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    urls = store_urls("rating")
    wanted = [name for name in arguments.peers.split(",") if name]
    runs = list(DATA.items())
    if which != "all":
        runs = [runs[int(which) - 1]]
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
        for number, (title, data) in enumerate(runs if rows != {AT_ONCE} else []):
            say(f"data: {title}")
            with contextlib.ExitStack() as workers:
                # v1 writes row by row whatever the data are, and takes longest: once is enough.
                here = peers if number == 0 else {kind: peer for kind, peer in peers.items() if kind != "v1"}
                found = subjects(workers, urls, here, number, folder, data)
                results["load"].append([round(each, 1) for each in os.getloadavg()])
                measure(found, sorted({*sizes, FULL} if arguments.full and number == 0 else set(sizes)), rows)
                results["load"].append([round(each, 1) for each in os.getloadavg()])
                results["runs"].append({"data": title, **data, "subjects": {s.name: s.found for s in found}})
            write(keep, results)
        if AT_ONCE in rows:
            results["load"].append([round(each, 1) for each in os.getloadavg()])
            results["at once"] = at_once(urls, peers, folder, runs[0][1])
            write(keep, results)
    print(report.text(results))
    if keep == report.RESULTS:
        (report.DOCS / "speed.md").write_text(report.page(results))
        (report.DOCS / "images" / "rating-speed.svg").write_text(report.plot(results))


def write(keep: pathlib.Path | None, results: dict[str, Any]) -> None:
    """Keep what there is: a run that is stopped is not for nothing."""
    if keep is not None:
        keep.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
