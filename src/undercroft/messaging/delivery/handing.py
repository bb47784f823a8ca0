"""Handing out: entries of the outbox go to the lane of every subscription of their queue.

A lane's message has the id of the entry's message as its `dedup_id`, so that an entry which is handed out again, because a process
was killed or another one was faster, is in the lane once. The order is: lanes, the moment when they are due, then the removal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from undercroft.messaging.contract import DataDriverBase
from undercroft.messaging.contract.outbox import lane
from undercroft.messaging.delivery import spans
from undercroft.messaging.delivery.letters import held
from undercroft.messaging.models import Posted, Subscribed

# Entries of a step.
AT_ONCE = 250
# Messages of a post to a lane, and subscriptions of a page.
_POSTED, _PAGE = 1_000, 1_000
_CLIENT = "undercroft-notify"


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
        """Hand out some entries; how many there were, and how many messages the lanes have got."""
        posted = self._driver.outbox.take(AT_ONCE, spans.TAKEN)
        if not posted:
            return 0, 0
        handed = 0
        woken: list[Subscribed] = []
        for (project, queue), entries in _by_queue(posted).items():
            messages = list(self._messages(entries))
            if not messages:
                continue
            for subscription in self._subscriptions(queue, project):
                for first in range(0, len(messages), _POSTED):
                    part = messages[first : first + _POSTED]
                    self._driver.message_controller.post(lane(subscription), part, _CLIENT, project)
                handed += len(messages)
                woken.append(Subscribed(project, queue, subscription))
        # Before the removal: what a lane has is found by the moment when it is due, and by nothing else.
        if woken:
            self._driver.outbox.wake(woken)
        self._driver.outbox.remove(posted)
        return len(posted), handed

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
