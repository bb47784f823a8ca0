"""What goes between those who hand out and those who send."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol


class Notification(NamedTuple):
    """One message for one subscriber.

    Attributes:
        subscriber: the URI that is notified.
        options: those of the subscription.
        queue: where the message was posted, as users call it.
        project: whose queue; empty for none.
        subscription: the id of the subscription.
        message: the id of the message, the same each time that it is sent.
        ttl: seconds that it lives, as it was posted.
        body: what was posted, JSON text in UTF-8; of a confirmation, `null`.
        confirmation: what asks the subscriber to confirm, a JSON object in UTF-8; None for a message.
    """

    subscriber: str
    options: Mapping[str, Any]
    queue: str
    project: str
    subscription: str
    message: str
    ttl: int
    body: bytes
    confirmation: bytes | None = None


class Kind(enum.Enum):
    """What became of a notification."""

    DELIVERED = "delivered"
    # It may be taken later: the retry policy says when.
    RETRY = "retry"
    # It will never be taken as it is.
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What became of a notification.

    Attributes:
        kind: whether it was taken, and whether to try again.
        reason: why not, for logs: nothing of the subscriber's URI but its host is in it.
        after: seconds that the receiver asks to wait; None where it does not say.
    """

    kind: Kind
    reason: str = ""
    after: int | None = None


class Sender(Protocol):
    """Sends notifications; one object serves many threads."""

    def send(self, notification: Notification) -> Outcome:
        """Send one. It comes back within the sender's deadline, and raises nothing because of the receiver."""
        ...
