"""Protections taken away where a post is a document: posts whose documents come late, and changes without their condition."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.chaos.messaging import scripted
from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.core import time
from undercroft.messaging.drivers.mongodb import keeping, order, rows
from undercroft.messaging.drivers.mongodb.posts import Change

# Whether a post may be open while others are stored, and whether a question removes what has expired.
OPEN, CLEANS_WHEN_ASKED = True, False
# Messages that go by one command: a post goes as a whole, and some have 700 here, more than go together else.
PART = max(keeping._ENOUGH, 700)
_PAUSE = 0.01


@contextlib.contextmanager
def _set(module: Any, name: str, value: int) -> Iterator[None]:
    """The block, in which a number of a module is another one."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


# -- posts and readers ---------------------------------------------------------------------------------------------------


def _around_inserts(store: Any, *, before: Callable[[], object] = lambda: None, after: Callable[[], object] = lambda: None) -> None:
    """Do something before and after a document of messages is stored; its number is given out before both."""
    posts = store.parts.posts
    insert = posts.insert

    def inserted(document: Any) -> bool:
        before()
        found: bool = insert(document)
        after()
        return found

    posts.insert = inserted


def late(store: Any, wait: Callable[[], object]) -> None:
    """Let posts wait when they have their numbers, and are not stored."""
    _around_inserts(store, before=wait)


def post_apart(store: Any, wait: Callable[[], object]) -> None:
    """Nothing: posts of writers that are late are open as it is."""


def blind(store: Any) -> None:
    """A reader that takes no notice of numbers whose posts are still to come."""
    store.parts.order.reach = lambda lane, **_: lane.last


def patient() -> contextlib.AbstractContextManager[None]:
    """The block, in which no open post is given up by this process, however slow the machine is."""
    return _set(order, "_LOST", 600_000)


def another_transaction(store: Any, name: str) -> contextlib.AbstractContextManager[None]:
    """Nothing: there are no transactions."""
    return contextlib.nullcontext()


def one_by_one(store: Any) -> None:
    """Let posts take turns by a document."""
    poster, turns, post = store.message_controller._poster, store.store.collection("lock"), store.message_controller._poster.post

    @contextlib.contextmanager
    def turn() -> Iterator[None]:
        while not store.store.insert(turns, {"_id": "turn"}):
            threading.Event().wait(_PAUSE)
        try:
            yield
        finally:
            turns.delete_one({"_id": "turn"})

    def posted(*arguments: Any) -> list[str]:
        with turn():
            found: list[str] = post(*arguments)
            return found

    poster.post = posted


def counted_apart(store: Any) -> None:
    """Let posts store messages first, and say a moment later how many there are."""
    posts = store.parts.posts
    insert = posts.insert

    def inserted(document: Any) -> bool:
        found: bool = insert({**document, "k": 0})
        threading.Event().wait(COMMIT_SECONDS)
        store.store.posts.update_one({"_id": document["_id"], "v": 0}, {"$set": {"k": document["k"]}})
        return found

    posts.insert = inserted


def after_writing(store: Any, do: Callable[[], object]) -> None:
    """Do something when a post is stored, before it is told."""
    _around_inserts(store, after=do)


# -- claims and clocks ---------------------------------------------------------------------------------------------------


def claim_in_two_steps(store: Any) -> None:
    """Let claims look for messages first, and take them a moment later, whatever has become of them."""
    posts, taker = store.parts.posts, store.parts.taker
    apply, take = posts.apply, taker.take

    def applied(changes: Sequence[Change], now: int, floor: int) -> bool:
        threading.Event().wait(COMMIT_SECONDS)
        while not apply(again := _rebased(posts, changes), now, floor) and again:
            continue
        return True

    def taken(*arguments: Any) -> Any:
        posts.apply = applied
        try:
            return take(*arguments)
        finally:
            posts.apply = apply

    taker.take = taken


def _rebased(posts: Any, changes: Sequence[Change]) -> list[Change]:
    """The same changes of those messages that are still there, whoever has them by now."""
    there = {post.id: post for post in posts.among([change.post.id for change in changes], bodies=False)}
    found = []
    for post, states, _ in changes:
        if post.id in there:
            own = there[post.id].states
            marked = {place: state for place, state in states.items() if place in own and state != post.states[place]}
            found.append(Change(there[post.id], {**own, **marked}))
    return found


def look_once_at_the_clock(store: Any) -> None:
    """A clock that is compared with the engine's once."""
    ahead = store.store.now() - time.to_micros(time.now()) // 1_000
    store.store.now = lambda: time.to_micros(time.now()) // 1_000 + ahead


# -- cleaning ------------------------------------------------------------------------------------------------------------


def watch_cleaning(store: Any, parts: list[int]) -> None:
    """Tell the messages that go together: those that have expired, and those of queues that are gone."""
    keeper = store.parts.keeper

    def watched(clean: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            found = clean(*arguments)
            parts.append(found or 0)
            return found

        return call

    keeper._expired, keeper._emptied = watched(keeper._expired), watched(keeper._emptied)


# A store whose clock is ahead takes what is too young, whatever its engine.
clean_too_young = scripted.clean_too_young


def cleaned_all_at_once(store: Any) -> contextlib.AbstractContextManager[None]:
    """The block, in which more than a part goes together."""
    return _set(keeping, "_ENOUGH", 100_000)


def stored(store: Any) -> int:
    """Messages that are stored, whether anybody sees them or not."""
    return sum(len(rows.read(each).states) for each in store.store.posts.find())
