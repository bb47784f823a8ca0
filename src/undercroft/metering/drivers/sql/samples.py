"""Reading rows of samples: by hour and series, by their ids, or from one end of time to the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import raw
from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.schema import Tables

# Ids, or pieces and series, of one statement.
_AT_ONCE = 1_000

# (timestamp, delay, id as the engine gives it, metadata, volume, series): of several, the greatest is the latest.
Found = tuple[int, int, Any, int, int | float, int]


class Samples:
    """Reads the samples of one store."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._dialect = dialect
        self._oddity, self._sample = tables.oddity.name, tables.sample.name
        self._head = f"SELECT ts, delay, {dialect.id_column}, meta_id, whole, fraction, series_id FROM {self._sample}"  # noqa: S608

    def of_slots(
        self,
        connection: sa.Connection,
        slots: Sequence[int],
        series: Collection[int] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> list[Found]:
        """The samples of hours, in any order.

        Args:
            connection: within a transaction.
            slots: the hours.
            series: of these only; not more than a statement takes.
            start, end: from the first microsecond to before the second; None where the hours lie within.
        """
        if not slots or (series is not None and not series):
            return []
        return self._volumes(connection, self._rows(connection, self._dialect.pieces_of(slots), series, start, end))

    def firsts(self, connection: sa.Connection, slot: int, series: Collection[int]) -> dict[int, int]:
        """The timestamp of the first sample that an hour has of each of the series; those that have one."""
        d = self._dialect
        asked = (
            f"SELECT series_id, min(ts) FROM {self._sample} WHERE {d.among('piece')} AND {d.among('series_id')} GROUP BY series_id"  # noqa: S608
        )
        return dict(map(tuple, d.run(connection, asked, d.listed(d.pieces_of([slot])), d.listed(list(series)))))

    def ordered(
        self,
        connection: sa.Connection,
        pieces: Sequence[int],
        series: Collection[int] | None,
        span: tuple[int, int],
        limit: int | None,
        *,
        ascending: bool,
    ) -> list[Found]:
        """The samples of pieces of hours, within a span of time, by timestamp, then by id; at most `limit`."""
        direction = "" if ascending else " DESC"
        tail = f" ORDER BY ts{direction}, id{direction}" + ("" if limit is None else f" LIMIT {int(limit)}")
        return self._volumes(connection, self._rows(connection, pieces, series, *span, tail=tail))

    def by_ids(self, connection: sa.Connection, keys: Sequence[bytes]) -> Iterator[Found]:
        """The samples of ids, in any order."""
        for start in range(0, len(keys), _AT_ONCE):
            condition, values = self._dialect.among_keys("id", keys[start : start + _AT_ONCE])
            statement = f"{self._head} WHERE {condition}"
            found = [tuple(row) for row in raw.rows(connection, statement, values)]
            yield from self._volumes(connection, found)

    def oddities(self, connection: sa.Connection, keys: Sequence[bytes]) -> dict[bytes, tuple[Any, ...]]:
        """(message id, volume, signature) of those of the samples that have any of these, by id."""
        found: dict[bytes, tuple[Any, ...]] = {}
        d = self._dialect
        for start in range(0, len(keys), _AT_ONCE):
            condition, values = d.among_keys("id", keys[start : start + _AT_ONCE])
            asked = f"SELECT {d.id_column}, message_id, volume, signature FROM {self._oddity} WHERE {condition}"  # noqa: S608
            found |= {d.unkey(key): tuple(rest) for key, *rest in raw.rows(connection, asked, values)}
        return found

    def _rows(
        self,
        connection: sa.Connection,
        pieces: Sequence[int],
        series: Collection[int] | None,
        start: int | None,
        end: int | None,
        tail: str = "",
    ) -> list[Any]:
        d = self._dialect
        conditions, values = [d.among("piece")], [d.listed(pieces)]
        if series is not None:
            conditions.append(d.among("series_id"))
            values.append(d.listed(list(series)))
        for bound, test in ((start, "ts >= ?"), (end, "ts < ?")):
            if bound is not None:
                conditions.append(test)
                values.append(bound)
        return d.run(connection, f"{self._head} WHERE {' AND '.join(conditions)}{tail}", *values)

    def _volumes(self, connection: sa.Connection, rows: Sequence[Any]) -> list[Found]:
        """Rows with one volume each, also where no column keeps it as it is."""
        missing = [row[2] for row in rows if row[4] is None and row[5] is None]
        if not missing:
            return [
                (ts, delay, key, meta, fraction if whole is None else whole, series)
                for ts, delay, key, meta, whole, fraction, series in rows
            ]
        odd = self.oddities(connection, [self._dialect.unkey(key) for key in missing])
        return [
            (
                ts, delay, key, meta,
                whole if whole is not None else fraction if fraction is not None else _number(odd[self._dialect.unkey(key)][1]),
                series,
            )
            for ts, delay, key, meta, whole, fraction, series in rows
        ]  # fmt: skip


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
