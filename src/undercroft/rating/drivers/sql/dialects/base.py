"""What differs between SQL dialects when rated usage is stored, read and written."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import sqlalchemy as sa

from undercroft.rating.calendar import MONTH_OF_DAY
from undercroft.rating.drivers.sql.encode import Entry, SlotKey
from undercroft.rating.drivers.sql.exact import Layout
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables

Expression = sa.ColumnElement[Any]
Pair = tuple[int, int]
Rows = Sequence[tuple[Any, ...]]
SumRows = Sequence[tuple[sa.Table, Rows]]


K = TypeVar("K")


class Found(NamedTuple, Generic[K]):
    """Ids by key, and the highest id of the table where the dialect gives out the next ones itself."""

    ids: dict[K, int]
    last: int


class NewEntry(NamedTuple):
    """An entry to be added, and the id of its scope, which a series has."""

    digest: str
    entry: Entry
    scope: int | None


class Dialect(abc.ABC):
    """One dialect: expressions, which need no tables, and bulk writes into the tables of one namespace.

    A method that writes is one statement, or as many as it says. Pushes, deletions and folding keep out of each other's way by
    locks on slots, and on a row of `setting` where a deletion cannot tell itself what it took.

    Attributes:
        layout: how exact numbers are stored.
        empty: SQL of an empty byte string.
        takes_units: whether `add` takes short numbers in units of 10^-12.
        deletes_beside_pushes: whether pushes go on during a deletion, so that only DELETE ... RETURNING tells what was deleted.
    """

    layout: ClassVar[Layout]
    empty: ClassVar[str] = "x''"
    takes_units: ClassVar[bool] = False
    deletes_beside_pushes: ClassVar[bool] = False

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # -- expressions -----------------------------------------------------------------------------------------------

    @classmethod
    def as_bytes(cls, text: Expression) -> Expression:
        """Text as UTF-8 bytes, the form of `attribute.text`."""
        return sa.cast(text, sa.LargeBinary)

    @classmethod
    def nulls_first(cls, expression: Expression) -> Expression:
        """An element of ORDER BY that sorts NULL before everything else."""
        return expression

    @classmethod
    def for_scan(cls, number: Expression) -> Expression:
        """A series' id in a condition that must not make the planner look up thousands of series one by one."""
        return number

    @classmethod
    def by_text(cls, entries: sa.Select[Any], attribute: sa.Table) -> sa.Select[Any]:  # noqa: ARG003
        """The statement that finds entries by kind, name and text of an attribute, by the index of that order."""
        return entries

    @classmethod
    def locked_for_deletion(cls, slots: sa.Select[Any]) -> sa.Select[Any]:
        """The statement that reads the slots of a deletion, with the locks that keep them from being folded meanwhile."""
        return slots

    # -- writes ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def keep_out(self, connection: sa.Connection, *, everything: bool) -> None:
        """First thing of a deletion: let no push in meanwhile, where that is needed; in any case when everything goes."""

    @abc.abstractmethod
    def lock_pending(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        """Lock those of the slots for folding that are pending, and that nobody is pushing to; up to two statements."""

    @abc.abstractmethod
    def find(
        self, connection: sa.Connection, digests: Sequence[str], slots: Sequence[SlotKey]
    ) -> tuple[Found[str], Found[SlotKey]]:
        """Ids of the entries with these digests, and of these slots and others with the same frame bounds, those that exist."""

    @abc.abstractmethod
    def add_entries(self, connection: sa.Connection, entries: Sequence[NewEntry], last: int) -> dict[str, int]:
        """Insert entries; ids by digest of those that were not there."""

    @abc.abstractmethod
    def add_attributes(self, connection: sa.Connection, entries: Sequence[tuple[int, Entry]]) -> None:
        """Insert the attributes of entries that were just added, and their ids."""

    @abc.abstractmethod
    def add_slots(self, connection: sa.Connection, slots: Sequence[tuple[SlotKey, int]], last: int) -> dict[SlotKey, int]:
        """Insert slots, pending, with their day keys; ids of those that nobody can fold before this transaction ends."""

    @abc.abstractmethod
    def lock_and_take(
        self, connection: sa.Connection, slots: Sequence[int], pairs: Sequence[Pair], *, alone: bool
    ) -> tuple[set[int], Iterable[Sequence[Any]]]:
        """Keep slots from being folded, and delete the points of (slot, series) pairs in them; up to two statements.

        Args:
            connection: in a write transaction.
            slots: in ascending order.
            pairs: in ascending order.
            alone: keep other pushes out of the slots, too: for one that another has been in the way of. A statement more.

        Returns:
            those of the slots that are folded; slot, series, and the columns of qty and price of each point that is gone.
        """

    @abc.abstractmethod
    def add(self, connection: sa.Connection, points: Rows, sums: SumRows) -> None:
        """Insert points (slot, series, number, detail, qty, price), and add their sums, as `add_sums` does."""

    @abc.abstractmethod
    def fold(self, connection: sa.Connection, slots: Sequence[int]) -> bool:
        """Add the sums of all points of these slots to `rollup`; False where the engine cannot for these. Up to two statements."""

    @abc.abstractmethod
    def add_sums(self, connection: sa.Connection, sums: SumRows) -> None:
        """Add rows (key, key, points, qty, price) of each table to those with the same key. A statement a table."""

    @abc.abstractmethod
    def shard(self, connection: sa.Connection) -> int:
        """The shard of `slot_total` that this connection writes to."""


def columns(table: sa.Table) -> list[str]:
    """A table's column names, quoted where a dialect may need it."""
    return [f'"{column.name}"' for column in table.columns]


def sums_update(tables: Tables, table: sa.Table) -> str:
    """The assignments of an upsert that adds to what a table of sums has under the same key."""
    parts = {"points": f"{table.name}.points + excluded.points"}
    for name in (QTY, PRICE):
        parts |= tables.exact.added(table.name, name)
    return ", ".join(f"{column} = {sql}" for column, sql in parts.items())


def arrays(rows: Sequence[Sequence[Any]], width: int) -> tuple[list[Any], ...]:
    """The columns of rows."""
    return tuple(list(column) for column in zip(*rows, strict=True)) or ([],) * width


def bounds(slots: Sequence[SlotKey]) -> list[tuple[int, int]]:
    """The frame bounds of slots, once each and sorted."""
    return sorted({(key.begin, key.end) for key in slots})


def found(rows: Iterable[Any], last_entry: int = 0, last_slot: int = 0) -> tuple[Found[str], Found[SlotKey]]:
    """What `find` gives, from rows (digest, begin, end, type, id) of entries and of slots."""
    entries: dict[str, int] = {}
    slots: dict[SlotKey, int] = {}
    for digest, begin, end, type_, number in rows:
        if digest is None:
            slots[SlotKey(begin, end, bytes(type_))] = number
        else:
            entries[digest] = number
    return Found(entries, last_entry), Found(slots, last_slot)


def texts(rows: Rows) -> tuple[str, ...]:
    """Columns of numbers as the texts of arrays, which is quicker than element by element."""
    return tuple(f"{{{','.join(map(str, column))}}}" for column in zip(*rows, strict=True))


def fold_statement(
    tables: Tables, into: Sequence[str], parts: Mapping[str, str], sums: Sequence[str], chosen: str, divide: str
) -> str:
    """An INSERT into `rollup` of the sums of all points of chosen slots, by day and by month.

    Args:
        tables: of the store.
        into: names of the columns for sums.
        parts: by name, expressions that are summed.
        sums: the columns' values, made of sums by these names.
        chosen: the condition on a slot's id, less the id.
        divide: the operator for integer division.
    """
    names = ", ".join(parts)
    added = ", ".join(f"sum({expression}) AS {name}" for name, expression in parts.items())
    again = ", ".join(f"sum({name})" for name in parts)
    # SQLite would read ON after a bare SELECT as the beginning of a join's condition.
    return (
        f"INSERT INTO {tables.rollup.name} (bucket, series_id, points, {', '.join(into)}) "  # noqa: S608
        f"WITH d AS (SELECT s.day AS bucket, p.series_id, count(*) AS points, {added} FROM {tables.slot.name} s "
        f"JOIN {tables.point.name} p ON p.slot_id = s.id WHERE s.id {chosen} GROUP BY s.day, p.series_id), "
        f"b AS (SELECT bucket, series_id, points, {names} FROM d UNION ALL "
        f"SELECT bucket {divide} {MONTH_OF_DAY}, series_id, sum(points), {again} FROM d "
        f"GROUP BY bucket {divide} {MONTH_OF_DAY}, series_id) "
        f"SELECT bucket, series_id, points, {', '.join(sums)} FROM b WHERE 1 = 1 ORDER BY bucket, series_id"
    )


def summed(tables: Tables) -> tuple[sa.Table, ...]:
    """The tables that keep sums."""
    return tables.rollup, tables.scope_rollup, tables.slot_total


def entry_rows(entries: Sequence[NewEntry]) -> list[tuple[Any, ...]]:
    """Rows of the table `entry`, less the id."""
    return [(digest, e.kind, e.calendar, scope, e.label, e.body.decode()) for digest, e, scope in entries]


def attribute_rows(entries: Sequence[tuple[int, Entry]]) -> list[tuple[Any, ...]]:
    """Rows of the table `attribute`."""
    return [(kind, name, number, *rest) for number, entry in entries for kind, name, *rest in entry.attributes()]
