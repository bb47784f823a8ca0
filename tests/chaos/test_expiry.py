"""Random walks in which items expire by a clock of their own: what is still valid stays, and no more goes than was asked for."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis.stateful import invariant

from tests.chaos.workloads import WORKLOADS
from undercroft.conformance.plugin import Opener
from undercroft.conformance.stateful import walk
from undercroft.core.time import from_micros

EXPIRING = {kind: work.expiring for kind, work in WORKLOADS.items() if work.expiring is not None}
pytestmark = [pytest.mark.kind(*EXPIRING), pytest.mark.promise("C5"), pytest.mark.timeout(7200)]
# Of one walk.
STEPS = 50
# Limit for walks over a twin, which stop when the twin is caught. In 48 walks this took 108 to 1,334 steps, and 640 on average
# for the twin that is hardest to catch. A limit of 2,000 steps would miss that one in about 4 % of the runs.
TWIN_STEPS = 20_000
# Seconds after which no more walks begin: there are engines that take a second for a step.
LONGEST = 1_200
HOUR = 3_600_000_000
Expire = Callable[[int, int | None], int]


@dataclasses.dataclass
class Watched(Opener):
    """Opens stores whose expiries are counted; those of a twin expire something else."""

    twin: Callable[[Any, Expire], Expire] | None = None
    expired: int = 0

    def __call__(self, **options: Any) -> Any:
        store = super().__call__(**options)
        store.kind_of_walk = self.target.kind
        expire: Expire = store._expire if self.twin is None else self.twin(store, store._expire)

        def counted(before: int, count: int | None) -> int:
            deleted = expire(before, count)
            self.expired += deleted
            return deleted

        store._expire = counted
        return store


def walked(opener: Watched, seed: int, steps: int) -> dict[str, int]:
    """Walk until so many steps are done, and something has expired: a few walks may pass without."""

    class Walker(EXPIRING[opener.target.kind].machine):  # type: ignore[misc]
        steps = 0

        @invariant()
        def count(self) -> None:
            Walker.steps += 1

    rng = random.Random(seed)
    end = time.monotonic() + LONGEST
    while (Walker.steps < steps or not opener.expired) and time.monotonic() < end:
        walker = hypothesis.seed(rng.getrandbits(64))(lambda: Walker([opener]))
        walk(walker, 10, STEPS, shrink=opener.twin is None)
    return {"steps": Walker.steps, "expired": opener.expired}


def watched(opener: Opener, twin: Callable[[Any, Expire], Expire] | None = None) -> Watched:
    """The same stores, watched."""
    return Watched(opener.target, opener.url, opener.namespace, opener.opened, twin=twin)


def test_what_is_valid_stays(any_opener: Opener, seed: int, record, figure):
    any_opener()
    found = walked(watched(any_opener), seed, figure(EXPIRING[any_opener.target.kind].steps, 50_000))
    record(**found)
    assert found["expired"] > 0


# -- protections off -------------------------------------------------------------------------------------------------


def too_young(_store: Any, expire: Expire) -> Expire:
    """Takes what becomes old within the hour."""
    return lambda before, count: expire(before + HOUR, count)


def too_many(_store: Any, expire: Expire) -> Expire:
    """Takes one more than was asked for."""
    return lambda before, count: expire(before, None if count is None else count + 1)


def newest_first(store: Any, expire: Expire) -> Expire:
    """Takes the newest of what is old."""
    expiring = EXPIRING[store.kind_of_walk]

    def newest(before: int, count: int | None) -> int:
        old = expiring.newest(store, from_micros(before - 1))
        expire(before, None)
        expiring.again(store, old[count:] if count is not None else [])
        return len(old[:count])

    return newest


@pytest.mark.parametrize("twin", [too_young, too_many, newest_first])
def test_twin_is_caught(any_opener: Opener, seed: int, twin: Callable[[Any, Expire], Expire], record):
    any_opener()
    with pytest.raises(AssertionError) as caught:
        walked(watched(any_opener, twin), seed, TWIN_STEPS)
    record(noticed=type(caught.value).__name__)
