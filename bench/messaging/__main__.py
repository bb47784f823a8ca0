"""Messages: our driver beside a plain table with the statements of PGMQ, and beside Zaqar's own driver for Redis: one run, one
server, the same durability.

    make bench-messaging
    make bench-messaging ARGS='--only rates,snapshot'                parts: rates, behind, snapshot, stats, race,
                                                                     waiters, notify, pooled
    make bench-messaging ENGINES=redis ARGS='--only race'            Redis beside Zaqar's own driver for it
    make bench-messaging ARGS=--quick                                small

Clients are processes. Subjects take turns, round after round, so that what else the machine does meets them all; the median round
counts. Results go to bench/messaging/results.json, beside those of parts that were not run, and to docs/messaging-speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.harness import Process, database, part, say, store_urls
from bench.messaging import notify, pooled, race, report, waiters
from bench.messaging.sizes import Sizes

# Messages of a claim.
TEN = 10


class Clients:
    """So many clients of one subject.

    Args:
        name: of the subject: `plain`, or an engine of ours.
        url: of its store.
        count: how many.
    """

    def __init__(self, name: str, url: str, count: int) -> None:
        self.name = name
        self.workers = [Process(name, pathlib.Path(sys.executable), "bench.messaging.worker", name, url) for _ in range(count)]

    def first(self, do: str, **arguments: Any) -> Any:
        """Have one client do something."""
        return self.workers[0].order(do, **arguments)

    def run(self, clients: int, what: str, seconds: float, *, size: int) -> dict[str, Any]:
        """Have so many of them do one thing at once: messages a second, and the 99th percentile of a call in milliseconds."""
        for worker in self.workers[:clients]:
            worker.send("run", what=what, seconds=seconds, count=size)
        answers = [worker.answer() for worker in self.workers[:clients]]
        taken = sorted(each for answer in answers for each in answer["taken"])
        return {
            "rate": sum(answer["messages"] / answer["seconds"] for answer in answers),
            "p99": taken[int(len(taken) * 0.99)] * 1e3,
            "answers": answers,
        }

    def close(self) -> None:
        """End the processes."""
        for worker in self.workers:
            worker.close()


@contextlib.contextmanager
def subjects(urls: dict[str, str], folder: pathlib.Path, name: str, clients: int) -> Iterator[list[Clients]]:
    """Clients of every engine of ours, and of the plain table, each on a database of its own."""
    with contextlib.ExitStack() as stack:
        found = []
        places = dict(urls)
        if "postgresql" in urls:
            places["plain"] = urls["postgresql"]
        for subject, url in places.items():
            one = Clients(subject, database(url, f"bench_messaging_{name}_{subject}", folder), clients)
            stack.callback(one.close)
            one.first("prepare")
            found.append(one)
        yield found


def rates(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Sending and reading with 1 and with 8 clients."""
    # What, messages of a call, and messages that a second takes, about.
    steps = (("send", 1, 0), ("send", TEN, 0), ("each", TEN, 8_000), ("bulk", TEN, 20_000), ("read", TEN, 30_000))
    found: dict[str, Any] = {}
    with subjects(urls, folder, "rates", 8) as everybody:
        for what, size, needs in steps:
            for clients in (1, 8):
                rounds: dict[str, list[dict[str, Any]]] = {one.name: [] for one in everybody}
                for number in range(sizes.rounds):
                    for one in everybody if number % 2 else everybody[::-1]:
                        if needs:
                            one.first("fill", count=int(needs * sizes.seconds))
                        rounds[one.name].append(one.run(clients, what, sizes.seconds, size=size))
                for name, each in rounds.items():
                    median = statistics.median_low(one["rate"] for one in each)
                    chosen = next(one for one in each if one["rate"] == median)
                    found.setdefault(name, {})[f"{what} {size}, {clients}"] = {"rate": chosen["rate"], "p99": chosen["p99"]}
                    say(f"{name}: {what} {size}, {clients} clients: {chosen['rate']:,.0f}/s, p99 {chosen['p99']:.1f} ms")
    return found


def behind(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Claims at the front of an empty queue, and behind many that are claimed."""
    found: dict[str, Any] = {}
    for clients in ("front", "behind"):
        with subjects(urls, folder, clients, 1) as everybody:
            for one in everybody:
                one.first("fill", count=sizes.claimed + int(30_000 * sizes.seconds))
                if clients == "behind":
                    one.first("take", count=sizes.claimed)
            for one in everybody:
                taken = sorted(one.run(1, "read", sizes.seconds, size=TEN)["answers"][0]["taken"])
                found.setdefault(one.name, {})[clients] = statistics.median(taken) * 1e3
                say(f"{one.name}: a claim, {clients}: {found[one.name][clients]:.2f} ms")
    return found


def snapshot(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Posts, claims and deletions by 4 clients, beside an old snapshot and without."""
    found: dict[str, Any] = {}
    with subjects({"postgresql": urls["postgresql"]}, folder, "snapshot", 4) as everybody:
        for one in everybody:
            one.first("fill", count=2_000)
            before = one.run(4, "both", max(sizes.held / 6, 2), size=5)
            # A snapshot holds back the tables of its own database only.
            with held(urls["postgresql"], f"bench_messaging_snapshot_{one.name}"):
                beside = one.run(4, "both", sizes.held, size=5)
            found[one.name] = {
                "without": before["rate"],
                "beside": beside["rate"],
                "last quarter": last_quarter(beside["answers"], 5),
            }
            say(f"{one.name}: {found[one.name]}")
    return found


@contextlib.contextmanager
def held(url: str, name: str) -> Iterator[None]:
    """The block, in which a transaction of that database has a snapshot."""
    import urllib.parse

    import psycopg

    place = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(path=f"/{name}"))
    with psycopg.connect(place) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM pg_class").fetchall()
        yield
        holder.rollback()


def last_quarter(answers: Sequence[dict[str, Any]], size: int) -> float:
    """Messages a second in the last quarter of the time."""
    rate = 0.0
    for answer in answers:
        at, ends = 0.0, answer["seconds"]
        calls = 0
        for taken in answer["taken"]:
            at += taken
            calls += at >= ends * 3 / 4
        rate += calls * size / (ends / 4)
    return rate


def stats(urls: dict[str, str], sizes: Sizes, folder: pathlib.Path) -> dict[str, Any]:
    """Statistics and a page of free messages of a large queue."""
    found: dict[str, Any] = {}
    with subjects(urls, folder, "stats", 1) as everybody:
        for one in everybody:
            if one.name == "plain":
                continue
            one.first("fill", count=sizes.stored)
            one.first("take", count=sizes.claimed)
            answer = one.first("time", what="stats", times=30)
            assert answer["answer"]["total"] == sizes.stored, answer["answer"]
            assert answer["answer"]["claimed"] >= sizes.claimed, answer["answer"]
            page = one.first("time", what="list", times=30)
            assert page["answer"] == 20, page
            found[one.name] = {
                "stored": sizes.stored,
                "claimed": answer["answer"]["claimed"],
                "stats": statistics.median(answer["taken"]) * 1e3,
                "list": statistics.median(page["taken"]) * 1e3,
            }
            say(f"{one.name}: {found[one.name]}")
    return found


def flushes(folder: pathlib.Path) -> float:
    """How many times a second the disk takes a small write for good."""
    place = folder / "flushes"
    count, began = 0, time.perf_counter()
    with place.open("wb", buffering=0) as file:
        while time.perf_counter() - began < 2:
            file.write(b"x" * 512)
            os.fdatasync(file.fileno())
            count += 1
    return count / (time.perf_counter() - began)


PARTS: dict[str, Callable[[dict[str, str], Sizes, pathlib.Path], Any]] = {
    "rates": rates,
    "behind": behind,
    "snapshot": snapshot,
    "stats": stats,
    "race": race.race,
    "waiters": waiters.waiters,
    "notify": notify.notify,
    "pooled": pooled.pooled,
}
# A plain table is beside these, and Zaqar's own driver beside the other.
SQL = ("sqlite", "postgresql", "mariadb")
# Parts that have no other side.
EVERYWHERE = frozenset({"race", "waiters", "notify", "pooled"})


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="parts, with commas between")
    parser.add_argument("--quick", action="store_true", help="small: results are printed and not kept")
    given = parser.parse_args()
    sizes = Sizes(quick=given.quick)
    urls = store_urls("messaging")
    chosen = given.only.split(",") if given.only else list(PARTS)
    results = json.loads(report.RESULTS.read_text()) if report.RESULTS.exists() and not given.quick else {}
    for name in chosen:
        say(f"== {name}")

        def measure(folder: pathlib.Path, name: str = name) -> Any:
            chosen_urls = urls if name in EVERYWHERE else {engine: url for engine, url in urls.items() if engine in SQL}
            return {"flushes": flushes(folder), **PARTS[name](chosen_urls, sizes, folder)}

        results[name] = part(f"--only {name}", measure)
        if not given.quick:
            report.RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    if not given.quick:
        (report.DOCS / "messaging-speed.md").write_text(report.page(results))


if __name__ == "__main__":
    main()
