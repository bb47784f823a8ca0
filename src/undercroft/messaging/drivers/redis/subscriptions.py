"""Subscriptions in Redis."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import document
from undercroft.engines.redis import Script
from undercroft.messaging import contract
from undercroft.messaging.drivers.redis.store import Store, digest
from undercroft.messaging.models import Subscriber

_decode = msgspec.json.Decoder(dict[str, Any]).decode
# The millisecond of its making, random digits, and the digest of its queue, for who knows no more than the id. Former versions
# gave ids without that.
_ID = re.compile("[0-9a-f]{16}(?:[0-9a-f]{32})?", re.ASCII)
_RANDOM_BYTES = 2


def _script(name: str, *, reads: bool = False) -> Script:
    return Script.of(__package__, f"subscription_{name}.lua", prelude="subscriptions.lua", reads=reads)


LIST, GET, LIVES = (_script(name, reads=True) for name in ("list", "get", "lives"))
CREATE, UPDATE, DELETE, CONFIRM = map(_script, ("create", "update", "delete", "confirm"))


class Subscription(contract.Subscription):
    """The subscriptions of a data driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store

    def _run(self, script: Script, queue: str, project: str, now: int, *arguments: bytes | str | int) -> Any:
        return self._store.redis.run(script, self._store.base(project, queue), now, *arguments)

    def _list(self, queue: str, project: str, marker: str | None, limit: int) -> Sequence[Subscriber]:
        if marker is not None and not _ID.fullmatch(marker):
            return []
        now = self._store.now()
        return [_found(record, queue, now) for record in self._run(LIST, queue, project, now, marker or "", limit)]

    def _get(self, queue: str, subscription: str, project: str) -> Subscriber | None:
        return self._one(queue, project, subscription, "") if _ID.fullmatch(subscription) else None

    def _get_with_subscriber(self, queue: str, subscriber: str, project: str) -> Subscriber | None:
        return self._one(queue, project, "", subscriber)

    def _one(self, queue: str, project: str, subscription: str, subscriber: str) -> Subscriber | None:
        now = self._store.now()
        record = self._run(GET, queue, project, now, subscription, subscriber)
        return None if record is None else _found(record, queue, now)

    def _create(self, queue: str, subscriber: str, ttl: int, options: dict[str, Any], project: str) -> str | None:
        ending, text = secrets.token_hex(_RANDOM_BYTES) + digest(project, queue), document.encoded(options, "options")
        self._announce(queue, project)
        made: bytes | None = self._run(CREATE, queue, project, self._store.now(), ending, subscriber, ttl, text)
        return None if made is None else made.decode()

    def _update(self, queue: str, subscription: str, project: str, changes: Mapping[str, Any]) -> bool | None:
        if not _ID.fullmatch(subscription):
            return None
        options = document.encoded(changes["options"], "options") if "options" in changes else ""
        ttl, subscriber = changes.get("ttl", ""), changes.get("subscriber", "")
        if "ttl" in changes:
            self._announce(queue, project)
        changed = self._run(UPDATE, queue, project, self._store.now(), subscription, ttl, subscriber, options)
        return None if changed is None else bool(changed)

    def _announce(self, queue: str, project: str) -> None:
        """Let the outbox be looked at before there can be anything in it."""
        self._store.subscribed.announce(project, queue, self._store.incarnation())

    def _delete(self, queue: str, subscription: str, project: str) -> bool:
        return bool(_ID.fullmatch(subscription) and self._run(DELETE, queue, project, self._store.now(), subscription))

    def _confirm(self, queue: str, subscription: str, project: str, confirmed: bool) -> bool:
        if not _ID.fullmatch(subscription):
            return False
        return bool(self._run(CONFIRM, queue, project, self._store.now(), subscription, int(confirmed)))


def _found(record: Sequence[Any], queue: str, now: int) -> Subscriber:
    name, born, ttl, confirmed, subscriber, options = record
    age = max(0, now - born) // 1000
    return Subscriber(name.decode(), queue, subscriber.decode(), ttl, age, _decode(options), bool(confirmed))
