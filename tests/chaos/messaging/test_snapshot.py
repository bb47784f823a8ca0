"""While a transaction holds an old snapshot, a claim goes through no more than without it (C6)."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.messaging import means
from undercroft.conformance.plugin import Opener
from undercroft.messaging.drivers.sql.dialects import Lane
from undercroft.messaging.drivers.sql.dialects.base import FRESH
from undercroft.messaging.drivers.sql.dialects.heads import Head

pytestmark = [pytest.mark.promise("C6"), pytest.mark.timeout(3600)]
QUEUE = "old"
# Messages of a post and a claim; pages of the server that it may look at to find them, beside an old snapshot.
EACH, PAGES = 10, 60


@pytest.fixture
def server(opener: Opener) -> Opener:
    """An empty namespace on an engine that keeps what a snapshot could still see among what claims go through."""
    store = opener()
    means.of(store)
    if not hasattr(getattr(store, "plane", None), "_heads"):
        # Not a gap: what is promised about rows that are dead and still there cannot be asked where they are kept elsewhere.
        pytest.skip("this engine keeps what an old snapshot sees apart from its tables")
    return opener


@contextlib.contextmanager
def old_snapshot(store: Any) -> Iterator[None]:
    """A transaction that could see everything as it is now, and stays open."""
    with store.db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql(f"SELECT count(*) FROM {store.tables.message.name}").close()
        yield
        connection.rollback()


def turn(store: Any, rounds: int) -> float:
    """Post, claim and delete so often; messages in a second."""
    messages, began = store.message_controller, time.monotonic()
    for number in range(rounds):
        messages.post(QUEUE, [{"ttl": 3_600, "body": [number, n]} for n in range(EACH)], None)
        claim, found = store.claim_controller.create(QUEUE, {"ttl": 600, "grace": 60}, None, EACH)
        messages.bulk_delete(QUEUE, [each["id"] for each in found], claim_ids=[claim])
    return rounds * EACH / (time.monotonic() - began)


def pages(store: Any) -> int:
    """The pages that the server looks at to find what one claim takes, by its own count."""
    plane, lane, now = store.plane, Lane("", QUEUE), store.now()
    head = plane._heads.of(lane, now)
    values = {
        "project": "", "name": QUEUE, "head": head.place, "low": head.low, "now": now, "limit": EACH, "foreign": False,
        "most": None, "ttl": 60, "ends": now + 60_000, "life": 120, "until": now + 120_000,
    }  # fmt: skip
    # As the driver runs it: prepared, with a plan that does not look at the values.
    statement = re.sub(r"%\((\w+)\)[sb]", lambda found: f"${list(values).index(found[1]) + 1}", plane._claim_front(asks=False))
    with store.db._writer.connect() as connection:
        connection.exec_driver_sql(f"PREPARE one_claim AS {statement}")
        asked = ", ".join("NULL" if value is None else f"'{value}'" for value in values.values())
        (told,) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE one_claim({asked})").one()
        connection.rollback()
        connection.exec_driver_sql("DEALLOCATE one_claim")
    plan = (told if isinstance(told, list) else json.loads(told))[0]["Plan"]
    (found,) = [node for node in nodes(plan) if node.get("Subplan Name") == "CTE chosen"]
    return int(found["Shared Hit Blocks"] + found["Shared Read Blocks"])


def nodes(plan: Any) -> Iterator[Any]:
    """A plan and all that it has below."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def beside_a_snapshot(store: Any, rounds: int) -> dict[str, Any]:
    """Rates without and with an old snapshot, and the pages of a claim in the end."""
    turn(store, 10)
    alone = turn(store, rounds)
    with old_snapshot(store):
        beside = turn(store, rounds)
        store.message_controller.post(QUEUE, [{"ttl": 3_600, "body": n} for n in range(EACH)], None)
        # Until the front has been looked for again.
        time.sleep(1.1)
        turn(store, 10)
        found = pages(store)
    return {"messages_a_second": f"{alone:.0f} -> {beside:.0f}", "dead_messages": rounds * EACH, "pages_of_a_claim": found}


def test_a_claim_goes_through_no_more(server: Opener, record, figure):
    found = beside_a_snapshot(server.opened[0], figure(200, 10_000))
    record(**found)
    assert found["pages_of_a_claim"] <= PAGES


def test_a_claim_without_the_front_goes_through_all(server: Opener, record):
    """The twin: claims that do not know how far earlier ones have come."""
    store = server.opened[0]
    store.plane._heads.of = lambda *_: Head(0, FRESH)
    found = beside_a_snapshot(store, 200)
    record(**found)
    assert found["pages_of_a_claim"] > PAGES
