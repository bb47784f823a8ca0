"""A mover that is slower than those who post: their posts follow all the same, once all is brought that was there before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.messaging.pooling.conftest import Open, begin, finish, in_pool, state, until
from tests.unit.messaging.pooling.test_moving import listed, post

pytestmark = pytest.mark.promise("D1")


def test_posts_follow_although_the_old_pool_is_never_empty(store: Any, open_store: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    post(store, *range(3))
    begin(store, "b")
    slow = open_store()
    many = 1_000
    with monkeypatch.context() as patched:
        # As many as before come while it brings some.
        patched.setattr(slow.mover, "bring_all", lambda *_: many)
        patched.setattr(slow.mover, "bring", lambda *_: many)
        slow.rebalance()
        assert state(store).posts == 0
        assert listed(store) == [0, 1, 2]
        post(store, 3, 4)
        slow.rebalance()
        assert state(store).posts > 0
    until(lambda: store.now() >= state(store).posts)
    # Who posts brings what is there before.
    post(open_store(), 5)
    assert (in_pool(store, "a"), in_pool(store, "b")) == (0, 6)
    finish(store, "b")
    assert listed(store) == list(range(6))
