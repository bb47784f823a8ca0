"""The outbox in SQL: ids become the contract's texts, and the other way round; the dialect does the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects import Dialect
from undercroft.messaging.models import Depths, Due, Posted, Subscribed


class Outbox(contract.Outbox):
    """The outbox of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._plane: Dialect = driver.plane

    def take(self, limit: int, seconds: int) -> Sequence[Posted]:
        found = self._plane.take(limit, seconds, self.driver.now())
        return [
            Posted(place, project, queue, rows.text(place), ttl, expires, bytes(body))
            for place, project, queue, ttl, expires, body in sorted(found)
        ]

    def remove(self, posted: Sequence[Posted]) -> None:
        if posted:
            self._plane.remove_entries([each.ticket for each in posted])

    def wake(self, subscribed: Sequence[Subscribed], at: int | None = None) -> None:
        if wanted := rows.numbers([each.subscription for each in subscribed]):
            self._plane.wake(wanted, self.driver.now() if at is None else at)

    def due(self, limit: int, seconds: int) -> Sequence[Due]:
        found, lease = self._plane.due(limit, seconds, self.driver.now())
        return [Due(Subscribed(project, queue, rows.text(number)), lease) for number, project, queue in found]

    def settle(self, due: Due, at: int | None) -> bool:
        number = rows.number(due.subscribed.subscription)
        return number is not None and self._plane.settle(number, due.ticket, at)

    def backlog(self, limit: int) -> Depths:
        return self._plane.depths(limit, self.driver.now(), lanes=True) if limit else Depths([], 0)

    def waiting(self) -> int:
        return self._plane.waiting(self.driver.now())
