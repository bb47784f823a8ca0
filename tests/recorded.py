"""Tables from recorded statements: a worker runs each migration once per server, and later namespaces get what it executed.

Most tests need fresh tables, and running alembic's scripts for each would be the larger part of their set-up. `tests/conftest.py`
installs this in the test processes only; the commands and services that tests start run the migrations themselves.
`tests/house/test_recorded.py` compares both ways.
"""

from __future__ import annotations

import threading
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import Database, migrate

Key = tuple[str, str | None, int | None, str]
# What a migration executes, beside questions to the catalogue.
_KEPT = ("CREATE", "ALTER", "INSERT", "UPDATE")


class Recorder:
    """Takes the place of `migrate.upgrade` and `migrate.drop`."""

    def __init__(self) -> None:
        self._recorded: dict[Key, list[str]] = {}
        self._lock = threading.Lock()

    def upgrade(self, db: Database, kind: str) -> None:
        """Bring a kind's tables to this version: by the recorded statements where there are none yet."""
        key = (db.dialect.name, db.engine.url.host, db.engine.url.port, kind)
        known = self._recorded.get(key)
        if known is None:
            with self._lock:
                self._record(db, kind, key)
        elif not self._replayed(db, kind, known):
            upgrade_by_migration(db, kind)

    def drop(self, db: Database, kind: str, metadata: sa.MetaData) -> None:
        """Remove a kind's tables by one statement each, or all by one, without asking which are there."""
        names = [f'"{name}"' for name in {*metadata.tables, migrate.version_table(db.options.namespace, kind)}]
        lists = names if db.dialect.name == "sqlite" else [", ".join(names)]

        def work(connection: sa.Connection) -> None:
            for tables in lists:
                connection.exec_driver_sql(f"DROP TABLE IF EXISTS {tables}")
            for sequence in metadata._sequences if connection.dialect.supports_sequences else ():
                connection.exec_driver_sql(f'DROP SEQUENCE IF EXISTS "{sequence}"')

        db.write(work)

    def _record(self, db: Database, kind: str, key: Key) -> None:
        prefix = _prefix(db, kind)
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.lstrip().upper().startswith(_KEPT):
                assert not parameters, f"a migration with parameters cannot be recorded: {statement}"
                statements.append(statement.replace(prefix, "\0"))

        sa.event.listen(db.engine, "before_cursor_execute", note)
        try:
            upgrade_by_migration(db, kind)
        finally:
            sa.event.remove(db.engine, "before_cursor_execute", note)
        # Tables that were there before, or came from another process in the middle, made no complete record.
        if sum(statement.lstrip().upper().startswith("CREATE") for statement in statements) > 1:
            # Once each: a transaction that was in another's way ran again.
            self._recorded[key] = list(dict.fromkeys(statements))

    def _replayed(self, db: Database, kind: str, statements: list[str]) -> bool:
        """Make the tables; False where there are some."""
        prefix = _prefix(db, kind)

        def work(connection: sa.Connection) -> bool:
            if sa.inspect(connection).has_table(migrate.version_table(db.options.namespace, kind)):
                return False
            texts = [statement.replace("\0", prefix) for statement in statements]
            for text in [";".join(texts)] if db.dialect.name == "postgresql" else texts:
                connection.exec_driver_sql(text)
            return True

        return migrate.locked(db, kind, work)


def _prefix(db: Database, kind: str) -> str:
    return f"{db.options.namespace}_{kind}_"


# The migration itself, before `install`.
upgrade_by_migration = migrate.upgrade


def install() -> None:
    """Use recorded statements in this process from now on."""
    recorder = Recorder()
    migrate.upgrade, migrate.drop = recorder.upgrade, recorder.drop
