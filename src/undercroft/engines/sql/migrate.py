"""Schema migrations: one alembic branch and one version table per kind and namespace; one of N starters does the work."""

from __future__ import annotations

import importlib.resources
import importlib.util
import io
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import autogenerate, command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from undercroft.core import kinds
from undercroft.core.errors import ConfigInvalid
from undercroft.engines.sql.database import Database

T = TypeVar("T")

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
    if current != head:
        locked(db, kind, lambda connection: command.upgrade(_config(db, kind, connection), "heads"))


def locked(db: Database, kind: str, work: Callable[[sa.Connection], T]) -> T:
    """Run `work` in a transaction that writes, while no other process migrates this kind in this namespace."""
    namespace = db.options.namespace

    def in_lock(connection: sa.Connection) -> T:
        db.dialect.lock_migration(connection, namespace, kind)
        return work(connection)

    with db.dialect.migrating(db.engine, namespace, kind):
        return db.write(in_lock)


def versions(db: Database, kind: str) -> tuple[str | None, str]:
    """The version of the tables (None: there are none), and the one that this package has."""
    head = ScriptDirectory.from_config(_config(db, kind)).get_current_head()
    if head is None:
        raise ConfigInvalid(f"there are no migrations for {kind!r} in this installation")
    table = version_table(db.options.namespace, kind)

    def read(connection: sa.Connection) -> str | None:
        context = MigrationContext.configure(connection, opts={"version_table": table})
        return context.get_current_revision()

    return None if db.dialect.missing_file() else db.read(read), head


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
        metadata.drop_all(connection)
        table = sa.Table(version_table(db.options.namespace, kind), sa.MetaData())
        table.drop(connection, checkfirst=True)

    locked(db, kind, work)
