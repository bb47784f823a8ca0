"""Handing out: every live subscription gets every message once, wherever the process died before."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from undercroft.core.errors import Unavailable
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import spans
from undercroft.messaging.delivery.handing import AT_ONCE, Handing
from undercroft.messaging.delivery.letters import letter

QUEUE, PROJECT = "jobs", "p"


def subscribe(store: Any, uri: str, queue: str = QUEUE, project: str = PROJECT, ttl: int = 600) -> str:
    made: str = store.subscription_controller.create(queue, uri, ttl, {}, project)
    return made


def post(store: Any, *bodies: Any, queue: str = QUEUE, project: str = PROJECT, ttl: int = 600) -> list[str]:
    ids: list[str] = store.message_controller.post(queue, [{"ttl": ttl, "body": body} for body in bodies], None, project)
    return ids


def held(store: Any, subscription: str, project: str = PROJECT) -> list[Any]:
    """What a lane has: ids and bodies."""
    page = store.message_controller.list(lane(subscription), project, None, 1_000, echo=True, include_claimed=True)
    found = [letter(each) for each in next(page)]
    return [(each.message, each.body) for each in found if each is not None]


def handing(store: Any, *, requires_confirmation: bool = False) -> Handing:
    return Handing(store, requires_confirmation=requires_confirmation)


def due(store: Any) -> set[str]:
    return {each.subscribed.subscription for each in store.outbox.due(100, 1)}


def test_each_subscription_gets_each_message(store: Any):
    one, two = subscribe(store, "http://a"), subscribe(store, "http://b")
    ids = post(store, 1, "x", None, {"k": [1.5]})
    assert handing(store).step() == (4, 8)
    wanted = list(zip(ids, [b"1", b'"x"', b"null", b'{"k":[1.5]}'], strict=True))
    assert held(store, one) == held(store, two) == wanted
    assert due(store) == {one, two}
    assert store.outbox.waiting() == 0
    assert handing(store).step() == (0, 0)


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("steps", range(5))
def test_a_death_at_any_step_loses_and_doubles_nothing(store: Any, steps: int, monkeypatch: pytest.MonkeyPatch):
    one, two = subscribe(store, "http://a"), subscribe(store, "http://b")
    ids = post(store, 1, 2)
    left = [steps]

    def dying(controller: Any, name: str) -> None:
        do = getattr(controller, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if not left[0]:
                raise Died
            left[0] -= 1
            return do(*arguments, **named)

        patch.setattr(controller, name, call)

    monkeypatch.setattr(spans, "TAKEN", 0)
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(Died):
        for controller, name in ((store.message_controller, "post"), (store.outbox, "wake"), (store.outbox, "remove")):
            dying(controller, name)
        handing(store).step()
    handing(store).step()
    assert [each for each, _ in held(store, one)] == [each for each, _ in held(store, two)] == ids
    assert due(store) == {one, two}
    assert store.outbox.waiting() == 0


def test_only_those_who_agreed_where_that_is_required(store: Any):
    one, two = subscribe(store, "http://a"), subscribe(store, "http://b")
    store.subscription_controller.confirm(QUEUE, two, PROJECT)
    post(store, 1)
    assert handing(store, requires_confirmation=True).step() == (1, 1)
    assert held(store, one) == []
    assert len(held(store, two)) == 1


def test_queues_and_projects_are_apart(store: Any):
    one, two, three = subscribe(store, "http://a"), subscribe(store, "http://a", "other"), subscribe(store, "http://a", QUEUE, "q")
    post(store, 1)
    post(store, 2, queue="other")
    post(store, 3, project="q")
    assert handing(store).step() == (3, 3)
    assert [body for _, body in (*held(store, one), *held(store, two), *held(store, three, "q"))] == [b"1", b"2", b"3"]


def test_nothing_for_what_has_expired_or_was_removed(store: Any):
    one, two = subscribe(store, "http://a"), subscribe(store, "http://b")
    post(store, 1)
    post(store, 2, ttl=0)
    store.subscription_controller.delete(QUEUE, one, PROJECT)
    handing(store).step()
    assert held(store, one) == []
    assert [body for _, body in held(store, two)] == [b"1"]


def test_many_entries_take_several_steps(store: Any):
    made = subscribe(store, "http://a")
    for first in range(0, 2 * AT_ONCE, 50):
        post(store, *range(first, first + 50))
    found = handing(store)
    handed = 0
    while (step := found.step())[0]:
        assert step[0] <= AT_ONCE + 50
        handed += step[1]
    assert handed == 2 * AT_ONCE
    page = store.message_controller.list(lane(made), PROJECT, None, 1_000, echo=True)
    assert [letter(each).body for each in next(page)] == [str(n).encode() for n in range(2 * AT_ONCE)]  # type: ignore[union-attr]


def test_a_body_may_be_as_deep_as_a_post_allows(store: Any):
    made = subscribe(store, "http://a")
    body: Any = 1
    for _ in range(500):
        body = [body]
    post(store, body)
    handing(store).step()
    assert held(store, made)[0][1] == b"[" * 500 + b"1" + b"]" * 500


def test_a_message_lives_in_its_lane_as_long_as_in_its_queue(store: Any):
    made = subscribe(store, "http://a")
    post(store, 1, ttl=100)
    handing(store).step()
    (found,) = next(store.message_controller.list(lane(made), PROJECT, echo=True))
    assert 98 <= found["ttl"] <= 100
    shown = letter(found)
    assert shown is not None
    assert shown.ttl == 100
    assert abs(shown.expires - store.now() - 100_000) < 2_000


@pytest.mark.parametrize("step", ["post", "wake", "remove"])
def test_one_queue_that_fails_keeps_no_other_waiting(store: Any, step: str, monkeypatch: pytest.MonkeyPatch):
    one, two = subscribe(store, "http://a"), subscribe(store, "http://a", "other")
    post(store, 1)
    post(store, 2, queue="other")

    def failing(controller: Any, name: str) -> None:
        do = getattr(controller, name)

        def call(concerned: Any, *others: Any, **named: Any) -> Any:
            if concerned == lane(one) or any(each.queue == QUEUE for each in concerned if not isinstance(concerned, str)):
                raise Unavailable("away")
            return do(concerned, *others, **named)

        patch.setattr(controller, name, call)

    monkeypatch.setattr(spans, "TAKEN", 0)
    with pytest.MonkeyPatch.context() as patch:
        failing(store.message_controller if step == "post" else store.outbox, step)
        assert handing(store).step() == (2, 1)
        assert len(held(store, two)) == 1
        assert store.outbox.waiting() == 1
        assert two in due(store)
        with pytest.raises(Unavailable):
            handing(store).step()
    handing(store).step()
    assert len(held(store, one)) == len(held(store, two)) == 1
    assert store.outbox.waiting() == 0
