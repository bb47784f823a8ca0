"""Rated usage in one JSON file a namespace: for a few thousand points, a laptop, or a teaching room.

Every call reads the whole file; a writer holds a lock, writes a new file beside it, and renames it. That makes each write
atomic and durable, and each answer one moment's state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import fcntl
import logging
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Literal, Self

import msgspec

from undercroft.core import time
from undercroft.core import url as urls
from undercroft.core.capabilities import not_yet
from undercroft.core.errors import ConfigInvalid, Conflict, InvalidInput, NotInitialized, Unavailable
from undercroft.core.paging import Page
from undercroft.rating import BaseStorage, Capabilities, calendar, models, numbers, query
from undercroft.rating.contract import Group, Row

LOG = logging.getLogger("undercroft.rating_in_a_file")


class Options(msgspec.Struct, kw_only=True, frozen=True):
    namespace: str = "rating"
    timezone: str | None = None
    on_conflict: Literal["replace", "append", "error"] = "replace"
    scope_key: str = "project_id"
    resource_keys: tuple[str, ...] = ("id", "resource_id")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    start: int
    end: int
    type: str
    unit: str
    qty: Decimal
    price: Decimal
    groupby: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def series(self) -> tuple[int, int, str, bytes]:
        return self.start, self.end, self.type, models.canonical(self.groupby)


class Content(msgspec.Struct):
    timezone: str
    entries: list[Entry]


class Storage(BaseStorage):
    ephemeral: ClassVar[str | None] = "jsonfile:///{tmp}/rating"
    capabilities: ClassVar[Capabilities] = Capabilities.without(
        custom_fields=not_yet("only sums so far"), push_once=not_yet("it keeps no receipts")
    )

    def __init__(self, path: pathlib.Path, options: Options, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path, self.options = path, options
        self.resource_keys, self.scope_key = options.resource_keys, options.scope_key
        self.days: dt.tzinfo = dt.UTC
        if options.timezone is not None:
            self.zone = self.days = time.zone(options.timezone)

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        base, parsed, _ = urls.split(url, Options, options)
        folder = pathlib.Path(base.partition("://")[2].removeprefix("/"))
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigInvalid(f"{urls.redacted(url)}: {error.strerror}") from None
        return cls(folder / f"{parsed.namespace}_rating.json", parsed)

    def close(self) -> None:
        pass

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)

    # -- the file --------------------------------------------------------------------------------------------------

    def init(self) -> None:
        with self._locked():
            if not self.path.exists():
                self._write(Content(self.options.timezone or "UTC", []))
            self._read()

    def _read(self) -> Content:
        try:
            content = msgspec.json.decode(self.path.read_bytes(), type=Content)
        except FileNotFoundError:
            raise NotInitialized(f"{self.path.name} is missing: call init()") from None
        except OSError as error:
            raise Unavailable(str(error)) from None
        if self.options.timezone not in (None, content.timezone):
            raise ConfigInvalid(f"timezone: the store was made with {content.timezone}, not {self.options.timezone}")
        self.days = time.zone(content.timezone)
        return content

    def _write(self, content: Content) -> None:
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(content))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        with self._folder() as folder:
            os.fsync(folder)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[int]:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            yield folder
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._folder() as folder:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield

    # -- writing ---------------------------------------------------------------------------------------------------

    def _push(self, frames: Sequence[Any]) -> None:
        fresh = self._parsed(frames)
        with self._locked():
            content = self._read()
            content.entries = self._merged(content.entries, fresh)
            self._write(content)

    def _delete(self, selection: query.Selection) -> int:
        with self._locked():
            content = self._read()
            left = [entry for entry in content.entries if not self._matches(entry, selection)]
            gone = len(content.entries) - len(left)
            content.entries = left
            self._write(content)
        return gone

    def _replace(self, selection: query.Selection, frames: Sequence[Any]) -> None:
        fresh = self._parsed(frames)
        with self._locked():
            content = self._read()
            left = [entry for entry in content.entries if not self._matches(entry, selection)]
            content.entries = self._merged(left, fresh)
            self._write(content)

    def _merged(self, old: list[Entry], fresh: list[Entry]) -> list[Entry]:
        keys = {entry.series for entry in fresh}
        if self.options.on_conflict == "append":
            return old + fresh
        left = [entry for entry in old if entry.series not in keys]
        if self.options.on_conflict == "error" and len(left) < len(old):
            raise Conflict("a period of this usage is stored already (on_conflict=error)")
        return left + fresh

    def _parsed(self, frames: Sequence[Any]) -> list[Entry]:
        found = []
        for position, frame in enumerate(frames):
            try:
                start, end = models.period(frame.start, frame.end)
                found += [self._entry(start, end, models.metric_type(type_), point) for type_, point in frame.iterpoints()]
            except InvalidInput as error:
                raise error.within(f"dataframes[{position}]") from None
        return found

    def _entry(self, start: int, end: int, type_: str, given: Any) -> Entry:
        point = models.checked(given)
        qty, price = self._kept(point.qty, "qty"), self._kept(point.price, "price")
        return Entry(start, end, type_, point.unit, qty, price, point.groupby, point.metadata)

    def _kept(self, value: Decimal, field: str) -> Decimal:
        kept, changed = numbers.storable(value, field)
        if changed:
            self.counters["rounded"] += 1
            LOG.warning("rounded a number to %d places", numbers.PLACES)
        return kept

    # -- reading ---------------------------------------------------------------------------------------------------

    def _selected(self, selection: query.Selection) -> list[Entry]:
        found = [entry for entry in self._read().entries if self._matches(entry, selection)]
        return sorted(found, key=lambda entry: (entry.start, entry.end, entry.type))

    def _page(self, selection: query.Selection, page: Page) -> tuple[int, Iterable[Row]]:
        found = self._selected(selection)
        return len(found), [_row(entry) for entry in found[page.offset : page.offset + page.limit]]

    @contextlib.contextmanager
    def _stream(self, selection: query.Selection) -> Iterator[Iterator[Row]]:
        yield (_row(entry) for entry in self._selected(selection))

    def _total(
        self,
        selection: query.Selection,
        groups: Sequence[query.GroupKey],
        measures: Sequence[query.Measure],
        page: Page | None,
    ) -> tuple[int, list[Group]]:
        found: dict[bytes, tuple[list[Any], list[Entry]]] = {}
        for entry in self._selected(selection):
            values = [self._value(entry, group) for group in groups]
            found.setdefault(models.canonical({"values": values}), (values, []))[1].append(entry)
        ordered = sorted(found.values(), key=lambda item: [v if isinstance(v, tuple) else str(v) for v in item[0]])
        shown = ordered if page is None else ordered[page.offset : page.offset + page.limit]
        return len(ordered), [_group(values, entries, measures) for values, entries in shown]

    def _value(self, entry: Entry, group: query.GroupKey) -> Any:
        if group.by is query.By.TYPE:
            return entry.type
        if group.by is query.By.PERIOD:
            return entry.start, entry.end
        if group.by is query.By.CALENDAR and group.name not in entry.groupby:
            return calendar.attributes(calendar.day_of(entry.start, self.days))[group.name]
        return entry.groupby.get(group.name, "")

    def _matches(self, entry: Entry, selection: query.Selection) -> bool:
        if selection.begin is not None and entry.start < selection.begin:
            return False
        if selection.end is not None and entry.start >= selection.end:
            return False
        if selection.types is not None and entry.type not in selection.types:
            return False
        places = self._places(entry)
        return all(
            any(str(place[name]) in values for name in names for place in places if name in place)
            for names, values in selection.conditions
        )

    @staticmethod
    def _places(entry: Entry) -> list[dict[str, Any]]:
        return [entry.groupby, entry.metadata]

    def _scopes(self, selection: query.Selection) -> list[str]:
        key = self.options.scope_key
        return sorted({str(entry.groupby[key]) for entry in self._selected(selection) if key in entry.groupby} - {""})

    def _scope_ends(self) -> list[tuple[str, dt.datetime]]:
        key, found = self.options.scope_key, dict[str, int]()
        for entry in self._read().entries:
            scope = str(entry.groupby.get(key, ""))
            found[scope] = max(entry.end, found.get(scope, entry.end))
        return sorted((scope, time.from_micros(end)) for scope, end in found.items() if scope)


class Modest(Storage):
    """Does as little as a driver may: everything that can be a gap is one."""

    ephemeral = None
    capabilities = Capabilities.without(
        **{field.name: not_yet("modesty") for field in dataclasses.fields(Capabilities)},
    )

    @classmethod
    def open(cls, url: str, **options: Any) -> Self:
        store = super().open(url, **options)
        if store.options.on_conflict != "replace":
            store.require(f"conflict_{store.options.on_conflict}")
        return store

    @staticmethod
    def _places(entry: Entry) -> list[dict[str, Any]]:
        return [entry.groupby]


class Boasting(Storage):
    """Says that it can do what it cannot, and that it cannot do what it can: the suite must find out."""

    ephemeral = None
    capabilities = Capabilities.without(group_calendar=not_yet("of course it can"))

    def require(self, capability: str) -> None:
        pass


def _row(entry: Entry) -> Row:
    return Row(
        time.from_micros(entry.start), time.from_micros(entry.end), entry.type, entry.unit, entry.qty, entry.price,
        models.FrozenDict(entry.groupby), models.FrozenDict(entry.metadata),
    )  # fmt: skip


def _group(values: list[Any], entries: list[Entry], measures: Sequence[query.Measure]) -> Group:
    period = next((v for v in values if isinstance(v, tuple)), None)
    bounds = None if period is None else (time.from_micros(period[0]), time.from_micros(period[1]))
    return Group(tuple(v for v in values if not isinstance(v, tuple)), tuple(_sum(entries, m.column) for m in measures), bounds)


def _sum(entries: list[Entry], column: str) -> Decimal:
    total = numbers.ZERO
    for entry in entries:
        total = numbers.CONTEXT.add(total, getattr(entry, column))
    return total
