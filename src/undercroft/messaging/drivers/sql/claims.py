"""Claims in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects import Dialect, Lane
from undercroft.messaging.models import Lease, Stored, Taken


class Claim(contract.Claim):
    """The claims of a data driver. A claim is a number that its messages have: it has no row of its own."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._plane: Dialect = driver.plane

    def _create(self, queue: str, lease: Lease, project: str) -> tuple[str, Sequence[Stored]] | None:
        now, foreign = self.driver.now(), self.driver.keeps_no_queues
        dead = self.driver.dead_letters(queue, project) if foreign else None
        found = self._plane.claim(Lane(project, queue), lease, now, dead, foreign=foreign)
        if found is None:
            return None
        # The claim is new, so that its messages are under it even if it lives no second.
        claim = rows.text(found.claim)
        return claim, [row.stored(now)._replace(claim=claim) for row in found.rows]

    def _get(self, queue: str, claim: str, project: str) -> Taken | None:
        number = rows.number(claim)
        if number is None:
            return None
        now = self.driver.now()
        found = self._plane.find_claim(Lane(project, queue), number, now)
        if not found:
            return None
        ttl = found[0].claim_ttl or 0
        age = max(0, now - (found[0].again - ttl * 1000)) // 1000
        return Taken(claim, ttl, age, [row.stored(now) for row in found])

    def _update(self, queue: str, claim: str, lease: Lease, project: str) -> bool:
        number = rows.number(claim)
        return number is not None and self._plane.renew(Lane(project, queue), number, lease, self.driver.now())

    def _delete(self, queue: str, claim: str, project: str) -> None:
        if (number := rows.number(claim)) is not None:
            self._plane.release(Lane(project, queue), number, self.driver.now())
