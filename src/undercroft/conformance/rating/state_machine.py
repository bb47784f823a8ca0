"""A random walk through the rating contract: stores and the oracle do the same, and must answer the same after every step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from undercroft.conformance.plugin import Opener
from undercroft.conformance.rating.data import ALWAYS, everything, flat, same_points, same_rows, sums
from undercroft.conformance.rating.oracle import KeyTaken, Oracle, Stored, add
from undercroft.conformance.stateful import Walker
from undercroft.core.errors import Conflict
from undercroft.rating import BaseStorage, DataFrame, DataPoint

# Around clock changes of Lord Howe and of Paris, ends of days, months and years there and in UTC, and the ends of time.
_DAYS = [
    dt.datetime(year, month, day, tzinfo=dt.UTC)
    for year, month, day in (
        (2024, 3, 30), (2024, 3, 31), (2024, 4, 1), (2024, 4, 6), (2024, 4, 7), (2024, 4, 30), (2024, 5, 1), (2023, 12, 31),
        (2024, 1, 1), (2023, 2, 28),
    )
]  # fmt: skip
_EDGES = [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 30, tzinfo=dt.UTC), dt.datetime(1970, 1, 1, tzinfo=dt.UTC)]
_OFFSETS = [dt.timedelta(minutes=m) for m in (0, 1, 60, 630, 660, 780, 810, 1380, 1410, 1439)] + [dt.timedelta(microseconds=1)]
_MOMENTS = st.one_of(
    st.builds(lambda day, more: day + more, st.sampled_from(_DAYS), st.sampled_from(_OFFSETS)), st.sampled_from(_EDGES)
)
_LENGTHS = st.sampled_from(
    [dt.timedelta(hours=1), dt.timedelta(hours=1), dt.timedelta(minutes=30), dt.timedelta(0), dt.timedelta(days=1)]
)

_PROJECTS = ["a", "b", "", "é'%_\\\x00"]
_IDS: list[Any] = ["x", "y", 1, "1", 1.0, True, None, [1], {"k": 1}]
_ZONES: list[Any] = ["north", "south", 7, "7", None]
_TYPES = ["cpu", "disk", "\U0001f600|type"]
_STORED: dict[str, list[Any]] = {
    "year": ["2024", "2023", 2024],
    "month": ["3", "4", "04", 4, ""],
    "week_of_the_year": ["13", "14", "99"],
    "day_of_the_year": ["91", "98", 98],
}


def _number(digits: int, places: int) -> Decimal:
    return Decimal((int(digits < 0), tuple(int(digit) for digit in str(abs(digits))), -places))


_NUMBERS = st.one_of(
    st.integers(-3, 30).map(Decimal),
    st.builds(_number, st.integers(-(10**38) + 1, 10**38 - 1), st.integers(18, 38)),
    st.builds(_number, st.integers(-(10**30), 10**30), st.integers(39, 45)),
    st.sampled_from([Decimal(99999999999999999999), Decimal("-1E-38"), Decimal("0.1"), Decimal("5E-39"), Decimal("1E+19")]),
)
_GROUPBYS = st.fixed_dictionaries(
    {"project_id": st.sampled_from(_PROJECTS)},
    optional={"id": st.sampled_from(_IDS), "zone": st.sampled_from(_ZONES)}
    | {name: st.sampled_from(values) for name, values in _STORED.items()},
)
_IN_METADATA = ("zone", "id", "month")
_METADATA = st.fixed_dictionaries(
    {}, optional={"zone": st.sampled_from(_ZONES), "id": st.sampled_from(_IDS), "month": st.just("4")}
)
_UNITS = st.sampled_from(["GiB", "MiB", None])


def _following(start: dt.datetime) -> dict[str, str]:
    """Calendar attributes as collectors add them, in UTC."""
    day = start.timetuple()
    return {
        "year": str(day.tm_year),
        "month": str(day.tm_mon),
        "week_of_the_year": start.strftime("%U"),
        "day_of_the_year": str(day.tm_yday),
    }


@st.composite
def frames(draw: st.DrawFn) -> DataFrame:
    """A frame of a few points."""
    start = draw(_MOMENTS)
    collected = draw(st.booleans())
    frame = DataFrame(start, start + draw(_LENGTHS))
    for _ in range(draw(st.integers(0, 4))):
        groupby = draw(_GROUPBYS)
        if collected:
            groupby = _following(start) | groupby
        point = DataPoint(draw(_UNITS), draw(_NUMBERS), draw(_NUMBERS), groupby, draw(_METADATA))
        frame.add_point(point, draw(st.sampled_from(_TYPES)))
    return frame


def _one_or_several(values: list[Any]) -> st.SearchStrategy[Any]:
    plain = [value for value in values if not isinstance(value, (list, dict))]
    return st.one_of(st.sampled_from(plain), st.lists(st.sampled_from(plain), max_size=3))


FILTERS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {},
        optional={
            "project_id": _one_or_several(_PROJECTS),
            "id": _one_or_several(_IDS),
            "zone": _one_or_several(_ZONES),
            "month": _one_or_several(_STORED["month"]),
            "day_of_the_year": _one_or_several(_STORED["day_of_the_year"]),
            "type": _one_or_several(_TYPES),
        },
    ),
)
RANGES = st.tuples(st.none() | _MOMENTS, st.none() | _MOMENTS).map(
    lambda bounds: bounds if None in bounds else tuple(sorted(bounds))
)
TYPES = st.one_of(st.none(), st.sampled_from(_TYPES), st.lists(st.sampled_from(_TYPES), max_size=2))
CALENDARS = ["time-d", "time-w", "time-m", "time-y"]
GROUPS = ["type", "project_id", "id", "zone", "time", "nobody"]
BATCHES = st.lists(frames(), max_size=4)


class RatingMachine(Walker):
    """One walk.

    Args:
        openers: one for each store.
        options: options of every store, and of the oracle.
    """

    oracle: Oracle
    stores: list[BaseStorage]
    refused, refusal = KeyTaken, Conflict

    def __init__(self, openers: Sequence[Opener], options: Mapping[str, Any] | None = None) -> None:
        super().__init__(openers, Oracle(**options or {}), options)
        for store in self.stores:
            store.delete()
        self.pushed: list[list[DataFrame]] = []

    # -- writes ----------------------------------------------------------------------------------------------------

    @initialize(batch=BATCHES)
    def begin(self, batch: list[DataFrame]) -> None:
        """Most walks start with something stored."""
        self.push(batch)

    @rule(batch=BATCHES)
    def push(self, batch: list[DataFrame]) -> None:
        """Push; keys that are there are replaced."""
        self._push(batch)
        self.pushed.append(batch)

    @precondition(lambda self: self.pushed)
    @rule(data=st.data(), less=st.integers(0, 2))
    def push_again(self, data: st.DataObject, less: int) -> None:
        """Push something again: whole, or less some frames, or each frame by itself, last first."""
        batch = data.draw(st.sampled_from(self.pushed))
        for part in ([batch], [batch[less:]], [[frame] for frame in reversed(batch)])[less]:
            self._push(part)

    @precondition(lambda self: self.pushed and self.reopens)
    @rule(data=st.data(), batch=BATCHES, mode=st.sampled_from(["append", "error"]))
    def push_otherwise(self, data: st.DataObject, batch: list[DataFrame], mode: str) -> None:
        """Push through other objects, which append or refuse; what they are given may be there."""
        if not self.can(f"conflict_{mode}"):
            return
        known = data.draw(st.sampled_from([*self.pushed, []]))
        own, self.stores = self.stores, self._open(on_conflict=mode)
        self.oracle.on_conflict = mode
        try:
            self._push(batch + known)
        finally:
            self._close()
            self.stores, self.oracle.on_conflict = own, "replace"
        self._compare()

    @rule(bounds=RANGES, filters=FILTERS)
    def delete(self, bounds: tuple[Any, Any], filters: dict[str, Any] | None) -> None:
        """Delete."""
        filters = self._possible(filters)
        self._write(lambda store: store.delete(*bounds, filters))

    @precondition(lambda self: self.can("replace_atomic"))
    @rule(bounds=RANGES, filters=FILTERS, batch=BATCHES)
    def replace(self, bounds: tuple[Any, Any], filters: dict[str, Any] | None, batch: list[DataFrame]) -> None:
        """Delete and push in one."""
        filters = self._possible(filters)
        self._write(lambda store: store.replace(*bounds, filters, batch))
        self.pushed.append(batch)

    @rule()
    def maintain(self) -> None:
        """Have the stores do what they put off."""
        for store in self.stores:
            store.maintain()
        self._compare()

    # -- reads -----------------------------------------------------------------------------------------------------

    @rule(
        groupby=st.lists(st.sampled_from(GROUPS + CALENDARS), max_size=3, unique=True), bounds=RANGES, filters=FILTERS, types=TYPES,
        limit=st.integers(1, 7), own=st.booleans(),
    )  # fmt: skip
    def total(self, groupby: list[str], bounds: tuple[Any, Any], filters: Any, types: Any, limit: int, own: bool) -> None:
        """Ask for any total, whole and by pages."""
        if not self.can("group_calendar"):
            groupby = [name for name in groupby if name not in CALENDARS]
        asked = {**_bounds(bounds), "filters": self._possible(filters), "metric_types": types}
        custom: dict[str, Any] = {"custom_fields": _FIELDS} if own and self.can("custom_fields") else {}
        wanted = self.oracle.total(groupby, **asked, **({"fields": _MEASURES} if custom else {}))
        for store in self.stores:
            whole = sums(store, groupby, **asked, **custom)
            same_rows(whole, wanted, groupby)
            pages = [store.total(groupby, **asked, **custom, offset=n, limit=limit) for n in range(0, len(wanted) + 1, limit)]
            assert {page["total"] for page in pages} == {len(wanted)}
            assert [row for page in pages for row in page["results"]] == whole

    @rule(bounds=RANGES, filters=FILTERS, types=TYPES, resource=st.none() | _one_or_several(_IDS), limit=st.integers(1, 7))
    def retrieve(self, bounds: tuple[Any, Any], filters: Any, types: Any, resource: Any, limit: int) -> None:
        """Ask for points: whole, by pages, as a stream."""
        resource = resource if self.can("filter_metadata") else None
        asked = {**_bounds(bounds), "filters": self._possible(filters), "metric_types": types, "resource": resource}
        wanted = self.oracle.retrieve(**asked)
        for store in self.stores:
            whole = everything(store, **asked)
            same_points(whole, wanted)
            pages = [store.retrieve(**asked, offset=n, limit=limit) for n in range(0, len(wanted) + 1, limit)]
            assert {page["total"] for page in pages} == {len(wanted)}
            assert [point for page in pages for point in flat(page["dataframes"])] == whole
            assert flat(store.iter_frames(**asked, max_points=limit)) == whole

    @rule(bounds=RANGES)
    def tenants(self, bounds: tuple[Any, Any]) -> None:
        """Ask for scopes."""
        wanted = self.oracle.tenants(*bounds)
        for store in self.stores:
            assert store.get_tenants(*bounds) == wanted

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _possible(self, filters: dict[str, Any] | None) -> dict[str, Any] | None:
        """Filters that do not ask for what is in metadata, where a store does not look there."""
        if filters is None or self.can("filter_metadata"):
            return filters
        return {name: value for name, value in filters.items() if name not in _IN_METADATA}

    def _push(self, batch: list[DataFrame]) -> None:
        self._write(lambda store: store.push(batch))

    def _compare(self) -> None:
        """The whole content, and the sums that stores may keep ready, are the oracle's."""
        wanted = self.oracle.retrieve()
        for groupby in ([], ["type", "time-m"], ["project_id"]) if self.can("group_calendar") else ([], ["project_id"]):
            rows = self.oracle.total(groupby, **ALWAYS)
            for store in self.stores:
                same_rows(sums(store, groupby), rows, groupby)
        for store in self.stores:
            same_points(everything(store), wanted)


_FIELDS = "COUNT(qty) AS points, MIN(qty) AS least, MAX(price) AS dearest, SUM(price) AS rate"
_MEASURES: dict[str, Callable[[list[Stored]], Any]] = {
    "points": len,
    "least": lambda points: min(point.qty for point in points),
    "dearest": lambda points: max(point.price for point in points),
    "rate": lambda points: add(point.price for point in points),
}


def _bounds(bounds: tuple[Any, Any]) -> dict[str, Any]:
    """Without bounds a question would be about the present month."""
    begin, end = bounds
    return {"begin": begin or ALWAYS["begin"], "end": end or ALWAYS["end"]}
