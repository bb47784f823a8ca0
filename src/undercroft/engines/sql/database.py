"""One SQL database: its pool, its transactions, its deadlines, its clock."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
import tenacity

from undercroft.core import deadline, registry, time
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable, UndercroftError
from undercroft.engines.clock import EngineClock
from undercroft.engines.sql import dialect
from undercroft.engines.sql.at_hand import AtHand
from undercroft.engines.sql.errors import Contended, Disconnected, commit_failed
from undercroft.engines.sql.options import EngineOptions
from undercroft.engines.watchdog import limited

T = TypeVar("T")
Options = TypeVar("Options", bound="EngineOptions")
Errors = type[UndercroftError] | tuple[type[UndercroftError], ...]

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_READ_ATTEMPTS, _WRITE_ATTEMPTS = 2, 12


class Database:
    """A database and how to talk to it. Shared by threads.

    Attributes:
        dialect: what its engine does in its own way; `dialect.name` is `sqlite`, `postgresql` or `mariadb`.
        place: the URL without a password, for messages.
        in_memory: True for a SQLite database that lives in this process only.
    """

    def __init__(
        self,
        url: str,
        options: EngineOptions,
        passed_on: Mapping[str, str] | None = None,
        pins: Mapping[str, str] | None = None,
    ) -> None:
        self.options = options
        if not _NAMESPACE.fullmatch(options.namespace):
            raise ConfigInvalid(
                f"namespace: {options.namespace[:40]!r} is not a lower-case letter followed by at most 30 of a-z, 0-9, _"
            )
        self.dialect = dialect.of(url)(url, options, passed_on or {}, pins or {})
        self._clock = EngineClock(self._read_clock) if self.dialect.clock is not None else None
        self.place = self.dialect.place
        self.in_memory = self.dialect.in_memory
        try:
            self.engine = sa.create_engine(
                self.dialect.target, connect_args=self.dialect.arguments, pool_size=options.pool_size,
                max_overflow=options.pool_size * 3, pool_timeout=options.connect_timeout,
                # A SQLite database in memory would otherwise get a pool of one connection.
                poolclass=sa.pool.QueuePool, pool_reset_on_return=self.dialect.resets,
            )  # fmt: skip
        except ImportError as error:
            raise registry.missing_library(self.dialect.name, error) from error
        except sa.exc.ArgumentError:
            raise ConfigInvalid(f"{self.place!r} is not a database URL") from None
        self.dialect.listen(self.engine)
        self._reader, self._writer, self._autocommit, self._glancer = (
            self.engine.execution_options(**options)
            for options in (self.dialect.reading, self.dialect.writing, self.dialect.autocommitting, self.dialect.glancing)
        )
        self._write_lock = self.dialect.write_lock()
        self._at_hand = AtHand(options.pool_size)
        # A database in memory lives as long as a connection to it.
        self._keepalive_connection = self.engine.connect() if self.in_memory else None

    @classmethod
    def open(
        cls, url: str, options: type[Options], given: Mapping[str, Any], pins: Mapping[str, str] | None = None
    ) -> tuple[Database, Options]:
        """Open the database at `url`; options come from its query and from `given`.

        Args:
            pins: what the sessions of this store are set to beside the dialect's own.
        """
        base, parsed, passed_on = urls.split(url, options, given, dialect.of(url).url_keys)
        return cls(base, parsed, passed_on, pins), parsed

    @staticmethod
    def check_options(url: str, options: type[EngineOptions], given: Mapping[str, Any]) -> None:
        """Raise `ConfigInvalid` for an unknown option, or a value of the wrong type."""
        urls.split(url, options, given, dialect.of(url).url_keys)

    # -- transactions ----------------------------------------------------------------------------------------------

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on one consistent state of the data; run it again, once, when the connection turns out to be dead."""

        def attempt() -> T:
            with self.stream() as connection:
                return work(connection)

        return self._run(attempt, Disconnected, _READ_ATTEMPTS)

    def alone(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`, a single statement, without a transaction around it; again, once, when the connection is dead."""

        def attempt() -> T:
            with self._without_transaction() as connection:
                result = work(connection)
                if self.dialect.commits_alone:
                    connection.commit()
                return result

        return self._run(attempt, Disconnected, _READ_ATTEMPTS)

    def glance(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on the data as they are at the moment, committed or not, where the engine can show that; see `read`."""

        def attempt() -> T:
            with self._connected(self._glancer) as connection, connection.begin():
                return work(connection)

        return self._run(attempt, Disconnected, _READ_ATTEMPTS)

    def write_alone(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`, a single statement that writes, as a transaction of its own: one round trip where the engine can.

        Raises:
            OutcomeUnknown: the connection broke after the statement was sent.
            Unavailable: no answer, or too many other writers in the way; nothing was stored.
        """

        def attempt() -> T:
            is_sent = False
            try:
                with self._without_transaction() as connection:
                    self._check_open(connection)
                    is_sent = True
                    result = work(connection)
                    if self.dialect.commits_alone:
                        connection.commit()
                    return result
            except Disconnected as error:
                if is_sent:
                    raise commit_failed(error, self.place) from error
                raise

        return self._run(attempt, (Contended, Disconnected), _WRITE_ATTEMPTS)

    def _check_open(self, connection: sa.Connection) -> None:
        """Refuse a connection that the server has closed, before anything is sent on it."""
        if self.dialect.is_closed(connection.connection.driver_connection):
            connection.invalidate()
            raise Disconnected(f"{self.place}: the server has closed the connection")

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction, durable when this returns; run it again when other writers got in its way.

        Raises:
            OutcomeUnknown: the connection broke during the commit.
            Unavailable: no answer, or too many other writers in the way; nothing was stored.
        """

        def attempt() -> T:
            with self._locked():
                return self._write_once(work)

        return self._run(attempt, (Contended, Disconnected), _WRITE_ATTEMPTS)

    def _write_once(self, work: Callable[[sa.Connection], T]) -> T:
        with self._connected(self._writer) as connection:
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except sa.exc.DBAPIError as error:
                failure = commit_failed(self.dialect.error(error), self.place)
                with contextlib.suppress(sa.exc.SQLAlchemyError):
                    transaction.rollback()
                raise failure from error
            self.dialect.committed()
            return result

    @contextlib.contextmanager
    def stream(self) -> Iterator[sa.Connection]:
        """A connection on one consistent state of the data, for as long as the block runs."""
        with self._connected(self._reader) as connection, connection.begin():
            yield connection

    def parts(self, work: Callable[[sa.Connection], Generator[T, None, None]]) -> Generator[T, None, None]:
        """What `work` yields on one consistent state of the data; begun anew, once, when its connection is dead from the start.

        After the first part it is not begun anew: the caller has had that part, and the state that it belongs to is gone.
        """
        for attempt in range(1, _READ_ATTEMPTS + 1):
            has_begun = False
            try:
                with self.stream() as connection, contextlib.closing(work(connection)) as found:
                    for part in found:
                        has_begun = True
                        yield part
            except Disconnected:
                if has_begun or attempt == _READ_ATTEMPTS or not self._may_connect():
                    raise
            else:
                return

    def _may_connect(self) -> bool:
        """Whether the time of the call is enough for another attempt, which may have to connect first."""
        left = deadline.remaining()
        return left is None or left >= self.options.connect_timeout

    def dedicated(self) -> sa.Connection:
        """A connection for what lasts as long as its session, such as a lock; the caller closes it, and uses it by `using`."""
        with self.dialect.translated():
            return self._autocommit.connect()

    @contextlib.contextmanager
    def using(self, connection: sa.Connection) -> Iterator[None]:
        """The block, in which a dedicated connection is cut off at the deadline; errors within come out as ours."""
        with self.dialect.translated(), limited(connection.connection.driver_connection, self.dialect.cut):
            yield

    @contextlib.contextmanager
    def _connected(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """A connection of the pool, cut off at the deadline of the work at hand; errors within come out as ours."""
        with (
            self.dialect.translated(),
            engine.connect() as connection,
            limited(connection.connection.driver_connection, self.dialect.cut),
        ):
            yield connection

    @contextlib.contextmanager
    def _without_transaction(self) -> Iterator[sa.Connection]:
        """The same for single statements: a connection at hand, where the dialect keeps some.

        To take a connection from the pool and to give it back costs more than such a statement does.
        """
        if not self.dialect.keeps_at_hand:
            with self._connected(self._autocommit) as connection:
                yield connection
            return
        with self.dialect.translated():
            connection = self._take() or self._autocommit.connect()
            try:
                with limited(connection.connection.driver_connection, self.dialect.cut):
                    yield connection
                if connection.in_transaction():
                    # Of SQLAlchemy's only.
                    connection.rollback()
            except BaseException:
                connection.close()
                raise
            self._at_hand.give(connection)

    def _take(self) -> sa.Connection | None:
        """A connection at hand that the server has not closed meanwhile, as servers do with idle ones."""
        while (connection := self._at_hand.take()) is not None:
            if not self.dialect.is_closed(connection.connection.driver_connection):
                break
            connection.invalidate()
            connection.close()
        return connection

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The block, when the threads of this process that came before have written, where they queue for that."""
        if self._write_lock is None:
            yield
            return
        left = deadline.remaining()
        if not self._write_lock.acquire(timeout=-1 if left is None else left):
            raise Unavailable(f"{self.place}: other writers are in the way")
        try:
            yield
        finally:
            self._write_lock.release()

    def _run(self, attempt: Callable[[], T], errors: Errors, times: int) -> T:
        """Call `attempt` up to so many times, until it raises none of these errors."""
        try:
            return attempt()
        except errors as error:
            failure = error
        return self._retry(attempt, failure, errors, times)

    def _retry(self, attempt: Callable[[], T], failure: UndercroftError, errors: Errors, times: int) -> T:
        """Go on after a first attempt that failed: most calls need no second, and go without the cost of this."""
        first: list[UndercroftError] = [failure]

        def again() -> T:
            if first:
                raise first.pop()
            return attempt()

        def is_over(retry_state: tenacity.RetryCallState) -> bool:
            return retry_state.attempt_number >= times or not self._may_connect()

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(errors),
            stop=is_over,
            wait=tenacity.wait_random_exponential(multiplier=0.005, max=0.5),
            reraise=True,
        )
        return attempts(again)

    # -- limits ----------------------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many bytes a statement may have, with all its values."""
        return self.alone(lambda c: self.dialect.room(c.connection.driver_connection))

    # -- the engine's clock ----------------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """The engine's clock; this machine's for an engine that has none of its own."""
        return time.now() if self._clock is None else self._clock.now()

    def _read_clock(self) -> dt.datetime:
        return time.as_utc(self.read(lambda c: c.exec_driver_sql(str(self.dialect.clock)).scalar_one()))

    def close(self) -> None:
        """Close every connection. A database in memory is gone then."""
        self._at_hand.close()
        self.engine.dispose()
        if self._keepalive_connection is not None:
            self._keepalive_connection.close()
            self._keepalive_connection = None
