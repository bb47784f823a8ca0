"""What only the driver of messages for MongoDB has: what is left half done by a process that dies, or by one that is slow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest
from bson.int64 import Int64

from undercroft.conformance.limits import within
from undercroft.conformance.messaging.data import (
    BEHIND,
    at,
    bodies,
    claim,
    claimed,
    counts,
    everything,
    listed,
    make,
    message,
    page,
    post,
)
from undercroft.core.errors import InvalidInput, OutcomeUnknown, Unavailable
from undercroft.core.findings import Level
from undercroft.core.receipt import Receipt
from undercroft.messaging.drivers.mongodb import rows

SCHEMES = ("mongodb:",)


@dataclasses.dataclass
class Number:
    """A number that was given out, whose post is not stored yet."""

    store: Any
    lane: Any

    def arrive(self, body: bytes) -> bool:
        """Store the post; whether it could be."""
        now = self.store.now()
        state = rows.State(3_600, now + 3_600_000, 0, "", 0, "", now, "", "")
        made = rows.made(self.lane.inc, self.lane.last, "", now, {0: state}, {0: body})
        return bool(self.store.store.parts.posts.insert(made))


def number(store: Any) -> Number:
    return Number(store, store.store.numbered("", "q"))


def documents(store: Any) -> int:
    return int(store.store.posts.count_documents({}))


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Lets a method fail, as if the process had died there."""

    def never(*_: Any, **__: Any) -> None:
        raise OutcomeUnknown("the process has died")

    return lambda target, name: monkeypatch.setattr(target, name, never)


def before_bodies_are_read(store: Any, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let another process act once, after a post was found and before its bodies are read."""
    posts = store.store.parts.posts
    real = posts.bodies

    def bodies(post: Any, places: Any) -> Any:
        monkeypatch.setattr(posts, "bodies", real)
        act()
        return real(post, places)

    monkeypatch.setattr(posts, "bodies", bodies)


# -- order ---------------------------------------------------------------------------------------------------------


def test_a_reader_ends_before_what_is_being_stored(store):
    post(store, "a")
    late = number(store)
    post(store, "c")
    began = time.monotonic()
    found, marker = page(store)
    within(time.monotonic() - began, 5)
    assert bodies(found) == ["a"]
    # Who claims need not wait: that post has not returned.
    assert bodies(claimed(store)[1]) == ["a", "c"]
    assert late.arrive(b'"b"')
    assert listed(store, marker=marker, include_claimed=True) == ["b", "c"]


def test_a_number_whose_poster_died_is_given_up(store):
    with at(0):
        late = number(store)
        post(store, "b")
        assert listed(store) == []
    with at(4.9):
        assert listed(store) == []
    with at(5 + BEHIND):
        assert listed(store) == ["b"]
        assert late.arrive(b'"a"') is False
        assert listed(store) == ["b"]


def test_a_poster_that_comes_late_takes_another_number(store, monkeypatch):
    with at(0):
        stale = number(store).lane
        post(store, "b", dedup_id="b")
    with at(6):
        _, marker = page(store)
        real = store.store.numbered
        given = iter([stale])
        monkeypatch.setattr(store.store, "numbered", lambda *key: next(given, None) or real(*key))
        (name,) = post(store, "a", dedup_id="a")
        assert listed(store, marker=marker) == ["a"]
        assert store.message_controller.get("q", name)["body"] == "a"
        assert post(store, "a", dedup_id="a") == [name]


def test_an_answer_that_fails_takes_the_number_back(store):
    def fail(_: Any) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.message_controller.post_once("q", [message("a")], None, receipt=Receipt("k", "d", b""), answer=fail)
    post(store, "b")
    assert listed(store) == ["b"]


def test_what_is_gone_leaves_nothing(store):
    """The documents of posts that are read go soon, without anybody who cleans."""
    for n in range(300):
        (name,) = post(store, n)
        store.message_controller.delete("q", name)
    assert documents(store) < 130
    assert listed(store) == []
    store.clean()
    assert documents(store) == 0
    post(store, "more")
    assert listed(store) == ["more"]


# -- posts ---------------------------------------------------------------------------------------------------------


def test_bodies_of_large_posts_are_read_where_they_are_wanted(store):
    posted = post(store, *range(100))
    (kept,) = store.store.posts.find({})
    assert len(kept["B"]) == 100
    assert "b" not in kept
    assert bodies(claimed(store, limit=3)[1]) == [0, 1, 2]
    assert bodies(store.message_controller.pop("q", 2)) == [3, 4]
    assert store.message_controller.first("q", sort=-1)["body"] == 99
    assert bodies(store.message_controller.bulk_get("q", [posted[50], posted[7]])) == [7, 50]
    (kept,) = store.store.posts.find({})
    assert len(kept["B"]) == len(kept["m"]) == 98


def test_a_post_that_no_document_holds_is_refused(store):
    with pytest.raises(InvalidInput, match="messages: take about"):
        post(store, *["x" * 2**20] * 17)
    post(store, "a")
    assert listed(store) == ["a"]


def test_receipts_outlive_their_queue(store):
    def once() -> bytes:
        return bytes(
            store.message_controller.post_once(
                "q", [message("a")], None, receipt=Receipt("k", "d", b""), answer=lambda ids: ids[0].encode()
            )
        )

    first = once()
    store.queue_controller.delete("q")
    while store.clean():
        pass
    assert documents(store) == 1
    assert [one.check for one in store.diagnose(verify=True) if one.level is Level.ERROR] == []
    assert once() == first
    assert everything(store) == []


# -- claims --------------------------------------------------------------------------------------------------------


def test_the_claims_document_has_the_last_word(store):
    """A process renews a claim, and dies before the messages know."""
    with at(0):
        post(store, "a", "b")
        made, _ = claimed(store, ttl=60)
        store.store.claims.update_one({"_id": made}, {"$set": {"ends": Int64(store.now() + 120_000)}})
    with at(60 + BEHIND):
        assert claim(store) == (None, [])
        assert store.claim_controller.get("q", made)[0]["id"] == made
    with at(120 + BEHIND):
        assert bodies(claimed(store)[1]) == ["a", "b"]
        assert store.store.claims.count_documents({"_id": made}) == 0


def test_a_pop_that_dies_has_removed_the_first_posts_and_holds_nothing(store, fails, monkeypatch):
    with at(0):
        for each in "abc":
            post(store, each)
        posts, calls = store.store.parts.posts, []
        apply = posts.apply

        def second_is_not_known(changes, *more):
            calls.append(changes)
            if len(calls) == 2:
                raise OutcomeUnknown("broken off")
            return apply(changes, *more)

        monkeypatch.setattr(posts, "apply", second_is_not_known)
        with pytest.raises(OutcomeUnknown):
            store.message_controller.pop("q", 3)
        monkeypatch.undo()
        assert listed(store) == ["b", "c"]
        assert [each["claim_id"] for each in everything(store)] == [None, None]
        assert bodies(store.message_controller.pop("q", 5)) == ["b", "c"]


def test_a_pop_that_cannot_go_on_tells_what_it_has_removed(store, monkeypatch):
    with at(0):
        for each in "abc":
            post(store, each)
        posts = store.store.parts.posts
        stored = posts.stored

        def only_the_first(found, now):
            if found[0][0].number > 1:
                raise Unavailable("no answer")
            return stored(found, now)

        monkeypatch.setattr(posts, "stored", only_the_first)
        assert bodies(store.message_controller.pop("q", 3)) == ["a"]
        monkeypatch.undo()
        assert listed(store) == ["b", "c"]


def test_a_claim_whose_messages_cannot_be_read_may_be_made(store, monkeypatch):
    with at(0):
        post(store, "a")

        def broken(*_):
            raise Unavailable("no answer")

        monkeypatch.setattr(store.store.parts.posts, "stored", broken)
        with pytest.raises(OutcomeUnknown):
            store.claim_controller.create("q", {"ttl": 60, "grace": 60})
        monkeypatch.undo()
        assert counts(store) == (0, 1, 1)


def test_a_release_that_dies_leaves_no_message_under_a_claim_that_is_gone(store, fails, monkeypatch):
    with at(0):
        post(store, "a", "b")
        made, _ = claimed(store)
        fails(store.claim_controller, "_end")
        with pytest.raises(OutcomeUnknown):
            store.claim_controller.delete("q", made)
        monkeypatch.undo()
        assert counts(store) == (2, 0, 2)


# -- moves ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["send", "_receive", "_depart"])
def test_a_move_that_was_left_is_gone_on_with(store, fails, monkeypatch, step):
    with at(0):
        make(store, "q", "r")
        post(store, *range(5))
        fails(store.store.parts.mover, step)
        with pytest.raises(OutcomeUnknown):
            store.message_controller.redrive("q", "r", limit=3)
        monkeypatch.undo()
        assert listed(store) == [3, 4]
        assert counts(store) == (2, 0, 2)
        store.clean()
        assert listed(store, "r") == ([0, 1, 2] if step == "_depart" else [])
    with at(6):
        store.clean()
        assert listed(store, "r") == [0, 1, 2]
        assert listed(store) == [3, 4]
        assert counts(store, "r") == (3, 0, 3)
        store.clean()
        assert store.store.moves.count_documents({}) == 1
    with at(3_601):
        store.clean()
        assert store.store.moves.count_documents({}) == 0


@pytest.mark.parametrize("count", [rows.SMALL, rows.SMALL + 1])
def test_a_move_may_be_gone_on_with_by_two_at_once(store, fails, monkeypatch, count):
    with at(0):
        make(store, "q", "r")
        store.message_controller.post("q", [message(body) for body in range(count)], None)
        fails(store.store.parts.mover, "send")
        with pytest.raises(OutcomeUnknown):
            store.message_controller.redrive("q", "r", limit=count)
        monkeypatch.undo()
    mover = store.store.parts.mover
    before_bodies_are_read(store, monkeypatch, lambda: mover.resume({}))
    with at(6):
        mover.resume({})
    with at(6 + BEHIND + 5):
        assert (listed(store), listed(store, "r")) == ([], list(range(count)))
        assert counts(store, "r") == (count, 0, count)


def test_a_queue_that_is_deleted_lets_its_moves_arrive(store, fails, monkeypatch):
    post(store, *range(3))
    fails(store.store.parts.mover, "send")
    with pytest.raises(OutcomeUnknown):
        store.message_controller.redrive("q", "r", limit=2)
    monkeypatch.undo()
    store.queue_controller.delete("q")
    assert listed(store, "r") == [0, 1]
    assert everything(store) == []


# -- the outbox ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [rows.SMALL, rows.SMALL + 1])
def test_entries_that_were_finished_in_between_are_not_given_out(store, monkeypatch, count):
    with at(0):
        make(store, "q")
        store.subscription_controller.create("q", "http://127.0.0.1:9/", 3_600, {})
        names = store.message_controller.post("q", [message(body) for body in range(count)], None)
        taken = store.outbox.take(count, 1)
        store.message_controller.bulk_delete("q", names)
    before_bodies_are_read(store, monkeypatch, lambda: store.outbox.remove(taken[1:]))
    with at(2):
        found = store.outbox.take(count, 1)
    assert found[0].id == names[0]
    # What is read with the post is sent again; a receiver knows it by its id.
    assert len(found) == (1 if count > rows.SMALL else count)


# -- the store -----------------------------------------------------------------------------------------------------


def test_indexes_that_are_missing_are_named(store):
    assert store.check() == []
    store.store.drop()
    (told,) = store.check()
    assert "post_tokens" in told
    assert "undercroft db upgrade" in told
    assert store.schema_version()[0] is None
    store.init()
    assert store.check() == []
