"""Protections taken away where an operation is a transaction: those that commit late, that are two, or that lock too much."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from tests.chaos.workloads import COMMIT_SECONDS
from undercroft.core import time
from undercroft.messaging.drivers.sql.data import _AT_ONCE as PART
from undercroft.messaging.drivers.sql.dialects import Lane
from undercroft.messaging.drivers.sql.dialects.steps import Steps
from undercroft.messaging.drivers.sql.rows import Found
from undercroft.messaging.models import Lease

__all__ = ["PART"]
# Whether a post may be open while others are stored, and whether a question removes what has expired.
OPEN, CLEANS_WHEN_ASKED = True, False

# -- posts and readers ---------------------------------------------------------------------------------------------------


def late(store: Any, wait: Callable[[], object]) -> None:
    """Let every transaction that writes wait before its commit; single statements are transactions then, too."""
    store.db.write_alone = store.db.write
    sa.event.listen(store.db._writer, "commit", lambda _: wait())


def post_apart(store: Any, wait: Callable[[], object]) -> None:
    """Nothing: posts of writers that are late are open as it is."""


def blind(store: Any) -> None:
    """A reader that takes no notice of posts that are still open."""
    plane = store.plane
    if hasattr(plane, "_last_sure"):
        plane._last_sure = lambda _: 2**62
    else:
        plane._announced = lambda _: (2**62, {})


def patient() -> contextlib.AbstractContextManager[None]:
    """Nothing: an open post is never given up."""
    return contextlib.nullcontext()


@contextlib.contextmanager
def another_transaction(store: Any, name: str) -> Iterator[None]:
    """A transaction elsewhere in the server that has written, and stays open."""
    db = store.db
    table = sa.Table(name, sa.MetaData(), sa.Column("x", sa.Integer))
    table.create(db.engine)
    try:
        with db._writer.connect() as connection:
            connection.execute(table.insert().values(x=1))
            yield
            connection.rollback()
    finally:
        table.drop(db.engine)


def one_by_one(store: Any) -> None:
    """Let posts lock the row of their queue."""
    plane, table = store.plane, store.tables.queue

    def post(lane: Any, client: str, messages: Any, now: int, *, enters: bool) -> list[int]:
        def locked(connection: sa.Connection) -> list[int]:
            connection.execute(sa.select(table.c.id).where(table.c.name == lane.name).with_for_update()).all()
            found: list[int] = plane._post(connection, lane, client, messages, now, enters=enters)
            return found

        done: list[int] = store.db.write(locked)
        return done

    plane.post = post


def counted_apart(store: Any) -> None:
    """Let posts store messages first, and count them a moment later."""
    plane = store.plane
    add, post = plane._add, plane.post
    late: list[tuple[int, int, int]] = []

    # One statement stores and counts where the engine can.
    plane._store = functools.partial(Steps._store, plane)

    def posted(*arguments: Any, **named: Any) -> list[int]:
        plane._add = lambda _, *given: late.append(given)
        try:
            found: list[int] = post(*arguments, **named)
        finally:
            plane._add = add
        threading.Event().wait(COMMIT_SECONDS)
        store.db.write(lambda connection: [add(connection, *given) for given in late])
        late.clear()
        return found

    plane.post = posted


def after_writing(store: Any, do: Callable[[], object]) -> None:
    """Do something when something is stored, before it is told."""
    write = store.db._write_once

    def written(*arguments: Any) -> Any:
        found = write(*arguments)
        do()
        return found

    store.db.write_alone = store.db.write
    store.db._write_once = written


# -- claims and clocks ---------------------------------------------------------------------------------------------------


def claim_in_two_steps(store: Any) -> None:
    """Let claims look for messages first, and take them a moment later without looking again."""
    plane = store.plane

    def claim(lane: Lane, lease: Lease, now: int, *_: Any) -> Found | None:
        front = store.db.write(lambda connection: plane._front(connection, lane, lease.limit, now))
        if front is None:
            return None
        threading.Event().wait(COMMIT_SECONDS)
        found: Found = store.db.write(lambda connection: plane._take(connection, front.queue, front.rows, lease, now))
        return found

    plane.claim = claim


def look_once_at_the_clock(store: Any) -> None:
    """A clock that is compared with the engine's once."""
    offset = store.db.now() - time.now()
    store.db.now = lambda: time.now() + offset


# -- cleaning ------------------------------------------------------------------------------------------------------------


def watch_cleaning(store: Any, parts: list[int]) -> None:
    """Tell the messages that each transaction removes."""
    clean = store.clean

    def watched() -> int:
        parts.append(clean())
        return parts[-1]

    store.clean = watched


def clean_too_young(store: Any, ahead: int) -> None:
    """Let a store clean up what expires within so many milliseconds."""
    clean = store.plane.clean
    store.plane.clean = lambda now, most: clean(now + ahead, most)


def cleaned_all_at_once(store: Any) -> contextlib.AbstractContextManager[None]:
    """The block, in which one transaction removes more than a part."""
    clean = store.plane.clean
    store.plane.clean = lambda now, most: clean(now, 100 * most)
    return contextlib.nullcontext()


def stored(store: Any) -> int:
    """Messages that are stored, whether anybody sees them or not."""
    text = f"SELECT count(*) FROM {store.tables.message.name}"
    return int(store.db.read(lambda connection: connection.exec_driver_sql(text).scalar_one()))
