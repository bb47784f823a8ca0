"""What a selection is in SQL: each test as a look at one event, and, where an index can list what passes, as that list."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.events import query
from undercroft.events.drivers.sql.dialects import PART
from undercroft.events.drivers.sql.dictionary import Dictionary
from undercroft.events.drivers.sql.schema import COLUMNS, PROJECT, Tables, indexed
from undercroft.events.models import Trait

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    query.EQ: operator.eq,
    query.NE: operator.ne,
    query.LT: operator.lt,
    query.LE: operator.le,
    query.GT: operator.gt,
    query.GE: operator.ge,
}
Clause = sa.ColumnElement[bool]


class Condition(NamedTuple):
    """One part of a selection.

    Attributes:
        holds: tells of a row of `event` whether it passes.
        listed: ids of the events that pass, from an index by value; None where the row itself tells.
        counted: something that an index lists as often as it lists events; None where it is not worth counting.
    """

    holds: Clause
    listed: sa.Select[Any] | None = None
    counted: sa.Select[Any] | None = None


class Conditions:
    """Makes conditions for one store."""

    def __init__(self, tables: Tables, dialect: str, dictionary: Dictionary) -> None:
        self._t = tables
        self._dictionary = dictionary
        # On SQLite each piece of the index is a search of its own; elsewhere there is one.
        self._parts = sa.select(_parts(tables).c.n) if dialect == "sqlite" else None

    def of(self, selection: query.Selection) -> list[Condition] | None:
        """The conditions that all must hold, `project` left out; None when nothing can pass them."""
        event = self._t.event.c
        found: list[Condition] = []
        if selection.nothing:
            return None
        if selection.start is not None:
            found.append(Condition(event.generated >= selection.start))
        if selection.end is not None:
            found.append(Condition(event.generated <= selection.end))
        if selection.message_id is not None:
            found.append(Condition(event.message_id == selection.message_id))
        if selection.event_type is not None:
            number = self._dictionary.type_id(selection.event_type)
            if number is None:
                return None
            found.append(_of_row(event.type_id == number))
        for test in selection.tests:
            condition = self._untyped(test.name) if test.dtype is None else self._typed(test, test.dtype)
            if condition is None:
                return None
            found.append(condition)
        return found

    def project(self, project: str) -> tuple[Clause, Clause]:
        """Of the project, and of none."""
        column = self._t.event.c[PROJECT]
        return column == project, column.is_(None)

    def _typed(self, test: query.Test, dtype: int) -> Condition | None:
        if dtype == Trait.TEXT_TYPE and test.name in COLUMNS:
            column = self._t.event.c[test.name]
            return _of_row(column.is_not(None) if test.op == query.HAS else _COMPARE[test.op](column, test.value))
        number = self._dictionary.trait_id((test.name, dtype))
        if number is None:
            return None
        table = self._t.of(dtype)
        value = self._value(table, number)
        in_parts = table.c.part == 0 if self._parts is None else table.c.part.in_(self._parts)
        listed = sa.select(table.c.event_id).where(in_parts, table.c.trait_id == number)
        if test.op == query.HAS:
            return Condition(value.is_not(None), listed, listed)
        wanted = indexed(dtype, test.value)
        listed = listed.where(_COMPARE[test.op](table.c.value, wanted))
        return Condition(_COMPARE[test.op](value, wanted), listed, listed)

    def _untyped(self, name: str) -> Condition | None:
        """A trait of that name, of any type."""
        keys = self._dictionary.trait_ids([name])
        found = [self._typed(query.Test(name, dtype, query.HAS), dtype) for _, dtype in sorted(keys)]
        conditions = [condition for condition in found if condition is not None]
        if len(conditions) == 1:
            return conditions[0]
        return Condition(sa.or_(*(condition.holds for condition in conditions))) if conditions else None

    def _value(self, table: sa.Table, trait: int) -> sa.ScalarSelect[Any]:
        """A trait's value, NULL where the event has none: found by key, for each row that is looked at.

        A subquery that gives a value is never turned into a join, so no planner can read a whole range of values first.
        """
        of_event = sa.select(table.c.value).where(table.c.event_id == self._t.event.c.id, table.c.trait_id == trait)
        return of_event.correlate(self._t.event).scalar_subquery()

def _parts(tables: Tables) -> sa.CTE:
    """The numbers of the pieces of the index by value."""
    event = tables.event.c
    parts = sa.select(sa.func.min(event.id).op(">>")(PART).label("n")).cte("parts", recursive=True)
    last = sa.select(sa.func.max(event.id).op(">>")(PART)).scalar_subquery()
    return parts.union_all(sa.select(parts.c.n + 1).where(parts.c.n < last))


def _of_row(clause: Clause) -> Condition:
    return Condition(clause, None, sa.select(sa.literal(1)).where(clause))


def all_of(conditions: Iterable[Condition], listed: Condition | None, event: sa.Table) -> list[Clause]:
    """The clauses of conditions; `listed` is the one whose list is gone through, the others look at each event."""
    return [
        event.c.id.in_(each.listed) if each is listed and each.listed is not None else each.holds for each in conditions
    ]
