"""Events: our engines beside Panko's own SQLAlchemy driver on the same ones, one run, one machine, durable settings.

    make bench-events                                              Panko at 20,000 events, ours at that and at a million
    make bench-events ENGINES=sqlite,postgresql,mongo-java,opensearch    with stores of documents, these at 100,000
    make bench-events ARGS='--events 5000 --more 0'                small

Each subject lives in a process of its own, Panko's in an environment with what it needs. They take turns, so that what else the
machine does meets them all. Results go to bench/events/results.json, and from there to docs/events-speed.md.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import pathlib
import sys
import tempfile
from typing import Any

import undercroft
from bench import sender
from bench.events import report, workload
from bench.harness import Process, database, machine, say, store_urls
from tests.api.service import serving
from tests.hosts.conftest import make as environment
from undercroft.events import Event, Trait
from undercroft.events.wire import serialize

EVENTS, MORE, DOCUMENTS_MORE = 20_000, 1_000_000, 100_000
CALL = 1_000
TURN = 5_000
ALONE = 300
# Events that are sent one by one to the service.
SENT = 8_000
PAGES = ("first page", "newest page", "a page in the middle", "by message id, in the middle")
QUESTIONS = (*PAGES, "one message id", "one request id", "project and user", "admin_proj", "three ranges")
OURS_ASKED, PANKO_ASKED = 40, 8
PEERS = ("sqlite", "postgresql")
# Stores of documents: their servers, in a JVM here, are slow to fill.
DOCUMENTS = {"mongodb", "opensearch", "elasticsearch"}


def start(stack: contextlib.ExitStack, urls: dict[str, str], peers: list[str], folder: pathlib.Path) -> dict[str, Process]:
    """A worker for each store, each store empty."""
    found = {}
    for name, url in urls.items():
        here = database(url, "bench_events", folder)
        found[name] = Process(name, pathlib.Path(sys.executable), "bench.events.worker", "ours", here)
    for name in peers:
        python = environment("panko-sql").python
        here = database(urls[name], "bench_panko", folder)
        found[f"panko-{name}"] = Process(f"panko-{name}", python, "bench.events.worker", "panko", here)
    for each in found.values():
        stack.callback(each.close)
    return found


def place(url: str, folder: pathlib.Path) -> str:
    """An empty store's URL."""
    here = database(url, "bench_ingest", folder)
    with contextlib.closing(undercroft.connect("events", here)) as store:
        store.upgrade()
    return here


def load(subjects: dict[str, Process], events: int, call: int, turn: int) -> dict[str, float]:
    """Everybody records so many more events, in turns; events a second."""
    seconds = dict.fromkeys(subjects, 0.0)
    for first in range(0, events, turn):
        for name, subject in subjects.items():
            seconds[name] += subject.order("record", count=min(turn, events - first), call=call)["seconds"]
    rates = {name: events / taken for name, taken in seconds.items()}
    say(f"record, {call} a call: " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items()))
    return rates


def ask(subjects: dict[str, Process]) -> dict[str, dict[str, Any]]:
    """Every question to everybody, in turns."""
    answers: dict[str, dict[str, Any]] = {name: {} for name in subjects}
    for question in QUESTIONS:
        for name, subject in subjects.items():
            times = PANKO_ASKED if name.startswith("panko") else OURS_ASKED
            answers[name][question] = subject.order("ask", name=question, times=times)
        say(f"{question}: " + ", ".join(f"{name} {found[question]['median'] * 1e3:,.1f} ms" for name, found in answers.items()))
    return answers


def measure(subjects: dict[str, Process], events: int, more: int, documents_more: int) -> dict[str, Any]:
    """All figures by subject."""
    found: dict[str, Any] = {name: {} for name in subjects}
    for name, rate in load(subjects, events - ALONE, CALL, TURN).items():
        found[name]["record 1,000"] = round(rate)
    for name, rate in load(subjects, ALONE, 1, 100).items():
        found[name]["record 1"] = round(rate)
    for name, answers in ask(subjects).items():
        found[name]["ask"] = {str(events): answers}
    ours = {name: subject for name, subject in subjects.items() if not name.startswith("panko")}
    for name, subject in ours.items():
        seconds = subject.order("floor", events=events - ALONE, call=CALL)
        rates = found[name]["floor"] = {way: round((events - ALONE) / taken) for way, taken in seconds.items()}
        say(f"{name}: raw bulk rate {rates['raw']:,} events/s, ours after it {rates['ours']:,}")
    for name, subject in subjects.items():
        gone = found[name]["expire"] = subject.order("expire", before=events // 4)
        say(f"{name}: {gone['events']:,} events expired in {gone['seconds']:.2f} s")
    sizes = {name: max(events, min(more, documents_more) if name in DOCUMENTS else more) for name in ours}
    for size in sorted({size for size in sizes.values() if size > events}):
        alike = {name: subject for name, subject in ours.items() if sizes[name] == size}
        for name, rate in load(alike, size - events, CALL, 100_000).items():
            found[name]["record 1,000, large"] = round(rate)
        for name, rate in load(alike, EVENTS, CALL, TURN).items():
            found[name]["record 1,000, at the end"] = round(rate)
        for name, answers in ask(alike).items():
            found[name]["ask"][str(size)] = answers
    for name, subject in ours.items():
        # Beside a writer Panko's driver breaks off on SQLite: the database is locked.
        gone = found[name]["expire beside"] = subject.order("expire_beside", before=sizes[name] // 2)
        say(f"{name}: {gone['events']:,} in {gone['seconds']:.2f} s; a writer waited {gone['longest wait']:.2f} s at most")
        found[name]["plan"] = subject.order("plan", name="three ranges")
        found[name]["walk"] = subject.order("walk")
        say(f"{name}: walked {found[name]['walk']['events']:,} events in {found[name]['walk']['seconds']:.1f} s")
    return found


def ingest(url: str) -> dict[str, float]:
    """Requests a second through the service, of concurrent senders: with an event each, and with none, which is HTTP's part."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("UNDERCROFT_")}
    try:
        with serving(None, events=url) as service:
            address = f"{service.url}/events/v1/ceilometer/events"
            return {
                "ingest nothing": sender.rate(address, lambda _number: [], SENT),
                "ingest": sender.rate(address, lambda number: serialize(workload.event(9_000_000 + number, Event, Trait)), SENT),
            }
    finally:
        os.environ.update(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help="events that everybody gets")
    parser.add_argument("--more", type=int, default=MORE, help="events that ours get in the end; 0: no more")
    parser.add_argument("--documents-more", type=int, default=DOCUMENTS_MORE, help="the same of stores of documents, at most")
    parser.add_argument("--peers", default=",".join(PEERS), help="engines that Panko is run on")
    parser.add_argument("--keep", type=pathlib.Path, default=report.RESULTS, help="where the results go")
    arguments = parser.parse_args()
    urls = store_urls("events")
    # A log is asked nothing.
    urls.pop("log", None)
    peers = [name for name in arguments.peers.split(",") if name in urls]
    results: dict[str, Any] = {
        "began": f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}",
        "durable": os.environ.get("UCTEST_DURABLE") == "1",
        "machine": machine(),
        "load": [[round(each, 1) for each in os.getloadavg()]],
    }
    with tempfile.TemporaryDirectory(prefix="undercroft-bench-") as name, contextlib.ExitStack() as stack:
        subjects = start(stack, urls, peers, pathlib.Path(name))
        results["subjects"] = measure(subjects, arguments.events, arguments.more, arguments.documents_more)
        for engine, url in urls.items():
            rates = ingest(place(url, pathlib.Path(name)))
            results["subjects"][engine] |= rates
            say(f"{engine}: {rates['ingest']:,} single events/s through the service, {sender.SENDERS} senders")
    results["load"].append([round(each, 1) for each in os.getloadavg()])
    arguments.keep.write_text(json.dumps(results, indent=1) + "\n")
    print(report.text(results))
    if arguments.keep == report.RESULTS:
        (report.DOCS / "events-speed.md").write_text(report.page(results))


if __name__ == "__main__":
    main()
