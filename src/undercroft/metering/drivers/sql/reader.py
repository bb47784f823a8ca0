"""Reading samples: as models, and the statistics of them.

Statistics are made of days and hours that are folded, and of samples at the edges of the question and where nothing is folded yet.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from undercroft.metering import expression, flatten, query, sums
from undercroft.metering.drivers.sql import ids
from undercroft.metering.drivers.sql.candidates import Candidates, Finder
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.dictionary import Dictionary, Slot
from undercroft.metering.drivers.sql.folding import Folder, summed
from undercroft.metering.drivers.sql.samples import Found, Samples
from undercroft.metering.drivers.sql.schema import DAY, FOLDED, HOUR, SPANS
from undercroft.metering.drivers.sql.walk import Walk
from undercroft.metering.models import Sample
from undercroft.metering.record import Series
from undercroft.metering.sums import Sums

# Samples that become models at once; slots that are read at once.
_AT_ONCE = 1_000
_SLOTS_AT_ONCE = 24
_decode = msgspec.json.Decoder(dict[str, Any]).decode

_FIELDS: dict[str, Callable[[Series], str | None]] = {
    query.USER: lambda series: series.user,
    query.PROJECT: lambda series: series.project,
    query.RESOURCE: lambda series: series.resource,
    query.SOURCE: lambda series: series.source,
}

Values = tuple[str | None, ...]
# What samples are added up by: for statistics (unit, values of the group, values that are counted).
Label = tuple[str, Values, Values]
L = TypeVar("L", bound=Hashable)
# (window, label, sums).
Part = tuple[int, L, Sums]


class Reader:
    """Reads from the tables of one namespace."""

    def __init__(
        self, dialect: Dialect, dictionary: Dictionary, finder: Finder, samples: Samples, walk: Walk, folder: Folder
    ) -> None:
        self._dialect = dialect
        self._dictionary = dictionary
        self._finder = finder
        self._samples = samples
        self._walk = walk
        self._folder = folder

    # -- samples ---------------------------------------------------------------------------------------------------

    def samples(
        self, connection: sa.Connection, selection: query.Selection, limit: int | None, *, ascending: bool
    ) -> Iterator[Sample]:
        """The selected samples by timestamp."""
        left = limit
        holds = None if selection.where is None else expression.holds(selection.where)
        for rows in self._portions(self._rows(connection, selection, limit, ascending=ascending)):
            for sample in self._models(connection, rows):
                if holds is not None and not holds(sample):
                    continue
                if left is not None:
                    if left == 0:
                        return
                    left -= 1
                yield sample

    @staticmethod
    def _portions(rows: Iterator[Found]) -> Iterator[list[Found]]:
        portion: list[Found] = []
        for row in rows:
            portion.append(row)
            if len(portion) == _AT_ONCE:
                yield portion
                portion = []
        if portion:
            yield portion

    def _rows(
        self, connection: sa.Connection, selection: query.Selection, limit: int | None, *, ascending: bool
    ) -> Iterator[Found]:
        """Rows of what is selected, but for its `where`, by timestamp."""
        if selection.message_ids is not None:
            yield from sorted(self._by_ids(connection, selection), key=_moment, reverse=not ascending)
            return
        candidates = self._finder.candidates(connection, selection)
        most = None if selection.reads_samples else limit
        rows = self._walk.rows(connection, selection, candidates, most, ascending=ascending)
        if not selection.metadata:
            yield from rows
            return
        for portion in self._portions(rows):
            yield from self.with_metadata(connection, portion, selection)

    def _by_ids(self, connection: sa.Connection, selection: query.Selection) -> list[Found]:
        keys = [ids.key(each) for each in selection.message_ids or () if each is not None]
        rows = list(self._samples.by_ids(connection, keys))
        series = self._dictionary.series(connection, (row[5] for row in rows))
        chosen = [row for row in rows if _is_of(series(row[5]), selection) and _is_within(row[0], selection)]
        return self.with_metadata(connection, chosen, selection)

    def with_metadata(self, connection: sa.Connection, rows: Sequence[Found], selection: query.Selection) -> list[Found]:
        """Those of the rows whose metadata are as the selection wants them."""
        if not selection.metadata:
            return list(rows)
        wanted = self.metas(connection, {row[3] for row in rows}, selection)
        return [row for row in rows if row[3] in wanted]

    def metas(self, connection: sa.Connection, numbers: set[int], selection: query.Selection) -> set[int]:
        """Those of the metadata that are as the selection wants them."""
        body = self._dictionary.bodies(connection, numbers)
        found = set()
        for number in numbers:
            flat = flatten.compared(_decode(body(number)))
            if all(expression.same(flat.get(key), value) for key, value in selection.metadata):
                found.add(number)
        return found

    def metadata(self, connection: sa.Connection, numbers: Sequence[int]) -> Callable[[int], dict[str, Any]]:
        """What gives the metadata of an id, of these at least."""
        body = self._dictionary.bodies(connection, numbers)
        return lambda number: _decode(body(number))

    def _models(self, connection: sa.Connection, rows: Sequence[Found]) -> Iterator[Sample]:
        dialect = self._dialect
        series = self._dictionary.series(connection, (row[5] for row in rows))
        metadata = self.metadata(connection, [row[3] for row in rows])
        keys = [dialect.unkey(row[2]) for row in rows]
        odd = self._samples.oddities(connection, keys)
        for (ts, delay, _, meta, volume, number), key in zip(rows, keys, strict=True):
            of = series(number)
            message_id, _, signature = odd.get(key, (None, None, None)) if odd else (None, None, None)
            yield Sample(
                of.source, of.meter, of.type, of.unit, volume, of.user, of.project, of.resource, query.moment(ts), metadata(meta),
                message_id or ids.text(key), signature, query.moment(ts + delay),
            )  # fmt: skip

    # -- statistics ------------------------------------------------------------------------------------------------

    def statistics(self, connection: sa.Connection, selection: query.Selection, question: query.Question) -> Iterator[query.Group]:
        """Groups by period, by unit and values within it."""
        origin: int | None = None
        if question.period is not None:
            origin = selection.origin
            if origin is None:
                first = next(self._rows(connection, selection, 1, ascending=True), None)
                if first is None:
                    return
                origin = first[0]
        groups, label = _Groups(question, origin), self._labels(connection, question)
        for floor, parts in self._parts(connection, selection, question, origin, label):
            yield from groups.finished(floor)
            for window, key, found in parts:
                groups.add(window, key, found)
        yield from groups.finished(None)

    def count(self, connection: sa.Connection, selection: query.Selection) -> int:
        """How many samples are selected."""
        return sum(found.count for _, found in self.sums(connection, selection))

    def sums(self, connection: sa.Connection, selection: query.Selection) -> Iterator[tuple[int, Sums]]:
        """Series, and sums of some of its selected samples; a series may come several times."""
        for _, parts in self._parts(connection, selection, query.Question(), None, lambda series, _meta: series):
            for _, series, found in parts:
                yield series, found

    def _labels(self, connection: sa.Connection, question: query.Question) -> Callable[[int, int], Label]:
        """What tells the group of a series' sample, and of its metadata where these decide."""
        fields = [_FIELDS.get(field) for field in question.groupby]
        counted = [_FIELDS[field] for field in question.cardinalities]
        types: dict[int, str | None] = {}
        known: dict[tuple[int, str | None], Label] = {}

        def label(number: int, meta: int) -> Label:
            kind = None
            if question.reads_samples:
                if meta not in types:
                    types[meta] = _instance_type(self.metadata(connection, [meta])(meta))
                kind = types[meta]
            found = known.get((number, kind))
            if found is None:
                of = self._dictionary.series(connection, (number,))(number)
                values = tuple([kind if field is None else field(of) for field in fields])
                found = known[number, kind] = (of.unit, values, tuple([field(of) for field in counted]))
            return found

        return label

    def _parts(
        self,
        connection: sa.Connection,
        selection: query.Selection,
        question: query.Question,
        origin: int | None,
        label: Callable[[int, int], L],
    ) -> Iterator[tuple[int, Iterator[Part[L]]]]:
        """Parts of what is selected, some hours or days at a time, each with a window before which nothing more will come."""
        reads_samples = selection.reads_samples or question.reads_samples
        cut = _Cut(selection, question.period, origin)
        if selection.message_ids is not None:
            rows = self._by_ids(connection, selection)
            if rows:
                yield cut.window(min(row[0] for row in rows)), _summed(rows, cut, label)
            return
        candidates = self._finder.candidates(connection, selection)
        if candidates.is_empty:
            return
        slots: list[Slot]
        if reads_samples or (question.period is not None and question.period % SPANS[DAY]):
            slots = self._finder.slots(connection, candidates, (HOUR,), selection.start, selection.end)
        else:
            slots = self._finder.planned(connection, candidates, selection.start, selection.end)
            if any(slot.span == DAY and not cut.holds(slot) for slot in slots):
                slots = self._finder.slots(connection, candidates, (HOUR,), selection.start, selection.end)
        for part in _chunks(slots, question.period):
            whole = [] if reads_samples else [slot for slot in part if slot.folded == FOLDED and cut.holds(slot)]
            yield cut.window(part[0].start), self._of_slots(connection, part, whole, candidates, selection, cut, label)

    def _of_slots(
        self,
        connection: sa.Connection,
        slots: Sequence[Slot],
        whole: Sequence[Slot],
        candidates: Candidates,
        selection: query.Selection,
        cut: _Cut,
        label: Callable[[int, int], L],
    ) -> Iterator[Part[L]]:
        """What is selected of some slots: of `whole` what is kept of them, of the others their samples."""
        by_id = {slot.id: slot for slot in whole}
        kept = self._folder.kept(connection, list(by_id), candidates.named)
        self._dictionary.series(connection, {row[1] for row in kept})
        for number, series, body in kept:
            if candidates.series is None or series in candidates.series:
                slot = by_id[number]
                found = Sums.unpack(body, slot.start)
                yield cut.window(slot.start), label(series, found.meta), found
        for slot in slots:
            if slot.id not in by_id:
                rows = self._of_slot(connection, slot, candidates, selection)
                self._dictionary.series(connection, {row[5] for row in rows})
                yield from _summed(self.with_metadata(connection, rows, selection), cut, label)

    def _of_slot(self, connection: sa.Connection, slot: Slot, candidates: Candidates, selection: query.Selection) -> list[Found]:
        start = selection.start if selection.start is not None and selection.start > slot.start else None
        end = selection.end if selection.end is not None and selection.end < slot.end else None
        rows = self._samples.of_slots(connection, [slot.id], candidates.named, start, end)
        if candidates.named is None and candidates.series is not None:
            return [row for row in rows if row[5] in candidates.series]
        return rows


def _summed(rows: Sequence[Found], cut: _Cut, label: Callable[[int, int], L]) -> Iterator[Part[L]]:
    """Sums of samples by window and label."""
    grouped: dict[tuple[int, L], list[Found]] = collections.defaultdict(list)
    window = cut.window
    for row in rows:
        grouped[window(row[0]), label(row[5], row[3])].append(row)
    for (number, key), found in grouped.items():
        yield number, key, summed(found)


class _Cut:
    """How time is cut by a question: its bounds, and the windows between them."""

    def __init__(self, selection: query.Selection, period: int | None, origin: int | None) -> None:
        self._start, self._end = selection.start, selection.end
        self._period, self._origin = period, origin or 0

    def window(self, moment: int) -> int:
        """The number of the window that a moment lies in."""
        return 0 if self._period is None else (moment - self._origin) // self._period

    def holds(self, slot: Slot) -> bool:
        """Whether all of a slot lies within the bounds and in one window."""
        if (self._start is not None and slot.start < self._start) or (self._end is not None and slot.end > self._end):
            return False
        return self.window(slot.start) == self.window(slot.end - 1)


class _Groups:
    """Gathers sums by window and group, and gives each window when nothing more of it can come."""

    def __init__(self, question: query.Question, origin: int | None) -> None:
        self._question = question
        self._origin = origin
        self._with_spread = any(each.func == query.STDDEV for each in question.aggregates)
        self._windows: dict[int, dict[tuple[str, Values], tuple[list[Sums], list[set[str | None]]]]] = {}

    def add(self, window: int, label: Label, found: Sums) -> None:
        """Take in a part."""
        unit, values, counted = label
        groups = self._windows.setdefault(window, {})
        group = groups.get((unit, values))
        if group is None:
            group = groups[unit, values] = ([], [set() for _ in counted])
        group[0].append(found)
        for value, different in zip(counted, group[1], strict=True):
            different.add(value)

    def finished(self, floor: int | None) -> Iterator[query.Group]:
        """The groups of windows before one, of which nothing more comes; None for all that are left."""
        for window in sorted(each for each in self._windows if floor is None or each < floor):
            yield from self._told(window)

    def _told(self, window: int) -> Iterator[query.Group]:
        groups = self._windows.pop(window)
        for unit, values in sorted(groups, key=_group_order):
            found, different = groups[unit, values]
            together = sums.merged(found, with_spread=self._with_spread)
            yield query.Group(window, self._origin, unit, values, together, tuple(frozenset(each) for each in different))


def _chunks(slots: Sequence[Slot], period: int | None) -> Iterator[Sequence[Slot]]:
    """Slots that are read at once: many, but of one hour only where that has several windows."""
    if period is not None and period < SPANS[HOUR]:
        for _, same in itertools.groupby(slots, key=lambda slot: slot.start):
            yield list(same)
        return
    for start in range(0, len(slots), _SLOTS_AT_ONCE):
        yield slots[start : start + _SLOTS_AT_ONCE]


def _group_order(key: tuple[str, Values]) -> tuple[str, list[tuple[bool, str]]]:
    unit, values = key
    return unit, [(value is not None, value or "") for value in values]


def _moment(row: Found) -> tuple[int, Any]:
    return row[0], row[2]


def _is_of(series: Series, selection: query.Selection) -> bool:
    wanted = (
        (series.meter, selection.meters), (series.resource, selection.resources), (series.source, selection.sources),
        (series.user, selection.users), (series.project, selection.projects),
    )  # fmt: skip
    return all(values is None or value in values for value, values in wanted)


def _is_within(moment: int, selection: query.Selection) -> bool:
    return (selection.start is None or moment >= selection.start) and (selection.end is None or moment < selection.end)


def _instance_type(metadata: dict[str, Any]) -> str | None:
    value = metadata.get("instance_type")
    return value if value is None or isinstance(value, str) else str(value)
