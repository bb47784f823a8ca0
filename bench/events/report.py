"""From results.json to a table, and to docs/events-speed.md."""

from __future__ import annotations

import pathlib
from typing import Any

from bench.tables import aligned, durability, markdown

HERE = pathlib.Path(__file__).resolve().parent
DOCS = HERE.parent.parent / "docs"
RESULTS = HERE / "results.json"
# How many times as fast as Panko's own driver on the same engine we want to be.
AIMS: dict[str, dict[str, float]] = {
    "sqlite": {"record 1,000": 50, "ingest": 20, "pages": 20, "selective": 100, "project": 30, "expire": 3},
    "postgresql": {"record 1,000": 12, "ingest": 10, "pages": 5, "selective": 10, "project": 20, "expire": 3},
}
GROUPS = {
    "first page": "pages", "newest page": "pages", "a page in the middle": "pages", "by message id, in the middle": "pages",
    "one message id": "selective", "one request id": "selective", "project and user": "project", "admin_proj": "project",
}  # fmt: skip
METHOD = """\
Events have 10 traits of all types. Everybody is driven through the same interface, events in and events out, in a process of its
own, in turns; making the events is not counted. A question is asked several times, each time about something else: the median.
Panko 10 runs in an environment with the last versions that its driver works with. Ours expire once more while another thread
stores single events; on SQLite, Panko's driver breaks off beside a writer.

The raw bulk rate is the engine's own client writing the same rows or documents, encoded before, into an identical empty place with
the same indexes, as many events at once, and waiting for the same: a flush to disk, a majority and its journal, a refresh. Our
driver then writes the same events into another empty place; both twice, and the faster counts: the server is warm for both.
"""
STAND_IN = """
In the place of MongoDB stands mongo-java-server, which keeps all in memory: its figures say what our driver adds, not what MongoDB
does.
"""


def rows(results: dict[str, Any]) -> list[list[str]]:
    """What was measured, ours beside Panko's on the same engine."""
    found = []
    subjects = results["subjects"]
    for name, ours in subjects.items():
        if name.startswith("panko"):
            continue
        peer = subjects.get(f"panko-{name}")
        aims = AIMS.get(name, {})

        def compared(what: str, mine: float, theirs: float | None, times: float, aim: str = "") -> None:
            found.append(_row(name, what, mine, theirs, times, aims.get(aim)))  # noqa: B023 - called at once

        for what in ("record 1,000", "record 1"):
            rate = peer and peer[what]
            compared(f"{what} a call, events/s", ours[what], rate, ours[what] / rate if rate else 0, what)
        floor = ours["floor"]
        compared("raw bulk rate, 1,000 a call, events/s", floor["raw"], None, 0)
        compared("record 1,000 a call right after that, events/s", floor["ours"], None, 0)
        compared("share of the raw bulk rate, %", floor["ours"] / floor["raw"] * 100, None, 0)
        rate = peer and peer["record 1"]
        times = ours["ingest"] / rate if rate else 0
        compared("single events through the service (Panko: its driver), events/s", ours["ingest"], rate, times, "ingest")
        compared("the same requests without an event, requests/s", ours["ingest nothing"], None, 0)
        compared("single events in % of these (aim 40)", ours["ingest"] / ours["ingest nothing"] * 100, None, 0)
        small = min(ours["ask"], key=int)
        for question, answer in ours["ask"][small].items():
            mine, theirs = answer["median"] * 1e3, peer and peer["ask"][small][question]["median"] * 1e3
            times = theirs / mine if theirs else 0
            compared(f"{question}, {int(small):,} events, ms", mine, theirs, times, GROUPS.get(question, ""))
        mine, theirs = (each and each["expire"]["events"] / each["expire"]["seconds"] for each in (ours, peer))
        compared("expiry, events/s", mine, theirs, mine / theirs if theirs else 0, "expire")
        beside = ours["expire beside"]
        compared("the same beside a writer, events/s", beside["events"] / beside["seconds"], None, 0)
        compared("how long that waited at most, ms", beside["longest wait"] * 1e3, None, 0)
        for size in sorted(ours["ask"], key=int)[1:]:
            for question, answer in ours["ask"][size].items():
                compared(f"{question}, {int(size):,} events, ms (p95)", answer["p95"] * 1e3, None, 0)
        size = max(map(int, ours["ask"]))
        if "record 1,000, large" in ours:
            compared(f"record 1,000 a call, up to {size:,} events, events/s", ours["record 1,000, large"], None, 0)
        if "record 1,000, at the end" in ours:
            rate = ours["record 1,000, at the end"]
            compared(f"the same into {size:,} events, events/s", rate, None, 0)
            compared("the same in % of the rate into an empty store (aim 70)", rate / ours["record 1,000"] * 100, None, 0)
        walk = ours["walk"]
        compared("walk through everything, events/s", walk["events"] / walk["seconds"], None, 0)
        compared("memory at its end, MiB", walk["peak_memory"] / 2**20, None, 0)
    return found


def _row(engine: str, what: str, ours: float, theirs: float | None, times: float, aim: float | None) -> list[str]:
    met = "" if not (times and aim) else " met" if times >= aim else " NOT MET"
    return [
        engine, what, _number(ours), _number(theirs), f"{times:,.1f}x" if times else "", f"{aim:g}x{met}" if aim and times else "",
    ]  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


HEAD = ["engine", "what", "Undercroft", "Panko", "ratio", "aim"]


def text(results: dict[str, Any]) -> str:
    """The table for a terminal."""
    return aligned([HEAD, *rows(results)])


def page(results: dict[str, Any]) -> str:
    """docs/events-speed.md."""
    facts = results["machine"]
    body = markdown([HEAD, *rows(results)])
    plans = "".join(
        f"\n{name}:\n\n```text\n" + "\n".join(found["plan"]) + "\n```\n"
        for name, found in results["subjects"].items()
        if found.get("plan")
    )
    durable = durability(results["durable"])
    return f"""# Speed of the store of events

<!-- Generated by make bench-events from bench/events/results.json. -->

{METHOD}{STAND_IN if "mongodb" in results["subjects"] else ""}
{results["began"]} UTC, {facts["processors"]} processors ({facts["processor"]}), {facts["memory_gib"]} GiB, Python
{facts["python"]}, {durable}; load averages before and after: {results["load"]}.

{body}
## How three tests with ranges are answered
{plans}"""
