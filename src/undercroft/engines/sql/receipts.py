"""Receipts of writes, kept in the transaction of what they are for: either both are stored, or neither is."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from undercroft.core import time
from undercroft.core.errors import Conflict
from undercroft.core.receipt import KEPT, Receipt
from undercroft.engines.sql.types import Bytes

_CLEARED = 100
# In microseconds.
_KEPT = KEPT // time.MICROSECOND


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


def once(connection: sa.Connection, receipts: sa.Table, receipt: Receipt, now: int, effect: Callable[[], bytes]) -> bytes:
    """Do something whose answer is known only then, unless it was done under this key; its answer, or that of the first time.

    Args:
        receipt: its own answer is not used.
        now: in microseconds.

    Raises:
        Conflict: the key was used for something else.
    """
    first = claim(connection, receipts, receipt._replace(answer=b""), now)
    if first is not None:
        return first
    told = effect()
    connection.execute(receipts.update().where(receipts.c.key == receipt.key).values(answer=told))
    return told


def claim(connection: sa.Connection, receipts: sa.Table, receipt: Receipt, now: int) -> bytes | None:
    """Keep a receipt; the answer of the earlier one when there is one, and None when this is the first.

    To be called before the effect: of two transactions with one key the second waits here for the first, fails with it or, run
    again, finds its receipt. Some receipts that have expired are removed on the way.

    Raises:
        Conflict: the key was used for something else.
    """
    columns, key = receipts.c, receipt.key
    old = connection.execute(
        sa.select(columns.key).where(columns.expires <= now).order_by(columns.expires).limit(_CLEARED)
    ).scalars()
    if gone := sorted(old):
        connection.execute(receipts.delete().where(columns.key.in_(gone), columns.expires <= now))
    known = connection.execute(sa.select(columns.digest, columns.answer).where(columns.key == key, columns.expires > now)).first()
    if known is None:
        # It may have expired without being among those just removed.
        connection.execute(receipts.delete().where(columns.key == key, columns.expires <= now))
        connection.execute(receipts.insert().values(key=key, digest=receipt.digest, answer=receipt.answer, expires=now + _KEPT))
        return None
    if known.digest != receipt.digest:
        raise Conflict("this Idempotency-Key was used for another request in the last 24 hours; take a new key")
    return bytes(known.answer)
