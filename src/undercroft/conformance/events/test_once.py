"""Events that are stored under a key are stored once, all or none, and a repetition gets the first answer."""

from __future__ import annotations

from undercroft.conformance import once
from undercroft.conformance.events.data import event, ids, whole
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.once import RECEIPT, told
from undercroft.events import Store

pytestmark = needs("store_once")


@clause("E28")
@promise("C8")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: Store) -> None:
    store.record_events([event("a")])
    once.first_answer_again(store, event, ids)


@clause("E28")
@promise("C8")
def test_a_key_that_was_used_for_something_else_is_refused(store: Store) -> None:
    once.refused_for_something_else(store, event, ids)


@clause("E28")
@promise("C8")
def test_all_or_nothing_and_a_refused_call_leaves_no_receipt(store: Store) -> None:
    once.refused_as_a_whole(store, [event("a"), event("b", whole("size", 2**70)), event("c")], ids)
    assert store.store_once([event("a")], RECEIPT._replace(digest="mended"), told) == b"n"


@clause("E28")
@promise("C8")
def test_a_receipt_is_kept_for_a_day(store: Store) -> None:
    once.kept_for_a_day(store, event, ids)


@clause("E28")
@promise("C8")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(store: Store) -> None:
    once.one_of_sixteen(store, event, ids)
