"""The driver's class: binds the contract to the database, the writer and the reader."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import sqlalchemy as sa

from undercroft.core import time
from undercroft.core.errors import InvalidInput, NotInitialized
from undercroft.core.findings import Finding
from undercroft.core.receipt import Receipt
from undercroft.engines.sql import Database, EngineOptions, dialect, gradual, receipts
from undercroft.engines.sql.leases import Leases
from undercroft.engines.sql.store import SqlStore
from undercroft.events import contract, query
from undercroft.events.drivers.sql import diagnosis, dialects, views
from undercroft.events.drivers.sql.dialects import Dialect
from undercroft.events.drivers.sql.dictionary import Dictionary
from undercroft.events.drivers.sql.reader import Reader
from undercroft.events.drivers.sql.schema import KIND, tables
from undercroft.events.models import Event, Trait
from undercroft.events.record import Record

LOG = logging.getLogger(__name__)
# A key is kept as so many numbers of the table of settings.
_KEY_PARTS = tuple(f"cursor_key_{place}" for place in range(4))
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of events: those of every SQL driver."""


class Connection(contract.Store):
    """Events behind `undercroft.events.Connection`.

    Args:
        url: `sqlite:///relative`, `sqlite:////absolute`, `sqlite://` in memory, `postgresql://`, `mariadb://` or `mysql://`;
            options follow a question mark.
        conf: the host's configuration, of which nothing is needed.
        options: the same options as a dict; they win over the URL's.
    """

    ephemeral = "sqlite:///{tmp}/events.db"
    Options = Options

    def __init__(self, url: str, conf: Any = None, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, conf)
        self._db, self.options = Database.open(_own(url), Options, options or {})
        own: type[Dialect] = dialect.load(dialects.__name__, self._db.dialect.name)
        self._tables = tables(self.options.namespace, own.ties)
        self._dialect = own(self._tables)
        self._store = SqlStore(
            self._db, KIND, self._tables.metadata, self._tables.setting, analyse_after=self._dialect.analyse_after
        )
        self._dictionary = Dictionary(self._db, self._tables)
        self._reader = Reader(self._db, self._tables, self._dialect, self._dictionary)
        self._aligned = False
        self._db.dialect.forgetful.append(self._dictionary.forget)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, options=options)

    @staticmethod
    def dress_url(url: str) -> str:
        """`mysql://` with the client library that serves it."""
        return url.replace("mysql://", "mysql+pymysql://", 1) if url.startswith("mysql://") else url

    # -- the store's life ------------------------------------------------------------------------------------------

    def upgrade(self) -> None:  # type: ignore[override]
        self._store.upgrade(self._settings())
        self._dictionary.forget()

    def _settings(self) -> dict[str, int]:
        """What a new store has in its table of settings."""
        return dict([*self._dialect.start(), *((name, _random()) for name in _KEY_PARTS)])

    def check(self) -> list[str]:
        """What keeps the tables from being what this version needs; empty when nothing does."""
        return self._store.check(self._settings())

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version (None: there are none), and the version that this package has."""
        return self._store.version()

    def locks(self) -> Leases:
        return self._store.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        if (yield from self._store.diagnose(self.check)):
            yield from self._examine_events()
            if verify:
                yield from self._store.integrity()
                yield diagnosis.references(self._db, self._tables)
                yield from diagnosis.indexed(self._db, self._tables)

    def clear(self) -> None:  # type: ignore[override]
        self._db.write(self._dialect.clear)

    def create_panko_views(self) -> tuple[str, ...]:
        """Make views with the names and columns of Panko's tables, or make them anew; their names.

        Raises:
            Conflict: the database has tables of these names.
        """
        self._db.write(lambda c: views.create(c, self._tables, self._dialect))
        return views.NAMES

    def drop_panko_views(self) -> None:
        """Remove them."""
        self._db.write(lambda c: views.drop(c, self._tables))

    def drop(self) -> None:
        self.drop_panko_views()
        self._store.drop()
        self._dictionary.forget()

    def close(self) -> None:
        self._db.close()

    # -- writes ----------------------------------------------------------------------------------------------------

    def _record(self, records: Sequence[Record]) -> list[str]:
        self._align()
        types, keys = self._dictionary.learn(records)
        rows = [dialects.row(record, types, keys) for record in records]
        known = self._db.write(lambda c: self._dialect.record(c, rows))
        self._store.added(len(rows))
        return known

    @property
    def largest(self) -> int:
        return self._db.room()

    def _record_once(self, parts: Sequence[Sequence[Record]], receipt: Receipt, answer: Callable[[list[str]], bytes]) -> bytes:
        self._align()
        batches = []
        for records in parts:
            types, keys = self._dictionary.learn(records)
            batches.append([dialects.row(record, types, keys) for record in records])
        now = time.to_micros(self._db.now())

        def effect(connection: sa.Connection) -> bytes:
            return answer([known for rows in batches for known in self._dialect.record(connection, rows)])

        told = self._db.write(lambda c: receipts.once(c, self._tables.idempotency, receipt, now, lambda: effect(c)))
        self._store.added(sum(map(len, batches)))
        return told

    def _align(self) -> None:
        if not self._aligned:
            self._dialect.align(self._db)
            self._aligned = True

    def _expire(self, before: int, count: int | None) -> int:
        return gradual.delete(lambda most: self._db.write(lambda c: self._dialect.expire(c, before, most)), count)

    # -- reads -----------------------------------------------------------------------------------------------------

    def _events(self, selection: query.Selection, page: query.Page) -> Iterable[Event]:
        found = self._reader.events(selection, page)
        if page.limit is None:
            return (self._event(*parts) for parts in found)
        return [self._event(*parts) for parts in found] if page.limit <= 1_000 else (self._event(*parts) for parts in found)

    def _count(self, selection: query.Selection, grouping: query.Grouping, most: int) -> list[query.Group]:
        return self._reader.count(selection, grouping, most)

    def _event_types(self) -> list[str]:
        return self._reader.event_types()

    def _trait_types(self, event_type: str) -> list[tuple[str, int]]:
        return self._reader.trait_types(event_type)

    def _traits(self, event_type: str, name: str | None) -> Iterable[Trait]:
        return iter(self._models(self._reader.traits(event_type, name)))

    def _tail(self, selection: query.Selection, after: str | None, limit: int) -> contract.Arrivals:
        if after is not None and not _CURSOR.fullmatch(after):
            raise InvalidInput("after", "is no cursor of this store")
        start = int(after or 0)
        found, last = self._reader.arrivals(selection, start, limit, self._dialect.horizon)
        return contract.Arrivals([self._event(*parts) for parts in found], str(last))

    def _cursor(self) -> str:
        return str(self._db.read(self._dialect.horizon) - 1)

    def _cursor_key(self) -> bytes:
        setting = self._tables.setting.c
        wanted = sa.select(setting.name, setting.value).where(setting.name.in_(_KEY_PARTS))
        found: dict[str, int] = self._db.read(lambda c: dict(map(tuple, c.execute(wanted))))
        if found.keys() != set(_KEY_PARTS):
            raise NotInitialized("the store was not set up to its end: run `undercroft db upgrade --kind events`")
        return b"".join(found[name].to_bytes(8, "big", signed=True) for name in _KEY_PARTS)


def _random() -> int:
    """A random number of 64 bits."""
    return int.from_bytes(secrets.token_bytes(8), "big", signed=True)


def _own(url: str) -> str:
    """The URL as our engines read it: hosts name a client library, and write a database in memory without a path."""
    scheme, separator, rest = url.partition("://")
    rest = rest or ("/:memory:" if scheme.startswith("sqlite") else "")
    return f"{scheme.partition('+')[0]}{separator}{rest}"
