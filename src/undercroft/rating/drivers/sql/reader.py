"""Reading rated usage: a total is at most three statements, and the engine does the adding up.

A total is answered from the narrowest source that holds the answer:

- `slot_total`, when no attribute is asked for: a few rows an hour;
- `scope_rollup` for the whole months and days of the range, and points for its two edges, when the scope attribute is;
- `rollup` in the same way, and the points of pending slots, when other attributes of series are asked for;
- points, when single periods of chosen series, metadata, or extremes are asked for.

Sums are taken per series first; the dictionary is joined to those, not to points.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.core.paging import LARGEST, Page
from undercroft.core.time import from_micros
from undercroft.rating import calendar
from undercroft.rating.calendar import PARTS
from undercroft.rating.contract import Group, Row
from undercroft.rating.drivers.sql import predicates
from undercroft.rating.drivers.sql.exact import Layout, TooWide
from undercroft.rating.drivers.sql.predicates import BY_SCOPE, BY_SERIES, Expression, Level, Probe
from undercroft.rating.drivers.sql.schema import PRICE, QTY, Tables
from undercroft.rating.drivers.sql.sources import Sources
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

    def __init__(self, tables: Tables, dialect: str, zone: dt.tzinfo, scope_key: str, exact: Layout) -> None:
        self._t = tables
        self._dialect = dialect
        self._zone = zone
        self._scope_key = scope_key
        self.exact = exact

    def probe(self, connection: sa.Connection, selection: Selection, groups: Sequence[GroupKey] = ()) -> Probe | None:
        """Ask the dictionary first; None when no point can match."""
        if selection.is_empty:
            return None
        calendars = frozenset(key.name for key in groups if key.by is By.CALENDAR)
        if not selection.conditions and not calendars:
            return Probe((), (), frozenset())
        statement = predicates.probe_statement(self._t, selection.conditions, calendars)
        probe = predicates.read_probe(connection.execute(statement), selection.conditions, calendars)
        for condition, series, details in zip(selection.conditions, probe.series, probe.details, strict=True):
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
            self.exact = self._t.exact
            return self._total(connection, question, probe)

    def _total(self, connection: sa.Connection, question: Question, probe: Probe) -> tuple[int, list[Group]]:
        selection, groups, measures, page = question
        extremes = sorted({m.column for m in measures if m.function in EXTREMES})
        level = self._level(selection, groups, probe, extremes)
        if page is None and level is BY_SCOPE and {By.TYPE, By.ATTRIBUTE} == {key.by for key in groups}:
            found = self._each_scope(connection, question, probe)
            if found is not None:
                return len(found), found
        source = self._source(selection, groups, probe, extremes, level)
        query, order = self._grouped(source, groups, probe, extremes, level)
        if page is None:
            found = self._decoded_groups(query, connection.execute(query.order_by(*order)).all(), groups, measures)
            return len(found), found
        grouped = query.subquery("grouped")
        texts = [column for column in grouped.columns if column.name in ("begin", "end") or column.name.startswith("t")]
        order = [*texts, *(self._nothing_first(column) for column in grouped.columns if column.name.startswith("j"))]
        counted = sa.select(*grouped.columns, sa.func.count().over().label("groups"))
        row_number = sa.func.row_number(type_=sa.BigInteger).over(order_by=order)
        numbered = counted.add_columns(row_number.label("place")).subquery("numbered")
        place, last = numbered.c.place, min(page.offset + page.limit, LARGEST)
        # The first group comes along in any case: it tells how many there are.
        wanted = sa.or_(place == 1, sa.and_(place > page.offset, place <= last))
        rows = connection.execute(sa.select(numbered).where(wanted).order_by(place)).all()
        chosen = [row for row in rows if page.offset < row.place <= last]
        return rows[0].groups if rows else 0, self._decoded_groups(counted, chosen, groups, measures)

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

    def _source(
        self, selection: Selection, groups: Sequence[GroupKey], probe: Probe, extremes: Sequence[str], level: Level
    ) -> sa.Subquery:
        by_period = any(key.by is By.PERIOD for key in groups)
        sources = Sources(self._t, self._dialect, selection, probe, extremes, level, self.exact)
        attributes = any(key.by is By.ATTRIBUTE or key.name in probe.stored for key in groups)
        if not selection.conditions and not attributes and not extremes:
            return sources.slots().subquery("source")
        calendars = self._calendars(selection, groups)
        if self._from_points(groups, probe, extremes):
            return sources.points(periods=by_period).subquery("source")
        inner = sources.rollups(self._zone, months=not calendars & _WITHIN_MONTH).subquery("bucket")
        whole = sources.coverage(self._zone)
        if calendars or (whole is not None and not whole.has_edges and whole.buckets() <= _FEW_BUCKETS):
            return inner
        sums = [sa.func.sum(column).label(column.name) for column in inner.columns if column.name not in ("series_id", "day")]
        return sa.select(inner.c.series_id, *sums).group_by(inner.c.series_id).subquery("source")

    @staticmethod
    def _calendars(selection: Selection, groups: Sequence[GroupKey]) -> set[str]:
        names = {name for condition in selection.conditions for name in condition.names}
        return (names | {key.name for key in groups}) & PARTS.keys()

    def _grouped(
        self, source: sa.Subquery, groups: Sequence[GroupKey], probe: Probe, extremes: Sequence[str], level: Level
    ) -> tuple[sa.Select[Any], list[Expression]]:
        """The groups of a source: columns t0, j0, t1, ... (a period's are begin and end), the count and the sums; their order."""
        columns: list[Expression] = []
        keys: list[Expression] = []
        forms: list[Expression] = []
        origin: sa.FromClause = source
        # A source without series or days is only asked for groups that need none.
        series_id, day = source.c.get("series_id", sa.null()), source.c.get("day", sa.null())
        for position, key in enumerate(groups):
            if key.by is By.PERIOD:
                keys += [source.c.begin, source.c.end]
                columns += [source.c.begin, source.c.end]
                continue
            if key.by is By.TYPE and "type" in source.c:
                found = predicates.Grouped(source.c.type, sa.null(), None)
            else:
                found = predicates.grouped(self._t, key, position, series_id, day, self._dialect, probe, level)
            if found.join is not None:
                origin = origin.outerjoin(*found.join)
            keys.append(found.text)
            columns.append(found.text.label(f"t{position}"))
            if not isinstance(found.json, sa.sql.elements.Null):
                forms.append(found.json)
                columns.append(found.json.label(f"j{position}"))
        columns += self._sums(source)
        for name in extremes:
            ordered = source.c[f"{name}_ordered"]
            columns += [sa.func.min(ordered).label(f"{name}_min"), sa.func.max(ordered).label(f"{name}_max")]
        query = sa.select(*columns).select_from(origin).group_by(*keys, *forms).having(sa.func.sum(source.c.points) > 0)
        return query, [*keys, *map(self._nothing_first, forms)]

    def _each_scope(self, connection: sa.Connection, question: Question, probe: Probe) -> list[Group] | None:
        """Groups by type and scope, told apart by the scopes' ids: half of the time that it takes to group by their texts.

        None where that may be wrong: where the value of a scope is no text, or one without a value is beside an empty one.
        """
        sources = Sources(self._t, self._dialect, question.selection, probe, (), BY_SCOPE, self.exact)
        source, scope = sources.rollups(self._zone, months=True).subquery("source"), self._t.entry.alias("scope")
        query = (
            sa.select(scope.c.label, scope.c.body, *self._sums(source))
            .join_from(source, scope, scope.c.id == source.c.series_id)
            .group_by(source.c.series_id, scope.c.label, scope.c.body)
            .having(sa.func.sum(source.c.points) > 0)
        )
        rows = connection.execute(query).all()
        known = {body: msgspec.json.decode(body).get(self._scope_key, "") for body in {row[1] for row in rows}}
        if not all(type(value) is str for value in known.values()) or len(set(known.values())) < len(known):
            return None
        types = [bytes(row[0]).decode() for row in rows]
        scopes = [known[row[1]] for row in rows]
        values = zip(*(types if key.by is By.TYPE else scopes for key in question.groups), strict=True)
        ordered = sorted(zip(values, rows, strict=True))
        columns = _columns(query, [row for _, row in ordered])
        return self._measured_groups(columns, [value for value, _ in ordered], question.measures)

    def _sums(self, source: sa.Subquery) -> list[Expression]:
        """The count and the sums of a source."""
        names = ["points", *(f"{name}{number}" for name in (QTY, PRICE) for number in range(self._width()))]
        return [sa.func.sum(source.c[name]).label(name) for name in names]

    def _width(self) -> int:
        """How many partial sums make up a number."""
        return len(self.exact.partial(self._t.point, QTY))

    def _nothing_first(self, form: Expression) -> Expression:
        return form.nulls_first() if self._dialect == "postgresql" else form

    def _decoded_groups(
        self, query: sa.Select[Any], rows: Sequence[Any], groups: Sequence[GroupKey], measures: Sequence[Measure]
    ) -> list[Group]:
        """The groups in rows of `query`, decoded column by column."""
        columns = _columns(query, rows)
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
        sums = exact.decode_sums([columns[f"{measure.column}{number}"] for number in range(self._width())])
        if function is Function.SUM:
            return sums
        return [mean(total, int(points)) for total, points in zip(sums, columns["points"], strict=True)]

    # -- points ----------------------------------------------------------------------------------------------------

    def page(self, connection: sa.Connection, selection: Selection, page: Page) -> tuple[int, list[Row]]:
        """Number of selected points, and those of the page: counts by day say where it lies, then its rows are read."""
        probe = self.probe(connection, selection)
        if probe is None:
            return 0, []
        sources = Sources(self._t, self._dialect, selection, probe)
        slot = self._t.slot.c
        by_slot = not selection.conditions
        if by_slot:
            source = sources.slots().subquery("source")
        elif any(probe.details):
            source = sources.points().subquery("source")
        else:
            source = sources.rollups(self._zone, months=False).subquery("source")
        points = sa.func.sum(source.c.points)
        by_day = sa.select(source.c.day, points).group_by(source.c.day).having(points > 0).order_by(source.c.day)
        days = [(day, int(count)) for day, count in connection.execute(by_day)]
        total = sum(count for _, count in days)
        chosen, skip = _located(calendar.in_order(days, self._zone), page)
        if not chosen:
            return total, []
        first, last = chosen[0][0], chosen[-1][1]
        where = slot.day.between(first, last)
        if by_slot:
            order = [source.c.begin, source.c.end, source.c.type]
            query = sa.select(source.c.slot_id, points).group_by(source.c.slot_id, *order).having(points > 0).order_by(*order)
            found = connection.execute(query.where(source.c.day.between(first, last)))
            numbers, skip = _located([(number, int(count)) for number, count in found], Page(skip, page.limit))
            where = slot.id.in_(numbers)
        rows = self._rows(sources).where(where).limit(page.limit).offset(skip)
        return total, list(self._decoded(connection.execute(rows)))

    def stream(self, connection: sa.Connection, selection: Selection) -> Generator[Row, None, None]:
        """The selected points in the order of `page`, some slots at a time."""
        probe = self.probe(connection, selection)
        if probe is None:
            return
        sources = Sources(self._t, self._dialect, selection, probe)
        slot, total = self._t.slot.c, self._t.slot_total
        counts = (
            sa.select(slot.id, sa.func.sum(total.c.points))
            .join_from(self._t.slot, total, total.c.slot_id == slot.id)
            .where(*sources.in_range())
            .group_by(slot.id, slot.begin, slot.end, slot.type)
            .having(sa.func.sum(total.c.points) > 0)
            .order_by(slot.begin, slot.end, slot.type)
        )
        most = _POINTS_AT_ONCE * (10 if probe.is_selective else 1)
        for numbers in _chunks(connection.execute(counts).all(), most):
            rows = self._rows(sources).where(slot.id.in_(numbers)).execution_options(yield_per=5_000)
            # Closed at once when the walk is given up: a server-side cursor would stay open otherwise.
            with connection.execute(rows) as result:
                yield from self._decoded(result)

    def _rows(self, sources: Sources) -> sa.Select[Any]:
        t = self._t
        slot, point = t.slot.c, t.point.c
        series, detail = t.entry.alias("series"), t.entry.alias("detail")
        columns = [
            slot.begin, slot.end, slot.type, slot.day, point.series_id, series.c.calendar, series.c.body,
            point.detail_id, detail.c.label, detail.c.body,
        ]  # fmt: skip
        columns += [point[name] for name in (*t.exact.columns(QTY), *t.exact.columns(PRICE))]
        return (
            sources.joined(columns)
            .join(series, series.c.id == point.series_id)
            .join(detail, detail.c.id == point.detail_id)
            .order_by(slot.begin, slot.end, slot.type, point.series_id, point.number)
        )

    def _decoded(self, rows: Any) -> Iterator[Row]:
        exact = self._t.exact
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


def _columns(query: sa.Select[Any], rows: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """The columns of rows of `query`, by name; further ones behind them are left out."""
    names = [column.name for column in query.selected_columns]
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


def _chunks(counts: Sequence[Any], most: int) -> Iterator[list[int]]:
    """Slots in order, so many at a time that their points stay below `most` where one slot does."""
    chunk: list[int] = []
    size = 0
    for number, count in counts:
        if chunk and (size + count > most or len(chunk) >= _SLOTS_AT_ONCE):
            yield chunk
            chunk, size = [], 0
        chunk.append(number)
        size += count
    if chunk:
        yield chunk
