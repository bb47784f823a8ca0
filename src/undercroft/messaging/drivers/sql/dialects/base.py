"""What the driver asks of a dialect; one subclass per dialect, in the module of its name.

A dialect has whole operations, each with as few round trips as its engine allows: PostgreSQL does each in one statement, SQLite and
MariaDB in the steps of a transaction (`steps`).
"""

from __future__ import annotations

import abc
import functools
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import sqlalchemy as sa

from undercroft.core.receipt import Receipt
from undercroft.engines.sql import Database
from undercroft.messaging.attributes import DeadLetters
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.sql.dialects.audience import Audience
from undercroft.messaging.drivers.sql.rows import Found, Row, Tally, number
from undercroft.messaging.drivers.sql.schema import Tables
from undercroft.messaging.models import Arrival, Depth, Depths, Lease, NewMessage
from undercroft.messaging.waiting import Outlook, Signals

# `again` of a message that was never claimed and has no delay. Moments are behind it.
FRESH = 0
# Milliseconds by which a release is dated back, so that a clock that is a little behind sees it, too.
BACK = 1_000
# Milliseconds that an id of a deleted queue is kept after its last message: somebody may still be posting to it.
LINGERS = 300_000
# Bits of a place that count within a post, whose messages stay together: more than a post may have.
WITHIN = 14
# How long a list waits for an older post, in seconds, and how often it looks.
PATIENCE, LOOK = 0.05, 0.005
# Milliseconds for which the place of a moved message is known longer than it lives.
REMEMBERED = 86_400_000
# Rows of `tally` that a queue may have before they are folded into one.
FOLD = 1_000
# Behind every place.
BEYOND = 2**63 - 1
# Makes the answer of the ids.
Answer = Callable[[Sequence[int]], bytes]


class Lane(NamedTuple):
    """A queue, by whose it is and its name."""

    project: str
    name: str


class Spot(NamedTuple):
    """Where messages are to be inserted: the id of the queue, and what their places begin with where posts are numbered.

    `enters` says whether it has subscribers to whom they are to be handed out.
    """

    queue: int
    number: int = 0
    enters: bool = False


class Slice(NamedTuple):
    """What a page of messages asks for; see `models.Page`. `after` is a place, or the id of a message in a place of its own.

    Below 0 it is one of another store, which marks no place where that message was never received.
    """

    after: int
    limit: int
    without: str | None
    claimed: bool
    delayed: bool


class Refusal(NamedTuple):
    """Why nothing was deleted: a message, the claim that it is under (None for none), whether the claim that was named is live."""

    message: int
    holder: int | None
    known: bool


class Dialect(abc.ABC):
    """The operations on the message plane of one namespace. Moments are milliseconds since 1970.

    Attributes:
        pins: what sessions are set to beside what each of the dialect's is.

    Args:
        db: the database.
        tables: the tables.
    """

    pins: ClassVar[Mapping[str, str]] = {}

    def __init__(self, db: Database, tables: Tables) -> None:
        self._db = db
        self._tables = tables
        self.audience = Audience(db, tables)
        # To write the names into a statement takes as long as some statements do.
        self._text = functools.lru_cache(maxsize=500)(self._named)
        # Whether a queue that is made for its first message is one for the control plane, too.
        self.lists_queues = False
        # Called when messages were moved to a queue, with their number.
        self.moved: Callable[[Lane, int], None] = _nothing

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """What new tables need before they are used; harmless to repeat."""

    def close(self) -> None:  # noqa: B027 - most have nothing open
        """Finish what is under way beside the calls."""

    # -- messages --------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def post(self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, *, enters: bool) -> list[int]:
        """Store messages, all or none; their ids in order. Makes the queue's row where there is none.

        With `enters` they are entered into the outbox, too, where the queue has a live subscription.
        """

    @abc.abstractmethod
    def post_once(
        self, lane: Lane, client: str, messages: Sequence[NewMessage], now: int, receipt: Receipt, answer: Answer, *, enters: bool
    ) -> bytes:
        """The same once for a receipt; the answer that is kept with it."""

    @abc.abstractmethod
    def page(self, lane: Lane, page: Slice, now: int) -> Sequence[Row]:
        """A page of messages, in order."""

    @abc.abstractmethod
    def edge(self, lane: Lane, now: int, *, newest: bool) -> Row | None:
        """The first message, or the last one."""

    @abc.abstractmethod
    def get(self, lane: Lane, ids: Sequence[int], now: int) -> Sequence[Row]:
        """Messages by id, in the order of their places."""

    @abc.abstractmethod
    def delete(self, lane: Lane, message: int, claim: int | None, now: int) -> Refusal | None:
        """Delete a message that is free (no claim given), or under that claim; None when it is gone or was not there."""

    @abc.abstractmethod
    def delete_many(self, lane: Lane, ids: Sequence[int], claims: Sequence[int] | None, now: int) -> Refusal | None:
        """Delete messages; with claims, all of them or none: each has to be under one of these."""

    @abc.abstractmethod
    def pop(self, lane: Lane, limit: int, now: int) -> Sequence[Row]:
        """Remove the first messages that are free."""

    @abc.abstractmethod
    def redrive(self, lane: Lane, target: Lane, limit: int, now: int) -> int:
        """Move the first messages that are free to another queue; how many."""

    @abc.abstractmethod
    def receive(self, lane: Lane, arrivals: Mapping[int, Arrival], now: int) -> int:
        """Store messages of another store, by the numbers of their ids, but for those that were stored before; how many."""

    @abc.abstractmethod
    def known(self, lane: Lane, keys: Sequence[bytes], now: int) -> dict[bytes, int]:
        """The messages that these keys of deduplication have made, as far as they are still remembered."""

    # -- outbox ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def take(self, limit: int, seconds: int, now: int) -> Sequence[tuple[Any, ...]]:
        """The first entries that may be taken, from now on the caller's: place, project, queue, ttl, expires and body."""

    @abc.abstractmethod
    def remove_entries(self, places: Sequence[int]) -> None:
        """Remove entries."""

    @abc.abstractmethod
    def waiting(self, now: int) -> int:
        """How many entries there are."""

    @abc.abstractmethod
    def wake(self, subscriptions: Sequence[int], at: int) -> None:
        """Let subscriptions be due."""

    @abc.abstractmethod
    def due(self, limit: int, seconds: int, now: int) -> tuple[Sequence[tuple[int, str, str]], int]:
        """Subscriptions that are due, from now on the caller's: id, project, queue; and the number of the lease."""

    @abc.abstractmethod
    def settle(self, subscription: int, lease: int, at: int | None) -> bool:
        """Say when a subscription is due next, if the lease is still that; whether it was."""

    # -- claims ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def claim(self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool) -> Found | None:
        """Claim the first messages that are free.

        Args:
            lane: the queue.
            lease: the claim.
            now: the moment.
            dead: where messages go that were claimed too often, where the queue's metadata are in another store.
            foreign: whether they are; else the queue's row says it.
        """

    @abc.abstractmethod
    def find_claim(self, lane: Lane, claim: int, now: int) -> Sequence[Row]:
        """The messages of a live claim, in order."""

    @abc.abstractmethod
    def renew(self, lane: Lane, claim: int, lease: Lease, now: int) -> bool:
        """Let a live claim begin anew; whether there is one."""

    @abc.abstractmethod
    def release(self, lane: Lane, claim: int, now: int) -> None:
        """Free the messages of a live claim."""

    # -- waiting ---------------------------------------------------------------------------------------------------

    @property
    def signals(self) -> Callable[[], Signals] | None:
        """What opens a connection over which the engine wakes us; None where it cannot."""
        return None

    @abc.abstractmethod
    def outlooks(self, lanes: Sequence[Lane], now: int) -> list[Outlook]:
        """What queues have that may be claimed, and when they have more without a post."""

    def claim_or_outlook(self, lane: Lane, lease: Lease, now: int, dead: DeadLetters | None, foreign: bool) -> Found | Outlook:
        """`claim`; where there is nothing, what to wait for, which is read after it or with it."""
        return self.claim(lane, lease, now, dead, foreign) or self.outlooks([lane], now)[0]

    # -- figures ---------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def tally(self, lane: Lane, now: int) -> Tally | None:
        """How full a queue is; None where it has no row."""

    @abc.abstractmethod
    def depths(self, limit: int, now: int, *, lanes: bool = False) -> Depths:
        """How full the fullest queues are, or the fullest lanes of subscriptions."""

    # -- removal ---------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def clean(self, now: int, most: int) -> int:
        """Remove what has expired, and the messages of queues that are gone: at most so many, in one transaction; how many."""

    # -- pieces ----------------------------------------------------------------------------------------------------

    def _named(self, statement: str) -> str:
        """A statement with the names of our tables, and the placeholders of the client library."""
        names = {
            name: getattr(self._tables, name).name
            for name in ("setting", "queue", "leftover", "message", "moved", "tally", "dedup", "slot", "outbox", "subscription")
        }
        return self._db.dialect.text(statement.format(**names, place=self._tables.place))

    def _ensure(self, connection: sa.Connection, lane: Lane) -> None:
        """Make the queue's row, unless it is there."""
        values: dict[str, Any] = {"id": new_id(), "project": lane.project, "name": lane.name, "version": 0}
        if lane.name.startswith(LANE):
            # What is the lane of no subscription goes as that of one that is gone.
            values["subscription"] = number(lane.name.removeprefix(LANE)) or 0
        elif self.lists_queues:
            values["metadata"] = "{}"
        self.insert_queue(connection, values)

    def insert_queue(self, connection: sa.Connection, values: dict[str, Any]) -> bool:
        """Insert a queue's row unless there is one; whether it was inserted."""
        table, (project, name) = self._tables.queue, (values["project"], values["name"])
        if name.startswith(LANE):
            # What is posted there is heard of by nobody else.
            return inserted(connection, self._db, table, values)
        until = self.audience.lock(connection, project, name)
        is_new = inserted(connection, self._db, table, {**values, "heard": until})
        self.audience.unlock(connection, project, name, until)
        return is_new


def _nothing(_lane: Lane, _count: int) -> None:
    """Tell nobody."""


def last_of(post: int) -> int:
    """The last place of a post of that number."""
    return (post + 1 << WITHIN) - 1


def inserted(connection: sa.Connection, db: Database, table: sa.Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one of its key is there; whether it was inserted."""
    # Of an INSERT not every version of SQLAlchemy remembers how many rows it made.
    statement = db.dialect.insert_missing(table).values(**values).returning(sa.literal(1))
    return connection.execute(statement).first() is not None


def new_id() -> int:
    """A random id of a queue's incarnation. One that is taken by another queue is not stored, and asked for again."""
    return secrets.randbelow(2**31 - 1) + 1


def depths(found: Sequence[Any], now: int) -> Depths:
    """Rows of project, name, free, claimed, when the oldest message was posted, and how many queues there are."""
    queues = [
        Depth(project, name, int(free), int(claimed), 0 if born is None else max(0, now - born) // 1000)
        for project, name, free, claimed, born, _ in found
    ]
    return Depths(queues, int(found[0][-1]) - len(found) if found else 0)
