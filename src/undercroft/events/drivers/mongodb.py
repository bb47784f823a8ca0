"""Events in MongoDB, or in a server that speaks its protocol.

A document of the collection `event` has the host's fields, `_id` (the message id), `event_type`, `timestamp`, `traits` and `raw`,
and beside them what is asked for:

    micros   `timestamp` in microseconds: BSON's moments have milliseconds
    order    the message id, and `kind` the type, as text that every server compares by code point
    t        the traits by type and name: `{"1:host": "web", "2:size": 5}`; floats as integers of the same order
    k        the texts and numbers of `t` as `type:name=value`, for an index by value
    n        the traits' names as `type:name`

`raw` is JSON text. Keys are looked up by `_id`; only what MongoDB 5, FerretDB 1 and mongo-java-server have in common is used.
There is no tail: without change streams no server tells the order in which events arrived.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec
import pymongo
from bson.int64 import Int64
from pymongo import errors as mongo

from undercroft.core import findings, time
from undercroft.core import url as urls
from undercroft.core.capabilities import never
from undercroft.core.errors import UndercroftError
from undercroft.core.findings import Finding
from undercroft.engines import mongodb
from undercroft.events import contract, query
from undercroft.events.errors import InvalidMarker, StorageBadVersion
from undercroft.events.models import Event, Trait
from undercroft.events.ordered import indexed, sortable
from undercroft.events.record import Record, weight

LOG = logging.getLogger(__name__)
_AT_ONCE = 1_000
# Characters of an event above which its document is measured.
_LARGE = 2**20
# Seconds; more is for ever.
_LONGEST_TTL = 2**31
# A server whose clock, or a host whose clock, is further off would delete what is to be kept.
_SAME_TIME = dt.timedelta(minutes=1)
_DATABASE = "undercroft"
_OLDEST = (2, 4)
# What a key of a document must not have, and what stands for it.
_SPECIAL = re.compile(r"[.$%]")
_COMPARE = {query.EQ: "$eq", query.LT: "$lt", query.LE: "$lte", query.GT: "$gt", query.GE: "$gte"}
_DTYPES = (Trait.TEXT_TYPE, Trait.INT_TYPE, Trait.FLOAT_TYPE, Trait.DATETIME_TYPE)
_TTL_INDEX = "event_ttl"
_INDEXES = {
    "event_type_idx": ("event_type", "timestamp"),
    "event_order": ("micros", "order"),
    "event_id_order": ("order",),
    "event_kind": ("kind", "micros", "order"),
    "event_value": ("k",),
}
# Name of the layout of documents and indexes.
_LAYOUT = "events_1"

Document = dict[str, Any]
_NOTHING: Document = {"_id": {"$in": []}}


class Options(mongodb.EngineOptions, kw_only=True, frozen=True):
    """Options of the store of events."""


class Connection(contract.Store):
    """Events behind `undercroft.events.Connection`.

    Args:
        url: `mongodb://host:port/database`; options follow a question mark.
        conf: the host's configuration, of which nothing is needed.
        options: the same options as a dict; they win over the URL's.

    Raises:
        StorageBadVersion: the server is older than 2.4.
    """

    CONNECTION_POOL: ClassVar[mongodb.ConnectionPool] = mongodb.ConnectionPool()
    Options = Options
    capabilities = contract.Capabilities.without(
        tail=never("servers of this protocol do not tell in which order events arrived"),
        store_once=never("a receipt needs a transaction, and not every server of this protocol has them"),
    )

    def __init__(self, url: str, conf: Any = None, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, conf)
        base, self.options, passed_on = urls.split(url, Options, options or {}, mongodb.PASSED_ON)
        query_text = "&".join(f"{name}={value}" for name, value in passed_on.items())
        self._url = f"{base}?{query_text}" if query_text else base
        self.place = urls.redacted(base)
        self._client = self.CONNECTION_POOL.connect(self._url, self.options)
        prefix = f"{self.options.namespace}_" if self.options.namespace else ""
        self._events_in = self._client.get_default_database(_DATABASE)[f"{prefix}event"]

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, options=options)

    def _call(self, *, writes: bool = False) -> Any:
        return mongodb.call(self._client, self.place, self.options, writes=writes)

    # -- the store's life ------------------------------------------------------------------------------------------

    def upgrade(self) -> None:  # type: ignore[override]
        with self._call():
            version = self._client.server_info()["versionArray"]
        if tuple(version[:2]) < _OLDEST:
            raise StorageBadVersion("Need at least MongoDB 2.4")
        for name, fields in _INDEXES.items():
            with self._call():
                self._events_in.create_index([(field, pymongo.ASCENDING) for field in fields], name=name)

    def _indexes(self) -> dict[str, tuple[str, ...]]:
        """Those of ours that are there: name and fields."""
        with self._call():
            known = self._events_in.index_information()
        return {name: tuple(field for field, _ in index["key"]) for name, index in known.items() if name in _INDEXES}

    def check(self) -> list[str]:
        """What keeps the indexes from being what this version needs; empty when nothing does."""
        known = self._indexes()
        missing = sorted(_INDEXES.keys() - known.keys())
        problems = [f"no index {', '.join(missing)}; run `undercroft db upgrade --kind events`"] if missing else []
        wrong = sorted(name for name, fields in known.items() if fields != _INDEXES[name])
        return problems + [
            f"index {name} has other fields; drop it, and run `undercroft db upgrade --kind events`" for name in wrong
        ]

    def schema_version(self) -> tuple[str | None, str]:
        """The layout that is there (None: there is none), and the one that this package has."""
        return _LAYOUT if self._indexes() else None, _LAYOUT

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        yield from mongodb.examine(self._client, self.place, self.options)
        yield from findings.layout("indexes", self.check())
        yield from self._examine_events()

    def clear(self) -> None:  # type: ignore[override]
        with self._call(writes=True):
            self._events_in.delete_many({})

    def drop(self) -> None:
        with self._call(writes=True):
            self._events_in.drop()

    def close(self) -> None:
        self.CONNECTION_POOL.release(self._url, self.options)

    # -- writes ----------------------------------------------------------------------------------------------------

    def _record(self, records: Sequence[Record]) -> list[str]:
        with self._call(writes=True):
            documents = [_document(record) for record in records]
            for record, document in zip(records, documents, strict=True):
                if weight(record) > _LARGE:
                    mongodb.check_size(self._client, document)
            try:
                self._events_in.insert_many(documents, ordered=False)
            except mongo.BulkWriteError as error:
                failed = error.details.get("writeErrors", [])
                known = [records[each["index"]].message_id for each in failed if each.get("code") == 11000]
                if len(known) < len(failed) or error.details.get("writeConcernErrors"):
                    raise
                return known
        return []

    @property
    def largest(self) -> int:
        with self._call():
            return mongodb.largest(self._client)

    def clear_expired_data(self, ttl: float, max_count: int | None = None) -> int:  # type: ignore[override]
        """See the contract; the server's own expiry is set to the same time where it has one, and a clock that agrees with ours."""
        deleted = super().clear_expired_data(ttl, max_count)
        if max_count is None and -_LONGEST_TTL < ttl < _LONGEST_TTL:
            try:
                with self._call(writes=True):
                    if ttl <= 0 or abs(mongodb.now(self._client) - time.now()) < _SAME_TIME:
                        self.update_ttl(ttl, _TTL_INDEX, "timestamp", self._events_in)
            except UndercroftError as error:
                # Not every server has such an index; what is old is gone in any case.
                LOG.debug("no expiry by the server: %s", error)
        return deleted

    @staticmethod
    def update_ttl(ttl: float, ttl_index_name: str, index_field: str, coll: Any) -> None:
        """Let the server delete documents by itself.

        Args:
            ttl: seconds; 0 or less ends it.
            ttl_index_name: name of the index that does it.
            index_field: the field that holds a document's time.
            coll: the collection.
        """
        known = coll.index_information()
        if ttl <= 0:
            if ttl_index_name in known:
                coll.drop_index(ttl_index_name)
            return
        seconds = min(math.ceil(ttl), _LONGEST_TTL - 1)
        if ttl_index_name in known:
            if known[ttl_index_name].get("expireAfterSeconds") == seconds:
                return
            index = {"name": ttl_index_name, "expireAfterSeconds": seconds}
            try:
                coll.database.command("collMod", coll.name, index=index)
            except mongo.OperationFailure:
                coll.drop_index(ttl_index_name)
            else:
                return
        coll.create_index([(index_field, pymongo.ASCENDING)], expireAfterSeconds=seconds, name=ttl_index_name)

    def _expire(self, before: int, count: int | None) -> int:
        deleted = 0
        while count is None or deleted < count:
            most = _AT_ONCE if count is None else min(_AT_ONCE, count - deleted)
            with self._call(writes=True):
                old = self._events_in.find({"micros": {"$lt": Int64(before)}}, {"_id": 1}).sort([("micros", 1), ("order", 1)])
                ids = [document["_id"] for document in old.limit(most)]
                if ids:
                    deleted += self._events_in.delete_many({"_id": {"$in": ids}}).deleted_count
            if len(ids) < most:
                break
        return deleted

    # -- reads -----------------------------------------------------------------------------------------------------

    def _events(self, selection: query.Selection, page: query.Page) -> Iterable[Event]:
        conditions = _conditions(selection)
        if page.marker is not None:
            with self._call():
                marker = self._events_in.find_one({"_id": page.marker}, {"micros": 1, "order": 1})
            if marker is None:
                raise InvalidMarker(f"Marker {page.marker} not found.")
            conditions.append(_after(page, marker))
        if page.limit == 0 or selection.nothing:
            return []
        found = self._found(conditions, page)
        return list(found) if page.limit is not None and page.limit <= _AT_ONCE else found

    def _size(self, selection: query.Selection) -> int:
        with self._call():
            return int(self._events_in.count_documents(_all(_conditions(selection))))

    def _found(self, conditions: list[Document], page: query.Page) -> Iterator[Event]:
        fields = {query.GENERATED: "micros", query.MESSAGE_ID: "order"}
        order = [(fields[key], -1 if down else 1) for key, down in page.order]
        wanted = {"_id": 1, "event_type": 1, "micros": 1, "traits": 1, "raw": 1}
        with self._call():
            cursor = self._events_in.find(_all(conditions), wanted, batch_size=_AT_ONCE).sort(order)
            if page.limit is not None:
                cursor = cursor.limit(page.limit)
            for document in cursor:
                yield self._of(document)

    def _of(self, document: Document) -> Event:
        traits = [(each["trait_name"], each["trait_type"], _read(each)) for each in document["traits"]]
        raw = msgspec.json.decode(document["raw"])
        event: Event = self._event(document["_id"], document["event_type"], int(document["micros"]), traits, raw)
        return event

    def _event_types(self) -> list[str]:
        return sorted(self._distinct("event_type"))

    def _trait_types(self, event_type: str) -> list[tuple[str, int]]:
        found = self._distinct("n", {"$match": {"event_type": event_type}}, {"$unwind": "$n"})
        return sorted((name, int(dtype)) for dtype, _, name in (each.partition(":") for each in found))

    def _distinct(self, field: str, *stages: Document) -> list[str]:
        # Not every server knows a deadline of `distinct`, and its answer has to fit in one document.
        with self._call():
            return [each["_id"] for each in self._events_in.aggregate([*stages, {"$group": {"_id": f"${field}"}}])]

    def _traits(self, event_type: str, name: str | None) -> Iterable[Trait]:
        found: list[Trait] = []
        for event in self._events(query.Selection(event_type=event_type), query.Page()):
            found += [trait for trait in event.traits or () if name in (None, trait.name)]
        return iter(sorted(found, key=lambda trait: (trait.dtype, trait.name)))


def _document(record: Record) -> Document:
    values: Document = {}
    keys: list[str] = []
    for name, dtype, value in record.traits:
        compared = sortable(value) if dtype == Trait.TEXT_TYPE else Int64(indexed(dtype, value))
        values[_key(name, dtype)] = compared
        keys.append(_value_key(name, dtype, compared))
    return {
        "_id": record.message_id,
        "event_type": record.event_type,
        "timestamp": query.moment(record.generated),
        "traits": [_written(*trait) for trait in record.traits],
        "raw": record.raw,
        "micros": Int64(record.generated),
        "order": sortable(record.message_id),
        "kind": sortable(record.event_type),
        "t": values,
        "k": keys,
        "n": [f"{dtype}:{name}" for name, dtype, _ in record.traits],
    }


def _written(name: str, dtype: int, value: Any) -> Document:
    """A trait as the host stores it; beside a moment its microseconds, in the place of an infinite float its name."""
    found: Document = {"trait_name": name, "trait_type": dtype, "trait_value": value}
    if dtype == Trait.INT_TYPE:
        found["trait_value"] = Int64(value)
    elif dtype == Trait.FLOAT_TYPE and math.isinf(value):
        found["trait_value"] = str(value)
    elif dtype == Trait.DATETIME_TYPE:
        found |= {"trait_value": query.moment(value), "micros": Int64(value)}
    return found


def _read(trait: Document) -> Any:
    """The value of a trait, moments in microseconds."""
    dtype, value = trait["trait_type"], trait["trait_value"]
    if dtype == Trait.DATETIME_TYPE:
        found = trait.get("micros")
        return int(found) if found is not None else (value - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1)  # noqa: DTZ001
    return float(value) if dtype == Trait.FLOAT_TYPE else int(value) if dtype == Trait.INT_TYPE else value


def _key(name: str, dtype: int) -> str:
    """The key of a trait in `t`."""
    return f"{dtype}:" + _SPECIAL.sub(lambda match: f"%{ord(match[0]):02x}", name)


def _value_key(name: str, dtype: int, compared: Any) -> str:
    return f"{dtype}:{name}={compared}"


# -- conditions --------------------------------------------------------------------------------------------------------


def _all(conditions: list[Document]) -> Document:
    return conditions[0] if len(conditions) == 1 else {"$and": conditions} if conditions else {}


def _conditions(selection: query.Selection) -> list[Document]:
    found: list[Document] = []
    bounds = {name: Int64(value) for name, value in (("$gte", selection.start), ("$lte", selection.end)) if value is not None}
    if bounds:
        found.append({"micros": bounds})
    if selection.event_type is not None:
        found.append({"event_type": selection.event_type})
    if selection.message_id is not None:
        found.append({"_id": selection.message_id})
    found += [_test(test) for test in selection.tests]
    found += [_clause(clause) for clause in selection.where]
    if selection.project is not None:
        field = f"t.{_key('project_id', Trait.TEXT_TYPE)}"
        found.append({"$or": [{field: sortable(selection.project)}, {field: {"$exists": False}}]})
    return found


def _test(test: query.Test) -> Document:
    if test.dtype is None:
        return {"$or": [{f"t.{_key(test.name, dtype)}": {"$exists": True}} for dtype in _DTYPES]}
    field = f"t.{_key(test.name, test.dtype)}"
    if test.op == query.HAS:
        return {field: {"$exists": True}}
    if test.op == query.PREFIX:
        return _compared(field, test.op, test.value)
    value = sortable(test.value) if test.dtype == Trait.TEXT_TYPE else Int64(indexed(test.dtype, test.value))
    if test.op == query.NE:
        return {"$and": [{field: {"$exists": True}}, {field: {"$ne": value}}]}
    if test.op == query.EQ:
        return {"k": _value_key(test.name, test.dtype, value)}
    return {field: {_COMPARE[test.op]: value}}


def _clause(clause: query.Clause) -> Document:
    match clause:
        case query.Test():
            return _test(clause)
        case query.Field(name, op, value):
            field = {query.GENERATED: "micros", query.MESSAGE_ID: "order", query.EVENT_TYPE: "kind"}[name]
            return _compared(field, op, value)
        case query.Every(parts):
            return {"$and": [_clause(part) for part in parts]}
        case query.Either(parts):
            return {"$or": [_clause(part) for part in parts]} if parts else _NOTHING
        case query.Except(part):
            return {"$nor": [_clause(part)]}


def _compared(field: str, op: str, value: Any) -> Document:
    if op == query.PREFIX:
        high = query.behind_prefix(value)
        bounds = {"$gte": sortable(value)} | ({} if high is None else {"$lt": sortable(high)})
        return {field: bounds}
    compared = sortable(value) if isinstance(value, str) else Int64(value)
    return {field: {"$ne" if op == query.NE else _COMPARE[op]: compared}}


def _after(page: query.Page, marker: Document) -> Document:
    """Behind the marker, by value."""
    fields = {query.GENERATED: "micros", query.MESSAGE_ID: "order"}
    alternatives: list[Document] = []
    equal: Document = {}
    for key, down in page.order:
        field = fields[key]
        alternatives.append({**equal, field: {"$lt" if down else "$gt": marker[field]}})
        equal[field] = marker[field]
    return {"$or": alternatives}
