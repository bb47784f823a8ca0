"""Events that are stored under a key are stored once, all or none, and a repetition gets the first answer."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import threading

import pytest

from undercroft.conformance.events.data import event, now
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.core import time
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.core.intake import Outcome
from undercroft.core.receipt import Receipt
from undercroft.events import Store, Trait

pytestmark = needs("store_once")
RECEIPT = Receipt("key", "digest", b"")


def told(outcomes: list[Outcome]) -> bytes:
    """An answer that tells what became of each event."""
    return b"".join(b"n" if outcome.is_new else b"k" for outcome in outcomes)


def ids(store: Store) -> list[str]:
    return sorted(str(each.message_id) for each in store.get_events(None))


@clause("E28")
@promise("C8")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: Store) -> None:
    store.record_events([event("a")])
    assert store.store_once([event("a"), event("b"), event("b")], RECEIPT, told) == b"knk"
    assert store.store_once([event("c")], RECEIPT, told) == b"knk"
    assert ids(store) == ["a", "b"]
    assert store.store_once([], RECEIPT._replace(key="nothing"), told) == b""


@clause("E28")
@promise("C8")
def test_a_key_that_was_used_for_something_else_is_refused(store: Store) -> None:
    store.store_once([event("a")], RECEIPT, told)
    with pytest.raises(Conflict):
        store.store_once([event("b")], RECEIPT._replace(digest="other"), told)
    assert ids(store) == ["a"]


@clause("E28")
@promise("C8")
def test_all_or_nothing_and_a_refused_call_leaves_no_receipt(store: Store) -> None:
    wrong = event("b", Trait("size", Trait.INT_TYPE, 2**70))
    with pytest.raises(InvalidInput) as caught:
        store.store_once([event("a"), wrong, event("c")], RECEIPT, told)
    assert caught.value.field.startswith("[1]")
    assert ids(store) == []
    assert store.store_once([event("a")], RECEIPT._replace(digest="mended"), told) == b"n"


@clause("E28")
@promise("C8")
def test_a_receipt_is_kept_for_a_day(store: Store) -> None:
    began = time.now()
    with now(began):
        store.store_once([event("a")], RECEIPT, told)
    with now(began + dt.timedelta(hours=23, minutes=59)):
        assert store.store_once([event("b")], RECEIPT, told) == b"n"
        assert ids(store) == ["a"]
    with now(began + dt.timedelta(hours=24, minutes=1)):
        assert store.store_once([event("a")], RECEIPT._replace(digest="other"), told) == b"k"


@clause("E28")
@promise("C8")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(store: Store) -> None:
    start = threading.Barrier(16)

    def one(number: int) -> bytes:
        start.wait()
        return store.store_once([event(f"m{number}")], RECEIPT, lambda _: b"%d" % number)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(one, range(16)))
    assert len(answers) == 1
    assert ids(store) == [f"m{int(*answers)}"]
