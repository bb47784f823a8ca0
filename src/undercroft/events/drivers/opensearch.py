"""Events in OpenSearch or Elasticsearch: an index a day, `<namespace>_events_YYYY-MM-DD`, or one a week or a month.

The day is that of `generated`, the document's id the message id, so a repetition on the same day is refused by the index. One whose
`generated` falls on another day is found by a search for the ids before the documents are sent: of two writers who send the same id
with different days at the same moment, both may be stored. What is said of days here holds for weeks or months where the store has
them; which of them it has is kept in the template.

Indices are made one by one before documents are sent to them: a server makes few of them a second, and a bulk request that needs
hundreds would outlast its time. They have one shard and its copies; a cluster takes 1,000 shards a node unless told otherwise.

Traits are nested fields `{name, dtype, text, number}`, four for every name there is: floats as integers of the same order, moments
in microseconds. What is read comes from `traits_json` and `raw`, which are kept and not indexed. Pages go on by `search_after`.
Every write can be seen when it returns. There is no tail: an index tells no order of arrival.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import msgspec

from undercroft.core import findings
from undercroft.core import url as urls
from undercroft.core.capabilities import never
from undercroft.core.errors import ConfigInvalid, InvalidInput, Unavailable, UndercroftError
from undercroft.core.findings import Finding
from undercroft.core.portions import batches, portions
from undercroft.engines import opensearch
from undercroft.events import contract, periods, query
from undercroft.events.errors import InvalidMarker
from undercroft.events.models import Event, Trait
from undercroft.events.ordered import indexed
from undercroft.events.record import Record

_AT_ONCE = 1_000
# How often documents are sent whose index is deleted in that moment.
_TRIES = 10
_BULK_BYTES = 8_000_000
# Each is flushed and refreshed by the request.
_BULK_INDICES = 50
_FULL = (
    "the cluster has as many shards as it may (cluster.max_shards_per_node); raise that, expire old events, or make the store with "
    "index_period=month"
)
_EXISTS = "resource_already_exists"
_MOST_TERMS = 10_000
_SCROLL = "2m"
_HASHED = "sha256:"
_INFINITE = (math.inf, -math.inf)
# Bytes of an id that an index takes, less some.
_LONGEST_ID = 480
LOG = logging.getLogger(__name__)
_encode = msgspec.json.Encoder().encode
_decode_traits = msgspec.json.Decoder(list[tuple[str, int, Any]]).decode
_COMPARE = {query.LT: "lt", query.LE: "lte", query.GT: "gt", query.GE: "gte"}
_FIELDS = {query.GENERATED: "generated", query.MESSAGE_ID: "message_id", query.EVENT_TYPE: "event_type"}
_WORD = {"type": "keyword"}
_KEPT = {"type": "keyword", "index": False, "doc_values": False}
_MAPPINGS = {
    "dynamic": False,
    "properties": {
        "message_id": _WORD,
        "event_type": _WORD,
        "generated": {"type": "long"},
        "timestamp": {"type": "date", "index": False, "doc_values": False, "ignore_malformed": True},
        "traits": {
            "type": "nested",
            "dynamic": False,
            "properties": {"name": _WORD, "dtype": {"type": "byte"}, "text": _WORD, "number": {"type": "long"}},
        },
        "traits_json": _KEPT,
        "raw": _KEPT,
    },
}
# Of the template that new indices are made by.
_VERSION = 1

Query = dict[str, Any]


class Document(NamedTuple):
    """What a bulk request creates: the name of the index, and the lines of the request."""

    target: str
    lines: bytes


class Options(opensearch.EngineOptions, kw_only=True, frozen=True):
    """Options of the store of events.

    Attributes:
        index_period: `day`, `week` or `month`: the time that one index holds. Fixed when the store is made, `day` if not given;
            history of years with few events a day makes too many indices of days.
    """

    index_period: periods.Period | None = None


class Connection(contract.Store):
    """Events behind `undercroft.events.Connection`.

    Args:
        url: `opensearch://host:port`, or `es://host:port`; options follow a question mark.
        conf: the host's configuration, of which nothing is needed.
        options: the same options as a dict; they win over the URL's.
    """

    Options = Options
    capabilities = contract.Capabilities.without(
        tail=never("an index tells no order of arrival"),
        store_once=never("a receipt needs a transaction, and an index has none"),
    )

    def __init__(self, url: str, conf: Any = None, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(url, conf)
        base, self.options, _ = urls.split(url, Options, options or {})
        self._client = opensearch.Client(base, self.options)
        self._prefix = f"{self.options.namespace}_events_"
        self._all = f"{self._prefix}*"
        self._period: periods.Period | None = None
        # Names of indices that were there once: what is deleted beside us is made anew by the server.
        self._made: set[str] = set()

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        return cls(url, options=options)

    # -- the store's life ------------------------------------------------------------------------------------------

    def upgrade(self) -> None:  # type: ignore[override]
        # What is acknowledged is on disk, whatever another template of the cluster asks for.
        durable = {"durability": "request"}
        settings = {"index": {"number_of_shards": 1, "number_of_replicas": self.options.replicas, "translog": durable}}
        made_by = {"settings": settings, "mappings": _MAPPINGS}
        template = self._template()
        wanted = self.options.index_period
        # An empty store has no index of another period.
        self._period = wanted if wanted and template and not self._indices() else self._agreed(template)
        kept = {"index_period": self._period}
        template = {"index_patterns": [self._all], "priority": 200, "version": _VERSION, "template": made_by, "_meta": kept}
        self._client.call("PUT", f"/_index_template/{self._prefix}template", template, writes=True)

    def _agreed(self, template: Query | None) -> periods.Period:
        """The time that one index holds.

        Raises:
            ConfigInvalid: the options ask for another one than the store has.
        """
        wanted = self.options.index_period
        if template is None:
            return wanted or "day"
        recorded: periods.Period = template.get("_meta", {}).get("index_period", "day")
        if wanted not in (None, recorded):
            raise ConfigInvalid(
                f"index_period={wanted}: the indices of this store hold a {recorded} each, which cannot be changed; "
                "leave the option out, or export the events, `clear` the store, and import them again"
            )
        return recorded

    def _template(self) -> Query | None:
        """The template that is there."""
        answer = self._client.call("GET", f"/_index_template/{self._prefix}template", accept=(404,))
        found: Query | None = answer["index_templates"][0]["index_template"] if answer else None
        return found

    def check(self) -> list[str]:
        """What keeps template and indices from being what this version needs; empty when nothing does."""
        template = self._template()
        if template is None or template.get("version") != _VERSION or not _is_ours(template["template"].get("mappings")):
            what = "there is no template" if template is None else "the template is another version's"
            return [f"{what} {self._prefix}template; run `undercroft db upgrade --kind events`"]
        mappings = self._client.call("GET", f"/{self._all}/_mapping")
        wrong = sorted(name for name, each in mappings.items() if not _is_ours(each["mappings"]))
        advice = "made without the template: export its events, delete it, import them again"
        return [f"index {name} has other fields; {advice}" for name in wrong]

    def schema_version(self) -> tuple[str | None, str]:
        """The template's version (None: there is none), and the version that this package has."""
        template = self._template()
        return None if template is None else f"events_{template.get('version', 0)}", f"events_{_VERSION}"

    def diagnose(self, *, verify: bool = False) -> Iterator[Finding]:
        yield from opensearch.examine(self._client, self._all)
        yield from findings.layout("template", self.check())
        yield findings.ok("index period", f"an index a {self._agreed(self._template())}")
        yield from self._examine_events()

    def clear(self) -> None:  # type: ignore[override]
        self._made = set()
        for name in self._indices():
            self._client.call("DELETE", f"/{name}", writes=True, accept=(404,))

    def drop(self) -> None:
        self.clear()
        self._client.call("DELETE", f"/_index_template/{self._prefix}template", writes=True, accept=(404,))

    def close(self) -> None:
        self._client.close()

    def _indices(self) -> list[str]:
        found = self._client.call("GET", f"/_cat/indices/{self._all}", format="json", h="index", accept=(404,))
        return sorted(each["index"] for each in found or ())

    # -- writes ----------------------------------------------------------------------------------------------------

    def _record(self, records: Sequence[Record]) -> list[str]:
        known = self._known([record.message_id for record in records])
        fresh = [record for record in records if record.message_id not in known]
        if self._period is None:
            self._period = self._agreed(self._template())
        there = set().union(*map(self._create, self._bulks(fresh, self._period)))
        return [record.message_id for record in records if record.message_id in known or _id(record.message_id) in there]

    @property
    def largest(self) -> int:
        return self._client.largest

    def _bulks(self, records: Iterable[Record], period: periods.Period) -> Iterator[list[Document]]:
        """Documents for bulk requests, none larger than what a server takes, nor of many indices."""
        most = self._client.largest
        documents = []
        for record in records:
            index = f"{self._prefix}{periods.name_of(record.generated, period)}"
            documents.append(Document(index, _lines(record, index)))
            if (size := len(documents[-1].lines)) > most:
                raise InvalidInput("document", f"takes {size:,} bytes, and the server takes {most:,} (http.max_content_length)")
        documents.sort(key=operator.attrgetter("target"))
        by_index = (list(group) for _, group in itertools.groupby(documents, operator.attrgetter("target")))
        for some in batches(by_index, _BULK_INDICES):
            yield from portions(itertools.chain.from_iterable(some), _AT_ONCE, min(_BULK_BYTES, most), lambda each: len(each.lines))

    def _known(self, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(ids), _AT_ONCE):
            part = list(ids[start : start + _AT_ONCE])
            hits = self._search({"query": {"terms": {"message_id": part}}, "size": len(part), "_source": ["message_id"]})
            found |= {hit["_source"]["message_id"] for hit in hits}
        return found

    def _make(self, names: set[str]) -> None:
        """Make those indices that are not there, one by one: each has the time of a request.

        Raises:
            Unavailable: the cluster makes no more of them now, for its number of shards, say.
        """
        if names <= self._made:
            return
        self._made |= names.intersection(self._indices())
        for name in sorted(names - self._made):
            try:
                self._client.call("PUT", f"/{name}", {}, timeout=f"{self.options.statement_timeout:.0f}s")
            except UndercroftError as error:
                # Others may have made it, and deleted it since; and a request that lasted too long is done all the same.
                told = str(error.__cause__)
                if _EXISTS not in told and name not in self._indices():
                    raise (Unavailable(_FULL) if "shards open" in told else error) from error
            self._made.add(name)

    def _create(self, documents: list[Document]) -> set[str]:
        """Create documents; their ids where they were there already."""
        known: set[str] = set()
        for _ in range(_TRIES):
            self._make({each.target for each in documents})
            answer = self._client.call("POST", "/_bulk", b"".join(each.lines for each in documents), writes=True, refresh="true")
            homeless = []
            for document, item in zip(documents, answer["items"], strict=True):
                done = item["create"]
                if done["status"] == 409:
                    known.add(done["_id"])
                elif done["status"] == 404:
                    homeless.append(document)
                elif done["status"] >= 300:
                    raise opensearch.refused(done["status"], done.get("error"), self._client.place)
            if not homeless:
                return known
            # Their index was deleted between the two phases of the request; the next one makes it anew.
            documents = homeless
            self._made -= {each.target for each in homeless}
        raise opensearch.Busy(f"{self._client.place}: indices are deleted as fast as they are made")

    def _expire(self, before: int, count: int | None) -> int:
        deleted = 0
        for name in self._indices():
            start, end = periods.bounds(name.removeprefix(self._prefix))
            left = None if count is None else count - deleted
            if start >= before or left == 0:
                break
            events = (self._client.call("GET", f"/{name}/_count", accept=(404,)) or {"count": 0})["count"]
            if end <= before and (left is None or events <= left):
                # The whole index at once: nothing is searched for.
                self._client.call("DELETE", f"/{name}", writes=True, accept=(404,))
                self._made.discard(name)
                deleted += events
            else:
                deleted += self._delete_oldest(name, before, left)
        return deleted

    def _delete_oldest(self, name: str, before: int, count: int | None) -> int:
        deleted = 0
        while count is None or deleted < count:
            most = _AT_ONCE if count is None else min(_AT_ONCE, count - deleted)
            old = {"query": {"range": {"generated": {"lt": before}}}, "sort": _order(query.Page()), "size": most, "_source": False}
            ids = [hit["_id"] for hit in self._client.search(name, old)["hits"]["hits"]]
            if ids:
                lines = b"".join(_encode({"delete": {"_index": name, "_id": each}}) + b"\n" for each in ids)
                answer = self._client.call("POST", "/_bulk", lines, writes=True, refresh="true")
                deleted += sum(item["delete"]["status"] == 200 for item in answer["items"])
            if len(ids) < most:
                break
        return deleted

    # -- reads -----------------------------------------------------------------------------------------------------

    def _search(self, body: Query) -> list[Query]:
        hits: list[Query] = self._client.search(self._all, body)["hits"]["hits"]
        return hits

    def _aggregate(self, body: Query) -> Query:
        answer = self._client.search(self._all, {"size": 0, **body})
        found: Query = answer.get("aggregations") or {}
        return found

    def _events(self, selection: query.Selection, page: query.Page) -> Iterable[Event]:
        after = None
        if page.marker is not None:
            marker = {"query": {"term": {"message_id": page.marker}}, "size": 1, "_source": ["generated", "message_id"]}
            hits = self._search(marker)
            if not hits:
                raise InvalidMarker(f"Marker {page.marker} not found.")
            after = [hits[0]["_source"][_FIELDS[key]] for key, _ in page.order]
        if page.limit == 0 or selection.nothing:
            return []
        body: Query = {"query": _query(selection), "sort": _order(page)}
        if page.limit is None or page.limit > _AT_ONCE:
            if after is not None:
                body["query"]["bool"]["filter"].append(_behind(page, after))
            every = itertools.chain.from_iterable(self._parts({**body, "size": _AT_ONCE}))
            return (self._of(hit["_source"]) for hit in itertools.islice(every, page.limit))
        hits = self._search({**body, **_behind_hit(after), "size": page.limit, "track_total_hits": False})
        return [self._of(hit["_source"]) for hit in hits]

    def _size(self, selection: query.Selection) -> int:
        body: Query = {"query": _query(selection), "size": 0, "track_total_hits": True}
        return int(self._client.search(self._all, body)["hits"]["total"]["value"])

    def _parts(self, body: Query) -> Iterator[list[Query]]:
        """Everything, as it was when the first part was asked for; from where the server gave that up on, as it is.

        It does so when an index is deleted, and for more walks and days at once than it has been set up for.
        """
        after = None
        try:
            for hits in self._client.scroll(self._all, body, _SCROLL):
                after = hits[-1]["sort"]
                yield hits
        except opensearch.Busy as given_up:
            LOG.debug("the rest is read by pages: %s", given_up)
        else:
            return
        while hits := self._search({**body, **_behind_hit(after), "track_total_hits": False}):
            after = hits[-1]["sort"]
            yield hits
            if len(hits) < body["size"]:
                return

    def _of(self, source: Query) -> Event:
        traits = [
            (name, dtype, float(value) if dtype == Trait.FLOAT_TYPE else value)
            for name, dtype, value in _decode_traits(source["traits_json"])
        ]
        raw = msgspec.json.decode(source["raw"])
        event: Event = self._event(source["message_id"], source["event_type"], source["generated"], traits, raw)
        return event

    def _event_types(self) -> list[str]:
        found = self._aggregate({"aggs": {"types": {"terms": {"field": "event_type", "size": _MOST_TERMS}}}})
        return sorted(each["key"] for each in found["types"]["buckets"]) if found else []

    def _trait_types(self, event_type: str) -> list[tuple[str, int]]:
        types = {"types": {"terms": {"field": "traits.dtype", "size": 4}}}
        names = {"names": {"terms": {"field": "traits.name", "size": _MOST_TERMS}, "aggs": types}}
        found = self._aggregate(
            {"query": {"term": {"event_type": event_type}}, "aggs": {"traits": {"nested": {"path": "traits"}, "aggs": names}}}
        )
        if not found:
            return []
        return sorted(
            (name["key"], dtype["key"]) for name in found["traits"]["names"]["buckets"] for dtype in name["types"]["buckets"]
        )

    def _traits(self, event_type: str, name: str | None) -> Iterable[Trait]:
        found: list[Trait] = []
        for event in self._events(query.Selection(event_type=event_type), query.Page()):
            found += [trait for trait in event.traits or () if name in (None, trait.name)]
        return iter(sorted(found, key=lambda trait: (trait.dtype, trait.name)))


def _id(message_id: str) -> str:
    """The document's id: the message id, or a hash where an index takes no such id."""
    size = len(message_id.encode())
    if 0 < size <= _LONGEST_ID and not message_id.startswith(_HASHED):
        return message_id
    return _HASHED + hashlib.sha256(message_id.encode()).hexdigest()


def _is_ours(mappings: Query | None) -> bool:
    """Whether an index has our fields; servers write truth as text in some places."""

    def plain(value: Any) -> Any:
        return {name: plain(each) for name, each in value.items()} if isinstance(value, dict) else str(value).lower()

    return bool(plain(mappings) == plain(_MAPPINGS))


def _document(record: Record) -> Query:
    fields = {dtype: "text" if dtype == Trait.TEXT_TYPE else "number" for _, dtype, _ in record.traits}
    return {
        "message_id": record.message_id,
        "event_type": record.event_type,
        "generated": record.generated,
        "timestamp": query.moment(record.generated).isoformat(),
        "traits": [{"name": name, "dtype": dtype, fields[dtype]: indexed(dtype, value)} for name, dtype, value in record.traits],
        # JSON has no infinite numbers: they are text here.
        "traits_json": _encode(
            [(name, dtype, str(value) if value in _INFINITE else value) for name, dtype, value in record.traits]
        ).decode(),
        "raw": record.raw,
    }


def _lines(record: Record, index: str) -> bytes:
    """A document as a bulk request has it."""
    return _encode({"create": {"_index": index, "_id": _id(record.message_id)}}) + b"\n" + _encode(_document(record)) + b"\n"


# -- queries -----------------------------------------------------------------------------------------------------------


def _order(page: query.Page) -> list[Query]:
    kinds = {"generated": "long", "message_id": "keyword"}
    return [{_FIELDS[key]: {"order": "desc" if down else "asc", "unmapped_type": kinds[_FIELDS[key]]}} for key, down in page.order]


def _query(selection: query.Selection) -> Query:
    must: list[Query] = []
    bounds = {name: value for name, value in (("gte", selection.start), ("lte", selection.end)) if value is not None}
    if bounds:
        must.append({"range": {"generated": bounds}})
    if selection.event_type is not None:
        must.append({"term": {"event_type": selection.event_type}})
    if selection.message_id is not None:
        must.append({"term": {"message_id": selection.message_id}})
    must += [_test(test) for test in selection.tests]
    must += [_clause(clause) for clause in selection.where]
    if selection.project is not None:
        own = _test(query.Test("project_id", Trait.TEXT_TYPE, query.EQ, selection.project))
        anybody_s = _test(query.Test("project_id", Trait.TEXT_TYPE, query.HAS))
        must.append({"bool": {"should": [own, {"bool": {"must_not": [anybody_s]}}], "minimum_should_match": 1}})
    return {"bool": {"filter": must}}


def _behind_hit(values: list[Any] | None) -> Query:
    """What makes a search go on behind a hit, by what that was sorted by; None: from the beginning."""
    return {} if values is None else {"search_after": values}


def _behind(page: query.Page, values: list[Any]) -> Query:
    """Behind the marker, by value."""
    alternatives: list[Query] = []
    equal: list[Query] = []
    for (key, down), value in zip(page.order, values, strict=True):
        alternatives.append({"bool": {"filter": [*equal, {"range": {_FIELDS[key]: {"lt" if down else "gt": value}}}]}})
        equal.append({"term": {_FIELDS[key]: value}})
    return {"bool": {"should": alternatives, "minimum_should_match": 1}}


def _test(test: query.Test) -> Query:
    inner: list[Query] = [{"term": {"traits.name": test.name}}]
    refused: list[Query] = []
    if test.dtype is not None:
        inner.append({"term": {"traits.dtype": test.dtype}})
    if test.op != query.HAS and test.dtype is not None:
        text = test.dtype == Trait.TEXT_TYPE
        value = test.value if text else indexed(test.dtype, test.value)
        condition = _compared("traits.text" if text else "traits.number", query.EQ if test.op == query.NE else test.op, value)
        (refused if test.op == query.NE else inner).append(condition)
    return {"nested": {"path": "traits", "query": {"bool": {"filter": inner, "must_not": refused}}}}


def _clause(clause: query.Clause) -> Query:
    match clause:
        case query.Test():
            return _test(clause)
        case query.Field(name, query.NE, value):
            return {"bool": {"must_not": [_compared(_FIELDS[name], query.EQ, value)]}}
        case query.Field(name, op, value):
            return _compared(_FIELDS[name], op, value)
        case query.Every(parts):
            return {"bool": {"filter": [_clause(part) for part in parts]}}
        case query.Either(parts):
            return (
                {"bool": {"should": [_clause(part) for part in parts], "minimum_should_match": 1}} if parts else {"match_none": {}}
            )
        case query.Except(part):
            return {"bool": {"must_not": [_clause(part)]}}


def _compared(field: str, op: str, value: Any) -> Query:
    if op == query.EQ:
        return {"term": {field: value}}
    if op != query.PREFIX:
        return {"range": {field: {_COMPARE[op]: value}}}
    high = query.behind_prefix(value)
    return {"range": {field: {"gte": value} | ({} if high is None else {"lt": high})}}
