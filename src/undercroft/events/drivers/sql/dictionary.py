"""Ids of event types and of traits' names, remembered: the tables behind them only grow, so what is known stays true."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from undercroft.engines.sql import Database
from undercroft.events.drivers.sql.schema import Tables
from undercroft.events.record import Record

_CACHED = 65_536
_AT_ONCE = 500

Key = tuple[str, int]


class Dictionary:
    """What one process knows of a store's dictionaries. Shared by threads."""

    def __init__(self, db: Database, tables: Tables) -> None:
        self._db = db
        self._tables = tables
        self.forget()

    def forget(self) -> None:
        """Know nothing any more: the tables were made anew, or there is too much."""
        self.types: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.keys: dict[Key, int] = {}
        self._pairs: set[tuple[int, int]] = set()

    # -- writing ---------------------------------------------------------------------------------------------------

    def learn(self, records: Sequence[Record]) -> tuple[dict[str, int], dict[Key, int]]:
        """Ids of the records' event types and traits; those that are new are added, in a transaction of their own.

        They go ahead of the events, so that two writers of one new name do not wait for each other's events.
        """
        if len(self._pairs) + len(self.keys) > _CACHED:
            self.forget()
        types, keys, pairs = self.types, self.keys, self._pairs
        used: set[tuple[str, Key]] = {(record.event_type, trait[:2]) for record in records for trait in record.traits}
        wanted = {record.event_type for record in records}
        if wanted <= types.keys():
            try:
                if all((types[name], keys[key]) in pairs for name, key in used):
                    return types, keys
            except KeyError:
                pass
        new_types, new_keys, new_pairs = self._db.write(lambda c: self._add(c, sorted(wanted), used))
        self.types = types | new_types
        self.keys = keys | new_keys
        self._pairs = pairs | new_pairs
        self.names = {number: name for name, number in self.types.items()}
        return self.types, self.keys

    def _add(
        self, connection: sa.Connection, names: Sequence[str], used: Iterable[tuple[str, Key]]
    ) -> tuple[dict[str, int], dict[Key, int], set[tuple[int, int]]]:
        t = self._tables
        self._insert(connection, t.event_type, [{"name": name} for name in names])
        types = self._type_ids(connection, names)
        wanted = sorted({key for _, key in used})
        self._insert(connection, t.trait_key, [{"name": name, "dtype": dtype} for name, dtype in wanted])
        keys = self._key_ids(connection, sorted({name for name, _ in wanted}))
        pairs = {(types[name], keys[key]) for name, key in used}
        self._insert(connection, t.type_trait, [{"type_id": one, "trait_id": other} for one, other in sorted(pairs)])
        return types, keys, pairs

    def _insert(self, connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Add the rows that are not there yet."""
        insert = self._db.dialect.insert_missing(table)
        for start in range(0, len(rows), _AT_ONCE):
            connection.execute(insert.values(rows[start : start + _AT_ONCE]))

    def _type_ids(self, connection: sa.Connection, names: Sequence[str]) -> dict[str, int]:
        t = self._tables.event_type.c
        found: dict[str, int] = {}
        for start in range(0, len(names), _AT_ONCE):
            rows = connection.execute(sa.select(t.name, t.id).where(t.name.in_(names[start : start + _AT_ONCE])))
            found |= dict(map(tuple, rows))
        return found

    def _key_ids(self, connection: sa.Connection, names: Sequence[str]) -> dict[Key, int]:
        t = self._tables.trait_key.c
        found: dict[Key, int] = {}
        for start in range(0, len(names), _AT_ONCE):
            rows = connection.execute(sa.select(t.name, t.dtype, t.id).where(t.name.in_(names[start : start + _AT_ONCE])))
            found |= {(name, dtype): number for name, dtype, number in rows}
        return found

    # -- reading ---------------------------------------------------------------------------------------------------

    def type_id(self, name: str) -> int | None:
        """The id of an event type; None when there has never been such an event."""
        if name not in self.types:
            found = self._db.alone(lambda c: self._type_ids(c, [name]))
            self.types = self.types | found
            self.names = self.names | {number: name for name, number in found.items()}
        return self.types.get(name)

    def trait_ids(self, names: Iterable[str]) -> dict[Key, int]:
        """Ids of all traits of these names, by name and type."""
        wanted = set(names)
        # One name may have a type that another process has added: only exact keys are remembered.
        return self._db.alone(lambda c: self._key_ids(c, sorted(wanted))) if wanted else {}

    def trait_id(self, key: Key) -> int | None:
        """The id of a trait; None when no event has ever had it."""
        if key not in self.keys:
            self.keys = self.keys | self._db.alone(lambda c: self._key_ids(c, [key[0]]))
        return self.keys.get(key)

    def type_names(self, numbers: Iterable[int]) -> dict[int, str]:
        """Names of event types by id, those of `numbers` among them."""
        missing = sorted(set(numbers) - self.names.keys())
        t = self._tables.event_type.c
        for start in range(0, len(missing), _AT_ONCE):
            wanted = sa.select(t.id, t.name).where(t.id.in_(missing[start : start + _AT_ONCE]))
            self.names = self.names | self._db.alone(lambda c, wanted=wanted: dict(map(tuple, c.execute(wanted))))  # type: ignore[misc]
        return self.names
