"""Posts under a key, whose answer is made before it is known which ids the messages will have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from undercroft.conformance.messaging.data import CLIENT, counts, everything, ids, listed, message, post
from undercroft.conformance.once import RECEIPT
from undercroft.core.errors import Conflict
from undercroft.messaging.drivers.redis import DataDriver


@pytest.mark.parametrize("busy", [1, 2, 3, 50])
def test_others_post_while_the_answer_is_made(store: DataDriver, connect: Callable[[], DataDriver], busy: int) -> None:
    """However many do, it comes to an end."""
    other = connect()
    made: list[Sequence[str]] = []

    def answer(names: Sequence[str]) -> bytes:
        if len(made) < busy:
            post(other, "other")
        made.append(names)
        return ",".join(names).encode()

    def once(digest: str = "digest") -> str:
        receipt = RECEIPT._replace(digest=digest)
        given = [message("a"), message("b")]
        return store.message_controller.post_once("q", given, CLIENT, receipt=receipt, answer=answer).decode()

    first = once()
    assert len(made) < 6
    assert first.split(",") == [name for name, body in zip(ids(everything(store)), listed(store), strict=True) if body != "other"]
    before = counts(store)
    busy = 0
    assert once() == first
    assert counts(store) == before
    with pytest.raises(Conflict):
        once("else")
