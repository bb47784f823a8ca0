"""What the store of any kind does with its tables, whatever they hold: make them, check them, examine them, remove them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from undercroft.core.findings import Finding
from undercroft.engines.sql import diagnose, migrate
from undercroft.engines.sql.bulk import Statistics
from undercroft.engines.sql.database import Database
from undercroft.engines.sql.leases import Leases


class SqlStore:
    """The tables of one kind in one namespace. A driver has one, and passes on what its contract asks for.

    Args:
        db: the database.
        kind: the folder of its migrations and the middle part of its tables' names.
        metadata: the tables.
        setting: the table (name, value) of what is fixed when the store is made; None where nothing is.
        analyse_after: rows after which the planner's statistics are updated first; None for never.
    """

    def __init__(
        self,
        db: Database,
        kind: str,
        metadata: sa.MetaData,
        setting: sa.Table | None = None,
        *,
        analyse_after: int | None = None,
    ) -> None:
        self.db = db
        self.kind = kind
        self.metadata = metadata
        self._setting = setting
        self._statistics = Statistics(db, metadata, analyse_after)

    def upgrade(self, settings: Mapping[str, Any] | None = None) -> None:
        """Create or upgrade the tables, and store those of the settings that have no value yet.

        Raises:
            ConfigInvalid: the database is not what our sessions need, such as one that has not all characters.
        """
        self.db.dialect.create()
        diagnose.fit(self.db)
        migrate.upgrade(self.db, self.kind)
        table = self._setting
        if table is None or settings is None:
            return

        def fill(connection: sa.Connection) -> None:
            if missing := self._missing(connection, table, settings):
                connection.execute(table.insert(), [{"name": name, "value": settings[name]} for name in missing])

        self.db.write(fill)

    @staticmethod
    def _missing(connection: sa.Connection, table: sa.Table, names: Collection[str]) -> list[str]:
        known = set(connection.execute(sa.select(table.c.name)).scalars())
        return [name for name in names if name not in known]

    def check(self, settings: Collection[str] = ()) -> list[str]:
        """What keeps the tables from being what this version needs, those settings included; empty when nothing does."""
        problems = migrate.check(self.db, self.kind, self.metadata)
        table = self._setting
        if not problems and table is not None and settings and self.db.read(lambda c: self._missing(c, table, settings)):
            problems = [f"the store was not set up to its end; run `undercroft db upgrade --kind {self.kind}`"]
        return problems

    def version(self) -> tuple[str | None, str]:
        """The tables' version (None: there are none), and the version that this package has."""
        return migrate.versions(self.db, self.kind)

    def locks(self) -> Leases:
        """Locks on periodic jobs that every process on this database sees."""
        leases = Leases(self.db)
        leases.init()
        return leases

    def diagnose(self, check: Callable[[], list[str]] | None = None) -> Generator[Finding, None, bool]:
        """All that is to be said about the database before its contents; gives back whether these can be looked at.

        Args:
            check: gives the problems of the tables; `self.check` unless given.
        """
        return diagnose.engine(self.db, self.metadata, check or self.check)

    def integrity(self) -> Iterator[Finding]:
        """The engine's own check of every page of its file, where it has one."""
        return diagnose.integrity(self.db)

    def added(self, rows: int) -> None:
        """Count rows that were committed: the planner hears of a store that grows from nothing."""
        self._statistics.add(rows)

    def drop(self) -> None:
        """Remove the tables of this namespace with everything in them."""
        migrate.drop(self.db, self.kind, self.metadata)
