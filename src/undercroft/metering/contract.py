"""The storage interface of samples (Ceilometer's metering plane; meaning: docs/metering.md, clauses cited as M1 ...).

`Connection` has the form of Ceilometer's base class: its methods are static, and do nothing or raise. `Store` is what a driver
subclasses: it writes the methods that begin with `_`, which get parsed, checked values. Everything that the contract defines once
for all drivers (checks, defaults, what is logged, how statistics are told) lives here.
"""

from __future__ import annotations

import abc
import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from undercroft.core import capabilities as caps
from undercroft.core import findings, intake, jobs, settings, span, time, words
from undercroft.core.bounds import counted
from undercroft.core.errors import InvalidInput, Unsupported
from undercroft.core.intake import AT_ONCE, Outcome
from undercroft.core.paging import LARGEST
from undercroft.core.plural import number
from undercroft.core.portions import batches
from undercroft.core.receipt import Receipt
from undercroft.metering import query, statistics
from undercroft.metering.models import Meter, Resource, Sample, Statistics, Window
from undercroft.metering.record import Record, record, weight

LOG = logging.getLogger(__name__)

Truth = bool | caps.Gap
# Characters of a sample above which it is looked at whether the engine takes it.
_LARGE = 2**18
# Samples that are sorted, for an order that no store has them in; those that are in memory beside twice the answer.
_MOST_SORTED, _MOST_SPARE = 1_000_000, 10_000
_MOST_RESOURCES = 1_000
# Microseconds.
_HOUR = 3_600_000_000
# How long expired samples may still be there: the worker comes each hour.
_LATE = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Capabilities(caps.Capabilities):
    """What a driver of samples may lack. Every default is the full contract."""

    store_once: Truth = True
    concurrent_writers: Truth = True
    survives_restart: Truth = True


_SIMPLE = {"simple": True, "metadata": True}
_AGGREGATES = dict.fromkeys(("max", "min", "sum", "avg", "count", "stddev", "cardinality"), True)


class Connection:
    """The form of Ceilometer's base class: no store, and methods that may be called on the class."""

    CAPABILITIES: ClassVar[dict[str, Any]] = {
        "meters": {"query": {"simple": False, "metadata": False}},
        "resources": {"query": {"simple": False, "metadata": False}},
        "samples": {"query": {"simple": False, "metadata": False, "complex": False}},
        "statistics": {
            "groupby": False,
            "query": {"simple": False, "metadata": False},
            "aggregation": {"standard": False, "selectable": dict.fromkeys(_AGGREGATES, False)},
        },
    }
    STORAGE_CAPABILITIES: ClassVar[dict[str, Any]] = {"storage": {"production_ready": False}}

    def __init__(self, url: Any = None, conf: Any = None) -> None:
        """May be called with `url` and `conf`, or with `conf` alone."""

    @staticmethod
    def upgrade() -> None:
        """Create what the store needs; nothing here."""

    @staticmethod
    def clear() -> None:
        """Remove every sample; nothing here."""

    @staticmethod
    def record_metering_data(data: Any) -> None:
        """Store a sample."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def record_metering_data_batch(samples: Any) -> None:
        """Store samples."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def clear_expired_metering_data(ttl: Any) -> Any:
        """Delete old samples."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def get_resources(
        user: Any = None,
        project: Any = None,
        source: Any = None,
        start_timestamp: Any = None,
        start_timestamp_op: Any = None,
        end_timestamp: Any = None,
        end_timestamp_op: Any = None,
        metaquery: Any = None,
        resource: Any = None,
        limit: Any = None,
    ) -> Any:
        """The resources that have samples."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def get_meters(
        user: Any = None,
        project: Any = None,
        resource: Any = None,
        source: Any = None,
        metaquery: Any = None,
        limit: Any = None,
        unique: Any = False,
    ) -> Any:
        """The meters that have samples."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def get_samples(sample_filter: Any, limit: Any = None) -> Any:
        """Samples, the newest first."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def get_meter_statistics(sample_filter: Any, period: Any = None, groupby: Any = None, aggregate: Any = None) -> Any:
        """Statistics of samples."""
        raise Unsupported("this connection stores no samples")

    @staticmethod
    def query_samples(filter_expr: Any = None, orderby: Any = None, limit: Any = None) -> Any:
        """Samples that a complex filter selects."""
        raise Unsupported("this connection stores no samples")

    @classmethod
    def get_capabilities(cls) -> dict[str, Any]:
        """What can be asked."""
        return cls.CAPABILITIES

    @classmethod
    def get_storage_capabilities(cls) -> dict[str, Any]:
        """Whether it may be used in production."""
        return cls.STORAGE_CAPABILITIES


class Store(Connection, abc.ABC):
    """Stores samples and answers questions about them.

    One object serves many threads; several processes may write at once. Every method takes its arguments by keyword too.

    M1  Every method has the host's name, parameters, order and defaults; what we add is keyword-only or has a name of its own.
    M2  `Connection(url, conf)` opens the store; `conf` may be left out. `undercroft.connect` takes options, too, and refuses
        those that the driver does not have.
    """

    capabilities: ClassVar[Capabilities] = Capabilities.full()
    ephemeral: ClassVar[str | None] = None
    CAPABILITIES: ClassVar[dict[str, Any]] = {
        "meters": {"query": _SIMPLE},
        "resources": {"query": _SIMPLE},
        "samples": {"query": {**_SIMPLE, "complex": True}},
        "statistics": {"groupby": True, "query": _SIMPLE, "aggregation": {"standard": True, "selectable": _AGGREGATES}},
    }
    STORAGE_CAPABILITIES: ClassVar[dict[str, Any]] = {"storage": {"production_ready": True}}

    @classmethod
    @abc.abstractmethod
    def open(cls, url: str, **options: Any) -> Self:
        """Open the store at `url`; called by `undercroft.connect`. Unknown options are refused."""

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def upgrade(self) -> None:  # type: ignore[override]  # static in the host's base class, a method in its drivers
        """Create or upgrade the tables.

        M3  Safe to call again, and by several processes at the same moment.
        """

    @abc.abstractmethod
    def clear(self) -> None:  # type: ignore[override]
        """Remove every sample.

        M4  Samples, resources, meters and statistics are gone; the store may be used on without `upgrade`.
        """

    @abc.abstractmethod
    def _record(self, records: Sequence[Record]) -> list[str]:
        """Store samples of different message ids durably; message ids of those that were there already."""

    @abc.abstractmethod
    def _samples(self, selection: query.Selection, limit: int | None, *, ascending: bool) -> Iterable[Sample]:
        """The selected samples by timestamp, at most `limit`."""

    @abc.abstractmethod
    def _meters(self, selection: query.Selection, limit: int | None, *, unique: bool) -> Iterable[Meter]:
        """The meters of the selected samples."""

    @abc.abstractmethod
    def _resources(self, selection: query.Selection, limit: int | None) -> Iterable[Resource]:
        """The resources of the selected samples."""

    @abc.abstractmethod
    def _statistics(self, selection: query.Selection, question: query.Question) -> Iterable[query.Group]:
        """Groups of the selected samples, by period."""

    @abc.abstractmethod
    def _windows(self, meter: str, after: int, until: int, resources: Sequence[str] | None) -> dict[str, Window]:
        """What the samples of each resource come to, after one microsecond and up to another."""

    @abc.abstractmethod
    def _volumes(self, meter: str, after: int, until: int, resources: Sequence[str] | None) -> dict[str, list[tuple[int, float]]]:
        """The samples of each resource by timestamp, after one microsecond and up to another."""

    @abc.abstractmethod
    def _count(self, selection: query.Selection) -> int:
        """How many samples are selected."""

    @abc.abstractmethod
    def _expire(self, before: int, count: int | None) -> int:
        """Delete samples of before that microsecond, the oldest first, at most `count`; in batches below a second."""

    def _record_once(self, parts: Sequence[Sequence[Record]], receipt: Receipt, answer: Callable[[list[str]], bytes]) -> bytes:
        """`_record` of each part, and the receipt with its answer, made of what `_record` gives, in one transaction."""
        raise NotImplementedError

    @abc.abstractmethod
    def maintain(self) -> int:
        """Do the work that writing defers, such as pre-aggregates of hours that are over.

        M23 It changes no answer, may be called at any time, also by several processes at once, and be killed.

        Returns:
            how many samples it went through.
        """

    @abc.abstractmethod
    def drop(self) -> None:
        """Remove the tables of the namespace with everything in them.

        Other processes that have the store open close it: what they remember is of these tables.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connections back. The object is not used afterwards."""

    @property
    def largest(self) -> int | None:
        """How many bytes a sample's metadata may have, if no more than that is sent for it; None where no limit is known."""
        return None

    # -- storing ---------------------------------------------------------------------------------------------------

    def record_metering_data(self, data: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Store one sample; see `record_metering_data_batch`."""
        self.record_metering_data_batch([data])

    def record_metering_data_batch(self, samples: Iterable[Mapping[str, Any]]) -> None:  # type: ignore[override]
        """Store samples.

        M5  Once it returns, the samples are durable. Each is stored whole or not at all.
        M6  A message id that is there already is passed over, whatever the sample holds: the first one stays.
        M7  A sample that cannot be stored is logged, and does not keep the others from being stored; the error of the last one is
            raised after them.
        M8  Integers of up to 100 digits and finite floats come back as they were, of the same type; so do moments of the years 1
            to 9999 with their microseconds, in UTC, and metadata (any JSON object). Text loses U+0000; names, units and ids of more
            than 255 characters are refused, so is a volume that is not finite.
        M9  Any number of threads and processes may store at once, also the same samples.

        Args:
            samples: dicts of counter_name, counter_type, counter_unit, counter_volume, user_id, project_id, resource_id, timestamp,
                resource_metadata, source, message_id, message_signature.

        Raises:
            InvalidInput: the last sample that could not be stored.
            Unavailable: the engine did not answer. Part of the samples may be stored; repeat the call.
        """
        failure: Exception | None = None
        for batch in batches(samples or (), AT_ONCE):
            for data, outcome in zip(batch, self._store_batch(batch), strict=True):
                if outcome.error is not None:
                    failure = outcome.error
                    LOG.error("sample %.64r is not stored", _message_id(data), exc_info=failure)
        if failure is not None:
            raise failure

    def store_samples(self, samples: Iterable[Mapping[str, Any]]) -> list[Outcome]:
        """`record_metering_data_batch`, telling what became of each sample instead of logging and raising its error.

        Raises:
            Unavailable: as there.
        """
        return [outcome for batch in batches(samples, AT_ONCE) for outcome in self._store_batch(batch)]

    def store_once(self, samples: Iterable[Mapping[str, Any]], receipt: Receipt, answer: Callable[[list[Outcome]], bytes]) -> bytes:
        """Store samples that may have been stored before, under the same key.

        M22 All samples of the first call of a key are stored, and its receipt with them, in one transaction: all or nothing, also
            when one of them cannot be stored. A repetition within 24 hours stores nothing and gives the answer of the first; with
            another digest it is refused (`Conflict`). Of several at once, one is stored. A refused call leaves no receipt.

        Args:
            samples: as for `record_metering_data_batch`.
            receipt: key and digest of what is asked; its answer is not used.
            answer: makes the answer of a first call, of what became of the samples.

        Returns:
            the answer of the first call with this key.

        Raises:
            InvalidInput: a sample cannot be stored; its field begins with the place of the sample.
            Conflict: the key was used for something else.
        """
        self.require("store_once")
        parts, told = intake.together(samples, self._checked, weight, answer)
        return self._record_once(parts, receipt, told)

    def _store_batch(self, batch: Sequence[Any]) -> list[Outcome]:
        return intake.each(batch, "sample", self._checked, weight, self._record)

    def _checked(self, data: Mapping[str, Any]) -> Record:
        fresh = record(data)
        if len(fresh.metadata) > _LARGE and (most := self.largest) is not None and (taken := len(fresh.metadata.encode())) > most:
            raise InvalidInput(
                f"sample {fresh.message_id[:64]!r}", f"has {taken:,} bytes of metadata, and the engine takes {most:,}"
            )
        return fresh

    # -- samples ---------------------------------------------------------------------------------------------------

    def get_samples(self, sample_filter: Any, limit: int | None = None) -> Iterable[Sample]:  # type: ignore[override]
        """The samples that a filter selects.

        M10 The newest first, by timestamp. `limit` None is no limit, 0 gives nothing. The result may be lazy, shows one moment's
            state, and takes memory for a part of it only.
        M11 All parts of the filter must hold. Text compares exactly, by code point; the text `None` as user or project means
            those of none. Of the bounds, `gt` and `le` are as they say, anything else is `>=` and `<`.
        M12 `metaquery` compares values of metadata with their type (True, 1, 1.0 and "1" are four values); names of nested keys are
            joined by dots. Nothing in a value or name is interpreted.

        Args:
            sample_filter: a `SampleFilter`, or any object of that form; None for every sample.
            limit: at most so many.

        Raises:
            InvalidInput: a filter that is not valid.
        """
        selection, most = query.selection(sample_filter), query.limit(limit)
        return () if most == 0 or selection.is_empty else self._samples(selection, most, ascending=False)

    def query_samples(  # type: ignore[override]
        self, filter_expr: Any = None, orderby: Any = None, limit: int | None = None
    ) -> Iterable[Sample]:
        """The samples that a complex filter selects.

        M19 Filters are those of `undercroft.metering.expression`. The order is the newest first, or as `orderby` says: absent
            values come first, and last where it descends. By timestamp alone samples are streamed; for another order they are
            sorted in memory, which holds about twice as many as `limit`.

        Args:
            filter_expr: what the JSON of a filter holds; None for every sample.
            orderby: a list of `{FIELD: 'asc' or 'desc'}`.
            limit: at most so many.

        Raises:
            InvalidInput: a filter or an order that is not valid, or more than a million samples would have to be sorted.
        """
        selection, order, most = query.complex_selection(filter_expr), query.orderby(orderby), query.limit(limit)
        if most == 0 or selection.is_empty:
            return ()
        if len(order) == 1 and order[0][0] == "timestamp":
            return self._samples(selection, most, ascending=not order[0][1])
        found: list[Sample] = []
        for seen, sample in enumerate(self._samples(selection, None, ascending=False)):
            if seen == _MOST_SORTED:
                raise InvalidInput(
                    "orderby",
                    f"more than {_MOST_SORTED:,} samples would have to be sorted: ask for less time, or order by timestamp",
                )
            found.append(sample)
            if most is not None and len(found) > 2 * most + _MOST_SPARE:
                found = _sorted(found, order)[:most]
        return _sorted(found, order)[:most]

    def count_samples(self, sample_filter: Any = None) -> int:
        """How many samples a filter selects.

        M25 As many as `get_samples` gives.
        """
        selection = query.selection(sample_filter)
        return 0 if selection.is_empty else self._count(selection)

    # -- lists -----------------------------------------------------------------------------------------------------

    def get_meters(  # type: ignore[override]
        self,
        user: str | None = None,
        project: str | None = None,
        resource: str | None = None,
        source: str | None = None,
        metaquery: Mapping[str, Any] | None = None,
        limit: int | None = None,
        unique: bool = False,
    ) -> Iterable[Meter]:
        """The meters that have samples.

        M13 One for each pair of meter and resource, by resource id, then by name; what it says is of the latest of the selected
            samples. `unique`: one for each meter, by name, of no resource, user, project and source.
        M21 A meter or resource whose last sample is gone is gone.
        """
        selection = self._listed(user, project, source, metaquery, resource)
        most = query.limit(limit)
        return () if most == 0 or selection.is_empty else self._meters(selection, most, unique=bool(unique))

    def get_meter_names(self, resources: Iterable[str], project: str | None = None) -> dict[str, list[str]]:
        """The names of the meters that resources have.

        M27 Those that `get_meters` gives for each, of many resources at once.

        Args:
            resources: their ids, at most 1,000.
            project: as for `get_meters`.

        Returns:
            names by resource, in order; a resource that has none is left out.
        """
        wanted = frozenset(words.text(each, "resources") for each in counted("resources", resources, _MOST_RESOURCES, "resources"))
        found: dict[str, list[str]] = {}
        if wanted:
            selection = query.Selection(resources=wanted, projects=query.owner(project, "project"))
            for meter in self._meters(selection, None, unique=False):
                found.setdefault(str(meter.resource_id), []).append(meter.name)
        return found

    def get_resources(  # type: ignore[override]
        self,
        user: str | None = None,
        project: str | None = None,
        source: str | None = None,
        start_timestamp: Any = None,
        start_timestamp_op: str | None = None,
        end_timestamp: Any = None,
        end_timestamp_op: str | None = None,
        metaquery: Mapping[str, Any] | None = None,
        resource: str | None = None,
        limit: int | None = None,
    ) -> Iterable[Resource]:
        """The resources that have samples.

        M14 One for each resource, by its id: what it says is of the latest of the selected samples, by timestamp, so that a late
            one never replaces newer ones; `first_sample_timestamp` and `last_sample_timestamp` are those of the selected samples.
        """
        selection = self._listed(user, project, source, metaquery, resource)._replace(
            start=query.lower(start_timestamp, start_timestamp_op), end=query.upper(end_timestamp, end_timestamp_op)
        )
        most = query.limit(limit)
        return () if most == 0 or selection.is_empty else self._resources(selection, most)

    def _listed(self, user: Any, project: Any, source: Any, metaquery: Any, resource: Any) -> query.Selection:
        return query.Selection(
            users=query.owner(user, "user"),
            projects=query.owner(project, "project"),
            sources=query.one(source, "source"),
            resources=query.one(resource, "resource"),
            metadata=query.metadata(metaquery),
        )

    # -- statistics ------------------------------------------------------------------------------------------------

    def get_meter_statistics(  # type: ignore[override]
        self,
        sample_filter: Any,
        period: float | None = None,
        groupby: Sequence[str] | None = None,
        aggregate: Sequence[Any] | None = None,
    ) -> Iterable[Statistics]:
        """Statistics of the samples that a filter selects.

        M15 One for each unit, group and period that has samples. Without a period there is one, from the first to the last sample.
            Periods are counted from the filter's lower bound, or from the first sample; each has its start, and lacks its end.
        M16 Groups are the values of `groupby`: user_id, project_id, resource_id, source, resource_metadata.instance_type.
        M17 Count, min and max are exact; so are sums of integers, of any size. A sum of floats is rounded once; means, and
            standard deviations of all samples (population), follow from it. They are the same on every driver, and computed of
            what is there: what came late counts, what expired does not.
        M18 The duration is from the first to the last timestamp.
        M26 All of an answer is of one moment's state. It may be lazy: the groups of some hours are in memory, not all.

        Args:
            sample_filter: as for `get_samples`.
            period: seconds; None or 0 for none.
            groupby: fields.
            aggregate: objects with `func` and `param`; None for max, min, avg, sum and count.

        Raises:
            InvalidInput: a question that is not valid.
        """
        selection, question = query.selection(sample_filter), query.question(period, groupby, aggregate)
        if selection.is_empty:
            return []
        return statistics.told(self._statistics(selection, question), question)

    def get_windows(
        self, meter: str, after: dt.datetime, until: dt.datetime, resources: Iterable[str] | None = None
    ) -> dict[str, Window]:
        """What the samples of a meter come to in a stretch of time, for each resource at once.

        M29 All samples with after < timestamp <= until count, whatever their unit. Means are of floats, which are exact to some 15
            digits. SQL drivers ask once; the cost is that of the hours that the stretch touches, so that it is for the last minutes
            or hours.

        Args:
            meter: its name.
            after, until: the bounds.
            resources: ids, at most 1,000; None for every resource of the meter.

        Returns:
            by resource id; those without samples are left out.

        Raises:
            InvalidInput: an argument that is not valid.
        """
        return self._windows(*_stretch(meter, after, until, resources))

    def get_volumes(
        self, meter: str, after: dt.datetime, until: dt.datetime, resources: Iterable[str] | None = None
    ) -> dict[str, list[tuple[int, float]]]:
        """The samples of a meter in a stretch of time, for each resource at once: pairs of timestamp in microseconds and volume.

        M30 Those that `get_windows` adds up, by timestamp; its arguments and errors.
        """
        return self._volumes(*_stretch(meter, after, until, resources))

    # -- expiry ----------------------------------------------------------------------------------------------------

    def clear_expired_metering_data(self, ttl: float, max_count: int | None = None) -> int:  # type: ignore[override]
        """Delete what is older than `ttl` seconds.

        M20 Samples with `timestamp` < now - ttl, by the host's clock (`core.time.now`), go, the oldest first, at most `max_count`
            of them; nothing else is touched. Others can write at the same time.

        Args:
            ttl: seconds, may be a fraction.
            max_count: how many at most; None for all.

        Returns:
            the number of samples that were deleted.
        """
        try:
            before = _before(ttl)
        except OverflowError:
            if ttl > 0:
                return 0
            before = LARGEST
        except (TypeError, ValueError):
            raise InvalidInput("ttl", f"{str(ttl)[:32]!r} is no number of seconds") from None
        return 0 if max_count is not None and max_count <= 0 else self._expire(before, max_count)

    def expire_part(self, ttl: float) -> int:
        """Delete a part of what is older than `ttl` seconds.

        M28 What lies in the hour of the oldest sample goes, as far as it is older; nothing else is touched. To be called until
            nothing is left, with time between the calls to stop, or to tell how far it is. Whole hours go more quickly than as
            many samples by `clear_expired_metering_data` with a `max_count`.

        Returns:
            the number of samples that were deleted; 0 when nothing is left.
        """
        try:
            before = _before(ttl)
        except OverflowError:
            return 0
        oldest = next(iter(self._samples(query.Selection(end=before), 1, ascending=True)), None)
        if oldest is None:
            return 0
        end = (time.to_micros(oldest.timestamp) // _HOUR + 1) * _HOUR
        return self._expire(min(before, end), None)

    def expiry(self, ttl: float) -> dt.datetime | None:
        """The moment before which samples are older than `ttl` seconds; None when `ttl` keeps everything."""
        try:
            return None if ttl <= 0 else time.from_micros(_before(ttl))
        except OverflowError:
            return None

    def expired(self, before: dt.datetime, max_count: int | None = None) -> findings.Share:
        """How many of all samples are older than a moment: what `clear_expired_metering_data` would delete."""
        old = query.Selection(end=time.to_micros(before, "before"))
        part, whole = self._count(old), self._count(query.Selection())
        return findings.Share(part if max_count is None else min(part, max_count), whole)

    # -- the store's life ------------------------------------------------------------------------------------------

    def init(self) -> None:
        """`upgrade`, under the name that all kinds share."""
        self.upgrade()

    def locks(self) -> jobs.Locks:
        """Where the processes that work on this store agree which of them does a periodic job."""
        return jobs.LocalLocks()

    def diagnose(self, *, verify: bool = False) -> Iterator[findings.Finding]:
        """Examine the store: does it answer, may it be used, does what it acknowledges stay, what is in it, is that too old?

        M24 Nothing is changed. Every check has a name of its own; findings come as they are made.

        Args:
            verify: look at everything that is stored, too.
        """
        yield from self._examine_samples()

    def require(self, capability: str) -> None:
        """Raise `Unsupported` when this driver declares that it lacks `capability`."""
        self.capabilities.require(capability, type(self).__module__)

    def _examine_samples(self) -> Iterator[findings.Finding]:
        oldest = next(iter(self._samples(query.Selection(), 1, ascending=True)), None)
        if oldest is None:
            yield findings.ok("samples", "none")
        else:
            meters = sum(1 for _ in self._meters(query.Selection(), None, unique=True))
            yield findings.ok("samples", f"of {number(meters, 'meters')}, the first of {oldest.timestamp:%Y-%m-%d}")
        seconds = settings.get("metering", "time_to_live")
        if seconds <= 0:
            yield findings.ok("retention", "everything is kept")
            return
        kept = f"{span.words(dt.timedelta(seconds=seconds))} are kept"
        before = self.expiry(seconds)
        if oldest is None or before is None or oldest.timestamp >= before.replace(tzinfo=None):
            yield findings.ok("retention", f"{kept}, nothing older is there")
            return
        share = self.expired(before)
        since = f"{oldest.timestamp:%Y-%m-%d}"
        found = f"{kept}, and there are samples of {since}: the next run of the worker deletes {share.words} samples"
        if share.is_large:
            yield findings.warning("retention", found, findings.EXPIRES_MUCH)
        elif oldest.timestamp < before.replace(tzinfo=None) - _LATE:
            yield findings.warning("retention", found, "let `undercroft worker` run, or `undercroft meter expire`")
        else:
            yield findings.ok("retention", found)


def _message_id(data: Any) -> Any:
    return data.get("message_id") if isinstance(data, Mapping) else None


def _stretch(
    meter: str, after: dt.datetime, until: dt.datetime, resources: Iterable[str] | None
) -> tuple[str, int, int, list[str] | None]:
    """The arguments of a question for a stretch of time, checked."""
    wanted = None
    if resources is not None:
        wanted = [words.text(each, "resources") for each in counted("resources", resources, _MOST_RESOURCES, "resources")]
    return words.text(meter, "meter"), query.micros(after, "after"), query.micros(until, "until"), wanted


def _before(ttl: float) -> int:
    """The moment before which samples are older than `ttl` seconds, in microseconds."""
    return time.to_micros(time.now()) - round(dt.timedelta(seconds=ttl) / time.MICROSECOND)


def _sorted(samples: list[Sample], order: Sequence[tuple[str, bool]]) -> list[Sample]:
    """Samples in an order, the last fields first; what is equal stays as it is."""
    for field, descends in reversed(order):
        samples.sort(key=lambda sample, field=field: _sort_key(getattr(sample, field)), reverse=descends)  # type: ignore[misc]
    return samples


def _sort_key(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else 0)
