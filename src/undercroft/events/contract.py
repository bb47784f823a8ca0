"""The storage interface of events (seed 001; meaning: docs/events.md, clauses cited as E1 ...).

`Connection` is the seed's base class: its methods are static, and do nothing or raise. `Store` is what a driver subclasses: it
writes the methods that begin with `_`, which get parsed, checked values. Everything that the contract defines once for all drivers
(checks, defaults, what is logged, what a page is) lives here.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Self

from undercroft.core import capabilities as caps
from undercroft.core import findings, intake, jobs, settings, span, time, words
from undercroft.core.errors import InvalidInput, Unsupported
from undercroft.core.intake import AT_ONCE, Outcome
from undercroft.core.paging import LARGEST
from undercroft.core.plural import number
from undercroft.core.portions import batches
from undercroft.core.receipt import Receipt
from undercroft.events import expression, query
from undercroft.events.models import Event, Trait
from undercroft.events.record import Record, record, size, weight

# Hosts' tests look here for what `record_events` logs.
LOG = logging.getLogger(__name__)

Truth = bool | caps.Gap
# Characters of an event above which it is looked at whether the engine takes it.
_LARGE = 2**18
_MOST_GROUPS = 10_000
# How long expired events may still be there: the worker comes each hour.
_LATE = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Capabilities(caps.Capabilities):
    """What a driver of events may lack. Every default is the full contract.

    `large_stores` is about time: a driver that reads all events for each answer declares it as a gap, and leaves out the tests that
    need thousands of events.
    """

    read: Truth = True
    filter_traits: Truth = True
    expressions: Truth = True
    count: Truth = True
    page: Truth = True
    expire: Truth = True
    tail: Truth = True
    store_once: Truth = True
    concurrent_writers: Truth = True
    survives_restart: Truth = True
    large_stores: Truth = True


class Count(NamedTuple):
    """A group of events.

    Attributes:
        group: the values of what was grouped by; None where the events have no such text trait.
        start: of the interval; None where none was asked for.
        events: how many there are.
    """

    group: dict[str, str | None]
    start: dt.datetime | None
    events: int


class Arrivals(NamedTuple):
    """A part of the tail: events in the order of their arrival, and the cursor to go on from."""

    events: list[Event]
    cursor: str


def _before(ttl: float) -> int:
    """The moment before which events are older than `ttl` seconds, in microseconds."""
    return time.to_micros(time.now()) - round(dt.timedelta(seconds=ttl) / time.MICROSECOND)


class Connection:
    """The seed's base class: no store, and forms of its methods that may be called on the class."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {"events": {"query": {"simple": False}}}
    STORAGE_CAPABILITIES: ClassVar[dict[str, Any]] = {"storage": {"production_ready": False}}

    def __init__(self, url: Any = None, conf: Any = None) -> None:
        """May be called with `url` and `conf`, or with `conf` alone."""

    @staticmethod
    def upgrade() -> None:
        """Create what the store needs; nothing here."""

    @staticmethod
    def clear() -> None:
        """Remove every event; nothing here."""

    @staticmethod
    def record_events(events: Any) -> None:
        """Store events."""
        raise Unsupported("this connection stores no events")

    @staticmethod
    def get_events(event_filter: Any, pagination: Any = None) -> Any:
        """The events that the filter selects; none here."""

    @staticmethod
    def get_event_types() -> Any:
        """The types of events that there are."""
        raise Unsupported("this connection stores no events")

    @staticmethod
    def get_trait_types(event_type: str) -> Any:
        """Names and types of the traits that events of a type have."""
        raise Unsupported("this connection stores no events")

    @staticmethod
    def get_traits(event_type: str, trait_type: str | None = None) -> Any:
        """The traits of all events of a type."""
        raise Unsupported("this connection stores no events")

    @staticmethod
    def clear_expired_data(ttl: float, max_count: int | None = None) -> Any:
        """Delete old events."""
        raise Unsupported("this connection stores no events")

    @classmethod
    def get_capabilities(cls) -> dict[str, Any]:
        """What can be asked."""
        return cls.CAPABILITIES

    @classmethod
    def get_storage_capabilities(cls) -> dict[str, Any]:
        """Whether it may be used in production."""
        return cls.STORAGE_CAPABILITIES


class Store(Connection, abc.ABC):
    """Stores events and finds them again.

    One object serves many threads; several processes may write at once. Every method takes its arguments by keyword too.

    E1  Every method has the seed's name, parameters, order and defaults; what we add is keyword-only. `CAPABILITIES` says
        whether events can be asked for, `STORAGE_CAPABILITIES` whether the store is made for production: it is when they can.
    E2  `Connection(url, conf)` opens the store; `conf` may be left out. `undercroft.connect` takes options, too, and refuses
        those that the driver does not have.
    """

    capabilities: ClassVar[Capabilities] = Capabilities.full()
    ephemeral: ClassVar[str | None] = None
    CAPABILITIES: ClassVar[dict[str, Any]] = {"events": {"query": {"simple": True}}}
    STORAGE_CAPABILITIES: ClassVar[dict[str, Any]] = {"storage": {"production_ready": True}}
    event_class: ClassVar[Any] = Event
    trait_class: ClassVar[Any] = Trait

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        answers = bool(cls.capabilities.read)
        cls.CAPABILITIES = {"events": {"query": {"simple": answers}}}
        cls.STORAGE_CAPABILITIES = {"storage": {"production_ready": answers}}

    @classmethod
    @abc.abstractmethod
    def open(cls, url: str, **options: Any) -> Self:
        """Open the store at `url`; called by `undercroft.connect`. Unknown options are refused."""

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def upgrade(self) -> None:  # type: ignore[override]  # static in the seed's base class, a method in its drivers
        """Create or upgrade the tables or indices.

        E3  Safe to call again, and by several processes at the same moment.
        """

    @abc.abstractmethod
    def clear(self) -> None:  # type: ignore[override]
        """Remove every event.

        E4  Events, traits and event types are gone; the store may be used on without `upgrade`.
        """

    @abc.abstractmethod
    def _record(self, records: Sequence[Record]) -> list[str]:
        """Store events of different message ids, in order and durably; message ids of those that were there already."""

    @abc.abstractmethod
    def _events(self, selection: query.Selection, page: query.Page) -> Iterable[Event]:
        """The selected events of the page; raises InvalidMarker at once if the marker is not the id of an event."""

    @abc.abstractmethod
    def _event_types(self) -> list[str]:
        """Types that have events, sorted by code point."""

    @abc.abstractmethod
    def _trait_types(self, event_type: str) -> list[tuple[str, int]]:
        """Pairs of name and type of the traits of the type's events, sorted by name and type."""

    @abc.abstractmethod
    def _traits(self, event_type: str, name: str | None) -> Iterable[Trait]:
        """Every trait of the type's events, by type (text, int, float, datetime), then by name."""

    @abc.abstractmethod
    def _expire(self, before: int, count: int | None) -> int:
        """Delete what was generated before that microsecond, the oldest first, at most `count`; in batches below a second."""

    def _record_once(self, parts: Sequence[Sequence[Record]], receipt: Receipt, answer: Callable[[list[str]], bytes]) -> bytes:
        """`_record` of each part, and the receipt with its answer, made of what `_record` gives, in one transaction."""
        raise NotImplementedError

    def _tail(self, selection: query.Selection, after: str | None, limit: int) -> Arrivals:
        """See `tail`; `after` is the driver's own cursor."""
        raise NotImplementedError

    def _cursor(self) -> str:
        """The driver's cursor behind everything that has arrived."""
        raise NotImplementedError

    def _cursor_key(self) -> bytes:
        """See `cursor_key`."""
        raise NotImplementedError

    @abc.abstractmethod
    def drop(self) -> None:
        """Remove the tables or indices of the namespace with everything in them."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connections back. The object is not used afterwards."""

    @property
    def largest(self) -> int | None:
        """How many bytes of JSON an event may have, if no more than that is sent for it; None where no limit is known."""
        return None

    # -- the contract ----------------------------------------------------------------------------------------------

    def record_events(  # type: ignore[override]
        self, events: Iterable[Any] | None = None, *, event_models: Iterable[Any] | None = None
    ) -> None:
        """Store events.

        E5  Once it returns, the events are durable. Each is stored whole or not at all, traits and all.
        E6  A message id that is there already is passed over, whatever the event holds: the first one stays. That is logged,
            once each at level debug, and is no error.
        E7  An event that cannot be stored is logged, with its exception, and does not keep the others from being stored; the
            error of the last one is raised after them.
        E8  A repeated (name, type) of one event keeps its last value; a trait of NONE_TYPE becomes text. Text ends at 255
            characters and loses U+0000; message ids, event types and names of traits of more than 255 characters are refused.
        E9  Integers of 64 bits, floats but NaN, moments of the years 1 to 9999 with their microseconds in UTC, and `raw` (any
            JSON) come back as they were.
        E27 An event that is larger than the engine takes is refused by itself, with an error that says both sizes; see `largest`.
        E10 Any number of threads and processes may store at once, also the same ids and types.

        Args:
            events: a list of events: ours, or any objects of that form; the seed's SQL drivers call it `event_models`.

        Raises:
            InvalidInput: the last event that could not be stored, for its values; AttributeError, for what it lacks.
            Unavailable: the engine did not answer. Part of the events may be stored; repeat the call.
        """
        failure: Exception | None = None
        for batch in batches((events if event_models is None else event_models) or (), AT_ONCE):
            for event, outcome in zip(batch, self._store_batch(batch), strict=True):
                if outcome.error is not None:
                    failure = outcome.error
                    # Hosts' tests look for this very method.
                    LOG.exception("event %.64r is not stored", getattr(event, "message_id", None), exc_info=failure)  # noqa: LOG004
        if failure is not None:
            raise failure

    def store_events(self, events: Iterable[Any]) -> list[Outcome]:
        """`record_events`, telling what became of each event instead of logging and raising its error.

        Raises:
            Unavailable: as there.
        """
        return [outcome for batch in batches(events, AT_ONCE) for outcome in self._store_batch(batch)]

    def store_once(self, events: Iterable[Any], receipt: Receipt, answer: Callable[[list[Outcome]], bytes]) -> bytes:
        """Store events that may have been stored before, under the same key.

        E28 All events of the first call of a key are stored, and its receipt with them, in one transaction: all or nothing, also
            when one of them cannot be stored. A repetition within 24 hours stores nothing and gives the answer of the first; with
            another digest it is refused (`Conflict`). Of several at once, one is stored. A refused call leaves no receipt.

        Args:
            events: as for `record_events`.
            receipt: key and digest of what is asked; its answer is not used.
            answer: makes the answer of a first call, of what became of the events.

        Returns:
            the answer of the first call with this key.

        Raises:
            InvalidInput: an event cannot be stored; its field begins with the place of the event.
            Conflict: the key was used for something else.
        """
        self.require("store_once")
        parts, told = intake.together(events, self._checked, weight, answer)
        return self._record_once(parts, receipt, told)

    def _store_batch(self, batch: Sequence[Any]) -> list[Outcome]:
        outcomes = intake.each(batch, "event", self._checked, weight, self._record)
        for event, outcome in zip(batch, outcomes, strict=True):
            if not outcome.is_new and outcome.error is None:
                LOG.debug("event %s is there already", event.message_id)
        return outcomes

    def _checked(self, event: Any) -> Record:
        fresh = record(event)
        if weight(fresh) > _LARGE and (most := self.largest) is not None and (taken := size(fresh)) > most:
            raise InvalidInput(f"event {fresh.message_id[:64]!r}", f"has {taken:,} bytes, and the engine takes {most:,}")
        return fresh

    def get_events(  # type: ignore[override]
        self, event_filter: Any, pagination: dict[str, Any] | None = None, *, where: str | None = None
    ) -> Iterable[Event]:
        """The events that a filter selects.

        E11 All parts of the filter must hold; a part that is None or empty is no restriction. The bounds of `generated` are
            included. Event type and message id compare exactly, by code point.
        E12 A trait filter holds when the event has a trait of that name and exactly that type whose value compares so; with a
            name alone, when it has such a trait of any type. Text compares by code point, numbers and moments by value. An
            unknown key in a filter or in the pagination is refused (`InvalidInput`).
        E13 `admin_proj` selects events whose text trait `project_id` it is, and those without such a trait.
        E14 The order is by `generated`, then message id, or as `sort` says; message id decides between equals.
        E15 A page starts after the event that `marker` names, by value: what arrives meanwhile neither repeats an event nor hides
            one. The marker need not match the filter, but must exist. `limit` None is no limit, 0 gives nothing.
        E16 An event's traits come sorted by name. Filter and pagination are not changed.
        E17 Nothing in a value or name is interpreted. The result may be lazy, and shows one moment's state.

        E23 `where` is an expression that must hold, too: tests with `and`, `or`, `not` and parentheses. `not` holds for every event
            for which its part does not. Filter and `where` have at most 64 tests together; more raise InvalidInput.

        Args:
            event_filter: an `EventFilter`, or any object of that form.
            pagination: None, or a dict with `limit`, `marker` and `sort`, a list of (`generated` or `message_id`, `asc` or `desc`).
            where: see `undercroft.events.expression`.

        Raises:
            InvalidInput: a filter or a page that is not valid.
            InvalidMarker: the marker names no event.
        """
        self.require("read")
        selection, page = self._selection(event_filter, where), query.page(pagination)
        if page.marker is not None or page.order != query.Page().order:
            self.require("page")
        return self._events(selection, page)

    def get_event_types(self) -> list[str]:  # type: ignore[override]
        """The types that have events.

        E18 Distinct, ascending by code point; a type whose events are gone is gone.
        """
        self.require("read")
        return self._event_types()

    def get_trait_types(self, event_type: str) -> list[dict[str, Any]]:  # type: ignore[override]
        """Names and types of the traits of a type's events.

        E19 One `{'name', 'data_type'}` for each pair of name and type; none for a type that is not there.
        """
        self.require("read")
        return [{"name": name, "data_type": dtype} for name, dtype in self._trait_types(words.text(event_type, "event_type"))]

    def get_traits(  # type: ignore[override]
        self, event_type: str, trait_type: str | None = None, *, trait_name: str | None = None
    ) -> Iterable[Trait]:
        """Every trait of a type's events.

        E20 One for each that is stored, equal ones too; text first, then integers, floats, moments, by name within those.

        Args:
            event_type: the type.
            trait_type: traits of this *name* only; the seed's MongoDB drivers call it `trait_name`.
        """
        self.require("read")
        name = trait_type if trait_name is None else trait_name
        return self._traits(words.text(event_type, "event_type"), words.text(name, "trait_type") if name else None)

    def clear_expired_data(self, ttl: float, max_count: int | None = None) -> int:  # type: ignore[override]
        """Delete what is older than `ttl` seconds.

        E21 Events with `generated` < now - ttl, by the host's clock (`core.time.now`), go with their traits, the oldest first, at
            most `max_count` of them; nothing else is touched. Others can write meanwhile.

        Args:
            ttl: seconds, may be a fraction.
            max_count: how many at most; None for all.

        Returns:
            the number of events that were deleted.
        """
        self.require("expire")
        try:
            before = _before(ttl)
        except OverflowError:
            if ttl > 0:
                return 0
            before = LARGEST
        except (TypeError, ValueError):
            raise InvalidInput("ttl", f"{str(ttl)[:32]!r} is no number of seconds") from None
        return 0 if max_count is not None and max_count <= 0 else self._expire(before, max_count)

    def expiry(self, ttl: float) -> dt.datetime | None:
        """The moment before which events are older than `ttl` seconds; None when `ttl` keeps everything."""
        try:
            return None if ttl <= 0 else time.from_micros(_before(ttl))
        except OverflowError:
            return None

    def expired(self, before: dt.datetime, max_count: int | None = None) -> findings.Share:
        """How many of all events were generated before a moment: what `clear_expired_data` would delete."""
        self.require("count")
        old = query.Selection(end=time.to_micros(before, "before") - 1)
        part, whole = self._size(old), self._size(query.Selection())
        return findings.Share(part if max_count is None else min(part, max_count), whole)

    def tail(self, event_filter: Any = None, after: str | None = None, limit: int = 100, *, where: str | None = None) -> Arrivals:
        """Events in the order in which they arrived.

        E22 From the cursor on, every event that matches comes once, also one that was recorded late with an old `generated`; of
            writers at the same time, whichever commits first, none is passed over. Where others write at the same time, an event
            may come only when those have ended that began before.

        Args:
            event_filter: as for `get_events`.
            after: the cursor of the last call, or of `tail_end`; None for the beginning.
            limit: at most so many.
            where: as for `get_events`.

        Returns:
            events, and the cursor of the next call; without events that is when to wait.
        """
        self.require("tail")
        if query.page({"limit": limit}).limit in (0, None):
            raise InvalidInput("limit", "a part of the tail has at least one event")
        return self._tail(self._selection(event_filter, where), after, limit)

    def count_events(
        self, event_filter: Any = None, *, groupby: Iterable[str] = (), interval: Any = None, where: str | None = None
    ) -> list[Count]:
        """How many events there are.

        E24 One count for each group that has events: by `event_type` or the values of text traits, and by the interval in which
            they were generated; intervals begin at 1970. Without groups there is one count, or none of no events. In the order of
            intervals, then of values, those of no such trait first. `groupby` has at most 32 names.

        Args:
            event_filter, where: as for `get_events`.
            groupby: `event_type`, names of traits.
            interval: seconds, or a timedelta.

        Raises:
            InvalidInput: there would be more than 10,000 groups, or there are more than 32 names.
        """
        self.require("count")
        grouping = query.grouping(groupby, interval)
        found = self._count(self._selection(event_filter, where), grouping, _MOST_GROUPS + 1)
        if len(found) > _MOST_GROUPS:
            raise InvalidInput(
                "groupby", f"gives more than {_MOST_GROUPS:,} groups: ask for fewer names, longer intervals, less time"
            )
        found.sort(key=lambda each: (each.start or 0, [(value is not None, value or "") for value in each.values]))
        return [
            Count(
                dict(zip(grouping.names, each.values, strict=True)),
                None if each.start is None else query.moment(max(each.start, time.FIRST)),
                each.events,
            )
            for each in found
        ]

    def _count(self, selection: query.Selection, grouping: query.Grouping, most: int) -> list[query.Group]:
        """Groups in any order, at most `most`; drivers whose engine counts do better than to look at every event."""
        counts: collections.Counter[tuple[tuple[str | None, ...], int | None]] = collections.Counter()
        for event in self._events(selection, query.Page()):
            texts = {trait.name: trait.value for trait in event.traits or () if trait.dtype == Trait.TEXT_TYPE}
            texts[query.EVENT_TYPE] = event.event_type
            start = grouping.interval and time.to_micros(event.generated) // grouping.interval * grouping.interval
            counts[tuple(texts.get(name) for name in grouping.names), start] += 1
            if len(counts) >= most:
                break
        return [query.Group(values, start, count) for (values, start), count in counts.items()]

    def _size(self, selection: query.Selection) -> int:
        """How many events are selected; drivers whose engine counts do better than `_count` of every event."""
        return sum(each.events for each in self._count(selection, query.Grouping(), 2))

    def tail_end(self) -> str:
        """The cursor after which nothing has arrived yet: for those who want what comes from now on."""
        self.require("tail")
        return self._cursor()

    def cursor_key(self) -> bytes:
        """A secret of the store, for a service that hands cursors out and wants to know its own again.

        E25 At least 32 random bytes, made with the store, the same for everybody who opens it; `clear` leaves them.
        """
        self.require("tail")
        return self._cursor_key()

    def init(self) -> None:
        """`upgrade`, under the name that all kinds share."""
        self.upgrade()

    def diagnose(self, *, verify: bool = False) -> Iterator[findings.Finding]:
        """Examine the store: does it answer, may it be used, does what it acknowledges stay, what is in it, is that too old?

        E26 Nothing is changed. Every check has a name of its own; findings come as they are made.

        Args:
            verify: look at everything that is stored, too.
        """
        yield from self._examine_events()

    # -- helpers ---------------------------------------------------------------------------------------------------

    def require(self, capability: str) -> None:
        """Raise `Unsupported` when this driver declares that it lacks `capability`."""
        self.capabilities.require(capability, type(self).__module__)

    def _examine_events(self) -> Iterator[findings.Finding]:
        if not self.capabilities.read:
            yield findings.ok("events", "are not read again")
            return
        oldest = next(iter(self._events(query.Selection(), query.Page(limit=1))), None)
        if oldest is None:
            yield findings.ok("events", "none")
        else:
            yield findings.ok("events", f"of {number(len(self._event_types()), 'types')}, the first of {oldest.generated:%Y-%m-%d}")
        seconds = settings.get("events", "time_to_live")
        if seconds <= 0:
            yield findings.ok("retention", "everything is kept")
            return
        kept = f"{span.words(dt.timedelta(seconds=seconds))} are kept"
        before = self.expiry(seconds)
        if oldest is None or before is None or oldest.generated >= before.replace(tzinfo=None):
            yield findings.ok("retention", f"{kept}, nothing older is there")
            return
        share = self.expired(before)
        since = f"{oldest.generated:%Y-%m-%d}"
        found = f"{kept}, and there are events of {since}: the next run of the worker deletes {share.words} events"
        if share.is_large:
            yield findings.warning("retention", found, findings.EXPIRES_MUCH)
        elif oldest.generated < before.replace(tzinfo=None) - _LATE:
            yield findings.warning("retention", found, "let `undercroft worker` run, or `undercroft events expire`")
        else:
            yield findings.ok("retention", found)

    def _selection(self, event_filter: Any, where: str | None) -> query.Selection:
        selection = query.selection(event_filter)
        if where:
            self.require("expressions")
            selection = selection._replace(where=expression.parse(where))
            query.check_size(selection)
        if selection.tests or selection.project is not None:
            self.require("filter_traits")
        return selection

    def locks(self) -> jobs.Locks:
        """Where the processes that work on this store agree which of them does a periodic job."""
        return jobs.LocalLocks()

    def _event(self, message_id: str, event_type: str, generated: int, traits: Iterable[tuple[str, int, Any]], raw: Any) -> Any:
        """An event from its parts; moments are microseconds."""
        return self.event_class(message_id, event_type, query.moment(generated), self._models(traits), raw)

    def _models(self, traits: Iterable[tuple[str, int, Any]]) -> list[Any]:
        make, datetime = self.trait_class, Trait.DATETIME_TYPE
        return [make(name, dtype, query.moment(value) if dtype == datetime else value) for name, dtype, value in traits]
