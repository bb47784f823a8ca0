"""Readers and writers at the same time: threads that share an object, objects and processes that share a store."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating import workers
from undercroft.conformance.rating.data import ALWAYS, everything, flat, frame, hour, of, quantity, same_rows, sums, table
from undercroft.conformance.rating.oracle import Oracle
from undercroft.conformance.threads import numbered, together
from undercroft.core.errors import Conflict
from undercroft.rating import BaseStorage

pytestmark = essential

POINTS = 60
READS = 40
WRITERS = 4


def _adds_up(store: BaseStorage) -> None:
    """Totals of all kinds are those of the points that the store gives."""
    oracle = Oracle()
    oracle.points = everything(store)
    calendars = [["time-d"], ["time-d", "id"], ["time-m", "type"]] if store.capabilities.group_calendar else []
    for groupby in ([], ["type"], ["project_id"], ["id", "project_id"], ["time"], *calendars):
        same_rows(sums(store, groupby), oracle.total(groupby, **ALWAYS), groupby)


def _hour_by_hour(quantity: int) -> list[Any]:
    return [frame(n, *(of("a", quantity, id=m) for m in range(POINTS // 6))) for n in (0, 1, 2, 24, 25, 800)]


class _Readers:
    """Reads a store in threads of its own, until each has read often enough."""

    def __init__(self, *reads: Callable[[], Any]) -> None:
        self.seen: list[Any] = []
        self._stop = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(len(reads))
        self._runs = [self._pool.submit(self._run, read) for read in reads]

    def _run(self, read: Callable[[], Any]) -> None:
        for _ in range(READS):
            if not self._stop.is_set():
                self.seen.append(read())

    def busy(self) -> Iterator[int]:
        """Count for as long as anybody reads; the first thousand writes at most."""
        for number in range(1000):
            if all(run.done() for run in self._runs):
                return
            yield number

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for run in self._runs:
            run.result()


def _reads(store: BaseStorage) -> list[Callable[[], Any]]:
    """Every way to ask for the sum of all quantities."""
    return [
        lambda: quantity(store),
        lambda: quantity(store, groupby=["time-d" if store.capabilities.group_calendar else "time", "id"]),
        lambda: sum(p.qty for p in flat(store.retrieve(**ALWAYS)["dataframes"])),
        lambda: sum(p.qty for p in flat(store.iter_frames(**ALWAYS, max_points=7))),
    ]


# -- atomic for readers ----------------------------------------------------------------------------------------------


@clause("R4")
@assumes("push_atomic")
def test_readers_see_a_push_as_a_whole_or_not_at_all(store: BaseStorage) -> None:
    with _Readers(*_reads(store)) as readers:
        for number in readers.busy():
            store.push(_hour_by_hour(1 + number % 7))
    assert set(readers.seen) <= {quantity * POINTS for quantity in range(8)}
    assert len(readers.seen) == 4 * READS
    _adds_up(store)


@clause("R21")
@assumes("delete_atomic", "push_atomic")
def test_readers_see_a_delete_as_a_whole_or_not_at_all(store: BaseStorage) -> None:
    store.push([frame(n, of("b", 1)) for n in (0, 24, 800)])
    with _Readers(*_reads(store)) as readers:
        for number in readers.busy():
            if number % 2:
                store.delete(filters={"project_id": "a"})
            else:
                store.push(_hour_by_hour(1))
    assert set(readers.seen) <= {3, POINTS + 3}
    _adds_up(store)


@clause("R22")
@needs("replace_atomic")
def test_readers_see_a_replacement_as_a_whole_or_not_at_all(store: BaseStorage) -> None:
    frames = _hour_by_hour(1)
    store.replace(None, None, None, frames)
    with _Readers(*_reads(store)) as readers:
        for number in readers.busy():
            store.replace(hour(0), None, {"project_id": "a"}, _hour_by_hour(1 + number % 2))
    assert set(readers.seen) <= {POINTS, 2 * POINTS}
    _adds_up(store)


# -- writers ---------------------------------------------------------------------------------------------------------


def _one_writers_state(store: BaseStorage, points: int = 40) -> None:
    """The state is what one of the writers pushed, whole."""
    found = everything(store)
    assert len(found) == points
    assert len({p.qty for p in found}) == 1
    assert quantity(store) == points * found[0].qty
    _adds_up(store)


@clause("R6")
@promise("C9")
@assumes("push_atomic")
@pytest.mark.parametrize("points", [40, 2_000], ids=["few points", "many points"])
def test_threads_that_push_the_same_period_add_nothing_up(store: BaseStorage, points: int) -> None:
    """However many there are: engines have a faster way for many, whose errors look different."""

    def push(number: int) -> None:
        for _ in range(8):
            store.push(workers.contested(number, points))

    numbered(WRITERS, push)
    _one_writers_state(store, points)


@clause("R6")
@promise("C9")
@assumes("concurrent_writers", "survives_restart", "push_atomic")
def test_processes_that_push_the_same_period_add_nothing_up(store: BaseStorage, open_store: Opener) -> None:
    processes.run(workers.push_the_same, open_store.url, open_store.namespace, 8)
    _one_writers_state(store)


@clause("R6")
@needs("conflict_error")
def test_one_of_many_that_push_a_key_is_first(open_store: Opener) -> None:
    """Where a key may not be taken twice, others are refused, and leave nothing behind."""
    stores = [open_store(on_conflict="error") for _ in range(WRITERS)]
    for round_ in range(5):
        refused: list[int] = []

        def push(number: int, round_: int = round_, refused: list[int] = refused) -> None:
            try:
                stores[number].push([frame(n, of("a", number + 1, id=round_)) for n in range(10)])
            except Conflict:
                refused.append(number)

        numbered(WRITERS, push)
        assert len(refused) == WRITERS - 1
        (first,) = set(range(WRITERS)) - set(refused)
        assert table(stores[0], "id")[round_] == 10 * (first + 1)
    _adds_up(stores[0])


@clause("R6")
@needs("conflict_append")
def test_all_that_append_to_a_key_are_kept(open_store: Opener) -> None:
    stores = [open_store(on_conflict="append") for _ in range(WRITERS)]

    def push(number: int) -> None:
        for _ in range(6):
            stores[number].push([frame(n, of("a", 10**number), of("a", 0)) for n in range(3)])

    numbered(WRITERS, push)
    assert len(everything(stores[0])) == WRITERS * 6 * 3 * 2
    assert quantity(stores[0]) == 3 * 6 * 1111
    _adds_up(stores[0])


@clause("R4")
@assumes("concurrent_writers", "survives_restart")
def test_processes_that_push_their_own_points_lose_none(store: BaseStorage, open_store: Opener) -> None:
    processes.run(workers.push_ones_own, open_store.url, open_store.namespace, 25)
    assert table(store, "project_id") == {"shared": 4 * 25} | {f"p{n}": sum(range(25)) for n in range(4)}
    assert len(everything(store)) == 200
    _adds_up(store)


@clause("R3")
@promise("D8")
@assumes("concurrent_writers", "survives_restart")
def test_processes_that_all_start_first(open_store: Opener) -> None:
    processes.run(workers.initialise, open_store.url, open_store.namespace)
    assert table(open_store(init=False), "project_id") == {f"p{n}": 1 for n in range(4)}


@clause("R4", "R21", "R22")
@promise("M2")
@needs("replace_atomic")
@pytest.mark.parametrize("round_", range(2))
def test_pushes_deletes_and_replacements_at_once_leave_exact_sums(store: BaseStorage, round_: int) -> None:
    """Threads write different projects in the same periods: what each leaves behind is known."""

    def pushes() -> None:
        for number in range(12):
            store.push([frame(n, of("pushed", number, id=n % 3)) for n in (0, 1, 30, 800)])

    def deletes() -> None:
        for number in range(12):
            store.push([frame(n, of("deleted", number, id=n % 3)) for n in (0, 1, 30, 800)])
            store.delete(hour(0), hour(2 + number), {"project_id": "deleted"})

    def replaces() -> None:
        for number in range(12):
            store.replace(
                None, hour(40), {"project_id": "replaced"}, [frame(n, of("replaced", number, id=n % 3)) for n in (0, 1, 30)]
            )

    def reads() -> None:
        for _ in range(12):
            list(store.iter_frames(**ALWAYS))
            store.get_tenants()

    together(pushes, deletes, replaces, reads)
    assert table(store, "project_id") == {"pushed": 44, "deleted": 22, "replaced": 33}
    _adds_up(store)


@clause("R4")
def test_one_object_serves_many_threads(store: BaseStorage) -> None:
    def work(number: int) -> None:
        for n in range(6):
            store.push([frame(n, of(f"p{number}", n + 1))])
            assert quantity(store, filters={"project_id": f"p{number}"}) == sum(range(n + 2))
            assert len(everything(store, filters={"project_id": [f"p{number}"]})) == n + 1

    numbered(12, work)
    assert table(store, "project_id") == {f"p{number}": 21 for number in range(12)}
    _adds_up(store)
