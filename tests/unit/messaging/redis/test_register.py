"""The register of queues, which is in another slot than the queue: it may say more than there is, and less for a moment."""

from __future__ import annotations

import pytest

from undercroft.conformance.messaging.data import at, everything, ids, listed, make, message, post, queues
from undercroft.conformance.once import RECEIPT
from undercroft.core.errors import Unavailable
from undercroft.messaging.contract.topic import queue_of
from undercroft.messaging.drivers.redis import DataDriver, register, rows
from undercroft.messaging.drivers.redis.messages import POST
from undercroft.messaging.drivers.redis.queues import CREATE
from undercroft.messaging.drivers.redis.register import REMOVE, Entry, member
from undercroft.messaging.models import NewMessage


def entries(store: DataDriver) -> list[Entry]:
    return store.store.register.page(b"", 100)


def once(store: DataDriver) -> bytes:
    return store.message_controller.post_once("q", [message("a")], None, receipt=RECEIPT, answer=lambda _: b"told")


def life(store: DataDriver, name: str = "q") -> bytes:
    base = store.store.base("", name)
    found: bytes = store.store.redis.command(base, "HGET", f"{base}:queue", "inc")
    return found


def test_a_queue_is_entered_once_and_struck_out(store: DataDriver) -> None:
    make(store, "q")
    post(store, "a")
    assert entries(store) == [Entry("", "q", life(store))]
    store.queue_controller.delete("q")
    assert entries(store) == []


def test_a_process_that_died_just_after_it_made_a_queue(store: DataDriver) -> None:
    value = rows.packed(NewMessage(60, 0, b"1"), b"", store.now())
    store.store.redis.run(POST, store.store.base("", "q"), store.now(), store.store.made("", "q"), b"", store.now() + 60_000, value)
    assert queues(store) == ["q"]
    assert entries(store) == [Entry("", "q", life(store))]
    store.clean()
    assert queues(store) == ["q"]


def test_nothing_is_made_or_stored_where_it_cannot_be_entered(store: DataDriver) -> None:
    """The register's server may not answer; here it has something else in the place of the names."""
    names = f"{store.store.register.base}:names"
    store.store.redis.command(names, "SET", names, "x", writes=True)
    for way in (
        lambda: post(store, "a"),
        lambda: post(store, "a", delay=5),
        lambda: post(store, "a", dedup_id="d"),
        lambda: store.queue_controller.create("q"),
        lambda: once(store),
    ):
        with pytest.raises(Unavailable):
            way()
        assert everything(store) == []
        assert not store.queue_controller.exists("q")
    store.store.redis.command(names, "DEL", names, writes=True)
    once(store)
    assert queues(store) == ["q"]
    # It is told that it is stored, whatever the register says.
    base = store.store.base("", "q")
    store.store.redis.command(base, "HDEL", f"{base}:queue", "listed", writes=True)
    store.store.redis.command(names, "SET", names, "x", writes=True)
    more = [*post(store, "a"), *post(store, "a", delay=5)]
    assert ids(everything(store))[1:] == more


def test_the_register_loses_a_queue(store: DataDriver) -> None:
    """The next post or create enters it."""
    for again in (lambda: post(store, "b"), lambda: store.queue_controller.create("q")):
        post(store, "a")
        (entry,) = entries(store)
        base = store.store.base("", "q")
        store.store.redis.run(register.REMOVE, store.store.register.base, entry.member, entry.inc)
        store.store.redis.command(base, "HDEL", f"{base}:queue", "listed", writes=True)
        assert queues(store) == []
        again()
        assert queues(store) == ["q"]
        store.queue_controller.delete("q")


def test_what_is_entered_late_is_not_shown_and_goes(store: DataDriver) -> None:
    with at(0):
        make(store, "q")
        gone = life(store)
        store.queue_controller.delete("q")
        store.store.register.add("", "q", gone, store.store.base("", "q"))
        assert queues(store) == []
        assert store.queue_controller.calculate_resource_count() == 0
        assert store.depths(10) == ([], 0)
        # A queue may be about to be made.
        assert store.clean() == 0
        assert len(entries(store)) == 1
    with at(601):
        assert store.clean() == 0
        assert entries(store) == []


def test_what_is_entered_late_replaces_no_new_queue(store: DataDriver) -> None:
    make(store, "q")
    gone = life(store)
    store.queue_controller.delete("q")
    make(store, "q")
    store.store.register.add("", "q", gone, store.store.base("", "q"))
    store.store.register.remove("", "q", gone, store.store.base("", "q"))
    assert queues(store) == ["q"]
    assert entries(store) == [Entry("", "q", life(store))]


def test_a_late_removal_leaves_a_new_queue_entered(store: DataDriver) -> None:
    """At every moment: what the register mends afterwards would be missing from lists for a while."""
    make(store, "q")
    gone = life(store)
    store.queue_controller.delete("q")
    make(store, "q")
    assert store.store.redis.run(REMOVE, store.store.register.base, member("", "q"), gone) == 0
    assert entries(store) == [Entry("", "q", life(store))]


def test_one_that_was_named_before_a_former_queue_stays_in_the_register(store: DataDriver) -> None:
    """The former one is gone, but still entered, while this one is made."""
    base, run = store.store.base("", "q"), store.store.redis.run
    early, late = "0" * 16, "f" * 16
    store.store.register.add("", "q", late.encode(), base)
    run(CREATE, base, early, "", "q", "{}", "", "", "")
    store.store.register.add("", "q", early.encode(), base)
    store.store.register.remove("", "q", late.encode(), base)
    assert queues(store) == ["q"]
    assert entries(store) == [Entry("", "q", early.encode())]


def test_an_entry_of_a_former_queue_is_mended(store: DataDriver) -> None:
    make(store, "q")
    store.store.register.add("", "q", b"f" * 16, store.store.base("", "q"))
    assert entries(store) == [Entry("", "q", b"f" * 16)]
    store.clean()
    assert entries(store) == [Entry("", "q", life(store))]


def test_names_are_found_over_many_pages(store: DataDriver) -> None:
    """Also where most of what is entered is not to be shown."""
    names = [f"q{number:03}" for number in range(150)]
    store.makes_queues = False
    for name in names:
        post(store, "a", queue=name)
    store.makes_queues = True
    make(store, "q", "q149x", queue_of("t"), "zz")
    assert queues(store, 2) == ["q", "q149x", "zz"]
    assert store.queue_controller.calculate_resource_count() == 3
    assert store.topic_controller.calculate_resource_count() == 1
    assert listed(store, names[-1]) == ["a"]
