"""Conditions and groups as SQL expressions over the dictionary."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.rating.calendar import PARTS
from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.schema import DETAIL, SERIES, Tables
from undercroft.rating.drivers.sql.shape import (
    Built,
    GroupShape,
    Level,
    Match,
    Probe,
    Target,
    Values,
    condition_values,
    value,
    values_of,
)
from undercroft.rating.query import By, Condition

Predicate = sa.ColumnElement[bool]
Expression = sa.ColumnElement[Any]


def probe_statement(target: Target, conditions: int, calendars: int) -> Built:
    """Rows (condition number, kind, count); calendar attributes have negative numbers."""
    a = target.tables.attribute.c
    parts: list[Any] = []
    for number in range(conditions):
        # The hash alone: a collision may cost speed here, never a wrong answer.
        parts += [
            sa.select(sa.literal(number), sa.literal(kind), sa.func.count()).where(
                a.kind == kind,
                a.name.in_(values_of(f"names{number}", a.name)),
                a.text_key.in_(values_of(f"keys{number}", a.text_key)),
            )
            for kind in (SERIES, DETAIL)
        ]
    for number in range(calendars):
        name = value(f"calendar{number}", a.name.type)
        one = sa.select(a.entry_id).where(a.kind == SERIES, a.name == name).limit(1).subquery()
        parts.append(sa.select(sa.literal(-1 - number), sa.literal(SERIES), sa.func.count()).select_from(one))
    return Built(sa.union_all(*parts))


def probe_values(conditions: tuple[Condition, ...], calendars: frozenset[str]) -> Values:
    """The values of `probe_statement`."""
    values: Values = {f"calendar{number}": name.encode() for number, name in enumerate(sorted(calendars))}
    for number, condition in enumerate(conditions):
        values |= condition_values(number, condition)
    return values


def read_probe(rows: Any, conditions: tuple[Condition, ...], calendars: frozenset[str]) -> Probe:
    """The probe in the rows of `probe_statement`."""
    counts = {(number, kind): count for number, kind, count in rows}
    numbers = range(len(conditions))
    return Probe(
        tuple(counts[n, SERIES] for n in numbers),
        tuple(counts[n, DETAIL] > 0 for n in numbers),
        frozenset(name for n, name in enumerate(sorted(calendars)) if counts[-1 - n, SERIES]),
    )


def matching(target: Target, kind: int, number: int) -> sa.Select[Any]:
    """Ids of the entries of `kind` that a condition matches."""
    a = target.tables.attribute.c
    entries = sa.select(a.entry_id).where(
        a.kind == kind,
        a.name.in_(values_of(f"names{number}", a.name)),
        a.text_key.in_(values_of(f"keys{number}", a.text_key)),
        a.text.in_(values_of(f"texts{number}", a.text)),
    )
    return target.dialect.by_text(entries, target.tables.attribute)


def of_types(target: Target, kind: int) -> sa.Select[Any]:
    """Ids of the entries of the selected metric types; `kind` is that of the attribute."""
    a = target.tables.attribute.c
    types = a.text_key.in_(values_of("type_keys", a.text_key)), a.text.in_(values_of("types", a.text))
    entries = sa.select(a.entry_id).where(a.kind == kind, a.name == b"", *types)
    return target.dialect.by_text(entries, target.tables.attribute)


def derived_match(tables: Tables, match: Match, number: int, series_id: Expression, day: Expression) -> Predicate | None:
    """Whether a calendar attribute that was left out of the dictionary matches a condition; None when it names none."""
    found: list[Predicate] = []
    for name in match.parts:
        part = part_of(day, name)
        found.append(sa.and_(part.in_(values_of(f"{name}{number}", part)), series_id.in_(_without(tables, name))))
    return sa.or_(*found) if found else None


def _without(tables: Tables, name: str) -> sa.Select[Any]:
    """Ids of the series that a calendar attribute was left out of."""
    entry = tables.entry.c
    return sa.select(entry.id).where(entry.kind == SERIES, entry.calendar.op("&")(PARTS[name].bit) != 0)


def part_of(day: Expression, name: str) -> Expression:
    """The number of a calendar attribute in a day key."""
    part = PARTS[name]
    shifted = day if part.divisor == 1 else day // sa.literal_column(str(part.divisor), sa.BigInteger)
    return sa.type_coerce(shifted % sa.literal_column(str(part.modulus), sa.BigInteger), sa.BigInteger)


def part_text(day: Expression, name: str, dialect: type[Dialect]) -> Expression:
    """The text of a calendar attribute, in UTF-8."""
    number = part_of(day, name)
    if PARTS[name].width == 1:
        return dialect.as_bytes(sa.cast(number, sa.String))
    return dialect.as_bytes(sa.func.substr(sa.cast(number + 100, sa.String), 2))


class Grouped(NamedTuple):
    """One groupby name in SQL: its text (bytes), its JSON form where it is no text, and the tables to join for it."""

    text: Expression
    json: Expression
    join: tuple[sa.FromClause, Predicate] | None


def grouped(target: Target, group: GroupShape, position: int, series_id: Expression, day: Expression, level: Level) -> Grouped:
    """The expressions for one groupby name over rows that have a series, and a day where calendar attributes are asked for."""
    attribute = target.tables.attribute.alias(f"g{position}")
    if group.by is By.TYPE:
        of_name = sa.and_(attribute.c.kind == level.type_kind, attribute.c.name == b"")
    else:
        of_name = sa.and_(attribute.c.kind == level.kind, attribute.c.name == value(f"group{position}", attribute.c.name.type))
    join = attribute, sa.and_(of_name, attribute.c.entry_id == series_id)
    # Not a parameter: SQLite sees that two expressions are the same only when their texts are.
    empty = sa.literal_column(target.dialect.empty, sa.LargeBinary)
    text = sa.func.coalesce(attribute.c.text, empty, type_=sa.LargeBinary)
    if group.part is None:
        return Grouped(text, attribute.c.json, join)
    derived = part_text(day, group.part, target.dialect)
    if group.by is By.CALENDAR:
        if not group.stored:
            return Grouped(derived, sa.null(), None)
        return Grouped(sa.func.coalesce(attribute.c.text, derived, type_=sa.LargeBinary), attribute.c.json, join)
    return Grouped(sa.case((series_id.in_(_without(target.tables, group.part)), derived), else_=text), attribute.c.json, join)
