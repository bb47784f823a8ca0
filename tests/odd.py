"""Databases whose defaults are odd: those of the odd servers, as defaults of a database or a user of the run's own servers."""

from __future__ import annotations

import contextlib
import pathlib
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator

import sqlalchemy as sa

from undercroft.conformance.plugin import Target
from undercroft.engines.sql import Database, EngineOptions, dialect

HERE = pathlib.Path(__file__).parent / "engines" / "odd"


@contextlib.contextmanager
def database(engine: Target, folder: pathlib.Path) -> Iterator[str]:
    """A database with odd defaults beside that of `engine`; its URL."""
    with _MAKERS[dialect.name_of(engine.url)](engine.url, folder) as url:
        yield url


@contextlib.contextmanager
def statements(url: str) -> Iterator[Callable[[str], None]]:
    """Runs statements of an administrator."""
    db, _ = Database.open(url, EngineOptions, {})
    try:
        yield lambda text: db.alone(lambda c: c.exec_driver_sql(text.replace("%", "%%")).close())
    finally:
        db.close()


def postgresql_defaults() -> list[str]:
    """The settings, each as `name = value`."""
    return re.findall(r"^\w+ = '.*'$", (HERE / "postgresql.conf").read_text(), re.MULTILINE)


@contextlib.contextmanager
def postgresql(url: str, encoding: str = "UTF8", defaults: list[str] | None = None) -> Iterator[str]:
    """A database of its own; its URL."""
    name = f"odd{uuid.uuid4().hex[:12]}"
    with statements(url) as run:
        run(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'")
        try:
            for default in postgresql_defaults() if defaults is None else defaults:
                setting, _, value = default.partition(" = ")
                # A list of names is one word for each.
                words = value.strip("'") if setting == "search_path" and "," in value else value
                run(f"ALTER DATABASE {name} SET {setting} = {words}")
            yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            run(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def _mariadb(url: str, _: pathlib.Path) -> Iterator[str]:
    """A database and a user of its own: what is executed as the user connects stands in for the server's defaults."""
    name = f"odd{uuid.uuid4().hex[:12]}"
    odd = "; ".join(re.findall(r"^SET GLOBAL (.*);$", (HERE / "mariadb.sql").read_text(), re.MULTILINE))
    session = "; ".join(f"SET SESSION {each}" for each in odd.split("; "))
    with statements(url) as run:
        run(f"CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_german1_ci")
        run(f"CREATE USER {name}@'%' IDENTIFIED BY ''")
        try:
            run(f"GRANT ALL ON {name}.* TO {name}@'%'")
            run(f"""SET GLOBAL init_connect = "{session}" """)
            own = sa.make_url(url).set(database=name, username=name, query={"charset": "utf8"})
            yield own.render_as_string(hide_password=False)
        finally:
            run("SET GLOBAL init_connect = ''")
            run(f"DROP USER {name}@'%'")
            run(f"DROP DATABASE {name}")


@contextlib.contextmanager
def _sqlite(url: str, folder: pathlib.Path) -> Iterator[str]:
    file = folder / "odd.db"
    with contextlib.closing(sqlite3.connect(file)) as made:
        for pragma in ("page_size=512", "auto_vacuum=FULL", "journal_mode=PERSIST", "secure_delete=ON"):
            made.execute(f"PRAGMA {pragma}")
        made.execute("CREATE TABLE theirs (x)")
    yield f"sqlite:///{file}"


_MAKERS = {"postgresql": lambda url, _: postgresql(url), "mariadb": _mariadb, "sqlite": _sqlite}
