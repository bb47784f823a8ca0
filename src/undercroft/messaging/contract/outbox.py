"""The outbox: what was posted to queues that have subscriptions, until every subscriber has it (ours).

A post to a queue that has a live subscription also stores an entry here, in the same transaction. `undercroft.messaging.delivery`
hands entries out: into a queue for each subscription, its *lane*, whose messages are claimed, sent and deleted as any other. So
that what is to be sent is found without a look at every lane, each subscription has a moment when it is *due*.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from undercroft.messaging.models import Depths, Due, Posted, Subscribed

# Names of lanes begin so; no list of queues has them, and they are made without metadata.
LANE = "notify/"


def lane(subscription: str) -> str:
    """The name of the queue that holds what a subscription is still to be sent; in the subscription's project."""
    return LANE + subscription


class Outbox(abc.ABC):
    """What is still to be handed out, and which subscriptions have something to be sent.

    O1 An entry is there for every message of a post that has returned, where the queue had a live subscription when it was posted
        and the driver's `notifies` is on: once for each message that was stored, none for one that its `dedup_id` kept out.
    O2 An entry whose message has expired is not given any more, and `clean` removes it.
    O3 What was taken or is due is not given again until its seconds are over, and then it is, unless it was removed or settled; a
        subscription that is woken is due at once.
    O4 Lanes are not among the queues of a project: no list, count or depths has them, and a post to one makes no entry. When its
        subscription is removed or has expired, `clean` removes what it left.

    Args:
        driver: the data driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @abc.abstractmethod
    def take(self, limit: int, seconds: int) -> Sequence[Posted]:
        """At most about `limit` entries that nobody has at the moment, those of a queue in the order of their posts.

        They belong to the caller for `seconds`. More than `limit` may come where one post has stored more. An entry is there
        whatever became of its message, and from the post on, whatever the message's delay.
        """

    @abc.abstractmethod
    def remove(self, posted: Sequence[Posted]) -> None:
        """Remove entries that were handed out; those that are gone are ignored."""

    @abc.abstractmethod
    def wake(self, subscribed: Sequence[Subscribed], at: int | None = None) -> None:
        """Let subscriptions be due at a moment (milliseconds since 1970; None: now), unless they are due before it.

        One that is leased is woken, too: what its holder settles then changes nothing. Those that are gone are passed over.
        """

    @abc.abstractmethod
    def due(self, limit: int, seconds: int) -> Sequence[Due]:
        """At most `limit` subscriptions that are due, the longest first; they belong to the caller for `seconds`.

        A subscription that was removed or has expired may be among them.
        """

    @abc.abstractmethod
    def settle(self, due: Due, at: int | None) -> bool:
        """Say when a subscription is due next; None for never. Nothing changes where it was woken or leased since: False."""

    @abc.abstractmethod
    def backlog(self, limit: int) -> Depths:
        """How full the fullest lanes are, by their names, and how many were left out."""

    @abc.abstractmethod
    def waiting(self) -> int:
        """Entries that are not removed yet, whoever has taken them."""
