"""What has expired is removed in bounded parts, and nothing that is still there (C5)."""

from __future__ import annotations

import contextlib
import pathlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos.messaging import means
from tests.chaos.messaging.operations import at
from tests.conftest import opener_of
from undercroft.conformance.plugin import Opener, Target

pytestmark = [pytest.mark.promise("C5"), pytest.mark.timeout(1800)]
QUEUES = ("a", "b", "gone")
HOUR = 3_600


def seen(store: Any) -> dict[str, list[Any]]:
    """All that anybody sees."""
    found: dict[str, list[Any]] = {}
    for queue in QUEUES:
        pages = store.message_controller.list(queue, None, None, 10_000, echo=True, include_claimed=True, include_delayed=True)
        found[queue] = [(each["body"], each["claim_id"] is not None, each["claim_count"]) for each in next(pages)]
        counts = store.message_controller.stats(queue)["messages"]
        found[f"{queue}: counts"] = [counts["total"], counts["claimed"]]
    return found


def walk(store: Any, beside: Any, seed: int, steps: int) -> dict[str, int]:
    """Post, claim and forget while hours go by; after each hour remove what has expired, part by part.

    `beside` is the store, or another one, to which the same happens but the cleaning: where a question cleans, too.
    """
    rng = random.Random(seed)
    figures = {"steps": steps, "removed": 0, "largest_part": 0, "visible": 0}
    parts: list[int] = []
    found = means.of(store)
    found.watch_cleaning(store, parts)
    for step in range(steps):
        with at(step * HOUR):
            for queue in QUEUES:
                many = rng.choice([10, 100, 700])
                messages = [{"ttl": rng.choice([1, 5, 40]) * HOUR // 2 + 60, "body": [step, n]} for n in range(many)]
                claimed = rng.randint(1, 50)
                for each in {store, beside}:
                    each.message_controller.post(queue, messages, None)
                    each.claim_controller.create(queue, {"ttl": HOUR * 3 // 2, "grace": 60}, None, claimed)
            if step % 3 == 2:
                for each in {store, beside}:
                    each.message_controller.forget("gone")
        with at((step + 0.75) * HOUR):
            before = seen(beside)
            while part := store.clean():
                figures["removed"] += part
                if beside is store:
                    assert seen(store) == before, "something that was there is gone"
            assert seen(store) == before, "something that was there is gone"
            figures["visible"] += sum(map(len, before.values()))
        figures["largest_part"] = max([0, *parts])
        assert figures["largest_part"] <= found.PART, f"{max(parts)} messages in one transaction"
    return figures


@pytest.fixture
def beside(opener: Opener, engine: Target, tmp_path: pathlib.Path) -> Iterator[Any]:
    """See `walk`."""
    store = opener()
    if not means.of(store).CLEANS_WHEN_ASKED:
        yield store
        return
    other = opener_of(engine, tmp_path)
    yield other()
    other.clear()


def test_what_is_there_stays(opener: Opener, beside: Any, seed: int, record, figure):
    store = opener.opened[0]
    found = walk(store, beside, seed, figure(6, 100))
    record(**found)
    assert found["removed"] > 200
    with at(10_000 * HOUR):
        store.gc()
        assert means.of(store).stored(store) == 0


# -- protections off -------------------------------------------------------------------------------------------------


def too_young(store: Any) -> contextlib.AbstractContextManager[None]:
    """Takes what expires within the hour."""
    means.of(store).clean_too_young(store, HOUR * 1_000)
    return contextlib.nullcontext()


def all_at_once(store: Any) -> contextlib.AbstractContextManager[None]:
    """Takes more than a part."""
    found: contextlib.AbstractContextManager[None] = means.of(store).cleaned_all_at_once(store)
    return found


@pytest.mark.parametrize("twin", [too_young, all_at_once])
def test_twin_is_caught(opener: Opener, beside: Any, seed: int, twin: Callable[[Any], contextlib.AbstractContextManager[None]]):
    store = opener.opened[0]
    with twin(store), pytest.raises(AssertionError, match=r"gone|in one transaction"):
        walk(store, beside, seed, 40)
