"""Finding events: at most two statements a page, which bring no row that is not on it.

The first, where there is something to ask, finds the marker's place and counts up to NARROW what passes each test. A test that few
pass is listed from its index, and the rest is looked up for each of the few. When all are wide, events are gone through in the order
that was asked for, until the page is full: the wider the tests, the sooner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from undercroft.engines.sql import Database
from undercroft.events import query
from undercroft.events.drivers.sql.conditions import Clause, Condition, Conditions, all_of
from undercroft.events.drivers.sql.dictionary import Dictionary
from undercroft.events.drivers.sql.schema import COLUMNS, Tables
from undercroft.events.errors import InvalidMarker
from undercroft.events.models import Trait

NARROW = 10_000
# Pages up to this size come at once, larger ones as a stream.
AT_ONCE = 1_000
_unpack = msgspec.msgpack.Decoder(list[tuple[str, int, Any]]).decode
_unjson = msgspec.json.Decoder().decode

Parts = tuple[str, str, int, list[tuple[str, int, Any]], Any]


class Reader:
    """Reads one store. Shared by threads."""

    def __init__(self, db: Database, tables: Tables, dictionary: Dictionary) -> None:
        self._db = db
        self._t = tables
        self._dictionary = dictionary
        self._conditions = Conditions(tables, db.dialect, dictionary)
        event = tables.event.c
        self._columns = (event.message_id, event.type_id, event.generated, event.traits, event.raw)

    # -- pages -----------------------------------------------------------------------------------------------------

    def events(self, selection: query.Selection, page: query.Page) -> Iterable[Parts]:
        """The parts of the page's events."""
        conditions = self._conditions.of(selection)
        place, listed = self._prelude(conditions or [], selection, page)
        if conditions is None or page.limit == 0:
            return ()
        statement = self._page(conditions, listed, selection, page, place)
        if page.limit is None or page.limit > AT_ONCE:
            return self._stream(statement)
        rows = self._db.alone(lambda c: c.execute(statement).all())
        return self._parts(rows)

    def _prelude(
        self, conditions: Sequence[Condition], selection: query.Selection, page: query.Page
    ) -> tuple[int | None, Condition | None]:
        """The marker's `generated`, and the condition to be gone through by its list."""
        event = self._t.event.c
        asked: list[Any] = []
        if page.marker is not None:
            asked.append(sa.select(event.generated).where(event.message_id == page.marker).scalar_subquery())
        counted: list[Condition] = []
        if selection.message_id is None and page.limit != 0 and any(each.listed is not None for each in conditions):
            counted = [each for each in conditions if each.counted is not None]
        for each in counted:
            assert each.counted is not None
            asked.append(sa.select(sa.func.count()).select_from(each.counted.limit(NARROW).subquery()).scalar_subquery())
        if not asked:
            return None, None
        # Of one table each, but the statement has none: labels keep equal ones apart.
        found = list(self._db.alone(lambda c: c.execute(sa.select(*(a.label(f"n{n}") for n, a in enumerate(asked)))).one()))
        place = None
        if page.marker is not None:
            place = found.pop(0)
            if place is None:
                raise InvalidMarker(f"Marker {page.marker} not found.")
        if counted:
            least, _, narrowest = min(zip(found, range(len(counted)), counted, strict=True), key=lambda each: each[:2])
            if least < NARROW and narrowest.listed is not None:
                return place, narrowest
        return place, None

    def _page(
        self,
        conditions: Sequence[Condition],
        listed: Condition | None,
        selection: query.Selection,
        page: query.Page,
        place: int | None,
    ) -> sa.Select[Any]:
        event = self._t.event
        clauses = all_of(conditions, listed, event)
        if page.marker is not None:
            clauses.append(self._after(page, place))
        order = [column.desc() if down else column.asc() for column, down in self._keys(page)]
        statement = sa.select(*self._columns)
        if selection.project is not None:
            own, none = self._conditions.project(selection.project)
            if page.limit is not None and listed is None and selection.message_id is None:
                # Two walks in order, one of each index range, instead of one past everybody else's events.
                arms = [
                    sa.select(sa.select(event.c.id).where(*clauses, which).order_by(*order).limit(page.limit).subquery().c.id)
                    for which in (own, none)
                ]
                either = sa.union_all(*arms).subquery("either")
                statement = statement.join(either, either.c.id == event.c.id)
                clauses = []
            else:
                clauses.append(sa.or_(own, none))
        statement = statement.where(*clauses).order_by(*order)
        return statement if page.limit is None else statement.limit(page.limit)

    def _keys(self, page: query.Page) -> list[tuple[sa.Column[Any], bool]]:
        return [(self._t.event.c[key], down) for key, down in page.order]

    def _after(self, page: query.Page, place: int | None) -> Clause:
        """Behind the marker, by value."""
        values = {query.GENERATED: place, query.MESSAGE_ID: page.marker}
        keys = [(column, down, values[key]) for (column, down), (key, _) in zip(self._keys(page), page.order, strict=True)]
        (first, down, value), *rest = keys
        beyond = first < value if down else first > value
        if not rest:
            return beyond
        ((second, second_down, other),) = rest
        if down == second_down and self._db.dialect != "mariadb":
            pair, bound = sa.tuple_(first, second), sa.tuple_(sa.literal(value), sa.literal(other))
            return pair < bound if down else pair > bound
        # MariaDB finds ranges in a disjunction, and not in a comparison of pairs.
        return sa.or_(beyond, sa.and_(first == value, second < other if second_down else second > other))

    def _stream(self, statement: sa.Select[Any]) -> Iterator[Parts]:
        with self._db.stream() as connection:
            rows = connection.execution_options(stream_results=True, yield_per=AT_ONCE).execute(statement)
            if self._db.in_memory:
                # A database in memory has no snapshots: an open reader would keep writers out.
                rows = rows.all()
                parts = [rows]
            else:
                parts = rows.partitions()
            for part in parts:
                yield from self._parts(part)

    def _parts(self, rows: Sequence[Any]) -> Iterator[Parts]:
        names = self._dictionary.type_names({row[1] for row in rows})
        for message_id, type_id, generated, traits, raw in rows:
            yield message_id, names[type_id], generated, _unpack(traits), {} if raw == "{}" else _unjson(raw)

    # -- the tail --------------------------------------------------------------------------------------------------

    def arrivals(self, selection: query.Selection, after: int, limit: int, horizon: Any) -> tuple[list[Parts], int]:
        """Events behind the id `after` in the order of ids, and the id to go on from."""
        conditions = self._conditions.of(selection)
        event = self._t.event

        def work(connection: sa.Connection) -> tuple[Sequence[Any], int]:
            end = horizon(connection)
            if conditions is None:
                return [], end
            clauses = [event.c.id > after, event.c.id < end, *all_of(conditions, None, event)]
            if selection.project is not None:
                clauses.append(sa.or_(*self._conditions.project(selection.project)))
            statement = sa.select(*self._columns, event.c.id).where(*clauses).order_by(event.c.id).limit(limit)
            return connection.execute(statement).all(), end

        rows, end = self._db.read(work)
        last = rows[-1][-1] if len(rows) == limit else max(after, end - 1)
        return list(self._parts([row[:-1] for row in rows])), last

    # -- types -----------------------------------------------------------------------------------------------------

    def event_types(self) -> list[str]:
        """Types that have events: one look into an index for each that there has ever been."""
        t, event = self._t.event_type.c, self._t.event.c
        used = sa.exists().where(event.type_id == t.id)
        return list(self._db.alone(lambda c: c.execute(sa.select(t.name).where(used).order_by(t.name)).scalars().all()))

    def trait_types(self, event_type: str) -> list[tuple[str, int]]:
        """Traits of the type's events, from the dictionary; for each a look at events of the type until one has it."""
        number = self._dictionary.type_id(event_type)
        if number is None:
            return []
        t, event = self._t, self._t.event.c
        key, pair = t.trait_key.c, t.type_trait.c
        of_type = sa.select(event.id).where(event.type_id == number)
        text = key.dtype == Trait.TEXT_TYPE
        shown = [
            sa.and_(text, key.name == name, sa.exists(of_type.where(event[name].is_not(None)))) for name in COLUMNS
        ] + [
            sa.and_(which, sa.exists(of_type.where(self._has(table, key.id))))
            for which, table in ((sa.and_(text, key.name.not_in(COLUMNS)), t.trait_text), (sa.not_(text), t.trait_number))
        ]
        statement = (
            sa.select(key.name, key.dtype)
            .join_from(t.type_trait, t.trait_key, key.id == pair.trait_id)
            .where(pair.type_id == number, sa.or_(*shown))
            .order_by(key.name, key.dtype)
        )
        return [(name, dtype) for name, dtype in self._db.alone(lambda c: c.execute(statement).all())]

    def _has(self, table: sa.Table, trait: Any) -> Clause:
        found = sa.select(table.c.trait_id).where(table.c.event_id == self._t.event.c.id, table.c.trait_id == trait)
        return found.correlate(self._t.event, self._t.trait_key).scalar_subquery().is_not(None)

    def traits(self, event_type: str, name: str | None) -> Iterator[tuple[str, int, Any]]:
        """The traits of the type's events, by type and name; they are kept in memory, less what is not asked for."""
        number = self._dictionary.type_id(event_type)
        if number is None:
            return
        event = self._t.event.c
        groups: dict[tuple[int, str], list[Any]] = {}
        statement = sa.select(event.traits).where(event.type_id == number)
        with self._db.stream() as connection:
            for packed in connection.execution_options(stream_results=True, yield_per=AT_ONCE).execute(statement).scalars():
                for each, dtype, value in _unpack(packed):
                    if name is None or each == name:
                        groups.setdefault((dtype, each), []).append(value)
        for (dtype, each), values in sorted(groups.items(), key=lambda group: group[0]):
            for value in values:
                yield each, dtype, value
