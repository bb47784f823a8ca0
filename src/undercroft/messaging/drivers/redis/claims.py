"""Claims in Redis: messages that are in a set by the claim's moment, so that they come back by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from undercroft.core.errors import Unavailable
from undercroft.messaging import contract
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.redis import rows
from undercroft.messaging.drivers.redis.script import load
from undercroft.messaging.drivers.redis.store import Store, patience
from undercroft.messaging.models import Lease, Stored, Taken
from undercroft.messaging.settings import LOG
from undercroft.messaging.waiting import Outlook
from undercroft.messaging.waiting.signals import UNKNOWN, outlook

_NOTHING = Outlook(is_free=False, seconds=None)
Made = tuple[str, Sequence[Stored]]

CLAIM = load("claim.lua", "move.lua", "coming.lua")
GET = load("claim_get.lua", reads=True)
RENEW, RELEASE = load("renew.lua"), load("release.lua")


class Claim(contract.Claim):
    """The claims of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._run = self._store.redis.run
        self._base = self._store.base

    def _create(self, queue: str, lease: Lease, project: str) -> Made | None:
        found = self._claim(queue, lease, project, asks=0)
        return None if isinstance(found, Outlook) else found

    def _create_or_outlook(self, queue: str, lease: Lease, project: str) -> Made | Outlook:
        return self._claim(queue, lease, project, asks=1)

    def _claim(self, queue: str, lease: Lease, project: str, *, asks: int) -> Made | Outlook:
        base, rule = self._base(project, queue), self._rule(queue, project)
        for waits in patience():
            now = self._store.now()
            found = self._run(CLAIM, base, now, lease.ttl, lease.grace, lease.limit, asks, waits, *rule)
            if found is None:
                return _NOTHING
            if isinstance(found, int):
                return outlook(False, found, now)
            inc, number, more, messages, waiting = found
            if waiting:
                self._send(queue, project, inc, waiting, is_made=number is not None)
            if number is not None:
                claim = (inc + number).decode()
                return claim, rows.taken(inc.decode(), claim, messages, now)
            if not more:
                break
        # Some are on their way to another queue.
        return UNKNOWN

    def _send(self, queue: str, project: str, inc: bytes, waiting: Sequence[bytes], *, is_made: bool) -> None:
        """Bring dead letters to their queue; that of a claim that is made may fail: who claimed would not learn of its messages."""
        try:
            self._store.mover.send(queue, project, inc, waiting)
        except Unavailable as error:
            if not is_made:
                raise
            LOG.warning("dead letters of queue %r of project %r are still on their way: %s", queue, project, error)

    def _rule(self, queue: str, project: str) -> tuple[Any, ...]:
        """What is said about dead letters where the queue's metadata are in another store."""
        if not self.driver.keeps_no_queues or queue.startswith(LANE):
            return ()
        dead = self.driver.dead_letters(queue, project)
        return (1, "", "", "") if dead is None else (1, dead.most, dead.queue, "" if dead.ttl is None else dead.ttl)

    def _get(self, queue: str, claim: str, project: str) -> Taken | None:
        if not rows.is_claim(claim):
            return None
        inc, now = claim[: rows.INC], self._store.now()
        found = self._run(GET, self._base(project, queue), now, inc, claim[rows.INC :])
        if found is None:
            return None
        ends, ttl, messages = found
        return Taken(claim, ttl, max(0, now - (ends - ttl * 1000)) // 1000, rows.stored(inc, messages, now))

    def _update(self, queue: str, claim: str, lease: Lease, project: str) -> bool:
        if not rows.is_claim(claim):
            return False
        inc, number = claim[: rows.INC], claim[rows.INC :]
        return bool(self._run(RENEW, self._base(project, queue), self._store.now(), inc, number, lease.ttl, lease.grace))

    def _delete(self, queue: str, claim: str, project: str) -> None:
        if rows.is_claim(claim):
            self._run(RELEASE, self._base(project, queue), self._store.now(), claim[: rows.INC], claim[rows.INC :])
