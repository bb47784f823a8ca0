"""Calls that wait for messages. The waits are real: these tests use the engine's clock as it is."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from undercroft.conformance.limits import within
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging import workers
from undercroft.conformance.messaging.data import CLIENT, OTHER, OpenStore, bodies, claimed, counts, make, page, post
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rows import rows
from undercroft.core.errors import InvalidInput
from undercroft.messaging import DataDriverBase

LEASE = {"ttl": 60, "grace": 60}
# Seconds: how long the calls wait, and within what a message is with one of them.
WAIT, SOON = 8, 1.0
# SOON on a slow machine. A call that is not woken takes WAIT seconds.
SLOW = 3.0
# Until a call that begins to wait does so, whatever the machine does beside it.
SETTLED = 0.3


class Waiting:
    """A call that waits, in a thread of its own.

    Attributes:
        found: the bodies that it got.
        ended: when, by the monotonic clock.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self.found: list[Any] = []
        self.ended = 0.0
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(call,))
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            self.found = bodies(call())
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.error = error
        self.ended = monotonic()

    @property
    def waits(self) -> bool:
        """Whether it still does."""
        return self._thread.is_alive()

    def get(self, since: float | None = None) -> list[Any]:
        """What it got; where a moment is given, within a second after it."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error
        if since is not None:
            assert self.found
            assert since <= self.ended
            within(self.ended - since, SOON, slow=SLOW)
        return self.found


def claiming(store: DataDriverBase, queue: str = "q", limit: int = 1, wait: int = WAIT, project: str | None = None) -> Waiting:
    """A claim that waits."""
    return Waiting(lambda: store.claim_controller.create(queue, LEASE, project, limit, wait=wait)[1])


def listing(store: DataDriverBase, queue: str = "q", wait: int = WAIT, **given: Any) -> Waiting:
    """A list that waits."""
    return Waiting(lambda: next(store.message_controller.list(queue, wait=wait, **given)))


def settle() -> None:
    """Let the calls that were begun wait."""
    threading.Event().wait(SETTLED)


@clause("Q43")
@needs("claims")
@rows("wait", [0, -1, 21, 1.5, "5", True])
def test_a_wait_is_of_1_to_20_seconds(store: DataDriverBase, wait: Any) -> None:
    with pytest.raises(InvalidInput, match="wait"):
        store.claim_controller.create("q", LEASE, wait=wait)
    with pytest.raises(InvalidInput, match="wait"):
        store.message_controller.list("q", wait=wait)


@clause("Q43", "Q46")
@needs("claims")
def test_an_empty_answer_comes_when_the_time_is_over(store: DataDriverBase) -> None:
    make(store, "q")
    began = monotonic()
    calls = [claiming(store, wait=1), claiming(store, "unknown", wait=1), listing(store, wait=1), listing(store, "unknown", wait=1)]
    assert [call.get() for call in calls] == [[]] * 4
    assert all(call.ended - began >= 1 for call in calls)
    within(max(call.ended for call in calls) - began, 1.5)


@clause("Q43", "Q46")
@needs("claims")
def test_what_is_there_comes_at_once(store: DataDriverBase) -> None:
    post(store, 1, 2)
    began = monotonic()
    assert bodies(next(store.message_controller.list("q", wait=20))) == [1, 2]
    claim, found = store.claim_controller.create("q", LEASE, wait=20)
    within(monotonic() - began, SOON, slow=SLOW)
    assert claim is not None
    assert bodies(found) == [1, 2]
    assert {each["claim_id"] for each in found} == {claim}
    assert counts_of(store, claim) == 2


def counts_of(store: DataDriverBase, claim: str) -> int:
    """How many messages a claim has."""
    return len(store.claim_controller.get("q", claim)[1])


@clause("Q43", "Q46")
@needs("claims")
@assumes("concurrent_writers")
def test_a_message_comes_within_a_second(store: DataDriverBase, open_store: OpenStore) -> None:
    """Of its post, its delay, the end of its claim however that comes; from this object, or another one."""
    others = {"same": store, "other": open_store(init=False)}
    held: dict[str, str] = {}
    for name in others:
        for way in ("expiry", "release", "renewal"):
            post(store, way, queue=f"{name}-{way}")
            held[f"{name}-{way}"], _ = claimed(store, ttl=2 if way == "expiry" else 600, queue=f"{name}-{way}")
        make(store, f"{name}-redrive", f"{name}-source")
        post(store, "redrive", queue=f"{name}-source")
    expiry = monotonic() + 2
    ways = ("post", "delay", "expiry", "release", "renewal", "redrive")
    claims = {(name, way): claiming(store, f"{name}-{way}") for name in others for way in ways}
    lists = {name: listing(store, f"{name}-release") for name in others}
    settle()
    assert all(call.waits for call in (*claims.values(), *lists.values()))
    began: dict[tuple[str, str], float] = {(name, "expiry"): expiry - 0.5 for name in others}
    for name, other in others.items():
        # From before the calls: on a busy machine they take their time.
        began[name, "delay"] = monotonic() + 0.9
        post(other, "delay", queue=f"{name}-delay", delay=1)
        began[name, "renewal"] = monotonic() + 0.9
        other.claim_controller.update(f"{name}-renewal", held[f"{name}-renewal"], {"ttl": 1, "grace": 60})
        post(other, "post", queue=f"{name}-post")
        began[name, "post"] = monotonic() - 0.1
        other.message_controller.redrive(f"{name}-source", f"{name}-redrive")
        began[name, "redrive"] = monotonic() - 0.1
    # A reader shows what is released before a claim takes it, or not at all.
    for name, other in others.items():
        other.claim_controller.delete(f"{name}-release", held[f"{name}-release"])
        began[name, "release"] = monotonic() - 0.1
    for (name, way), call in claims.items():
        assert call.get() == [way], (name, way)
        assert began[name, way] <= call.ended
        within(call.ended - began[name, way], 0.6 + SOON, f"{name}, {way}", slow=SLOW)
    for name in others:
        post(store, "end", queue=f"{name}-release")
    assert all(call.get() in (["release"], ["end"], ["release", "end"]) for call in lists.values())


@clause("Q43", "Q31")
@needs("claims")
def test_a_dead_letter_is_waited_for(store: DataDriverBase) -> None:
    make(store, "q", _max_claim_count=1, _dead_letter_queue="dead")
    post(store, "dead")
    held, _ = claimed(store)
    store.claim_controller.delete("q", held)
    call = claiming(store, "dead")
    settle()
    began = monotonic()
    assert store.claim_controller.create("q", LEASE) == (None, [])
    assert call.get(began) == ["dead"]


@clause("Q44")
@needs("claims")
def test_those_that_wait_longest_come_first(store: DataDriverBase) -> None:
    calls = []
    for _ in range(4):
        calls.append(claiming(store))
        settle()
    for number, call in enumerate(calls):
        began = monotonic()
        post(store, number)
        assert call.get(began) == [number]
        assert all(other.waits for other in calls[number + 1 :])


@clause("Q43", "Q44")
@needs("claims")
def test_what_another_one_claimed_comes_back(store: DataDriverBase) -> None:
    """Those that were not woken for a message have it when the claim of the one that was is over."""
    short = Waiting(lambda: store.claim_controller.create("q", {"ttl": 1, "grace": 60}, wait=WAIT)[1])
    settle()
    rest = []
    for _ in range(2):
        rest.append(claiming(store))
        settle()
    post(store, 1)
    assert short.get() == [1]
    began = short.ended + 0.9
    first, last = rest
    assert first.get() == [1]
    assert began <= first.ended
    within(first.ended - began, SOON)
    post(store, 2)
    assert last.get() == [2]


@clause("Q28", "Q44")
@needs("claims")
def test_each_message_is_of_one_call(store: DataDriverBase) -> None:
    """Also where one takes several at once, and leaves the rest to the next."""
    small, large = [claiming(store) for _ in range(8)], [claiming(store, "large", 5) for _ in range(3)]
    settle()
    began = monotonic()
    post(store, *range(8))
    post(store, *range(12), queue="large")
    assert sorted(body for call in small for body in call.get(began)) == list(range(8))
    assert sorted(body for call in large for body in call.get(began)) == list(range(12))
    assert all(len(call.found) == 1 for call in small)
    assert counts(store, "large") == (0, 12, 12)


@clause("Q46")
@needs("claims")
def test_every_list_has_the_message(store: DataDriverBase, open_store: OpenStore) -> None:
    (first,) = post(store, "before")
    make(store, "own")
    calls = [listing(store, marker=first) for _ in range(3)]
    calls += [listing(each, marker=first, include_claimed=True, include_delayed=True) for each in (store, open_store(init=False))]
    own, delayed = listing(store, "own", client_uuid=CLIENT), listing(store, include_delayed=True, marker=first)
    settle()
    post(store, "mine", queue="own")
    began = monotonic()
    post(store, "behind")
    assert [call.get(began) for call in calls] == [["behind"]] * len(calls)
    assert delayed.get(began) == ["behind"]
    # What the caller posted itself is not for it.
    assert own.waits
    began = monotonic()
    post(store, "yours", queue="own", client=OTHER)
    assert own.get(began) == ["yours"]


@clause("Q46")
def test_the_marker_of_a_list_that_waited(store: DataDriverBase) -> None:
    (first,) = post(store, 1)
    _, marker = page(store)
    pages = store.message_controller.list("q", marker=marker, wait=1)
    assert (list(next(pages)), next(pages)) == ([], marker)
    call = listing(store, marker=first)
    settle()
    post(store, 2, 3)
    assert call.get() == [2, 3]


@clause("Q45")
@needs("claims")
def test_without_room_the_answer_comes_at_once(open_store: Opener) -> None:
    store = open_store()
    store.conf.set_override("max_waiters", 4, "messaging")
    calls = [claiming(store, project="p", wait=2) for _ in range(2)]
    settle()
    began = monotonic()
    assert claiming(store, project="p").get() == []
    within(monotonic() - began, SOON, slow=SLOW)
    # Of another project there is room.
    calls.append(claiming(store, project="other"))
    settle()
    assert calls[-1].waits
    began = monotonic()
    post(store, 1, project="other")
    assert calls[-1].get(began) == [1]
    assert [call.get() for call in calls[:2]] == [[], []]


@clause("Q45")
@needs("claims")
def test_closing_ends_the_waits(open_store: Opener) -> None:
    store = open_store()
    calls = [claiming(store, wait=20), listing(store, wait=20)]
    settle()
    began = monotonic()
    open_store.close(store)
    assert [call.get() for call in calls] == [[], []]
    within(monotonic() - began, SOON, slow=SLOW)


@contextlib.contextmanager
def waiting_process(url: str, namespace: str) -> Iterator[Any]:
    """A process whose calls wait; it is killed at the end."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=workers.wait, args=(theirs, url, namespace), daemon=True)
    process.start()
    try:
        assert ours.poll(60)
        ours.recv()
        settle()
        yield process
    finally:
        process.kill()
        process.join(60)


@clause("Q44")
@promise("C1")
@needs("claims")
@assumes("survives_restart")
def test_a_process_that_is_killed_leaves_nothing(store: DataDriverBase, open_store: Opener) -> None:
    make(store, "q")
    with waiting_process(open_store.url, open_store.namespace) as process:
        call = claiming(store)
        settle()
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        began = monotonic()
        post(store, 1)
        assert call.get(began) == [1]
    assert counts(store) == (0, 1, 1)
    began = monotonic()
    post(store, 2)
    assert claiming(store).get(began) == [2]
