"""The register of queues, which is changed after the queue and may be behind it."""

from __future__ import annotations

from undercroft.conformance.messaging.data import listed, make, post, queues
from undercroft.messaging.contract.topic import queue_of
from undercroft.messaging.drivers.redis import DataDriver
from undercroft.messaging.drivers.redis.register import Entry


def entries(store: DataDriver) -> list[Entry]:
    return store.store.register.page(b"", 100)


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


def test_a_process_that_died_before_it_entered_a_queue(store: DataDriver) -> None:
    """The next post or create enters it."""
    for again in (lambda: post(store, "b"), lambda: store.queue_controller.create("q")):
        post(store, "a")
        (entry,) = entries(store)
        base = store.store.base("", "q")
        store.store.register.remove(*entry)
        store.store.redis.command(base, "HDEL", f"{base}:queue", "listed", writes=True)
        assert queues(store) == []
        again()
        assert queues(store) == ["q"]
        store.queue_controller.delete("q")


def test_what_is_entered_late_is_not_shown_and_goes(store: DataDriver) -> None:
    make(store, "q")
    gone = life(store)
    store.queue_controller.delete("q")
    store.store.register.add("", "q", gone, store.store.base("", "q"))
    assert len(entries(store)) == 1
    assert queues(store) == []
    assert store.queue_controller.calculate_resource_count() == 0
    assert store.depths(10) == ([], 0)
    assert store.clean() == 0
    assert entries(store) == []


def test_what_is_entered_late_replaces_no_new_queue(store: DataDriver) -> None:
    make(store, "q")
    gone = life(store)
    store.queue_controller.delete("q")
    make(store, "q")
    store.store.register.add("", "q", gone, store.store.base("", "q"))
    store.store.register.remove("", "q", gone)
    assert queues(store) == ["q"]
    assert entries(store) == [Entry("", "q", life(store))]


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
