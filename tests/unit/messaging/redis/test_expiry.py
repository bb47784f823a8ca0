"""Much that ends at once: each script lets a part of it happen, and a claim does not wait for the rest."""

from __future__ import annotations

from typing import Any

from tests.unit.messaging.redis.conftest import commands
from undercroft.conformance.messaging.data import at, bodies, claimed, counts, listed, make, page, post
from undercroft.messaging.drivers.redis import DataDriver, keeping

MANY, AT_ONCE = 20_000, 250


def fill(store: DataDriver, **fields: Any) -> None:
    make(store, "q")
    for first in range(0, MANY, 1_000):
        post(store, *range(first, first + 1_000), **fields)


def scripts(store: DataDriver) -> int:
    return commands(store, "evalsha")


def test_a_claim_behind_many_that_have_expired(store: DataDriver) -> None:
    with at(0):
        fill(store, ttl=60)
        post(store, "a", "b", ttl=1_000)
    with at(61):
        before = scripts(store)
        assert bodies(claimed(store)[1]) == ["a", "b"]
        # Each passes over 3,000.
        assert scripts(store) - before <= 10
        before = scripts(store)
        post(store, "c")
        assert bodies(claimed(store)[1]) == ["c"]
        assert scripts(store) - before == 2
        assert all(each.check != "statistics" or each.level.value == "ok" for each in store.diagnose(verify=True))
        assert counts(store) == (0, 3, 3)


def test_a_claim_when_many_claims_are_over(store: DataDriver) -> None:
    with at(0):
        fill(store)
        claimed(store, limit=10_000)
        claimed(store, limit=10_000)
    with at(61):
        before = scripts(store)
        assert bodies(claimed(store)[1]) == list(range(10))
        # Twenty wait for the first messages, the next one takes what there is.
        assert scripts(store) - before == 21
        assert counts(store) == (MANY - 10, 10, MANY)


def test_a_page_and_a_claim_when_many_delays_are_over(store: DataDriver) -> None:
    with at(0):
        fill(store, delay=60)
        assert listed(store) == []
    with at(61):
        assert len(claimed(store)[1]) == 10
        assert bodies(page(store, limit=3)[0]) == [10, 11, 12]
        assert counts(store) == (MANY - 10, 10, MANY)


def test_a_script_removes_a_part(store: DataDriver) -> None:
    with at(0):
        fill(store, ttl=60)
    with at(61):
        removed, more, *_ = store.store.redis.run(keeping.CLEAN, store.store.base("", "q"), store.now(), 1_000)
        assert (removed, more) == (AT_ONCE, 1)
        while (count := store.clean()) > 0:
            removed += count
        assert removed == MANY
