"""What a driver puts off changes no answer: not before it is done, not after, and not while it is being done."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS, HOUR, everything, frame, hour, of, same_points, same_rows, sums, table
from undercroft.conformance.rating.oracle import Oracle, add
from undercroft.conformance.rating.test_concurrency import _adds_up
from undercroft.conformance.threads import together
from undercroft.rating import BaseStorage, DataFrame

ROUNDS = 15
NEW_PERIODS = 40


def _usage(quantity: int = 1, hours: Any = range(30)) -> list[DataFrame]:
    """Two scopes, of which one has no name; two types; over a day's and a month's end."""
    return [
        frame(hour(700 + n), *(of(scope, quantity, id=m, flavor=m % 2) for m in range(3)), metric=metric)
        for n in hours
        for metric in ("cpu", "disk")
        for scope in ("a", "")
    ]


def _answers(store: BaseStorage) -> list[Any]:
    """Answers from every kind of sums, over whole days and others."""
    inner = {"begin": hour(703.5), "end": hour(726)}
    groups = [[], ["type"], ["project_id"], ["project_id", "type"], ["flavor"], ["id", "type"], ["time"]]
    if store.capabilities.group_calendar:
        groups += [["time-d"], ["time-m", "project_id"], ["time-d", "flavor"]]
    found: list[Any] = [sums(store, groupby, **bounds) for groupby in groups for bounds in (ALWAYS, inner)]
    for filters in ({"project_id": "a"}, {"flavor": 1}, {"project_id": "a", "id": 2}, {"type": "cpu"}):
        found += [sums(store, ["type"], filters=filters), sums(store, ["flavor"], filters=filters, **inner)]
    return [*found, everything(store), store.scopes(), store.get_tenants(), store.span()]


@clause("R31")
def test_no_answer_changes(store: BaseStorage) -> None:
    store.push(_usage())
    before = _answers(store)
    store.maintain()
    assert _answers(store) == before
    assert store.maintain() == 0
    oracle = Oracle()
    oracle.push(_usage())
    same_points(everything(store), oracle.retrieve())


@clause("R8", "R31")
@promise("M1", "M2")
def test_numbers_of_any_width_are_summed_up(store: BaseStorage) -> None:
    """Long quantities beside short prices, and the reverse: an engine may have a shorter way for short ones."""
    numbers = [Decimal(text) for text in ("1.5", "12345678901234567890.123456789", "-1234567890123456.7", "0.00000000000000000001")]
    pairs = list(itertools.product(numbers, numbers))
    for n, (qty, price) in enumerate(pairs):
        store.push([frame(hour, of("a", qty, price, id=n)) for hour in (2 * n, 2 * n + 1)])
        store.maintain()
    found = {row["id"]: (row["qty"], row["rate"]) for row in sums(store, ["id"])}
    assert found == {n: (add([qty, qty]), add([price, price])) for n, (qty, price) in enumerate(pairs)}


@clause("R31")
def test_an_empty_store(store: BaseStorage) -> None:
    assert store.maintain() == 0


def _late(store: Any) -> None:
    store.push([frame(hour(700 + n), of("a", 5, id=9, flavor=1), of("new", 7, id=10)) for n in (0, 3, 29, 30)])


def _again(store: Any) -> None:
    store.push(_usage(3, range(5)))


def _fewer(store: Any) -> None:
    store.push([frame(hour(701), of("a", 2, id=1, flavor=1), metric="cpu")])


def _delete(store: Any) -> None:
    store.delete(hour(702), hour(724), {"project_id": "a"})


def _delete_all(store: Any) -> None:
    store.delete()


def _replace(store: Any) -> None:
    store.replace(hour(703), hour(710), {"flavor": 1}, [frame(hour(703), of("a", 11, id=1, flavor=1))])


WRITES = [_late, _again, _fewer, _delete, _delete_all, pytest.param(_replace, marks=needs("replace_atomic"))]


@clause("R31")
@promise("C9", "M2")
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("maintained", ["before", "after", "before and after", "in the middle"])
def test_what_is_written_afterwards(store: BaseStorage, write: Callable[[Any], None], maintained: str) -> None:
    """Late points, replacements and deletions meet points that are summed already, and others that are not."""
    oracle = Oracle()
    for target in (store, oracle):
        target.push(_usage(1, range(12)))
        if maintained == "in the middle" and target is store:
            store.maintain()
        target.push(_usage(1, range(12, 30)))
        if "before" in maintained and target is store:
            store.maintain()
        write(target)
        if "after" in maintained and target is store:
            store.maintain()
    same_points(everything(store), oracle.retrieve())
    calendars = [["time-d", "flavor"], ["time-m", "project_id"]] if store.capabilities.group_calendar else []
    for groupby in ([], ["type"], ["project_id"], ["flavor", "type"], ["id"], ["time"], *calendars):
        same_rows(sums(store, groupby), oracle.total(groupby, **ALWAYS), groupby)
    assert table(store, "flavor", filters={"project_id": "a"}) == _by_flavor(oracle)


def _by_flavor(oracle: Oracle) -> dict[Any, Any]:
    rows = oracle.total(["flavor"], **ALWAYS, filters={"project_id": "a"})
    return {row["flavor"]: row["qty"] for row in rows}


@clause("R31")
@promise("M2")
@assumes("push_atomic", "delete_atomic")
def test_others_write_meanwhile(open_store: Opener) -> None:
    """Threads push to, replace in and delete from the periods that are just being summed up."""
    store, other = open_store(), open_store()

    def pushes(scope: str, target: BaseStorage) -> None:
        for number in range(ROUNDS):
            target.push([frame(n, *(of(scope, number, id=m) for m in range(4))) for n in (number, number + 1, 30)])

    def deletes() -> None:
        for number in range(ROUNDS):
            store.push([frame(n, of("deleted", 1, id=n)) for n in range(number, number + 3)])
            store.delete(hour(0), hour(number + 1), {"project_id": "deleted"})

    def maintains(target: BaseStorage) -> None:
        for _ in range(ROUNDS):
            target.maintain()

    together(lambda: pushes("p", store), lambda: pushes("q", other), deletes, lambda: maintains(store), lambda: maintains(other))
    _adds_up(store)
    store.maintain()
    _adds_up(other)


@clause("R31")
@assumes("survives_restart")
def test_many_small_pushes_of_objects_that_live_briefly(open_store: Opener) -> None:
    """As a job of the command line makes them: nobody is there long enough to count to a large number."""
    oracle = Oracle()
    for number in range(6):
        store = open_store()
        for target in (store, oracle):
            target.push([frame(number, of("a", number, id=number)), frame(0, of("b", 1, id=number))])
        open_store.close(store)
    store = open_store()
    same_points(everything(store), oracle.retrieve())
    assert store.scopes() == [("a", hour(5) + HOUR), ("b", hour(0) + HOUR)]
    first, last = store.span() or (hour(99), hour(99))
    assert first <= hour(0) < hour(5) < last


@clause("R31")
@promise("M2")
@assumes("push_atomic")
def test_others_come_to_a_new_period_meanwhile(open_store: Opener) -> None:
    """Each period is new to all who push to it at the same moment, and may be summed up before the last of them comes."""
    stores = [open_store() for _ in range(3)]
    turn = threading.Barrier(len(stores))

    def works(scope: str, target: BaseStorage) -> None:
        for number in range(NEW_PERIODS):
            turn.wait(60)
            target.push([frame(hour(number), of(scope, number + 1, id=1))])
            target.maintain()

    together(*(lambda scope=scope, target=target: works(scope, target) for scope, target in zip("pqr", stores, strict=True)))
    _adds_up(stores[0])
