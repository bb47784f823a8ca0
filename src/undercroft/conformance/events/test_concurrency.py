"""Threads and processes that write at once."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable

from undercroft.conformance import processes
from undercroft.conformance.clock import now
from undercroft.conformance.events import workers
from undercroft.conformance.events.data import START, OpenStore, event, everything, ids, text, trait_types, whole
from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.threads import numbered, together
from undercroft.events import Store

pytestmark = [essential, needs("read"), assumes("concurrent_writers")]


@clause("E3", "E10")
@promise("D8")
@assumes("survives_restart")
def test_processes_that_all_start_first(open_store: Opener) -> None:
    processes.run(workers.initialise, open_store.url, open_store.namespace)
    assert ids(open_store(init=False)) == ["m0", "m1", "m2", "m3"]


@clause("E6", "E10")
@promise("C7")
@assumes("survives_restart")
def test_processes_that_record_the_same(store: Store, open_store: Opener) -> None:
    processes.run(workers.record_the_same, open_store.url, open_store.namespace)
    found = everything(store)
    assert len(found) == workers.ROUNDS * 20
    assert all(each.traits[0][0] == "by" and len(each.traits) == 2 for each in found)
    assert len(list(store.get_event_types())) == workers.ROUNDS * 3
    assert sorted(trait_types(store, "k0-0")) == [("by", 2), ("new0", 1)]


@clause("E5", "E10")
@assumes("survives_restart")
def test_processes_that_record_their_own(store: Store, open_store: Opener) -> None:
    processes.run(workers.record_ones_own, open_store.url, open_store.namespace)
    by = collections.Counter(each.traits[0][2] for each in everything(store))
    assert by == dict.fromkeys(range(processes.PROCESSES), workers.ROUNDS * 10)


@clause("E6", "E10")
def test_threads_that_record_the_same_new_type(store: Store, open_store: OpenStore) -> None:
    stores = [store, store, open_store(init=False), open_store(init=False)]

    def work(number: int) -> None:
        for n in range(15):
            stores[number].record_events([event(f"m{n}-{k}", text(f"t{n}", "x"), kind=f"k{n}") for k in range(3)])

    numbered(4, work)
    assert len(ids(store)) == 45
    assert len(list(store.get_event_types())) == 15


@clause("E5", "E10", "E17")
def test_readers_see_whole_events_only(store: Store) -> None:
    finished = threading.Event()

    def write() -> None:
        try:
            for n in range(40):
                store.record_events(
                    [event(f"m{n}-{k}", *(whole(f"n{i}", i) for i in range(6)), text("s", "x"), at=n) for k in range(30)]
                )
        finally:
            finished.set()

    def read() -> None:
        while not finished.is_set():
            assert all(len(each.traits) == 7 for each in everything(store))

    together(write, read)
    assert len(everything(store)) == 1_200


@clause("E4", "E10")
def test_clear_beside_writers(store: Store) -> None:
    def write() -> None:
        for n in range(30):
            store.record_events([event(f"{threading.get_ident()}-{n}", text("x", f"{n}"), kind=f"k{n % 3}")])

    def clear() -> None:
        for _ in range(10):
            store.clear()

    together(write, write, clear)
    store.clear()
    store.record_events([event("a", text("x", "1"), kind="k0")])
    assert ids(store) == ["a"]
    assert trait_types(store, "k0") == [("x", 1)]


@clause("E17", "E21", "E10")
@needs("expire")
def test_whole_days_go_beside_readers(store: Store) -> None:
    """What stays is found all the time, by who asks for everything, for a page, or for a number."""
    days, each = 24, 60
    for day in range(2, days + 2):
        store.record_events([event(f"{day}-{n}", whole("n", n), text("x", "v"), at=-86_400 * day - n) for n in range(each)])
    stay = [f"s{n:02}" for n in range(each)]
    store.record_events([event(name, whole("n", 1), text("x", "v"), at=n) for n, name in enumerate(stay)])
    finished = threading.Event()

    def expire() -> None:
        try:
            while store.clear_expired_data(86_400, each):
                pass
        finally:
            finished.set()

    def asking(question: Callable[[], bool]) -> Callable[[], None]:
        def ask() -> None:
            while not finished.is_set():
                assert question()

        return ask

    with now(START):
        together(
            expire,
            asking(lambda: [one.message_id for one in everything(store) if len(one.traits) == 2][-each:] == stay),
            asking(lambda: ids(store, {"sort": [("generated", "desc")], "limit": each}) == stay[::-1]),
            asking(lambda: sum(count.events for count in store.count_events()) >= each),
            asking(lambda: list(store.get_event_types()) == ["thing.made"]),
        )
    assert ids(store) == stay


@clause("E21", "E10")
@needs("expire")
def test_expirers_of_whole_days_and_of_some(store: Store, open_store: OpenStore) -> None:
    counts: list[int] = []
    for day in range(2, 10):
        store.record_events([event(f"{day}-{n}", text("x", "v"), at=-86_400 * day - n) for n in range(40)])

    def expire(by: Store, most: int | None) -> None:
        while deleted := by.clear_expired_data(86_400, most):
            counts.append(deleted)

    with now(START):
        others = [open_store(init=False) for _ in range(2)]
        together(lambda: expire(others[0], 7), lambda: expire(others[1], 7), lambda: expire(store, None))
    assert everything(store) == []
    # Of a day that goes as a whole, what another deletes in that moment may be counted by both.
    assert sum(counts) >= 320
