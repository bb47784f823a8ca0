"""Receipts of writes, kept in the transaction of what they are for: either both are stored, or neither is."""

from __future__ import annotations

import sqlalchemy as sa

from undercroft.core.errors import Conflict
from undercroft.engines.sql.types import Bytes

_CLEARED = 100


def table(metadata: sa.MetaData, prefix: str) -> sa.Table:
    """The table `<prefix>idempotency`; `expires` is in microseconds."""
    return sa.Table(
        f"{prefix}idempotency",
        metadata,
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", Bytes, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Index(f"{prefix}idempotency_expires", "expires"),
    )


def tell(connection: sa.Connection, receipts: sa.Table, key: str, answer: bytes) -> None:
    """Set the answer of a receipt that was claimed in this transaction, where the effect tells what it is."""
    connection.execute(receipts.update().where(receipts.c.key == key).values(answer=answer))


def claim(
    connection: sa.Connection, receipts: sa.Table, key: str, digest: str, answer: bytes, now: int, expires: int
) -> bytes | None:
    """Keep a receipt; the answer of the earlier one when there is one, and None when this is the first.

    To be called before the effect: of two transactions with one key the second waits here for the first, fails with it or, run
    again, finds its receipt. Some receipts that have expired are removed on the way.

    Raises:
        Conflict: the key was used for something else.
    """
    columns = receipts.c
    old = connection.execute(
        sa.select(columns.key).where(columns.expires <= now).order_by(columns.expires).limit(_CLEARED)
    ).scalars()
    if gone := sorted(old):
        connection.execute(receipts.delete().where(columns.key.in_(gone), columns.expires <= now))
    known = connection.execute(sa.select(columns.digest, columns.answer).where(columns.key == key, columns.expires > now)).first()
    if known is None:
        # It may have expired without being among those just removed.
        connection.execute(receipts.delete().where(columns.key == key, columns.expires <= now))
        connection.execute(receipts.insert().values(key=key, digest=digest, answer=answer, expires=expires))
        return None
    if known.digest != digest:
        raise Conflict("this Idempotency-Key was used for another request in the last 24 hours; take a new key")
    return bytes(known.answer)
