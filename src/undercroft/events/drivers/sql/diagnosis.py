"""Examining all that a store of events holds: does every row have what it refers to, is every trait found by its value?"""

from __future__ import annotations

import collections
from collections.abc import Iterator

import msgspec
import sqlalchemy as sa

from undercroft.core.findings import Finding, error, ok
from undercroft.engines.sql import Database, diagnose
from undercroft.engines.sql.diagnose import RESTORE, Parent
from undercroft.events.drivers.sql.schema import COLUMNS, Tables
from undercroft.events.models import Trait

# Events that are looked at in one statement.
_AT_ONCE = 2_000
_unpack = msgspec.msgpack.Decoder(list[tuple[str, int, object]]).decode


def references(db: Database, tables: Tables) -> Finding:
    """Events without their type, traits without their event or name."""
    event, values = tables.event, (tables.trait_text, tables.trait_number)
    parents = (
        Parent(event.c.type_id, tables.event_type, "events whose type is missing"),
        *(Parent(each.c.event_id, event, "traits whose event is missing") for each in values),
        *(Parent(each.c.trait_id, tables.trait_key, "traits whose name is missing") for each in values),
    )
    return diagnose.references(db, parents, "every event has its type, every trait its event and name")


def indexed(db: Database, tables: Tables) -> Iterator[Finding]:
    """Whether each event has as many rows to be found by as it has traits."""
    after, events, wrong = -1, 0, 0
    while True:
        found, wrong_here, last = db.read(lambda c, after=after: _part(c, tables, after))  # type: ignore[misc]
        events, wrong = events + found, wrong + wrong_here
        if last is None:
            break
        after = last
    if wrong:
        yield error("traits", f"of {wrong:,} events not every trait is found by its value", RESTORE)
    else:
        yield ok("traits", f"are found by their values, all of {events:,} events")


def _part(connection: sa.Connection, tables: Tables, after: int) -> tuple[int, int, int | None]:
    """How many events follow that id, at most so many at once; how many of them are wrong; the last id, None at the end."""
    event = tables.event.c
    columns = [event[name] for name in COLUMNS]
    query = sa.select(event.id, event.traits, *columns).where(event.id > after).order_by(event.id).limit(_AT_ONCE)
    wanted: dict[int, int] = {}
    wrong: set[int] = set()
    for number, packed, *values in connection.execute(query):
        traits = _unpack(packed)
        own = {name: value for name, dtype, value in traits if dtype == Trait.TEXT_TYPE and name in COLUMNS}
        wanted[number] = len(traits) - len(own)
        if [own.get(name) for name in COLUMNS] != values:
            wrong.add(number)
    if not wanted:
        return 0, 0, None
    first, last = min(wanted), max(wanted)
    rows: collections.Counter[int] = collections.Counter()
    for table in (tables.trait_text, tables.trait_number):
        key = table.c.event_id
        counts = sa.select(key, sa.func.count()).where(key.between(first, last)).group_by(key)
        rows.update(dict(map(tuple, connection.execute(counts))))
    wrong |= {number for number, count in wanted.items() if rows[number] != count}
    return len(wanted), len(wrong), last
