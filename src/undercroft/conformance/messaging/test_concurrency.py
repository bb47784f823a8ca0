"""Threads and processes at once: readers by markers, claimers, writers, and the life of queues."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, essential, needs, promise
from undercroft.conformance.messaging import workers
from undercroft.conformance.messaging.data import (
    OpenStore,
    bodies,
    claim,
    counts,
    everything,
    follow,
    listed,
    make,
    message,
    page,
    post,
)
from undercroft.conformance.plugin import Opener
from undercroft.conformance.threads import numbered, together
from undercroft.messaging import DataDriverBase

pytestmark = [essential, assumes("concurrent_writers")]

WRITERS, READERS = 8, 4


@clause("Q7", "Q20", "Q39")
@promise("D8")
@assumes("survives_restart")
def test_processes_that_all_start_first(open_store: Opener) -> None:
    processes.run(workers.initialise, open_store.url, open_store.namespace)
    store = open_store(init=False)
    assert sorted(listed(store)) == [0, 1, 2, 3]
    assert len(listed(store, "makers")) == 1


@clause("Q15", "Q16", "Q20")
@promise("C4")
@assumes("survives_restart")
def test_processes_that_post_and_follow(store: DataDriverBase, open_store: Opener) -> None:
    processes.run(workers.post_and_follow, open_store.url, open_store.namespace)
    many = processes.PROCESSES * workers.ROUNDS * workers.EACH
    workers.in_order(bodies(everything(store)), workers.ROUNDS, workers.EACH)
    store.queue_controller.create("q")
    assert counts(store) == (many, 0, many)


@clause("Q28", "Q24", "Q33", "Q34")
@promise("C1")
@needs("claims")
@assumes("survives_restart")
def test_processes_that_claim_and_delete(store: DataDriverBase, open_store: Opener) -> None:
    many = 150
    make(store, "q", "taken")
    post(store, *range(many))
    processes.run(workers.claim_and_delete, open_store.url, open_store.namespace, many)
    workers.once_each(listed(store, "taken"), many)
    assert counts(store) == (0, 0, 0)


@clause("Q26")
@promise("C1")
@assumes("survives_restart")
def test_processes_that_pop(store: DataDriverBase, open_store: Opener) -> None:
    many = 200
    make(store, "q", "taken")
    post(store, *range(many))
    processes.run(workers.pop_all, open_store.url, open_store.namespace)
    workers.once_each(listed(store, "taken"), many)
    assert counts(store) == (0, 0, 0)


@clause("Q15", "Q20")
@promise("C4")
def test_readers_skip_and_repeat_nothing(store: DataDriverBase, open_store: OpenStore) -> None:
    """While eight threads post, four read with pages of their own sizes."""
    stores = [store, open_store(init=False)]
    rounds, each = 10, 3
    wanted = [[by, n, k] for by in range(WRITERS) for n in range(rounds) for k in range(each)]

    def work(number: int) -> list[Any]:
        own = stores[number % 2]
        if number < WRITERS:
            for n in range(rounds):
                post(own, *([number, n, k] for k in range(each)))
            return []
        return follow(own, len(wanted), [1, 7, 50, 500][number - WRITERS])[0]

    seen = numbered(WRITERS + READERS, work)[WRITERS:]
    order = bodies(everything(store))
    for one in seen:
        assert one == order
    assert sorted(order) == wanted
    assert all([one for one in order if one[0] == by] == wanted[by * 30 : by * 30 + 30] for by in range(WRITERS))
    assert all(len({tuple(one[:2]) for one in order[first : first + each]}) == 1 for first in range(0, len(order), each))


@clause("Q15", "Q12")
@promise("C4")
@needs("claims")
def test_readers_while_messages_are_claimed_and_deleted(store: DataDriverBase, open_store: OpenStore) -> None:
    """Messages that nothing happens to are seen once each, in one order, with the others going away around them."""
    stores = [store, open_store(init=False)]
    done = threading.Event()

    def write(number: int) -> None:
        for n in range(40):
            (name,) = post(stores[number % 2], [number, n])
            if n % 2:
                stores[number % 2].message_controller.bulk_delete("q", [name])

    def take() -> None:
        while not done.is_set():
            made, _ = claim(store, limit=5)
            store.claim_controller.delete("q", made)

    def read() -> list[Any]:
        try:
            seen: list[Any] = []
            marker: str | None = None
            while len([one for one in seen if one[1] % 2 == 0]) < 80:
                found, marker = follow(store, 1, 3, marker=marker, include_claimed=True)
                seen += found
            return seen
        finally:
            done.set()

    *_, seen = together(lambda: write(0), lambda: write(1), lambda: write(2), lambda: write(3), take, read)
    assert len(seen) == len({tuple(one) for one in seen})
    assert [one for one in seen if one[1] % 2 == 0] == listed(store)


@clause("Q20", "Q25", "Q26", "Q29")
@needs("claims")
@assumes("whole_calls")
def test_others_see_a_call_done_or_not_begun(store: DataDriverBase, open_store: OpenStore) -> None:
    """Two posts of five messages each, which are claimed and deleted together, or popped."""
    make(store, "q")
    other = open_store(init=False)
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(40):
                names = post(store, *range(5)) + post(store, *range(5))
                if number % 2:
                    assert len(store.message_controller.pop("q", 10)) == 10
                else:
                    made, found = claim(store, limit=10)
                    assert [one["id"] for one in found] == names
                    store.message_controller.bulk_delete("q", names, claim_ids=[str(made)])
        finally:
            done.set()

    def read() -> set[tuple[int, int, int]]:
        seen = {counts(other)}
        while not done.is_set():
            seen.add(counts(other))
        return seen

    _, seen = together(write, read)
    assert seen <= {(0, 0, 0), (5, 0, 5), (10, 0, 10), (0, 10, 10)}


@clause("Q28", "Q29", "Q30")
@promise("C1")
@needs("claims")
def test_no_message_is_in_two_claims(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    post(store, *range(400))

    def work(number: int) -> list[tuple[str, Any, int]]:
        taken: list[tuple[str, Any, int]] = []
        while True:
            made, found = claim(stores[number % 2], ttl=600, limit=1 + number)
            if made is None:
                return taken
            assert bodies(found) == sorted(bodies(found))
            assert {one["claim_id"] for one in found} == {made}
            taken += [(made, one["body"], one["claim_count"]) for one in found]

    taken = [one for each in numbered(8, work) for one in each]
    # A claim may pass over what another one is about to take, and that may then be the last.
    while True:
        made, found = claim(store, ttl=600, limit=100)
        if made is None:
            break
        taken += [(made, one["body"], one["claim_count"]) for one in found]
    assert Counter(body for _, body, _ in taken) == dict.fromkeys(range(400), 1)
    assert {count for _, _, count in taken} == {1}
    assert {one["body"]: one["claim_id"] for one in everything(store)} == {body: made for made, body, _ in taken}
    assert counts(store) == (0, 400, 400)


@clause("Q28", "Q24", "Q33", "Q34")
@promise("C1")
@needs("claims")
def test_work_is_done_once_while_workers_fail(store: DataDriverBase, open_store: OpenStore) -> None:
    """Claimers finish, release, or forget what they took; others post at the same time."""
    stores = [store, open_store(init=False)]
    make(store, "q")
    posted = 60
    finished: list[tuple[int, ...]] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        own, n = stores[number % 2], 0
        if number < 2:
            for body in range(posted // 2):
                post(own, [number, body])
            return
        while len(finished) < posted:
            n += 1
            # What is forgotten comes back by itself, after a second.
            is_forgotten = n == number
            made, found = claim(own, ttl=1 if is_forgotten else 600, limit=3)
            if made is None:
                threading.Event().wait(0.01)
            elif n % 4 == 0:
                own.claim_controller.delete("q", made)
            elif not is_forgotten:
                own.claim_controller.update("q", made, {"ttl": 700, "grace": 60})
                for one in found:
                    own.message_controller.delete("q", one["id"], claim=made)
                with lock:
                    finished.extend(tuple(body) for body in bodies(found))

    numbered(8, work)
    assert Counter(finished) == {(by, n): 1 for by in range(2) for n in range(posted // 2)}
    assert everything(store) == []
    assert counts(store) == (0, 0, 0)


@clause("Q8", "Q7", "Q20")
def test_queues_come_and_go_while_others_post(store: DataDriverBase, open_store: OpenStore) -> None:
    """Posts never fail for it, and what is there in the end was posted after the last deletion began."""
    stores = [store, open_store(init=False)]
    done = threading.Event()

    def write(number: int) -> None:
        for n in range(40):
            post(stores[number], [number, n])
            page(stores[number])
        done.set()

    def delete() -> None:
        while not done.is_set():
            store.queue_controller.delete("q")
            stores[1].queue_controller.create("q", {})

    together(lambda: write(0), lambda: write(1), delete)
    store.queue_controller.create("q")
    found = listed(store)
    assert [one for one in found if one[0] == 0] == sorted(one for one in found if one[0] == 0)
    assert counts(store) == (len(found), 0, len(found))
    store.queue_controller.delete("q")
    make(store, "q")
    assert everything(store) == []
    assert counts(store) == (0, 0, 0)


@clause("Q20")
@promise("C4")
def test_a_post_is_seen_whole_or_not_at_all(store: DataDriverBase, open_store: OpenStore) -> None:
    other, done = open_store(init=False), threading.Event()

    def write() -> None:
        try:
            for n in range(30):
                other.message_controller.post("q", [message(n) for _ in range(20)], None)
        finally:
            done.set()

    def read() -> None:
        while not done.is_set():
            found = Counter(listed(store))
            assert set(found.values()) <= {20}
            assert len(everything(store)) % 20 == 0

    make(store, "q")
    together(write, read)
    assert counts(store) == (600, 0, 600)


@clause("Q16", "Q20")
def test_what_all_writers_posted_is_on_the_next_list(store: DataDriverBase, open_store: OpenStore) -> None:
    """No post is open any more when all have returned, so the list has all of them."""
    stores, rounds = [store, open_store(init=False)], 40

    def work(number: int) -> None:
        for n in range(rounds):
            post(stores[number % 2], [number, n])

    numbered(WRITERS, work)
    assert sorted(listed(store)) == [[by, n] for by in range(WRITERS) for n in range(rounds)]


@clause("Q6", "Q20")
@pytest.mark.usefixtures("examined")
def test_writers_of_many_queues(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]

    def work(number: int) -> None:
        for n in range(12):
            queue = f"q{(number + n) % 4}"
            stores[number % 2].queue_controller.create(queue, {"n": n})
            post(stores[number % 2], number, queue=queue, project=f"p{n % 2}" if number % 4 == 3 else None)

    numbered(8, work)
    found = Counter(len(listed(store, f"q{n}", project=project)) for n in range(4) for project in (None, "p0", "p1"))
    assert sum(count * times for count, times in found.items()) == 96
