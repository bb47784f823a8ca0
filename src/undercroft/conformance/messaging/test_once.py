"""Posts under a key are stored once, all or none, and a repetition gets the first answer."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from undercroft.conformance.clock import now
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    CLIENT,
    OpenStore,
    bodies,
    counts,
    everything,
    follow,
    ids,
    listed,
    make,
    message,
    page,
    post,
)
from undercroft.conformance.once import RECEIPT
from undercroft.conformance.threads import numbered
from undercroft.core import time
from undercroft.core.errors import Conflict, InvalidInput
from undercroft.core.receipt import Receipt
from undercroft.messaging import DataDriverBase

pytestmark = needs("store_once")


def told(names: Sequence[str]) -> bytes:
    """An answer that has the ids."""
    return ",".join(names).encode()


def post_once(
    store: DataDriverBase, *given: Any, receipt: Receipt = RECEIPT, queue: str = "q", project: str | None = None
) -> bytes:
    """Post bodies under a receipt."""
    messages = [message(body) for body in given]
    return store.message_controller.post_once(queue, messages, CLIENT, project, receipt=receipt, answer=told)


@clause("Q23")
@promise("C8")
def test_a_repetition_gives_the_first_answer_and_stores_nothing(store: DataDriverBase, open_store: OpenStore) -> None:
    make(store, "q")
    first = post_once(store, "a", "b")
    assert first.decode().split(",") == ids(everything(store))
    for each in (store, open_store(init=False)):
        assert post_once(each, "a", "b") == first
        # What was asked is the digest's matter.
        assert post_once(each, "c") == first
    assert listed(store) == ["a", "b"]
    assert counts(store) == (2, 0, 2)
    assert post_once(store, "a", "b", receipt=RECEIPT._replace(key="other")) != first
    assert listed(store) == ["a", "b"] * 2


@clause("Q23")
@promise("C8")
def test_nothing_to_post_has_an_answer_too(store: DataDriverBase) -> None:
    assert post_once(store) == b""
    assert post_once(store, "a") == b""
    assert listed(store) == []


@clause("Q23")
@promise("C8")
def test_a_key_that_was_used_for_something_else_is_refused(store: DataDriverBase) -> None:
    post_once(store, "a")
    with pytest.raises(Conflict):
        post_once(store, "b", receipt=RECEIPT._replace(digest="other"))
    assert listed(store) == ["a"]


@clause("Q23", "Q20")
@promise("C8")
def test_a_refused_post_leaves_no_receipt(store: DataDriverBase) -> None:
    with pytest.raises(InvalidInput) as caught:
        post_once(store, "a", float("nan"), "c")
    assert caught.value.field.startswith("messages[1]")
    assert listed(store) == []
    assert post_once(store, "a", receipt=RECEIPT._replace(digest="mended")) != b""
    assert listed(store) == ["a"]


@clause("Q23", "Q20")
@promise("C8")
def test_where_the_answer_fails_nothing_is_stored(store: DataDriverBase) -> None:
    def failing(_: Sequence[str]) -> bytes:
        raise RuntimeError("no answer")

    make(store, "q")
    with pytest.raises(RuntimeError, match="no answer"):
        store.message_controller.post_once("q", [message("a")], CLIENT, receipt=RECEIPT, answer=failing)
    assert everything(store) == []
    assert counts(store) == (0, 0, 0)
    assert post_once(store, "b") != b""
    assert listed(store) == ["b"]


@clause("Q23", "Q22")
@promise("C8")
@needs("deduplication")
def test_dedup_ids_under_a_key(store: DataDriverBase) -> None:
    (known,) = post(store, "a", dedup_id="x")
    given = [message("again", dedup_id="x"), message("b")]
    found = store.message_controller.post_once("q", given, CLIENT, receipt=RECEIPT, answer=told).decode().split(",")
    assert found == ids(everything(store))
    assert found[0] == known
    assert listed(store) == ["a", "b"]


@clause("Q23")
@promise("C8")
def test_a_receipt_is_kept_for_a_day(store: DataDriverBase) -> None:
    began = time.now()
    with now(began):
        first = post_once(store, "a")
    with now(began + dt.timedelta(hours=23, minutes=59)):
        assert post_once(store, "b") == first
        assert everything(store) == []
    with now(began + dt.timedelta(hours=24, minutes=1)):
        assert post_once(store, "c", receipt=RECEIPT._replace(digest="other")) != first
        assert listed(store) == ["c"]


@clause("Q23")
@promise("C8")
@assumes("concurrent_writers")
def test_sixteen_at_once_have_one_effect(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    answers = set(numbered(16, lambda number: post_once(stores[number % 2], number, number)))
    assert len(answers) == 1
    found = everything(store)
    assert found[0]["body"] == found[1]["body"]
    assert answers.pop().decode().split(",") == ids(found)


@clause("Q16", "Q15", "Q20")
@promise("C4")
@assumes("concurrent_writers")
def test_a_reader_beside_a_post_that_stays_open(store: DataDriverBase, open_store: OpenStore) -> None:
    """A reader sees no message of an open post, and skips and repeats none, whether it waits or ends before what came later."""
    other = open_store(init=False)
    make(store, "q")
    opened, ready, returned = threading.Event(), threading.Event(), threading.Event()

    def slow(names: Sequence[str]) -> bytes:
        opened.set()
        ready.wait(30)
        return told(names)

    def hold() -> None:
        try:
            store.message_controller.post_once("q", [message("slow"), message("slow too")], CLIENT, receipt=RECEIPT, answer=slow)
        finally:
            returned.set()
            opened.set()

    def write() -> None:
        for n in range(20):
            post(other, n)

    post(store, "before")
    threads = [threading.Thread(target=hold), threading.Thread(target=write)]
    threads[0].start()
    assert opened.wait(30)
    threads[1].start()
    seen: list[Any] = []
    marker: str | None = None
    try:
        for limit in (1, 2, 3, 5, 1, 2, 3, 5):
            began = time.wall()
            found, last = page(store, limit=limit, marker=marker)
            # Far more than the 50 ms that it waits for.
            assert time.wall() - began < dt.timedelta(seconds=5)
            marker = last or marker
            seen += bodies(found)
        assert not returned.is_set()
        assert {"slow", "slow too"} & set(seen) == set()
        assert seen[:1] == ["before"]
    finally:
        ready.set()
        for thread in threads:
            thread.join(60)
    rest, _ = follow(store, 23 - len(seen), 4, marker=marker)
    seen += rest
    assert sorted(map(str, seen)) == sorted(map(str, ["before", "slow", "slow too", *range(20)]))
    assert [one for one in seen if isinstance(one, int)] == list(range(20))
    place = seen.index("slow")
    assert seen[place + 1] == "slow too"
    assert listed(store) == seen
