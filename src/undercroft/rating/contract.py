"""The storage interface of rated usage (seed 000; meaning: docs/contracts/rating.md, whose clauses are cited as R1 ...).

A driver subclasses `BaseStorage` and writes the methods that begin with `_`; they get parsed, checked values. Everything that
the contract defines once for all drivers (argument checks, defaults, pages of frames, rows) lives here.
"""

from __future__ import annotations

import abc
import collections
import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, Self

from undercroft.core import capabilities as caps
from undercroft.core import findings, jobs, paging, settings, span, time
from undercroft.core.errors import InvalidInput, WrongType
from undercroft.core.receipt import Receipt
from undercroft.rating import query
from undercroft.rating.models import DataFrame, DataPoint, FrozenDict

LOG = logging.getLogger(__name__)

Truth = bool | caps.Gap
_DAY = dt.timedelta(days=1) // time.MICROSECOND


@dataclasses.dataclass(frozen=True)
class Capabilities(caps.Capabilities):
    """What a rating driver may lack. Every default is the full contract.

    `large_stores` is about time: a driver that reads all points for each answer declares it as a gap, and leaves out the tests that
    need thousands of points.
    """

    push_atomic: Truth = True
    delete_atomic: Truth = True
    replace_atomic: Truth = True
    conflict_append: Truth = True
    conflict_error: Truth = True
    filter_metadata: Truth = True
    group_calendar: Truth = True
    custom_fields: Truth = True
    push_once: Truth = True
    concurrent_writers: Truth = True
    survives_restart: Truth = True
    large_stores: Truth = True


class Row(NamedTuple):
    """A stored point as a driver hands it out: the frame's bounds, the metric type, and the point's fields."""

    start: dt.datetime
    end: dt.datetime
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: FrozenDict
    metadata: FrozenDict


class Group(NamedTuple):
    """One row of `total` as a driver hands it out.

    `values` follow the order of the asked groups, PERIOD left out; `measures` the order of the asked measures; `period` is set
    when PERIOD was asked for.
    """

    values: tuple[Any, ...]
    measures: tuple[Any, ...]
    period: tuple[dt.datetime, dt.datetime] | None = None


class Expired(NamedTuple):
    """One batch of `expire_before`: so many `points`, which started in `[begin, end)`, are gone."""

    begin: dt.datetime
    end: dt.datetime
    points: int


class BaseStorage(abc.ABC):
    """Stores rated usage and answers what was used and what it cost.

    One object serves many threads; several processes may push at once. Every method takes its arguments by keyword too.

    R1  Every method has the seed's name, parameters, order and defaults; what we add is keyword-only.
    R2  Unknown constructor arguments are ignored (`period`, `conf` and others come from CloudKitty).
    """

    capabilities: ClassVar[Capabilities] = Capabilities.full()
    ephemeral: ClassVar[str | None] = None
    TIME_COMMANDS_MAP: ClassVar[dict[str, str]] = query.TIME_COMMANDS
    frame_class: ClassVar[Any] = DataFrame
    point_class: ClassVar[Any] = DataPoint

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.counters: collections.Counter[str] = collections.Counter()
        self.zone: dt.tzinfo | None = None
        self.resource_keys: tuple[str, ...] = tuple(settings.get("rating", "resource_keys"))
        self.scope_key: str = settings.get("rating", "scope_key")

    @classmethod
    @abc.abstractmethod
    def open(cls, url: str, **options: Any) -> Self:
        """Open the store at `url`; called by `undercroft.connect`. Unknown options are refused."""

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def init(self) -> None:
        """Create or upgrade the tables or indices; safe to call again and by many processes at once.

        R3  `init` twice, or by several processes at the same moment, is harmless.
        """

    @abc.abstractmethod
    def _push(self, frames: Sequence[Any]) -> None:
        """Store the frames' points in one transaction, as `push` says."""

    @abc.abstractmethod
    def _delete(self, selection: query.Selection) -> int:
        """Delete the selected points in one transaction; return how many."""

    @abc.abstractmethod
    def _replace(self, selection: query.Selection, frames: Sequence[Any]) -> None:
        """`_delete`, then `_push`, in one transaction."""

    @abc.abstractmethod
    def _page(self, selection: query.Selection, page: paging.Page) -> tuple[int, Iterable[Row]]:
        """Number of selected points, and those of the page, by (start, end, type) and a fixed order below."""

    @abc.abstractmethod
    def _stream(self, selection: query.Selection) -> contextlib.AbstractContextManager[Iterator[Row]]:
        """The selected points in the order of `_page`, as of one moment, in memory that does not grow with their number."""

    @abc.abstractmethod
    def _total(
        self,
        selection: query.Selection,
        groups: Sequence[query.GroupKey],
        measures: Sequence[query.Measure],
        page: paging.Page | None,
    ) -> tuple[int, list[Group]]:
        """Number of groups, and those of the page, sorted by the groups' values as text (periods: by start, then end)."""

    @abc.abstractmethod
    def _scopes(self, selection: query.Selection) -> list[str]:
        """Distinct texts of the scope attribute among the selected points, sorted."""

    @abc.abstractmethod
    def _scope_ends(self) -> list[tuple[str, dt.datetime]]:
        """Texts of the scope attribute that are not empty, and the newest frame end among their points, sorted by text."""

    def _push_once(self, frames: Sequence[Any], receipt: Receipt) -> bytes | None:
        """`_push`, and the receipt kept in the same transaction, as `push_once` says; None when this was the first push."""
        raise NotImplementedError

    @abc.abstractmethod
    def drop(self) -> None:
        """Remove the tables or indices of the namespace with everything in them."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give the connections back. The object is not used afterwards."""

    @property
    def largest(self) -> int | None:
        """How many bytes a point may have, if no more than that is sent for it; None where no limit is known."""
        return None

    # -- the contract ----------------------------------------------------------------------------------------------

    def push(self, dataframes: Iterable[DataFrame], scope_id: str | None = None) -> None:
        """Store rated usage.

        R4  All or nothing for one call; once it returns, the points are durable.
        R5  An empty list, or frames without points, do nothing. The frames are not changed.
        R6  A series key is (frame start, frame end, type, groupby). Pushing a key again replaces all points of that key, also when
            there are fewer now; unit and metadata are not in the key. `on_conflict=append` adds, `error` refuses (`Conflict`).
        R7  Equal keys within one call are several points.
        R32 A point that is larger than the engine takes is refused, with an error that names it and says both sizes; see `largest`.
        R8  Numbers come back equal: up to 38 significant digits and 38 places, below 10^20. Places beyond are rounded half-even,
            counted in `counters['rounded']` and logged.

        Args:
            dataframes: frames of ours, or any objects of that form.
            scope_id: not used; the points' attributes say whose they are.

        Raises:
            InvalidInput: a wrong value; the error says where. Nothing is stored.
            Conflict: `on_conflict=error`, and a key is there already. Nothing is stored.
            Unavailable: the engine did not answer. Nothing is stored, unless it is an `OutcomeUnknown`.
        """
        frames = _frames(dataframes)
        if frames:
            self._push(frames)

    def push_once(self, dataframes: Iterable[DataFrame], receipt: Receipt) -> bytes:
        """Store rated usage that may have been stored before, under the same key.

        R25 The first push of a key is stored, and its receipt with it: both or neither. A repetition within 24 hours stores nothing
            and gives the answer of the first; with another digest it is refused (`Conflict`). Of several at once, one is stored.
        R26 A push that is refused, for whatever reason, leaves no receipt.

        Args:
            dataframes: as for `push`.
            receipt: key, digest of what is asked, and the answer of a first push.

        Returns:
            the answer of the first push with this key.
        """
        self.require("push_once")
        first = self._push_once(_frames(dataframes), receipt)
        return receipt.answer if first is None else first

    def retrieve(
        self,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        filters: dict[str, Any] | None = None,
        metric_types: str | list[str] | None = None,
        offset: int = 0,
        limit: int = 1000,
        paginate: bool = True,
        *,
        resource: str | list[str] | None = None,
    ) -> dict[str, Any]:
        """The stored points, as frames.

        R9  A point belongs to `[begin, end)` by the start of its frame; its end does not matter.
        R10 `total` counts matching points before paging; `offset` and `limit` count points. `paginate=False` ignores both.
        R11 Points are ordered by frame start, frame end, type, and a fixed order below: pages give each point once. A page holds
            one frame per (start, end); a frame may go on in the next page. An offset past the end gives no frames and the right
            total.
        R12 Filters: all names must match, any value of a list does; a name is looked up in groupby and in metadata, values
            compare as text, `type` is the metric type, and nothing in a value is interpreted. Filters, metric types and resources
            hold at most 200 values in all, filters at most 32 names (`InvalidInput` above); the same holds for deletions.
        R13 `begin` and `end` default to this month, in the store's zone, or the process's when the store has none.

        Args:
            begin, end: bounds; a datetime without a zone is UTC.
            filters: `{name: value}` or `{name: [values]}`.
            metric_types: None or empty for all.
            offset, limit, paginate: the page.
            resource: id or ids of resources; matches any of the names in the option `resource_keys`.

        Returns:
            `{'total': int, 'dataframes': [DataFrame]}`
        """
        page = paging.page(offset, limit, paginate)
        selection = self._selection(begin, end, filters, metric_types, resource)
        if page is None:
            with self._stream(selection) as stream:
                frames = list(self._as_frames(stream))
            total = sum(len(points) for frame in frames for _, points in frame.itertypes())
            return {"total": total, "dataframes": frames}
        total, rows = self._page(selection, page)
        return {"total": total, "dataframes": list(self._as_frames(rows))}

    def iter_frames(
        self,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        filters: dict[str, Any] | None = None,
        metric_types: str | list[str] | None = None,
        *,
        resource: str | list[str] | None = None,
        max_points: int = 10_000,
    ) -> Iterator[DataFrame]:
        """Yield what `retrieve(paginate=False)` lists, in memory that does not grow with it.

        R14 One moment's state: writes that happen during the walk are not seen. A frame of more than `max_points` points comes in
            parts, in order.
        """
        selection = self._selection(begin, end, filters, metric_types, resource)
        with self._stream(selection) as rows:
            yield from self._as_frames(rows, max_points)

    def total(
        self,
        groupby: list[str] | None = None,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        metric_types: str | list[str] | None = None,
        filters: dict[str, Any] | None = None,
        offset: int = 0,
        limit: int = 1000,
        paginate: bool = True,
        *,
        custom_fields: str | None = None,
        resource: str | list[str] | None = None,
    ) -> dict[str, Any]:
        """Sums of quantity and price, grouped.

        R15 A row is `{'begin', 'end', 'qty', 'rate', <groupby names>}` in this order; begin and end are the query's bounds, sums
            are exact.
        R16 Without groupby there is one row, or none when no point matches.
        R17 `time` groups by (frame start, frame end), which become the row's begin and end; `time-d`, `-w`, `-m`, `-y` group on the
            day, week, month, year of the point's groupby, derived from the frame's start in the store's zone where it is missing.
            More than 32 names are refused (`InvalidInput`).
        R18 A point that lacks a grouped attribute falls in the group `''`: rows always add up to the ungrouped total. Values keep
            their type.
        R19 Rows are sorted by the groupby values as text, in the order of the names; `total` counts groups before paging.
        R20 `custom_fields` (`SUM(qty) AS qty, MAX(price) AS dearest`) takes the place of qty and rate; it is parsed, never
            passed on. At most 32 aggregates (`InvalidInput` above).

        Args:
            groupby: names; see R17.
            begin, end, metric_types, filters, resource: as for `retrieve`.
            offset, limit, paginate: the page, in groups.
            custom_fields: aggregates of one's own; SUM, MIN, MAX, MEAN, COUNT of qty or price.

        Returns:
            `{'total': int, 'results': [dict]}`
        """
        page = paging.page(offset, limit, paginate)
        groups = self._groups(groupby)
        asked = query.measures(custom_fields, groups)
        if any(key.by is query.By.CALENDAR for key in groups):
            self.require("group_calendar")
        if custom_fields is not None:
            self.require("custom_fields")
        selection = self._selection(begin, end, filters, metric_types, resource)
        count, found = self._total(selection, groups, asked, page)
        bounds = tuple(None if bound is None else time.from_micros(bound) for bound in selection[:2])
        names = [key.name for key in groups if key.by is not query.By.PERIOD]
        rows = []
        keys = ["begin", "end", *(measure.alias for measure in asked), *names]
        for values, measured, period in found:
            rows.append(dict(zip(keys, (*(period or bounds), *measured, *values), strict=True)))
        return {"total": count, "results": rows}

    def delete(
        self,
        begin: dt.datetime | None = None,
        end: dt.datetime | None = None,
        filters: dict[str, Any] | None = None,
    ) -> None:
        """Delete the points of `[begin, end)` that match all filters; a missing bound is open.

        R21 Nothing else is touched; `delete()` empties the store; nothing to delete is no error. Readers see all of it or nothing.
        """
        self._delete(query.selection(begin, end, filters))

    def replace(
        self,
        begin: dt.datetime | None,
        end: dt.datetime | None,
        filters: dict[str, Any] | None,
        dataframes: Iterable[DataFrame],
    ) -> None:
        """Reprocess: delete `[begin, end)` and push `dataframes`, in one transaction.

        R22 Readers see the old state or the new one.
        """
        self.require("replace_atomic")
        self._replace(query.selection(begin, end, filters), _frames(dataframes))

    @staticmethod
    def get_retention() -> dt.timedelta:
        """How long rated usage is kept: option `[storage] retention_period`, in hours, default 2400; 0 keeps all.

        The default deletes nothing: see `kept_for`.
        """
        return dt.timedelta(hours=settings.get("storage", "retention_period"))

    def kept_for(self) -> dt.timedelta | None:
        """The retention by which usage is deleted: `get_retention()` where the operator wrote one, else None, which keeps all.

        A host whose own option counts puts its `get_retention` in the place of this method.
        """
        return self.get_retention() if settings.is_set("storage", "retention_period") else None

    def get_tenants(self, begin: dt.datetime | None = None, end: dt.datetime | None = None) -> list[str]:
        """Scopes (values of the option `scope_key`) that have points in `[begin, end)`; a missing bound is open.

        R23 Sorted; a scope whose points were all deleted is gone.
        """
        return self._scopes(query.selection(begin, end, None))

    def scopes(self) -> list[tuple[str, dt.datetime]]:
        """Every scope that has points, and the end of its newest frame.

        R27 Sorted by scope, as text; points without a scope are left out.

        Cost: one statement.
        """
        return self._scope_ends()

    def expire(self, now: dt.datetime | None = None) -> int:
        """Maintenance: delete what starts before now - retention; return how many points.

        R24 A retention of 0 keeps everything, and so does one that nobody wrote.
        """
        limit = self.expiry(now)
        return 0 if limit is None else sum(batch.points for batch in self.expire_before(limit))

    def expiry(self, now: dt.datetime | None = None, keep: dt.timedelta | None = None) -> dt.datetime | None:
        """The moment before which usage is no longer kept; None when everything is.

        Args:
            now: the present moment; our clock's when None.
            keep: another retention than `kept_for()`; 0 keeps everything.
        """
        kept = self.kept_for() if keep is None else keep
        if not kept:
            return None
        try:
            return (time.now() if now is None else time.as_utc(now, "now")) - kept
        except OverflowError:
            return None

    def expired(self, limit: dt.datetime) -> findings.Share:
        """How many of all points start before `limit`: what `expire_before` would delete."""
        before = query.Selection(end=time.to_micros(limit, "limit"))
        part, whole = (self._page(selection, paging.Page(0, 0))[0] for selection in (before, query.Selection()))
        return findings.Share(part, whole)

    def expire_before(self, limit: dt.datetime) -> Iterator[Expired]:
        """Delete what starts before `limit`, a day at a time from the oldest on; each batch is a transaction of its own.

        R28 A batch is gone for good when it is yielded. Whoever stops the walk, or is killed, keeps what is newer, and the next
            walk goes on there. Others read and write between the batches.
        """
        last = time.to_micros(limit, "limit")
        until: int | None = None
        while until != last:
            bounds = self._span()
            if bounds is None or bounds[0] >= last:
                return
            begin = bounds[0] if until is None else max(bounds[0], until)
            until = min(last, begin + _DAY)
            points = self._delete(query.Selection(begin, until))
            yield Expired(time.from_micros(begin), time.from_micros(until), points)

    def maintain(self) -> int:
        """Do now what the driver puts off until there is enough of it, such as sums by series; how many points waited for it.

        R31 No answer changes, neither then nor meanwhile. Nobody needs to call it: a driver does the same by itself in time.
        """
        return 0

    def span(self) -> tuple[dt.datetime, dt.datetime] | None:
        """Bounds `[begin, end)` of the starts of all stored points; None when there are none.

        R29 Every point starts within; a driver may answer in whole days.
        """
        bounds = self._span()
        return None if bounds is None else (time.from_micros(bounds[0]), time.from_micros(min(bounds[1], time.LAST)))

    def locks(self) -> jobs.Locks:
        """Where the processes that work on this store agree which of them does a periodic job.

        Without a place that all of them see, the threads of one process agree, and processes may repeat each other's work.
        """
        return jobs.LocalLocks()

    def diagnose(self, *, verify: bool = False) -> Iterator[findings.Finding]:
        """Examine the store: connection, rights, version, clock, durability, sizes, and whether sums and points agree.

        R30 Nothing is changed. Every check has a name of its own; findings come as they are made.

        Args:
            verify: compare all sums with all points, not those of a sample only.
        """
        yield findings.ok("points", f"{self._page(query.Selection(), paging.Page(0, 0))[0]:,}")
        yield from self._examine_retention()

    def parse_groupby_syntax_to_groupby_elements(self, groupbys: list[str] | None) -> list[str] | None:
        """Groupby names with `time-d` and the like replaced by the attribute they group on; CloudKitty's helper of that name."""
        if not groupbys:
            return groupbys
        out = []
        for given in groupbys:
            key = self._groups([given])[0]
            if key.by is query.By.ATTRIBUTE and "time" in given and given.count("-") > 1:
                LOG.warning("groupby %r is taken as the name of an attribute", given[:64])
            out.append(given if key.by is query.By.PERIOD else key.name)
        return out

    # -- helpers ---------------------------------------------------------------------------------------------------

    def require(self, capability: str) -> None:
        """Raise `Unsupported` when this driver declares that it lacks `capability`."""
        self.capabilities.require(capability, type(self).__module__)

    def _span(self) -> tuple[int, int] | None:
        """`span` in microseconds; to be overridden where the engine knows it faster."""
        count, rows = self._page(query.Selection(), paging.Page(0, 1))
        begin = [time.to_micros(row.start) for row in rows]
        if not begin:
            return None
        _, rows = self._page(query.Selection(), paging.Page(count - 1, 1))
        return begin[0], max(time.to_micros(row.start) for row in rows) + 1

    def _examine_retention(self) -> Iterator[findings.Finding]:
        limit, bounds = self.expiry(), self.span()
        if limit is None:
            yield findings.ok("retention", "everything is kept")
            return
        kept = f"{span.words(self.kept_for() or dt.timedelta())} are kept"
        share = self.expired(limit)
        if bounds is None or not share.part:
            yield findings.ok("retention", f"{kept}, nothing older is there")
            return
        found = f"{kept}, and there is usage since {bounds[0]:%Y-%m-%d}: the next run of the worker deletes {share.words} points"
        if share.is_large:
            yield findings.warning("retention", found, findings.EXPIRES_MUCH)
        elif bounds[0] < limit - dt.timedelta(days=2):
            # The worker comes each hour, and the bounds may begin a day early.
            yield findings.warning("retention", found, "let `undercroft worker` run, or `undercroft rating expire`")
        else:
            yield findings.ok("retention", found)

    def _groups(self, groupby: Iterable[str] | None) -> list[query.GroupKey]:
        return query.groupby_elements(groupby)

    def _selection(self, begin: Any, end: Any, filters: Any, metric_types: Any, resource: Any) -> query.Selection:
        first, last = query.this_month(begin, end, self.zone)
        return query.selection(first, last, filters, metric_types, resource=resource, resource_keys=self.resource_keys)

    def _as_frames(self, rows: Iterable[Row], max_points: int | None = None) -> Iterator[Any]:
        """Group rows, which come sorted, into one frame per (start, end)."""
        make = self.point_class._make
        frame: Any = None
        size = 0
        bounds: tuple[dt.datetime, dt.datetime] | None = None
        kind = ""
        points: list[Any] = []
        for row in rows:
            if bounds != row[:2] or (max_points is not None and size >= max_points):
                if frame is not None:
                    frame.add_points(points, kind)
                    yield frame
                bounds, kind, points, size = row[:2], row.type, [], 0
                frame = self.frame_class(start=row.start, end=row.end)
            elif kind != row.type:
                frame.add_points(points, kind)
                kind, points = row.type, []
            points.append(make((*row[3:], None)))
            size += 1
        if frame is not None:
            frame.add_points(points, kind)
            yield frame


def _frames(dataframes: Any) -> list[Any]:
    if isinstance(dataframes, (str, bytes, dict)) or not isinstance(dataframes, Iterable):
        raise WrongType("dataframes", f"expected a list of DataFrames, got {type(dataframes).__name__}")
    frames = list(dataframes)
    for position, frame in enumerate(frames):
        if not hasattr(frame, "itertypes") or not hasattr(frame, "start") or not hasattr(frame, "end"):
            raise WrongType(f"dataframes[{position}]", f"expected a DataFrame, got {type(frame).__name__}")
    return frames


__all__ = ["BaseStorage", "Capabilities", "Expired", "Group", "InvalidInput", "Row"]
