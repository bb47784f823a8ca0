"""What calls that wait for messages exchange with their engine: it grows neither with the time nor with their number."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conftest import opener_of
from tests.counted.tally import tally
from undercroft.conformance.limits import TooSlow
from undercroft.conformance.plugin import Opener
from undercroft.messaging import DataDriverBase

pytestmark = pytest.mark.kind("messaging")
LEASE = {"ttl": 60, "grace": 60}
SECONDS = 2
ONCE = ("clock_timestamp", "utc_timestamp", "\nTIME\r", "\nCLUSTER\r", "\nEVAL\r", "\nSUBSCRIBE\r")
# Statements of looks at what is waited for, where the engine tells nothing: more often at first, then each half second.
LOOKS = 8 + 2 * SECONDS


@pytest.fixture
def opener(engine: Any, tmp_path: Any) -> Iterator[Opener]:
    found = opener_of(engine, tmp_path)
    found()
    yield found
    found.clear()


def statements(opener: Opener, act: Callable[[DataDriverBase], Any], before: Callable[[DataDriverBase], Any]) -> list[str]:
    """The statements of what a store does after something else, less those of the clock."""
    with tally() as counted:
        store = opener(init=False)
        before(store)
        opener.close(store)
    first = len(asked(counted.queries))
    with tally() as counted:
        store = opener(init=False)
        before(store)
        act(store)
        opener.close(store)
    return asked(counted.queries)[first:]


def asked(queries: list[str]) -> list[str]:
    """Without what a process asks once, or once a minute."""
    return [query for query in queries if not any(word in query for word in ONCE)]


def few(found: list[str], most: int) -> None:
    """Check the number of queries. A machine that pauses allows one more periodic query, so the test may run again."""
    if len(found) > most:
        raise TooSlow("\n".join(found))


def wait(store: DataDriverBase, seconds: int = SECONDS, queue: str = "q") -> None:
    assert store.claim_controller.create(queue, LEASE, wait=seconds) == (None, [])


def test_a_claim_that_waits(opener):
    """The first one of a process, and one more."""
    for before in (lambda _: None, lambda store: wait(store, 1)):
        found = statements(opener, wait, before)
        store = opener(init=False)
        assert found
        few(found, 2 if store.signals else LOOKS)
        opener.close(store)


def test_many_that_wait(opener):
    """For one queue they look as one does; for many, the looks are one."""
    count = 20

    def together(store: DataDriverBase, queues: list[str]) -> None:
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            list(pool.map(lambda queue: wait(store, SECONDS, queue), queues))

    same = statements(opener, lambda store: together(store, ["q"] * count), lambda _: None)
    store = opener(init=False)
    most = 2 if store.signals else LOOKS
    few(same, most + 2)
    others = statements(opener, lambda store: together(store, [f"q{n}" for n in range(count)]), lambda _: None)
    # The first look of each, and what is done for those together that came together.
    few(others, 2 * count + LOOKS)
    opener.close(store)


def test_a_post_for_which_a_process_waits(opener, engine):
    """Only then it costs a round trip more where others are told, and a number of them together do not cost one each."""
    other = opener(init=False)
    posts = 50

    def post(store: DataDriverBase) -> None:
        for number in range(posts):
            store.message_controller.post("q", [{"ttl": 600, "body": number}], None)

    def first(store: DataDriverBase) -> None:
        store.message_controller.post("q", [{"ttl": 600}], None)
        other.message_controller.pop("q", 10)

    alone = statements(opener, post, first)
    while other.message_controller.pop("q", 100):
        pass
    waiting = threading.Thread(target=lambda: other.claim_controller.create("q", {**LEASE, "ttl": 1}, wait=8))
    with tally() as counted:
        store = opener(init=False)
        store.message_controller.post("q", [{"ttl": 600}], None)
        other.message_controller.pop("q", 10)
        waiting.start()
        threading.Event().wait(0.5)
        before = len(counted.statements)
        post(store)
        waiting.join()
        opener.close(store)
    told = [query for query in asked(counted.queries)[before:] if "pg_notify" in query]
    assert not any("pg_notify" in query for query in alone)
    if engine.driver == "postgresql" and store.signals:
        assert 1 <= len(told) <= posts / 2, told
