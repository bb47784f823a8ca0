"""Conditions and groups as SQL expressions over the dictionary."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.rating.calendar import PARTS
from undercroft.rating.drivers.sql.encode import text_key
from undercroft.rating.drivers.sql.schema import DETAIL, SCOPE, SCOPE_TYPE, SERIES, TYPE, Tables
from undercroft.rating.query import By, Condition, GroupKey

Predicate = sa.ColumnElement[bool]
Expression = sa.ColumnElement[Any]

# Up to so many series a question is answered by looking them up; beyond, by scanning the range.
SELECTIVE = 500


class Probe(NamedTuple):
    """What the dictionary says about a question before it is asked.

    Attributes:
        series: per condition, how many series match.
        details: per condition, whether any metadata matches.
        stored: calendar attributes that some series keep as they came, because they did not follow from the time.
    """

    series: tuple[int, ...]
    details: tuple[bool, ...]
    stored: frozenset[str]

    @property
    def is_selective(self) -> bool:
        """True when so few series can match that looking them up beats a scan."""
        return bool(self.series) and min(self.series) <= SELECTIVE and not any(self.details)


def probe_statement(tables: Tables, conditions: tuple[Condition, ...], calendars: frozenset[str]) -> sa.CompoundSelect[Any]:
    """Rows (condition number, kind, count); calendar attributes have negative numbers."""
    a = tables.attribute.c
    parts: list[Any] = []
    for number, condition in enumerate(conditions):
        # The hash alone: a collision may cost speed here, never a wrong answer.
        keys = [text_key(value.encode()) for value in condition.values]
        parts += [
            sa.select(sa.literal(number), sa.literal(kind), sa.func.count()).where(
                a.kind == kind, a.name.in_(_names(condition)), a.text_key.in_(keys)
            )
            for kind in (SERIES, DETAIL)
        ]
    for number, name in enumerate(sorted(calendars)):
        one = sa.select(a.entry_id).where(a.kind == SERIES, a.name == name.encode()).limit(1).subquery()
        parts.append(sa.select(sa.literal(-1 - number), sa.literal(SERIES), sa.func.count()).select_from(one))
    return sa.union_all(*parts)


def read_probe(rows: Any, conditions: tuple[Condition, ...], calendars: frozenset[str]) -> Probe:
    """The probe in the rows of `probe_statement`."""
    counts = {(number, kind): count for number, kind, count in rows}
    numbers = range(len(conditions))
    return Probe(
        tuple(counts[n, SERIES] for n in numbers),
        tuple(counts[n, DETAIL] > 0 for n in numbers),
        frozenset(name for n, name in enumerate(sorted(calendars)) if counts[-1 - n, SERIES]),
    )


def _names(condition: Condition) -> list[bytes]:
    return [name.encode() for name in condition.names]


def matching(tables: Tables, kind: int, condition: Condition) -> sa.Select[Any]:
    """Ids of the entries of `kind` that a condition matches."""
    a = tables.attribute.c
    texts = [value.encode() for value in condition.values]
    return sa.select(a.entry_id).where(
        a.kind == kind, a.name.in_(_names(condition)), a.text_key.in_([text_key(t) for t in texts]), a.text.in_(texts)
    )


def of_types(tables: Tables, types: tuple[str, ...], kind: int) -> sa.Select[Any]:
    """Ids of the entries of these metric types; `kind` is that of the attribute."""
    return matching(tables, kind, Condition(("",), types))


def derived_match(tables: Tables, condition: Condition, series_id: Expression, day: Expression) -> Predicate | None:
    """Whether a calendar attribute that was left out of the dictionary matches; None when none is asked for."""
    found: list[Predicate] = []
    for name in condition.names:
        part = PARTS.get(name)
        if part is None:
            continue
        wanted = [int(v) for v in condition.values if v.isdecimal() and v.isascii() and str(int(v)).zfill(part.width) == v]
        if wanted:
            entry = tables.entry.c
            has = sa.select(entry.id).where(entry.kind == SERIES, entry.calendar.op("&")(part.bit) != 0)
            found.append(sa.and_(part_of(day, name).in_(wanted), series_id.in_(has)))
    return sa.or_(*found) if found else None


def part_of(day: Expression, name: str) -> Expression:
    """The number of a calendar attribute in a day key."""
    part = PARTS[name]
    shifted = day if part.divisor == 1 else day // sa.literal_column(str(part.divisor), sa.BigInteger)
    return sa.type_coerce(shifted % sa.literal_column(str(part.modulus), sa.BigInteger), sa.BigInteger)


def part_text(day: Expression, name: str, dialect: str) -> Expression:
    """The text of a calendar attribute, in UTF-8."""
    number = part_of(day, name)
    if PARTS[name].width == 1:
        return as_bytes(sa.cast(number, sa.String), dialect)
    return as_bytes(sa.func.substr(sa.cast(number + 100, sa.String), 2), dialect)


def as_bytes(text: Expression, dialect: str) -> Expression:
    """Text as UTF-8 bytes, the form of `attribute.text`."""
    if dialect == "postgresql":
        return sa.func.convert_to(text, "UTF8", type_=sa.LargeBinary)
    return sa.cast(text, sa.LargeBinary)


class Grouped(NamedTuple):
    """One groupby name in SQL: its text (bytes), its JSON form where it is no text, and the tables to join for it."""

    text: Expression
    json: Expression
    join: tuple[sa.FromClause, Predicate] | None


class Level(NamedTuple):
    """What a question's attributes are looked up by: series, or scopes, of which there are fewer.

    Attributes:
        kind: of the entries and their attributes.
        type_kind: of the attribute that holds their metric type.
    """

    kind: int
    type_kind: int


BY_SERIES, BY_SCOPE = Level(SERIES, TYPE), Level(SCOPE, SCOPE_TYPE)


def grouped(
    tables: Tables,
    key: GroupKey,
    position: int,
    series_id: Expression,
    day: Expression,
    dialect: str,
    probe: Probe,
    level: Level = BY_SERIES,
) -> Grouped:
    """The expressions for one groupby name over rows that have a series, and a day where calendar attributes are asked for."""
    attribute = tables.attribute.alias(f"g{position}")
    kind, name = (level.type_kind, "") if key.by is By.TYPE else (level.kind, key.name)
    join = (
        attribute,
        sa.and_(attribute.c.kind == kind, attribute.c.name == name.encode(), attribute.c.entry_id == series_id),
    )
    # Not a parameter: SQLite sees that two expressions are the same only when their texts are.
    empty = sa.literal_column("''::bytea" if dialect == "postgresql" else "x''", sa.LargeBinary)
    text = sa.func.coalesce(attribute.c.text, empty, type_=sa.LargeBinary)
    nothing = sa.null()
    if key.name not in PARTS or key.by is By.TYPE:
        return Grouped(text, attribute.c.json, join)
    derived = part_text(day, key.name, dialect)
    if key.by is By.CALENDAR:
        if key.name not in probe.stored:
            return Grouped(derived, nothing, None)
        return Grouped(sa.func.coalesce(attribute.c.text, derived, type_=sa.LargeBinary), attribute.c.json, join)
    entry = tables.entry.c
    has = sa.select(entry.id).where(entry.kind == SERIES, entry.calendar.op("&")(PARTS[key.name].bit) != 0)
    return Grouped(sa.case((series_id.in_(has), derived), else_=text), attribute.c.json, join)
