"""The catalogue in Redis."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from undercroft.engines.redis import Script
from undercroft.messaging import contract
from undercroft.messaging.drivers.redis.register import member
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.models import Mapped

# Entries that are read at once where all are wanted.
_AT_ONCE = 1_000
# Keys; see `catalogue.lua`. Versions go on where all entries were dropped.
_KEYS = ("names", "entry")
# Version, length of the pool's name, which follows; then the state.
_HEAD = struct.Struct("<QH")


def _script(name: str, *, reads: bool = False) -> Script:
    return Script.of(__package__, f"catalogue_{name}.lua", prelude="catalogue.lua", reads=reads)


PAGE, PUT, REMOVE = _script("page", reads=True), _script("put"), _script("remove")


class Catalogue(contract.CatalogueBase):
    """The catalogue of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._base = f"{{{self._store.options.namespace}:catalogue}}"

    def _run(self, script: Script, *arguments: bytes | str | int) -> Any:
        return self._store.redis.run(script, self._base, *arguments)

    def _list(self, project: str) -> Iterable[Mapped]:
        low, high = b"[" + member(project, ""), b"(" + project.encode() + b"\1"
        while True:
            page = self._those(low, high, _AT_ONCE)
            yield from page
            if len(page) < _AT_ONCE:
                return
            low = b"(" + member(project, page[-1].queue)

    def _page(self, after: tuple[str, str] | None, limit: int) -> Sequence[Mapped]:
        return self._those(b"-" if after is None else b"(" + member(*after), b"+", limit)

    def _those(self, low: bytes, high: bytes, limit: int) -> Sequence[Mapped]:
        found: list[Mapped] = []
        for each, value in self._run(PAGE, low, high, limit):
            project, _, queue = each.decode().partition("\0")
            found.append(_entry(project, queue, value))
        return found

    def _find(self, project: str, queue: str) -> Mapped | None:
        value = self._store.redis.command(self._base, "HGET", f"{self._base}:entry", member(project, queue))
        return None if value is None else _entry(project, queue, value)

    def _find_all(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Mapped]:
        if not wanted:
            return []
        values = self._store.redis.command(self._base, "HMGET", f"{self._base}:entry", *(member(*each) for each in wanted))
        return [_entry(*each, value) for each, value in zip(wanted, values, strict=True) if value is not None]

    def _put(self, project: str, queue: str, pool: str, state: bytes, version: int | None) -> bool:
        expected = "" if version is None else version
        return bool(self._run(PUT, self._store.now(), member(project, queue), pool, state, expected))

    def _remove(self, project: str, queue: str, version: int | None) -> bool:
        return bool(self._run(REMOVE, member(project, queue), "" if version is None else version))

    def _drop_all(self) -> None:
        self._store.redis.unlink([f"{self._base}:{key}" for key in _KEYS])


def _entry(project: str, queue: str, value: bytes) -> Mapped:
    version, length = _HEAD.unpack_from(value)
    start = _HEAD.size + length
    return Mapped(project, queue, value[_HEAD.size : start].decode(), value[start:], version)
