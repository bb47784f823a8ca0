"""Messages that come from another store: kept as they were, each once, found by their ids as any other."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import msgspec
import pytest

from undercroft.conformance import processes
from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging import workers
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    CLIENT,
    OTHER,
    OpenStore,
    arrival,
    at,
    bodies,
    claim,
    claimed,
    counts,
    everything,
    ids,
    items,
    listed,
    make,
    milliseconds,
    page,
    post,
    receive,
    walk,
)
from undercroft.conformance.plugin import Opener
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import numbered
from undercroft.core.errors import InvalidInput
from undercroft.messaging import (
    ClaimDoesNotExist,
    ClaimDoesNotMatch,
    DataDriverBase,
    MessageDoesNotExist,
    MessageIsClaimed,
    MessageNotClaimed,
    MessageNotClaimedBy,
)
from undercroft.messaging.models import Lease

# Of each pair that an engine may take for the same, both.
NAMES = [
    "~a", "~A", "~a ", "~ a", "~", "~~a", "~0000000000000001", "~1-1", "~'", "~%", "~\u00e9", "~e\u0301", "~\U0001f600",
    "~" + "a" * 254, "~" + "a" * 253 + "b", "~b" + "a" * 253,
]  # fmt: skip


@clause("Q47")
def test_a_message_is_as_it_was(store: DataDriverBase) -> None:
    with at(0):
        receive(store, arrival("~a", {"k": ["\U0001f600", 1]}, born=-100, ttl=600, claims=3, client=OTHER))
        found = store.message_controller.get("q", "~a")
        wanted = {"id": "~a", "ttl": 600, "age": 100, "body": {"k": ["\U0001f600", 1]}, "claim_id": None, "claim_count": 3}
        assert found == wanted
        assert everything(store) == [wanted]
        first = store.message_controller.first("q")
        assert first == {**wanted, "created": "2024-03-01T11:58:20Z"}
        assert counts(store) == (1, 0, 1)
        stats = store.queue_controller.stats("q")["messages"]
        assert stats["oldest"] == stats["newest"] == {"id": "~a", "age": 100, "created": "2024-03-01T11:58:20Z"}
    with at(500 + BEFORE):
        assert ids(everything(store)) == ["~a"]
    with at(500 + BEHIND):
        assert everything(store) == []
        assert counts(store) == (0, 0, 0)


@clause("Q47")
def test_drivers_are_told_what_a_store_is_to_receive(store: DataDriverBase) -> None:
    """A message as a driver found it has what another store needs of it."""
    with at(0):
        (own,) = post(store, "a", ttl=600, client=OTHER)
        receive(store, arrival("~b", "b", born=-100, ttl=700, claims=2))
        for found in (store.message_controller._get("q", [own, "~b"], ""), _claimed_by_driver(store)):
            assert [(one.id, one.client, one.created, one.ttl, one.expires) for one in found] == [
                (own, str(OTHER), milliseconds(0), 600, milliseconds(600)),
                ("~b", str(CLIENT), milliseconds(-100), 700, milliseconds(600)),
            ]
            assert [msgspec.json.decode(one.body) for one in found] == ["a", "b"]


def _claimed_by_driver(store: DataDriverBase) -> Any:
    made = store.claim_controller._create("q", Lease(60, 60, 10), "")
    assert made is not None
    return made[1]


@clause("Q47", "Q14")
def test_its_client_has_posted_it(store: DataDriverBase) -> None:
    with at(0):
        post(store, "own", client=CLIENT)
        receive(store, arrival("~a", "a", client=OTHER), arrival("~b", "b", client=CLIENT))
        assert bodies(page(store, client_uuid=OTHER)[0]) == ["own", "b"]
        assert bodies(page(store, client_uuid=CLIENT)[0]) == ["a"]
        assert bodies(page(store, client_uuid=CLIENT, echo=True)[0]) == ["own", "a", "b"]


@clause("Q47", "Q15")
def test_it_comes_behind_those_that_are_there(store: DataDriverBase) -> None:
    """Whatever its age; those of one call stay in their order."""
    with at(0):
        own = post(store, "a", "b")
        receive(store, arrival("~c", "c", born=-50), arrival("~d", "d", born=-100), arrival("~e", "e", born=-70))
        own += post(store, "f")
        assert ids(everything(store)) == [*own[:2], "~c", "~d", "~e", own[2]]
        for limit in (1, 2, 3, 100):
            assert walk(store, limit) == ["a", "b", "c", "d", "e", "f"]
        assert bodies(claim(store, limit=4)[1]) == ["a", "b", "c", "d"]


@clause("Q47", "Q15")
def test_its_id_is_a_marker(store: DataDriverBase) -> None:
    """Also when it is gone, and when it expired."""
    with at(0):
        post(store, "a")
        receive(store, arrival("~b", "b"), arrival("~c", "c", ttl=10), arrival("~d", "d"))
        post(store, "e")
        for marker, behind in (("~b", ["c", "d", "e"]), ("~c", ["d", "e"]), ("~d", ["e"])):
            assert bodies(page(store, marker=marker)[0]) == behind
            assert walk(store, 1, marker=marker) == behind
        store.message_controller.delete("q", "~b")
        assert bodies(page(store, marker="~b")[0]) == ["c", "d", "e"]
        assert items(store.message_controller.list("q", marker="~unknown")) == ([], "~unknown")
    with at(60):
        store.gc()
        assert bodies(page(store, marker="~c")[0]) == ["d", "e"]


@clause("Q47")
@promise("C8")
def test_it_is_received_once(store: DataDriverBase) -> None:
    with at(0):
        receive(store, arrival("~a", "a"), arrival("~b", "b"))
        receive(store, arrival("~a", "a"), arrival("~b", "b"))
        receive(store, arrival("~c", "c"), arrival("~e", "e"), arrival("~b", "b"), arrival("~c", "c"), arrival("~a", "a"))
        assert ids(everything(store)) == ["~a", "~b", "~c", "~e"]
        assert counts(store) == (4, 0, 4)
        made, _ = claimed(store, limit=2)
        receive(store, arrival("~a", "a"), arrival("~d", "d"))
        assert [(one["id"], one["claim_id"]) for one in everything(store)] == [
            ("~a", made),
            ("~b", made),
            ("~c", None),
            ("~e", None),
            ("~d", None),
        ]
        assert counts(store) == (3, 2, 5)


@clause("Q47")
@promise("C8")
@needs("claims")
@rows("how", ["deleted", "popped", "finished", "moved", "bulk"])
def test_one_that_is_gone_is_not_received_again(store: DataDriverBase, how: str) -> None:
    messages = store.message_controller
    with at(0):
        receive(store, arrival("~a", "a", ttl=600), queue=how)
        if how == "deleted":
            messages.delete(how, "~a")
        elif how == "popped":
            assert ids(messages.pop(how, 1)) == ["~a"]
        elif how == "finished":
            made, _ = claimed(store, queue=how)
            messages.delete(how, "~a", claim=made)
        elif how == "moved":
            assert messages.redrive(how, "target") == 1
        else:
            messages.bulk_delete(how, ["~a"])
        receive(store, arrival("~a", "a", ttl=600), queue=how)
        assert everything(store, how) == []
    with at(600 + BEFORE):
        store.gc()
        receive(store, arrival("~a", "a", ttl=600), arrival("~b", "b", ttl=1_000), queue=how)
        assert ids(everything(store, how)) == ["~b"]
        store.queue_controller.create(how)
        assert counts(store, how) == (1, 0, 1)


@clause("Q47", "Q12")
def test_one_that_has_expired_is_passed_over(store: DataDriverBase) -> None:
    with at(0):
        receive(store, arrival("~a", "a", born=-100, ttl=99), arrival("~b", "b", ttl=100), arrival("~c", "c", ttl=0))
        assert ids(everything(store)) == ["~b"]
        receive(store, arrival("~a", "a", born=-100, ttl=99))
        assert counts(store) == (1, 0, 1)
    with at(200):
        receive(store, arrival("~b", "b", ttl=100))
        assert everything(store) == []
        for _ in range(3):
            store.gc()
        receive(store, arrival("~b", "b", ttl=100))
        assert everything(store) == []


@clause("Q47", "Q18", "Q11")
def test_it_is_found_by_its_id(store: DataDriverBase) -> None:
    with at(0):
        (own,) = post(store, "own")
        receive(store, arrival("~a", "a"), arrival("~b", "b"))
        found = list(store.message_controller.bulk_get("q", ["~b", "~unknown", own, "~a", "~b"]))
        assert ids(found) == [own, "~a", "~b"]
        for name in ("~unknown", "~", "~A", "a", "~a ", "~\x00", "~\ud800", "~" + "a" * 5_000):
            with pytest.raises(MessageDoesNotExist):
                store.message_controller.get("q", name)
        for queue, project in (("r", None), ("q", "p")):
            with pytest.raises(MessageDoesNotExist):
                store.message_controller.get(queue, "~a", project)
            store.message_controller.delete(queue, "~a", project)
            store.message_controller.bulk_delete(queue, ["~a"], project)
        assert len(everything(store)) == 3


@clause("Q47", "Q11")
@promise("C7", "S3")
def test_ids_are_compared_exactly(store: DataDriverBase) -> None:
    with at(0):
        receive(store, *(arrival(name, name) for name in NAMES))
        assert ids(everything(store)) == NAMES
        for name in NAMES:
            assert store.message_controller.get("q", name)["body"] == name
        for name in NAMES[::2]:
            store.message_controller.delete("q", name)
        assert ids(everything(store)) == NAMES[1::2]


@clause("Q47", "Q11")
def test_an_id_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    places: list[tuple[str, str | None]] = [("q", None), ("r", None), ("q", "p"), ("Q", None)]
    with at(0):
        for queue, project in places:
            receive(store, arrival("~a", [queue, project]), queue=queue, project=project)
        store.message_controller.delete("q", "~a")
        for queue, project in places[1:]:
            assert store.message_controller.get(queue, "~a", project)["body"] == [queue, project]


@clause("Q47")
@rows("name", ["", "a", "0000000000000001", " ~a", "~" + "a" * 255, "~\x00", "~\ud800", 1, None])
def test_an_id_that_a_store_may_give_is_refused(store: DataDriverBase, name: Any) -> None:
    with pytest.raises(InvalidInput), at(0):
        receive(store, arrival("~a"), arrival(name))
    assert everything(store) == []


@clause("Q47", "Q24")
@needs("claims")
def test_deletion_goes_by_its_claim(store: DataDriverBase) -> None:
    messages, claims = store.message_controller, store.claim_controller
    with at(0):
        receive(store, arrival("~a", "a"), arrival("~b", "b"))
        made, _ = claimed(store, limit=1)
        other, _ = claimed(store, limit=1)
        with pytest.raises(MessageIsClaimed, match="~a"):
            messages.delete("q", "~a")
        with pytest.raises(MessageNotClaimedBy, match="~a"):
            messages.delete("q", "~a", claim=other)
        with pytest.raises(ClaimDoesNotExist):
            messages.delete("q", "~a", claim="~a")
        claims.delete("q", other)
        with pytest.raises(MessageNotClaimed, match="~b"):
            messages.delete("q", "~b", claim=made)
        messages.delete("q", "~a", claim=made)
        messages.delete("q", "~a", claim=made)
        messages.delete("q", "~b")
        assert everything(store) == []
        assert counts(store) == (0, 0, 0)


@clause("Q47", "Q25")
@needs("claims")
def test_bulk_deletion_goes_by_its_claims(store: DataDriverBase) -> None:
    messages = store.message_controller
    with at(0):
        receive(store, arrival("~a", "a"), arrival("~b", "b"), arrival("~c", "c"))
        (own,) = post(store, "own")
        made, _ = claimed(store, limit=1)
        other, _ = claimed(store, limit=1)
        with pytest.raises(ClaimDoesNotMatch):
            messages.bulk_delete("q", ["~a", "~b"], claim_ids=[made])
        with pytest.raises(MessageNotClaimed, match="~c"):
            messages.bulk_delete("q", ["~a", "~c"], claim_ids=[made])
        assert len(everything(store)) == 4
        messages.bulk_delete("q", ["~a", "~unknown", "~b"], claim_ids=[made, other])
        messages.bulk_delete("q", [own, "~c", "~c"])
        assert everything(store) == []
        assert counts(store) == (0, 0, 0)


@clause("Q47", "Q28", "Q30")
@needs("claims")
def test_it_is_claimed_as_any_other(store: DataDriverBase) -> None:
    claims = store.claim_controller
    with at(0):
        receive(store, arrival("~a", "a", ttl=100, claims=4))
        made, found = claimed(store, ttl=60)
        assert [(one["id"], one["claim_count"], one["claim_id"]) for one in found] == [("~a", 5, made)]
        assert ids(claims.get("q", made)[1]) == ["~a"]
        claims.delete("q", made)
        made, found = claimed(store, ttl=200, grace=60)
        assert [(one["id"], one["claim_count"], one["ttl"]) for one in found] == [("~a", 6, 260)]
        receive(store, arrival("~a", "a", ttl=100, claims=4))
    with at(150):
        receive(store, arrival("~a", "a", ttl=100, claims=4))
        assert [(one["id"], one["claim_count"]) for one in everything(store)] == [("~a", 6)]
    with at(230):
        made, found = claimed(store)
        assert [(one["id"], one["claim_count"]) for one in found] == [("~a", 7)]


@clause("Q47", "Q31", "Q27")
@needs("claims")
def test_its_claims_count_for_dead_letters(store: DataDriverBase) -> None:
    """Its id is kept there, and on the way back."""
    make(store, "q", _max_claim_count=3, _dead_letter_queue="dead")
    make(store, "dead")
    with at(0):
        (own,) = post(store, "own")
        receive(store, arrival("~a", "a", claims=3), arrival("~b", "b", claims=2))
        _, found = claimed(store)
        assert ids(found) == [own, "~b"]
        (dead,) = everything(store, "dead")
        assert (dead["id"], dead["claim_count"]) == ("~a", 3)
        assert store.message_controller.get("dead", "~a") == dead
        receive(store, arrival("~a", "a", claims=3))
        assert ids(everything(store)) == [own, "~b"]
        assert store.message_controller.redrive("dead", "q") == 1
        assert ids(everything(store)) == [own, "~b", "~a"]
        assert store.message_controller.get("q", "~a")["claim_count"] == 0
        assert everything(store, "dead") == []
        receive(store, arrival("~a", "a", claims=3))
        assert ids(everything(store)) == [own, "~b", "~a"]
        store.message_controller.delete("q", "~a")
        assert ids(everything(store)) == [own, "~b"]


@clause("Q47", "Q26")
def test_it_is_popped(store: DataDriverBase) -> None:
    with at(0):
        (own,) = post(store, "own")
        receive(store, arrival("~a", "a", claims=1), arrival("~b", "b"))
        assert [(one["id"], one["claim_count"]) for one in store.message_controller.pop("q", 2)] == [(own, 0), ("~a", 1)]
        assert ids(everything(store)) == ["~b"]


@clause("Q47")
def test_nothing_is_received(store: DataDriverBase) -> None:
    receive(store)
    assert everything(store) == []


@clause("Q47")
def test_many_are_received_at_once(store: DataDriverBase) -> None:
    many = [arrival(f"~{n}", n) for n in range(1_000)]
    with at(0):
        receive(store, *many[:500])
        receive(store, *many)
        assert listed(store) == list(range(1_000))
        assert counts(store) == (1_000, 0, 1_000)


@clause("Q47", "Q8")
def test_a_queue_that_is_deleted_forgets_them(store: DataDriverBase) -> None:
    with at(0):
        receive(store, arrival("~a", "a"))
        store.message_controller.forget("q")
        assert everything(store) == []
        with pytest.raises(MessageDoesNotExist):
            store.message_controller.get("q", "~a")
        post(store, "b")
        assert listed(store) == ["b"]


@clause("Q48")
@needs("deduplication")
def test_what_a_queue_remembers_is_known(store: DataDriverBase) -> None:
    messages = store.message_controller
    with at(0):
        assert messages.known("q", []) == {}
        assert messages.known("q", ["x"]) == {}
        (first,) = post(store, "a", dedup_id="x", ttl=100)
        (second,) = post(store, "b", dedup_id="y", ttl=200)
        post(store, "c")
        assert messages.known("q", ["x", "unknown", "y", "X", "x", ""]) == {"x": first, "y": second}
        assert messages.known("r", ["x"]) == messages.known("q", ["x"], "p") == {}
        messages.bulk_delete("q", [first, second])
        assert messages.known("q", ["x", "y"]) == {"x": first, "y": second}
        assert post(store, "again", dedup_id="x", ttl=1_000) == [first]
    with at(100 + BEHIND):
        assert messages.known("q", ["x", "y"]) == {"y": second}
        assert messages.known("q", [f"n{n}" for n in range(1_000)]) == {}


@clause("Q47")
@promise("C8")
@assumes("concurrent_writers")
def test_of_equal_receipts_at_once_one_stores(store: DataDriverBase, open_store: OpenStore) -> None:
    """In any order, and in parts: they neither wait for each other without end, nor store anything twice."""
    stores = [store, open_store(init=False)]
    make(store, "q")
    given = [arrival(f"~{n}", n) for n in range(24)]

    def work(number: int) -> None:
        order = given if number % 2 else given[::-1]
        order = order[number:] + order[:number]
        size = 1 + number * 3
        for first in range(0, len(order), size):
            receive(stores[number % 2], *order[first : first + size])

    with at(0):
        numbered(8, work)
        assert sorted(listed(store)) == list(range(24))
        assert counts(store) == (24, 0, 24)


@clause("Q47")
@promise("C2", "C8")
@assumes("concurrent_writers")
def test_two_that_receive_the_same_at_once_keep_its_order(store: DataDriverBase, open_store: OpenStore) -> None:
    """Each begins with what is not there yet, as far as it knows, and none fails."""
    stores = [store, open_store(init=False)]
    many = 300
    given = [arrival(f"~{n}", n) for n in range(many)]
    make(store, "q")
    begun = [0]

    def work(number: int) -> None:
        size = 3 + 4 * number
        while (first := max(begun)) < many:
            receive(stores[number % 2], *given[first : first + size])
            begun.append(first + size)

    with at(0):
        numbered(4, work)
        assert bodies(everything(store)) == list(range(many))
        assert counts(store) == (many, 0, many)


@clause("Q47", "Q28")
@promise("C1", "C8")
@needs("claims")
@assumes("concurrent_writers")
def test_each_is_done_once_while_it_is_received_again(store: DataDriverBase, open_store: OpenStore) -> None:
    stores = [store, open_store(init=False)]
    make(store, "q")
    many = 120
    given = [arrival(f"~{n}", n) for n in range(many)]
    done = threading.Event()
    finished: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        own, n = stores[number % 2], 0
        if number < 3:
            while not done.is_set():
                first = (n * 7 + number) % many
                n += 1
                receive(own, *given[first : first + 10])
            return
        while len(finished) < many:
            made, found = claim(own, ttl=600, limit=3)
            if made is None:
                threading.Event().wait(0.01)
                continue
            for one in found:
                own.message_controller.delete("q", one["id"], claim=made)
            with lock:
                finished.extend(bodies(found))
        done.set()

    with at(0):
        numbered(6, work)
        assert Counter(finished) == dict.fromkeys(range(many), 1)
        receive(store, *given)
        assert everything(store) == []
        assert counts(store) == (0, 0, 0)


@clause("Q47", "Q28")
@promise("C1", "C8")
@assumes("concurrent_writers")
@assumes("survives_restart")
def test_processes_that_receive_and_pop(store: DataDriverBase, open_store: Opener) -> None:
    make(store, "q", "taken")
    processes.run(workers.receive_and_pop, open_store.url, open_store.namespace)
    workers.once_each(listed(store, "taken"), workers.RECEIVED)
    assert counts(store) == (0, 0, 0)
