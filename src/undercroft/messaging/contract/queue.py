"""Queues and their metadata."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from undercroft.core import time
from undercroft.messaging.contract import arguments
from undercroft.messaging.errors import QueueDoesNotExist
from undercroft.messaging.models import Edge, QueueRow, Stats


class Queue(abc.ABC):
    """Makes queues, finds them, and says how full they are.

    Q1  Every method has the seed's name, parameters, order and defaults; what we add is keyword-only. Arguments may be given by
        keyword, in any order. A controller is built from its driver alone.
    Q2  A project is any text of up to 256 characters; None and "" are the same one. Projects never see each other's queues.

    Args:
        driver: the control driver, or the data driver, whose queues these are.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def list(
        self,
        project: str | None = None,
        marker: str | None = None,
        limit: int = 10,
        detailed: bool = False,
        *,
        kfilter: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Iterator[Any]:
        """A page of the project's queues, then the marker of the next page.

        Q3  An iterator of two items: an iterable of `{"name": ...}`, with `"metadata"` when `detailed`, and the last name of the
            page, empty for an empty page. Queues come in the order of their names, by code point; `marker` is a name, which need
            not exist, and the page begins behind it.
        Q4  `name` gives the queue of exactly that name; `kfilter` those whose metadata have each of its keys with an equal value.
            Both come before the limit.
        """
        wanted = None if name is None else str(name)
        if wanted is not None and not arguments.is_text(wanted):
            return iter(([], ""))
        rows = self._list(
            arguments.project(project),
            arguments.name_marker(marker),
            arguments.limit(limit),
            bool(detailed),
            dict(kfilter or {}),
            wanted,
            topics=False,
        )
        return iter(([_shown(row) for row in rows], rows[-1].name if rows else ""))

    def get(self, name: str, project: str | None = None) -> dict[str, Any]:
        """The queue's metadata.

        Q5  Raises QueueDoesNotExist for a queue that there is not.
        """
        return self.get_metadata(name, project)

    def get_metadata(self, name: str, project: str | None = None) -> dict[str, Any]:
        """The queue's metadata, as `get`."""
        own, scope = arguments.name(name), arguments.project(project)
        found = self._metadata(own, scope)
        if found is None:
            raise QueueDoesNotExist(own, project)
        return found

    def set_metadata(self, name: str, metadata: Mapping[str, Any], project: str | None = None) -> None:
        """Replace the queue's metadata.

        Q6  The whole object is replaced; raises QueueDoesNotExist.
        """
        own, scope = arguments.name(name), arguments.project(project)
        if not self._set_metadata(own, arguments.mapping(metadata, "metadata"), scope):
            raise QueueDoesNotExist(own, project)

    def create(self, name: str, metadata: Mapping[str, Any] | None = None, project: str | None = None) -> bool:
        """Make a queue.

        Q7  True when it was made; False when it was there, and then its metadata stay as they are. Of processes that make the same
            one at once, one is told True.
        """
        return self._create(arguments.name(name), arguments.mapping(metadata, "metadata"), arguments.project(project))

    def exists(self, name: str, project: str | None = None) -> bool:
        """Whether there is such a queue."""
        return self._exists(arguments.name(name), arguments.project(project))

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove a queue with its messages and claims.

        Q8  Its subscriptions stay. An unknown queue is ignored. A queue of the same name that is made later is empty.
        """
        self._delete(arguments.name(name), arguments.project(project))

    def stats(self, name: str, project: str | None = None) -> dict[str, Any]:
        """How full the queue is: `{"messages": {"free": n, "claimed": n, "total": n, "oldest": M, "newest": M}}`.

        Q9  `total` = `free` + `claimed`; expired messages do not count, delayed ones are free. The two ends are there only when
            there are messages; each has `id`, `age` and `created` (ISO 8601 in UTC). Raises QueueDoesNotExist for a queue that was
            not created and has no messages.
        """
        own, scope = arguments.name(name), arguments.project(project)
        found = self._stats(own, scope)
        if found is None:
            raise QueueDoesNotExist(own, project)
        return statistics(found)

    def calculate_resource_count(self, project: str | None = None) -> int:
        """How many queues the project has."""
        return self._calculate_resource_count(arguments.project(project))

    # -- to be written by drivers ----------------------------------------------------------------------------------

    @abc.abstractmethod
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
        """At most `limit` queues whose names are behind the marker, in order; topics only (their names begin so), or none."""

    @abc.abstractmethod
    def _metadata(self, name: str, project: str) -> dict[str, Any] | None:
        """The metadata, which the caller may change; None for an unknown queue."""

    @abc.abstractmethod
    def _set_metadata(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        """Replace the metadata; whether there is such a queue."""

    @abc.abstractmethod
    def _create(self, name: str, metadata: dict[str, Any], project: str) -> bool:
        """Make a queue, unless it is there; whether it was made."""

    @abc.abstractmethod
    def _exists(self, name: str, project: str) -> bool:
        """Whether there is such a queue."""

    @abc.abstractmethod
    def _delete(self, name: str, project: str) -> None:
        """Remove a queue with its messages and claims."""

    @abc.abstractmethod
    def _stats(self, name: str, project: str) -> Stats | None:
        """How full it is; None for an unknown queue."""

    @abc.abstractmethod
    def _calculate_resource_count(self, project: str) -> int:
        """How many there are."""


def is_kept(metadata: Mapping[str, Any], kfilter: Mapping[str, Any]) -> bool:
    """Whether metadata have each key of a filter with an equal value; True and 1 are not equal."""
    return all(
        key in metadata and metadata[key] == value and isinstance(metadata[key], bool) == isinstance(value, bool)
        for key, value in kfilter.items()
    )


def statistics(found: Stats) -> dict[str, Any]:
    """Statistics in the contract's form."""
    messages: dict[str, Any] = {"free": found.free, "claimed": found.claimed, "total": found.free + found.claimed}
    if found.oldest is not None and found.newest is not None:
        messages |= {"oldest": _edge(found.oldest), "newest": _edge(found.newest)}
    return {"messages": messages}


def created(milliseconds: int) -> str:
    """A moment as `2026-01-31T12:00:00Z`."""
    return time.from_micros(milliseconds * 1000).strftime("%Y-%m-%dT%H:%M:%SZ")


def _edge(edge: Edge) -> dict[str, Any]:
    return {"id": edge.id, "age": edge.age, "created": created(edge.created)}


def _shown(row: QueueRow) -> dict[str, Any]:
    return {"name": row.name} if row.metadata is None else {"name": row.name, "metadata": row.metadata}
