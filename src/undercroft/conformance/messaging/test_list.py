"""Lists of messages: pages, markers, and what is left out."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest

from undercroft.conformance.markers import assumes, clause, needs, promise
from undercroft.conformance.messaging.data import (
    BEFORE,
    BEHIND,
    CLIENT,
    MALFORMED,
    OTHER,
    OpenStore,
    at,
    bodies,
    claimed,
    everything,
    ids,
    items,
    listed,
    make,
    page,
    post,
    walk,
)
from undercroft.conformance.rows import rows
from undercroft.conformance.threads import together
from undercroft.core.errors import InvalidInput
from undercroft.messaging import DataDriverBase


@clause("Q13")
def test_a_page_is_messages_and_a_marker(store: DataDriverBase) -> None:
    posted = post(store, *range(12))
    pages = store.message_controller.list("q")
    found = list(next(pages))
    marker = next(pages)
    assert bodies(found) == list(range(10))
    assert ids(found) == posted[:10]
    assert isinstance(marker, str)
    assert marker
    with pytest.raises(StopIteration):
        next(pages)
    found, last = page(store, marker=marker)
    assert bodies(found) == [10, 11]
    assert page(store, marker=last) == ([], last)


@clause("Q13")
def test_the_marker_of_an_empty_page_is_the_one_that_was_given(store: DataDriverBase) -> None:
    for queue in ("unknown", "empty"):
        if queue == "empty":
            make(store, queue)
        assert page(store, queue) == page(store, queue, marker=None) == page(store, queue, marker="") == ([], "")
    post(store, "a")
    _, marker = page(store)
    for _ in range(3):
        found, marker = page(store, marker=marker)
        assert found == []
    post(store, "b")
    assert bodies(page(store, marker=marker)[0]) == ["b"]


@clause("Q13", "Q11")
@promise("S3")
@rows("marker", MALFORMED)
def test_nothing_is_behind_a_malformed_marker(store: DataDriverBase, marker: str) -> None:
    if not everything(store):
        post(store, "a", "b")
    assert page(store, marker=marker) == ([], marker)


@clause("Q15")
@promise("C4")
@assumes("fifo")
def test_any_limit_sees_every_message_once(store: DataDriverBase) -> None:
    for count in (1, 2, 3, 1, 7, 20, 3):
        post(store, *range(count))
    wanted = bodies(everything(store))
    assert len(wanted) == 37
    for limit in (1, 2, 3, 5, 36, 37, 38, 10_000):
        assert walk(store, limit) == wanted


@clause("Q15")
@promise("C4")
@needs("claims")
@rows("how", ["deleted", "claimed", "expired", "popped", "moved"])
def test_a_marker_marks_the_same_place_when_its_message_is_gone(store: DataDriverBase, how: str) -> None:
    queue, messages = how, store.message_controller
    with at(0):
        posted = post(store, "a", "b", queue=queue) + post(store, "c", ttl=30, queue=queue) + post(store, "d", "e", queue=queue)
        markers = [page(store, queue, limit=n)[1] for n in range(1, 6)]
    with at(20 if how != "expired" else 40):
        if how == "deleted":
            messages.bulk_delete(queue, posted[1:3])
        elif how == "claimed":
            claimed(store, limit=3, queue=queue)
        elif how == "popped":
            messages.pop(queue, 3)
        elif how == "moved":
            messages.redrive(queue, "target", limit=3)
        left = [name for name, body in zip(posted, "abcde", strict=True) if body in listed(store, queue)]
        for place, (name, marker) in enumerate(zip(posted, markers, strict=True)):
            wanted = [one for one in left if posted.index(one) > place]
            for given in (marker, name):
                assert ids(page(store, queue, marker=given)[0]) == wanted
                assert ids(page(store, queue, marker=given, limit=1)[0]) == wanted[:1]


@clause("Q15")
def test_a_message_id_is_a_marker(store: DataDriverBase) -> None:
    posted = post(store, *range(6))
    for n, name in enumerate(posted):
        assert bodies(page(store, marker=name)[0]) == list(range(n + 1, 6))
        assert bodies(page(store, marker=name, limit=2)[0]) == list(range(n + 1, 6))[:2]
    other = post(store, "other", queue="r")
    assert listed(store, "r") == ["other"]
    assert page(store, "r", marker=other[0])[0] == []


@clause("Q15")
@promise("C4")
def test_what_is_posted_later_is_behind_the_last_marker(store: DataDriverBase) -> None:
    marker, seen = "", []
    for n in range(10):
        with at(0 if n % 2 else n):
            post(store, *range(n % 3))
            post(store, "elsewhere", queue="r")
            found, marker = page(store, marker=marker, limit=5)
            seen.append(len(found))
            assert page(store, marker=marker)[0] == []
    assert seen == [n % 3 for n in range(10)]


@clause("Q14")
def test_echo_is_of_the_client(store: DataDriverBase) -> None:
    for n in range(6):
        post(store, n, client=CLIENT if n % 2 else OTHER)
    assert listed(store) == listed(store, client_uuid=CLIENT, echo=True) == list(range(6))
    assert listed(store, client_uuid=CLIENT) == listed(store, client_uuid=str(CLIENT), echo=False) == [0, 2, 4]
    assert listed(store, client_uuid=OTHER) == [1, 3, 5]
    assert listed(store, client_uuid="somebody else") == list(range(6))
    assert walk(store, 1, client_uuid=CLIENT) == walk(store, 2, client_uuid=CLIENT) == [0, 2, 4]


@clause("Q14", "Q15")
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_any_limit_passes_over_what_is_left_out(store: DataDriverBase, limit: int) -> None:
    """However many one client has between those of others."""
    make(store, "q")
    wanted = []
    for others, own in ((0, 40), (2, 1), (5, 0), (1, 150), (9, 3)):
        wanted += [["other", own, n] for n in range(others)]
        if others:
            post(store, *wanted[-others:], client=OTHER)
        if own:
            post(store, *range(own))
    assert walk(store, limit, client_uuid=CLIENT) == wanted


@clause("Q14")
def test_a_post_without_a_client_is_everybodys(store: DataDriverBase) -> None:
    store.message_controller.post("q", [{"ttl": 60, "body": "a"}], None)
    assert listed(store) == listed(store, client_uuid=CLIENT) == listed(store, client_uuid=None) == ["a"]


@clause("Q14", "Q28")
@needs("claims")
def test_claimed_messages_are_left_out_until_the_claim_is_over(store: DataDriverBase) -> None:
    with at(0):
        post(store, *range(6))
        made, _ = claimed(store, ttl=30, limit=3)
        assert listed(store) == [3, 4, 5]
        found = everything(store)
        assert bodies(found) == list(range(6))
        assert [one["claim_id"] for one in found] == [made] * 3 + [None] * 3
        assert [one["claim_count"] for one in found] == [1] * 3 + [0] * 3
    with at(30 + BEFORE):
        assert listed(store) == [3, 4, 5]
    with at(30 + BEHIND):
        assert listed(store) == list(range(6))
        assert [one["claim_id"] for one in everything(store)] == [None] * 6
        assert [one["claim_count"] for one in everything(store)] == [1] * 3 + [0] * 3


@clause("Q14", "Q19")
def test_delayed_messages_are_left_out_until_then(store: DataDriverBase) -> None:
    with at(0):
        post(store, "a", delay=30)
        post(store, "b")
        post(store, "c", delay=60)
        assert listed(store) == ["b"]
        assert listed(store, include_delayed=True) == ["a", "b", "c"]
        assert listed(store, include_claimed=True) == ["b"]
    with at(30 + BEFORE):
        assert listed(store) == ["b"]
    with at(30 + BEHIND):
        assert listed(store) == ["a", "b"]
        assert listed(store, include_delayed=True) == ["a", "b", "c"]
    with at(60 + BEHIND):
        assert listed(store) == ["a", "b", "c"]


@clause("Q14")
@needs("claims")
def test_all_is_left_out_before_the_limit(store: DataDriverBase) -> None:
    with at(0):
        post(store, *range(20))
        claimed(store, limit=20, ttl=600)
        post(store, *range(20, 40), delay=600)
        post(store, *range(40, 60), client=OTHER)
        post(store, *range(60, 80), ttl=10)
        post(store, *range(80, 90))
    with at(20):
        given: list[tuple[dict[str, Any], list[int]]] = [
            ({"client_uuid": OTHER}, [*range(80, 90)]),
            ({"client_uuid": OTHER, "include_claimed": True}, [*range(20), *range(80, 90)]),
            ({"client_uuid": OTHER, "include_delayed": True}, [*range(20, 40), *range(80, 90)]),
            ({"client_uuid": CLIENT}, [*range(40, 60)]),
            ({}, [*range(40, 60), *range(80, 90)]),
            ({"include_claimed": True, "include_delayed": True}, [*range(60), *range(80, 90)]),
        ]
        for asked, wanted in given:
            for limit in (1, 3, 7, 100):
                assert walk(store, limit, **asked) == wanted
            found, _ = page(store, limit=3, **asked)
            assert bodies(found) == wanted[:3]


@clause("Q12", "Q15")
def test_expired_messages_are_in_no_page(store: DataDriverBase) -> None:
    with at(0):
        for n in range(40):
            post(store, n, ttl=10 if n % 4 else 100)
        found, marker = page(store, limit=3)
        assert bodies(found) == [0, 1, 2]
    with at(11):
        for limit in (1, 2, 10):
            assert walk(store, limit, marker=marker) == list(range(4, 40, 4))


@clause("Q11", "Q13")
def test_a_list_is_of_its_queue_and_project(store: DataDriverBase) -> None:
    for project in (None, "p"):
        for queue in ("q", "r"):
            post(store, f"{queue} {project}", queue=queue, project=project)
    for project in (None, "p"):
        for queue in ("q", "r"):
            assert listed(store, queue, project=project) == [f"{queue} {project}"]
            assert walk(store, 1, queue, project=project) == [f"{queue} {project}"]


@clause("Q13")
@rows("limit", [0, -1, 10_001, 1.5, "5", True, None])
def test_limits_that_are_refused(store: DataDriverBase, limit: Any) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        items(store.message_controller.list("q", limit=limit))


@clause("Q15")
@promise("C4")
@needs("claims")
def test_a_reader_while_messages_come_and_go(store: DataDriverBase) -> None:
    """What is neither claimed nor deleted nor expired is seen once, whatever happens between two pages."""
    draw, seen, stays, marker = random.Random(7), [], [], ""
    messages = store.message_controller
    for n in range(120):
        with at(n):
            (name,) = post(store, n, ttl=draw.choice([3, 10_000, 10_000]))
            if everything(store)[-1]["ttl"] == 10_000:
                stays.append(n)
            if draw.random() < 0.3:
                found, marker = page(store, limit=draw.randint(1, 9), marker=marker, include_claimed=True)
                seen += bodies(found)
            if draw.random() < 0.2:
                made, _ = claimed(store, ttl=2, limit=5)
                if draw.random() < 0.5:
                    store.claim_controller.delete("q", made)
            if draw.random() < 0.2:
                messages.delete("q", name)
                stays = [one for one in stays if one != n]
    with at(130):
        seen += walk(store, 7, marker=marker, include_claimed=True)
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen)
    assert set(stays) <= set(seen)


@clause("Q16", "Q20")
@promise("C4")
@assumes("concurrent_writers")
@needs("claims")
def test_what_a_post_stored_is_on_the_next_list_and_claim(store: DataDriverBase, open_store: OpenStore) -> None:
    """Seen by every client: successive posts to one queue, beside posts to another queue."""
    other, done = open_store(init=False), threading.Event()

    def elsewhere() -> None:
        while not done.is_set():
            post(other, "x", queue="elsewhere")

    def own() -> None:
        try:
            for n in range(30):
                (name,) = post(store if n % 2 else other, n)
                for each in (store, other):
                    assert listed(each)[-1:] == [n]
                    assert each.message_controller.get("q", name)["body"] == n
                    made, found = claimed(each, limit=100)
                    assert bodies(found)[-1] == n
                    each.claim_controller.delete("q", made)
                if n % 3 == 0:
                    assert bodies(store.message_controller.pop("q", 100))[-1:] == [n]
                    post(store, "again")
        finally:
            done.set()

    together(elsewhere, own)
