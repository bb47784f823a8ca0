"""Queues that are spread over pools: what they are is in the control plane, what they hold in a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.attributes import dead_letters
from undercroft.messaging.models import QueueRow, Stats
from undercroft.messaging.pooling import placement
from undercroft.messaging.pooling.placing import flavor_of


class Queue(contract.Queue):
    """The queues of a store with pools; the driver is either of its planes."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._lookup = driver.lookup
        self._pools = driver.pools
        self._places = driver.places
        self._own: contract.Queue = driver.own_control.queue_controller

    def _list(
        self,
        project: str,
        marker: str,
        limit: int,
        detailed: bool,
        kfilter: Mapping[str, Any],
        name: str | None,
        *,
        topics: bool,
    ) -> Sequence[QueueRow]:
        return self._own._list(project, marker, limit, detailed, kfilter, name, topics=topics)

    def _metadata(self, name: str, project: str) -> dict[str, Any] | None:
        return self._own._metadata(name, project)

    def _exists(self, name: str, project: str) -> bool:
        return self._own._exists(name, project)

    def _calculate_resource_count(self, project: str) -> int:
        return self._own._calculate_resource_count(project)

    def _create(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        if self._own._exists(name, project):
            return False
        flavor = flavor_of(metadata)
        route = self._places.revive(self._places.enter(project, name, flavor=flavor), name)
        if dead_letters(metadata) or route.placement.dead:
            route = self._places.rule(route, name, metadata)
        if not self._own._create(name, metadata, project):
            self._places.sync(route, name)
            return False
        if flavor is not None:
            self._places.wish(project, name, flavor)
        return True

    def _set_metadata(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        flavor = flavor_of(metadata)
        if flavor is not None:
            self._places.takers(flavor, project)
        route = self._lookup.fresh(project, name)
        if route is None:
            return False
        has_rule = bool(dead_letters(metadata) or route.placement.dead)
        if has_rule:
            route = self._places.rule(route, name, metadata)
        if not self._own._set_metadata(name, metadata, project):
            return False
        if has_rule or self._own._metadata(name, project) != metadata:
            self._places.sync(route, name)
        if flavor is not None:
            self._places.wish(project, name, flavor)
        return True

    def _delete(self, name: str, project: str) -> None:
        route = self._lookup.fresh(project, name)
        if route is not None:
            for pool_name in route.placement.pools:
                pool = self._pools.named(pool_name).opened()
                pool.call(pool.messages._forget, route.queue, project)
        self._own._delete(name, project)
        if route is not None:
            self._lookup.change(project, name, lambda old: placement.deleted(old, self._lookup.now()))

    def _stats(self, name: str, project: str) -> Stats | None:
        found: Stats = self.driver.messages._stats(name, project)
        if not found.free + found.claimed and not self._own._exists(name, project):
            return None
        return found
