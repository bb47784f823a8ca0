"""Topics: queues of a namespace of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from undercroft.messaging.contract import arguments
from undercroft.messaging.contract.queue import Queue
from undercroft.messaging.errors import QueueDoesNotExist, TopicDoesNotExist


def queue_of(topic: str) -> str:
    """The name by which the messages and subscriptions of a topic are reached: the queue of no queue's name."""
    return f"{arguments.TOPIC}{topic}"


class Topic:
    """Makes topics, finds them, and says how full they are; the methods are those of `Queue`.

    Q10 A topic and a queue of one name never meet. What a topic's messages and subscriptions are asked for is `queue_of(name)`.

    Args:
        driver: the driver whose `queue_controller` keeps them.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @property
    def _queues(self) -> Queue:
        found: Queue = self.driver.queue_controller
        return found

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
        """A page of the project's topics, then the marker of the next page; see `Queue.list`."""
        if name is not None and not arguments.is_text(str(name)):
            return iter(([], ""))
        rows = self._queues._list(
            arguments.project(project),
            queue_of(arguments.name_marker(marker)),
            arguments.limit(limit),
            bool(detailed),
            dict(kfilter or {}),
            None if name is None else queue_of(str(name)),
            topics=True,
        )
        found = [
            {"name": row.name.removeprefix(arguments.TOPIC), **({} if row.metadata is None else {"metadata": row.metadata})}
            for row in rows
        ]
        return iter((found, found[-1]["name"] if found else ""))

    def get(self, name: str, project: str | None = None) -> dict[str, Any]:
        """The topic's metadata; raises TopicDoesNotExist."""
        return self.get_metadata(name, project)

    def get_metadata(self, name: str, project: str | None = None) -> dict[str, Any]:
        """The topic's metadata, as `get`."""
        with _as_topic(name, project):
            return self._queues.get_metadata(self._own(name), project)

    def set_metadata(self, name: str, metadata: Mapping[str, Any], project: str | None = None) -> None:
        """Replace the topic's metadata; raises TopicDoesNotExist."""
        with _as_topic(name, project):
            self._queues.set_metadata(self._own(name), metadata, project)

    def create(self, name: str, metadata: Mapping[str, Any] | None = None, project: str | None = None) -> bool:
        """Make a topic; False when it was there."""
        return self._queues.create(self._own(name), metadata, project)

    def exists(self, name: str, project: str | None = None) -> bool:
        """Whether there is such a topic."""
        return self._queues.exists(self._own(name), project)

    def delete(self, name: str, project: str | None = None) -> None:
        """Remove a topic with its messages."""
        self._queues.delete(self._own(name), project)

    def stats(self, name: str, project: str | None = None) -> dict[str, Any]:
        """How full the topic is; raises TopicDoesNotExist."""
        with _as_topic(name, project):
            return self._queues.stats(self._own(name), project)

    def calculate_resource_count(self, project: str | None = None) -> int:
        """How many topics the project has."""
        scope, count, last = arguments.project(project), 0, ""
        while True:
            rows = self._queues._list(scope, queue_of(last), arguments.MOST, False, {}, None, topics=True)
            count += len(rows)
            if len(rows) < arguments.MOST:
                return count
            last = rows[-1].name.removeprefix(arguments.TOPIC)

    @staticmethod
    def _own(name: str) -> str:
        return queue_of(arguments.name(name, "topic"))


@contextlib.contextmanager
def _as_topic(name: str, project: str | None) -> Iterator[None]:
    """The block, in which a queue that does not exist is a topic that does not."""
    try:
        yield
    except QueueDoesNotExist:
        raise TopicDoesNotExist(name, project) from None
