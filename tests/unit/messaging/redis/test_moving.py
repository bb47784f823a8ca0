"""Messages on their way to another queue, left there by a process that died: they arrive, once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from undercroft.conformance.messaging.data import at, bodies, claim, claimed, counts, everything, ids, listed, make, post
from undercroft.core.errors import Unavailable
from undercroft.core.findings import Level
from undercroft.messaging.drivers.redis import DataDriver, claims, moving

ROOM = 2**20
Leave = Callable[[DataDriver], list[bytes]]


def in_order(waiting: list[bytes]) -> list[bytes]:
    """What is sent of the messages on their way: of place, queue, and that, each."""
    assert waiting
    return [sent for _, sent in sorted(zip(waiting[::3], waiting[2::3], strict=True))]


def redrive(store: DataDriver) -> list[bytes]:
    """The first step of a redrive to the queue `dead`; what it sends."""
    _, count, _, waiting = store.store.redis.run(moving.REDRIVE, store.store.base("", "q"), store.now(), "dead", 100, ROOM)
    assert count
    return in_order(waiting)


def wear_out(store: DataDriver) -> list[bytes]:
    """The first step of a claim that finds dead letters only; what it sends."""
    *_, waiting = store.store.redis.run(claims.CLAIM, store.store.base("", "q"), store.now(), 60, 60, 10)
    return in_order(waiting)


@pytest.fixture
def posted(store: DataDriver) -> list[str]:
    """Messages that a claim makes dead letters of."""
    make(store, "q", _max_claim_count=1, _dead_letter_queue="dead")
    found = post(store, *range(5))
    made, _ = claimed(store)
    store.claim_controller.delete("q", made)
    return found


WAYS = pytest.mark.parametrize("leave", [redrive, wear_out])
FINDERS: dict[str, Callable[[DataDriver], object]] = {
    "claim": claim,
    "clean": DataDriver.clean,
    "redrive": lambda store: store.message_controller.redrive("q", "dead"),
    "deletion": lambda store: store.queue_controller.delete("q"),
}


@WAYS
@pytest.mark.parametrize("finder", FINDERS)
def test_what_a_process_left_on_its_way_arrives(
    store: DataDriver, connect: Callable[[], DataDriver], posted: list[str], leave: Leave, finder: str
) -> None:
    leave(store)
    assert everything(store) == everything(store, "dead") == []
    assert [each.level for each in store.diagnose() if each.check == "moved messages"] == [Level.WARNING]
    FINDERS[finder](connect())
    assert ids(everything(store, "dead")) == posted
    assert counts(store, "dead") == (5, 0, 5)
    assert all(each.level is not Level.ERROR and each.check != "moved messages" for each in store.diagnose(verify=True))


@WAYS
def test_what_had_arrived_does_not_arrive_again(store: DataDriver, posted: list[str], leave: Leave) -> None:
    sent = leave(store)
    store.store.mover._receive("dead", "", sent)
    assert claim(store) == (None, [])
    assert ids(everything(store, "dead")) == posted
    store.message_controller.bulk_delete("dead", posted)
    # A sender that was held up.
    store.store.mover._receive("dead", "", sent)
    assert everything(store, "dead") == []


def test_what_has_gone_back_does_not_arrive_again(store: DataDriver, posted: list[str]) -> None:
    first = redrive(store)
    claim(store)
    assert store.message_controller.redrive("dead", "q") == 5
    store.store.mover._receive("dead", "", first)
    assert everything(store, "dead") == []
    assert ids(everything(store)) == posted
    redrive(store)
    claim(store)
    assert ids(everything(store, "dead")) == posted
    assert everything(store) == []


def test_what_expires_on_its_way_does_not_arrive(store: DataDriver) -> None:
    with at(0):
        make(store, "q", "dead")
        post(store, "a", ttl=50)
        redrive(store)
    with at(60):
        store.clean()
        assert everything(store, "dead") == []
        assert claim(store) == (None, [])
        assert all(each.check != "moved messages" for each in store.diagnose())


def test_a_queue_that_is_its_own_queue_of_dead_letters(store: DataDriver) -> None:
    make(store, "q", _max_claim_count=1, _dead_letter_queue="q")
    posted = post(store, *range(3))
    made, _ = claimed(store, limit=2)
    store.claim_controller.delete("q", made)
    _, found = claimed(store, limit=3)
    assert bodies(found) == [2]
    assert listed(store) == [0, 1]
    store.message_controller.bulk_delete("q", posted)
    assert everything(store) == []


def test_a_redrive_of_large_messages_is_sent_in_parts(store: DataDriver) -> None:
    text = "x" * 250_000
    posted = [name for n in range(6) for name in post(store, *[[n, k, text] for k in range(8)])]
    assert store.message_controller.redrive("q", "other", limit=40) == 40
    assert ids(everything(store, "other")) == posted[:40]
    assert ids(everything(store)) == posted[40:]


def test_a_claim_has_its_messages_although_dead_letters_cannot_go_on(store: DataDriver, posted: list[str]) -> None:
    """The server of the other queue may not answer; here it has something else in the place of the queue."""
    fresh = post(store, "a")
    base = store.store.base("", "dead")
    store.store.redis.command(base, "SET", f"{base}:queue", "x", writes=True)
    made, found = claimed(store)
    assert ids(found) == fresh
    store.claim_controller.delete("q", made)
    with pytest.raises(Unavailable):
        claim(store)
    store.store.redis.command(base, "DEL", f"{base}:queue", writes=True)
    claim(store)
    assert ids(everything(store, "dead")) == [*posted, *fresh]
