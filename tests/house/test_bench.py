"""The benchmarks: what they compare is the same work, and their tables say what was measured."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import pathlib
import sys

import pytest

import undercroft
from bench import floors
from bench.datasources import report as datasources_report
from bench.events import floor, report, workload
from bench.harness import database
from bench.metering import export_floor, formula_api
from bench.metering import floor as metering_floor
from bench.metering import report as metering_report
from bench.metering import workload as samples
from bench.metering.worker import Worker as Metering
from bench.rating import __main__ as rating_bench
from bench.rating import pushers, subjects, worker
from bench.rating import report as rating_report
from bench.rating import workload as rated
from undercroft.events import Event, EventFilter, Trait
from undercroft.export import COLUMNS
from undercroft.metering import SampleFilter

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
        with floors.empty("events", url, floors.FLOOR) as place:
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


# -- metering ----------------------------------------------------------------------------------------------------------------

# Two polls of 40 resources, and part of a third.
POLLED = 450


@pytest.mark.kind("metering")
def test_the_raw_floor_of_samples_writes_the_rows_that_the_store_holds(engine, tmp_path, monkeypatch):
    """The engine's client fills an identical table, and passes over what is there; each question of the benchmark has an answer."""
    monkeypatch.setattr(samples, "RESOURCES", 40)
    monkeypatch.setattr(samples, "A_POLL", 200)
    url = database(engine.url.replace("{tmp}", str(tmp_path)), "bench_of_tests", tmp_path)
    worker = Metering(url)
    assert worker.record(POLLED, 100)["seconds"] > 0
    assert worker.maintain()["samples"] > 0
    with contextlib.closing(metering_floor.floor(url)) as raw:
        rows = raw.rows()
        assert len(rows) == POLLED
        with floors.empty("metering", url, floors.FLOOR) as place:
            for _ in range(2):
                raw.write(raw.prepare(rows))
            asked = f"SELECT count(*) FROM {place._tables.sample.name}"
            assert place._db.read(lambda c: c.exec_driver_sql(asked).scalar()) == POLLED
    assert metering_floor.compare(url, POLLED, 100).keys() == {"raw", "ours", "folded"}
    assert min(worker.ask(1, 1).values()) > 0
    told = worker.bytes()
    assert told["total"] > 0
    assert any("sample" in name for name in told["parts"])
    found = worker._store.get_meter_statistics(SampleFilter(meter=samples.ASKED), groupby=["resource_id"])
    answers = {
        each.groupby["resource_id"]: {name: getattr(each, name) for name in ("count", "min", "max", "sum", "avg")} for each in found
    }
    monkeypatch.setattr(samples, "RESOURCES", 10)
    samples.check(answers, 3, "ours")
    with pytest.raises(SystemExit, match=r"^ours: resource 0: "):
        samples.check(answers, 2, "ours")
    worker._store.drop()
    worker._store.close()


@pytest.mark.kind("metering")
def test_the_raw_insert_beside_the_target_writes_the_same_rows(engine, tmp_path):
    url = database(engine.url.replace("{tmp}", str(tmp_path)), "bench_of_exports", tmp_path)
    found = export_floor.compare(url, 2_345, 100, tmp_path)
    assert {"raw", "ours"} <= found.keys()
    with contextlib.closing(floors.floor(export_floor.ENGINES, url)) as raw:
        rows = raw.rows(export_floor.OURS)
        assert raw.rows(export_floor.FLOOR) == rows
        assert len({row[COLUMNS.index("message_id")] for row in rows}) == 2_345
        # Rows that are there are passed over.
        raw.write(raw.prepare(rows[:100]))
        if text := raw.write_out(rows[:100]):
            raw.send(text)
        assert raw.count(export_floor.FLOOR) == 2_345


def test_pages_of_the_formula_leave_nothing_out():
    made = formula_api.Samples(1_000)
    begin, end = made.start, made.start + dt.timedelta(days=1)
    count, text = made.page(begin, end, 2_000)
    everything = json.loads(text)
    assert count == len({each["id"] for each in everything}) == 1_000
    read: dict[str, object] = {}
    while True:
        count, text = made.page(begin, end, 10)
        read.update((each["id"], each) for each in json.loads(text))
        if count < 10:
            break
        begin = dt.datetime.fromisoformat(json.loads(text)[-1]["timestamp"])
    assert list(read.values()) == everything
    assert list(formula_api.bounds({"and": [{"=": {"meter": "cpu"}}, {">=": {"timestamp": begin.isoformat()}}]})) == [(">=", begin)]


def test_ids_of_samples_are_unique_and_carry_their_time():
    found = [samples.message_id(number) for number in range(2 * samples.A_POLL)]
    assert len(set(found)) == len(found)
    assert {each[14] for each in found} == {"1"}
    assert {samples.message_id(number, time_based=False)[14] for number in range(20)} == {"4"}
    assert min(samples.volume(number) for number in samples.numbers("cpu", 3, 5)) > 2**53


def test_the_table_of_samples_tells_what_is_met():
    bytes_ = {"total": 120.0, "parts": {"sample": 80.0, "tiny": 0.9}, "columns": {"id": 16.0}}
    asked = {"one message id": 0.001}
    engines: dict[str, dict[str, object]] = {
        "ingest": {"sqlite": {"raw": 100_000.0, "ours": 30_000.0, "folded": 26_000.0, "samples": 10}},
        "http": {"sqlite": {"nothing": 3_000.0, "single": 1_500.0}},
        "gnocchi": {
            "gnocchi": {"samples": 10, "fill": 2.0, "per resource": 5.0, "one": 0.012, "mean": 1.0},
            "sqlite": {"samples": 10, "fill": 1.0, "per resource": 0.05, "one": 0.003},
        },
        "growth": {
            "sqlite": {"1000000": {"rate": 1.0, "ask": asked}, "10000000": {"rate": 1.0, "ask": {"one message id": 0.0012}}},
            "postgresql": {"10": {"rate": 1.0, "ask": asked}, "100": {"rate": 1.0, "ask": {"one message id": 0.0022}}},
        },
        "bytes": {"sqlite": {"samples": 10, "uuid1": bytes_, "uuid4": bytes_}},
        "export": {
            "sqlite": {"samples": 10, "raw": 200.0, "ours": 90.0},
            "mariadb": {"samples": 10, "raw": 200.0, "text": 400.0, "ours": 100.0},
        },
        "export-memory": {"sqlite": {"samples": 1_000, "tenth": 100 * 2**20, "whole": 130 * 2**20, "rate": 5.0}},
    }
    facts = {"processors": 2, "processor": "x", "memory_gib": 1, "python": "3"}
    run = {"began": "now", "arguments": "--only ingest", "minutes": 1.5, "durable": True, "machine": facts, "load": [1.0, 1.0]}
    results = {part: {**run, "engines": each} for part, each in engines.items()}
    rows = metering_report.rows(results)
    assert ["sqlite", "in % of the raw bulk rate", "26", "25, met"] in rows
    assert ["sqlite", "single samples in % of these", "50", ""] in rows
    assert ["sqlite", "times as fast as Gnocchi", "100", "10 (20), met"] in rows
    assert ["sqlite", "times as fast as Gnocchi", "4", "5, NOT MET"] in rows
    assert ["sqlite", "times as long", "1.2", "1.3, met"] in rows
    assert ["postgresql", "times as long", "2.2", ""] in rows
    assert ["sqlite", "bytes a sample, 10 samples, uuid1", "120", "110, NOT MET"] in rows
    assert ["sqlite", "bytes a sample, 10 samples, uuid4", "120", ""] in rows
    assert ["sqlite", "in % of the raw bulk insert", "45", "50, NOT MET"] in rows
    assert ["mariadb", "in % of the raw bulk insert", "50", "50, met"] in rows
    assert ["mariadb", "in % of this", "25", ""] in rows
    assert ["sqlite", "after 1,000 samples, MiB", "130", ""] in rows
    assert ["sqlite", "times as much", "1.3", "1.2, NOT MET"] in rows
    assert not any("tiny" in row[1] for row in rows)
    assert "times as fast as Gnocchi  4" in " ".join(metering_report.text(results).split()).replace("Gnocchi 4", "Gnocchi  4")
    page = metering_report.page({"ingest": results["ingest"]})
    assert "--only ingest" in page
    assert "## http" not in page
    assert "did other work" not in page
    assert "did other work" in metering_report.page({"ingest": {**results["ingest"], "load": [1.0, 2.5]}})


def test_the_table_of_datasources_tells_queries_and_times():
    def told(queries: float, seconds: float, **more: float) -> dict[str, dict[str, float]]:
        figures = {"queries": queries, "seconds": seconds, "asked": 9, "whole": 3.0, **more}
        return dict.fromkeys(datasources_report.QUERIES, figures)

    engines = {
        "watcher on gnocchi": told(3_400, 50.0, policies=0), "gnocchi": told(9, 20.0, policies=5, floor=0.5),
        "watcher on prometheus": told(2_200, 2.0), "prometheus": told(2, 0.4), "sqlite": told(7, 1.0),
    }  # fmt: skip
    rows = [row for row in datasources_report.rows(engines) if row[1].startswith("vm_workload_consolidation")]
    what = "vm_workload_consolidation: "
    assert ["gnocchi", f"{what}queries for 9 questions", "4", "≤ 6, met"] in rows
    assert ["gnocchi", f"{what}archive policies read, once a process", "5", ""] in rows
    assert ["gnocchi", f"{what}bare requests, ms", "500", ""] in rows
    assert ["gnocchi", f"{what}times as fast as watcher on gnocchi", "2.5", "≥ 2, met"] in rows
    assert ["prometheus", f"{what}times as fast as watcher on prometheus", "5", "≥ 10, NOT MET"] in rows
    assert ["sqlite", f"{what}times as fast as watcher on gnocchi", "50", "≥ 50, met"] in rows
    assert ["sqlite", f"{what}queries for 9 questions", "7", "≤ 6, NOT MET"] in rows
    assert ["watcher on gnocchi", f"{what}queries for 9 questions", "3,400", ""] in rows
    facts = {"processors": 2, "processor": "x", "memory_gib": 4, "python": "3.11"}
    run = {"began": "2026-01-01", "minutes": 3.0, "durable": True, "machine": facts, "load": [1.0, 2.0], "hosts": 100}
    page = datasources_report.page({**run, "engines": engines})
    assert "100 hosts have 1,000 instances" in page
    assert "commits are flushed to disk" in page
