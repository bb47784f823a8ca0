"""Reading the events of a Panko database, in the order of their ids, so that an import can break off and go on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self

import msgspec
import sqlalchemy as sa

from undercroft.core.errors import ConfigInvalid
from undercroft.engines.sql import Database, EngineOptions
from undercroft.events import query
from undercroft.events.models import Event, Trait

_AT_ONCE = 1_000
# Ranges of ids in one statement.
_RANGES = 200


class Batch(NamedTuple):
    """Events, and their ids in the same order."""

    events: list[Event]
    ids: list[int]

    @property
    def last(self) -> int:
        """The highest of the ids."""
        return self.ids[-1]


class Source:
    """A Panko database: its SQLAlchemy driver's tables, or views of that form.

    Args:
        url: the database, as `[database] connection` of the host has it, whatever client library that names.

    Raises:
        ConfigInvalid: the tables are not there, or no file of that name is.
    """

    def __init__(self, url: str) -> None:
        head, separator, rest = url.partition("://")
        self._db, _ = Database.open(f"{head.partition('+')[0]}{separator}{rest}", EngineOptions, {})
        number, moment = sa.BigInteger, sa.DateTime().with_variant(sa.Numeric(20, 6), "mysql", "mariadb")
        types = ((Trait.TEXT_TYPE, "text", sa.String), (Trait.INT_TYPE, "int", number), (Trait.FLOAT_TYPE, "float", sa.Double))
        self._traits = [
            (_table(f"trait_{name}", event_id=number, key=sa.String, value=type_), dtype)
            for dtype, name, type_ in (*types, (Trait.DATETIME_TYPE, "datetime", moment))
        ]
        self._type = _table("event_type", id=number, desc=sa.String)
        self._event = _table("event", id=number, message_id=sa.String, generated=moment, raw=sa.Text, event_type_id=number)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._db.close()

    @property
    def place(self) -> str:
        """The database, without a password."""
        return self._db.place

    def count(self, after: int = 0) -> int:
        """How many events there are behind an id."""
        counted = sa.select(sa.func.count()).select_from(self._event).where(self._event.c.id > after)
        return int(self._db.alone(lambda c: c.execute(counted).scalar_one()))

    def batches(self, after: int = 0) -> Iterator[Batch]:
        """The events behind an id, in the order of ids; five statements a thousand."""
        while batch := self._batch(after):
            yield batch
            after = batch.last

    def within(self, ranges: Sequence[tuple[int, int]]) -> Iterator[Batch]:
        """The events whose ids are in one of these ranges, which are in ascending order; both ends are included."""
        for start in range(0, len(ranges), _RANGES):
            some = ranges[start : start + _RANGES]
            while ids := self._ids(some):
                if batch := self._batch(ids=ids):
                    yield batch
                some = [(max(first, ids[-1] + 1), last) for first, last in some if last > ids[-1]]

    def _check(self) -> None:
        if self._db.dialect.missing_file() is not None:
            # SQLite would make it.
            raise ConfigInvalid(f"{self.place}: there is no such file")

        def names(connection: sa.Connection) -> set[str]:
            found = sa.inspect(connection)
            return {*found.get_table_names(), *found.get_view_names()}

        wanted = {"event", "event_type", *(table.name for table, _ in self._traits)}
        if missing := sorted(wanted - self._db.read(names)):
            raise ConfigInvalid(f"{self.place}: no database of Panko: it has no {', '.join(missing)}")

    def _ids(self, ranges: Sequence[tuple[int, int]]) -> list[int]:
        """The first ids in these ranges that have an event."""
        if not ranges:
            return []
        number = self._event.c.id
        # A range for itself is looked up in the index; with OR, engines walk over everything from the first to the last.
        found = sa.union_all(*(sa.select(number).where(number.between(*ends)) for ends in ranges)).subquery()
        listed = sa.select(found.c.id).order_by(found.c.id).limit(_AT_ONCE)
        return self._db.read(lambda c: list(c.execute(listed).scalars()))

    def _batch(self, after: int = 0, ids: Sequence[int] = ()) -> Batch | None:
        """Events behind an id, or of these ids."""

        def work(connection: sa.Connection) -> Batch | None:
            event, kind = self._event.c, self._type.c
            listed = (
                sa.select(event.id, event.message_id, kind.desc, event.generated, event.raw)
                .join_from(self._event, self._type, event.event_type_id == kind.id)
                .where(event.id.in_(ids) if ids else event.id > after)
                .order_by(event.id)
                .limit(_AT_ONCE)
            )
            rows = connection.execute(listed).all()
            if not rows:
                return None
            numbers = [row[0] for row in rows]
            traits: dict[int, list[Trait]] = {number: [] for number in numbers}
            for table, dtype in self._traits:
                column = table.c
                # Between scattered ids there may be the whole table.
                wanted = column.event_id.in_(numbers) if ids else column.event_id.between(numbers[0], numbers[-1])
                found = sa.select(column.event_id, column.key, column.value).where(wanted)
                for event_id, name, value in connection.execute(found):
                    # What has no event, or no value, the host does not show either.
                    if event_id in traits and value is not None:
                        traits[event_id].append(Trait(name, dtype, _moment(value) if dtype == Trait.DATETIME_TYPE else value))
            return Batch(
                [
                    Event(message_id, desc, _moment(generated), traits[number], _raw(raw))
                    for number, message_id, desc, generated, raw in rows
                ],
                numbers,
            )

        return self._db.read(work)


def _table(name: str, **columns: Any) -> sa.TableClause:
    return sa.table(name, *(sa.column(column, type_) for column, type_ in columns.items()))


def _moment(value: Any) -> dt.datetime:
    """A moment as models have it; MySQL's are seconds."""
    return query.moment(int(value * 1_000_000)) if isinstance(value, Decimal) else value


def _raw(text: Any) -> Any:
    """The JSON that a row holds; what is not JSON is kept as text, so that it keeps no other event from coming over."""
    try:
        return msgspec.json.decode(text) if isinstance(text, (str, bytes)) else text
    except (msgspec.DecodeError, RecursionError):
        return text
