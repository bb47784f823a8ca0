"""MongoDB: one client a server for the whole process, deadlines, and the translation of errors."""

from __future__ import annotations

import contextlib
import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import bson
import bson.errors
import msgspec
import pymongo
from bson.int64 import Int64
from pymongo import errors as mongo

from undercroft.core import deadline, findings, time
from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid, Declined, Denied, InvalidInput, OutcomeUnknown, Unavailable, UndercroftError
from undercroft.core.findings import Finding, error, ok, warning
from undercroft.engines.session import Pin

# The oldest version that the drivers are made for.
OLDEST = (5, 0)
# URL query keys that belong to the client library.
PASSED_ON = (
    "appname", "authMechanism", "authSource", "directConnection", "readPreference", "replicaSet", "ssl", "tls", "tlsCAFile",
    "tlsCertificateKeyFile",
)  # fmt: skip
# Bytes of a document, unless a server says otherwise.
_LARGEST = 16 * 2**20
# What each connection is set to, whatever the server's defaults are.
SESSION = (
    Pin("w", "majority", "a write could be lost with the server that took it"),
    Pin("journal", "true", "a write could be lost in a power cut"),
    Pin("readConcernLevel", "local", "a read could be without what was just written, or wait for other servers"),
    Pin("retryWrites", "false", "a write could be done twice; ours are tried again where that is safe"),
    Pin("uuidRepresentation", "standard", "ids that a host stores could be read in two ways"),
)
# Codes of the server: what a document holds (14 types, 52 to 57 names of fields, 121 validation, 10334 and 17419 size, 17280 keys),
# and rights.
_DATA, _KNOWN = (14, 52, 56, 57, 121, 10334, 17280, 17419), 11000
_DENIED = (13, 18, 8000)
_WORDS = {"true": True, "false": False}
_SETTINGS: dict[str, Any] = {pin.name: _WORDS.get(pin.value, pin.value) for pin in SESSION}


class EngineOptions(msgspec.Struct, kw_only=True, frozen=True):
    """Options that every MongoDB driver takes.

    Attributes:
        namespace: prefix of every collection; none for the host's own names.
        pool_size: connections at most.
        connect_timeout: seconds to wait for a server.
        statement_timeout: seconds that one call may take.
    """

    namespace: str = ""
    pool_size: int = 50
    connect_timeout: float = 5.0
    statement_timeout: float = 60.0


class ConnectionPool:
    """Clients by place: whoever opens the same server shares its connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, EngineOptions], tuple[Any, int]] = {}

    def connect(self, url: str, options: EngineOptions) -> Any:
        """The client for `url`; `release` gives it back.

        Raises:
            ConfigInvalid: no URL of a MongoDB.
        """
        key = url, options
        with self._lock:
            client, users = self._clients.get(key, (None, 0))
            if client is None:
                try:
                    client = pymongo.MongoClient(
                        url, maxPoolSize=options.pool_size, serverSelectionTimeoutMS=round(options.connect_timeout * 1000),
                        connectTimeoutMS=round(options.connect_timeout * 1000),
                        socketTimeoutMS=round(options.statement_timeout * 1000),
                        waitQueueTimeoutMS=round(options.connect_timeout * 1000),
                        **_SETTINGS,
                    )  # fmt: skip
                except (mongo.PyMongoError, ValueError) as error:
                    raise ConfigInvalid(f"{urls.redacted(url)!r} is no URL of a MongoDB: {error}") from None
            self._clients[key] = client, users + 1
            return client

    def release(self, url: str, options: EngineOptions) -> None:
        """Close the client when nobody uses it any more."""
        with self._lock:
            client, users = self._clients.pop((url, options), (None, 0))
            if client is not None and users > 1:
                self._clients[url, options] = client, users - 1
                return
        if client is not None:
            client.close()


@contextlib.contextmanager
def call(client: Any, place: str, options: EngineOptions, *, writes: bool = False) -> Iterator[None]:
    """A call to a server, within the deadline; its errors come out as ours.

    Args:
        client: as the pool gives it.
        place: the URL without a password.
        options: how long to wait for a server, and what the call may take where no deadline is set.
        writes: when the connection breaks, it is not known whether it was done.

    Raises:
        Unavailable: no answer in time; with `writes`, OutcomeUnknown where it may have been done.
        InvalidInput: the server cannot store such a document.
    """
    left = deadline.remaining()
    limit = options.statement_timeout if left is None else min(left, options.statement_timeout)
    if limit <= 0:
        raise Unavailable(f"{place}: no time is left for this call")
    try:
        if client.read_preference.mode == pymongo.ReadPreference.PRIMARY.mode:
            # A deadline takes the place of the client's own limit for finding a server: it would be waited for to the end.
            with pymongo.timeout(min(limit, options.connect_timeout)):
                client.is_primary  # noqa: B018 - asks nothing of a server that is known
        with pymongo.timeout(limit):
            yield
    except (mongo.PyMongoError, bson.errors.BSONError) as error:
        raise _translated(error, place, writes=writes) from error


def _translated(failure: Exception, place: str, *, writes: bool) -> UndercroftError:
    text = f"{place}: {str(failure)[:300]}"
    if isinstance(failure, (mongo.DocumentTooLarge, bson.errors.BSONError)):
        return InvalidInput("item", f"the store cannot hold it ({type(failure).__name__})")
    if (code := _of_documents(failure)) is not None:
        return InvalidInput("item", f"the store cannot hold it (the engine's code is {code})")
    if isinstance(failure, mongo.ServerSelectionTimeoutError):
        return Unavailable(text)
    if isinstance(failure, (mongo.ConnectionFailure, mongo.ExecutionTimeout, mongo.WTimeoutError)) or getattr(
        failure, "timeout", False
    ):
        return OutcomeUnknown(text) if writes else Unavailable(text)
    if isinstance(failure, mongo.OperationFailure) and failure.code in _DENIED:
        return Denied(text)
    return Declined(text)


def _of_documents(failure: Exception) -> int | None:
    """The code of a failed write of several documents, where each that failed did so for what it holds."""
    if not isinstance(failure, mongo.BulkWriteError) or failure.details.get("writeConcernErrors"):
        return None
    codes = [each.get("code") for each in failure.details.get("writeErrors", ())]
    wrong = [code for code in codes if code != _KNOWN]
    return wrong[0] if wrong and all(code in _DATA for code in wrong) else None


def largest(client: Any) -> int:
    """How many bytes a document may have; to be called within `call`."""
    return int(client.admin.command("isMaster").get("maxBsonObjectSize", _LARGEST))


def check_size(client: Any, document: Mapping[str, Any]) -> None:
    """Raise `InvalidInput` for a document that the server would refuse; some close the connection. Within `call`."""
    most = largest(client)
    if (size := len(bson.encode(document))) > most:
        raise InvalidInput("document", f"takes {size:,} bytes, and the server takes {most:,}")


def now(client: Any) -> dt.datetime:
    """The server's clock; to be called within `call`."""
    # The one name of this command that every server of the protocol knows.
    found: dt.datetime = client.admin.command("isMaster")["localTime"]
    return found.replace(tzinfo=dt.UTC)


class Locks:
    """`undercroft.core.jobs.Locks` in MongoDB: a document a job, with the moment until which it is taken.

    Args:
        collection: where they are.
        called: what a call to the server is made in, as `call`.
        moment: the moment by the server's clock, in milliseconds.
    """

    def __init__(self, collection: Any, called: Callable[..., Any], moment: Callable[[], int]) -> None:
        self._collection = collection
        self._called = called
        self._moment = moment

    def acquire(self, name: str, ttl: dt.timedelta) -> contextlib.AbstractContextManager[object] | None:
        """Take the lock `name` until `ttl` has passed; None when it is taken.

        It is not given back early: the job is done once in a period, and a holder that died loses it by itself.
        """
        now = self._moment()
        until = {"until": Int64(now + ttl // dt.timedelta(milliseconds=1))}
        with self._called(writes=True):
            try:
                self._collection.insert_one({"_id": name, **until})
            except mongo.DuplicateKeyError:
                free = {"_id": name, "until": {"$lte": Int64(now)}}
                if not self._collection.update_one(free, {"$set": until}).matched_count:
                    return None
        return contextlib.nullcontext()


# -- examining ---------------------------------------------------------------------------------------------------------


def examine(client: Any, place: str, options: EngineOptions) -> Iterator[Finding]:
    """Version, clock, and whether what the server acknowledges is on disk. Nothing is changed.

    Args:
        client: as the pool gives it.
        place, options: as for `call`.
    """
    with call(client, place, options):
        version = client.server_info()["versionArray"]
    found = f"mongodb {'.'.join(map(str, version[:3]))} at {place}"
    yield ok("connection", found) if tuple(version) >= OLDEST else error("connection", found, "upgrade to 5.0 or later")
    concern = client.write_concern.document
    yield ok("durability: write concern", ", ".join(f"{name}: {value}" for name, value in concern.items()))
    try:
        with call(client, place, options):
            status = client.admin.command("serverStatus")
    except Declined as failure:
        yield warning(
            "durability: server", str(failure), "grant this user clusterMonitor, to see whether the server keeps what it is given"
        )
        return
    yield findings.clock(status["localTime"].replace(tzinfo=dt.UTC) - time.now())
    yield _storage(status)
    members = len(status.get("repl", {}).get("hosts", ()))
    yield ok("replicas", f"{members} members of {status['repl'].get('setName')}" if members else "none: one server")


def _storage(status: dict[str, Any]) -> Finding:
    engine = status.get("storageEngine", {})
    match engine.get("persistent"):
        case True:
            return ok("durability: server", f"{engine.get('name')} keeps its files on disk")
        case False:
            return warning("durability: server", f"{engine.get('name')} is in memory", "it is gone with the server")
        case _:
            return warning(
                "durability: server", "does not tell how it stores", "see that it keeps files on disk, and flushes its journal"
            )
