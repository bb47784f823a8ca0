"""What the processes of the suite of messages do. They start afresh, so this is a module that they can import."""

from __future__ import annotations

import collections
import multiprocessing.connection
import multiprocessing.synchronize
from time import monotonic

import undercroft
from undercroft.conformance import processes
from undercroft.conformance.messaging.data import arrival, bodies, claim, contents, follow, message, page, post, receive
from undercroft.messaging.contract.arguments import LONGEST

ROUNDS, EACH = 12, 3
COUNTED = 15
# Messages of another store that the processes receive.
RECEIVED = 120
_PATIENCE = 60


def initialise(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Initialise at the same moment as the others, make the same queue, then post a message of one's own."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    barrier.wait(60)
    store.init()
    if store.queue_controller.create("q"):
        post(store, number, queue="makers")
    post(store, number)
    store.close()


def in_order(seen: list[list[int]], rounds: int, each: int) -> None:
    """Every message of `[writer, round, place]` was seen once, those of a post beside each other, those of a writer in order."""
    wanted = [[by, n, k] for by in range(processes.PROCESSES) for n in range(rounds) for k in range(each)]
    assert sorted(seen) == wanted
    for by in range(processes.PROCESSES):
        assert [one for one in seen if one[0] == by] == [one for one in wanted if one[0] == by]
    for first in range(0, len(seen), each):
        assert len({(by, n) for by, n, _ in seen[first : first + each]}) == 1


def post_and_follow(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Post beside the others; read by markers beside that, with pages of a size of one's own, until all are seen."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    barrier.wait(60)
    seen: list[list[int]] = []
    marker = None
    for n in range(ROUNDS):
        post(store, *([number, n, k] for k in range(EACH)))
        found, marker = follow(store, 0, number + 1, marker=marker)
        seen += found
    found, _ = follow(store, processes.PROCESSES * ROUNDS * EACH - len(seen), 100, marker=marker)
    in_order([*seen, *found], ROUNDS, EACH)
    store.close()


def claim_and_delete(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str, many: int) -> None:
    """Claim until all is done; say what was claimed in the queue `taken`. Claims are renewed, released or finished."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    messages, claims = store.message_controller, store.claim_controller
    barrier.wait(60)
    n, until = 0, monotonic() + _PATIENCE
    while len(page(store, "taken", limit=1_000)[0]) < many and monotonic() < until:
        made, found = claim(store, 600, 60, limit=1 + (n + number) % 4)
        n += 1
        if made is None:
            continue
        if n % 5 == 0:
            claims.delete("q", made)
            continue
        claims.update("q", made, {"ttl": 700, "grace": 60})
        messages.post("taken", [message([number, body]) for body in bodies(found)], None)
        for one in found:
            messages.delete("q", one["id"], claim=made)
    store.close()


def once_each(taken: list[list[int]], many: int) -> None:
    """Each body was taken by one process."""
    assert collections.Counter(body for _, body in taken) == dict.fromkeys(range(many), 1)


def pop_all(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Pop until the queue is empty; say what was popped in the queue `taken`."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    barrier.wait(60)
    while found := store.message_controller.pop("q", 1 + number):
        store.message_controller.post("taken", [message([number, one["body"]]) for one in found], None)
    store.close()


def receive_and_pop(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Receive the same messages as the others, in an order of one's own; say what was popped in the queue `taken`."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    given = [arrival(f"~{n}", n, ttl=LONGEST) for n in range(RECEIVED)]
    given = given[number * 30 :] + given[: number * 30]
    barrier.wait(60)
    for first in range(0, RECEIVED, 5):
        receive(store, *given[first : first + 10])
        found = store.message_controller.pop("q", 1 + number)
        store.message_controller.post("taken", [message([number, one["body"]]) for one in found], None)
    while found := store.message_controller.pop("q", 10):
        store.message_controller.post("taken", [message([number, one["body"]]) for one in found], None)
    store.close()


def hand_out(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str, many: int) -> None:
    """Post, and take entries of the outbox beside that; say what was taken in the queue `taken`, until all are there."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    barrier.wait(60)
    until = monotonic() + _PATIENCE
    n = 0
    while len(page(store, "taken", limit=1_000)[0]) < many * processes.PROCESSES and monotonic() < until:
        if n < many:
            post(store, number * many + n)
        n += 1
        found = store.outbox.take(1 + number, 600)
        store.message_controller.post("taken", [message([number, body]) for body in contents(found)], None)
        store.outbox.remove(found)
    store.close()


def serve(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str, many: int) -> None:
    """Take subscriptions that are due, once each; say which in the queue `taken`, until all are there."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    barrier.wait(60)
    until = monotonic() + _PATIENCE
    while len(page(store, "taken", limit=1_000)[0]) < many and monotonic() < until:
        found = store.outbox.due(1 + number, 600)
        store.message_controller.post("taken", [message([number, one.subscribed.queue]) for one in found], None)
        assert all(store.outbox.settle(one, None) for one in found)
    store.close()


def wait(pipe: multiprocessing.connection.Connection, url: str, namespace: str) -> None:
    """Wait for messages of `q`; say when it begins. It is killed before they come."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    pipe.send("begun")
    store.claim_controller.create("q", {"ttl": 60, "grace": 60}, wait=20)


def count_in_catalogue(number: int, barrier: multiprocessing.synchronize.Barrier, url: str, namespace: str) -> None:
    """Add 1 to what an entry of the catalogue keeps, by compare and set."""
    store = undercroft.connect("messaging", url, namespace=namespace)
    catalogue = store.control_driver.catalogue_controller
    barrier.wait(60)
    for _ in range(COUNTED):
        while True:
            found = catalogue._find("p", "q")
            before, version = (0, None) if found is None else (int(found.state), found.version)
            if catalogue._put("p", "q", str(number), str(before + 1).encode(), version):
                break
    store.close()
