"""What differs between SQL dialects when samples are stored; one subclass per dialect, in the module of its name."""

from __future__ import annotations

import abc
import datetime as dt
import hashlib
import operator
import pathlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from undercroft.core.errors import Denied, NotInitialized
from undercroft.engines.sql import Database, raw
from undercroft.export import layout
from undercroft.export.layout import Column, Found, Problem
from undercroft.export.state import Noted
from undercroft.export.tables import INDEXES, POINT_KEY, Tables

# A sample as its table holds it, in the order of the table's columns: texts, floats and timestamps as texts.
Row = tuple[Any, ...]


class Dialect(abc.ABC):
    """One dialect, and the two tables of one target.

    Attributes:
        placeholder: the placeholder of a value.
        samples, sync: the names of the tables, as statements have them.
        id: gives the message id of a row.
        tail: of CREATE TABLE.
        no_right: the engine's codes for a right that the user lacks.
        has_locks: whether a session can have a lock; where it cannot, a file is locked.
    """

    placeholder: ClassVar[str] = "%s"
    tail: ClassVar[str] = ""
    has_locks: ClassVar[bool] = True
    no_right: ClassVar[Collection[object]] = ()

    def __init__(self, db: Database, tables: Tables) -> None:
        self._db = db
        self.t = tables
        self._preparer = db.engine.dialect.identifier_preparer
        self.samples, self.sync = map(self.name, tables)
        self.id: Callable[[Row], str] = operator.itemgetter(list(tables.samples.columns.keys()).index("message_id"))
        self._columns = ", ".join(self.quote(column.name) for column in tables.samples.columns)
        names = [self.quote(column.name) for column in tables.sync.columns]
        held = ", ".join(self.placeholder for _ in names)
        self._note = f"INSERT INTO {self.sync} ({', '.join(names)}) VALUES ({held}) {self._noted()}"  # noqa: S608
        self._noted_of = f"SELECT {', '.join(names)} FROM {self.sync} WHERE endpoint_id = {self.placeholder}"  # noqa: S608

    # -- names ---------------------------------------------------------------------------------------------------------

    def quote(self, name: str) -> str:
        """A name as statements have it."""
        return str(self._preparer.quote(name))

    def name(self, table: sa.Table) -> str:
        """The name of a table, with its schema where that is given."""
        return str(self._preparer.format_table(table))

    def lock_name(self, connection: sa.Connection, endpoint_id: str) -> str:
        """What a lock on the target is called, for one service."""
        # Names of locks are short, and not told apart by case everywhere.
        digest = hashlib.blake2b(f"{self.place(connection)} {endpoint_id}".encode(), digest_size=16)
        return f"undercroft export {digest.hexdigest()}"

    @abc.abstractmethod
    def place(self, connection: sa.Connection) -> str:
        """What tells the table from all others that the same locks are for, whether its schema was named or not."""

    # -- rows ----------------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def insert(self, connection: sa.Connection, rows: Sequence[Row]) -> int:
        """Insert rows of different message ids, leaving out those that are there; how many were new."""

    def note(self, connection: sa.Connection, noted: Noted) -> None:
        """Add to what is noted of a unit, as `Noted.move` does."""
        raw.rows(
            connection,
            self._note,
            (
                noted.endpoint_id, noted.filter, noted.meter, moment(noted.position), moment(noted.updated), noted.rows,
                noted.refused, noted.error, moment(noted.error_at),
            ),
        )  # fmt: skip

    def noted(self, connection: sa.Connection, endpoint_id: str) -> Iterator[Noted]:
        """What is noted of a service's units."""
        for *key, position, updated, rows, refused, error, error_at in raw.rows(connection, self._noted_of, (endpoint_id,)):
            endpoint, name, meter = key
            yield Noted(
                endpoint_id=endpoint, filter=name, meter=meter, position=naive(position), updated=naive(updated), rows=rows or 0,
                refused=refused or 0, error=error, error_at=naive(error_at),
            )  # fmt: skip

    def _noted(self) -> str:
        """What becomes of a row of points that is there already."""
        sync = self.sync

        def kept(name: str) -> str:
            # Some engines would otherwise take the name for that of the new row.
            return f"{sync}.{self.quote(name)}"

        position, later = kept("position"), self._new("position")
        # A point never moves back; None is none at all.
        moves = f"{later} IS NOT NULL AND ({position} IS NULL OR {position} < {later})"
        changes = [
            # Values are assigned in this order where each sees those before it.
            f"updated = CASE WHEN {later} IS NOT NULL THEN {self._new('updated')} ELSE {kept('updated')} END",
            f"{self.quote('position')} = CASE WHEN {moves} THEN {later} ELSE {position} END",
            *(f"{name} = coalesce({kept(name)}, 0) + {self._new(name)}" for name in ("rows_stored", "rows_refused")),
            *(f"{name} = coalesce({self._new(name)}, {kept(name)})" for name in ("error", "error_at")),
        ]
        return f"{self._conflict()} {', '.join(changes)}"

    def _conflict(self) -> str:
        """How a statement begins to say what becomes of a row of points that is there already."""
        return f"ON CONFLICT ({', '.join(map(self.quote, POINT_KEY))}) DO UPDATE SET"

    def _new(self, name: str) -> str:
        """A value of the row that was to be inserted."""
        return f"excluded.{self.quote(name)}"

    # -- tables --------------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def find(self, connection: sa.Connection, table: sa.Table) -> Found | None:
        """A table as it is; None where there is none."""

    def make(self, connection: sa.Connection, table: sa.Table) -> None:
        """Make a table with its indexes; nothing where it is there."""
        for statement in self.making(table):
            connection.exec_driver_sql(statement).close()

    def making(self, table: sa.Table) -> list[str]:
        """The statements that make a table."""
        parts = [self.column(column) for column in table.columns]
        parts.append(f"PRIMARY KEY ({', '.join(self.quote(column.name) for column in table.primary_key)})")
        parts += self._keys(table)
        return [f"CREATE TABLE IF NOT EXISTS {self.name(table)} ({', '.join(parts)}){self.tail}", *self._indexes(table)]

    def _keys(self, table: sa.Table) -> list[str]:
        """Indexes that are a part of CREATE TABLE."""
        return []

    def _indexes(self, table: sa.Table) -> list[str]:
        """Statements that make indexes."""
        return [f"CREATE INDEX IF NOT EXISTS {index} ON {self.name(table)} ({on})" for index, on in self._indexed(table).items()]

    def _indexed(self, table: sa.Table) -> dict[str, str]:
        """Names of indexes and their columns."""
        if table is not self.t.samples:
            return {}
        return {
            self.quote(f"{table.name}_{first.removesuffix('_id').removeprefix('counter_')}_time"): f"{first}, {self.quote(second)}"
            for first, second in INDEXES
        }

    def column(self, column: sa.Column[Any]) -> str:
        """The definition of a column."""
        return str(CreateColumn(column).compile(dialect=self._db.engine.dialect)).strip()

    def type(self, column: sa.Column[Any]) -> str:
        """The type of a column."""
        return self.column(column).removeprefix(self.quote(column.name)).removesuffix(" NOT NULL").strip()

    # -- what is wrong with them ---------------------------------------------------------------------------------------

    def problems(self, table: sa.Table, found: Found) -> Iterator[Problem]:
        """What keeps a table that is there from holding our rows."""
        for name in layout.missing(table, found):
            yield Problem(f"column {name} is missing", self.adding(table, table.columns[name], found))
        for column in table.columns:
            known = found.columns.get(column.name)
            if known is not None and (lack := layout.lacking(column, known)):
                yield Problem(f"column {column.name} {lack}", self.changing(table, column, found))
        if layout.key(table) not in found.unique:
            names = ", ".join(column.name for column in table.primary_key)
            yield Problem(f"no unique key on {names}", self.making_unique(table, found))
        for name, known in layout.further(table, found):
            yield Problem(
                f"column {name} is not one of ours, must not be null and has no default", self.loosening(table, name, known, found)
            )

    def adding(self, table: sa.Table, column: sa.Column[Any], found: Found) -> str:
        """The statement that adds a column."""
        return f"ALTER TABLE {self.name(table)} ADD COLUMN {self.quote(column.name)} {self.type(column)}"

    @abc.abstractmethod
    def changing(self, table: sa.Table, column: sa.Column[Any], found: Found) -> str:
        """The statement that gives a column its type."""

    def making_unique(self, table: sa.Table, found: Found) -> str:
        """The statement that adds the key."""
        names = ", ".join(self.quote(column.name) for column in table.primary_key)
        return f"ALTER TABLE {self.name(table)} ADD UNIQUE ({names})"

    @abc.abstractmethod
    def loosening(self, table: sa.Table, name: str, column: Column, found: Found) -> str:
        """The statement that lets a column be left out of a row."""

    def denied(self, connection: sa.Connection, table: sa.Table) -> list[Problem]:
        """The rights on a table that the user lacks."""
        verbs = ("SELECT", "INSERT") if table is self.t.samples else ("SELECT", "INSERT", "UPDATE")
        missing = [verb for verb in verbs if not self._may(connection, self._harmless(table, verb))]
        if not missing:
            return []
        return [Problem(f"no right to {' and '.join(missing)}", self.granting(connection, table, verbs))]

    def _may(self, connection: sa.Connection, statement: str) -> bool:
        try:
            with self._db.dialect.translated(), connection.begin_nested():
                connection.exec_driver_sql(statement).close()
        except NotInitialized:
            # Not a right, but the table or a column is missing.
            return True
        except Denied as error:
            if not self.lacks_right(error):
                # Such as a server that is read only now.
                raise
            return False
        return True

    def lacks_right(self, error: Denied) -> bool:
        """Whether an error says that the user lacks a right, which can be granted."""
        failure = error.__cause__
        return isinstance(failure, sa.exc.DBAPIError) and self._code(failure) in self.no_right

    def _code(self, error: sa.exc.DBAPIError) -> object:
        """The engine's own code of an error."""
        return error.orig.args[0] if error.orig and error.orig.args else None

    def _harmless(self, table: sa.Table, verb: str) -> str:
        """A statement that touches no row; engines check rights first."""
        name, columns = self.name(table), ", ".join(self.quote(column.name) for column in table.columns)
        first = self.quote(next(iter(table.columns)).name)
        if verb == "INSERT":
            return f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {name} WHERE 1 = 0"  # noqa: S608
        if verb == "UPDATE":
            return f"UPDATE {name} SET {first} = {first} WHERE 1 = 0"  # noqa: S608
        return f"SELECT {columns} FROM {name} WHERE 1 = 0"  # noqa: S608

    def granting(self, connection: sa.Connection, table: sa.Table, verbs: Sequence[str]) -> str:
        """The statement that gives rights on a table to the user of a connection."""
        return f"GRANT {', '.join(verbs)} ON {self.name(table)} TO {self.user(connection)}"

    def granting_create(self, connection: sa.Connection) -> str:
        """The statement that lets the user of a connection make tables."""
        raise NotImplementedError

    def user(self, connection: sa.Connection) -> str:
        """The user of a connection, as GRANT has it."""
        raise NotImplementedError

    # -- the lock ------------------------------------------------------------------------------------------------------

    def lock_file(self, endpoint_id: str) -> pathlib.Path | None:
        """The file that is locked where sessions have no locks; None where nobody else can reach the database."""
        return None

    def lock(self, connection: sa.Connection, name: str) -> bool:
        """Take a lock that lasts as long as the session; False when another session has it."""
        raise NotImplementedError

    def has_lock(self, connection: sa.Connection, name: str) -> bool:
        """Whether this session has the lock."""
        raise NotImplementedError

    def unlock(self, connection: sa.Connection, name: str) -> None:
        """Free the lock."""
        raise NotImplementedError


def moment(value: dt.datetime | None) -> str | None:
    """A timestamp as statements have it: all of one length, so that they sort as texts, too."""
    return None if value is None else value.isoformat(" ", "microseconds")


def naive(value: dt.datetime | str | None) -> dt.datetime | None:
    """A timestamp as an engine gives it, naive UTC."""
    if value is None:
        return None
    found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo is None else found.astimezone(dt.UTC).replace(tzinfo=None)
