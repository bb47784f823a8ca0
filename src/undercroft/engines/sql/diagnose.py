"""Examining a SQL database: version, clock, rights, and whether what it acknowledges is on disk. Nothing is changed."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from undercroft.core import findings, time
from undercroft.core.errors import ConfigInvalid, Denied, UndercroftError
from undercroft.core.findings import Finding, Level, error, ok, warning
from undercroft.engines.session import Setting
from undercroft.engines.sql.database import Database

# What to do where rows do not fit each other.
RESTORE = "restore a backup, and report it"


class Parent(NamedTuple):
    """A column that refers to rows of a table.

    Attributes:
        column: holds their `id`.
        table: theirs.
        lost: what rows without them are called; those of several columns may be called the same.
    """

    column: sa.Column[Any]
    table: sa.Table
    lost: str


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
    yield from required(db)
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
    if (file := db.dialect.missing_file()) is not None:
        # Opening it would make an empty one.
        return error("connection", f"file {file} does not exist", "create it with `undercroft db upgrade`")
    try:
        version = db.read(lambda c: c.dialect.server_version_info) or ()
        name = f"{db.dialect.name} {'.'.join(map(str, version))}"
    except UndercroftError as failure:
        return error("connection", str(failure), "mend the URL, or start the server")
    oldest = db.dialect.oldest
    if version < oldest:
        return error("connection", f"{name} at {db.place}", f"upgrade to {'.'.join(map(str, oldest))} or later")
    return ok("connection", f"{name} at {db.place}")


def references(db: Database, parents: Iterable[Parent], sound: str, advice: str = RESTORE) -> Finding:
    """Whether every row has the rows that it refers to; without them, no answer would show it.

    Args:
        db: the database.
        parents: which column refers to which table.
        sound: what is said where nothing is missing.
        advice: what to do where something is.
    """
    lost: collections.Counter[str] = collections.Counter()
    for column, parent, what in parents:
        joined = sa.outerjoin(column.table, parent, parent.c.id == column)
        query = sa.select(sa.func.count()).select_from(joined).where(parent.c.id.is_(None))
        lost[what] += db.read(lambda c, query=query: c.execute(query).scalar_one())  # type: ignore[misc]
    problems = [f"{count:,} {what}" for what, count in lost.items() if count]
    return error("references", "; ".join(problems), advice) if problems else ok("references", sound)


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
    may_upgrade = db.read(db.dialect.may_upgrade)
    if may_upgrade:
        yield ok("rights to upgrade", "tables may be made")
    elif may_upgrade is not None:
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
    except Denied:
        return False
    return True


def durability(db: Database) -> Iterator[Finding]:
    """Whether what is acknowledged survives a power cut."""
    if db.in_memory:
        yield warning("durability", "the database is in memory", "it is gone with this process; name a file to keep it")
        return
    for setting, found in _values(db, db.dialect.durability):
        check, shown = f"durability: {setting.name}", setting.shown.get(found, found)
        yield ok(check, shown) if found in setting.safe else warning(check, shown, setting.risk)


def required(db: Database) -> Iterator[Finding]:
    """Whether the database is what our sessions need, and cannot make it."""
    for setting, found in _values(db, db.dialect.required):
        yield ok(setting.name, found) if found in setting.safe else error(setting.name, found, setting.risk)


def fit(db: Database) -> None:
    """Raise `ConfigInvalid` where the database is not what our sessions need, and cannot make it."""
    for finding in required(db):
        if finding.level is Level.ERROR:
            raise ConfigInvalid(f"{db.place}: {finding.check} is {finding.found}: {finding.advice}")


def _values(db: Database, settings: Sequence[Setting]) -> list[tuple[Setting, str]]:
    """What each of the settings is."""
    return db.read(lambda c: [(one, str(c.exec_driver_sql(one.read).scalar())) for one in settings])


def space(db: Database, metadata: sa.MetaData) -> Iterator[Finding]:
    """How much the tables take, and how much is left where we can see it."""
    names = [table.name for table in metadata.sorted_tables]
    yield from db.read(lambda c: db.dialect.space(c, names))


def integrity(db: Database) -> Iterator[Finding]:
    """The engine's own check of every page of the file; servers look after theirs."""
    damage = db.read(db.dialect.damage)
    if damage:
        yield error("file", "; ".join(damage)[:300], "restore a backup; do not write to this file")
    elif damage is not None:
        yield ok("file", "every page is sound")
