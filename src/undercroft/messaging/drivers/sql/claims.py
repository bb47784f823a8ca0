"""Claims in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undercroft.messaging import contract
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.drivers.sql import rows
from undercroft.messaging.drivers.sql.dialects import Dialect, Lane
from undercroft.messaging.models import Lease, Stored, Taken
from undercroft.messaging.waiting import Outlook


class Claim(contract.Claim):
    """The claims of a data driver. A claim is a number that its messages have: it has no row of its own."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._plane: Dialect = driver.plane

    def _create(self, queue: str, lease: Lease, project: str) -> tuple[str, Sequence[Stored]] | None:
        now = self.driver.now()
        found = self._plane.claim(Lane(project, queue), lease, now, *self._rule(queue, project))
        return None if found is None else self._made(found, now)

    def _create_or_outlook(self, queue: str, lease: Lease, project: str) -> tuple[str, Sequence[Stored]] | Outlook:
        now = self.driver.now()
        found = self._plane.claim_or_outlook(Lane(project, queue), lease, now, *self._rule(queue, project))
        return found if isinstance(found, Outlook) else self._made(found, now)

    def _rule(self, queue: str, project: str) -> tuple[DeadLetters | None, bool]:
        """Where dead letters go, where the queue's metadata are in another store, and whether they are."""
        foreign = self.driver.keeps_no_queues
        return self.driver.dead_letters(queue, project) if foreign else None, foreign

    def _made(self, found: rows.Found, now: int) -> tuple[str, Sequence[Stored]]:
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
