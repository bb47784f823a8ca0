"""What an SQL engine does in its own way; one subclass per engine, in the module of its name.

Everything else in `undercroft.engines.sql` works through this interface and never compares a dialect's name. A kind's driver keeps
what differs in its own statements in a package `dialects` of the same form, which `load` reads as well. A new engine is one module
here, one in each kind's package, and an entry point for each kind.
"""

from __future__ import annotations

import abc
import contextlib
import importlib
import os
import pathlib
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import sqlalchemy as sa

from undercroft.core import registry
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Unavailable, UndercroftError
from undercroft.core.findings import Finding
from undercroft.engines import connecting
from undercroft.engines.session import Pin, Setting, pinned
from undercroft.engines.sql.options import EngineOptions
from undercroft.engines.watchdog import limited


class Dialect(abc.ABC):
    """One engine, and one database of it.

    Attributes:
        name: the dialect's name, which is the scheme of its URLs.
        client: SQLAlchemy's name of the dialect and the client library.
        url_keys: URL query keys that belong to the client library: how to reach the server, and how to trust it.
        oldest: the oldest version that the drivers are made for.
        session: what each session is set to.
        required: settings that no session can change: nothing is stored where they are wrong.
        durability: settings that decide whether a commit survives a power cut; `doctor` looks at them.
        placeholder: the placeholder of a value in the text of a statement.
        clock: the statement that reads the engine's clock; None where that is this process's.
        analyse: the statement that updates the planner's statistics, less the tables; None where none is needed.
        reading: execution options of a transaction that reads one consistent state.
        writing: execution options of a transaction that writes.
        autocommitting: execution options of single statements without a transaction.
        glancing: execution options of a transaction that sees what others have not committed, where there is such.
        resets: what the pool does with a connection that is given back, as SQLAlchemy names it; None where the dialect sees to it.
        commits_alone: whether such a statement has one in any case, which is to be committed.
        keeps_at_hand: whether a connection may go from one single statement to the next without being reset.
        largest: how many bytes a statement may have, with all its values, where that is the same everywhere.
        place: the URL without a password, for messages.
        in_memory: True for a database that lives in this process only.
        target: the URL for SQLAlchemy.
        arguments: arguments of the client library's `connect`.
    """

    name: ClassVar[str]
    client: ClassVar[str]
    url_keys: ClassVar[tuple[str, ...]] = ()
    oldest: ClassVar[tuple[int, ...]] = ()
    session: ClassVar[tuple[Pin, ...]] = ()
    required: ClassVar[tuple[Setting, ...]] = ()
    durability: ClassVar[tuple[Setting, ...]] = ()
    placeholder: ClassVar[str] = "%s"
    clock: ClassVar[str | None] = None
    analyse: ClassVar[str | None] = None
    reading: Mapping[str, Any] = MappingProxyType({})
    writing: Mapping[str, Any] = MappingProxyType({"writes": True})
    autocommitting: Mapping[str, Any] = MappingProxyType({"autocommits": True})
    glancing: Mapping[str, Any] = MappingProxyType({"glances": True})
    resets: ClassVar[Literal["rollback"] | None] = "rollback"
    commits_alone: bool = False
    keeps_at_hand: bool = False
    largest: ClassVar[int] = 10**9

    def __init__(
        self, url: str, options: EngineOptions, passed_on: Mapping[str, str], pins: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.options = options
        self._pins = pins
        # What stores do when another database takes the place of the one that they know.
        self.forgetful: list[Callable[[], None]] = []
        self.place = urls.redacted(url)
        self.in_memory = False
        self._check_client()
        self.target, self.arguments = self.resolve(url, passed_on)

    def pinned(self) -> dict[str, str]:
        """What each session is set to: the value of each setting by its name."""
        return {**pinned(self.session, self.options), **self._pins}

    def _check_client(self) -> None:
        """Refuse a URL that names another client library than ours, which SQLAlchemy would ask to be installed."""
        scheme = self.place.partition("://")[0]
        dialect, plus, client = scheme.partition("+")
        own = self.client.partition("+")[2]
        if plus and client.lower() != own:
            raise ConfigInvalid(
                f"{scheme[:64]}:// names a client library that is not supported; {self.name} is reached by {own}: "
                f"write {dialect}://, with the rest of the URL as it is"
            )

    # -- connections and transactions ------------------------------------------------------------------------------

    @abc.abstractmethod
    def resolve(self, url: str, passed_on: Mapping[str, str]) -> tuple[sa.URL, dict[str, Any]]:
        """The URL for SQLAlchemy, and the client library's arguments; sets `place` and `in_memory` where they differ."""

    def listen(self, engine: sa.Engine) -> None:
        """Have `configure` and `begin` called by an engine."""
        sa.event.listen(engine, "connect", self._set_up)
        if type(self).begin is not Dialect.begin:
            # An engine with listeners does a little more at every statement.
            sa.event.listen(engine, "begin", self.begin)

    def _set_up(self, connection: Any, _record: object) -> None:
        with limited(connection, self.cut):
            self.configure(connection)

    def create(self) -> None:  # noqa: B027
        """Make the database where it is missing and making it is our matter; called before tables are made, and by nothing else."""

    def committed(self) -> None:  # noqa: B027
        """Look once more, after a commit, whether what was written to is still the store; raises `Unavailable` where it is not."""

    def forget(self) -> None:
        """Have the stores forget what they know of the database: another one has taken its place."""
        for each in self.forgetful:
            each()

    def configure(self, connection: Any) -> None:  # noqa: B027 - most need nothing
        """Set up a new connection of the client library."""

    def begin(self, connection: sa.Connection) -> None:  # noqa: B027
        """Begin a transaction in the way that the connection's execution options ask for."""

    def write_lock(self) -> threading.Lock | None:
        """The lock by which threads of this process queue for writing; None where the engine has them queue well enough."""
        return None

    def room(self, connection: Any) -> int:
        """How many bytes a statement of a connection of the client library may have, with all its values."""
        return self.largest

    def cut(self, connection: Any) -> None:
        """End what a connection of the client library waits for, from another thread."""
        # A second handle on the same socket: shutting that down reaches the client's own, also below TLS.
        with contextlib.suppress(Exception), socket.socket(fileno=os.dup(self.socket_number(connection))) as handle:
            handle.shutdown(socket.SHUT_RDWR)

    def is_closed(self, connection: Any) -> bool:
        """Whether the server has closed an idle connection of the client library, as far as is known without asking it."""
        return False

    def socket_number(self, connection: Any) -> int:
        """The descriptor of a client library's connection."""
        return int(connection.fileno())

    # -- errors ----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what SQLAlchemy raises within into our errors."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.error(error) from error
        except sa.exc.TimeoutError as error:
            raise Unavailable(f"{self.place}: all connections are in use (raise pool_size, or try again)") from error

    @abc.abstractmethod
    def error(self, error: sa.exc.DBAPIError) -> UndercroftError:
        """Our error for one of the engine's. Its text is the engine's first line, which holds no bound value."""

    # -- statements ------------------------------------------------------------------------------------------------

    def text(self, statement: str) -> str:
        """A statement written with `?` for each value, in the client library's form."""
        return statement if self.placeholder == "?" else statement.replace("?", self.placeholder)

    @abc.abstractmethod
    def insert_missing(self, table: sa.Table) -> sa.Insert:
        """An INSERT that leaves out rows whose key is there already."""

    # -- migrations ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def migrating(self, engine: sa.Engine, namespace: str, kind: str) -> Iterator[None]:
        """Let one process migrate at a time, where the lock must outlive transactions."""
        yield

    def lock_migration(self, connection: sa.Connection, namespace: str, kind: str) -> None:  # noqa: B027
        """Let one process migrate at a time, until the transaction ends."""

    # -- examination -----------------------------------------------------------------------------------------------

    def missing_file(self) -> pathlib.Path | None:
        """The file that connecting would create, where it does not exist."""
        return None

    def may_upgrade(self, connection: sa.Connection) -> bool | None:
        """Whether the user may create tables; None where only trying would tell."""
        return None

    @abc.abstractmethod
    def space(self, connection: sa.Connection, tables: Sequence[str]) -> list[Finding]:
        """How much the tables take, and how much is left where that can be seen."""

    def damage(self, connection: sa.Connection) -> list[str] | None:
        """What the engine's own check finds wrong in its files; None where it looks after them itself."""
        return None


class ServerDialect(Dialect):
    """A dialect whose engine is a server: reached by a URL that SQLAlchemy reads."""

    def resolve(self, url: str, passed_on: Mapping[str, str]) -> tuple[sa.URL, dict[str, Any]]:
        """The URL with the client library in its scheme."""
        # Hosts write `mysql+pymysql`, with which SQLAlchemy would not tell MariaDB's own features.
        rest = url.partition("://")[2]
        try:
            target = sa.make_url(f"{self.client}://{rest}")
        except (sa.exc.ArgumentError, ValueError):
            raise ConfigInvalid(f"{self.place!r} is not a database URL") from None
        return target.update_query_dict(self.query(passed_on)), self.connect_arguments()

    def listen(self, engine: sa.Engine) -> None:
        """Have connections made within the deadline of the work at hand, too."""
        super().listen(engine)
        sa.event.listen(engine, "do_connect", self._connect)

    def _connect(self, dialect: sa.Dialect, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:
        return connecting.in_time(lambda: dialect.connect(*arguments, **named), self.place)

    def query(self, passed_on: Mapping[str, str]) -> dict[str, str]:
        """The query of the URL for SQLAlchemy."""
        return dict(passed_on)

    def is_closed(self, connection: Any) -> bool:
        """See `Dialect.is_closed`."""
        try:
            number = self.socket_number(connection)
        except Exception:  # noqa: BLE001 - each client library says in its own way that its connection is closed
            return True
        # A server says nothing to a connection that asked nothing, but that it is over.
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    @abc.abstractmethod
    def connect_arguments(self) -> dict[str, Any]:
        """Arguments of the client library's `connect`: deadlines, and the session's settings."""


def name_of(url: str) -> str:
    """The name of the dialect that a URL's scheme stands for."""
    scheme = urls.scheme(url)
    return registry.SYNONYMS.get(scheme, scheme)


def load(package: str, name: str) -> Any:
    """The class of a dialect: `DIALECT` of the module `<package>.<name>`.

    Raises:
        ConfigInvalid: the package has none of that name.
    """
    module = f"{package}.{name}"
    found = None
    if name.isidentifier():
        try:
            found = getattr(importlib.import_module(module), "DIALECT", None)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    if found is None:
        raise ConfigInvalid(f"the SQL dialect {name!r} is not supported for this kind of data")
    return found


def of(url: str) -> type[Dialect]:
    """The dialect of a URL."""
    found: type[Dialect] = load("undercroft.engines.sql", name_of(url))
    return found
