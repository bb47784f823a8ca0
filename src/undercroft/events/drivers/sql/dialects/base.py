"""What differs between SQL dialects when events are stored and read; one subclass per dialect, in the module of its name.

Ids are the order of arrival. On SQLite and MariaDB one transaction writes at a time: it takes its ids from a row of `setting` and
keeps that row locked until its commit, so ids are committed in their order. On PostgreSQL writers do not wait for each other: an id
is the transaction's own number, then the event's place in it. Whoever follows the tail stops before the oldest transaction that is
still at work; no smaller id can appear later.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec
import sqlalchemy as sa

from undercroft.engines.sql import Database
from undercroft.events.drivers.sql.schema import LAST_ID, PROJECT, USER, Tables
from undercroft.events.models import Trait
from undercroft.events.ordered import indexed
from undercroft.events.record import Record

_TEXT = Trait.TEXT_TYPE
_packed = msgspec.msgpack.Encoder()


class Row(NamedTuple):
    """An event as its tables hold it, without its id."""

    message_id: str
    generated: int
    type_id: int
    project: str | None
    user: str | None
    traits: bytes
    raw: str
    texts: list[tuple[int, str]]
    numbers: list[tuple[int, int]]


def row(record: Record, types: dict[str, int], keys: dict[tuple[str, int], int]) -> Row:
    """Lay an event out."""
    project = user = None
    texts: list[tuple[int, str]] = []
    numbers: list[tuple[int, int]] = []
    for name, dtype, value in record.traits:
        if dtype != _TEXT:
            numbers.append((keys[name, dtype], indexed(dtype, value)))
        elif name == PROJECT:
            project = value
        elif name == USER:
            user = value
        else:
            texts.append((keys[name, dtype], value))
    return Row(
        record.message_id, record.generated, types[record.event_type], project, user,
        _packed.encode(record.traits), record.raw, texts, numbers,
    )  # fmt: skip


class Dialect(abc.ABC):
    """One dialect: what its SQL needs differently, and the writes into the tables of one namespace.

    Attributes:
        ties: columns at the end of an index by time: for an engine that else sorts everything that matches, not equals only.
        analyse_after: events after which the planner's statistics are updated first; None where the engine sees to it.
        compares_pairs: whether a comparison of pairs finds its range in an index.
        divide: the operator that divides integers.
        in_parts: the condition on the pieces of the index by value, of a row `l`.
        quote: the character that quotes an identifier.
        double: the type of a float.
        infinity: the largest float, infinite where the engine has such.
    """

    ties: ClassVar[tuple[str, ...]] = ()
    analyse_after: ClassVar[int | None] = None
    compares_pairs: ClassVar[bool] = True
    divide: ClassVar[str] = "/"
    quote: ClassVar[str] = '"'
    double: ClassVar[str]
    infinity: ClassVar[str]

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._event, self._text, self._number = (t.name for t in (tables.event, tables.trait_text, tables.trait_number))
        self._setting = tables.setting.name
        self.in_parts = "l.part = 0"

    # -- expressions -----------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def timestamp(self, micros: str) -> str:
        """Microseconds as the host of Panko stores timestamps."""

    def float_literal(self, value: float) -> str:
        """A float in a statement's text, exact."""
        return f"{value!r}"

    def signed(self, integer: str) -> str:
        """The result of a shift as an integer that may become negative."""
        return integer

    # -- writes ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def start(self) -> list[tuple[str, int]]:
        """Rows of `setting` that a new store has."""

    def align(self, db: Database) -> None:  # noqa: B027 - most need nothing
        """Once a process, before it writes: see that arrival goes on behind the last event."""

    @abc.abstractmethod
    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        """Insert events; message ids of those that were there. A fixed number of statements."""

    @abc.abstractmethod
    def expire(self, connection: sa.Connection, before: int, count: int) -> int:
        """Delete the oldest events, generated before that moment, at most `count`; how many there were."""

    @abc.abstractmethod
    def clear(self, connection: sa.Connection) -> None:
        """Delete all events."""

    @abc.abstractmethod
    def horizon(self, connection: sa.Connection) -> int:
        """The first id that may still appear."""


class OneWriter(Dialect):
    """Dialects where a transaction that writes has the store to itself."""

    def start(self) -> list[tuple[str, int]]:
        return [(LAST_ID, 0)]

    def record(self, connection: sa.Connection, rows: Sequence[Row]) -> list[str]:
        first = self._take_ids(connection, len(rows))
        known = self._known(connection, [row.message_id for row in rows])
        new = [(number, row) for number, row in enumerate(rows, first) if row.message_id not in known]
        if new:
            part = self._part
            self._insert(connection, self._event, ((number, *row[:7]) for number, row in new))
            texts = ((number, trait, part(number), value) for number, row in new for trait, value in row.texts)
            self._insert(connection, self._text, texts)
            numbers = ((number, trait, part(number), value) for number, row in new for trait, value in row.numbers)
            self._insert(connection, self._number, numbers)
        return [row.message_id for row in rows if row.message_id in known]

    @abc.abstractmethod
    def _take_ids(self, connection: sa.Connection, count: int) -> int:
        """The first of so many new ids; others wait until this transaction ends."""

    @abc.abstractmethod
    def _known(self, connection: sa.Connection, message_ids: Sequence[str]) -> set[str]:
        """Those of the message ids that are stored."""

    def _part(self, number: int) -> int:
        return 0

    @abc.abstractmethod
    def _insert(self, connection: sa.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert rows, each with a value for every column."""

    def horizon(self, connection: sa.Connection) -> int:
        last = f"SELECT value FROM {self._setting} WHERE name = '{LAST_ID}'"  # noqa: S608 - our own names
        return int(connection.exec_driver_sql(last).scalar_one()) + 1
