"""The tables of messages. Moments are milliseconds since 1970.

queue        a queue, or a topic. `metadata` is NULL for one that has messages and was never made, where the control
             plane is elsewhere. `id` is of this incarnation: a queue that is deleted and made again has another one.
             `version` changes with the metadata. The three `dead_` columns are what the metadata say about dead letters.
             `subscription` is set on a lane: the id of the subscription that it goes with; it has no metadata. `heard` is the
             moment up to which the queue has subscriptions; see `dialects.audience`
leftover     ids of queues that are gone, whose messages are still to be removed
message      a message. `place` is its order in the queue, and its id, too, but for one that came from another queue: that kept
             its id, as `alias`. One of another store has its id in `origin`, and a number below 0 that is made of it as `alias`.
             `again` says when it may be claimed: 0 for one that was never claimed and has no delay, else a moment. `claim` is the
             last claim that was not released; it is live while `again` is to come. `ttl` and `expires` are what the contract makes
             of them when a claim prolongs a life
moved        where the messages are that came from another queue or store, or were, by their ids: such an id is a marker, too, when
             its message is gone, and is not received again. Kept for a day longer than they live
tally        what is added to the number of a queue's messages (`total`) and of those with a `claim` (`held`): rows that are added
             up, so that no two writers of a queue wait for each other. Folded now and then
dedup        which message a `dedup_id` of a queue made, for as long as that is to be remembered
subscription a subscription; `digest` is of its subscriber, since a URI may be too long for an index. `due` is when its lane is to
             be looked at, NULL for never; `lease` is set while somebody does, until `due`, and names that one's turn
audience     until when a queue has subscriptions (`until`), whether it has a row of its own or not; locked while that changes
outbox       what was posted to queues that had subscriptions, until it is handed out. `place` is the message's. `again` says when
             it may be taken: 0 for what nobody has taken yet, else the moment when the last turn ends. It has no index but its key,
             so that a post pays for one entry only: what is taken or has expired is in front, and is little
pool         a pool; `digest` is of its URI, which no two have. `flavor` is empty for none
flavor       a flavor of a project
catalogue    which pool a queue is in, and what the pooled driver keeps of it (`state`); `version` changes with each change
slot         (MariaDB) what each connection announces before it posts; see its dialect
idempotency  receipts of writes that were asked for under a key (see engines.sql.receipts)
setting      (SQLite) the last place that was given
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import receipts, types

KIND = "messaging"
LAST_PLACE = "last_place"
# Below every moment. On PostgreSQL an index with such a condition serves only those statements that repeat it. Without statistics
# its planner would take any index that begins with the queue.
LEAST = -(2**62)


@dataclasses.dataclass(frozen=True)
class Tables:
    """The tables of one namespace.

    Attributes:
        place: the name of the sequence of places, where the engine has such.
    """

    metadata: sa.MetaData
    setting: sa.Table
    queue: sa.Table
    leftover: sa.Table
    message: sa.Table
    moved: sa.Table
    tally: sa.Table
    dedup: sa.Table
    subscription: sa.Table
    outbox: sa.Table
    audience: sa.Table
    pool: sa.Table
    flavor: sa.Table
    catalogue: sa.Table
    slot: sa.Table
    idempotency: sa.Table
    place: str


@functools.lru_cache(maxsize=8)
def tables(namespace: str) -> Tables:
    """The tables whose names begin with `<namespace>_messaging_`."""
    metadata = sa.MetaData()
    prefix = f"{namespace}_{KIND}_"

    def table(name: str, *parts: sa.schema.SchemaItem, **options: Any) -> sa.Table:
        return sa.Table(prefix + name, metadata, *parts, **options)

    def index(name: str, *columns: str, unique: bool = False, where: str | None = None, named: str | None = None) -> sa.Index:
        given: dict[str, Any] = {} if where is None else {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
        if named is not None:
            given["postgresql_where"] = sa.text(f"{named} > {LEAST}")
        return sa.Index(prefix + name, *columns, unique=unique, **given)

    def key(name: str, kind: Any = sa.BigInteger) -> sa.Column[Any]:
        return sa.Column(name, kind, primary_key=True, autoincrement=False)

    def number(name: str, kind: Any = sa.BigInteger, *, nullable: bool = False) -> sa.Column[Any]:
        return sa.Column(name, kind, nullable=nullable)

    # Removed with the tables.
    sa.Sequence(f"{prefix}place", metadata=metadata)
    clustered: dict[str, Any] = {"sqlite_with_rowid": False}
    return Tables(
        metadata=metadata,
        setting=table("setting", sa.Column("name", sa.String(64), primary_key=True), number("value")),
        queue=table(
            "queue",
            key("id"),
            sa.Column("project", types.word(256), nullable=False),
            sa.Column("name", types.word(255), nullable=False),
            sa.Column("metadata", types.LongText),
            number("version"),
            number("dead_most", nullable=True),
            sa.Column("dead_queue", types.word(255)),
            number("dead_ttl", nullable=True),
            number("subscription", nullable=True),
            number("heard", nullable=True),
            index("queue_name", "project", "name", unique=True),
            index("queue_subscription", "subscription", where="subscription IS NOT NULL"),
        ),
        leftover=table("leftover", key("id"), number("since")),
        message=table(
            "message",
            key("queue"),
            key("place"),
            number("alias", nullable=True),
            number("born"),
            number("ttl"),
            number("expires"),
            number("again"),
            number("claim", nullable=True),
            number("claim_ttl", nullable=True),
            number("claims", sa.Integer),
            sa.Column("client", types.word(255), nullable=False),
            sa.Column("body", types.Bytes, nullable=False),
            sa.Column("origin", types.word(255)),
            index("message_again", "queue", "again", "place", named="again"),
            index("message_expires", "queue", "expires", named="expires"),
            index("message_claim", "queue", "claim", where="claim IS NOT NULL"),
            **clustered,
        ),
        moved=table(
            "moved",
            key("queue"),
            key("alias"),
            number("place"),
            number("expires"),
            index("moved_expires", "expires"),
            **clustered,
        ),
        tally=table("tally", number("queue"), number("total"), number("held"), index("tally_queue", "queue")),
        dedup=table(
            "dedup",
            key("queue"),
            key("key", types.key_bytes(16)),
            number("message"),
            number("expires"),
            index("dedup_expires", "expires"),
            **clustered,
        ),
        subscription=table(
            "subscription",
            key("id"),
            sa.Column("project", types.word(256), nullable=False),
            sa.Column("queue", types.word(255), nullable=False),
            sa.Column("subscriber", types.LongText, nullable=False),
            sa.Column("digest", types.key_bytes(16), nullable=False),
            number("ttl"),
            number("born"),
            number("expires"),
            sa.Column("options", types.LongText, nullable=False),
            sa.Column("confirmed", sa.SmallInteger, nullable=False),
            number("due", nullable=True),
            number("lease", nullable=True),
            index("subscription_digest", "project", "queue", "digest", unique=True),
            index("subscription_expires", "expires"),
            index("subscription_due", "due", where="due IS NOT NULL"),
        ),
        outbox=table(
            "outbox",
            key("place"),
            sa.Column("project", types.word(256), nullable=False),
            sa.Column("queue", types.word(255), nullable=False),
            number("ttl"),
            number("expires"),
            number("again"),
            sa.Column("body", types.Bytes, nullable=False),
            **clustered,
        ),
        audience=table(
            "audience",
            sa.Column("project", types.word(256), primary_key=True),
            sa.Column("queue", types.word(255), primary_key=True),
            number("until"),
            index("audience_until", "until"),
            **clustered,
        ),
        pool=table(
            "pool",
            sa.Column("name", types.word(255), primary_key=True),
            sa.Column("uri", types.LongText, nullable=False),
            sa.Column("digest", types.key_bytes(16), nullable=False),
            number("weight"),
            sa.Column("flavor", types.word(255), nullable=False),
            sa.Column("options", types.LongText, nullable=False),
            index("pool_digest", "digest", unique=True),
            index("pool_flavor", "flavor"),
        ),
        flavor=table(
            "flavor",
            sa.Column("project", types.word(256), primary_key=True),
            sa.Column("name", types.word(255), primary_key=True),
            sa.Column("capabilities", types.LongText, nullable=False),
        ),
        catalogue=table(
            "catalogue",
            sa.Column("project", types.word(256), primary_key=True),
            sa.Column("queue", types.word(255), primary_key=True),
            sa.Column("pool", types.word(255), nullable=False),
            sa.Column("state", types.Bytes, nullable=False),
            number("version"),
            index("catalogue_pool", "pool"),
            **clustered,
        ),
        slot=table("slot", key("connection"), number("queue"), number("floor"), number("heard", nullable=True)),
        idempotency=receipts.table(metadata, prefix),
        place=prefix + "place",
    )
