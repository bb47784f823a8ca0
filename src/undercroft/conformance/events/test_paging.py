"""Order and pages."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from undercroft.conformance.events.data import FIRST, LAST, after, event, everything, exact, found, ids, text, walk, whole
from undercroft.conformance.events.oracle import Oracle
from undercroft.conformance.markers import assumes, clause, needs
from undercroft.conformance.rows import rows
from undercroft.events import Event, EventFilter, InvalidMarker, Store

pytestmark = needs("read")

KEYS = [("generated", "asc"), ("generated", "desc"), ("message_id", "asc"), ("message_id", "desc")]
SORTS: list[Any] = [None, [], *([key] for key in KEYS), *([one, other] for one, other in itertools.permutations(KEYS, 2))]


def _many() -> list[Event]:
    """Events with equal times, at the ends of time as well, of ids whose order is not that of their arrival."""
    times = [0, 0, 0, 5, 1, 1, 2, FIRST, LAST, LAST, 0, 0]
    names = ["m3", "m1", "M2", "é", "a", "Z", "b", "c", "\U0001f600", "\uffff", "m10", "m2"]
    return [
        event(name, text("project_id", f"p{n % 3}"), whole("n", n), kind=f"k{n % 2}", at=at)
        for n, (name, at) in enumerate(zip(names, times, strict=True))
    ]


@clause("E14")
@needs("page")
@rows("sort", SORTS)
def test_pages_join_to_the_whole(store: Store, sort: Any) -> None:
    oracle = Oracle()
    oracle.record(_many())
    store.record_events(_many())
    asked: list[dict[str, Any]] = [{}, {"event_type": "k1"}, {"start_timestamp": after(0)}]
    if store.capabilities.filter_traits:
        asked += [{"admin_proj": "p1"}, {"traits_filter": [{"key": "n", "op": "ge", "integer": 3}]}]
    for given in asked:
        whole_answer = [each.message_id for each in oracle.page(given, {"sort": sort})]
        assert ids(store, {"sort": sort}, **given) == whole_answer
        for limit in (1, 2, 5, 12, 13):
            assert walk(store, limit, sort, **given) == whole_answer


@clause("E14")
@needs("page")
def test_an_order_with_its_default(store: Store) -> None:
    store.record_events(_many())
    assert ids(store) == ids(store, {"sort": [("generated", "asc")]}) == ids(store, {"sort": list(Event.DEFAULT_SORT)})
    assert ids(store, {"sort": [("generated", "desc"), ("message_id", "desc")]}) == ids(store)[::-1]
    assert ids(store, {"sort": [["message_id", "desc"]]}) == sorted(ids(store), reverse=True)


@clause("E15")
def test_limits(store: Store) -> None:
    store.record_events(_many())
    whole_answer = ids(store)
    for limit in (0, 1, 5, 12, 1_000, 1_001, 10**9, 2**63 - 1):
        assert ids(store, {"limit": limit}) == whole_answer[:limit]
    for page in ({"limit": None}, {}, {"marker": None, "sort": None, "limit": None}, {"marker": ""}):
        assert ids(store, page) == whole_answer


@clause("E15")
@needs("page")
def test_a_marker_need_not_match_the_filter(store: Store) -> None:
    store.record_events([event(f"m{n}", kind=f"k{n % 2}", at=n) for n in range(6)])
    assert ids(store, {"marker": "m2"}, event_type="k1") == ["m3", "m5"]
    assert ids(store, {"marker": "m2", "sort": [("generated", "desc")]}, event_type="k1") == ["m1"]
    assert ids(store, {"marker": "m5"}) == []


@clause("E15")
@needs("page")
@rows("marker", ["m9", "M1", "m1 ", "'", "\U0001f600", "x" * 1000])
def test_an_unknown_marker(store: Store, marker: str) -> None:
    store.record_events([event("m1")])
    for page in ({"marker": marker}, {"marker": marker, "limit": 0}, {"marker": marker, "limit": 5}):
        for kind in (None, "not there"):
            with pytest.raises(InvalidMarker) as caught:
                store.get_events(EventFilter(event_type=kind), page)
            assert str(caught.value) == f"Marker {marker} not found."


@clause("E15")
@needs("page")
def test_what_arrives_during_a_walk_neither_repeats_nor_hides(store: Store) -> None:
    store.record_events([event(f"m{n:02}", at=n) for n in range(0, 20, 2)])
    seen = ids(store, {"limit": 4})
    store.record_events([event("early", at=1), event("late", at=7), event("m05x", at=6), event("m06a", at=6)])
    while page := ids(store, {"limit": 2, "marker": seen[-1]}):
        seen += page
    assert seen == ["m00", "m02", "m04", "m06", "m06a", "late", *(f"m{n:02}" for n in range(8, 20, 2))]


@clause("E15")
@needs("page", "expire")
def test_a_marker_that_was_deleted_is_unknown(store: Store) -> None:
    store.record_events([event("a"), event("b")])
    store.clear_expired_data(0)
    with pytest.raises(InvalidMarker):
        found(store, {"marker": "a"})


@clause("E15", "E17")
@needs("page")
@pytest.mark.timeout(600)
@assumes("large_stores")
def test_a_walk_through_thousands(store: Store) -> None:
    """Of a few moments only, so that the message id decides."""
    events = [event(f"m{n * 7919 % 5_000:05}", text("project_id", f"p{n % 2}"), at=n % 3) for n in range(5_000)]
    oracle = Oracle()
    oracle.record(events)
    store.record_events(events)
    for sort in (None, [("generated", "desc")], [("generated", "asc"), ("message_id", "desc")]):
        wanted = oracle.page({}, {"sort": sort})
        assert walk(store, 700, sort) == [each.message_id for each in wanted]
        assert exact(found(store, {"sort": sort, "limit": 3_000})) == exact(wanted[:3_000])


@clause("E17")
@assumes("large_stores")
def test_an_answer_shows_one_moment(store: Store) -> None:
    """However lazy it is: what is recorded after its first event does not appear, and what is cleared does not vanish."""
    store.record_events([event(f"m{n:05}", text("x", "1"), at=n) for n in range(3_000)])
    answer = iter(store.get_events(EventFilter()))
    first = next(answer)
    store.record_events([event("new", at=9_999), event("m00000a", at=0)])
    rest = [each.message_id for each in answer]
    assert [first.message_id, *rest] == [f"m{n:05}" for n in range(3_000)]
    assert len(everything(store)) == 3_002


@clause("E17")
@assumes("large_stores")
def test_an_answer_may_be_left_unread(store: Store) -> None:
    store.record_events([event(f"m{n:05}", at=n) for n in range(3_000)])
    for _ in range(40):
        assert next(iter(store.get_events(EventFilter()))).message_id == "m00000"
    store.record_events([event("new")])
    assert len(everything(store)) == 3_001
