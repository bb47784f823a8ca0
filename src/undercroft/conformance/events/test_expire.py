"""clear_expired_data: the oldest first, no more than was asked for, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from undercroft.conformance.ages import AGES, GONE, NOT_AGES, foretold
from undercroft.conformance.clock import now
from undercroft.conformance.events.data import (
    FIRST,
    LAST,
    START,
    after,
    event,
    everything,
    having,
    ids,
    text,
    trait_types,
    whole,
)
from undercroft.conformance.examination import problems
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import together
from undercroft.core.errors import InvalidInput
from undercroft.events import Store

# A store that keeps nothing has nothing to delete, and says so instead of refusing.
pytestmark = [assumes("read"), needs("expire"), pytest.mark.usefixtures("examined")]


@clause("E21")
def test_old_events_go_with_their_traits(store: Store) -> None:
    store.record_events(
        [event(f"m{n}", text("x", "v"), whole("n", n), text("project_id", "p"), at=-100 * n) for n in range(6)]
        + [event("z", at=900)]
    )
    with now(START):
        assert store.clear_expired_data(250) == 3
        assert ids(store) == ["m2", "m1", "m0", "z"]
        assert store.clear_expired_data(250) == 0
    assert trait_types(store, "thing.made") == [("n", 2), ("project_id", 1), ("x", 1)]
    with now(after(10_000)):
        assert store.clear_expired_data(ttl=0, max_count=None) == 4
    assert everything(store) == []
    assert list(store.get_event_types()) == []


@clause("E21")
@needs("count")
@rows("age", AGES, empty="clear")
def test_what_would_be_deleted_is_what_is_deleted(store: Store, age: float) -> None:
    store.record_events([event(f"m{n}", at=-100 * n) for n in range(6)])
    with now(START):
        foretold(store, store.clear_expired_data, age)


@clause("E21")
@needs("filter_traits")
def test_nothing_is_found_by_what_is_gone(store: Store) -> None:
    store.record_events([event("a", text("x", "v"), whole("n", 1), at=-500), event("b", text("x", "v"), whole("n", 1))])
    with now(START):
        assert store.clear_expired_data(60) == 1
    assert having(store, {"key": "x", "string": "v"}) == having(store, {"key": "n", "op": "ge", "integer": 0}) == ["b"]
    store.record_events([event("a", text("y", "w"))])
    assert having(store, {"key": "x"}) == ["b"]


@clause("E21")
def test_what_is_just_old_enough_stays(store: Store) -> None:
    """To the microsecond, by the host's clock and no other."""
    store.record_events([event("a", at=-100.000_001), event("b", at=-100), event("c", at=-99.999_999)])
    with now(START):
        assert store.clear_expired_data(100) == 1
    assert ids(store) == ["b", "c"]


@clause("E21")
@promise("C5")
def test_no_more_than_was_asked_for_the_oldest_first(store: Store) -> None:
    store.record_events([event(f"m{n}", at=-1_000 - n % 4) for n in range(9)])
    order = ids(store)
    with now(START):
        for count, gone in ((0, 0), (2, 2), (3, 3), (1, 1), (50, 3), (50, 0)):
            assert store.clear_expired_data(100, count) == gone
            order = order[gone:]
            assert ids(store) == order


@clause("E21")
@rows(("ttl", "gone"), GONE, empty="clear")
def test_any_number_of_seconds(store: Store, ttl: Any, gone: int) -> None:
    store.record_events(
        [event("a", at=FIRST.replace(year=2000)), event("b", at=-900), event("c", at=-90), event("d", at=-30), event("e", at=LAST)]
    )
    with now(START):
        assert store.clear_expired_data(ttl) == gone
    assert len(ids(store)) == 5 - gone
    # Here, too: the store is emptied after each row.
    assert problems(store) == []


@clause("E21")
@rows("ttl", NOT_AGES)
def test_an_age_that_is_not_a_number_is_refused(store: Store, ttl: Any) -> None:
    store.record_events([event("a", at=-900)])
    with pytest.raises(InvalidInput):
        store.clear_expired_data(ttl)
    assert ids(store) == ["a"]


@clause("E21")
@pytest.mark.timeout(600)
@assumes("large_stores")
def test_thousands_go_in_batches(store: Store) -> None:
    store.record_events([event(f"m{n:05}", text("x", f"{n}"), whole("n", n), at=-n) for n in range(6_000)])
    with now(START):
        assert store.clear_expired_data(1_000.5, 4_000) == 4_000
        assert len(ids(store)) == 2_000
        assert store.clear_expired_data(1_000.5) == 999
    assert ids(store) == [f"m{n:05}" for n in range(1_000, -1, -1)]


@clause("E21", "E10")
@promise("C5")
@assumes("concurrent_writers")
def test_others_write_and_delete_meanwhile(store: Store) -> None:
    store.record_events([event(f"old{n}", text("x", "1"), whole("n", n), at=-9_000 - n) for n in range(2_000)])
    gone: list[int] = []

    def expire() -> None:
        while (count := store.clear_expired_data(600, 150)) > 0:
            gone.append(count)

    def write() -> None:
        for n in range(40):
            store.record_events([event(f"new{n}-{k}", text("x", "2"), kind=f"k{n}") for k in range(5)])

    with now(START):
        together(expire, expire, write)
    assert sum(gone) == 2_000
    assert len(ids(store)) == 200
    assert len(list(store.get_event_types())) == 40
