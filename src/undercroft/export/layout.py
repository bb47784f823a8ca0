"""What a table of the target is like, what keeps it from holding our rows, and the statement that mends it."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa


class Form(enum.Enum):
    """What a column holds."""

    TEXT = "text"
    FLOAT = "a float of double precision"
    MOMENT = "a timestamp with microseconds"
    WHOLE = "an integer of 64 bits"


class Column(NamedTuple):
    """A column that is there.

    Attributes:
        type: as the engine writes it.
        forms: what it can hold.
        width: the characters that it has room for; None for any number.
        is_required: whether a row must give it a value.
        is_key: whether it belongs to the primary key.
        is_exact: whether a unique key tells all texts of it apart.
        charset: its character set, where that has not all characters.
    """

    type: str
    forms: tuple[Form, ...]
    width: int | None = None
    is_required: bool = False
    is_key: bool = False
    is_exact: bool = True
    charset: str | None = None


class Found(NamedTuple):
    """A table that is there.

    Attributes:
        columns: by name.
        unique: the columns of each unique key that the engine finds rows by.
    """

    columns: Mapping[str, Column]
    unique: Sequence[frozenset[str]]


class Problem(NamedTuple):
    """What keeps a table from holding our rows.

    Attributes:
        text: what is wrong.
        statement: what mends it.
    """

    text: str
    statement: str


def form(column: sa.Column[Any]) -> Form:
    """What a column of ours holds."""
    kinds: tuple[tuple[type[sa.types.TypeEngine[Any]], Form], ...] = (
        (sa.Float, Form.FLOAT), (sa.DateTime, Form.MOMENT), (sa.BigInteger, Form.WHOLE)
    )  # fmt: skip
    return next((found for kind, found in kinds if isinstance(column.type, kind)), Form.TEXT)


def width(column: sa.Column[Any]) -> int | None:
    """The characters that a column of ours has room for; None for any number, and where it holds no text."""
    return getattr(column.type, "length", None) if form(column) is Form.TEXT else None


def lacking(wanted: sa.Column[Any], found: Column) -> str:
    """What a column that is there lacks; empty when it will do."""
    needed = form(wanted)
    if needed not in found.forms:
        return f"is {found.type}, and must hold {needed.value}"
    if needed is Form.TEXT and found.width is not None:
        least = width(wanted)
        if least is None or found.width < least:
            return f"is {found.type}, and must have room for {f'{least} characters' if least else 'any text'}"
    return ""


def missing(table: sa.Table, found: Found) -> list[str]:
    """Columns that are not there."""
    return [name for name in table.columns.keys() if name not in found.columns]  # noqa: SIM118 - a collection of columns


def remarks(table: sa.Table, found: Found) -> Iterator[str]:
    """What works, but not for all samples."""
    for column in table.columns:
        known = found.columns.get(column.name)
        if known is None:
            continue
        if column.primary_key and not known.is_exact:
            yield f"column {column.name}: its collation ignores case or spaces: samples whose ids differ in these only count as one"
        if known.charset:
            yield f"column {column.name}: its character set {known.charset} has not all characters: samples with others are refused"
        if known.is_required and column.nullable:
            yield f"column {column.name} must not be null: samples without a value for it are refused"

    ours = set(table.columns.keys())
    for names in found.unique:
        if names & ours and not names >= key(table):
            yield f"a further unique key on {', '.join(sorted(names))}: a sample that it does not let in holds up its meter"


def further(table: sa.Table, found: Found) -> Iterator[tuple[str, Column]]:
    """Columns that are not ours, and that every row must give a value."""
    return ((name, each) for name, each in found.columns.items() if name not in table.columns and each.is_required)


def key(table: sa.Table) -> frozenset[str]:
    """The columns that rows are known by."""
    return frozenset(column.name for column in table.primary_key)
