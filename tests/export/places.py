"""A target as tests see it: settings, statements of their own, and samples."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Any

import sqlalchemy as sa

from undercroft.core.errors import ConfigInvalid, UndercroftError
from undercroft.engines.sql import Database, EngineOptions
from undercroft.engines.sql.dialect import name_of
from undercroft.export import COLUMNS, KEYS, Sample, Settings
from undercroft.export.state import Unit
from undercroft.export.target import Target

_RUN = re.compile(r"run: (.*);$")
UNIT = Unit("e" * 32, "all", "cpu")
NOON = dt.datetime(2026, 3, 1, 12)


def settings(url: str, table: str = "samples", **over: Any) -> Settings:
    """Settings with all defaults but these."""
    given = {"connection": url, "table": table, "endpoint": "http://127.0.0.1:9", "auth": "none", **over}
    return Settings(**{**{name: key.default for name, key in KEYS.items()}, **given}, filters=())


def sample(number: int = 0, **over: Any) -> Sample:
    """A sample: different numbers have different ids and timestamps."""
    made = Sample(
        counter_name="cpu", counter_type="cumulative", counter_unit="ns", counter_volume=float(number),
        message_id=f"id-{number:06}", project_id="p", resource_id=f"r{number % 7}", source="openstack",
        timestamp=NOON + dt.timedelta(microseconds=number), user_id="u", recorded_at=NOON, resource_metadata='{"a": 1}',
    )  # fmt: skip
    return made._replace(**over)


def statements(error: ConfigInvalid) -> list[str]:
    """The statements that an error says mend it."""
    match = _RUN.search(str(error))
    assert match, error
    return match[1].split("; ")


class Place:
    """A database and a table of the test's own.

    Attributes:
        url: of the database.
        table: the name of the table of samples.
    """

    def __init__(self, url: str, table: str) -> None:
        self.url = url
        self.table = table
        self.opened: list[Target] = []
        self._db: Database | None = None

    def target(self, *, prepare: bool = True, **over: Any) -> Target:
        """A target on the table."""
        found = Target(settings(self.url, **{"table": self.table, **over}))
        self.opened.append(found)
        if prepare:
            found.prepare()
        return found

    @property
    def db(self) -> Database:
        """The database for statements of the test's own."""
        if self._db is None:
            self._db, _ = Database.open(self.url, EngineOptions, {})
            self._db.dialect.create()
        return self._db

    @property
    def engine(self) -> str:
        """The name of the dialect."""
        return name_of(self.url)

    def run(self, *statements: str) -> None:
        """Run statements in one transaction; `{t}` is the table."""

        def work(connection: sa.Connection) -> None:
            for text in statements:
                connection.exec_driver_sql(text.replace("{t}", self.table)).close()

        self.db.write(work)

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a statement; `{t}` is the table."""
        return self.db.read(lambda c: [tuple(row) for row in c.exec_driver_sql(statement.replace("{t}", self.table))])

    def rows(self, columns: tuple[str, ...] = COLUMNS) -> list[tuple[Any, ...]]:
        """The rows by id; timestamps are datetimes."""
        preparer = self.db.engine.dialect.identifier_preparer
        found = self.ask(f"SELECT {', '.join(map(preparer.quote, columns))} FROM {{t}} ORDER BY message_id")
        return [
            tuple(
                dt.datetime.fromisoformat(value) if name in ("timestamp", "recorded_at") and isinstance(value, str) else value
                for name, value in zip(columns, row, strict=True)
            )
            for row in found
        ]

    def count(self) -> int:
        """How many rows there are."""
        return int(self.ask("SELECT count(*) FROM {t}")[0][0])

    def clear(self) -> None:
        """Close what was opened, and drop the tables."""
        for target in self.opened:
            target.close()
        with contextlib.suppress(UndercroftError):
            self.run(*(f"DROP TABLE IF EXISTS {self.table}{suffix}" for suffix in ("", "_sync", "_old")))
        if self._db is not None:
            self._db.close()
