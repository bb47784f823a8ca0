"""Claims: messages that one worker has for a time."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.core.errors import InvalidInput, WrongType
from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import ClaimDoesNotExist
from undercroft.messaging.models import Lease, Stored, Taken
from undercroft.messaging.waiting import Outlook
from undercroft.messaging.waiting.hub import Look

Made = tuple[str, Sequence[Stored]]


class Claim(abc.ABC):
    """Gives messages to one worker at a time.

    Q28 No message is ever in two live claims. A claim ends when it is deleted, when its ttl is over, or with its queue; then its
        messages are free at once, without anybody's help.

    Args:
        driver: the data driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def create(
        self,
        queue: str,
        metadata: Mapping[str, Any],
        project: str | None = None,
        limit: int = 10,
        *,
        wait: int | None = None,
    ) -> tuple[str | None, Sequence[dict[str, Any]]]:
        """Claim the oldest messages that are free: the id of the claim, and its messages in order.

        Q29 `metadata` are `{"ttl": seconds, "grace": seconds}`. At most `limit` messages, which are free, not delayed and not
            expired. `(None, [])` when there is none, also for an unknown queue.
        Q30 A message that would expire before the claim does lives until the claim's ttl and grace are over; its ttl becomes
            their sum. That of the others is unchanged. `claim_count` counts the claims that took a message, whatever became of
            them.
        Q31 Where the queue's metadata have `_max_claim_count` and `_dead_letter_queue`, a message that was claimed so often is
            moved to that queue of the project, instead of being handed out. It keeps id, body and claim_count, is free there at
            once, and lives for `_dead_letter_queue_messages_ttl` from then on, where that is set.
        Q43 `wait` (ours), 1 to 20 seconds: where nothing is free, the call waits that long for a message, and then gives
            `(None, [])`. It has the message within a second after that was posted, its delay was over, or the claim that had it was
            released or over. The queue need not exist.
        Q44 Calls that wait for one queue get its messages in the order in which they came, as far as they are in one process; one
            message is not a reason for all of them to look. A call that was killed leaves nothing behind that others see.
        Q45 No more calls wait in a process than `max_waiters` says, half of them for the queues of one project: above that, and
            once the driver is closed, a call answers as one without `wait` does.
        """
        own, scope, seconds = arguments.name(queue), arguments.project(project), arguments.wait(wait)
        lease = _lease(metadata, arguments.limit(limit))
        if seconds is None:
            found = self._create(own, lease, scope)
        else:
            found = self.driver.waiting.wait((scope, own), seconds, lambda asks: self._look(own, lease, scope, asks=asks))
        return (None, []) if found is None else (found[0], self._shown(found[1]))

    def get(self, queue: str, claim_id: str | None, project: str | None = None) -> tuple[dict[str, Any], Sequence[dict[str, Any]]]:
        """`{"id", "ttl", "age"}` of a claim, and its messages in order.

        Q32 Raises ClaimDoesNotExist for an id that is unknown, malformed, None or over, and when the queue is gone. A claim all
            of whose messages were deleted is over.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        found = None if claim_id is None else self._get(own, str(claim_id), scope)
        if found is None:
            raise ClaimDoesNotExist(str(claim_id), own, project)
        return {"id": found.id, "ttl": found.ttl, "age": found.age}, self._shown(found.messages)

    def update(self, queue: str, claim_id: str | None, metadata: Mapping[str, Any], project: str | None = None) -> None:
        """Renew a claim: its age is 0 again, and its ttl the new one.

        Q33 It keeps its messages, whose lives are prolonged as by `create`. Raises ClaimDoesNotExist, before `metadata` are
            looked at.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        try:
            lease = _lease(metadata, 1)
        except InvalidInput:
            self.get(queue, claim_id, project)
            raise
        if claim_id is None or not self._update(own, str(claim_id), lease, scope):
            raise ClaimDoesNotExist(str(claim_id), own, project)
        # It may end sooner than it would have.
        self.driver.waiting.expect((scope, own), lease.ttl)

    def delete(self, queue: str, claim_id: str | None, project: str | None = None) -> None:
        """Release a claim: its messages are free at once.

        Q34 Claims that are unknown or over are ignored.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        if claim_id is not None:
            self._delete(own, str(claim_id), scope)
            self.driver.waiting.signal((scope, own), 1)

    def _look(self, queue: str, lease: Lease, project: str, *, asks: bool) -> Look[Made]:
        found = self._create_or_outlook(queue, lease, project) if asks else self._create(queue, lease, project)
        if found is None or isinstance(found, Outlook):
            return Look(None, found)
        # The others have to know when this claim is over.
        return Look(found, Outlook(is_free=False, seconds=lease.ttl), is_full=len(found[1]) >= lease.limit)

    def _create_or_outlook(self, queue: str, lease: Lease, project: str) -> Made | Outlook:
        """See `_create`; in the place of None, what is to be waited for, read after it. A driver may do both at once."""
        found = self._create(queue, lease, project)
        return found or self.driver.outlooks([(project, queue)])[0]

    def _shown(self, found: Sequence[Stored]) -> Sequence[dict[str, Any]]:
        messages: Sequence[dict[str, Any]] = self.driver.message_controller.shown(found)
        return messages

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _create(self, queue: str, lease: Lease, project: str) -> Made | None:
        """See `create`; None when there is nothing to claim."""

    @abc.abstractmethod
    def _get(self, queue: str, claim: str, project: str) -> Taken | None:
        """A live claim; None for what is none."""

    @abc.abstractmethod
    def _update(self, queue: str, claim: str, lease: Lease, project: str) -> bool:
        """Renew a live claim; whether there is one."""

    @abc.abstractmethod
    def _delete(self, queue: str, claim: str, project: str) -> None:
        """Release a live claim, if there is one."""


def _lease(metadata: Mapping[str, Any], limit: int) -> Lease:
    if not isinstance(metadata, Mapping):
        raise WrongType("metadata", f"expected a mapping with ttl and grace, got {type(metadata).__name__}")
    missing = [name for name in ("ttl", "grace") if metadata.get(name) is None]
    if missing:
        raise InvalidInput(f"metadata.{missing[0]}", "is missing: a claim has a ttl and a grace, in seconds")
    return Lease(arguments.seconds(metadata["ttl"], "metadata.ttl"), arguments.seconds(metadata["grace"], "metadata.grace"), limit)
