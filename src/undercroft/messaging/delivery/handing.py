"""Handing out: entries of the outbox go to the lane of every subscription of their queue.

A lane's message has the id of the entry's message as its `dedup_id`, so that an entry which is handed out again, because a process
was killed or another one was faster, is in the lane once. The order is: lanes, the moment when they are due, then the removal.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from undercroft.core.errors import UndercroftError
from undercroft.messaging.contract import DataDriverBase
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import spans
from undercroft.messaging.delivery.letters import held
from undercroft.messaging.models import Posted, Subscribed

LOG = logging.getLogger(__name__)

# Entries of a step.
AT_ONCE = 250
# Messages of a post to a lane, and subscriptions of a page.
_POSTED, _PAGE = 1_000, 1_000
_CLIENT = "undercroft-notify"


class _Group(NamedTuple):
    """Entries of one queue that are in every lane, whose subscriptions are to be woken, and how many messages that made."""

    posted: Sequence[Posted]
    woken: Sequence[Subscribed]
    handed: int


class Handing:
    """Hands out what was posted.

    Args:
        driver: the store.
        requires_confirmation: whether only confirmed subscriptions get messages.
    """

    def __init__(self, driver: DataDriverBase, *, requires_confirmation: bool) -> None:
        self._driver = driver
        self._requires_confirmation = requires_confirmation

    def step(self) -> tuple[int, int]:
        """Hand out some entries; how many there were, and how many messages the lanes have got.

        A queue whose entries cannot be handed out, because they are in a store of several that is away, keeps no other waiting.

        Raises:
            UndercroftError: none could be handed out.
        """
        posted = self._driver.outbox.take(AT_ONCE, spans.TAKEN)
        groups = _by_queue(posted)
        errors: list[UndercroftError] = []
        ready: list[_Group] = []
        for (project, queue), entries in groups.items():
            try:
                ready.append(self._group(project, queue, entries))
            except UndercroftError as error:
                errors.append(error)
        handed = sum(each.handed for each in self._finished(ready, errors))
        if errors and len(errors) == len(groups):
            raise errors[0]
        for text in sorted(set(map(str, errors))):
            LOG.warning("notifications wait: %s", text)
        return len(posted), handed

    def _group(self, project: str, queue: str, entries: Sequence[Posted]) -> _Group:
        """Post the entries of a queue to every lane."""
        messages = list(self._messages(entries))
        subscriptions = list(self._subscriptions(queue, project)) if messages else []
        for subscription in subscriptions:
            for first in range(0, len(messages), _POSTED):
                part = messages[first : first + _POSTED]
                self._driver.message_controller.post(lane(subscription), part, _CLIENT, project)
        woken = [Subscribed(project, queue, each) for each in subscriptions]
        return _Group(entries, woken, len(messages) * len(subscriptions))

    def _finished(self, groups: Sequence[_Group], errors: list[UndercroftError]) -> Sequence[_Group]:
        """Let subscriptions be due and remove the entries: at once, or where that fails one queue after the other."""
        try:
            self._finish(groups)
        except UndercroftError as error:
            if len(groups) == 1:
                errors.append(error)
                return ()
            return [each for group in groups for each in self._finished([group], errors)]
        return groups

    def _finish(self, groups: Sequence[_Group]) -> None:
        # Before the removal: what a lane has is found by the moment when it is due, and by nothing else.
        if woken := [each for group in groups for each in group.woken]:
            self._driver.outbox.wake(woken)
        if posted := [each for group in groups for each in group.posted]:
            self._driver.outbox.remove(posted)

    def _messages(self, entries: Sequence[Posted]) -> Iterator[dict[str, Any]]:
        now = self._driver.now()
        for each in entries:
            if each.expires > now:
                yield {"ttl": -(-(each.expires - now) // 1000), "body": held(each), "dedup_id": each.id}

    def _subscriptions(self, queue: str, project: str) -> Iterator[str]:
        marker = None
        while True:
            pages = self._driver.subscription_controller.list(queue, project, marker, _PAGE)
            page = list(next(pages))
            yield from (each["id"] for each in page if each["confirmed"] or not self._requires_confirmation)
            if len(page) < _PAGE:
                return
            marker = next(pages)


def _by_queue(posted: Sequence[Posted]) -> dict[tuple[str, str], list[Posted]]:
    found: dict[tuple[str, str], list[Posted]] = {}
    for each in posted:
        found.setdefault((each.project, each.queue), []).append(each)
    return found
