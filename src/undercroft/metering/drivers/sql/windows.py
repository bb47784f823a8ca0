"""A meter's samples of a short stretch of time, per resource: one statement, with no look at the dictionaries before it.

It reads samples, never what is kept of folded hours: its cost is that of the hours that the window touches, of this one meter.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.metering.drivers.sql.dialects import Dialect
from undercroft.metering.drivers.sql.schema import BUNDLE_BITS, HOUR, SPANS, Tables
from undercroft.metering.models import Window

# Engines raise an error where a sum is beyond a float, and one resource must not take the others with it. A power of two: exact.
_SCALE = 2.0**60


class Windows:
    """Reads the windows of one store."""

    def __init__(self, tables: Tables, dialect: Dialect) -> None:
        self._t, self._dialect = tables, dialect

    def summaries(
        self, connection: sa.Connection, meter: str, after: int, until: int, resources: Sequence[str] | None
    ) -> dict[str, Window]:
        """What the samples of each resource come to."""
        rows = self._rows(connection, meter, after, until, resources, summed=True)
        return {
            resource: Window(int(count), float(least), float(most), float(total) / count * _SCALE, int(newest))
            for resource, count, least, most, total, newest in rows
        }

    def volumes(
        self, connection: sa.Connection, meter: str, after: int, until: int, resources: Sequence[str] | None
    ) -> dict[str, list[tuple[int, float]]]:
        """The samples of each resource by timestamp."""
        found: dict[str, list[tuple[int, float]]] = {}
        for resource, moment, volume in self._rows(connection, meter, after, until, resources, summed=False):
            found.setdefault(resource, []).append((moment, volume))
        return found

    def _rows(
        self, connection: sa.Connection, meter: str, after: int, until: int, resources: Sequence[str] | None, *, summed: bool
    ) -> list[Any]:
        by_name = resources is not None
        named = (self._dialect.listed(list(resources)),) if resources is not None else ()
        pieces, within = self._dialect.pieces_within("s.piece", "sl", after, until, each=by_name)
        # In the order of the statement's placeholders.
        values = (*named, after - SPANS[HOUR], until, *within, after, until, meter)
        return self._dialect.run(connection, self._statement(pieces, by_name=by_name, summed=summed), *values)

    @functools.cache  # noqa: B019 - four statements, as long as the store
    def _statement(self, pieces: str, *, by_name: bool, summed: bool) -> str:
        d, t = self._dialect, self._t
        series = f"{t.series.name} se ON se.meter_id = m.id"
        slot = f"{t.slot.name} sl ON sl.span = {HOUR} AND sl.meter_id = m.id AND sl.start > ? AND sl.start <= ?"
        sample = f"{t.sample.name} s ON {pieces} AND s.ts > ? AND s.ts <= ?"
        # Few resources: their series first, then the samples of each. All: the hours first, then what is in them.
        joined = (
            (
                f"{series} AND {d.among('se.resource_id')}",
                f"{slot} AND sl.bundle = se.id >> {BUNDLE_BITS}",
                f"{sample} AND s.series_id = se.id",
            )
            if by_name
            else (slot, sample, f"{series} AND se.id = s.series_id")
        )
        odd = f"LEFT JOIN {t.oddity.name} o ON s.whole IS NULL AND s.fraction IS NULL AND o.id = s.id"
        source = f" {d.join} ".join((f"{t.meter.name} m", *joined)) + f" {odd} WHERE m.name = ?"
        volume = f"coalesce(CAST(s.whole AS {d.double}), s.fraction, CAST(o.volume AS {d.double}))"
        if summed:
            columns = f"se.resource_id, count(*), min({volume}), max({volume}), sum({volume} * {1 / _SCALE!r}), max(s.ts)"
            return f"SELECT {columns} FROM {source} GROUP BY se.resource_id"  # noqa: S608
        return f"SELECT se.resource_id, s.ts, {volume} FROM {source} ORDER BY s.ts, s.id"  # noqa: S608
