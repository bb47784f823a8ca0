"""What both planes have in common: the server, its collections, the clock, and the life of a queue."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pymongo
from bson.int64 import Int64
from pymongo import errors as mongo

from undercroft.core import url as urls
from undercroft.core.errors import ConfigInvalid
from undercroft.engines import mongodb
from undercroft.engines.clock import EngineClock
from undercroft.messaging.contract.outbox import LANE
from undercroft.messaging.drivers.mongodb import contest
from undercroft.messaging.drivers.mongodb.lanes import UNKNOWN, Lane, lane_of, ordered

_DATABASE = "undercroft"
# Incarnations are the moment in milliseconds and a random number of so many bits.
_RANDOM = 48
_INDEXES: dict[str, tuple[tuple[str, tuple[str, ...], bool], ...]] = {
    # name, fields, whether no two may have one value
    "queue": (
        ("queue_order", ("project", "order"), False),
        ("queue_made", ("made", "order"), False),
        ("queue_inc", ("inc",), True),
    ),
    "post": (
        ("post_tokens", ("u",), True),
        ("post_order", ("q", "n"), False),
        ("post_free", ("q", "f", "n"), False),
        ("post_again", ("q", "f", "a"), False),
        ("post_counts", ("q", "t", "k", "h"), False),
        ("post_claims", ("c",), False),
        ("post_changes", ("t",), False),
        ("post_end", ("f", "z"), False),
        ("post_outbox", ("y", "q", "n"), False),
    ),
    "claim": (("claim_ends", ("ends",), False), ("claim_queue", ("q",), False)),
    "pool": (("pool_uri", ("digest",), True), ("pool_order", ("order",), False), ("pool_flavor", ("flavor", "order"), False)),
    "flavor": (("flavor_order", ("project", "order"), False), ("flavor_name", ("name",), False)),
    "catalogue": (("catalogue_order", ("project", "order"), False),),
    "move": (("move_queue", ("q",), False),),
    "subscription": (
        ("subscription_uri", ("base", "digest"), True),
        ("subscription_order", ("base", "_id"), False),
        ("subscription_life", ("base", "expires"), False),
        ("subscription_end", ("expires",), False),
        ("subscription_due", ("due",), False),
    ),
}
COLLECTIONS = (*_INDEXES, "gone", "lock", "counter", "contest")
Document = dict[str, Any]


class Options(mongodb.EngineOptions, kw_only=True, frozen=True):
    """Options of the store of messages.

    Attributes:
        namespace: prefix of every collection.
    """

    namespace: str = "undercroft_messaging"


class Database:
    """One namespace of one database.

    Attributes:
        options: the URL's.
        place: the URL without a password.
        queues, posts, claims, moves, subscriptions, gone: the collections.
        makes_queues: whether a message makes its queue for the control plane, too.

    Args:
        url: names it; options follow a question mark.
        options: the same options; they win over the URL's.
    """

    POOL: ClassVar[mongodb.ConnectionPool] = mongodb.ConnectionPool()

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        base, self.options, passed_on = urls.split(url, Options, options, mongodb.PASSED_ON)
        query = "&".join(f"{name}={value}" for name, value in passed_on.items())
        self._url = f"{base}?{query}" if query else base
        self.place = urls.redacted(base)
        self.client = self.POOL.connect(self._url, self.options)
        # Always from the primary, whatever the URL says of reading: what was read decides what may be written, and passed over.
        self.database = self.client.get_default_database(_DATABASE, read_preference=pymongo.ReadPreference.PRIMARY)
        self.queues, self.posts, self.claims = map(self.collection, ("queue", "post", "claim"))
        self.moves, self.subscriptions, self.gone = map(self.collection, ("move", "subscription", "gone"))
        self.makes_queues = False
        self._clock = EngineClock(self._server_time)
        self._is_fair = False
        self._last = 0
        self._is_open = True

    def collection(self, name: str) -> Any:
        """A collection of this namespace."""
        return self.database[f"{self.options.namespace}_{name}"]

    @contextlib.contextmanager
    def call(self, *, writes: bool = False) -> Iterator[None]:
        """A call to the server; see `engines.mongodb.call`."""
        if writes and not self._is_fair:
            self.check()
        with mongodb.call(self.client, self.place, self.options, writes=writes):
            yield

    def _server_time(self) -> Any:
        with self.call():
            return mongodb.now(self.client)

    def now(self) -> int:
        """The moment by the server's clock, in milliseconds."""
        return self._clock.micros() // 1000

    def is_same(self, other: object) -> bool:
        """Whether another store is this namespace of this database."""
        if not isinstance(other, Database):
            return False
        mine, theirs = (
            (store.place, store.database.name, store.options.namespace) for store in (self, other)
        )  # fmt: skip
        return mine == theirs

    # -- life ------------------------------------------------------------------------------------------------------

    def init(self) -> None:
        """See whether the server changes a document at once, and make the indexes."""
        self.check()
        for name, indexes in _INDEXES.items():
            for index, fields, is_unique in indexes:
                with self.call(writes=True):
                    keys = [(field, pymongo.ASCENDING) for field in fields]
                    self.collection(name).create_index(keys, name=index, unique=is_unique)

    def missing(self) -> list[str]:
        """What keeps the indexes from being what this version needs."""
        found: list[str] = []
        for name, indexes in _INDEXES.items():
            with self.call():
                known = self.collection(name).index_information()
            found += [index for index, _, _ in indexes if index not in known]
        return [f"no index {', '.join(found)}; run `undercroft db upgrade --kind messaging`"] if found else []

    def is_there(self) -> bool:
        """Whether there is any index of ours."""
        with self.call():
            return "post_tokens" in self.posts.index_information()

    def check(self) -> None:
        """See whether the server changes a document at once, unless this process knows.

        Raises:
            ConfigInvalid: it does not.
        """
        with mongodb.call(self.client, self.place, self.options, writes=True):
            lost = contest.lost(f"{self.place} {self.database.name}", self.collection("contest"))
        if lost:
            raise ConfigInvalid(
                f"{self.place}: {lost}, so that messages would be given to several callers; use MongoDB 5.0 or later, or another "
                "engine for messages, such as postgresql or redis (FerretDB 1 is such a server: its PostgreSQL can be used itself)"
            )
        self._is_fair = True

    def drop(self) -> None:
        """Remove every collection of the namespace."""
        for name in COLLECTIONS:
            with self.call(writes=True):
                self.collection(name).drop()

    def close(self) -> None:
        """Give the connections back; may be repeated."""
        if self._is_open:
            self._is_open = False
            self.POOL.release(self._url, self.options)

    def insert(self, collection: Any, document: Document) -> bool:
        """Insert a document; False where another one has what no two may have."""
        with self.call(writes=True):
            try:
                collection.insert_one(document)
            except mongo.DuplicateKeyError:
                return False
        return True

    # -- queues ----------------------------------------------------------------------------------------------------

    @staticmethod
    def base(project: str, name: str) -> str:
        """The id of a queue's document."""
        return hashlib.blake2b(f"{project}\0{name}".encode(), digest_size=16).hexdigest()

    def incarnation(self) -> str:
        """A new incarnation; later ones sort later."""
        self._last = max(self._last + 1, self.now() << _RANDOM | secrets.randbits(_RANDOM))
        return f"{self._last:024x}"

    def lane(self, project: str, name: str) -> Lane | None:
        """A queue; None where there is none."""
        with self.call():
            found = self.queues.find_one({"_id": self.base(project, name)}, {"meta": 0})
        return None if found is None else lane_of(found)

    def new(self, project: str, name: str, metadata: str | None) -> Document:
        """The fields of a new queue; `metadata` is None where the control plane does not have it."""
        return {
            "inc": self.incarnation(),
            "project": project,
            "name": name,
            "order": ordered(name),
            "floor": Int64(0),
            "until": Int64(UNKNOWN),
            "changes": Int64(0),
            "meta": metadata,
            "made": metadata is not None,
            "dead": None,
        }

    def numbered(self, project: str, name: str, count: int = 1) -> Lane:
        """A queue, which is made where there is none, when so many more numbers are given out: `last` is the last of them."""
        makes = self.makes_queues and not name.startswith(LANE)
        key = {"_id": self.base(project, name)}
        change = {"$inc": {"last": Int64(count)}, "$setOnInsert": self.new(project, name, "{}" if makes else None)}
        while True:
            found = self._counted(key, change)
            if found is None:
                # Another one has made it just now.
                continue
            found["last"] = int(found.get("last", 0)) + count
            if makes and not found["made"]:
                with self.call(writes=True):
                    self.queues.update_one({**key, "inc": found["inc"], "made": False}, {"$set": {"meta": "{}", "made": True}})
            lane = lane_of(found)
            return lane._replace(until=self.refresh(lane.base)) if lane.until == UNKNOWN else lane

    def _counted(self, key: Document, change: Document) -> Document | None:
        """Change a queue's document, or make it; what it was before, or is made of. None where another one made it just now."""
        with self.call(writes=True):
            try:
                # As it was before: there are servers that answer with the later change of another caller where what it is after
                # this one is asked for, and a number that is given out twice leaves one that no post comes for.
                found: Document | None = self.queues.find_one_and_update(
                    key, change, upsert=True, return_document=pymongo.ReturnDocument.BEFORE
                )
            except mongo.DuplicateKeyError:
                return None
        return {**key, **change["$setOnInsert"]} if found is None else found

    def refresh(self, base: str) -> int:
        """Let a queue's document say until when it has subscriptions; that moment."""
        while True:
            with self.call():
                known = self.queues.find_one({"_id": base}, {"changes": 1})
            if known is None:
                return 0
            with self.call():
                last = list(self.subscriptions.find({"base": base}, {"expires": 1}).sort("expires", -1).limit(1))
            until: int = last[0]["expires"] if last else 0
            with self.call(writes=True):
                done = self.queues.update_one(
                    {"_id": base, "changes": known["changes"]}, {"$set": {"until": Int64(until)}, "$inc": {"changes": 1}}
                )
            if done.matched_count:
                return until
