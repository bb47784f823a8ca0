"""Zaqar's controllers of queues and topics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zaqar import storage
from zaqar.storage import errors as theirs

from undercroft.compat.zaqar.errors import as_theirs

# Queues that are looked at in one statement where their names are searched.
_AT_ONCE = 1_000


class _Named:
    """What queues and topics have in common: Zaqar's order of arguments, and no error for metadata of an unknown one."""

    driver: Any
    _missing: type[Exception]

    @property
    def _ours(self) -> Any:
        raise NotImplementedError

    def _list(
        self, project: str | None, kfilter: Any, marker: str | None, limit: int, detailed: bool, name: str | None
    ) -> Iterator[Any]:
        with as_theirs():
            if not name:
                found: Iterator[Any] = self._ours.list(project, marker, limit, detailed, kfilter=kfilter)
                return found
            return self._containing(name, project, kfilter, marker, limit, detailed)

    def _containing(
        self, name: str, project: str | None, kfilter: Any, marker: str | None, limit: int, detailed: bool
    ) -> Iterator[Any]:
        """A page of those whose names contain a text: Zaqar's filter, where ours is for one name."""
        found: list[dict[str, Any]] = []
        while len(found) < limit:
            page, marker = self._ours.list(project, marker, _AT_ONCE, detailed, kfilter=kfilter)
            found += [each for each in page if name in each["name"]]
            if len(page) < _AT_ONCE:
                break
        found = found[:limit]
        return iter((found, found[-1]["name"] if found else ""))

    def _get(self, name: str, project: str | None = None) -> dict[str, Any]:
        try:
            return self.get_metadata(name, project)
        except self._missing:
            return {}

    def get_metadata(self, name: str, project: str | None = None) -> dict[str, Any]:
        """The metadata; raises where it does not exist."""
        with as_theirs():
            found: dict[str, Any] = self._ours.get_metadata(name, project)
        return found

    def set_metadata(self, name: str, metadata: dict[str, Any], project: str | None = None) -> None:
        """Replace the metadata; raises where it does not exist."""
        with as_theirs():
            self._ours.set_metadata(name, metadata, project)

    def _create(self, name: str, metadata: dict[str, Any] | None = None, project: str | None = None) -> bool:
        with as_theirs():
            return bool(self._ours.create(name, metadata, project))

    def _exists(self, name: str, project: str | None = None) -> bool:
        with as_theirs():
            return bool(self._ours.exists(name, project))

    def _delete(self, name: str, project: str | None = None) -> None:
        with as_theirs():
            self._ours.delete(name, project)

    def _stats(self, name: str, project: str | None = None) -> dict[str, Any]:
        with as_theirs():
            found: dict[str, Any] = self._ours.stats(name, project)
        return found


class Queue(_Named, storage.Queue):
    """Queues and their metadata."""

    _missing = theirs.QueueDoesNotExist

    @property
    def _ours(self) -> Any:
        return self.driver.ours.queue_controller

    def _calculate_resource_count(self, project: str | None = None) -> int:
        with as_theirs():
            return int(self._ours.calculate_resource_count(project))


class Topic(_Named, storage.Topic):
    """Topics and their metadata."""

    _missing = theirs.TopicDoesNotExist

    @property
    def _ours(self) -> Any:
        return self.driver.ours.topic_controller
