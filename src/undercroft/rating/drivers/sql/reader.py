"""Reading rated usage: a total is at most three statements, and the engine does the adding up."""

from __future__ import annotations

import datetime as dt
import itertools
import operator
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.core.paging import LARGEST, Page
from undercroft.core.portions import portions
from undercroft.core.time import from_micros
from undercroft.rating import calendar
from undercroft.rating.calendar import PARTS
from undercroft.rating.contract import Group, Row
from undercroft.rating.drivers.sql import pages, predicates, totals
from undercroft.rating.drivers.sql.exact import Layout, TooWide
from undercroft.rating.drivers.sql.pages import Counts, Within
from undercroft.rating.drivers.sql.schema import QTY
from undercroft.rating.drivers.sql.shape import (
    BY_SCOPE,
    BY_SERIES,
    Built,
    DayValues,
    GroupShape,
    Level,
    Probe,
    Shape,
    Target,
    Values,
    asked,
    built,
    whole_days,
)
from undercroft.rating.drivers.sql.totals import Source, TotalShape
from undercroft.rating.models import FrozenDict
from undercroft.rating.numbers import CONTEXT, plain
from undercroft.rating.query import By, Function, GroupKey, Measure, Selection

K = TypeVar("K")
EXTREMES = (Function.MIN, Function.MAX)
# Attributes that months cannot tell apart.
_WITHIN_MONTH = {"week_of_the_year", "day_of_the_year"}
# Up to so many buckets, sums per series first would cost more than they save.
_FEW_BUCKETS = 2
_POINTS_AT_ONCE = 20_000
_SLOTS_AT_ONCE = 500
_DECODED = 20_000


class Question(NamedTuple):
    """What a total is asked for; without a page, all groups are."""

    selection: Selection
    groups: Sequence[GroupKey]
    measures: Sequence[Measure]
    page: Page | None


class Reader:
    """Answers one question about a store; `connection` is always on one consistent state of the data.

    Attributes:
        exact: how sums were asked for in the end, and should be next time.
    """

    def __init__(self, target: Target, zone: dt.tzinfo, scope_key: str, exact: Layout) -> None:
        self._target = target
        self._zone = zone
        self._scope_key = scope_key
        self.exact = exact

    def probe(self, connection: sa.Connection, selection: Selection, groups: Sequence[GroupKey] = ()) -> Probe | None:
        """Ask the dictionary first; None when no point can match."""
        if selection.is_empty:
            return None
        conditions = selection.conditions
        calendars = frozenset(key.name for key in groups if key.by is By.CALENDAR)
        if not conditions and not calendars:
            return Probe((), (), frozenset())
        statement = built(predicates.probe_statement, self._target, len(conditions), len(calendars))
        rows = statement.rows(connection, predicates.probe_values(conditions, calendars))
        probe = predicates.read_probe(rows, conditions, calendars)
        for condition, series, details in zip(conditions, probe.series, probe.details, strict=True):
            if not series and not details and not PARTS.keys() & set(condition.names):
                return None
        return probe

    # -- totals ----------------------------------------------------------------------------------------------------

    def total(self, connection: sa.Connection, question: Question) -> tuple[int, list[Group]]:
        """Number of groups, and those of the page."""
        probe = self.probe(connection, question.selection, question.groups)
        if probe is None:
            return 0, []
        try:
            return self._total(connection, question, probe)
        except TooWide:
            self.exact = self._target.tables.exact
            return self._total(connection, question, probe)

    def _total(self, connection: sa.Connection, question: Question, probe: Probe) -> tuple[int, list[Group]]:
        _, groups, measures, page = question
        total, values = self._shape(question, probe)
        if page is None and total.shape.level is BY_SCOPE and {By.TYPE, By.ATTRIBUTE} == {key.by for key in groups}:
            found = self._each_scope(connection, question, total.shape, values)
            if found is not None:
                return len(found), found
        statement = built(totals.total_statement, self._target, total)
        if page is None:
            found = self._decoded_groups(statement.names, statement.rows(connection, values), groups, measures)
            return len(found), found
        last = min(page.offset + page.limit, LARGEST)
        rows = statement.rows(connection, {**values, "offset": page.offset, "last": last})
        # The last column is a group's place, the one before it the number of groups.
        chosen = rows if page.offset == 0 and page.limit else [row for row in rows if page.offset < row[-1] <= last]
        return rows[0][-2] if rows else 0, self._decoded_groups(statement.names, chosen, groups, measures)

    def _shape(self, question: Question, probe: Probe) -> tuple[TotalShape, Values]:
        """What the statement depends on, and the values that it is run with."""
        selection, groups, measures, page = question
        shape, values = asked(selection, probe)
        for position, key in enumerate(groups):
            values[f"group{position}"] = key.name.encode()
        extremes = tuple(sorted({m.column for m in measures if m.function in EXTREMES}))
        level = self._level(selection, groups, probe, extremes)
        source = self._source(selection, groups, probe, extremes)
        shape = shape._replace(exact=self.exact, level=level, extremes=extremes)
        if source is Source.SERIES:
            calendars = self._calendars(selection, groups)
            whole = self._whole_days(selection, probe, months=not calendars & _WITHIN_MONTH)
            if whole is not None:
                values |= whole.values
                shape = shape._replace(days=whole.days)
            if calendars or (whole is not None and not whole.days.edges and whole.buckets <= _FEW_BUCKETS):
                source = Source.BUCKETS
        return TotalShape(shape, source, tuple(_group_shape(key, probe) for key in groups), page is not None), values

    def _level(self, selection: Selection, groups: Sequence[GroupKey], probe: Probe, extremes: Sequence[str]) -> Level:
        """Scopes, where they know all that is asked for; they keep no calendar attributes, and points have series."""
        if self._from_points(groups, probe, extremes):
            return BY_SERIES
        names = {name for condition in selection.conditions for name in condition.names}
        names |= {key.name for key in groups if key.by is By.ATTRIBUTE or key.name in probe.stored}
        return BY_SCOPE if names <= {self._scope_key} - PARTS.keys() else BY_SERIES

    @staticmethod
    def _from_points(groups: Sequence[GroupKey], probe: Probe, extremes: Sequence[str]) -> bool:
        return bool(extremes) or any(probe.details) or any(key.by is By.PERIOD for key in groups)

    def _source(self, selection: Selection, groups: Sequence[GroupKey], probe: Probe, extremes: Sequence[str]) -> Source:
        attributes = any(key.by is By.ATTRIBUTE or key.name in probe.stored for key in groups)
        if not selection.conditions and not attributes and not extremes:
            return Source.SLOTS
        if self._from_points(groups, probe, extremes):
            return Source.PERIODS if any(key.by is By.PERIOD for key in groups) else Source.POINTS
        return Source.SERIES

    @staticmethod
    def _calendars(selection: Selection, groups: Sequence[GroupKey]) -> set[str]:
        names = {name for condition in selection.conditions for name in condition.names}
        return (names | {key.name for key in groups}) & PARTS.keys()

    def _whole_days(self, selection: Selection, probe: Probe, *, months: bool) -> DayValues | None:
        return whole_days(selection.begin, selection.end, self._zone, months=months, selective=probe.is_selective)

    def _each_scope(self, connection: sa.Connection, question: Question, shape: Shape, values: Values) -> list[Group] | None:
        """Groups by type and scope, told apart by the scopes' ids: half of the time that it takes to group by their texts.

        None where that may be wrong: where the value of a scope is no text, or one without a value is beside an empty one.
        """
        statement = built(totals.scopes_statement, self._target, shape)
        rows = statement.rows(connection, values)
        known = {body: msgspec.json.decode(body).get(self._scope_key, "") for body in {row[1] for row in rows}}
        if not all(type(value) is str for value in known.values()) or len(set(known.values())) < len(known):
            return None
        types = [bytes(row[0]).decode() for row in rows]
        scopes = [known[row[1]] for row in rows]
        groups = zip(*(types if key.by is By.TYPE else scopes for key in question.groups), strict=True)
        ordered = sorted(zip(groups, rows, strict=True))
        columns = _columns(statement.names, [row for _, row in ordered])
        return self._measured_groups(columns, [group for group, _ in ordered], question.measures)

    def _decoded_groups(
        self, names: Sequence[str], rows: Sequence[Any], groups: Sequence[GroupKey], measures: Sequence[Measure]
    ) -> list[Group]:
        """The groups in rows with columns of these names, decoded column by column."""
        columns = _columns(names, rows)
        wanted = [position for position, key in enumerate(groups) if key.by is not By.PERIOD]
        values = [_values(columns[f"t{position}"], columns.get(f"j{position}")) for position in wanted]
        return self._measured_groups(columns, zip(*values, strict=True) if values else [()] * len(rows), measures)

    def _measured_groups(
        self, columns: Mapping[str, Sequence[Any]], values: Iterable[tuple[Any, ...]], measures: Sequence[Measure]
    ) -> list[Group]:
        """The groups with these values, measured by the columns."""
        numbers = [self._measured(measure, columns) for measure in measures]
        periods: Iterable[Any] = itertools.repeat(None)
        if "begin" in columns:
            periods = zip(map(from_micros, columns["begin"]), map(from_micros, columns["end"]), strict=True)
        each_numbers: Iterable[Any] = zip(*numbers, strict=True) if numbers else itertools.repeat(())
        return [Group(*group) for group in zip(values, each_numbers, periods, strict=False)]

    def _measured(self, measure: Measure, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """A column of a measure's values."""
        exact, function = self.exact, measure.function
        if function is Function.COUNT:
            return list(map(int, columns["points"]))
        if function in EXTREMES:
            return list(map(exact.decode_ordered, columns[f"{measure.column}_{function.value.lower()}"]))
        sums = exact.decode_sums([columns[f"{measure.column}{number}"] for number in range(exact.parts)])
        if function is Function.SUM:
            return sums
        return [mean(total, int(points)) for total, points in zip(sums, columns["points"], strict=True)]

    # -- points ----------------------------------------------------------------------------------------------------

    def page(self, connection: sa.Connection, selection: Selection, page: Page) -> tuple[int, list[Row]]:
        """Number of selected points, and those of the page: counts by day say where it lies, then its rows are read."""
        probe = self.probe(connection, selection)
        if probe is None:
            return 0, []
        shape, values = asked(selection, probe)
        by_day = self._counts_by_day(selection, probe, shape, values)
        days = [(day, int(count)) for day, count in by_day.rows(connection, values)]
        total = sum(count for _, count in days)
        chosen, skip = _located(calendar.in_order(days, self._zone), page)
        if not chosen:
            return total, []
        values |= {"from_day": chosen[0][0], "to_day": chosen[-1][1]}
        within = Within.DAYS
        if not selection.conditions:
            by_slot = built(pages.counts_by_slot, self._target, shape).rows(connection, values)
            values["slots"], skip = _located([(number, int(count)) for number, count in by_slot], Page(skip, page.limit))
            within = Within.PAGE
        values |= {"limit": page.limit, "skip": skip}
        rows = built(pages.rows, self._target, shape, within).rows(connection, values)
        return total, list(self._decoded(rows))

    def _counts_by_day(self, selection: Selection, probe: Probe, shape: Shape, values: Values) -> Built:
        if not selection.conditions:
            return built(pages.counts_by_day, self._target, shape, Counts.SLOTS)
        if shape.details:
            return built(pages.counts_by_day, self._target, shape, Counts.POINTS)
        whole = self._whole_days(selection, probe, months=False)
        if whole is not None:
            values |= whole.values
            shape = shape._replace(days=whole.days)
        return built(pages.counts_by_day, self._target, shape, Counts.ROLLUPS)

    def stream(self, connection: sa.Connection, selection: Selection) -> Generator[Row, None, None]:
        """The selected points in the order of `page`, some slots at a time."""
        probe = self.probe(connection, selection)
        if probe is None:
            return
        shape, values = asked(selection, probe)
        counts = built(pages.slots_in_range, self._target, shape).rows(connection, values)
        rows = built(pages.rows, self._target, shape, Within.SLOTS).statement
        most = _POINTS_AT_ONCE * (10 if probe.is_selective else 1)
        for portion in portions(counts, _SLOTS_AT_ONCE, most, operator.itemgetter(1)):
            slots = [number for number, _ in portion]
            # Closed at once when the walk is given up: a server-side cursor would stay open otherwise.
            with connection.execute(rows, {**values, "slots": slots}, execution_options={"yield_per": 5_000}) as result:
                yield from self._decoded(result)

    def _decoded(self, rows: Any) -> Iterator[Row]:
        exact = self._target.tables.exact
        width = len(exact.columns(QTY))
        moments: dict[int, dt.datetime] = {}
        groupbys: dict[tuple[int, int], FrozenDict] = {}
        details: dict[int, tuple[str, FrozenDict]] = {}
        for begin, end, type_, day, series_id, bits, series, detail_id, unit, detail, *numbers in rows:
            for moment in (begin, end):
                if moment not in moments:
                    moments[moment] = from_micros(moment)
            groupby = groupbys.get((series_id, day))
            if groupby is None:
                if len(groupbys) > _DECODED:
                    groupbys.clear()
                groupby = groupbys[series_id, day] = _groupby(series, bits, day)
            known = details.get(detail_id)
            if known is None:
                if len(details) > _DECODED:
                    details.clear()
                known = details[detail_id] = bytes(unit).decode(), FrozenDict(msgspec.json.decode(detail))
            yield Row(
                moments[begin], moments[end], bytes(type_).decode(), known[0],
                exact.decode(numbers[:width]), exact.decode(numbers[width:]), groupby, known[1],
            )  # fmt: skip
            if len(moments) > _DECODED:
                moments.clear()


def _group_shape(key: GroupKey, probe: Probe) -> GroupShape:
    is_part = key.by in (By.ATTRIBUTE, By.CALENDAR) and key.name in PARTS
    return GroupShape(key.by, key.name if is_part else None, key.name in probe.stored)


def _columns(names: Sequence[str], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """The columns of rows, by name; further ones behind them are left out."""
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=False))


def _values(texts: Sequence[bytes], forms: Sequence[bytes | None] | None) -> list[Any]:
    """Values of groups, with the types they were stored with."""
    if forms is None or not any(forms):
        return [bytes(text).decode() for text in texts]
    decode = msgspec.json.decode
    return [bytes(text).decode() if form is None else decode(form) for text, form in zip(texts, forms, strict=True)]


def mean(total: Decimal, count: int) -> Decimal:
    """A sum divided by a count, at 38 places, rounded half-even."""
    return plain(CONTEXT.divide(total, Decimal(count)).quantize(Decimal(1).scaleb(-38), context=CONTEXT))


def _groupby(body: str, bits: int, day: int) -> FrozenDict:
    """A series' attributes with the calendar ones that were left out of the dictionary."""
    attributes = msgspec.json.decode(body)
    if bits:
        derived = calendar.attributes(day)
        attributes |= {name: derived[name] for name, part in PARTS.items() if bits & part.bit}
    return FrozenDict(attributes)


def _located(counts: Iterable[tuple[K, int]], page: Page) -> tuple[list[K], int]:
    """Keys of the counted parts that a page touches, and how many points of the first to pass over."""
    chosen: list[K] = []
    skip = 0
    passed = 0
    for key, count in counts:
        if passed >= page.offset + page.limit:
            break
        if passed + count > page.offset:
            if not chosen:
                skip = page.offset - passed
            chosen.append(key)
        passed += count
    return chosen, skip
