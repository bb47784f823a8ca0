"""What goes between the messaging contract and its drivers: typed values. Moments are milliseconds since 1970, in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec


class NewMessage(msgspec.Struct, frozen=True):
    """A message to be stored.

    Attributes:
        ttl: seconds that it lives.
        delay: seconds before it may be claimed.
        body: JSON text in UTF-8.
        dedup: what makes it the same as another one of the queue, hashed; None for nothing.
    """

    ttl: int
    delay: int
    body: bytes
    dedup: bytes | None = None


class Stored(NamedTuple):
    """A message as a driver found it.

    Attributes:
        id: its id.
        ttl: seconds that it lives.
        age: seconds that it has been there.
        body: JSON text in UTF-8.
        claim: the id of its live claim.
        claims: how many claims took it.
        created: when it was posted, in milliseconds since 1970.
        client: who posted it.
        expires: when it is over, in milliseconds since 1970; 0 where the driver was not asked for it.
    """

    id: str
    ttl: int
    age: int
    body: bytes
    claim: str | None
    claims: int
    created: int
    client: str = ""
    expires: int = 0


class Arrival(NamedTuple):
    """A message that comes from another store.

    Attributes:
        id: what it is found by from now on. It begins with `~`, which ids given by a store never do.
        born, ttl, expires: when it was posted (milliseconds since 1970), its seconds, when it is over.
        claims: how many claims took it.
        client: who posted it.
        body: JSON text in UTF-8.
    """

    id: str
    born: int
    ttl: int
    expires: int
    claims: int
    client: str
    body: bytes


class Page(NamedTuple):
    """What a list of messages asks for.

    Attributes:
        marker: opaque place in the queue behind which the page begins; None for the beginning.
        limit: the most messages.
        without: the client whose messages are left out; None to have all.
        claimed: have messages under a live claim, too.
        delayed: have messages whose delay has not passed, too.
    """

    marker: str | None
    limit: int
    without: str | None
    claimed: bool
    delayed: bool


class Lease(NamedTuple):
    """A claim to be made or renewed.

    Attributes:
        ttl: seconds that it lives.
        grace: seconds that its messages live longer than it, at least.
        limit: the most messages.
    """

    ttl: int
    grace: int
    limit: int


class Taken(NamedTuple):
    """A claim that was found: its id, its seconds, its age in seconds and its messages in order."""

    id: str
    ttl: int
    age: int
    messages: Sequence[Stored]


class Edge(NamedTuple):
    """The first or the last message of a queue, for its statistics."""

    id: str
    age: int
    created: int


class Stats(NamedTuple):
    """How many messages a queue has that may be claimed or have a delay, how many under a live claim, and its ends."""

    free: int
    claimed: int
    oldest: Edge | None
    newest: Edge | None


class Depth(NamedTuple):
    """What is counted of one queue for operators.

    Attributes:
        project: whose queue; empty for none.
        queue: its name; that of a topic begins with `topic/`.
        free: messages that may be claimed, or have a delay.
        claimed: messages under a live claim.
        oldest_age: seconds since the oldest message was posted; 0 for an empty queue.
    """

    project: str
    queue: str
    free: int
    claimed: int
    oldest_age: int


class Depths(NamedTuple):
    """What is counted for operators: the fullest queues first, and how many queues were left out."""

    queues: Sequence[Depth]
    left_out: int


class QueueRow(NamedTuple):
    """A queue with its metadata; None where they were not asked for."""

    name: str
    metadata: dict[str, Any] | None


class Subscriber(NamedTuple):
    """A subscription as a driver found it.

    Attributes:
        id: its id.
        source: the queue.
        subscriber: the URI that is notified.
        ttl: seconds that it lives.
        age: seconds since it was made, or its ttl was set anew.
        options: any JSON object.
        confirmed: whether its receiver has agreed.
    """

    id: str
    source: str
    subscriber: str
    ttl: int
    age: int
    options: dict[str, Any]
    confirmed: bool


class Subscribed(NamedTuple):
    """A subscription by its queue and its id."""

    project: str
    queue: str
    subscription: str


class Due(NamedTuple):
    """A subscription that has something to be sent; `ticket` says which lease of it this is."""

    subscribed: Subscribed
    ticket: int


class Posted(NamedTuple):
    """An entry of the outbox.

    Attributes:
        ticket: names it for `remove`.
        project, queue: where it was posted.
        id: the message's.
        ttl, expires: its seconds, and when it is over, in milliseconds since 1970.
        body: JSON text in UTF-8.
    """

    ticket: Any
    project: str
    queue: str
    id: str
    ttl: int
    expires: int
    body: bytes


class Mapped(NamedTuple):
    """An entry of the catalogue.

    Attributes:
        project, queue: what it is of.
        pool: the name that the catalogue shows.
        state: what the pooled driver keeps of it; empty where it was inserted through the host's interface.
        version: changes with each change.
    """

    project: str
    queue: str
    pool: str
    state: bytes
    version: int


class Pool(NamedTuple):
    """A pool; `flavor` is empty for none."""

    name: str
    uri: str
    weight: int
    flavor: str
    options: dict[str, Any]


class Flavor(NamedTuple):
    """A flavor; `capabilities` are JSON, what its pools were said to offer."""

    name: str
    capabilities: Any
