"""Examining what a store of messages holds."""

from __future__ import annotations

import sqlalchemy as sa

from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines.sql import Database
from undercroft.engines.sql.diagnose import RESTORE
from undercroft.messaging.drivers.sql.schema import Tables

# Messages that may have expired before somebody should see to it, and the age of the oldest, in milliseconds.
_MANY, _LATE = 10_000, 3_600_000
# Milliseconds that a message may wait to be handed out.
_STUCK = 600_000
_UNHEARD = "update the ttl of each, which a process of an older version has made; stop such processes"


def queues(db: Database, tables: Tables) -> Finding:
    """How many queues and messages there are."""
    counts = sa.select(
        sa.select(sa.func.count()).select_from(tables.queue).where(tables.queue.c.metadata.is_not(None)).scalar_subquery(),
        sa.select(sa.func.coalesce(sa.func.sum(tables.tally.c.total), 0))
        .where(tables.tally.c.queue.in_(sa.select(tables.queue.c.id)))
        .scalar_subquery(),
    )
    found, messages = db.read(lambda c: tuple(c.execute(counts).one()))
    return ok(
        "messages",
        f"{int(messages):,} in {found:,} queues, expired ones that are not removed yet among them" if found or messages else "none",
    )


def waiting(db: Database, tables: Tables, now: int) -> Finding:
    """Whether what has expired is removed."""
    message = tables.message.c
    wanted = (
        sa.select(sa.func.count(), sa.func.min(message.expires))
        .select_from(tables.queue.join(tables.message, message.queue == tables.queue.c.id))
        .where(message.expires <= now)
    )
    count, oldest = db.read(lambda c: tuple(c.execute(wanted).one()))
    if count > _MANY or (oldest is not None and now - oldest > _LATE):
        return warning(
            "expired messages",
            f"{count:,} are still to be removed",
            "run `undercroft worker`, or let the host's own collector do it: they take space, and make claims slower",
        )
    return ok("expired messages", f"{count:,} are still to be removed")


def outbox(db: Database, tables: Tables, now: int) -> Finding:
    """Whether what was posted is handed out to subscribers."""
    entry = tables.outbox.c
    born = entry.expires - entry.ttl * 1000
    wanted = sa.select(sa.func.count(), sa.func.min(born)).where(entry.expires > now)
    count, oldest = db.read(lambda c: tuple(c.execute(wanted).one()))
    if oldest is not None and now - oldest > _STUCK:
        return warning(
            "notifications",
            f"{count:,} messages wait for their subscribers, the oldest for {(now - oldest) // 60_000:,} minutes",
            "run `undercroft queue notify` or `undercroft worker`, or set notify = false where the host notifies itself",
        )
    return ok("notifications", f"{count:,} messages wait for their subscribers")


def audience(db: Database, tables: Tables, now: int) -> Finding:
    """Whether the rows of queues know of their subscriptions."""
    one, queue = tables.subscription.c, tables.queue.c
    wanted = (
        sa.select(sa.func.count())
        .select_from(tables.subscription.join(tables.queue, sa.and_(queue.project == one.project, queue.name == one.queue)))
        .where(one.expires > now, sa.func.coalesce(queue.heard, 0) < one.expires)
    )
    count = db.read(lambda c: c.execute(wanted).scalar_one())
    if count:
        return error("subscriptions", f"{count:,} are not heard of by their queues", _UNHEARD)
    return ok("subscriptions", "every queue knows of its subscriptions")


def tallies(db: Database, tables: Tables) -> Finding:
    """Whether the numbers that statistics rest on are those of the rows."""
    message, tally = tables.message, tables.tally

    def counts(connection: sa.Connection) -> int:
        held = sa.func.sum(sa.case((message.c.claim.is_not(None), 1), else_=0))
        rows = {
            queue: (int(total), int(held))
            for queue, total, held in connection.execute(
                sa.select(message.c.queue, sa.func.count(), held)
                .where(message.c.queue.in_(sa.select(tables.queue.c.id)))
                .group_by(message.c.queue)
            )
        }
        told = {
            queue: (int(total), int(held))
            for queue, total, held in connection.execute(
                sa.select(tally.c.queue, sa.func.sum(tally.c.total), sa.func.sum(tally.c.held))
                .where(tally.c.queue.in_(sa.select(tables.queue.c.id)))
                .group_by(tally.c.queue)
            )
        }
        return sum(rows.get(queue, (0, 0)) != told.get(queue, (0, 0)) for queue in rows.keys() | told.keys())

    wrong = db.read(counts)
    if wrong:
        return error("statistics", f"{wrong:,} queues count their messages wrongly", RESTORE)
    return ok("statistics", "every queue counts its messages rightly")


def references(db: Database, tables: Tables) -> Finding:
    """Whether every message has its queue, or one that is being removed, and is found by its id."""
    message = tables.message.c
    lost = (
        sa.select(sa.func.count())
        .select_from(tables.message)
        .where(
            message.queue.not_in(sa.select(tables.queue.c.id)),
            message.queue.not_in(sa.select(tables.leftover.c.id)),
        )
    )
    count = db.read(lambda c: c.execute(lost).scalar_one())
    if count:
        return error("references", f"{count:,} messages whose queue is missing", RESTORE)
    moved = tables.moved.c
    known = sa.exists().where(moved.queue == message.queue, moved.alias == message.alias, moved.place == message.place)
    hidden = sa.select(sa.func.count()).select_from(tables.message).where(message.alias.is_not(None), ~known)
    count = db.read(lambda c: c.execute(hidden.where(message.queue.in_(sa.select(tables.queue.c.id)))).scalar_one())
    if count:
        return error("references", f"{count:,} messages are not found by their ids", RESTORE)
    return ok("references", "every message has its queue, and is found by its id")
