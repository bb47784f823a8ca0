"""What is to be said about a target, for `undercroft export check`: nothing is changed, and nothing raised for what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from undercroft.core import deadline, findings, time
from undercroft.core.errors import UndercroftError
from undercroft.core.findings import Finding, Level, error, ok, warning
from undercroft.core.plural import number
from undercroft.engines.sql import Database, diagnose
from undercroft.export import layout
from undercroft.export.dialects import Dialect
from undercroft.export.state import PointFile


def target(db: Database, dialect: Dialect, tables: Sequence[sa.Table], seconds: float) -> Iterator[Finding]:
    """What is to be said about a target.

    Args:
        db: the database.
        dialect: of the two tables.
        tables: those that are used.
        seconds: the time that each part has to answer.
    """
    for part in (_connection, _engine, _tables):
        found: list[Finding] = []
        try:
            with deadline.within(seconds):
                # A generator would hand its deadline to its reader.
                found += part(db, dialect, tables)
        except UndercroftError as failure:
            found.append(error(part.__name__.removeprefix("_"), str(failure), "mend the database, or its URL"))
        yield from found
        if part is _connection and (db.dialect.missing_file() or any(each.level is Level.ERROR for each in found)):
            return


def state(file: PointFile) -> Finding:
    """Whether the file of points can be used."""
    try:
        file.check()
    except UndercroftError as failure:
        return error("state", str(failure), "name another file as `state`, or make the folder")
    return ok("state", f"points are kept in {file.path}")


def _connection(db: Database, _dialect: Dialect, _tables: Sequence[sa.Table]) -> Iterator[Finding]:
    file = db.dialect.missing_file()
    if file is not None:
        yield warning("connection", f"file {file} does not exist", "the worker makes it when it starts")
    else:
        yield diagnose.connection(db)


def _engine(db: Database, _dialect: Dialect, _tables: Sequence[sa.Table]) -> Iterator[Finding]:
    yield from diagnose.required(db)
    yield findings.clock(db.now() - time.now())
    yield from diagnose.durability(db)


def _tables(db: Database, dialect: Dialect, tables: Sequence[sa.Table]) -> Iterator[Finding]:
    for table in tables:
        name = dialect.name(table)
        found = db.read(lambda c, table=table: dialect.find(c, table))  # type: ignore[misc]
        if found is not None and (problems := list(dialect.problems(table, found))):
            yield from (error(f"table {name}", problem.text, f"run: {problem.statement};") for problem in problems)
            continue
        # Some engines show nobody what he has no right to.
        denied = db.write(lambda c, table=table: dialect.denied(c, table))  # type: ignore[misc]
        yield from (error(f"rights on {name}", problem.text, f"run: {problem.statement};") for problem in denied)
        if found is not None:
            yield from (warning(f"table {name}", remark, "change it, or leave it") for remark in layout.remarks(table, found))
            yield ok(f"table {name}", f"{number(len(table.columns), 'columns')} fit, and the key is there")
        elif not denied:
            yield from _missing(db, dialect, name)
        if found is not None and not denied:
            yield ok(f"rights on {name}", "it can be read and written")


def _missing(db: Database, dialect: Dialect, name: str) -> Iterator[Finding]:
    if db.read(db.dialect.may_upgrade) is False:
        yield error(f"table {name}", "is missing, and this user may not make it", f"run: {db.read(dialect.granting_create)};")
    else:
        yield warning(f"table {name}", "is missing", "the worker makes it when it starts")
