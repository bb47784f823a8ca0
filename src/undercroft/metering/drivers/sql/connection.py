"""The driver's class: binds the contract to the database, the writer and the readers."""

from __future__ import annotations

import contextlib
import itertools
import time as monotonic
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from undercroft.core import time
from undercroft.core.errors import InvalidInput, Unavailable
from undercroft.core.findings import Finding
from undercroft.core.receipt import Receipt
from undercroft.engines.sql import Database, EngineOptions, dialect, gradual, receipts
from undercroft.engines.sql.errors import TooLarge
from undercroft.engines.sql.leases import Leases
from undercroft.engines.sql.store import SqlStore
from undercroft.metering import contract, query
from undercroft.metering.drivers.sql import diagnosis, dialects
from undercroft.metering.drivers.sql.candidates import Finder
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Dictionary, Stale
from undercroft.metering.drivers.sql.expiring import Expirer
from undercroft.metering.drivers.sql.folding import Folder
from undercroft.metering.drivers.sql.lists import Lists
from undercroft.metering.drivers.sql.reader import Reader
from undercroft.metering.drivers.sql.samples import Samples
from undercroft.metering.drivers.sql.schema import DAY, KIND, SPANS, tables
from undercroft.metering.drivers.sql.walk import Walk
from undercroft.metering.drivers.sql.windows import Windows
from undercroft.metering.drivers.sql.writer import Batch, Writer, lay_out
from undercroft.metering.models import Meter, Resource, Sample, Window
from undercroft.metering.record import Record

T = TypeVar("T")

# Samples of an answer that is read at once.
_AT_ONCE = 1_000
# Seconds that a writer folds.
_FOLDS = 0.5
_ATTEMPTS = 8
# Entries of dictionaries that go at once, and seconds after them in which writers learn anew what they knew.
_PURGED, _LEARN = 10_000, 0.5


class Options(EngineOptions, kw_only=True, frozen=True):
    """Options of the store of samples, beside those of every SQL driver.

    Attributes:
        fold_at: so many samples may wait to be folded, beside those of the newest hour, before a writer does some of it.
    """

    fold_at: int = 100_000


class Connection(contract.Store):
    """Samples behind `undercroft.metering.Connection`.

    Args:
        url: `sqlite:///relative`, `sqlite:////absolute`, `sqlite://` in memory, `postgresql://`, `mariadb://` or `mysql://`;
            options follow a question mark.
        conf: the host's configuration, of which nothing is needed.
        options: the same options as a dict; they win over the URL's.
    """

    ephemeral = "sqlite:///{tmp}/metering.db"
    Options = Options

    def __init__(self, url: str, conf: Any = None, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, conf)
        self._db, self.options = Database.open(url, Options, options or {})
        own: type[Dialect] = dialect.load(dialects.__name__, self._db.dialect.name)
        t = self._tables = tables(self.options.namespace, own.layout)
        d = self._dialect = own(t)
        self._store = SqlStore(self._db, KIND, t.metadata, t.setting, analyse_after=d.analyse_after)
        self._dictionary = Dictionary(self._db, t, d)
        finder, samples = Finder(t, d, self._dictionary), Samples(t, d)
        walk = Walk(t, d, finder, samples)
        self._writer = Writer(t, d)
        self._folder = Folder(self._db, t, d, samples)
        self._reader = Reader(d, self._dictionary, finder, samples, walk, self._folder)
        self._lists = Lists(t, d, self._dictionary, finder, samples, self._reader)
        self._in_windows = Windows(t, d)
        self._expirer = Expirer(t, d, self._dictionary, finder, samples, walk, self._folder)
        # The newest hour that came from here, and samples since this process folded.
        self._newest: int | None = None
        self._waiting = 0
        self._db.dialect.forgetful.append(self._dictionary.forget)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, options=options)

    # -- the store's life ------------------------------------------------------------------------------------------

    def upgrade(self) -> None:  # type: ignore[override]
        self._store.upgrade(dict(self._dialect.start()))
        self._dictionary.forget()

    def check(self) -> list[str]:
        """What keeps the tables from being what this version needs; empty when nothing does."""
        return self._store.check(dict(self._dialect.start()))

    def schema_version(self) -> tuple[str | None, str]:
        """The tables' version (None: there are none), and the version that this package has."""
        return self._store.version()

    def locks(self) -> Leases:
        return self._store.locks()

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        if (yield from self._store.diagnose(self.check)):
            if verify:
                # First: samples that lack something that they refer to cannot be read.
                yield from self._store.integrity()
                yield diagnosis.references(self._db, self._tables)
            yield from self._examine_samples()
            yield from diagnosis.waiting(self._db, self._tables)
            if verify:
                yield from diagnosis.kept(self._db, self._tables, self._dialect, self._folder)

    def clear(self) -> None:  # type: ignore[override]
        self._db.write(self._dialect.clear)
        self._dictionary.forget_slots()

    def drop(self) -> None:
        self._store.drop()
        self._dictionary.forget()

    def close(self) -> None:
        self._db.close()

    @property
    def largest(self) -> int:
        return self._db.room()

    # -- writes ----------------------------------------------------------------------------------------------------

    def _record(self, records: Sequence[Record]) -> list[str]:
        def attempt() -> tuple[Batch, list[str]]:
            batch = self._lay_out(records)
            return batch, self._db.write(lambda c: self._writer.record(c, batch))

        with _named(records):
            batch, known = self._anew(attempt)
        self._stored([batch], len(records) - len(known))
        return known

    def _record_once(self, parts: Sequence[Sequence[Record]], receipt: Receipt, answer: Callable[[list[str]], bytes]) -> bytes:
        now = time.to_micros(self._db.now())

        def attempt() -> tuple[list[Batch], bytes]:
            batches = [self._lay_out(part) for part in parts]

            def effect(connection: sa.Connection) -> bytes:
                return answer([known for batch in batches for known in self._writer.record(connection, batch)])

            def work(connection: sa.Connection) -> bytes:
                # The lock that writers queue for comes first on every path.
                self._dialect.lock(connection)
                return receipts.once(connection, self._tables.idempotency, receipt, now, lambda: effect(connection))

            return batches, self._db.write(work)

        with _named([record for part in parts for record in part]):
            batches, told = self._anew(attempt)
        self._stored(batches, sum(len(batch.rows) for batch in batches))
        return told

    def _lay_out(self, records: Sequence[Record]) -> Batch:
        return lay_out(records, self._dictionary, self._dialect, time.to_micros(time.now()))

    def _anew(self, attempt: Callable[[], T]) -> T:
        """Try again when something was laid out for what has expired since."""
        for number in itertools.count(1):
            try:
                return attempt()
            except Stale:
                if number == _ATTEMPTS:
                    raise
                self._dictionary.forget()
        raise AssertionError

    def _stored(self, batches: Sequence[Batch], count: int) -> None:
        """What follows samples that are committed: hours that are over are folded when a newer one begins."""
        self._store.added(count)
        for batch in batches:
            self._dictionary.saw(batch.learnt)
        self._waiting += count
        newest = max((batch.newest for batch in batches), default=None)
        if newest is None:
            return
        is_new_hour = self._newest is not None and newest > self._newest
        if self._newest is None or newest > self._newest:
            self._newest = newest
        if is_new_hour or self._waiting >= self.options.fold_at:
            self._waiting = 0
            # Failing to fold costs speed, never an answer: the samples are stored, and a later writer tries again.
            with contextlib.suppress(Unavailable):
                self._folder.fold(self._newest, _FOLDS)

    def maintain(self) -> int:
        self._waiting = 0
        return self._folder.fold()

    def _expire(self, before: int, count: int | None) -> int:
        if count is None:
            deleted = self._expire_hours(before)
        else:
            deleted = gradual.delete(lambda most: self._db.write(lambda c: self._expirer.delete_oldest(c, before, most)), count)
        if count is None or deleted < count:
            self._purge(before // SPANS[DAY])
        return deleted

    def _purge(self, before: int) -> None:
        """Delete what the dictionaries have of samples of before a day, which are all gone."""
        t = self._tables
        while self._db.read(lambda c: any(self._dialect.old_entries(c, table, before, 1) for table in (t.series, t.bodies))):
            if self._db.write(lambda c: self._dialect.purge(c, before, _PURGED)) < _PURGED:
                return
            # A writer that finds its entries gone each time that it has learnt them gives up.
            gradual.wait(_LEARN)

    def _expire_hours(self, before: int) -> int:
        deleted, after = 0, (-(2**63), 0)
        while (slot := self._db.read(lambda c, after=after: self._expirer.next_hour(c, before, after))) is not None:  # type: ignore[misc]
            began = monotonic.monotonic()
            deleted += self._db.write(lambda c, slot=slot: self._expirer.delete_from(c, slot, before))  # type: ignore[misc]
            after = (slot.start, slot.id)
            gradual.leave(monotonic.monotonic() - began)
        return deleted

    # -- reads -----------------------------------------------------------------------------------------------------

    def _samples(self, selection: query.Selection, limit: int | None, *, ascending: bool) -> Iterable[Sample]:
        return self._found(lambda c: self._reader.samples(c, selection, limit, ascending=ascending), limit)

    def _meters(self, selection: query.Selection, limit: int | None, *, unique: bool) -> Iterable[Meter]:
        meters = self._lists.unique_meters if unique else self._lists.meters
        return self._found(lambda c: itertools.islice(meters(c, selection), limit), limit)

    def _resources(self, selection: query.Selection, limit: int | None) -> Iterable[Resource]:
        return self._found(lambda c: self._lists.resources(c, selection, limit), limit)

    def _statistics(self, selection: query.Selection, question: query.Question) -> Iterable[query.Group]:
        return self._found(lambda c: self._reader.statistics(c, selection, question), None)

    def _windows(self, meter: str, after: int, until: int, resources: Sequence[str] | None) -> dict[str, Window]:
        if resources is not None and not resources:
            return {}
        return self._db.alone(lambda c: self._in_windows.summaries(c, meter, after, until, resources))

    def _volumes(self, meter: str, after: int, until: int, resources: Sequence[str] | None) -> dict[str, list[tuple[int, float]]]:
        if resources is not None and not resources:
            return {}
        return self._db.alone(lambda c: self._in_windows.volumes(c, meter, after, until, resources))

    def _count(self, selection: query.Selection) -> int:
        return self._db.read(lambda c: self._reader.count(c, selection))

    def _found(self, work: Callable[[sa.Connection], Iterator[T]], limit: int | None) -> Iterable[T]:
        """What `work` finds: at once where it is little, else a part at a time."""
        # A database in memory has no snapshots: an open reader would keep writers out.
        if self._db.in_memory or (limit is not None and limit <= _AT_ONCE):
            return self._db.read(lambda c: list(work(c)))

        def found(connection: sa.Connection) -> Generator[T, None, None]:
            yield from work(connection)

        return self._db.parts(found)


@contextlib.contextmanager
def _named(records: Sequence[Record]) -> Iterator[None]:
    """Where a row is larger than the engine takes, name the sample that it comes from: the one with the most metadata."""
    try:
        yield
    except TooLarge as error:
        largest = max(records, key=lambda record: len(record.metadata))
        raise InvalidInput(f"sample {largest.message_id[:64]!r}", error.problem) from None
