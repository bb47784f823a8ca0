"""One SQL database: its pool, its transactions, its deadlines, its clock."""

from __future__ import annotations

import contextlib
import datetime as dt
import pathlib
import re
import sqlite3
import threading
import time as monotonic
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
import tenacity

from undercroft.core import deadline, registry, time
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable
from undercroft.engines.sql.errors import Contended, Disconnected, commit_failed, translate, translated
from undercroft.engines.sql.watchdog import limited

T = TypeVar("T")
Options = TypeVar("Options", bound="EngineOptions")

_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_MEMORY = ":memory:"
_CLOCK_AGE = 60.0

# URL query keys that belong to the client libraries: how to reach the server, and how to trust it.
PASSED_ON: dict[str, tuple[str, ...]] = {
    "sqlite": (),
    "mariadb": ("charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_check_hostname", "ssl_verify_cert", "unix_socket"),
    "postgresql": (
        "application_name", "channel_binding", "gssencmode", "host", "krbsrvname", "passfile", "port", "service",
        "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert", "target_session_attrs",
    ),
}  # fmt: skip
CLIENTS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}


class EngineOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options that every SQL driver takes, whatever kind it stores.

    Attributes:
        namespace: prefix of every table, so that kinds, parallel tests and a host's own tables share one database.
        pool_size: connections kept open.
        connect_timeout: seconds to wait for a connection.
        statement_timeout: seconds that one statement may take (PostgreSQL).
        busy_timeout: seconds to wait for another writer (SQLite).
        synchronous: `full` makes every commit durable; `normal` may lose the last ones in a power cut (SQLite).
    """

    namespace: str = "undercroft"
    pool_size: int = 5
    connect_timeout: float = 5.0
    statement_timeout: float = 60.0
    busy_timeout: float = 30.0
    synchronous: Literal["full", "normal"] = "full"


class Database:
    """A database and how to talk to it. Shared by threads.

    Attributes:
        dialect: `sqlite`, `postgresql` or `mariadb`.
        place: the URL without a password, for messages.
        in_memory: True for a SQLite database that lives in this process only.
    """

    def __init__(self, url: str, options: EngineOptions, passed_on: Mapping[str, str] | None = None) -> None:
        self.options = options
        self.dialect = dialect_of(url)
        self.place = urls.redacted(url)
        self.in_memory = False
        self._clock: tuple[float, dt.timedelta] | None = None
        if not _NAMESPACE.fullmatch(options.namespace):
            raise ConfigInvalid(
                f"namespace: {options.namespace[:40]!r} is not a lower-case letter followed by at most 30 of a-z, 0-9, _"
            )
        target, arguments = self._target(url, passed_on or {})
        try:
            self.engine = sa.create_engine(
                target, connect_args=arguments, pool_size=options.pool_size, max_overflow=options.pool_size * 3,
                pool_timeout=options.connect_timeout, **self._pool(),
            )  # fmt: skip
        except ImportError as error:
            raise registry.missing_library(self.dialect, error) from error
        except sa.exc.ArgumentError:
            raise ConfigInvalid(f"{self.place!r} is not a database URL") from None
        if self.dialect == "sqlite":
            sa.event.listen(self.engine, "connect", self._configure_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)
            self._reader = self.engine
            self._anchor = self._hold() if self.in_memory else None
        elif self.dialect == "mariadb":
            sa.event.listen(self.engine, "connect", self._configure_mariadb)
            sa.event.listen(self.engine, "begin", _begin_mariadb)
            self._reader = self.engine
        else:
            # Several statements of one answer see one state of the data.
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._writer = self.engine.execution_options(writes=True)
        alone = {"isolation_level": "AUTOCOMMIT"} if self.dialect == "postgresql" else {"alone": True}
        self._alone = self.engine.execution_options(**alone)
        self._turn = _write_lock(self.place) if self.dialect == "sqlite" else None

    @classmethod
    def open(cls, url: str, options: type[Options], given: Mapping[str, Any]) -> tuple[Database, Options]:
        """Open the database at `url`; options come from its query and from `given`."""
        base, parsed, passed_on = urls.split(url, options, given, PASSED_ON.get(dialect_of(url), ()))
        return cls(base, parsed, passed_on), parsed

    @staticmethod
    def check_options(url: str, options: type[EngineOptions], given: Mapping[str, Any]) -> None:
        """Raise `ConfigInvalid` for an unknown option, or a value of the wrong type."""
        urls.split(url, options, given, PASSED_ON.get(dialect_of(url), ()))

    # -- transactions ----------------------------------------------------------------------------------------------

    def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` on one consistent state of the data; run it again, once, when the connection turns out to be dead."""
        for attempt in self._attempts(Disconnected, 2):
            with attempt, self.stream() as connection:
                return work(connection)
        raise AssertionError("unreachable")

    def alone(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work`, a single statement, without a transaction around it; again, once, when the connection is dead."""
        for attempt in self._attempts(Disconnected, 2):
            with attempt, translated(self.place), self._alone.connect() as connection, limited(connection):
                return work(connection)
        raise AssertionError("unreachable")

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in one transaction, durable when this returns; run it again when other writers got in its way.

        Raises:
            OutcomeUnknown: the connection broke during the commit.
            Unavailable: no answer, or too many other writers in the way; nothing was stored.
        """
        for attempt in self._attempts((Contended, Disconnected), 12):
            with attempt, self._in_turn():
                return self._write_once(work)
        raise AssertionError("unreachable")

    def _write_once(self, work: Callable[[sa.Connection], T]) -> T:
        with translated(self.place), self._writer.connect() as connection, limited(connection):
            transaction = connection.begin()
            try:
                result = work(connection)
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except sa.exc.DBAPIError as error:
                failure = commit_failed(translate(error, self.place), self.place)
                with contextlib.suppress(sa.exc.SQLAlchemyError):
                    transaction.rollback()
                raise failure from error
            return result

    @contextlib.contextmanager
    def stream(self) -> Iterator[sa.Connection]:
        """A connection on one consistent state of the data, for as long as the block runs."""
        with translated(self.place), self._reader.connect() as connection, limited(connection), connection.begin():
            yield connection

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """The block, when the threads of this process that came before have written; SQLite only."""
        if self._turn is None:
            yield
            return
        left = deadline.remaining()
        if not self._turn.acquire(timeout=-1 if left is None else left):
            raise Unavailable(f"{self.place}: other writers are in the way")
        try:
            yield
        finally:
            self._turn.release()

    def _attempts(self, errors: Any, times: int) -> tenacity.Retrying:
        def is_over(retry_state: tenacity.RetryCallState) -> bool:
            left = deadline.remaining()
            # The next attempt may have to connect first.
            return retry_state.attempt_number >= times or (left is not None and left < self.options.connect_timeout)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(errors),
            stop=is_over,
            wait=tenacity.wait_random_exponential(multiplier=0.005, max=0.5),
            reraise=True,
        )

    # -- the engine's clock ----------------------------------------------------------------------------------------

    def now(self) -> dt.datetime:
        """Our clock, set to the engine's: the offset is measured at the first use and once a minute.

        The result is passed to statements as a parameter, so that tests and hosts that move our clock move everything.
        """
        asked = monotonic.monotonic()
        if self._clock is None or asked - self._clock[0] > _CLOCK_AGE:
            self._clock = (asked, self._measure_offset())
        return time.now() + self._clock[1]

    def _measure_offset(self) -> dt.timedelta:
        if self.dialect == "sqlite":
            return dt.timedelta(0)
        before = time.wall()
        clock = "clock_timestamp()" if self.dialect == "postgresql" else "utc_timestamp(6)"
        theirs = time.as_utc(self.read(lambda c: c.exec_driver_sql(f"SELECT {clock}").scalar_one()))
        return theirs - (before + (time.wall() - before) / 2)

    def close(self) -> None:
        """Close every connection. A database in memory is gone then."""
        self.engine.dispose()
        if self.dialect == "sqlite" and self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    # -- how to connect --------------------------------------------------------------------------------------------

    def _target(self, url: str, passed_on: Mapping[str, str]) -> tuple[sa.URL, dict[str, Any]]:
        head, _, rest = url.partition("://")
        client = head if "+" in head and self.dialect != "mariadb" else CLIENTS.get(self.dialect, head)
        if self.dialect == "sqlite":
            return self._sqlite_target(urllib.parse.unquote(rest))
        try:
            target = sa.make_url(f"{client}://{rest}")
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigInvalid(f"{self.place!r} is not a database URL") from None
        if self.dialect == "mariadb":
            return target.update_query_dict({"charset": "utf8mb4", **passed_on}), self._mariadb_arguments()
        deadline = int(self.options.statement_timeout * 1000)
        return target.update_query_dict(dict(passed_on)), {
            "connect_timeout": max(1, round(self.options.connect_timeout)),
            "tcp_user_timeout": deadline,
            "keepalives_idle": 30,
            "options": f"-c statement_timeout={deadline} -c timezone=UTC",
        }

    def _mariadb_arguments(self) -> dict[str, Any]:
        seconds = max(1, round(self.options.connect_timeout))
        session = [
            "sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ANSI_QUOTES'",
            "time_zone = '+00:00'",
            f"max_statement_time = {self.options.statement_timeout:f}",
            "tx_isolation = 'READ-COMMITTED'",
        ]
        return {
            # PyMySQL's own limit ends with the TCP connection: a server that never greets must not be waited for as for an answer.
            "connect_timeout": seconds,
            "read_timeout": seconds,
            "write_timeout": seconds,
            "init_command": f"SET SESSION {', '.join(session)}",
        }

    def _configure_mariadb(self, connection: Any, _record: Any) -> None:
        # The server's own deadline comes first, and says what it was.
        connection._read_timeout = connection._write_timeout = round(self.options.statement_timeout) + 5

    def _sqlite_target(self, rest: str) -> tuple[sa.URL, dict[str, Any]]:
        """`sqlite:///rel`, `sqlite:////abs`, `sqlite:///:memory:` (private), `sqlite:///:memory:NAME` (shared in the process)."""
        host, _, path = rest.partition("/")
        if host:
            raise ConfigInvalid(
                f"{self.place!r}: a SQLite URL has three slashes before a relative path and four before an absolute one"
            )
        arguments = {"timeout": self.options.busy_timeout, "check_same_thread": False}
        if path in ("", _MEMORY) or path.startswith(_MEMORY):
            self.in_memory = True
            name = path.removeprefix(_MEMORY) or uuid.uuid4().hex
            query = {"vfs": "memdb", "uri": "true"}
            self.place = f"sqlite:///:memory:{name}"
            return sa.URL.create(CLIENTS["sqlite"], database=f"file:/undercroft-{name}", query=query), arguments
        folder = pathlib.Path(path).parent
        if not folder.is_dir():
            raise ConfigInvalid(f"{self.place}: the folder {str(folder)!r} does not exist")
        self.place = f"sqlite:///{pathlib.Path(path).absolute()}"
        return sa.URL.create(CLIENTS["sqlite"], database=path), arguments

    def _pool(self) -> dict[str, Any]:
        # A database in memory would otherwise get SQLAlchemy's one-connection pools.
        return {"poolclass": sa.pool.QueuePool} if self.in_memory else {}

    def _hold(self) -> Any:
        """A database in memory lives as long as somebody has it open."""
        return self.engine.connect()

    def _configure_sqlite(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        try:
            if not self.in_memory:
                self._log_ahead(cursor)
                # 64 MiB of log: a page that changes in several transactions is copied back once.
                cursor.execute("PRAGMA wal_autocheckpoint=16000")
            cursor.execute(f"PRAGMA synchronous={self.options.synchronous.upper()}")
            cursor.execute("PRAGMA cache_size=-32768")
            cursor.execute("PRAGMA temp_store=MEMORY")
        finally:
            cursor.close()

    def _log_ahead(self, cursor: Any) -> None:
        """Give the file a write-ahead log. While somebody writes to one that has none yet, SQLite does not wait by itself."""
        waiting = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_busy),
            stop=tenacity.stop_after_delay(self.options.busy_timeout),
            wait=tenacity.wait_random(0.005, 0.05),
            reraise=True,
        )
        waiting(cursor.execute, "PRAGMA journal_mode=WAL")


def _is_busy(error: BaseException) -> bool:
    """Whether somebody else has the lock of a SQLite file."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: one that upgrades from a read could be refused in mid-transaction.
    options = connection.get_execution_options()
    if not options.get("alone"):
        connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes") else "BEGIN")


def _begin_mariadb(connection: sa.Connection) -> None:
    # Sessions are READ COMMITTED, for writers; several statements of one answer see one state of the data.
    options = connection.get_execution_options()
    if not options.get("writes") and not options.get("alone"):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def dialect_of(url: str) -> str:
    """The dialect that a URL's scheme stands for."""
    scheme = urls.scheme(url)
    return registry.SYNONYMS.get(scheme, scheme)


_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


def _write_lock(place: str) -> threading.Lock:
    """Threads of this process queue for a SQLite file here, in order, instead of polling its lock."""
    with _locks_lock:
        return _locks.setdefault(place, threading.Lock())
