"""What several pools answer together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.messaging import contract
from undercroft.messaging.pooling.lookup import Lookup
from undercroft.messaging.pooling.pools import LOG, Pool, Pools
from undercroft.messaging.waiting import Key, Outlook

T = TypeVar("T")
_NOTHING = Outlook(is_free=False, seconds=None)


def each(pools: Pools, ask: Callable[[contract.DataDriverBase], T]) -> Iterator[tuple[Pool, T]]:
    """What each pool answers; one that is away is passed over."""
    for pool in pools.all():
        try:
            yield pool, pool.call(lambda pool=pool: ask(pool.driver))  # type: ignore[misc]
        except Unavailable as error:
            pool.pass_over(error)


def health(pool: Pool) -> dict[str, Any]:
    """What the self-test of a pool says."""
    try:
        return pool.call(pool.driver.health)
    except (Unavailable, ConfigInvalid) as error:
        LOG.warning("the self-test of the pool %r failed: %s", pool.name, error)
        return {"storage_reachable": False, "operation_status": {}}


def outlooks(lookup: Lookup, pools: Pools, keys: Sequence[Key]) -> Sequence[Outlook]:
    """What claims of queues may wait for, wherever their messages are."""
    found: dict[Key, Outlook] = dict.fromkeys(keys, _NOTHING)
    by_pool: dict[Pool, list[tuple[Key, Key]]] = {}
    for (project, queue), route in lookup.find_all(keys).items():
        for name in route.placement.pools if not route.is_still else (route.pool.name,):
            by_pool.setdefault(pools.named(name), []).append(((project, queue), (project, route.queue)))
    for pool, asked in by_pool.items():
        seen = pool.call(pool.driver.outlooks, [inner for _, inner in asked])
        for (key, _), one in zip(asked, seen, strict=True):
            before = found[key]
            ends = [moment for moment in (before.seconds, one.seconds) if moment is not None]
            found[key] = Outlook(before.is_free or one.is_free, min(ends, default=None))
    return [found[key] for key in keys]
