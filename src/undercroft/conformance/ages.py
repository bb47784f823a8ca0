"""How old what a store holds may become, for the suites' tests of expiry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Seconds that end before, between and behind items that are a hundred seconds apart.
AGES = [0.5, 100, 100.000001, 250, 10_000]
# How many go of items that are years, 900, 90 and 30 seconds old, and of one that is of the future.
GONE: list[tuple[float, int]] = [(0.5, 4), (1_000.5, 1), (1e12, 0), (1e300, 0), (float("inf"), 0), (-60, 4), (10**400, 0)]
NOT_AGES: list[Any] = ["soon", None, float("nan"), {}]


def foretold(store: Any, clear: Callable[[float], int], age: float) -> None:
    """Of six items, those go that the store says will go."""
    before = store.expiry(age)
    assert before is not None
    share = store.expired(before)
    assert share.whole == 6
    assert store.expired(before, 1).part == min(1, share.part)
    assert clear(age) == share.part
    assert store.expired(before).part == 0
    assert store.expiry(0) is store.expiry(-1) is None
