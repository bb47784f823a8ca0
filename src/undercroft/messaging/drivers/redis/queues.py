"""Queues and their metadata in Redis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from undercroft.core import document
from undercroft.engines.redis import Script
from undercroft.messaging import contract
from undercroft.messaging.attributes import dead_letters
from undercroft.messaging.contract.arguments import TOPIC
from undercroft.messaging.contract.queue import is_kept
from undercroft.messaging.drivers.redis.store import Store
from undercroft.messaging.models import QueueRow, Stats

_decode = msgspec.json.Decoder(dict[str, Any]).decode
# The first name that sorts behind those of topics.
_BEHIND_TOPICS = TOPIC[:-1] + chr(ord(TOPIC[-1]) + 1)
# Ranges of names: the first one, and the first one behind.
_TOPICS = ((TOPIC, _BEHIND_TOPICS),)
_QUEUES = (("", TOPIC), (_BEHIND_TOPICS, None))
# Queues that are asked for what they are in one round trip, where many are looked through.
_AT_ONCE = 1_000

CREATE = Script.of(__package__, "queue_create.lua", prelude="metadata.lua")
SET = Script.of(__package__, "queue_set.lua", prelude="metadata.lua")


class Queue(contract.Queue):
    """The queues of a control driver."""

    def __init__(self, driver: Any) -> None:
        super().__init__(driver)
        self._store: Store = driver.store

    def _list(
        self,
        project: str,
        marker: str,
        limit: int,
        detailed: bool,
        kfilter: Mapping[str, Any],
        name: str | None,
        *,
        topics: bool,
    ) -> Sequence[QueueRow]:
        found: list[QueueRow] = []
        most = _AT_ONCE if kfilter else limit
        names = self._names(project, marker, most, topics=topics) if name is None else _single(name, marker, topics=topics)
        for page in names:
            for own, text in zip(page, self._texts(project, page, whole=detailed or bool(kfilter)), strict=True):
                if text is None:
                    continue
                metadata = _decode(text)
                if is_kept(metadata, kfilter):
                    found.append(QueueRow(own, metadata if detailed else None))
            if len(found) >= limit:
                break
        return found[:limit]

    def _names(self, project: str, marker: str, limit: int, *, topics: bool) -> Iterator[list[str]]:
        """Pages of the register, in order."""
        for first, before in _TOPICS if topics else _QUEUES:
            after = marker
            while before is None or after < before:
                page = self._store.register.names(project, first, after, before, limit)
                if page:
                    yield page
                if len(page) < limit:
                    break
                after = page[-1]

    def _texts(self, project: str, names: Sequence[str], *, whole: bool) -> Iterator[bytes | None]:
        """The metadata of queues as JSON, None for those that are not there; unless `whole`, that of no attribute."""
        word = "HGET" if whole else "HEXISTS"
        bases = [self._store.base(project, name) for name in names]
        found = self._store.redis.commands([(base, (word, f"{base}:queue", "meta")) for base in bases])
        return iter(found) if whole else (b"{}" if there else None for there in found)

    def _metadata(self, name: str, project: str) -> dict[str, Any] | None:
        (text,) = self._texts(project, [name], whole=True)
        return None if text is None else _decode(text)

    def _set_metadata(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        return bool(self._store.redis.run(SET, self._store.base(project, name), *_fields(metadata)))

    def _create(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        base = self._store.base(project, name)
        run, fields = self._store.redis.run, _fields(metadata)
        made, inc, listed = run(CREATE, base, b"", project, name, *fields) or run(
            CREATE, base, self._store.announce(project, name), project, name, *fields
        )
        if not listed:
            self._store.enter(project, name, inc)
        return bool(made)

    def _exists(self, name: str, project: str) -> bool:
        (text,) = self._texts(project, [name], whole=False)
        return text is not None

    def _delete(self, name: str, project: str) -> None:
        self._store.forget(project, name)

    def _stats(self, name: str, project: str) -> Stats | None:
        found = self._store.stats(project, name)
        # What was posted, or moved as dead letters, to a queue that nothing made is counted, too.
        if not found.free + found.claimed and not self._exists(name, project):
            return None
        return found

    def _calculate_resource_count(self, project: str) -> int:
        pages = self._names(project, "", _AT_ONCE, topics=False)
        return sum(text is not None for page in pages for text in self._texts(project, page, whole=False))


def _single(name: str, marker: str, *, topics: bool) -> Iterator[list[str]]:
    """The page of one name, unless it is before the marker or of the other kind."""
    if name > marker and topics == (TOPIC <= name < _BEHIND_TOPICS):
        yield [name]


def _fields(metadata: dict[str, Any]) -> tuple[str | int, ...]:
    """The fields of a queue's hash that follow from its metadata; empty ones are not there."""
    rule = dead_letters(metadata)
    most, queue, ttl = ("", "", "") if rule is None else (rule.most, rule.queue, "" if rule.ttl is None else rule.ttl)
    return document.encoded(metadata, "metadata"), most, queue, ttl
