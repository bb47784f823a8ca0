"""What a mover leaves that was killed between two of its steps: counts and order are right for the next one who looks."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.messaging.pooling.conftest import Open, begin, in_pool, state
from tests.unit.messaging.pooling.test_moving import listed, post, total

pytestmark = pytest.mark.promise("D1")


class Killed(Exception):
    """A mover ends here."""


def kill(store: Any, pool: str, step: str) -> None:
    """Let a store end before a step in a pool."""

    def ends(*_: Any) -> None:
        raise Killed

    setattr(store.pools.named(pool).opened().messages, step, ends)


@pytest.mark.parametrize(("pool", "step"), [("b", "_receive"), ("a", "_bulk_delete")])
def test_what_was_being_brought_is_counted_once(store: Any, open_store: Open, pool: str, step: str) -> None:
    ids = post(store, *range(5))
    begin(store, "b")
    other = open_store()
    kill(other, pool, step)
    with pytest.raises(Killed):
        listed(other)
    found = store.queue_controller.stats("q")["messages"]
    assert (found["total"], found["oldest"]["id"], found["newest"]["id"]) == (5, ids[0], ids[-1])
    assert (in_pool(store, "a"), in_pool(store, "b")) == (0, 5)


@pytest.mark.parametrize(("pool", "step"), [("b", "_receive"), ("a", "_bulk_delete")])
def test_a_redrive_goes_on_where_it_ended(store: Any, open_store: Open, pool: str, step: str) -> None:
    post(store, *range(6))
    looker, other = open_store(), open_store()
    looker.queue_controller.create("target", {"_flavor": "b"})
    assert (listed(looker, "target"), total(looker, "target")) == ([], 0)
    kill(other, pool, step)
    with pytest.raises(Killed):
        other.message_controller.redrive("q", "target", limit=2)
    # It believes what it has read of the target before.
    assert (total(looker, "q"), total(looker, "target")) == (4, 2)
    assert (listed(looker, "q"), listed(looker, "target")) == ([2, 3, 4, 5], [0, 1])
    assert [store.message_controller.redrive("q", "target", limit=3) for _ in range(3)] == [3, 1, 0]
    assert listed(looker, "target") == list(range(6))
    assert (total(looker, "q"), total(looker, "target")) == (0, 6)
    assert state(store, "target").sources == ("a",)
