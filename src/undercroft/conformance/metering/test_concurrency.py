"""Threads and processes that write at once."""

from __future__ import annotations

import threading
from collections import Counter

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, essential, promise
from undercroft.conformance.metering import workers
from undercroft.conformance.metering.data import (
    HOUR,
    OpenStore,
    everything,
    found,
    hour,
    ids,
    maintained,
    meters,
    record,
    resources,
    same_meters,
    same_resources,
    same_statistics,
    sample,
    statistics,
    uuid1,
)
from undercroft.conformance.metering.oracle import Oracle
from undercroft.conformance.plugin import Opener
from undercroft.conformance.threads import numbered, together
from undercroft.metering import Store

pytestmark = [essential, assumes("concurrent_writers")]


@clause("M3", "M9")
@promise("D8")
@assumes("survives_restart")
def test_processes_that_all_start_first(open_store: Opener) -> None:
    processes.run(workers.initialise, open_store.url, open_store.namespace)
    assert sorted(ids(open_store(init=False))) == ["m0", "m1", "m2", "m3"]


@clause("M6", "M9")
@promise("C7")
@assumes("survives_restart")
def test_processes_that_record_the_same(store: Store, open_store: Opener) -> None:
    processes.run(workers.record_the_same, open_store.url, open_store.namespace)
    oracle = Oracle()
    for n in range(workers.ROUNDS):
        record(oracle, workers.batch("m", n))
    assert everything(store) == sorted(oracle.samples.values(), key=lambda each: each.message_id)
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        same_meters(store, oracle)
        same_resources(store, oracle)
        same_statistics(store, oracle, {}, groupby=["resource_id"])
        same_statistics(store, oracle, {"meter": "k3-1"}, 3_600)


@clause("M5", "M9", "M20", "M23")
@promise("C7", "C9")
@assumes("survives_restart")
def test_processes_that_record_add_up_and_expire(store: Store, open_store: Opener) -> None:
    record(store, [sample(f"old{n}", 1, at=hour(-1) - n * HOUR / 10) for n in range(100)])
    maintained(store)
    processes.run(workers.record_maintain_and_expire, open_store.url, open_store.namespace)
    own = Counter(each.counter_volume for each in found(store, start_timestamp=hour(0)))
    assert own == dict.fromkeys(range(processes.PROCESSES), workers.ROUNDS * 5)
    assert found(store, end_timestamp=hour(0)) == []
    for is_folded in (False, True):
        if is_folded:
            maintained(store)
        told = {row.groupby["resource_id"]: (row.count, row.sum) for row in statistics(store, {}, groupby=["resource_id"])}
        assert told == {"r0": (80, 80), "r1": (80, 160)}
        assert [(row.period_start, row.count) for row in statistics(store, {"start_timestamp": hour(0)}, 3_600)] == [
            (hour(n), 32) for n in range(5)
        ]


@clause("M6", "M9")
def test_threads_that_record_the_same(store: Store, open_store: OpenStore) -> None:
    """The same new ids, meters, resources and metadata at the same moment; each sample is new to one of them."""
    stores = [store, store, open_store(init=False), open_store(init=False)]
    new: list[str] = []

    def work(number: int) -> None:
        for n in range(12):
            batch = [
                sample(uuid1(hour(n), k), n, at=hour(n), meter=f"m{n}", resource=f"r{k}", resource_metadata={"n": n})
                for k in range(4)
            ]
            for data, outcome in zip(batch, stores[number].store_samples(batch), strict=True):
                if outcome.is_new:
                    new.append(data["message_id"])

    numbered(4, work)
    assert sorted(new) == sorted(ids(store))
    assert len(new) == 48
    assert len(meters(store)) == 48
    assert [each[0] for each in resources(store)] == [f"r{k}" for k in range(4)]
    assert [row.sum for row in statistics(store, {"meter": "m7"})] == [28]


@clause("M9", "M10", "M26")
def test_readers_see_whole_calls_only(store: Store) -> None:
    finished = threading.Event()

    def write() -> None:
        try:
            for n in range(25):
                store.record_metering_data_batch([sample(f"m{n}-{k}", 1, at=hour(k % 5), meter=f"m{k % 3}") for k in range(30)])
        finally:
            finished.set()

    def read() -> None:
        while not finished.is_set():
            assert len(found(store)) % 30 == 0
            assert sum(row.count for row in statistics(store, {}, 3_600)) % 30 == 0
            assert store.count_samples() % 30 == 0

    together(write, read)
    assert store.count_samples() == 750


@clause("M4", "M9")
def test_clear_beside_writers(store: Store) -> None:
    def write() -> None:
        for n in range(20):
            record(
                store, [sample(f"{threading.get_ident()}-{n}", n, at=n * 1_000, meter=f"m{n % 3}", resource_metadata={"n": n % 4})]
            )

    def clear() -> None:
        for _ in range(6):
            store.clear()

    together(write, write, clear)
    store.clear()
    record(store, [sample("a", 5, meter="m0", resource_metadata={"n": 1})])
    assert ids(store) == ["a"]
    assert [each[0] for each in meters(store)] == ["m0"]
    assert [row.sum for row in statistics(store, {})] == [5]
