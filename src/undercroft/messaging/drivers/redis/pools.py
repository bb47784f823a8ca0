"""Pools in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import document
from undercroft.engines.redis import Script
from undercroft.messaging import contract
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.models import Pool

_decode = msgspec.json.Decoder(dict[str, Any]).decode
# Keys that belong to pools; see `pools.lua`.
_KEYS = ("pools", "pool", "uris", "grouped")
# The numbers of a record's fields.
_FIELDS = {"uri": 1, "weight": 2, "flavor": 3, "options": 4}
_ALL = -1


def _script(name: str, *, reads: bool = False) -> Script:
    return Script.of(__package__, f"pool_{name}.lua", prelude="pools.lua", reads=reads)


LIST, GET, GROUP = (_script(name, reads=True) for name in ("list", "get", "group"))
PUT, UPDATE, DELETE = map(_script, ("put", "update", "delete"))


class Pools(contract.PoolsBase):
    """The register of pools of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._base = base(self._store)

    def _run(self, script: Script, *arguments: str | int) -> Any:
        return self._store.redis.run(script, self._base, *arguments)

    def _list(self, marker: str, limit: int | None) -> Sequence[Pool]:
        return [_pool(record) for record in self._run(LIST, marker, _ALL if limit is None else limit)]

    def _of_flavor(self, flavor: str | None) -> Sequence[Pool]:
        return self._list("", None) if flavor is None else [_pool(record) for record in self._run(GROUP, flavor)]

    def _get(self, name: str) -> Pool | None:
        record = self._run(GET, name)
        return None if record is None else _pool(record)

    def _put(self, pool: Pool) -> bool:
        options = document.encoded(pool.options, "options")
        return bool(self._run(PUT, pool.name, pool.uri, pool.weight, pool.flavor, options))

    def _update(self, name: str, changes: Mapping[str, Any]) -> bool | None:
        values: list[str | int] = []
        for field, value in changes.items():
            values += (_FIELDS[field], document.encoded(value, field) if field == "options" else value)
        done = self._run(UPDATE, name, *values)
        return None if done is None else bool(done)

    def _delete(self, name: str) -> str | None:
        flavor: bytes | None = self._run(DELETE, name)
        return None if flavor is None else flavor.decode()

    def _drop_all(self) -> None:
        self._store.redis.unlink([f"{self._base}:{key}" for key in _KEYS])


def base(store: Store) -> str:
    """What the keys of pools and of flavors begin with."""
    return f"{{{store.options.namespace}:pools}}"


def _pool(record: Sequence[bytes]) -> Pool:
    name, uri, weight, flavor, options = record
    return Pool(name.decode(), uri.decode(), int(weight), flavor.decode(), _decode(options))
