"""The catalogue: which pool a queue is in."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import QueueNotMapped
from undercroft.messaging.models import Mapped

# Entries that are read at once where all are counted.
_AT_ONCE = 1_000


class CatalogueBase(abc.ABC):
    """Maps queues to pools. An entry is `{"project", "queue", "pool"}`.

    P12 Every answer shows what was changed before by anybody; nothing is remembered. Of changes of an entry at once, each is made
        on the outcome of the one before: none is lost.

    Args:
        driver: the control driver.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def list(self, project: str | None) -> Iterable[dict[str, Any]]:
        """Every entry of a project, in the order of the queues' names."""
        return map(_shown, self._list(arguments.project(project)))

    def get(self, project: str | None, queue: str) -> dict[str, Any]:
        """One entry.

        P13 Raises QueueNotMapped for a queue that was not inserted.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        found = self._find(scope, own)
        if found is None:
            raise QueueNotMapped(own, project)
        return _shown(found)

    def exists(self, project: str | None, queue: str) -> bool:
        """Whether the queue has an entry."""
        return self._find(arguments.project(project), arguments.name(queue)) is not None

    def insert(self, project: str | None, queue: str, pool: str) -> None:
        """Make an entry, or make it anew.

        P14 The pool need not be registered.
        """
        own, scope, name = arguments.name(queue), arguments.project(project), arguments.name(pool, "pool")
        if self._put(scope, own, name, b"", None):
            return
        while True:
            found = self._find(scope, own)
            if self._put(scope, own, name, b"", None if found is None else found.version):
                return

    def delete(self, project: str | None, queue: str) -> None:
        """Remove an entry; an unknown one is ignored."""
        self._remove(arguments.project(project), arguments.name(queue), None)

    def update(self, project: str | None, queue: str, pool: str | None = None) -> None:
        """Change the pool; None leaves it as it is.

        P15 Raises QueueNotMapped for a queue that was not inserted.
        """
        own, scope = arguments.name(queue), arguments.project(project)
        name = None if pool is None else arguments.name(pool, "pool")
        while True:
            found = self._find(scope, own)
            if found is None:
                raise QueueNotMapped(own, project)
            if name is None or self._put(scope, own, name, b"", found.version):
                return

    def drop_all(self) -> None:
        """Remove every entry, of all projects."""
        self._drop_all()

    # -- ours: what the pooled driver, and those who look after pools, ask of it ---------------------------------------

    def counts(self) -> Mapping[str, int]:
        """How many queues each pool has; a pool without a queue is not among them."""
        return self._counts()

    def _counts(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        after: tuple[str, str] | None = None
        while page := self._page(after, _AT_ONCE):
            found.update(entry.pool for entry in page)
            after = page[-1].project, page[-1].queue
        return found

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
    def _list(self, project: str) -> Iterable[Mapped]:
        """Every entry of a project, in the order of the queues' names."""

    @abc.abstractmethod
    def _page(self, after: tuple[str, str] | None, limit: int) -> Sequence[Mapped]:
        """At most `limit` entries of all projects behind a project and queue, in some order that does not change.

        An entry that is there for as long as all pages are read is in one of them; some may be in several.
        """

    @abc.abstractmethod
    def _find(self, project: str, queue: str) -> Mapped | None:
        """One entry, in one round trip."""

    @abc.abstractmethod
    def _find_all(self, wanted: Sequence[tuple[str, str]]) -> Sequence[Mapped]:
        """Those entries of projects and queues that there are, in any order; some hundreds are found in one round trip."""

    @abc.abstractmethod
    def _put(self, project: str, queue: str, pool: str, state: bytes, version: int | None) -> bool:
        """Insert an entry unless there is one (no version), or change it if its version is this; whether that was done.

        One round trip, atomic. A version is never that of an earlier state of the entry, nor of an entry before it.
        """

    @abc.abstractmethod
    def _remove(self, project: str, queue: str, version: int | None) -> bool:
        """Remove an entry, if its version is this (None: whatever it is); whether there was one to be removed."""

    @abc.abstractmethod
    def _drop_all(self) -> None:
        """Remove every entry."""


def _shown(entry: Mapped) -> dict[str, Any]:
    return {"project": entry.project, "queue": entry.queue, "pool": entry.pool}
