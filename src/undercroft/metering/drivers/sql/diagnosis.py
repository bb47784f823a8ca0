"""Examining what a store of samples holds: does every row have what it refers to, is what is kept of samples what they say?"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from undercroft.core import time
from undercroft.core.findings import Finding, error, ok, warning
from undercroft.core.plural import number
from undercroft.engines.sql import Database, diagnose
from undercroft.engines.sql.diagnose import RESTORE, Parent
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.folding import Folder
from undercroft.metering.drivers.sql.schema import FOLDED, HOUR, PENDING, SPANS, Tables
from undercroft.metering.sums import Sums

# Hours that are read by one statement, and hours of one meter that may wait.
_AT_ONCE = 20
_WAITING = 3


def waiting(db: Database, tables: Tables) -> Iterator[Finding]:
    """How much is read sample by sample because nobody has folded it."""
    t = tables.slot.c
    now = time.to_micros(db.now())
    asked = sa.select(sa.func.count(sa.distinct(t.start))).where(
        t.span == HOUR, t.folded == PENDING, t.start < now - (_WAITING + 1) * SPANS[HOUR]
    )
    hours = db.read(lambda c: c.execute(asked).scalar_one())
    if hours > _WAITING:
        yield warning(
            "hours", f"of {hours:,} hours that are over, every sample is read", "let `undercroft worker` run, it does the rest"
        )
    else:
        yield ok("hours", "what is over is added up")


def references(db: Database, tables: Tables) -> Finding:
    """Samples without their series or metadata, series without their meter, states without their series."""
    parents = (
        Parent(tables.sample.c.series_id, tables.series, "samples whose series is missing"),
        Parent(tables.sample.c.meta_id, tables.bodies, "samples whose metadata are missing"),
        Parent(tables.series.c.meter_id, tables.meter, "series whose meter is missing"),
        Parent(tables.state.c.series_id, tables.series, "states whose series is missing"),
    )
    return diagnose.references(db, parents, "every sample has its series and metadata")


def kept(db: Database, tables: Tables, dialect: Dialect, folder: Folder) -> Iterator[Finding]:
    """Whether hours that are folded hold as many samples, of as many series, as what is kept of them says."""
    after, hours, wrong = 0, 0, 0
    while True:
        found, differ, last = db.read(lambda c, after=after: _part(c, tables, dialect, folder, after))  # type: ignore[misc]
        hours, wrong = hours + found, wrong + differ
        if last is None:
            break
        after = last
    if wrong:
        yield error("sums", f"of {number(hours, 'hours')}, {wrong:,} with other samples than their sums say", RESTORE)
    else:
        yield ok("sums", f"are those of the samples of {number(hours, 'hours')}")


def _part(connection: sa.Connection, tables: Tables, dialect: Dialect, folder: Folder, after: int) -> tuple[int, int, int | None]:
    t = tables.slot.c
    asked = sa.select(t.id, t.start).where(t.span == HOUR, t.folded == FOLDED, t.id > after).order_by(t.id).limit(_AT_ONCE)
    starts: dict[int, int] = dict(map(tuple, connection.execute(asked)))
    if not starts:
        return 0, 0, None
    said: dict[int, dict[int, Any]] = collections.defaultdict(dict)
    for slot, series, body in folder.kept(connection, list(starts)):
        sums = Sums.unpack(body, starts[slot])
        said[slot][series] = (sums.count, sums.first, sums.last)
    wrong = 0
    for slot in starts:
        counted = dialect.run(
            connection,
            f"SELECT series_id, count(*), min(ts), max(ts) FROM {tables.sample.name} WHERE {dialect.among('piece')} "  # noqa: S608
            "GROUP BY series_id",
            dialect.listed(dialect.pieces_of([slot])),
        )
        wrong += said[slot] != {series: tuple(rest) for series, *rest in counted}
    return len(starts), wrong, max(starts)
