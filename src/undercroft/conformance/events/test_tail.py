"""The tail: every event once, in the order of arrival, whoever was first to commit."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.events.data import START, OpenStore, event, everything, flat, follow, text
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.core.errors import InvalidInput
from undercroft.events import Store

pytestmark = needs("tail")


def followed(store: Store, cursor: str | None = None, least: int = 0, **given: Any) -> tuple[list[str], str]:
    """Message ids of everything behind the cursor, at least so many, and the cursor behind that."""
    events, after = follow(store, cursor, 3, least, **given)
    return [each.message_id for each in events], after


@clause("E22")
def test_events_come_in_the_order_of_arrival(store: Store) -> None:
    store.record_events([event("b", at=5), event("a", at=9)])
    store.record_events([event("z", at=-1_000_000)])
    seen, cursor = followed(store, least=3)
    assert seen == ["b", "a", "z"]
    assert followed(store, cursor)[0] == []
    store.record_events([event("late", at=-2_000_000), event("a"), event("c")])
    assert followed(store, cursor, 2)[0] == ["late", "c"]
    assert flat(store.tail(after=cursor).events) == [each for each in everything(store) if each.message_id in {"late", "c"}]


@clause("E22")
def test_the_end_of_the_tail(store: Store) -> None:
    empty = store.tail_end()
    store.record_events([event("a"), event("b")])
    assert followed(store, empty, 2)[0] == ["a", "b"]
    end = store.tail_end()
    store.record_events([event("c")])
    assert followed(store, empty, 3)[0] == ["a", "b", "c"]
    assert followed(store, end, 1)[0] == ["c"]
    assert followed(store, store.tail_end())[0] == []


@clause("E22")
@needs("filter_traits")
def test_a_filtered_tail(store: Store) -> None:
    store.record_events([event(f"m{n}", text("project_id", f"p{n % 2}"), kind=f"k{n % 5}") for n in range(20)])
    assert followed(store, least=4, event_type="k1")[0] == ["m1", "m6", "m11", "m16"]
    assert followed(store, least=10, admin_proj="p0")[0] == [f"m{n}" for n in range(0, 20, 2)]
    seen, cursor = followed(store, event_type="unknown")
    assert seen == []
    store.record_events([event("first of its type", kind="unknown")])
    assert followed(store, cursor, 1, event_type="unknown")[0] == ["first of its type"]


@clause("E22")
def test_a_cursor_outlives_what_was_cleared(store: Store) -> None:
    store.record_events([event("a"), event("b")])
    cursor = followed(store, least=2)[1]
    store.clear()
    store.record_events([event("c")])
    seen, cursor = followed(store, cursor, 1)
    assert seen == ["c"]
    if store.capabilities.expire:
        with now(START.replace(year=2030)):
            store.clear_expired_data(1)
    store.record_events([event("d")])
    assert followed(store, cursor, 1)[0] == ["d"]


@clause("E22")
def test_what_is_no_cursor_is_refused(store: Store) -> None:
    for cursor in ("x", "1; DROP TABLE", "٣x"):
        with pytest.raises(InvalidInput):
            store.tail(after=cursor)
    for limit in (0, -1, "5"):
        with pytest.raises(InvalidInput):
            store.tail(limit=limit)  # type: ignore[arg-type]


@clause("E25")
@promise("S8")
@assumes("survives_restart")
def test_cursors_have_a_key_that_all_share(store: Store, open_store: OpenStore) -> None:
    key = store.cursor_key()
    assert len(key) >= 32
    assert len(set(key)) > 8
    store.upgrade()
    store.clear()
    assert open_store().cursor_key() == store.cursor_key() == key
    store.drop()
    store.upgrade()
    assert store.cursor_key() != key


@clause("E22", "E10")
@promise("C4")
@assumes("concurrent_writers", "survives_restart")
@pytest.mark.timeout(300)
def test_of_many_writers_none_is_passed_over(store: Store, open_store: OpenStore) -> None:
    """Writers with small and large batches commit in any order; who follows sees each event once."""
    assert not store.tail(None, None, 1).events
    writers = [open_store(init=False) for _ in range(4)]
    finished = threading.Event()
    seen: list[str] = []
    cursor: str | None = None

    def write(number: int) -> None:
        for n in range(30):
            size = (1, 40, 3, 200)[(n + number) % 4]
            writers[number].record_events([event(f"{number}-{n}-{k}", text("x", "y" * 100), at=-n) for k in range(size)])

    def read() -> None:
        nonlocal cursor
        while True:
            last = finished.is_set()
            events, cursor = store.tail(None, cursor, 50)
            seen.extend(each.message_id for each in events)
            if last and not events:
                return

    reader = threading.Thread(target=read)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    reader.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    finished.set()
    reader.join()
    wanted = {each.message_id for each in everything(store)}
    seen += followed(store, cursor, len(wanted) - len(seen))[0]
    assert len(seen) == len(set(seen))
    assert set(seen) == wanted
    assert len(seen) > 5_000
