"""The benchmarks: what they compare is the same work, and their tables say what was measured."""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys

import pytest

import undercroft
from bench.events import floor, report, workload
from bench.harness import database
from bench.rating import __main__ as rating_bench
from bench.rating import pushers, subjects, worker
from bench.rating import report as rating_report
from bench.rating import workload as rated
from undercroft.events import Event, EventFilter, Trait

EVENTS, CALL = 250, 100


def made(number: int) -> Event:
    return workload.event(number, Event, Trait)  # type: ignore[no-any-return]


@pytest.mark.kind("events")
def test_the_raw_floor_writes_what_the_store_holds(engine, tmp_path):
    """Found by our own driver in the place that the engine's client filled: every event, and by a trait that an index knows."""
    url = database(engine.url.replace("{tmp}", str(tmp_path)), "bench_of_tests", tmp_path)
    with contextlib.closing(undercroft.connect("events", url)) as store, contextlib.closing(floor.floor(url)) as raw:
        store.upgrade()
        store.record_events([made(number) for number in range(EVENTS)])
        parts = list(raw.parts(EVENTS, CALL))
        assert len(parts) == 3
        with floor.empty(url, floor.FLOOR) as place:
            for part in parts:
                raw.write(part)
            assert list(place.get_events(EventFilter())) == list(store.get_events(EventFilter()))
            sizes = EventFilter(traits_filter=[{"key": "disk_gb", "op": "lt", "integer": 100}])
            asked = [each.message_id for each in place.get_events(sizes)]
            assert asked == [each.message_id for each in store.get_events(sizes)] != []
        assert floor.compare(url, EVENTS, CALL, made).keys() == {"raw", "ours"}
        assert len(list(store.get_events(EventFilter()))) == EVENTS
        store.drop()


def test_the_table_tells_the_share_of_the_raw_rate():
    answers = {"one message id": {"median": 0.001, "p95": 0.002, "events": 1, "times": 40}}
    spent = {"events": 10, "seconds": 1.0}
    subject = {
        "record 1,000": 100, "record 1": 10, "ingest": 20, "ingest nothing": 40, "floor": {"raw": 400, "ours": 100},
        "ask": {"20": answers, "40": answers},
        "expire": spent, "expire beside": {**spent, "longest wait": 0.5}, "walk": {**spent, "peak_memory": 2**20}, "plan": [],
    }  # fmt: skip
    facts = {"processors": 2, "processor": "x", "memory_gib": 1, "python": "3"}
    results = {"subjects": {"mongodb": subject}, "durable": True, "began": "now", "machine": facts, "load": []}
    assert ["mongodb", "share of the raw bulk rate, %", "25", "", "", ""] in report.rows(results)
    assert ["mongodb", "the same requests without an event, requests/s", "40", "", "", ""] in report.rows(results)
    page = report.page(results)
    assert "| mongodb | one message id, 40 events, ms (p95) | 2 |" in page
    assert "mongo-java-server" in page
    assert "```" not in page


# -- rating ------------------------------------------------------------------------------------------------------------------

# So many that the project and the resource that are asked for are among them.
RATED = 7_100


@pytest.mark.parametrize("digits", [12, 28])
def test_questions_by_hand_get_the_answers_of_the_store(engine, tmp_path, digits):
    """With points that are not in the sums by series yet, with all in them, and with some deleted."""
    url = database(engine.url.replace("{tmp}", str(tmp_path)), "bench_of_tests", tmp_path)
    subject = subjects.Ours(url, "", digits)
    with contextlib.closing(subject.storage), contextlib.closing(subject.floor):
        subject.storage.drop()
        subject.storage.init()
        at_work = worker.Worker(subject, rated.Data(digits))
        names = list(worker.questions(subject, RATED))
        at_work.push(RATED, 2_000)
        for name in names:
            assert at_work.ask(name)["rows"]
            assert at_work.by_hand(name)["seconds"] > 0
        at_work.settle()
        for name in names:
            at_work.by_hand(name)
        assert at_work.delete(0, 1, project=3)["rows"] == rated.RESOURCES // rated.PROJECTS
        for name in names:
            at_work.by_hand(name)
        subject.storage.drop()


@pytest.mark.one_per_driver
def test_processes_that_push_at_once_lose_nothing(engine, tmp_path):
    url = database(engine.url.replace("{tmp}", str(tmp_path)), "bench_of_tests", tmp_path)
    with contextlib.ExitStack() as stack:
        team = pushers.Team(stack, "ours", pathlib.Path(sys.executable), "ours", url, tmp_path, {"digits": 12}, size=2)
        found = pushers.measure([team], pushes=12, rounds=1)["ours"]
    assert found["points/s"] > 0
    assert 0 < found["p50"] <= found["p99"]


def of_subject(seconds: float, push: int, **more: float) -> dict[str, object]:
    asked = {"project and type": {"seconds": seconds, **more}}
    return {
        "sizes": {
            "50000": {"push 40": push, "bytes": 70.0, "memory": {"push": 1, "ask": 1}, "ask": asked},
        }
    }


def test_the_table_sets_ours_against_the_best_peer_and_its_floor():
    run = {
        "data": "12 decimals",
        "subjects": {
            "sqlite": of_subject(0.020, 300, floor=0.015),
            "postgresql": of_subject(0.050, 90, floor=0.010),
            "influxdb": of_subject(0.200, 100),
            "v1": of_subject(0.040, 10),
        },
    }
    table = rating_report.rows(run)
    assert table[0][-2:] == ["SQLite : best peer", "PostgreSQL : best peer"]
    assert ["push, calls of 40, points/s", "50,000", "300", "90", "100", "10", "3", "0.9 ▼"] in table
    assert ["total by project and type, ms", "50,000", "20", "50", "200", "40", "2", "0.8 ▼"] in table
    shares = ["total by project and type", "50,000", "20", "15", "75 %", "50", "10", "20 %"]
    assert shares in rating_report.floors(run)
    met = {target.what: target.met for target in rating_report.targets(run)}
    assert met["Undercroft, SQLite: month by project and type"]
    assert not met["Undercroft, PostgreSQL: month by project and type"]
    assert met["Undercroft, SQLite: rows at least as fast as the best peer"]
    assert not met["Undercroft, PostgreSQL: rows at least as fast as the best peer"]


def test_those_that_push_at_once_have_a_table():
    found = {name: {"points/s": rate, "p50": 0.002, "p99": 0.03} for name, rate in (("postgresql", 30), ("influxdb", 20))}
    text = rating_report.text({"runs": [], "at once": found})
    assert "1.5" in text
    assert "MISSED  Undercroft, PostgreSQL: 8 processes at once: 1.5 times (target ≥ 2 times CloudKitty, InfluxDB)" in text


def test_single_rows_are_asked_for_by_their_names():
    assert rating_bench.chosen("cost of one project, at once") == {"project", rating_bench.AT_ONCE}
    assert rating_bench.chosen("project and type") == {"project and type"}
    with pytest.raises(argparse.ArgumentTypeError, match="no row 'cheese'"):
        rating_bench.chosen("cheese")
