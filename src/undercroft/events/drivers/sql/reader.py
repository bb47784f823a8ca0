"""Finding events: at most two statements a page, which bring no row that is not on it.

The first, where there is something to ask, finds the marker's place, counts what passes each test, up to a limit, and looks at a
sample: how many of the first events in order pass them all. Then either the ids that pass the rarest test are listed from its
index, and the rest is looked up for each; or events are gone through in the order that was asked for, until the page is full.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from undercroft.core import time
from undercroft.engines.sql import Database
from undercroft.events import query
from undercroft.events.drivers.sql.conditions import Condition, Conditions, Sql, joined
from undercroft.events.drivers.sql.dialects import Dialect
from undercroft.events.drivers.sql.dictionary import Dictionary
from undercroft.events.drivers.sql.schema import COLUMNS, Tables
from undercroft.events.errors import InvalidMarker
from undercroft.events.models import Trait

# A list of fewer ids than this is gone through, of one test, or of one among several.
NARROW, NARROW_AMONG_SEVERAL = 10_000, 40_000
# Events that are looked at to tell how far a walk in order has to go, and the base of the number that says it.
SAMPLE, BASE = 500, 1024
# Looking an event up by its id takes as long as walking past this many.
LOOKED_UP = 3
# Pages up to this size come at once, larger ones in parts.
AT_ONCE = 1_000
_unpack = msgspec.msgpack.Decoder(list[tuple[str, int, Any]]).decode
_unjson = msgspec.json.Decoder().decode
_KEYS = {query.GENERATED: "e.generated", query.MESSAGE_ID: "e.message_id"}

Parts = tuple[str, str, int, list[tuple[str, int, Any]], Any]


class Question(NamedTuple):
    """A selection on its way to the database.

    Attributes:
        conditions: what must hold.
        listed: the one of them that is gone through by its list.
        project: of this project, or of none.
        alone: True when a message id is asked for.
    """

    conditions: list[Condition]
    listed: Condition | None
    project: str | None
    alone: bool


class Reader:
    """Reads one store. Shared by threads."""

    def __init__(self, db: Database, tables: Tables, dialect: Dialect, dictionary: Dictionary) -> None:
        self._db = db
        self._dialect = dialect
        self._t = tables
        self._dictionary = dictionary
        self._conditions = Conditions(tables, dialect.in_parts, dictionary)
        self._event = tables.event.name
        self._columns = "e.message_id, e.type_id, e.generated, e.traits, e.raw"
        self._event_types, self._trait_types = _event_types(tables), _trait_types(tables)

    # -- pages -----------------------------------------------------------------------------------------------------

    def events(self, selection: query.Selection, page: query.Page) -> Iterable[Parts]:
        """The parts of the page's events."""
        conditions = self._conditions.of(selection)
        alone = selection.message_id is not None
        place, listed = self._prelude(conditions or [], page, choose=not alone and page.limit != 0)
        if conditions is None or page.limit == 0:
            return ()
        question = Question(conditions, listed, selection.project, alone)
        if page.limit is None or page.limit > AT_ONCE:
            return self._stream(question, page, place)
        statement = self._page(question, page, place)
        return self._parts(self._db.alone(lambda c: self._rows(c, statement)))

    def _rows(self, connection: sa.Connection, statement: Sql) -> Sequence[Any]:
        return connection.exec_driver_sql(self._db.dialect.text(statement.text), statement.values).all()

    def _prelude(self, conditions: list[Condition], page: query.Page, *, choose: bool) -> tuple[int | None, Condition | None]:
        """The marker's `generated`, and the condition to be gone through by its list."""
        asked: list[Sql] = []
        if page.marker is not None:
            asked.append(Sql(f"SELECT generated FROM {self._event} WHERE message_id = ?", (page.marker,)))  # noqa: S608
        by_list = [each for each in conditions if choose and each.listed is not None]
        several = len(conditions) > 1
        most = NARROW_AMONG_SEVERAL if several else NARROW
        asked += [
            Sql(
                f"SELECT count(*) FROM (SELECT 1 FROM {listed.table} l WHERE {listed.where.text} LIMIT ?) c",  # noqa: S608
                (*listed.where.values, most),
            )
            for listed in (each.listed for each in by_list)
            if listed is not None
        ]
        if by_list and several:
            asked.append(self._sample(conditions, by_list, page))
        if not asked:
            return None, None
        every = joined(", ", asked)
        (row,) = self._db.alone(lambda c: self._rows(c, Sql(f"SELECT {every.text}", every.values)))
        found = list(row)
        place = found.pop(0) if page.marker is not None else None
        if page.marker is not None and place is None:
            raise InvalidMarker(f"Marker {page.marker} not found.")
        if not by_list:
            return place, None
        walked = _walked(found.pop(), page) if several else NARROW * LOOKED_UP
        least, number = min(zip(found, range(len(by_list)), strict=True))
        narrow = least < most and least * LOOKED_UP <= walked
        return place, by_list[number] if narrow else None

    def _sample(self, conditions: list[Condition], by_list: list[Condition], page: query.Page) -> Sql:
        """How many of the first SAMPLE events in order there are, and how many pass: one number, first * BASE + second."""
        passes = joined(" AND ", (each.holds for each in by_list))
        rest = [each.holds for each in conditions if each.listed is None]
        where = joined(" AND ", rest)
        given = f" WHERE {where.text}" if rest else ""
        walk = f"SELECT CASE WHEN {passes.text} THEN 1 ELSE 0 END AS passes FROM {self._event} e{given}{_order(page)} LIMIT ?"  # noqa: S608
        return Sql(
            f"SELECT count(*) * {BASE} + coalesce(sum(s.passes), 0) FROM ({walk}) s",  # noqa: S608
            (*passes.values, *where.values, SAMPLE),
        )

    def _page(self, question: Question, page: query.Page, place: int | None) -> Sql:
        source, clauses = self._source(question)
        if page.marker is not None:
            clauses.append(self._after(page, place))
        statement = Sql(f"SELECT {self._columns} FROM {source}")  # noqa: S608
        if question.project is not None:
            either = self._conditions.project(question.project)
            if page.limit is not None and question.listed is None and not question.alone:
                # Two walks in order, one of each index range, instead of one past everybody else's events.
                own, none = (self._walk([*clauses, which], page) for which in either)
                ids = f"SELECT e.id FROM {self._event} e"  # noqa: S608
                both = f"SELECT a.id FROM ({ids}{own.text}) a UNION ALL SELECT b.id FROM ({ids}{none.text}) b"  # noqa: S608
                statement = statement.then(f" JOIN ({both}) u ON u.id = e.id", *own.values, *none.values)
                clauses = []
            else:
                clauses.append(joined(" OR ", either))
        rest = self._walk(clauses, page)
        return statement.then(rest.text, *rest.values)

    def _source(self, question: Question) -> tuple[str, list[Sql]]:
        """What to read from, and what must hold, less the project."""
        listed = question.listed and question.listed.listed
        clauses = [each.holds for each in question.conditions if each is not question.listed]
        if not listed:
            return f"{self._event} e", clauses
        # In this order: SQLite takes a CROSS JOIN as it is written.
        return f"{listed.table} l CROSS JOIN {self._event} e", [*clauses, listed.where.then(" AND e.id = l.event_id")]

    @staticmethod
    def _walk(clauses: Sequence[Sql], page: query.Page) -> Sql:
        """WHERE, ORDER BY and LIMIT of a page."""
        where = joined(" AND ", clauses)
        limit = Sql("") if page.limit is None else Sql(" LIMIT ?", (page.limit,))
        return Sql((f" WHERE {where.text}" if clauses else "") + _order(page) + limit.text, where.values + limit.values)

    def _after(self, page: query.Page, place: int | None) -> Sql:
        """Behind the marker, by value."""
        values = {query.GENERATED: place, query.MESSAGE_ID: page.marker}
        (first, down), *rest = page.order
        sign, value = "<" if down else ">", values[first]
        beyond = Sql(f"{_KEYS[first]} {sign} ?", (value,))
        if not rest:
            return beyond
        ((second, second_down),) = rest
        other = values[second]
        if down != second_down:
            # One range of the first key, in which equals are sorted.
            within = "<" if second_down else ">"
            bound = f"{_KEYS[first]} {sign}= ? AND ({_KEYS[first]} {sign} ? OR {_KEYS[second]} {within} ?)"
            return Sql(bound, (value, value, other))
        if self._dialect.compares_pairs:
            return Sql(f"({_KEYS[first]}, {_KEYS[second]}) {sign} (?, ?)", (value, other))
        return beyond.then(f" OR ({_KEYS[first]} = ? AND {_KEYS[second]} {sign} ?)", value, other)

    def _stream(self, question: Question, page: query.Page, place: int | None) -> Iterator[Parts]:
        """A page in parts of one state of the data, each found by value: no cursor stays open on the server."""
        if self._db.in_memory:
            # A database in memory has no snapshots: an open reader would keep writers out.
            statement = self._page(question, page, place)
            yield from self._parts(self._db.alone(lambda c: self._rows(c, statement)))
            return
        yield from self._db.parts(lambda c: self._walked_through(c, question, page, place))

    def _walked_through(
        self, connection: sa.Connection, question: Question, page: query.Page, place: int | None
    ) -> Generator[Parts, None, None]:
        left = page.limit
        while left is None or left > 0:
            limit = AT_ONCE if left is None else min(left, AT_ONCE)
            rows = self._rows(connection, self._page(question, page._replace(limit=limit), place))
            yield from self._parts(rows)
            if len(rows) < limit:
                return
            left = None if left is None else left - limit
            page, place = page._replace(marker=rows[-1][0]), rows[-1][2]

    def _parts(self, rows: Sequence[Any]) -> Iterator[Parts]:
        names = self._dictionary.type_names({row[1] for row in rows})
        for message_id, type_id, generated, traits, raw in rows:
            yield message_id, names[type_id], generated, _unpack(traits), {} if raw == "{}" else _unjson(raw)

    # -- counts ----------------------------------------------------------------------------------------------------

    def count(self, selection: query.Selection, grouping: query.Grouping, most: int) -> list[query.Group]:
        """How many events there are in each group, at most `most` groups."""
        conditions = self._conditions.of(selection)
        if conditions is None:
            return []
        alone = selection.message_id is not None
        _, listed = self._prelude(conditions, query.Page(), choose=not alone)
        source, clauses = self._source(Question(conditions, listed, selection.project, alone))
        if selection.project is not None:
            clauses.append(joined(" OR ", self._conditions.project(selection.project)))
        parts = [self._group(name) for name in grouping.names]
        if grouping.interval is not None:
            # Begins before the year 1, at a whole number of intervals before 1970: nothing below zero is divided.
            shift = -(time.FIRST // grouping.interval)
            parts.append(
                Sql(f"(e.generated + ?) {self._dialect.divide} ? - ?", (shift * grouping.interval, grouping.interval, shift))
            )
        wanted = ", ".join([*(part.text for part in parts), "count(*)"])
        where = joined(" AND ", clauses)
        by = f" GROUP BY {', '.join(str(number) for number in range(1, len(parts) + 1))}" if parts else ""
        statement = Sql(
            f"SELECT {wanted} FROM {source}{f' WHERE {where.text}' if clauses else ''}{by} LIMIT ?",  # noqa: S608
            (*(value for part in parts for value in part.values), *where.values, most),
        )
        rows = self._db.alone(lambda c: self._rows(c, statement))
        place = grouping.names.index(query.EVENT_TYPE) if query.EVENT_TYPE in grouping.names else None
        names = {} if place is None else self._dictionary.type_names({row[place] for row in rows})
        found = []
        for row in rows:
            values = [names[value] if number == place else value for number, value in enumerate(row[: len(grouping.names)])]
            start = None if grouping.interval is None else int(row[-2]) * grouping.interval
            found.append(query.Group(tuple(values), start, int(row[-1])))
        return [] if not parts and not found[0].events else found

    def _group(self, name: str) -> Sql:
        if name == query.EVENT_TYPE:
            return Sql("e.type_id")
        if name in COLUMNS:
            return Sql(f"e.{COLUMNS[COLUMNS.index(name)]}")
        number = self._dictionary.trait_id((name, Trait.TEXT_TYPE))
        table = self._t.trait_text.name
        return Sql(f"(SELECT v.value FROM {table} v WHERE v.event_id = e.id AND v.trait_id = ?)", (number or 0,))  # noqa: S608

    # -- the tail --------------------------------------------------------------------------------------------------

    def arrivals(
        self, selection: query.Selection, after: int, limit: int, horizon: Callable[[sa.Connection], int]
    ) -> tuple[list[Parts], int]:
        """Events behind the id `after` in the order of ids, and the id to go on from."""
        conditions = self._conditions.of(selection)

        def work(connection: sa.Connection) -> tuple[Sequence[Any], int]:
            end = horizon(connection)
            if conditions is None:
                return [], end
            clauses = [Sql("e.id > ? AND e.id < ?", (after, end)), *(each.holds for each in conditions)]
            if selection.project is not None:
                clauses.append(joined(" OR ", self._conditions.project(selection.project)))
            where = joined(" AND ", clauses)
            statement = Sql(f"SELECT {self._columns}, e.id FROM {self._event} e WHERE {where.text}", where.values)  # noqa: S608
            return self._rows(connection, statement.then(" ORDER BY e.id LIMIT ?", limit)), end

        rows, end = self._db.read(work)
        last = rows[-1][-1] if len(rows) == limit else max(after, end - 1)
        return list(self._parts([row[:-1] for row in rows])), last

    # -- types -----------------------------------------------------------------------------------------------------

    def event_types(self) -> list[str]:
        """Types that have events: one look into an index for each that there has ever been."""
        return list(self._db.alone(lambda c: c.execute(self._event_types).scalars().all()))

    def trait_types(self, event_type: str) -> list[tuple[str, int]]:
        """Traits of the type's events, from the dictionary; for each a look at events of the type until one has it."""
        number = self._dictionary.type_id(event_type)
        if number is None:
            return []
        rows = self._db.alone(lambda c: c.execute(self._trait_types, {"type_id": number}).all())
        return [(name, dtype) for name, dtype in rows]

    def traits(self, event_type: str, name: str | None) -> Iterator[tuple[str, int, Any]]:
        """The traits of the type's events, by type and name; they are kept in memory, less what is not asked for."""
        groups: dict[tuple[int, str], list[Any]] = {}
        for *_, traits, _ in self.events(query.Selection(event_type=event_type), query.Page()):
            for each, dtype, value in traits:
                if name is None or each == name:
                    groups.setdefault((dtype, each), []).append(value)
        for (dtype, each), values in sorted(groups.items(), key=lambda group: group[0]):
            for value in values:
                yield each, dtype, value


def _event_types(tables: Tables) -> sa.Select[Any]:
    """Names of the types that have events."""
    t = tables.event_type.c
    used = sa.exists().where(tables.event.c.type_id == t.id)
    return sa.select(t.name).where(used).order_by(t.name)


def _trait_types(tables: Tables) -> sa.Select[Any]:
    """Names and types of the traits that events of the type `type_id` have."""
    event, key, pair = tables.event.c, tables.trait_key.c, tables.type_trait.c
    number = sa.bindparam("type_id", type_=sa.Integer)
    of_type = sa.select(event.id).where(event.type_id == number)
    text = key.dtype == Trait.TEXT_TYPE

    def has(table: sa.Table) -> sa.ColumnElement[bool]:
        found = sa.select(table.c.trait_id).where(table.c.event_id == event.id, table.c.trait_id == key.id)
        return found.correlate(tables.event, tables.trait_key).scalar_subquery().is_not(None)

    shown = [sa.and_(text, key.name == name, sa.exists(of_type.where(event[name].is_not(None)))) for name in COLUMNS] + [
        sa.and_(which, sa.exists(of_type.where(has(table))))
        for which, table in ((sa.and_(text, key.name.not_in(COLUMNS)), tables.trait_text), (sa.not_(text), tables.trait_number))
    ]
    return (
        sa.select(key.name, key.dtype)
        .join_from(tables.type_trait, tables.trait_key, key.id == pair.trait_id)
        .where(pair.type_id == number, sa.or_(*shown))
        .order_by(key.name, key.dtype)
    )


def _order(page: query.Page) -> str:
    return " ORDER BY " + ", ".join(f"{_KEYS[key]} DESC" if down else _KEYS[key] for key, down in page.order)


def _walked(sample: Any, page: query.Page) -> float:
    """How many events a walk in order is likely to pass until the page is full."""
    seen, passed = divmod(int(sample), BASE)
    return seen if seen < SAMPLE else (page.limit or AT_ONCE) * SAMPLE / max(passed, 0.5)
