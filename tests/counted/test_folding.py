"""Sums by series are put off, but not for long: what waits is bounded, however short the lives of those who push."""

from __future__ import annotations

from typing import Any

import pytest

from tests.counted.usage import RESOURCES, frames
from undercroft.conformance.plugin import Opener

FOLD_AT = 5 * RESOURCES
PERIODS = 30


def waiting(store: Any) -> int:
    return int(store._db.read(lambda c: c.execute(store._folder.waiting()).scalar()) or 0)


@pytest.mark.parametrize("lives", ["one object", "an object a push"])
def test_what_waits_is_bounded(opener: Opener, lives: str) -> None:
    store: Any = opener(fold_at=FOLD_AT)
    most = 0
    for number, frame in enumerate(frames(PERIODS), start=1):
        store.push([frame])
        most = max(most, waiting(store))
        if lives != "one object" and number < PERIODS:
            opener.close(store)
            store = opener(init=False, fold_at=FOLD_AT)
    # The newest period is left alone, because more is likely to come to it.
    assert RESOURCES <= waiting(store) < most <= FOLD_AT + RESOURCES
    left = waiting(store)
    assert store.maintain() == left
    assert (waiting(store), store.maintain()) == (0, 0)
