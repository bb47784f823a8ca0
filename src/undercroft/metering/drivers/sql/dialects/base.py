"""What differs between SQL dialects when samples are stored and read; one subclass per dialect, in the module of its name.

On SQLite and MariaDB one transaction writes at a time. On PostgreSQL writers share their hours; whoever folds an hour, deletes from
it, or brings something to one that was folded, has it alone.
"""

from __future__ import annotations

import abc
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa

from undercroft.core.errors import NotInitialized
from undercroft.engines.sql import raw
from undercroft.metering.drivers.sql.schema import DAY, PENDING, SPANS, WRITER, Layout, Tables

# A sample as its table holds it: (piece, series_id, id as 16 bytes, ts, whole, fraction, delay, meta_id). Not a class of its own:
# tuples are what client libraries bind fastest, and what the garbage collector need not look at.
Row = tuple[int, int, bytes, int, int | None, float | None, int, int]
# (id, message id, volume, signature), and (series, first, last, metadata).
Oddity = tuple[bytes, str | None, str | None, str | None]
State = tuple[int, int, int, int]


class Dialect(abc.ABC):
    """One dialect: what its SQL needs differently, and the writes into the tables of one namespace.

    Attributes:
        layout: how the engine keeps the samples.
        pieces: into so many parts an hour is cut where samples are clustered by it.
        placeholder: the placeholder of a value.
        id_column: the expression that gives an id for `unkey`.
        double: the type of a float, as CAST takes it.
        join: joins two tables; where the planner is not told the sizes of tables, in the order in which they are written.
        for_update: what keeps others from the rows that a statement finds, where several transactions write at once.
        analyse_after: samples after which the planner's statistics are updated first; None where the engine sees to it.
    """

    layout: ClassVar[Layout] = Layout()
    pieces: ClassVar[int] = 1
    placeholder: ClassVar[str] = "%s"
    id_column: ClassVar[str] = "id"
    double: ClassVar[str] = "double precision"
    join: ClassVar[str] = "JOIN"
    for_update: ClassVar[str] = ""
    analyse_after: ClassVar[int | None] = None

    def __init__(self, tables: Tables) -> None:
        self.t = tables
        self._slot, self._sample, self._sums = tables.slot.name, tables.sample.name, tables.sums.name
        self._setting, self._state, self._oddity = tables.setting.name, tables.state.name, tables.oddity.name

    def start(self) -> list[tuple[str, int]]:
        """Rows of `setting` that a new store has."""
        # By chance: what processes remember of tables that were dropped does not hold for those that follow.
        return [(WRITER, secrets.randbelow(2**62))]

    # -- expressions -----------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def among(self, column: str) -> str:
        """The condition that a column is one of a list of integers, or of words, which `listed` makes a value of."""

    @abc.abstractmethod
    def listed(self, values: Sequence[int] | Sequence[str]) -> Any:
        """The value for `among`; the list must not be empty."""

    def among_keys(self, column: str, keys: Sequence[bytes]) -> tuple[str, tuple[Any, ...]]:
        """The condition that an id is one of a list, and its values."""
        return f"{column} IN ({', '.join([self.placeholder] * len(keys))})", tuple(map(self.key, keys))

    def key(self, key: bytes) -> Any:
        """16 bytes as the client library takes them for an id or a digest."""
        return key

    def unkey(self, value: Any) -> bytes:
        """The 16 bytes of what `id_column` gives."""
        return bytes(value)

    def piece(self, slot: int, within: int, span: int) -> int:
        """The piece of a slot, of a moment so many microseconds within its span."""
        return slot * self.pieces + within * self.pieces // span

    def pieces_of(self, slots: Iterable[int]) -> list[int]:
        """All pieces of slots."""
        many = self.pieces
        return [slot * many + place for slot in slots for place in range(many)]

    def pieces_within(self, column: str, slot: str, after: int, until: int, *, each: bool) -> tuple[str, tuple[int, ...]]:
        """The condition that a piece belongs to a row of `slot` and may hold samples of a stretch of time, and its values.

        Args:
            column: of the piece.
            slot: the name that the row has in the statement.
            after, until: the stretch, in microseconds.
            each: as a list of pieces, each of which is looked up with a series.
        """
        return f"{column} = {slot}.id", ()

    # -- writes ----------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def lock(self, connection: sa.Connection) -> int:
        """Keep other writers out where only one writes at a time; `generation`, which stays the same until the transaction ends."""

    def generation(self, connection: sa.Connection) -> int:
        """How often entries of the dictionaries have gone."""
        return self._generation(self.run(connection, f"SELECT value FROM {self._setting} WHERE name = ?", WRITER))  # noqa: S608

    @staticmethod
    def _generation(found: list[Any]) -> int:
        if not found:
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind metering`")
        return int(found[0][0])

    def purge(self, connection: sa.Connection, before: int, count: int) -> int:
        """Delete entries of dictionaries, at most `count`, that no sample of this day or a later one is of; how many."""
        # Others' writes end before this, and those that follow find that what they know may be gone.
        self.run(connection, f"UPDATE {self._setting} SET value = value + 1 WHERE name = ?", WRITER)  # noqa: S608
        # Something may have come late that is as old, and goes the next time.
        if self.run(connection, f"SELECT 1 FROM {self._slot} WHERE start < ? LIMIT 1", before * SPANS[DAY]):  # noqa: S608
            return 0
        deleted = 0
        for table in (self.t.series, self.t.bodies):
            ids = self.old_entries(connection, table, before, count - deleted)
            if ids:
                self.run(connection, f"DELETE FROM {table.name} WHERE {self.among('id')}", self.listed(ids))  # noqa: S608
                deleted += len(ids)
        return deleted

    def old_entries(self, connection: sa.Connection, table: sa.Table, before: int, count: int) -> list[int]:
        """Ids of entries that are for samples of before a day only; not the last one, whose id an engine could give away again."""
        last = f"(SELECT max(id) FROM {table.name})"  # noqa: S608
        asked = f"SELECT id FROM {table.name} WHERE seen < ? AND id < {last} ORDER BY seen, id LIMIT ?"  # noqa: S608
        return [number for (number,) in self.run(connection, asked, before, count)]

    def touch(self, connection: sa.Connection, table: str, day: int, numbers: Sequence[int]) -> None:
        """Note that entries are for samples of a day."""
        statement = f"UPDATE {table} SET seen = ? WHERE {self.among('id')} AND seen < ?"  # noqa: S608
        self.run(connection, statement, day, self.listed(numbers), day)

    @abc.abstractmethod
    def share(self, connection: sa.Connection, slots: Sequence[int]) -> dict[int, int]:
        """Keep others from folding hours, or deleting from them, until the transaction ends; `folded` of each that is there.

        To be called after `lock`.

        An hour that another transaction folds at this very moment may be left out, as if it were gone.
        """

    @abc.abstractmethod
    def own(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        """Keep all others from hours until the transaction ends; those that are there."""

    @abc.abstractmethod
    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> set[bytes]:
        """Insert samples; ids of those that were there already, which are left as they are."""

    @abc.abstractmethod
    def insert_rows(self, connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, each with a value for every column."""

    @abc.abstractmethod
    def update_state(self, connection: sa.Connection, rows: Sequence[State]) -> None:
        """Have the state of series take in what an hour says of them."""

    def begin(self, connection: sa.Connection, firsts: Sequence[tuple[int, int]]) -> None:
        """Have the state of series, which is there, say when they begin: pairs (series, first timestamp)."""
        statement = f"UPDATE {self._state} SET first = ? WHERE series_id = ?".replace("?", self.placeholder)  # noqa: S608
        raw.insert(connection, statement, [(first, number) for number, first in firsts])

    @abc.abstractmethod
    def delete(self, connection: sa.Connection, rows: Sequence[tuple[int, int, bytes]]) -> int:
        """Delete samples, (piece, series, id) of each; how many were there."""

    # -- the same everywhere ---------------------------------------------------------------------------------------

    def run(self, connection: sa.Connection, statement: str, *values: Any) -> list[Any]:
        """Rows of a statement that is written with `?` for each value."""
        return raw.rows(connection, statement.replace("?", self.placeholder), values)

    def reopen(self, connection: sa.Connection, slots: Sequence[int]) -> None:
        """Let the sums of hours, and of their days, count no longer; the hours are to be folded anew."""
        found = self.run(
            connection,
            f"SELECT meter_id, bundle, start FROM {self._slot} WHERE {self.among('id')}",  # noqa: S608
            self.listed(slots),
        )
        self.run(
            connection,
            f"UPDATE {self._slot} SET folded = {PENDING} WHERE {self.among('id')}",  # noqa: S608
            self.listed(sorted(slots)),
        )
        day = SPANS[DAY]
        for meter, bundle, start in sorted({(meter, bundle, start // day * day) for meter, bundle, start in found}):
            self.run(
                connection,
                f"UPDATE {self._slot} SET folded = {PENDING} WHERE span = {DAY} AND meter_id = ? AND bundle = ? AND start = ? "  # noqa: S608
                f"AND folded <> {PENDING}",
                meter, bundle, start,
            )  # fmt: skip

    def delete_sums(self, connection: sa.Connection, slots: Sequence[int]) -> None:
        """Delete what is kept of slots."""
        self.run(connection, f"DELETE FROM {self._sums} WHERE {self.among('slot_id')}", self.listed(slots))  # noqa: S608

    def set_folded(self, connection: sa.Connection, slot: int, folded: int) -> None:
        """Say that the sums of a slot are there, or that they cannot be."""
        self.run(connection, f"UPDATE {self._slot} SET folded = {folded} WHERE id = ?", slot)  # noqa: S608

    def clear(self, connection: sa.Connection) -> None:
        """Delete all samples; the dictionaries stay."""
        self.lock(connection)
        for table in (self._slot, self._sample, self._oddity, self._sums, self._state):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608


class OneWriter(Dialect):
    """Dialects where a transaction that writes has the store to itself."""

    def share(self, connection: sa.Connection, slots: Sequence[int]) -> dict[int, int]:
        found = self.run(connection, f"SELECT id, folded FROM {self._slot} WHERE {self.among('id')}", self.listed(slots))  # noqa: S608
        return dict(map(tuple, found))

    def own(self, connection: sa.Connection, slots: Sequence[int]) -> list[int]:
        self.lock(connection)
        return list(self.share(connection, slots))
