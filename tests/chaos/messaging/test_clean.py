"""What has expired is removed in bounded parts, and nothing that is still there (C5)."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.messaging.operations import at
from undercroft.conformance.plugin import Opener
from undercroft.messaging.drivers.sql.data import _AT_ONCE as PART

pytestmark = [pytest.mark.promise("C5"), pytest.mark.timeout(1800)]
QUEUES = ("a", "b", "gone")
HOUR = 3_600
Clean = Callable[[int, int], int]


def seen(store: Any) -> dict[str, list[Any]]:
    """All that anybody sees."""
    found: dict[str, list[Any]] = {}
    for queue in QUEUES:
        pages = store.message_controller.list(queue, None, None, 10_000, echo=True, include_claimed=True, include_delayed=True)
        found[queue] = [(each["body"], each["claim_id"], each["claim_count"]) for each in next(pages)]
        counts = store.message_controller.stats(queue)["messages"]
        found[f"{queue}: counts"] = [counts["total"], counts["claimed"]]
    return found


def walk(store: Any, seed: int, steps: int) -> dict[str, int]:
    """Post, claim and forget while hours go by; after each hour remove what has expired, part by part."""
    rng = random.Random(seed)
    figures = {"steps": steps, "removed": 0, "largest_part": 0, "visible": 0}
    for step in range(steps):
        with at(step * HOUR):
            for queue in QUEUES:
                many = rng.choice([10, 100, 700])
                messages = [{"ttl": rng.choice([1, 5, 40]) * HOUR // 2 + 60, "body": [step, n]} for n in range(many)]
                store.message_controller.post(queue, messages, None)
                store.claim_controller.create(queue, {"ttl": HOUR * 3 // 2, "grace": 60}, None, rng.randint(1, 50))
            if step % 3 == 2:
                store.message_controller.forget("gone")
        with at((step + 0.5) * HOUR):
            before = seen(store)
            while part := store.clean():
                figures["removed"] += part
                figures["largest_part"] = max(figures["largest_part"], part)
                assert seen(store) == before, "something that was there is gone"
                assert part <= PART, f"{part} messages in one transaction"
            assert seen(store) == before
            figures["visible"] += sum(map(len, before.values()))
    return figures


def test_what_is_there_stays(opener: Opener, seed: int, record, figure):
    store = opener()
    found = walk(store, seed, figure(6, 100))
    record(**found)
    assert found["removed"] > 1_000
    with at(10_000 * HOUR):
        store.gc()
        assert rows(store) == 0


def rows(store: Any) -> int:
    """Rows of messages, whether anybody sees them or not."""
    text = f"SELECT count(*) FROM {store.tables.message.name}"
    return int(store.db.read(lambda connection: connection.exec_driver_sql(text).scalar_one()))


# -- protections off -------------------------------------------------------------------------------------------------


def too_young(clean: Clean) -> Clean:
    """Takes what expires within the hour."""
    return lambda now, most: clean(now + HOUR * 1_000, most)


def all_at_once(clean: Clean) -> Clean:
    """Takes more than a part."""
    return lambda now, most: clean(now, 100 * most)


@pytest.mark.parametrize("twin", [too_young, all_at_once])
def test_twin_is_caught(opener: Opener, seed: int, twin: Callable[[Clean], Clean]):
    store = opener()
    store.plane.clean = twin(store.plane.clean)
    with pytest.raises(AssertionError, match=r"gone|in one transaction"):
        walk(store, seed, 40)
