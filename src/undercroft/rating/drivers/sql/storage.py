"""The driver's class: binds the contract to the database, the writer and the reader."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Self

import sqlalchemy as sa

from undercroft.core import time
from undercroft.core.errors import ConfigInvalid, InvalidInput, Unavailable
from undercroft.core.findings import Finding
from undercroft.core.paging import Page
from undercroft.core.receipt import Receipt
from undercroft.engines.sql import Database, EngineOptions, receipts
from undercroft.engines.sql.dialect import load
from undercroft.engines.sql.errors import TooLarge
from undercroft.engines.sql.leases import Leases
from undercroft.engines.sql.store import SqlStore
from undercroft.rating import calendar, contract, query
from undercroft.rating.drivers.sql import dialects
from undercroft.rating.drivers.sql.deleter import Deleter
from undercroft.rating.drivers.sql.diagnosis import Diagnosis
from undercroft.rating.drivers.sql.dialects import Dialect
from undercroft.rating.drivers.sql.encode import Batch, Encoder, largest
from undercroft.rating.drivers.sql.folding import Folder
from undercroft.rating.drivers.sql.newest import newest_ends
from undercroft.rating.drivers.sql.reader import Question, Reader
from undercroft.rating.drivers.sql.schema import KIND, LONG_NUMBERS, SCOPE_KEY, ZONE, tables
from undercroft.rating.drivers.sql.shape import Target, built
from undercroft.rating.drivers.sql.writer import NOTHING, Pushed, Writer

LOG = logging.getLogger(__name__)
UTC = "UTC"
_ANALYSE_AFTER = 20_000
# Beside the names of settings.
_WAITING = "waiting"


class Fixed(NamedTuple):
    """What was fixed when a store was made.

    Attributes:
        zone: of whole days, months, and calendar attributes.
        scope_key: the attribute whose values have sums of their own, which makes questions about it quick.
    """

    zone: dt.tzinfo
    scope_key: str


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the rating store, beside those of every SQL driver.

    Attributes:
        timezone: IANA zone of derived calendar attributes and of whole days; a property of the store, fixed when it is made
            (UTC when not given). Opening it later with another one is refused.
        on_conflict: what pushing a series key again does: `replace`, `append` or `error`.
        scope_key: the attribute that names a point's scope; the setting of that name when not given. A store keeps sums by the
            one it was made with; another one later is answered as well, as any attribute is.
        resource_keys: the attributes that may hold a resource's id, as a list or separated by commas; the setting of that name
            when not given.
        fold_at: so many points may wait before sums by series are brought up to date; a question about series reads them.
    """

    timezone: str | None = None
    on_conflict: Literal["replace", "append", "error"] = "replace"
    scope_key: str | None = None
    resource_keys: str | list[str] | None = None
    fold_at: int = 100_000


class Storage(contract.BaseStorage):
    """Rated usage behind `undercroft.rating.BaseStorage`."""

    ephemeral = "sqlite:///{tmp}/rating.db"
    Options = Options

    def __init__(self, url: str = "sqlite:///:memory:", *args: Any, **kwargs: Any) -> None:
        """Open the store at `url`; options by keyword or in the URL's query, unknown keywords are ignored."""
        super().__init__(*args, **kwargs)
        given = {name: kwargs[name] for name in Options.__struct_fields__ if name in kwargs}
        self._db, self.options = Database.open(url, Options, given)
        if keys := self.options.resource_keys:
            self.resource_keys = tuple(key.strip() for key in (keys.split(",") if isinstance(keys, str) else keys))
        self.scope_key = self.options.scope_key or self.scope_key
        self.zone = None if self.options.timezone is None else time.zone(self.options.timezone)
        dialect: type[Dialect] = load(dialects.__name__, self._db.dialect.name)
        self._tables = tables(self.options.namespace, dialect.layout)
        self._store = SqlStore(self._db, KIND, self._tables.metadata, self._tables.setting, analyse_after=_ANALYSE_AFTER)
        self._target = Target(self._tables, dialect)
        self._dialect = dialect(self._tables)
        self._encoder = Encoder()
        self._writer = Writer(self._tables, self._dialect)
        self._folder = Folder(self._tables, self._dialect)
        self._fixed: Fixed | None = None
        # How sums are asked for: the quick way, until some had too many digits for that.
        self._exact = self._tables.exact.short
        # Points in pending slots: those there were at first, and those that came from here.
        self._waiting = 0
        self._db.dialect.forgetful.append(self._forget)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        """Open the store at `url`.

        Raises:
            ConfigInvalid: an option that the driver does not have.
        """
        Database.check_options(url, Options, options)
        return cls(url, **options)

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        """Create or upgrade the tables, and fix the store's time zone and scope attribute when it has none yet."""
        self._store.upgrade({ZONE: self.options.timezone or UTC, SCOPE_KEY: self.scope_key})
        self._forget()
        self._fix()

    def check(self) -> list[str]:
        """What keeps the tables from being what this version needs; empty when nothing does."""
        return self._store.check()

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version (None: there are none), and the version that this package has."""
        return self._store.version()

    def locks(self) -> Leases:
        return self._store.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        diagnosis = Diagnosis(self._db, self._tables, self._zone)
        if (yield from self._store.diagnose()):
            yield from diagnosis.contents()
            yield from diagnosis.sums(verify=verify)
            yield from self._examine_retention()

    def drop(self) -> None:
        """Remove the tables of this namespace with everything in them."""
        self._store.drop()
        self._forget()

    def close(self) -> None:
        """Close every connection."""
        self._db.close()

    def _forget(self) -> None:
        self._encoder.forget()
        self._writer.forget()
        self._fixed = None

    def _zone(self) -> dt.tzinfo:
        return self._fix().zone

    def _fix(self) -> Fixed:
        """What was fixed when the store was made, read once; and with it, what waits to be folded.

        Raises:
            ConfigInvalid: its time zone is another one than the option `timezone` asks for.
        """
        if self._fixed is None:
            setting = self._tables.setting
            waiting = sa.cast(self._folder.waiting().scalar_subquery(), sa.String(20))
            asked = sa.union_all(sa.select(setting.c.name, setting.c.value), sa.select(sa.literal(_WAITING), waiting))
            found = dict(map(tuple, self._db.alone(lambda c: c.execute(asked).all())))
            self._waiting = int(found[_WAITING] or 0)
            name = found.get(ZONE, UTC)
            if LONG_NUMBERS in found:
                self._exact = self._tables.exact
            if self.options.timezone not in (None, name):
                raise ConfigInvalid(
                    f"{self._db.place}: the store was made with timezone={name}, which its sums by day follow; it cannot be "
                    f"opened with timezone={self.options.timezone}. Leave the option out, or push into a new namespace."
                )
            # Threads that come here at once read the same; none waits for another one's answer.
            self._fixed = Fixed(time.zone(name), found.get(SCOPE_KEY, self.scope_key))
        return self._fixed

    # -- writes ----------------------------------------------------------------------------------------------------

    def _push(self, frames: Sequence[Any]) -> None:
        batch = self._encode(frames)
        if not batch.points:
            return
        with _named(frames):
            pushed = self._db.write(self._pushing(batch))
        self._pushed_to(pushed)
        self._store.added(batch.points)

    def _push_once(self, frames: Sequence[Any], receipt: Receipt) -> bytes | None:
        batch = self._encode(frames)
        push = self._pushing(batch)
        now = time.to_micros(self._db.now())

        def work(connection: sa.Connection) -> tuple[bytes | None, Pushed]:
            first = receipts.claim(connection, self._tables.idempotency, receipt, now)
            if first is not None or not batch.points:
                return first, NOTHING
            return None, push(connection)

        with _named(frames):
            first, pushed = self._db.write(work)
        self._pushed_to(pushed)
        return first

    def _delete(self, selection: query.Selection) -> int:
        deleter = self._deleter()
        return self._db.write(lambda c: deleter.delete(c, selection))

    def _replace(self, selection: query.Selection, frames: Sequence[Any]) -> None:
        batch = self._encode(frames)
        deleter, push = self._deleter(), self._pushing(batch)

        def work(connection: sa.Connection) -> Pushed:
            deleter.delete(connection, selection)
            return push(connection) if batch.points else NOTHING

        with _named(frames):
            pushed = self._db.write(work)
        self._pushed_to(pushed)

    def _pushing(self, batch: Batch) -> Callable[[sa.Connection], Pushed]:
        """Writes a batch within a transaction; called again, it keeps others out."""
        attempts = itertools.count()
        return lambda c: self._writer.push(c, batch, self.options.on_conflict, alone=next(attempts) > 0)

    def _pushed_to(self, pushed: Pushed) -> None:
        """What follows a push that is committed."""
        self._writer.remember(pushed)
        self._waiting += pushed.pending
        if self._waiting < self.options.fold_at:
            return
        self._waiting = 0
        # Failing to fold costs speed, never an answer: the push is done, and a later one tries again.
        with contextlib.suppress(Unavailable):
            self._fold(newest=False)

    def maintain(self) -> int:
        self._waiting = 0
        return self._fold(newest=True)

    def _fold(self, *, newest: bool) -> int:
        folded = 0
        while (found := self._db.write(lambda c: self._folder.fold(c, newest=newest))) is not None:
            folded += found
        return folded

    def _encode(self, frames: Sequence[Any]) -> Batch:
        batch = self._encoder.encode(frames, *self._fix())
        if batch.rounded:
            self.counters["rounded"] += batch.rounded
            LOG.warning(
                "%d numbers of %d points were rounded to 38 places, the first at %s",
                batch.rounded, batch.points, batch.first_rounded,
            )  # fmt: skip
        return batch

    def _deleter(self) -> Deleter:
        return Deleter(self._target, self._dialect, self._reader())

    @property
    def largest(self) -> int:
        return self._db.room()

    # -- reads -----------------------------------------------------------------------------------------------------

    def _reader(self) -> Reader:
        return Reader(self._target, *self._fix(), self._exact)

    def _page(self, selection: query.Selection, page: Page) -> tuple[int, list[contract.Row]]:
        reader = self._reader()
        return self._db.read(lambda c: reader.page(c, selection, page))

    @contextlib.contextmanager
    def _stream(self, selection: query.Selection) -> Iterator[Iterator[contract.Row]]:
        reader = self._reader()
        with contextlib.closing(self._db.parts(lambda c: reader.stream(c, selection))) as rows:
            # A database in memory has no snapshots: an open reader would keep writers out.
            yield iter(list(rows)) if self._db.in_memory else rows

    def _total(
        self,
        selection: query.Selection,
        groups: Sequence[query.GroupKey],
        measures: Sequence[query.Measure],
        page: Page | None,
    ) -> tuple[int, list[contract.Group]]:
        reader = self._reader()
        question = Question(selection, groups, measures, page)
        found = self._db.read(lambda c: reader.total(c, question))
        self._exact = reader.exact
        return found

    def _span(self) -> tuple[int, int] | None:
        """Whole local days, from the ends of the key of `scope_rollup`, which holds no day without points."""
        days = self._tables.scope_rollup.c.bucket
        statements = [
            sa.select(days).where(days > calendar.LAST_MONTH).order_by(order).limit(1) for order in (days.asc(), days.desc())
        ]
        first, last = self._db.read(lambda c: [c.execute(statement).scalar() for statement in statements])
        return None if first is None or last is None else calendar.bounds(first, last, self._zone())

    def _scopes(self, selection: query.Selection) -> list[str]:
        scope = query.GroupKey(query.By.ATTRIBUTE, self.scope_key)
        _, groups = self._total(selection, [scope], (), None)
        return sorted({str(group.values[0]) for group in groups} - {""})

    def _scope_ends(self) -> list[tuple[str, dt.datetime]]:
        rolled_up = self.scope_key == self._fix().scope_key and not query.is_calendar(self.scope_key)
        statement, values = built(newest_ends, self._target, rolled_up), {"scope_key": self.scope_key.encode()}
        rows = self._db.read(lambda c: statement.rows(c, values))
        return sorted((bytes(text).decode(), time.from_micros(end)) for text, end in rows)


@contextlib.contextmanager
def _named(frames: Sequence[Any]) -> Iterator[None]:
    """Where a row is larger than the engine takes, name the point that it comes from: the one with the most attributes."""
    try:
        yield
    except TooLarge as error:
        raise InvalidInput(largest(frames), error.problem) from None
