"""Examining a store with pools: its own parts, each pool, and whether everything is where it is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.core.findings import Finding, error, ok, warning
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.models import Mapped
from undercroft.messaging.pooling import placement
from undercroft.messaging.pooling.pools import Pool

# Entries that are read at once, and queues of a pool that are looked at.
_AT_ONCE, _MOST = 1_000, 10_000
# Milliseconds after which a change should have been done.
_LONG = 600_000


def findings(driver: Any, *, verify: bool) -> Iterator[Finding]:
    """What is found, the control plane's own store first."""
    yield from driver.own.diagnose(verify=verify)
    try:
        pools = driver.pools.all()
        entries = list(_entries(driver))
    except (Unavailable, ConfigInvalid):
        # Told above.
        return
    yield _moves(entries, driver.now())
    answering = []
    for pool in pools:
        if not pool.is_own:
            found = list(_pool(pool, verify=verify))
            yield from found
            if len(found) > 1:
                answering.append(pool)
    yield _missing(entries, {pool.name for pool in pools})
    if verify:
        yield _strays(driver, [driver.pools.own, *answering], entries)


def _entries(driver: Any) -> Iterator[Mapped]:
    after = None
    while page := driver.lookup.page(after, _AT_ONCE):
        yield from page
        after = page[-1].project, page[-1].queue


def _pool(pool: Pool, *, verify: bool) -> Iterator[Finding]:
    check = f"pool {pool.name}"
    try:
        is_alive = pool.call(pool.driver.is_alive)
    except (Unavailable, ConfigInvalid) as problem:
        yield error(check, str(problem), "its queues cannot be used until it answers")
        return
    if not is_alive:
        yield error(check, "does not answer", "its queues cannot be used until it answers")
        return
    yield ok(check, "answers")
    for found in pool.driver.diagnose(verify=verify):
        yield msgspec.structs.replace(found, check=f"{check}: {found.check}")


def _moves(entries: list[Mapped], now: int) -> Finding:
    moving = [placement.decoded(entry) for entry in entries]
    moving = [one for one in moving if one.to or one.wish]
    late = sum(bool(one.to) and now - one.reads > _LONG for one in moving)
    if late:
        return warning(
            "queues that change their pools",
            f"{late:,} of {len(moving):,} for more than ten minutes",
            "run `undercroft worker`; a claim that lives long keeps its queue's old pool",
        )
    return ok("queues that change their pools", f"{len(moving):,}" if moving else "none")


def _missing(entries: list[Mapped], known: set[str]) -> Finding:
    missing = sorted({name for entry in entries for name in placement.decoded(entry).pools} - known)
    if missing:
        return error("pools of queues", f"not registered: {', '.join(missing)}", "register them again: they have queues")
    return ok("pools of queues", f"{len(known) - 1:,} are registered")


def _strays(driver: Any, pools: list[Pool], entries: list[Mapped]) -> Finding:
    """Messages in pools that nothing sends anybody to."""
    known = {(entry.project, entry.queue): placement.decoded(entry).pools for entry in entries}
    found = []
    for pool in pools:
        for one in pool.driver.depths(_MOST).queues:
            # What is in the store itself without an entry was there before there were pools.
            at = known.get((one.project, one.queue), (driver.pools.own.name,))
            if one.free + one.claimed and pool.name not in at and not one.queue.startswith(LANE):
                found.append(f"{one.queue} ({one.free + one.claimed:,} in {pool.name})")
    if found:
        return error(
            "messages that nobody is sent to",
            f"{len(found):,} queues: {', '.join(found[:5])}",
            "a catalogue was restored from another day than its pools, or changed by hand: put the entries back",
        )
    return ok("messages that nobody is sent to", "none")
