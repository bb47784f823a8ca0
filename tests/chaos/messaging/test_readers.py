"""Readers that follow markers see every message once, while posts commit out of order and others claim and delete (C4)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.messaging import crowd, means
from tests.chaos.messaging.crowd import EACH, QUEUE, page
from tests.chaos.processes import PATIENCE, life
from undercroft.conformance.plugin import Opener

pytestmark = [pytest.mark.promise("C4"), pytest.mark.timeout(7200)]
WRITERS, TAKERS, LIMITS = 8, 2, (1, 7, 50, 500)
# Seconds that a post is open, and those of a list that waits for it: 50 ms, and what a busy machine adds.
OPEN, LISTS = 2, 0.75
# Calls that finish meanwhile.
CALLS = 100


@pytest.fixture
def shared(opener: Opener) -> Opener:
    """An empty namespace on an engine that has several writers at a time."""
    means.of(opener())
    if not opener.target.host:
        # Not a gap: what is promised about posts that are open at once cannot be asked where there is never more than one.
        pytest.skip("a file has one writer at a time: there is no older post that is still open")
    return opener


@pytest.fixture
def server(shared: Opener) -> Iterator[Opener]:
    """The same, of one whose posts may be open."""
    found = means.of(shared.opened[0])
    if not found.OPEN:
        # Not a gap: the same.
        pytest.skip("a post is one step of this engine: there is none that is still open")
    with found.patient():
        yield shared


def another_transaction(opener: Opener) -> contextlib.AbstractContextManager[None]:
    """A transaction elsewhere in the server that has written, and stays open, where there is such a thing."""
    store = opener(init=False)
    found = means.known(type(store))
    if not opener.target.host or found is None:
        return contextlib.nullcontext()
    beside: contextlib.AbstractContextManager[None] = found.another_transaction(store, f"{opener.namespace}_elsewhere")
    return beside


def crowded(opener: Opener, seed: int, posts: int, *, twin: bool = False) -> tuple[list[list[Any]], list[Any], dict[str, Any]]:
    """What readers saw, what stays in the queue in the end, and the figures."""
    store = opener()
    options = {"namespace": opener.namespace}
    with another_transaction(opener), contextlib.ExitStack() as stack:
        writers = [stack.enter_context(life(crowd.write, opener.url, options, seed, n, posts, twin)) for n in range(WRITERS)]
        takers = [stack.enter_context(life(crowd.take, opener.url, options, seed + number)) for number in range(TAKERS)]
        readers = [stack.enter_context(life(crowd.read, opener.url, options, limit, twin)) for limit in LIMITS]
        for each in (*writers, *takers, *readers):
            assert each.hear() == "ready"
        for each in writers:
            each.tell("go")
        for each in writers:
            assert each.hear(PATIENCE + posts) == "done"
        for each in (*takers, *readers):
            each.tell("over")
        taken = sum(each.hear() for each in takers)
        told = [each.hear() for each in readers]
    stays, _ = page(store, None, 10_000) if posts * WRITERS * EACH <= 10_000 else ([], "")
    seen = [bodies for _, bodies in told]
    figures = {
        "writers": WRITERS, "takers": TAKERS, "readers": len(LIMITS), "messages": WRITERS * posts * EACH, "deleted": taken,
        "pages": sum(pages for pages, _ in told), "skipped": sum(len(skipped(one, posts)) for one in seen),
        "repeated": sum(len(repeated(one)) for one in seen),
    }  # fmt: skip
    return seen, [each["body"] for each in stays], figures


def skipped(seen: list[Any], posts: int) -> list[tuple[int, int]]:
    """Messages that stayed, and were not seen."""
    kept = {(number, n) for number, n, k in seen if k == 0}
    return [(number, n) for number in range(WRITERS) for n in range(posts) if (number, n) not in kept]


def repeated(seen: list[Any]) -> list[Any]:
    """What was seen more than once."""
    return [body for body, count in Counter(map(tuple, seen)).items() if count > 1]


def staying(seen: list[Any]) -> list[Any]:
    """Those that nothing happens to."""
    return [body for body in seen if body[2] == 0]


def test_readers_skip_and_repeat_nothing(opener: Opener, seed: int, record, figure):
    posts = figure(12, 4_200)
    seen, stays, figures = crowded(opener, seed, posts)
    record(**figures)
    assert figures["skipped"] == figures["repeated"] == 0
    # In one order, in which each writer's posts are in theirs.
    orders = [staying(one) for one in seen]
    assert all(one == orders[0] for one in orders)
    assert not stays or staying(stays) == orders[0]
    for number in range(WRITERS):
        assert [n for by, n, _ in orders[0] if by == number] == list(range(posts))


def test_a_reader_that_takes_no_notice_of_open_posts_skips(shared: Opener, seed: int, record):
    """The twin; where a post is one step of the engine, it is two here."""
    _, _, figures = crowded(shared, seed, 12, twin=True)
    record(**figures)
    assert figures["skipped"] > 0


# -- one post stays open ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def open_post(store: Any) -> Iterator[concurrent.futures.Future[list[str]]]:
    """A post that has done all but its last step; that comes after the block."""
    arrived, release = threading.Event(), threading.Event()

    def wait() -> None:
        arrived.set()
        assert release.wait(PATIENCE)

    means.of(store).late(store, wait)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        post = pool.submit(store.message_controller.post, QUEUE, [{"ttl": 600, "body": "open"}], None)
        try:
            assert arrived.wait(PATIENCE)
            yield post
        finally:
            release.set()
        post.result()


def test_an_open_post_delays_no_other_call(server: Opener, record):
    store, slow = server.opened[0], server(init=False)
    store.message_controller.post(QUEUE, [{"ttl": 600, "body": "before"}], None)
    # What a process does at its first call is not measured.
    work(store, [])
    listing: list[float] = []
    with open_post(slow) as post:
        began = time.monotonic()
        finished = 0
        marker: str | None = None
        seen: list[Any] = []
        while finished < CALLS:
            finished += work(store, [finished])
            if finished % 10 == 0:
                start = time.monotonic()
                found, marker = page(store, marker, 50)
                listing.append(time.monotonic() - start)
                seen += [each["body"] for each in found]
        took = time.monotonic() - began
        time.sleep(max(0.0, OPEN - took))
        assert not post.done()
        assert seen == ["before"]
    while found := page(store, marker, 7)[0]:
        seen += [each["body"] for each in found]
        marker = found[-1]["id"]
    record(calls=2 * CALLS, took=f"{took:.2f} s", slowest_list=f"{max(listing) * 1000:.0f} ms")
    assert Counter(map(str, seen)) == Counter(["before", "open", *map(str, range(CALLS))])
    assert sorted(listing)[len(listing) // 2] < LISTS


def work(store: Any, bodies: list[Any]) -> int:
    """Post messages, claim one, and release it."""
    if bodies:
        store.message_controller.post(QUEUE, [{"ttl": 600, "body": body} for body in bodies], None)
    claim, found = store.claim_controller.create(QUEUE, {"ttl": 60, "grace": 60}, None, 1)
    assert len(list(found)) == 1
    store.claim_controller.delete(QUEUE, claim)
    return len(bodies)


def test_a_post_that_locks_its_queue_delays_others(server: Opener):
    """The twin: posts that wait for each other."""
    store, slow = server.opened[0], server(init=False)
    store.message_controller.post(QUEUE, [{"ttl": 600, "body": "before"}], None)
    for each in (store, slow):
        means.of(each).one_by_one(each)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with open_post(slow):
            other = pool.submit(work, store, ["other"])
            time.sleep(0.5)
            assert not other.done()
        assert other.result(PATIENCE) == 1
