"""The target: a table of samples in any SQL database, in which each sample is once, and how far each meter has been read."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import sqlalchemy as sa

from undercroft.core import deadline, intake
from undercroft.core.errors import ConfigInvalid, Declined, Denied, InvalidInput, NotInitialized, Unavailable, UndercroftError
from undercroft.core.findings import Finding
from undercroft.core.portions import batches, portions
from undercroft.core.words import LONGEST
from undercroft.engines.sql import Database, EngineOptions
from undercroft.engines.sql.diagnose import fit
from undercroft.engines.sql.dialect import load
from undercroft.export import examine, layout, locking
from undercroft.export.dialects import Dialect, Row
from undercroft.export.layout import Problem
from undercroft.export.rows import Rows
from undercroft.export.sample import Refused, Sample
from undercroft.export.settings import Settings
from undercroft.export.state import Failure, Noted, Point, PointFile, Stored, Unit, now
from undercroft.export.tables import LONGEST_ERROR, Tables, describe

_log = logging.getLogger(__name__)
T = TypeVar("T")
# Rows of a transaction, and their characters.
AT_ONCE, _CHARACTERS = 5_000, 16 * 2**20
# Samples whose troubles are remembered, so that each is told once.
_REMEMBERED = 10_000
_IN_TARGET = "target"
_RELEASE_SECONDS = 2.0


class Target:
    """The tables of one target.

    Args:
        settings: `connection`, `table`, `extra_columns`, `strict`, `state` and `timeout` are used.

    Raises:
        ConfigInvalid: the URL of the database, or an option of it, is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = settings.timeout
        self._db, _ = Database.open(settings.connection, EngineOptions, _waits(settings))
        self._tables: Tables = describe(settings.table, settings.extra_columns)
        dialect: type[Dialect] = load("undercroft.export.dialects", self._db.dialect.name)
        self._dialect = dialect(self._db, self._tables)
        self._file = None if settings.state == _IN_TARGET else PointFile(pathlib.Path(settings.state))
        self._strict = settings.strict
        self._rows: Rows | None = None
        self._lock: locking.Lock | None = None
        self._locked = ""
        self._told: dict[str, None] = {}

    @property
    def place(self) -> str:
        """The URL of the database without a password, for messages."""
        return self._db.place

    # -- the tables ----------------------------------------------------------------------------------------------------

    def prepare(self, create: bool = True) -> None:
        """Make the tables where they are missing, and check those that are there.

        Args:
            create: make what is missing, the file of a SQLite database included.

        Raises:
            ConfigInvalid: a table cannot hold our rows, or a right is missing; the text has the statement that mends it.
            Unavailable: the database does not answer.
        """
        with deadline.within(self._timeout):
            if create and self._db.dialect.missing_file() is not None:
                self._db.dialect.create()
            fit(self._db)
            if self._file:
                self._file.check()
            missing = [table for table in self._used if self._find(table) is None]
            if missing and create:
                self._make(missing)
            self._check()

    @property
    def _used(self) -> list[sa.Table]:
        """The tables that this target has."""
        return [self._tables.samples] if self._file else list(self._tables)

    def _find(self, table: sa.Table) -> layout.Found | None:
        return self._db.read(lambda c: self._dialect.find(c, table))

    def _make(self, missing: Sequence[sa.Table]) -> None:
        dialect = self._dialect

        def work(connection: sa.Connection) -> None:
            # On servers where two starters could meet, one waits here for the other.
            self._db.dialect.lock_migration(connection, "export", dialect.samples)
            for table in missing:
                dialect.make(connection, table)

        try:
            self._db.write(work)
        except Denied as error:
            if not dialect.lacks_right(error):
                raise
            statement = self._db.read(dialect.granting_create)
            raise ConfigInvalid(f"{self.place}: the tables cannot be made: {error}; run: {statement};") from error
        _log.info("made %s in %s", ", ".join(map(dialect.name, missing)), self.place)
        if self._tables.samples in missing and self._tables.sync not in missing and self._file is None:
            _log.warning(
                "%s was missing, and is empty now; %s says that older samples were stored: to have them again, delete its rows",
                dialect.samples, dialect.sync,
            )  # fmt: skip

    def _check(self) -> None:
        """Raise what keeps the tables from holding our rows; learn the widths of columns."""
        for table in self._used:
            found = self._find(table)
            if found is None:
                # Some engines show nobody what he has no right to.
                self._refuse(table, self._denied(table))
                making = "; ".join(self._dialect.making(table))
                raise ConfigInvalid(f"{self.place}: the table {self._dialect.name(table)} is missing; run: {making};")
            self._refuse(table, list(self._dialect.problems(table, found)))
            for remark in layout.remarks(table, found):
                _log.warning("%s: table %s: %s", self.place, self._dialect.name(table), remark)
            if table is self._tables.samples:
                names = [column.name for column in table.columns]
                widths = {name: each.width for name, each in found.columns.items() if each.width is not None}
                self._rows = Rows(names, widths, strict=self._strict)
        for table in self._used:
            self._refuse(table, self._denied(table))

    def _denied(self, table: sa.Table) -> list[Problem]:
        return self._db.write(lambda c: self._dialect.denied(c, table))

    def _refuse(self, table: sa.Table, problems: Sequence[Problem]) -> None:
        if problems:
            texts = "; ".join(problem.text for problem in problems)
            statements = "; ".join(dict.fromkeys(problem.statement for problem in problems))
            raise ConfigInvalid(f"{self.place}: table {self._dialect.name(table)}: {texts}; run: {statements};")

    def findings(self) -> Iterator[Finding]:
        """What is to be said about the target. Nothing is changed, and nothing is raised for what is wrong with it."""
        yield from examine.target(self._db, self._dialect, self._used, self._timeout)
        if self._file:
            yield examine.state(self._file)

    # -- samples and points --------------------------------------------------------------------------------------------

    def points(self, endpoint_id: str) -> dict[Unit, Point]:
        """The points of a service. Units that have none yet are left out.

        Raises:
            Unavailable: the database does not answer.
        """
        return {
            each.unit: Point(each.position, each.updated, each.rows, each.refused, each.error, each.error_at)
            for each in self._noted(endpoint_id)
            if each.position is not None
        }

    def failures(self, endpoint_id: str) -> dict[Unit, Failure]:
        """What went wrong last, also with units that have no point yet."""
        return {each.unit: Failure(each.error, each.error_at) for each in self._noted(endpoint_id) if each.error is not None}

    def _noted(self, endpoint_id: str) -> list[Noted]:
        if self._file:
            return [each for each in self._file.load().values() if each.endpoint_id == endpoint_id]
        with self._within():
            return self._db.read(lambda c: list(self._dialect.noted(c, endpoint_id)))

    def store(self, unit: Unit, samples: Sequence[Sample], position: dt.datetime | None, unread: Sequence[Refused] = ()) -> Stored:
        """Store samples that are not there yet, and then move the point, in the same transaction as the last of them.

        A call that failed may be repeated: it stores nothing twice.

        Args:
            unit: whose point it is.
            samples: of any order; those of one message id are one sample.
            unread: samples that could not even be read; they are told and counted with those that cannot be stored.
            position: up to which everything has been read, naive UTC; a point never moves back. None leaves what is
                noted alone.

        Raises:
            InvalidInput: a name of the unit is too long or holds U+0000.
            Unavailable: the database does not answer, or refuses this for now; part of the samples may be stored.
        """
        _check_unit(unit)
        rows = self._rows_of()
        prepared = rows.of(samples)
        storing = Storing(unit, position, self._fresh([*unread, *prepared.refused]))
        is_small = rows.longest * AT_ONCE <= _CHARACTERS
        whole = prepared.rows
        parts = list(batches(whole, AT_ONCE) if is_small else portions(whole, AT_ONCE, _CHARACTERS, _characters))
        for place, part in enumerate(parts, 1):
            self._store(storing, part, is_last=place == len(parts))
        if not parts:
            self._store(storing, [], is_last=True)
        if self._file and position is not None:
            with self._file.changing(unit) as noted:
                noted.move(storing.note(storing.new, is_last=True))
        cut = sum(count for name, count in prepared.cut.items() if self._remember(name))
        for each in storing.refused:
            self._remember(each.message_id + each.problem)
            _log.warning("sample %s cannot be stored: %s", each.message_id[:128] or "without an id", each.problem)
        return Stored(storing.new, storing.refused, cut)

    def _rows_of(self) -> Rows:
        """What makes rows of samples; it knows the widths of the columns that are there."""
        if self._rows is None:
            self.prepare(create=False)
        return self._rows  # type: ignore[return-value]  # the check has made it

    def _store(self, storing: Storing, rows: Sequence[Row], *, is_last: bool) -> None:
        """Store rows in one transaction, or, where the engine refuses one, all others."""
        try:
            storing.new += self._insert(storing, rows, is_last=is_last)
        except Declined as error:
            if not isinstance(error, Denied):
                self._still_fit()
            raise
        except InvalidInput:
            self._still_fit()
            self._store_others(storing, rows)
            if is_last:
                storing.new += self._insert(storing, [], is_last=True)

    def _insert(self, storing: Storing, rows: Sequence[Row], *, is_last: bool = False) -> int:
        if not rows and not storing.notes(self._file):
            return 0

        def work(connection: sa.Connection) -> int:
            new = self._dialect.insert(connection, rows) if rows else 0
            if storing.notes(self._file):
                self._dialect.note(connection, storing.note(new, is_last=is_last))
            return new

        try:
            return self._write(work)
        except InvalidInput as error:
            if rows:
                raise
            # Nothing but the point: no sample is wrong.
            raise Declined(f"{self.place}: {self._dialect.sync} does not take the point: {error.problem}") from error

    def _store_others(self, storing: Storing, rows: Sequence[Row]) -> None:
        """Store those rows that the engine takes."""
        ident = self._dialect.id

        def some(part: Sequence[Row]) -> None:
            storing.new += self._insert(storing, part)

        def refuse(row: Row, error: InvalidInput) -> None:
            storing.refused += self._fresh([Refused(ident(row), error.problem)])

        intake.halving(rows, some, refuse)

    def _still_fit(self) -> None:
        """Look whether it is the table that was changed, and not a sample that is wrong: nothing is refused for that.

        Raises:
            Denied: the table cannot hold our rows any more.
        """
        if self._db.dialect.missing_file() is not None:
            raise Denied(f"{self.place}: the file does not exist: put it back, or start the worker again, which makes one")
        try:
            with deadline.within(self._timeout):
                self._check()
        except ConfigInvalid as error:
            raise Denied(str(error)) from error

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        with self._within():
            return self._db.write(work)

    @contextlib.contextmanager
    def _within(self) -> Iterator[None]:
        """The block, within the time that the target has to answer."""
        try:
            with deadline.within(self._timeout):
                yield
        except NotInitialized as error:
            self._still_fit()
            raise Unavailable(f"{self.place}: a table, or a column of it, was not there for a moment") from error

    # -- what is told --------------------------------------------------------------------------------------------------

    def _fresh(self, refused: Sequence[Refused]) -> list[Refused]:
        """Those that were not told before: a sample is read again and again."""
        return [each for each in refused if each.message_id + each.problem not in self._told]

    def _remember(self, key: str) -> bool:
        """Whether something is told for the first time."""
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return True

    def failed(self, unit: Unit, text: str) -> None:
        """Keep the last error of a unit; nothing where that cannot be, because the caller has the error."""
        kept = text.replace("\0", "").encode("utf-8", "replace").decode()[:LONGEST_ERROR]
        moment = now()
        failure = Noted(endpoint_id=unit.endpoint_id, filter=unit.filter, meter=unit.meter, error=kept, error_at=moment)
        with contextlib.suppress(UndercroftError):
            if self._file:
                with self._file.changing(unit) as noted:
                    noted.move(failure)
            else:
                self._write(lambda c: self._dialect.note(c, failure))

    # -- the lock ------------------------------------------------------------------------------------------------------

    def acquire(self, endpoint_id: str) -> bool:
        """Take the lock by which one of several workers reads a service for this target; False when another one has it.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._lock is None or self._locked != endpoint_id:
            self.release()
            self._lock = self._file.lock if self._file else locking.of(self._db, self._dialect, endpoint_id)
            self._locked = endpoint_id
        with deadline.within(self._timeout):
            return self._lock.acquire()

    def holds(self) -> bool:
        """Whether the lock is held: the database is asked, since a connection may break while nothing is done."""
        with deadline.within(self._timeout):
            return self._lock is not None and self._lock.holds()

    def release(self) -> None:
        """Free the lock."""
        if self._lock is not None:
            # A process that ends does not wait for a database that does not answer: the lock ends with it.
            with deadline.within(min(self._timeout, _RELEASE_SECONDS)):
                self._lock.release()

    def close(self) -> None:
        """Free the lock and close every connection."""
        self.release()
        self._db.close()


class Storing:
    """A call of `store` under way.

    Attributes:
        new: how many rows were new so far.
        refused: samples that cannot be stored.
    """

    def __init__(self, unit: Unit, position: dt.datetime | None, refused: list[Refused]) -> None:
        self._unit = unit
        self._position = position
        self.new = 0
        self.refused = refused

    def notes(self, file: PointFile | None) -> bool:
        """Whether something is noted in the transaction of the rows."""
        return file is None and self._position is not None

    def note(self, new: int, *, is_last: bool) -> Noted:
        """What is noted with rows: that they are new, and, with the last of them, the point."""
        name, moment = self._unit, now()
        if not is_last:
            return Noted(endpoint_id=name.endpoint_id, filter=name.filter, meter=name.meter, rows=new)
        return Noted(
            endpoint_id=name.endpoint_id, filter=name.filter, meter=name.meter, position=self._position, updated=moment, rows=new,
            refused=len(self.refused),
        )  # fmt: skip


def _waits(settings: Settings) -> dict[str, float]:
    """How long the engine waits, where the URL does not say: no longer than the target has to answer."""
    limits = {"busy_timeout": settings.timeout, "connect_timeout": min(5.0, settings.timeout / 2)}
    return {name: limit for name, limit in limits.items() if f"{name}=" not in settings.connection}


def _check_unit(unit: Unit) -> None:
    for field, text in unit._asdict().items():
        if len(text) > LONGEST or "\0" in text:
            raise InvalidInput(field, f"{text[:32]!r}... is longer than {LONGEST} characters, or holds U+0000")


def _characters(row: Row) -> int:
    return sum(len(value) for value in row if value.__class__ is str)
