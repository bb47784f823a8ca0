"""What a selection is in SQL: each test as a look at one event, and, where an index can list what passes, as that list.

Statements are put together from the fragments written out here and in `reader`, because building them as objects takes longer than
most of them run. Whatever comes from outside is a value, never text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from undercroft.events import query
from undercroft.events.drivers.sql.dictionary import Dictionary
from undercroft.events.drivers.sql.schema import COLUMNS, PROJECT, Tables
from undercroft.events.models import Trait
from undercroft.events.ordered import indexed

_COMPARE = {query.EQ: "=", query.NE: "<>", query.LT: "<", query.LE: "<=", query.GT: ">", query.GE: ">="}


class Sql(NamedTuple):
    """Text with a `?` for each of its values."""

    text: str
    values: tuple[Any, ...] = ()

    def then(self, text: str, *values: Any) -> Sql:
        """This, and more behind it."""
        return Sql(self.text + text, self.values + values)


def joined(between: str, parts: Iterable[Sql]) -> Sql:
    """Parts in one, each in parentheses."""
    texts: list[str] = []
    values: list[Any] = []
    for part in parts:
        texts.append(f"({part.text})")
        values += part.values
    return Sql(between.join(texts), tuple(values))


_NOTHING = Sql("1 = 0")


def _compared(column: str, op: str, value: Any) -> Sql:
    """A comparison of a column, also with what its text begins with."""
    if op != query.PREFIX:
        return Sql(f"{column} {_COMPARE[op]} ?", (value,))
    high = query.behind_prefix(value)
    return Sql(f"{column} >= ?", (value,)) if high is None else Sql(f"{column} >= ? AND {column} < ?", (value, high))


class Listed(NamedTuple):
    """Rows `l` of a table of traits, at most one for an event, found by an index."""

    table: str
    where: Sql


class Condition(NamedTuple):
    """One part of a selection.

    Attributes:
        holds: tells of a row `e` of `event` whether it passes.
        listed: where an index by value lists the events that pass; None where the row itself tells.
    """

    holds: Sql
    listed: Listed | None = None


class Conditions:
    """Makes conditions for one store."""

    def __init__(self, tables: Tables, in_parts: str, dictionary: Dictionary) -> None:
        self._t = tables
        self._dictionary = dictionary
        self._in_parts = in_parts

    def of(self, selection: query.Selection) -> list[Condition] | None:
        """The conditions that all must hold, `project` left out; None when nothing can pass them."""
        found: list[Condition] = []
        if selection.nothing:
            return None
        if selection.start is not None:
            found.append(Condition(Sql("e.generated >= ?", (selection.start,))))
        if selection.end is not None:
            found.append(Condition(Sql("e.generated <= ?", (selection.end,))))
        if selection.message_id is not None:
            found.append(Condition(Sql("e.message_id = ?", (selection.message_id,))))
        if selection.event_type is not None:
            number = self._dictionary.type_id(selection.event_type)
            if number is None:
                return None
            found.append(Condition(Sql("e.type_id = ?", (number,))))
        for test in selection.tests:
            condition = self._test(test)
            if condition is None:
                return None
            found.append(condition)
        for clause in selection.where:
            condition = self._test(clause) if isinstance(clause, query.Test) else Condition(self._clause(clause))
            if condition is None:
                return None
            found.append(condition)
        return found

    def _test(self, test: query.Test) -> Condition | None:
        return self._untyped(test.name) if test.dtype is None else self._typed(test, test.dtype)

    def _clause(self, clause: query.Clause) -> Sql:
        """A part of an expression, as a look at one event."""
        match clause:
            case query.Test():
                condition = self._test(clause)
                return _NOTHING if condition is None else condition.holds
            case query.Field(name, op, value):
                if name == query.EVENT_TYPE:
                    named = _compared("t.name", op, value)
                    return Sql(f"e.type_id IN (SELECT t.id FROM {self._t.event_type.name} t WHERE {named.text})", named.values)  # noqa: S608
                return _compared(f"e.{name}", op, value)
            case query.Every(parts):
                return joined(" AND ", map(self._clause, parts))
            case query.Either(parts):
                return joined(" OR ", map(self._clause, parts)) if parts else _NOTHING
            case query.Except(part):
                # Of a trait that is not there, a comparison says neither yes nor no.
                inner = self._clause(part)
                return Sql(f"CASE WHEN {inner.text} THEN 0 ELSE 1 END = 1", inner.values)

    @staticmethod
    def project(project: str) -> tuple[Sql, Sql]:
        """Of the project, and of none."""
        return Sql(f"e.{PROJECT} = ?", (project,)), Sql(f"e.{PROJECT} IS NULL")

    def _typed(self, test: query.Test, dtype: int) -> Condition | None:
        if dtype == Trait.TEXT_TYPE and test.name in COLUMNS:
            column = f"e.{COLUMNS[COLUMNS.index(test.name)]}"
            if test.op == query.HAS:
                return Condition(Sql(f"{column} IS NOT NULL"))
            return Condition(_compared(column, test.op, test.value))
        number = self._dictionary.trait_id((test.name, dtype))
        if number is None:
            return None
        table = self._t.of(dtype).name
        # A subquery that gives a value is never turned into a join, so no planner can read a whole range of values first.
        value = Sql(f"(SELECT v.value FROM {table} v WHERE v.event_id = e.id AND v.trait_id = ?)", (number,))  # noqa: S608
        found = Sql(f"{self._in_parts} AND l.trait_id = ?", (number,))
        if test.op == query.HAS:
            return Condition(value.then(" IS NOT NULL"), Listed(table, found))
        wanted = indexed(dtype, test.value)
        if test.op == query.PREFIX:
            low, high = value.then(" >= ?", wanted), query.behind_prefix(wanted)
            holds = low if high is None else joined(" AND ", (low, value.then(" < ?", high)))
        else:
            holds = value.then(f" {_COMPARE[test.op]} ?", wanted)
        listed = joined(" AND ", (found, _compared("l.value", test.op, wanted)))
        return Condition(holds, Listed(table, listed))

    def _untyped(self, name: str) -> Condition | None:
        """A trait of that name, of any type."""
        keys = self._dictionary.trait_ids([name])
        found = [self._typed(query.Test(name, dtype, query.HAS), dtype) for _, dtype in sorted(keys)]
        conditions = [condition for condition in found if condition is not None]
        if len(conditions) == 1:
            return conditions[0]
        return Condition(joined(" OR ", (condition.holds for condition in conditions))) if conditions else None
