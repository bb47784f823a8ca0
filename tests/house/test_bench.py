"""The benchmark of events: its raw bulk rate is that of the same events, and its table says what was measured."""

from __future__ import annotations

import contextlib

import pytest

import undercroft
from bench.events import floor, report, workload
from bench.harness import database
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
