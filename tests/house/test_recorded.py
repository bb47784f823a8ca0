"""Tables from recorded statements are those that the migrations make."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from tests import recorded
from tests.conftest import opener_of
from undercroft.engines.sql import Database, EngineOptions

# What the engines know of a table beside what SQLAlchemy reads from their catalogues.
DEFINITIONS = {
    "sqlite": "SELECT name, sql FROM sqlite_master",
    "postgresql": "SELECT relname, reloptions::text, relpersistence::text FROM pg_class",
    "mariadb": "SELECT table_name, engine, row_format, table_collation, create_options FROM information_schema.tables",
}


def described(db: Database, kind: str) -> dict[str, str]:
    """All about the tables of a namespace, whose name is taken out."""
    mine = f"{db.options.namespace}_{kind}_"

    def look(connection: sa.Connection) -> dict[str, Any]:
        inspector = sa.inspect(connection)
        facts: dict[str, Any] = {
            name: (
                inspector.get_columns(name), inspector.get_pk_constraint(name), inspector.get_indexes(name),
                inspector.get_unique_constraints(name), inspector.get_table_options(name),
            )
            for name in inspector.get_table_names() if name.startswith(mine)
        }  # fmt: skip
        rows = connection.exec_driver_sql(DEFINITIONS[db.dialect.name])
        facts["definitions"] = sorted(repr(tuple(row)) for row in rows if str(row[0]).startswith(mine))
        facts["version"] = connection.exec_driver_sql(f"SELECT version_num FROM {mine}version").scalars().all()
        return facts

    return {name.replace(mine, ""): repr(facts).replace(mine, "") for name, facts in db.read(look).items()}


@pytest.mark.parametrize("kind", ["rating", "events"])
def test_recorded_tables_are_those_of_the_migrations(engine, tmp_path, kind):
    opener = opener_of(engine, tmp_path)
    migrated, recording, replayed = (
        Database.open(opener.url, EngineOptions, {"namespace": f"{opener.namespace}{letter}"})[0] for letter in "abc"
    )
    recorder = recorded.Recorder()
    migrated.dialect.create()
    recorded.upgrade_by_migration(migrated, kind)
    recorder.upgrade(recording, kind)
    for _ in range(2):
        recorder.upgrade(replayed, kind)
    wanted = described(migrated, kind)
    assert len(wanted) > 6
    assert described(recording, kind) == described(replayed, kind) == wanted
    for db in (migrated, recording, replayed):
        metadata = sa.MetaData()
        metadata.reflect(db.engine, only=left(db))
        recorder.drop(db, kind, metadata)
        assert left(db) == []
        db.close()


def left(db: Database) -> list[str]:
    """The tables that are left in a namespace."""
    return [name for name in sa.inspect(db.engine).get_table_names() if name.startswith(db.options.namespace)]
