"""Claims: messages that one worker has for a time."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from undercroft.core.errors import InvalidInput, WrongType
from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import ClaimDoesNotExist
from undercroft.messaging.models import Lease, Stored, Taken


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
        self, queue: str, metadata: Mapping[str, Any], project: str | None = None, limit: int = 10
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
        """
        own, scope = arguments.name(queue), arguments.project(project)
        lease = _lease(metadata, arguments.limit(limit))
        found = self._create(own, lease, scope)
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

    def delete(self, queue: str, claim_id: str | None, project: str | None = None) -> None:
        """Release a claim: its messages are free at once.

        Q34 Claims that are unknown or over are ignored.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        if claim_id is not None:
            self._delete(own, str(claim_id), scope)

    def _shown(self, found: Sequence[Stored]) -> Sequence[dict[str, Any]]:
        return list(map(self.driver.message_controller.shown, found))

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _create(self, queue: str, lease: Lease, project: str) -> tuple[str, Sequence[Stored]] | None:
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
