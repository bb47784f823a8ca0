"""Flavors in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from undercroft.core import document
from undercroft.engines.redis import Script
from undercroft.messaging import contract
from undercroft.messaging.drivers.redis import pools
from undercroft.messaging.drivers.redis.register import member
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.models import Flavor

_decode = msgspec.json.Decoder(Any).decode
# Keys that belong to flavors; see `pools.lua`.
_KEYS = ("flavors", "flavor", "named")
_ALL = -1


def _script(name: str, *, reads: bool = False) -> Script:
    return Script.of(__package__, f"flavor_{name}.lua", prelude="pools.lua", reads=reads)


LIST, PUT, DELETE = _script("list", reads=True), _script("put"), _script("delete")


class Flavors(contract.FlavorsBase):
    """The register of flavors of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store
        self._base = pools.base(self._store)

    def _run(self, script: Script, *arguments: str | int) -> Any:
        return self._store.redis.run(script, self._base, *arguments)

    def _list(self, project: str, marker: str, limit: int | None) -> Sequence[Flavor]:
        found = self._run(LIST, project, marker, _ALL if limit is None else limit)
        return [Flavor(name.decode(), _decode(capabilities)) for name, capabilities in found]

    def _get(self, name: str, project: str) -> Flavor | None:
        capabilities = self._store.redis.command(self._base, "HGET", f"{self._base}:flavor", member(project, name))
        return None if capabilities is None else Flavor(name, _decode(capabilities))

    def _put(self, name: str, project: str, capabilities: Any) -> None:
        self._run(PUT, project, name, document.encoded(capabilities, "capabilities"), 0)

    def _update(self, name: str, project: str, capabilities: Any) -> bool:
        return bool(self._run(PUT, project, name, document.encoded(capabilities, "capabilities"), 1))

    def _delete(self, name: str, project: str) -> None:
        self._run(DELETE, project, name)

    def _is_anywhere(self, name: str) -> bool:
        low, high = b"[" + name.encode() + b"\0", b"(" + name.encode() + b"\1"
        return bool(self._store.redis.command(self._base, "ZRANGEBYLEX", f"{self._base}:named", low, high, "LIMIT", 0, 1))

    def _drop_all(self) -> None:
        self._store.redis.unlink([f"{self._base}:{key}" for key in _KEYS])
