"""Schema migrations: one alembic branch and one version table per kind and namespace; one of N starters does the work."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.resources
import importlib.util
import io
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from undercroft.core import kinds
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.engines.sql.database import Database
from undercroft.engines.sql.errors import translated

_STEPS = "undercroft.migrations"


def version_table(namespace: str, kind: str) -> str:
    """Name of the table that holds a kind's version."""
    return f"{namespace}_{kind}_version"


def _config(db: Database, kind: str, connection: sa.Connection | None = None) -> Config:
    config = Config(stdout=io.StringIO())
    steps = str(importlib.resources.files("undercroft") / "migrations")
    config.set_main_option("script_location", steps.replace("%", "%%"))
    config.set_main_option("version_locations", _folder(kind).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    config.attributes["prefix"] = f"{db.options.namespace}_{kind}_"
    config.attributes["version_table"] = version_table(db.options.namespace, kind)
    return config


def _folder(kind: str) -> str:
    """Where a kind's steps are; our own tables that are of no kind have theirs beside ours."""
    value = kinds.installed().get(kind)
    package = value.migrations if value is not None and value.migrations else f"{_STEPS}.{kind}"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigInvalid(f"there are no migrations for {kind!r} in this installation")
    return next(iter(spec.submodule_search_locations))


def upgrade(db: Database, kind: str) -> None:
    """Bring a kind's tables to this version. Safe to repeat, to kill, and to start from several processes at once."""
    current, head = versions(db, kind)
    if current == head:
        return

    def work(connection: sa.Connection) -> None:
        _lock(connection, db, kind)
        command.upgrade(_config(db, kind, connection), "heads")

    with _turn(db, kind):
        db.write(work)


def _lock(connection: sa.Connection, db: Database, kind: str) -> None:
    """Let one starter in; SQLite's transaction holds the write lock already."""
    if db.dialect == "postgresql":
        name = f"undercroft migration {db.options.namespace} {kind}".encode()
        key = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


@contextlib.contextmanager
def _turn(db: Database, kind: str) -> Iterator[None]:
    """On MariaDB every change of a table commits: the lock that lets one starter in must outlive transactions."""
    if db.dialect != "mariadb":
        yield
        return
    name = f"undercroft.{version_table(db.options.namespace, kind)}"
    with translated(db.place), db.engine.connect() as connection:
        taken = connection.execute(sa.select(sa.func.get_lock(name, round(db.options.statement_timeout)))).scalar()
        if not taken:
            raise Unavailable(f"{db.place}: another process has been migrating {kind} for too long")
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.release_lock(name)))


def versions(db: Database, kind: str) -> tuple[str | None, str]:
    """The version of the tables (None: there are none), and the one that this package has."""
    head = ScriptDirectory.from_config(_config(db, kind)).get_current_head()
    if head is None:
        raise ConfigInvalid(f"there are no migrations for {kind!r} in this installation")
    table = version_table(db.options.namespace, kind)

    def read(connection: sa.Connection) -> str | None:
        context = MigrationContext.configure(connection, opts={"version_table": table})
        return context.get_current_revision()

    return db.read(read), head


def check(db: Database, kind: str, metadata: sa.MetaData) -> list[str]:
    """What differs from this version's tables; empty when nothing does."""
    current, head = versions(db, kind)
    if current is None:
        return [f"there are no {kind} tables in namespace {db.options.namespace!r}; run `undercroft db upgrade --kind {kind}`"]
    if current != head:
        return [f"the {kind} tables are at version {current}, this package needs {head}; run `undercroft db upgrade --kind {kind}`"]
    mine = f"{db.options.namespace}_{kind}_"

    def ours(name: str | None, kind_of: str, _parents: Any) -> bool:
        return kind_of != "table" or (name is not None and name.startswith(mine))

    def compare(connection: sa.Connection) -> list[str]:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": version_table(db.options.namespace, kind), "include_name": ours, "compare_type": False},
        )
        return [_difference(d) for d in autogenerate.compare_metadata(context, metadata)]

    return db.read(compare)


def _difference(difference: Any) -> str:
    verb, *parts = difference if isinstance(difference, tuple) else difference[0]
    names = [getattr(part, "name", part) for part in parts if part is not None]
    return f"{str(verb).replace('_', ' ')}: {', '.join(str(name) for name in names)}"


def drop(db: Database, kind: str, metadata: sa.MetaData) -> None:
    """Remove a kind's tables and its version."""

    def work(connection: sa.Connection) -> None:
        _lock(connection, db, kind)
        metadata.drop_all(connection)
        table = sa.Table(version_table(db.options.namespace, kind), sa.MetaData())
        table.drop(connection, checkfirst=True)

    with _turn(db, kind):
        db.write(work)
