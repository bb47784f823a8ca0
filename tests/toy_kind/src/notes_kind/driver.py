"""Notes in any database that SQLAlchemy Core speaks to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import sqlalchemy as sa

from notes_kind.contract import Note, NoteStore
from undercroft.core.findings import Finding
from undercroft.engines.sql import Database, EngineOptions
from undercroft.engines.sql.leases import Leases
from undercroft.engines.sql.store import SqlStore

KIND = "notes"


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of notes: those of every SQL driver."""


class Store(NoteStore):
    """Notes in a table."""

    ephemeral = "sqlite:///{tmp}/notes.db"
    Options = Options

    def __init__(self, url: str, **options: Any) -> None:
        self._db, self.options = Database.open(url, Options, options)
        prefix = f"{self.options.namespace}_{KIND}_"
        metadata = sa.MetaData()
        self._note = sa.Table(
            f"{prefix}note",
            metadata,
            sa.Column("name", sa.String(64), primary_key=True),
            sa.Column("text", sa.Text, nullable=False),
        )
        self._store = SqlStore(self._db, KIND, metadata)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, **options)

    def init(self) -> None:
        self._store.upgrade()

    def check(self) -> list[str]:
        return self._store.check()

    def schema_version(self) -> tuple[str | None, str]:
        return self._store.version()

    def locks(self) -> Leases:
        return self._store.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        yield from self._store.diagnose()

    def drop(self) -> None:
        self._store.drop()

    def close(self) -> None:
        self._db.close()

    def _put(self, note: Note) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(self._note.delete().where(self._note.c.name == note.name))
            connection.execute(self._note.insert().values(note._asdict()))

        self._db.write(work)

    def list(self) -> list[Note]:
        query = sa.select(self._note.c.name, self._note.c.text).order_by(self._note.c.name)
        return self._db.read(lambda c: [Note(*row) for row in c.execute(query)])

    def keep(self, most: int) -> int:
        """Delete all but the first; how many went."""
        gone = self.list()[most:]
        self._db.write(lambda c: c.execute(self._note.delete().where(self._note.c.name.in_([note.name for note in gone]))))
        return len(gone)
