"""Examining a SQL database: version, clock, rights, and whether what it acknowledges is on disk. Nothing is changed."""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.core import findings, time
from undercroft.core.errors import UndercroftError
from undercroft.core.findings import Finding, Level, error, ok, size, warning
from undercroft.engines.sql.database import Database

# The oldest versions that the drivers are made for.
OLDEST = {"sqlite": (3, 38), "postgresql": (13,), "mariadb": (10, 6)}
SPARE_BYTES = 512 * 2**20


class Setting(NamedTuple):
    """A setting that decides whether a commit survives a power cut: how to read it, its safe values, and what the others risk."""

    name: str
    read: str
    safe: Sequence[str]
    risk: str


DURABILITY: dict[str, tuple[Setting, ...]] = {
    "sqlite": (
        Setting("synchronous", "PRAGMA synchronous", ("2", "3"), "the last commits may be lost: leave out synchronous=normal"),
        Setting(
            "journal_mode", "PRAGMA journal_mode", ("wal",), "readers and writers wait for each other: the folder allows no WAL"
        ),
    ),
    "postgresql": (
        Setting("fsync", "SHOW fsync", ("on",), "a power cut may destroy the database: set fsync = on"),
        Setting(
            "synchronous_commit",
            "SHOW synchronous_commit",
            ("on", "local", "remote_write", "remote_apply"),
            "the last commits may be lost: set synchronous_commit = on for this user or server",
        ),
        Setting(
            "full_page_writes", "SHOW full_page_writes", ("on",), "a page may be torn by a power cut: set full_page_writes = on"
        ),
    ),
    "mariadb": (
        Setting(
            "innodb_flush_log_at_trx_commit",
            "SELECT @@innodb_flush_log_at_trx_commit",
            ("1",),
            "the last commits may be lost: set innodb_flush_log_at_trx_commit = 1",
        ),
        Setting(
            "sync_binlog",
            "SELECT CASE WHEN @@log_bin = 0 THEN 'no binary log' ELSE @@sync_binlog END",
            ("1", "no binary log"),
            "a replica may miss the last commits: set sync_binlog = 1",
        ),
        Setting(
            "innodb_doublewrite", "SELECT @@innodb_doublewrite", ("1", "ON"), "a page may be torn: set innodb_doublewrite = ON"
        ),
    ),
}


def engine(db: Database, metadata: sa.MetaData, check: Callable[[], list[str]]) -> Generator[Finding, None, bool]:
    """All that is to be said about a database before its contents; gives back whether these can be looked at.

    Args:
        db: the database.
        metadata: our tables.
        check: gives their problems; see `undercroft.engines.sql.migrate.check`.
    """
    connected = connection(db)
    yield connected
    if connected.level is Level.ERROR:
        return False
    # Leases and expiry go by the engine's clock.
    yield findings.clock(db.now() - time.now())
    yield from durability(db)
    problems = check()
    yield from findings.layout("tables", problems)
    if problems:
        return False
    yield from rights(db, metadata)
    yield from space(db, metadata)
    return True


def connection(db: Database) -> Finding:
    """Whether the engine answers, and which version of it does."""
    if db.dialect == "sqlite" and not db.in_memory and not _file(db).exists():
        # Opening it would make an empty one.
        return error("connection", f"there is no file {_file(db)}", "`undercroft db upgrade` makes it")
    try:
        version = db.read(lambda c: c.dialect.server_version_info) or ()
        name = f"{db.dialect} {'.'.join(map(str, version))}"
    except UndercroftError as failure:
        return error("connection", str(failure), "mend the URL, or start the server")
    oldest = OLDEST.get(db.dialect, ())
    if version < oldest:
        return error("connection", f"{name} at {db.place}", f"upgrade to {'.'.join(map(str, oldest))} or later")
    return ok("connection", f"{name} at {db.place}")


def rights(db: Database, metadata: sa.MetaData) -> Iterator[Finding]:
    """Whether we may read and write every table: statements that touch no row are tried, because engines check rights first."""
    missing = sorted(
        f"{verb} {table.name}"
        for table in metadata.sorted_tables
        for verb, statement in _harmless(table).items()
        if not _may(db, statement, writes=verb != "select")
    )
    if missing:
        yield error("rights", f"no right to {', '.join(missing)}", "grant select, insert, update and delete on all our tables")
    else:
        yield ok("rights", "all tables can be read and written")
    if db.dialect == "postgresql":
        if db.read(lambda c: c.exec_driver_sql("SELECT has_schema_privilege(current_schema(), 'CREATE')").scalar()):
            yield ok("rights to upgrade", "tables may be made")
        else:
            yield warning(
                "rights to upgrade",
                "this user may make no tables",
                "run `undercroft db upgrade` and the first worker as another user",
            )


def _harmless(table: sa.Table) -> dict[str, sa.Executable]:
    """One statement for each right, none of which touches a row."""
    none = sa.literal_column("1") == sa.literal_column("0")
    column = next(iter(table.columns))
    return {
        "select": sa.select(column).where(none),
        "insert": table.insert().from_select(list(table.columns), sa.select(table).where(none)),
        "update": table.update().where(none).values({column: column}),
        "delete": table.delete().where(none),
    }


def _may(db: Database, statement: sa.Executable, *, writes: bool) -> bool:
    run = db.write if writes else db.read
    try:
        run(lambda c: c.execute(statement).close())
    except UndercroftError as failure:
        if failure.retryable:
            raise
        return False
    return True


def durability(db: Database) -> Iterator[Finding]:
    """Whether what is acknowledged survives a power cut."""
    if db.in_memory:
        yield warning("durability", "the database is in memory", "it is gone with this process; name a file to keep it")
        return
    for setting in DURABILITY.get(db.dialect, ()):
        statement = setting.read
        value = str(db.read(lambda c, statement=statement: c.exec_driver_sql(statement).scalar()))  # type: ignore[misc]
        check, found = f"durability: {setting.name}", value
        if db.dialect == "sqlite" and setting.name == "synchronous":
            found = {"0": "off", "1": "normal", "2": "full", "3": "extra"}.get(value, value)
        yield ok(check, found) if value in setting.safe else warning(check, found, setting.risk)


def space(db: Database, metadata: sa.MetaData) -> Iterator[Finding]:
    """How much the tables take, and how much is left where we can see it."""
    names = [table.name for table in metadata.sorted_tables]
    if db.dialect == "sqlite":
        yield from _sqlite_space(db)
        return
    listed = ", ".join(f"'{name}'" for name in names)
    statement = (
        f"SELECT sum(pg_total_relation_size(to_regclass(n))) FROM unnest(ARRAY[{listed}]) AS t(n)"  # noqa: S608 - our own names
        if db.dialect == "postgresql"
        else "SELECT sum(data_length + index_length) FROM information_schema.tables "  # noqa: S608
        f"WHERE table_schema = database() AND table_name IN ({listed})"
    )
    yield ok("size", size(int(db.read(lambda c: c.exec_driver_sql(statement).scalar()) or 0)))


def _file(db: Database) -> pathlib.Path:
    """The file of a SQLite database."""
    return pathlib.Path(db.place.removeprefix("sqlite:///"))


def _sqlite_space(db: Database) -> Iterator[Finding]:
    def pragma(connection: sa.Connection, name: str) -> int:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())

    pages, free, width = db.read(lambda c: [pragma(c, name) for name in ("page_count", "freelist_count", "page_size")])
    yield ok("size", f"{size(pages * width)}, of which {size(free * width)} are free for reuse")
    if db.in_memory:
        return
    spare = shutil.disk_usage(_file(db).parent).free
    found = f"{size(spare)} free"
    if spare < SPARE_BYTES:
        yield warning("disk", found, "writes fail when the disk is full: make room")
    else:
        yield ok("disk", found)


def integrity(db: Database) -> Iterator[Finding]:
    """SQLite's own check of every page of the file; the servers look after theirs."""
    if db.dialect != "sqlite":
        return
    found: list[Any] = list(db.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check(5)").scalars().all()))
    if found == ["ok"]:
        yield ok("file", "every page is sound")
    else:
        yield error("file", "; ".join(str(line) for line in found)[:300], "restore a backup; do not write to this file")
