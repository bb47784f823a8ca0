"""The outboxes of all pools, as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from undercroft.core.errors import UndercroftError
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.models import Depths, Due, Posted, Subscribed
from undercroft.messaging.pooling import tags
from undercroft.messaging.pooling.pools import Pool


class Outbox(contract.Outbox):
    """What is still to be handed out, and which subscriptions have something to be sent, in all pools.

    Each pool is first in its turn, so that one with much to do does not keep the others waiting; one that is away is passed over.
    """

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._pools = driver.pools
        self._turn = 0

    def _all(self) -> Sequence[Pool]:
        found: Sequence[Pool] = [pool for pool in self._pools.all() if not pool.is_away]
        self._turn += 1
        first = self._turn % len(found) if found else 0
        return [*found[first:], *found[:first]]

    def _each(self, ask: Callable[[Pool], Any]) -> Iterator[tuple[Pool, Any]]:
        for pool in self._all():
            try:
                yield pool, pool.call(ask, pool.opened())
            except UndercroftError as error:
                pool.pass_over(error)

    def take(self, limit: int, seconds: int) -> Sequence[Posted]:
        found: list[Posted] = []
        for pool, posted in self._each(lambda one: one.outbox.take(limit, seconds)):
            found += (one._replace(ticket=(pool.tag, one.ticket, one.id), id=tags.shown(one.id, pool.tag)) for one in posted)
            if len(found) >= limit:
                break
        return found

    def remove(self, posted: Sequence[Posted]) -> None:
        parts: dict[str, list[Posted]] = {}
        for one in posted:
            tag, ticket, inner = one.ticket
            parts.setdefault(tag, []).append(one._replace(ticket=ticket, id=inner))
        for tag, part in parts.items():
            pool = self._pools.tagged(tag)
            if pool is not None:
                pool.call(pool.opened().outbox.remove, part)

    def wake(self, subscribed: Sequence[Subscribed], at: int | None = None) -> None:
        parts: dict[str, list[Subscribed]] = {}
        for one in subscribed:
            inner, tag = tags.parted(one.subscription)
            parts.setdefault(tag, []).append(one._replace(subscription=inner))
        for tag, part in parts.items():
            pool = self._pools.tagged(tag)
            if pool is not None:
                pool.call(pool.opened().outbox.wake, part, at)

    def due(self, limit: int, seconds: int) -> Sequence[Due]:
        found: list[Due] = []
        for pool, dues in self._each(lambda one: one.outbox.due(limit, seconds)):
            for one in dues:
                subscribed = one.subscribed._replace(subscription=one.subscribed.subscription + pool.tag)
                found.append(one._replace(subscribed=subscribed))
            if len(found) >= limit:
                break
        return found

    def settle(self, due: Due, at: int | None) -> bool:
        inner, tag = tags.parted(due.subscribed.subscription)
        pool = self._pools.tagged(tag)
        if pool is None:
            return False
        own = due._replace(subscribed=due.subscribed._replace(subscription=inner))
        return bool(pool.call(pool.opened().outbox.settle, own, at))

    def backlog(self, limit: int) -> Depths:
        found, left_out = [], 0
        for pool, depths in self._each(lambda one: one.outbox.backlog(limit)):
            found += [
                one._replace(queue=one.queue + pool.tag if one.queue.startswith(LANE) else one.queue) for one in depths.queues
            ]
            left_out += depths.left_out
        found.sort(key=lambda one: (-one.free - one.claimed, one.project, one.queue))
        return Depths(found[:limit], left_out + max(0, len(found) - limit))

    def waiting(self) -> int:
        return sum(count for _, count in self._each(lambda one: one.outbox.waiting()))
