"""Subscriptions of queues that are spread over pools.

They are in the pool that their queue's posts go to, since that is where a post finds them. When the queue changes its pool they are
made anew in the new one, with another id; those in the old pool stay until what they were still to be sent is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.models import Subscriber
from undercroft.messaging.pooling import placement, tags
from undercroft.messaging.pooling.lookup import Route
from undercroft.messaging.pooling.pools import Pool


class Subscription(contract.Subscription):
    """The subscriptions of all pools."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._lookup = driver.lookup
        self._pools = driver.pools
        self._places = driver.places

    def _home(self, route: Route) -> Pool:
        """The pool that posts go to."""
        if route.is_still:
            return route.pool
        found: Pool = self._pools.named(self._lookup.view(route).posts).opened()
        return found

    def _list(self, queue: str, project: str, marker: str | None, limit: int) -> Sequence[Subscriber]:
        route = self._lookup.find(project, queue)
        if route is None:
            return []
        pool = self._home(route)
        if marker is not None:
            marker, tag = tags.parted(marker)
            if tag != pool.tag:
                # Of the pool where they were: they are listed again.
                marker = None if tag else "-"
        found = pool.call(pool.subscriptions._list, queue, project, marker, limit)
        return [_outside(one, pool) for one in found]

    def _get_with_subscriber(self, queue: str, subscriber: str, project: str) -> Subscriber | None:
        route = self._lookup.find(project, queue)
        if route is None:
            return None
        pool = self._home(route)
        found = pool.call(pool.subscriptions._get_with_subscriber, queue, subscriber, project)
        return None if found is None else _outside(found, pool)

    def _create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str) -> str | None:
        route = self._places.enter(project, queue, unmade=True)
        if route.placement.ends:
            # The entry of a queue that was deleted must not go now.
            route = self._lookup.change(project, queue, lambda old: placement.kept(old, self._lookup.now())) or route
        pool = self._home(route)
        found = pool.call(pool.subscriptions._create, queue, subscriber, ttl, options, project)
        return None if found is None else found + pool.tag

    # -- by id -----------------------------------------------------------------------------------------------------

    def _of(self, subscription: str) -> tuple[Pool, str] | None:
        inner, tag = tags.parted(subscription)
        pool = self._pools.tagged(tag) if inner else None
        return None if pool is None else (pool.opened(), inner)

    def _get(self, queue: str, subscription: str, project: str) -> Subscriber | None:
        of = self._of(subscription)
        if of is None:
            return None
        pool, inner = of
        found = pool.call(pool.subscriptions._get, queue, inner, project)
        return None if found is None else _outside(found, pool)

    def _update(self, queue: str, subscription: str, project: str, changes: Mapping[str, Any]) -> bool | None:
        done: bool | None = None
        for pool, inner in self._all(queue, subscription, project):
            found = pool.call(pool.subscriptions._update, queue, inner, project, changes)
            if found is False:
                return False
            done = done or found
        return done

    def _delete(self, queue: str, subscription: str, project: str) -> bool:
        done = False
        for pool, inner in self._all(queue, subscription, project):
            gone: bool = pool.call(pool.subscriptions._delete, queue, inner, project)
            if gone and inner + pool.tag != subscription:
                pool.call(pool.messages._forget, lane(inner), project)
            done = gone or done
        return done

    def _confirm(self, queue: str, subscription: str, project: str, confirmed: bool) -> bool:
        done = False
        for pool, inner in self._all(queue, subscription, project):
            done = pool.call(pool.subscriptions._confirm, queue, inner, project, confirmed) or done
        return done

    def _all(self, queue: str, subscription: str, project: str) -> Sequence[tuple[Pool, str]]:
        """A subscription, and the one of the same subscriber in the other pools of a queue that changes its pool."""
        of = self._of(subscription)
        if of is None:
            return ()
        route = self._lookup.find(project, queue)
        if route is None or route.is_still:
            return (of,)
        pool, inner = of
        found = pool.call(pool.subscriptions._get, queue, inner, project)
        if found is None:
            return (of,)
        same = []
        for name in route.placement.pools:
            other = self._pools.named(name).opened()
            if other is not pool:
                twin = other.call(other.subscriptions._get_with_subscriber, queue, found.subscriber, project)
                if twin is not None:
                    same.append((other, twin.id))
        # The one that was named last: where it is not changed because another one is in the way, nothing is.
        return (of, *same)


def _outside(found: Subscriber, pool: Pool) -> Subscriber:
    return found._replace(id=found.id + pool.tag)
